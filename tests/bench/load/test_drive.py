"""A run finds out what became of every image, whatever the answers promised."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg2
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from bench.load.drive import NotReady, about_of, drive
from bench.load.files import COLUMNS, NoRun, read_requests, read_runs, write_run
from bench.load.rows import rows_of
from bench.load.scenario import Scenario
from bench.load.target import Target, TargetError
from cli import skylane
from tests.bench.load.liar import Liar, lying
from tests.cli.proxy import Proxy
from tests.stack import WORKER, Stack, until


def scenario(**changes: Any) -> Scenario:
    members = {
        "name": "test",
        "duration_s": 1,
        "drain_s": 1,
        "timeout_s": 2,
        "arrivals": {"kind": "constant", "rate_per_s": 20},
    }
    return Scenario.model_validate(members | changes)


def test_every_promise_is_checked_against_the_rows() -> None:
    behaviours = ["done", "wrong", "another", "failed", "refused", "hang", "unfinished", "lost"]
    with lying(Liar(behaviours)) as url:
        run, outcomes = drive(scenario(), Target(url))
    assert [one.what for one in outcomes[:8]] == [
        "done",
        "wrong",
        "wrong",
        "failed",
        "refused",
        "unanswered",
        "unfinished",
        "lost",
    ]
    assert run.outcomes == {
        "done": 13,
        "wrong": 2,
        "failed": 1,
        "refused": 1,
        "unanswered": 1,
        "unfinished": 1,
        "lost": 1,
    }
    assert run.errors == 7
    assert run.codes["too_busy"] == run.codes["truncated_image"] == run.codes["TimeoutError"] == 1
    assert run.committed.samples == 13


def test_latency_counts_from_when_a_request_was_due_not_from_when_it_could_be_sent() -> None:
    """One at a time, 100 ms each, sent every 50: the last of twenty waits for a second."""
    with lying(Liar([], stall_s=0.1, threaded=False)) as url:
        _, outcomes = drive(scenario(timeout_s=30), Target(url))
    waited = [one.answered_ms for one in outcomes]
    assert waited[0] < 400
    assert waited[-1] > 900
    assert all(one.sent_s - one.scheduled_s < 0.5 for one in outcomes)  # the loop was open


def test_what_is_throttled_is_sent_again_if_the_scenario_says_so() -> None:
    with lying(Liar(["refused", "refused", "refused"])) as url:
        run, outcomes = drive(scenario(retries=3), Target(url))
    assert run.outcomes["done"] == run.images == 20
    assert run.attempts == sum(one.attempts for one in outcomes) == 23
    assert all(one.answered_s > one.sent_s for one in outcomes)


def test_json_that_is_no_object_is_an_answer_like_any_other() -> None:
    says = ['says "Bad gateway"', "says []", "says 7", "says null"]
    accepts = ['accepts "fine"', "accepts []", 'accepts {"results": "many"}']
    accepts += ['accepts {"results": ["one", null, {"status": "pending"}]}']
    with lying(Liar(says + accepts)) as url:
        run, outcomes = drive(scenario(), Target(url))
    assert [one.what for one in outcomes[:9]] == ["refused"] * 4 + ["done"] * 5
    assert run.codes == {"http_502": 4}


def test_a_gateway_that_names_a_time_is_asked_again_then_but_not_after_ages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.load.sender.RETRY_AFTER_MOST_S", 1.5)
    with lying(Liar(["later 1"] * 5 + ["later 86400"] * 5)) as url:
        run, outcomes = drive(scenario(retries=1, timeout_s=30), Target(url))
    assert run.outcomes["done"] == 20
    assert [one.attempts for one in outcomes] == [2] * 10 + [1] * 10
    waited_s = [one.answered_s - one.sent_s for one in outcomes]
    assert all(1.0 <= one < 1.2 + 0.5 for one in waited_s[:5])
    assert all(1.5 <= one < 1.8 + 0.5 for one in waited_s[5:10])
    spread_s = [one % 0.5 for one in waited_s[:10]]
    assert max(spread_s) - min(spread_s) > 0.02


def test_a_run_is_kept_of_a_service_that_broke_under_it() -> None:
    with lying(Liar(["done"] * 5 + ["broken"])) as url:
        run, _ = drive(scenario(), Target(url))
    assert not run.answers_checked
    assert (run.outcomes["done"], run.outcomes["refused"]) == (5, 15)


def test_an_image_that_is_lost_while_all_warms_up_is_an_error_all_the_same() -> None:
    with lying(Liar(["lost", "done", "failed"])) as url:
        run, _ = drive(scenario(warm_up=0.5), Target(url))
    assert (run.images, run.warm_up_images) == (20, 10)
    assert (run.outcomes["lost"], run.outcomes["failed"], run.errors) == (1, 1, 2)
    assert run.committed.samples == 10


def test_images_of_one_name_in_two_folders_are_two_images(tmp_path: Path, tile: bytes) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.jpg").write_bytes(tile)
    with lying(Liar([])) as url:
        _, outcomes = drive(scenario(images=tmp_path), Target(url))
    assert {one.image for one in outcomes} == {"here/1.jpg", "there/1.jpg"}


def test_a_warm_up_that_leaves_nothing_is_refused() -> None:
    with lying(Liar([])) as url, pytest.raises(ValueError, match="all 20 images are within"):
        drive(scenario(warm_up=5.0), Target(url))


def test_a_target_that_is_no_skylane_is_refused() -> None:
    with pytest.raises(TargetError, match="no address of an API: http://HOST:PORT is wanted"):
        Target("localhost:8000")
    with pytest.raises(NotReady, match="/about does not say what it is"):
        drive(scenario(), Target("http://127.0.0.1:9"))


def test_a_real_lane_does_all_that_it_accepts(stack: Stack, tmp_path: Path) -> None:
    arguments = ["bench", "run", "smoke", "--target", stack.url, "--out", str(tmp_path)]
    result = CliRunner().invoke(skylane, arguments, standalone_mode=False)
    assert result.return_value == 0, result.output
    [(run, folder)] = read_runs(tmp_path)
    assert set(run.outcomes) - {"done"} == {what for what, n in run.outcomes.items() if n == 0}
    assert run.committed.percentiles[0].value
    counting = run.images - run.warm_up_images
    assert run.accepted_to_committed.samples == run.committed.samples == counting
    assert 0 < run.warm_up_images < 30
    assert run.clock_within_ms is not None
    assert run.clock_within_ms < 50
    schema = json.loads((tmp_path / "run.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads((folder / "run.json").read_text()))
    lines = read_requests(folder)
    assert len(lines) == run.images
    assert tuple(lines[0]) == COLUMNS
    for line in lines:
        in_order = ("scheduled_s", "sent_s", "answered_s")
        assert float(line["scheduled_s"]) <= float(line["sent_s"]) <= float(line["answered_s"])
        assert all(line[name] for name in in_order)
        assert float(line["finished_s"]) > float(line["accepted_s"])


def test_batches_count_each_of_their_images(stack: Stack) -> None:
    batches = scenario(
        images_per_request=10, drain_s=60, arrivals={"kind": "constant", "rate_per_s": 3}
    )
    run, outcomes = drive(batches, Target(stack.url))
    assert run.outcomes["done"] == run.images == 30
    assert len({one.request_id for one in outcomes}) == 30
    assert run.offered_per_s == pytest.approx(30)


def test_the_database_and_the_api_tell_the_same(stack: Stack) -> None:
    database_url = psutil.Process(stack.pids(WORKER)[0]).environ()["DATABASE_URL"]
    target = Target(stack.url, database_url=database_url)
    run, outcomes = drive(scenario(drain_s=60), target)
    assert run.outcomes["done"] == 20
    ids = [one.request_id for one in outcomes]

    def written() -> bool:  # when a row was committed is written down after it was
        asked = "SELECT bool_and(committed_at IS NOT NULL) FROM predictions WHERE request_id = ANY"
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            cursor.execute(f"{asked} (%s::uuid[])", ([str(one) for one in ids],))
            return bool(cursor.fetchone()[0])

    until(written)
    by_database, by_api = rows_of(target, ids), rows_of(Target(stack.url), ids)
    for one in ids:
        api, database = by_api[one], by_database[one]
        assert (api.label, api.accepted) == (database.label, database.accepted)
        assert api.latency_ms == pytest.approx(database.latency_ms, abs=0.01)  # rounded
        assert api.stages_ms == pytest.approx(database.stages_ms, abs=0.01)


def test_a_folder_without_runs_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match="`skylane bench run` makes some"):
        read_runs(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(NoRun, match="is no run"):
        read_runs(tmp_path)


def test_what_is_wrong_on_the_command_line_is_said_in_a_line(tmp_path: Path) -> None:
    runner = CliRunner()
    for arguments, complaint in (
        (["stedy", "--target", "http://127.0.0.1:9"], "Those that come with Skylane"),
        (["smoke", "--target", "http://127.0.0.1:9"], "does not say what it is"),
        (["smoke", "--target", "here"], "no address of an API"),
        (["trace", "--target", "http://127.0.0.1:9", "--scale", "9"], "9 times its rate"),
    ):
        result = runner.invoke(skylane, ["bench", "run", *arguments], standalone_mode=True)
        assert result.exit_code == 1
        assert complaint in result.output
        assert "Traceback" not in result.output


def test_two_runs_that_begin_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    with lying(Liar([])) as url:
        run, outcomes = drive(scenario(), Target(url))
    write_run(tmp_path, run, outcomes)
    with pytest.raises(FileExistsError):
        write_run(tmp_path, run, outcomes)


def test_a_password_of_netrc_takes_no_signatures_place(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login operator password hunter2")
    for name, value in (
        ("NETRC", str(netrc)),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ):
        monkeypatch.setenv(name, value)
    with Proxy(stack.url) as proxy:
        target = Target(proxy.url, region="eu-central-1")
        about_of(target)
        rows_of(target, [uuid4()])
    assert len(proxy.authorizations) == 2
    assert all(str(one).startswith("AWS4-HMAC-SHA256 ") for one in proxy.authorizations)
