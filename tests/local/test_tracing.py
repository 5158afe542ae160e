"""One trace goes from the request to the row that it led to."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.collector import collector
from tests.stack import Stack, until

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_request_and_the_work_on_each_of_its_images_are_one_trace(
    tmp_path: Path, tiles: list[Path]
) -> None:
    with (
        collector() as told,
        Stack(
            tmp_path / "home",
            OTEL_EXPORTER_OTLP_ENDPOINT=told.url,
            OTEL_BSP_SCHEDULE_DELAY="200",  # ms
        ) as stack,
    ):
        answer = requests.post(
            f"{stack.url}/upload_batch?wait=30",
            files=[("files", (path.name, path.read_bytes())) for path in tiles[:3]],
            headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
            timeout=60,
        )
        rows = {row["request_id"]: row for row in answer.json()["results"]}
        assert answer.status_code == 200
        until(lambda: len(told.of(TRACE)) >= 1 + 3 * 5)
        spans = told.of(TRACE)

        [request] = [span for span in spans if span.service == "skylane-api"]
        assert (request.parent_id, "/upload_batch" in request.name) == (CALLER, True)
        work = [span for span in spans if span.name == "classify"]
        assert {span.attributes["skylane.key"].rpartition("/")[2] for span in work} == set(rows)
        for span in work:
            assert (span.service, span.parent_id) == ("skylane-worker", request.span_id)
            row = rows[span.attributes["skylane.key"].rpartition("/")[2]]
            assert span.attributes["skylane.label"] == row["predicted_label"]
            stages = {one.name: one.ms for one in spans if one.parent_id == span.span_id}
            assert list(stages) == ["fetch", "decode", "infer", "record"]
            for stage in ("fetch", "decode", "infer"):
                assert stages[stage] == pytest.approx(row[f"{stage}_ms"], abs=0.01)
            assert span.ms == pytest.approx(sum(stages.values()), abs=0.01)

        # Who brings no trace begins one; what only asks whether all is well begins none.
        before = len(told.spans)
        requests.get(f"{stack.url}/ready", timeout=9)
        requests.get(f"{stack.url}/stats", timeout=9)
        until(lambda: len(told.spans) > before)
        assert {span.name for span in told.spans[before:]} == {"GET /stats"}
