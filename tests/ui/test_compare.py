"""Compare draws whatever the bench's report has in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from api.report import Report
from tests.stack import Stack
from tests.ui.conftest import Opener, violations

Shower = Callable[..., Page]


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value * 0.9, "high": value * 1.1}


def load(lane: str, offered_per_s: float, p99_ms: float | None) -> dict[str, Any]:
    percentiles = {"p50_ms": 9.0, "p90_ms": 12.0, "p99_ms": p99_ms}
    done = {"offered_per_s": offered_per_s, "done_per_s": offered_per_s, "images": 500, "errors": 0}
    return {"lane": lane, **done, **percentiles}


def stage(lane: str, offered_per_s: float, name: str, p50_ms: float | None) -> dict[str, Any]:
    p90_ms = None if p50_ms is None else 2 * p50_ms
    of = {"lane": lane, "offered_per_s": offered_per_s, "stage": name}
    return {**of, "p50_ms": p50_ms, "p90_ms": p90_ms}


# What the format had from the first, and in each section what is not always known: it tests
# drawing, and measures nothing.
OLD = {
    "format": "skylane-report/1",
    "made_at": "2026-01-01T00:00:00Z",
    "machine": "a machine made up for a test",
    "commands": ["skylane bench report results"],
    "verdict": "It depends on the load.",
    "load": [load("on-prem", 10, 20.0), load("on-prem", 100, None), load("serverless", 10, 90.0)],
    "bursts": [
        {
            "lane": lane,
            "images": 1000,
            "points": [{"at_s": s, "sent": 1000, "done": min(1000, s * 250)} for s in range(6)],
            "recovered_s": recovered_s,
        }
        for lane, recovered_s in (("on-prem", 4.0), ("serverless", None))
    ],
    "cold_starts": [
        {
            "lane": "serverless",
            "backend": "openvino-int8",
            "memory_mb": 1769,
            "starts": 6,
            "init_ms": interval(1700),
            "first_ms": interval(50),
            "warm_ms": None,
        }
    ],
    "costs": [
        {"lane": lane, "images_per_s": rate, "usd_per_million": interval(price)}
        for lane, rate, price in (
            *(("on-prem", 1, 30.0), ("on-prem", 100, 0.3)),
            *(("serverless", 1, 4.0), ("serverless", 100, 4.0)),
        )
    ],
    "break_even_per_s": interval(7.5),
}
LATER = {
    "table": [
        {"what": "Setup", "on_prem": "one command", "serverless": "an account", "note": "once"},
        {"what": "Scales to zero", "on_prem": "no", "serverless": "yes"},
    ],
    "stages": [
        *(stage("serverless", 100, name, ms) for name, ms in (("queue", 40.0), ("infer", 10.0))),
        *(stage("on-prem", 100, name, ms) for name, ms in (("queue", 5.0), ("infer", 20.0))),
        *(stage("on-prem", 10, name, ms) for name, ms in (("queue", None), ("infer", 3.0))),
    ],
    "cold_start_steps": [
        {"backend": backend, "memory_mb": memory_mb, "step": step, "ms": interval(ms / memory_mb)}
        for memory_mb in (2000, 500)
        for backend, imports_ms in (("openvino-int8", 200_000), ("torch-fp32", 1_000_000))
        for step, ms in (("process", 50_000), ("imports", imports_ms))
    ],
    "predicted": [
        {
            "lane": "on-prem",
            "offered_per_s": 10,
            "q": q,
            "measured": interval(measured_ms),
            "predicted_ms": 18.0,
        }
        for q, measured_ms in ((0.5, 20.0), (0.99, 40.0))
    ],
    "simulated": [
        {
            "lane": "serverless",
            "setting": f"{environments} environments of 1769 MB",
            "offered_per_s": 12_000,
            "seconds": 60,
            "p50_ms": 55.0,
            "p99_ms": None,
            "recovered_s": recovered_s,
            "largest": largest,
        }
        for environments, recovered_s, largest in ((2000, 63.0, 1234), (900, None, 900))
    ],
    "assumptions": ["Electricity costs what it did.", "Nobody is paid to look after it."],
}
SINCE = (
    "Side by side",
    "Where an image's time goes",
    "Where a cold start's time goes",
    "Predicted against measured",
    "Simulated scale",
)


@pytest.fixture
def show(open_page: Opener, stack: Stack) -> Iterator[Shower]:
    """Return a function that opens Compare, where a report lies as it is given."""
    path = stack.home / "report.json"

    def shown(report: dict[str, Any], **options: object) -> Page:
        Report.model_validate(report)
        path.write_text(json.dumps(report))
        page = open_page("compare", **options)
        expect(page.get_by_text("On-prem or serverless?")).to_be_visible()
        return page

    yield shown
    path.unlink(missing_ok=True)


@pytest.fixture
def page(show: Shower) -> Page:
    """Return Compare, where a report with every section lies."""
    return show({**OLD, **LATER})


def row(page: Page, region: str, name: str) -> Locator:
    """Return a row of a table, by what it has."""
    return page.get_by_role("region", name=region).get_by_role("row").filter(has_text=name)


def widths_px(row: Locator) -> list[float]:
    """Return how long the parts of a bar are."""
    widths: list[float] = row.locator("[data-part]").evaluate_all(
        "parts => parts.map(part => part.getBoundingClientRect().width)"
    )
    return widths


def test_each_section_of_the_report_is_drawn(page: Page) -> None:
    load = page.get_by_role("img", name="Latency against load")
    expect(load.locator(".recharts-line")).to_have_count(4)
    burst = page.get_by_role(
        "img", name="on-prem took 4.0 s for 1,000 images; serverless did not recover"
    )
    expect(burst.locator(".recharts-line")).to_have_count(2)
    cost = page.get_by_role("img", name="From 7.5 images")
    expect(cost.get_by_text("break-even")).to_be_visible()
    cold = page.get_by_role("region", name="Cold starts")
    expect(cold.get_by_role("row").last).to_contain_text("1.70 s")
    expect(cold.get_by_title("1.53 s to 1.87 s")).to_be_visible()
    even = page.get_by_text(
        "From 7.5 images/s (6.8 to 8.3) on, all the time, on-prem stays the cheaper lane"
    )
    expect(even).to_be_visible()
    expect(page.get_by_text("It depends on the load.")).to_be_visible()
    expect(page.get_by_text("skylane bench report results")).to_be_visible()


def test_the_verdict_comes_first_and_then_the_table(page: Page) -> None:
    told = page.locator("main").inner_text()
    order = (OLD["verdict"], *SINCE[:1], "Latency against load", *SINCE[1:], "What this supposes")
    places = [told.index(str(one)) for one in order]
    assert places == sorted(places)


def test_the_table_says_what_each_lane_is_and_notes_why(page: Page) -> None:
    table = page.get_by_role("table", name="What each lane does and costs, line by line")
    expect(table.get_by_role("columnheader")).to_have_text(
        ["What", "on-prem", "serverless", "Note"]
    )
    cells = row(page, "Side by side", "Setup").get_by_role("cell")
    expect(cells).to_have_text(["one command", "an account", "once"])
    expect(row(page, "Side by side", "to zero").get_by_role("cell")).to_have_text(["no", "yes", ""])


def test_stages_are_stacked_by_lane_on_the_scale_of_their_load(page: Page) -> None:
    region = page.get_by_role("region", name="Where an image's time goes")
    loads = region.locator("tbody")
    expect(loads).to_have_count(2)
    expect(loads.first).to_contain_text("10 images/s")
    low = loads.first.get_by_role("row", name="on-prem")
    expect(low.get_by_role("cell")).to_have_text(["", "3.00 ms", "–", "3.00 ms6.00 ms"])
    on_prem = loads.last.get_by_role("row", name="on-prem")
    expect(on_prem.get_by_role("cell").nth(1)).to_have_text("25.0 ms")
    serverless = loads.last.get_by_role("row", name="serverless")
    expect(serverless).to_contain_text("40.0 ms80.0 ms")
    queue, infer = widths_px(serverless)
    assert queue == pytest.approx(4 * infer, rel=0.05)
    assert sum(widths_px(on_prem)) == pytest.approx((queue + infer) / 2, rel=0.05)
    assert sum(widths_px(low)) == pytest.approx(queue + infer, rel=0.05)


def test_steps_of_cold_starts_are_stacked_by_memory_and_backend_on_one_scale(page: Page) -> None:
    region = page.get_by_role("region", name="Where a cold start's time goes")
    sizes = region.locator("tbody")
    expect(sizes.locator("th[scope=rowgroup]")).to_have_text(["500 MB", "2000 MB"])
    expect(sizes.first.locator("th[scope=row]")).to_have_text(["openvino-int8", "torch-fp32"])
    least = sizes.first.get_by_role("row", name="torch-fp32")
    expect(least).to_contain_text("2.00 s1.80 s to 2.20 s")
    expect(least.get_by_role("cell").nth(1)).to_have_text("2.10 s")
    most = sizes.last.get_by_role("row", name="torch-fp32")
    assert sum(widths_px(least)) == pytest.approx(4 * sum(widths_px(most)), rel=0.05)


def test_predictions_stand_beside_what_was_measured(page: Page) -> None:
    median = row(page, "Predicted against measured", "p50")
    expect(row(page, "Predicted against measured", "on-prem, 10 images/s")).to_be_visible()
    expect(median.get_by_role("cell")).to_have_text(
        ["20.0 ms18.0 ms to 22.0 ms", "18.0 ms", "× 0.90"]
    )
    expect(row(page, "Predicted against measured", "p99")).to_contain_text("× 0.45")
    expect(page.get_by_text("each within a factor of 2.23 of what was measured")).to_be_visible()


def test_what_is_simulated_says_that_nobody_measured_it(page: Page) -> None:
    expect(page.get_by_text("simulated, not measured", exact=True)).to_be_visible()
    done, open_end = page.get_by_role("region", name="Simulated scale").locator("tbody tr").all()
    expect(done).to_contain_text("2000 environments of 1769 MB")
    expect(done.get_by_role("cell")).to_have_text(
        ["12,000 images/sfor 1.0 min", "55.0 ms", "–", "1.1 min", "1,234"]
    )
    expect(open_end.get_by_role("cell")).to_have_text(
        ["12,000 images/sfor 1.0 min", "55.0 ms", "–", "–", "900"]
    )


def test_assumptions_are_there_for_who_asks(page: Page) -> None:
    assumption = page.get_by_text("Nobody is paid to look after it.")
    expect(assumption).to_be_hidden()
    page.get_by_text("What this supposes").click()
    expect(assumption).to_be_visible()


def test_a_report_from_before_those_sections_shows_without_them(show: Shower) -> None:
    page = show(OLD)
    expect(page.get_by_role("img", name="Latency against load")).to_be_visible()
    expect(page.get_by_role("region", name="Cold starts")).to_be_visible()
    for title in (*SINCE, "What this supposes"):
        expect(page.get_by_text(title)).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(show: Shower, scheme: str) -> None:
    page = show({**OLD, **LATER}, color_scheme=scheme)
    page.get_by_text("What this supposes").click()
    page.wait_for_timeout(300)
    assert violations(page) == []


def test_nothing_sticks_out_of_a_phone(show: Shower) -> None:
    page = show({**OLD, **LATER}, viewport={"width": 360, "height": 740})
    header = row(page, "Side by side", "Setup").get_by_role("rowheader")
    expect(header.get_by_text("once")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_without_a_report_it_says_how_to_make_one(open_page: Opener, stack: Stack) -> None:
    assert not Path(stack.home / "report.json").exists()
    page = open_page("compare")
    expect(page.get_by_text("Nothing has been compared here yet")).to_be_visible()
    expect(page.get_by_text("skylane bench report results")).to_be_visible()
