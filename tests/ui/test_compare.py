"""Compare draws whatever the bench's report has in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from api.report import Report
from tests.stack import Stack
from tests.ui.conftest import Opener


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value * 0.9, "high": value * 1.1}


def load(lane: str, offered_per_s: float, p99_ms: float | None) -> dict[str, Any]:
    percentiles = {"p50_ms": 9.0, "p90_ms": 12.0, "p99_ms": p99_ms}
    done = {"offered_per_s": offered_per_s, "done_per_s": offered_per_s, "images": 500, "errors": 0}
    return {"lane": lane, **done, **percentiles}


# Every section, and in each what is not always known: it tests drawing, and measures nothing.
FULL = {
    "format": "skylane-report/1",
    "made_at": "2026-01-01T00:00:00Z",
    "machine": "a machine made up for a test",
    "commands": ["python -m bench.report"],
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


@pytest.fixture
def page(open_page: Opener, stack: Stack) -> Page:
    """Return Compare, where a report with every section lies."""
    path = stack.home / "report.json"
    path.write_text(Report.model_validate(FULL).model_dump_json())
    try:
        page = open_page("compare")
        expect(page.get_by_text("On-prem or serverless?")).to_be_visible()
        return page
    finally:
        path.unlink()


def test_each_section_of_the_report_is_drawn(page: Page) -> None:
    load = page.get_by_role("img", name="Latency against load")
    expect(load.locator(".recharts-line")).to_have_count(4)
    burst = page.get_by_role(
        "img", name="on-prem took 4.0 s for 1,000 images; serverless did not recover"
    )
    expect(burst.locator(".recharts-line")).to_have_count(2)
    cost = page.get_by_role("img", name="They cost the same at 7.5 images")
    expect(cost.get_by_text("break-even")).to_be_visible()
    cold = page.get_by_role("region", name="Cold starts")
    expect(cold.get_by_role("row").last).to_contain_text("1.70 s")
    expect(cold.get_by_title("1.53 s to 1.87 s")).to_be_visible()
    expect(page.get_by_text("It depends on the load.")).to_be_visible()
    expect(page.get_by_text("python -m bench.report")).to_be_visible()


def test_without_a_report_it_says_how_to_make_one(open_page: Opener, stack: Stack) -> None:
    assert not Path(stack.home / "report.json").exists()
    page = open_page("compare")
    expect(page.get_by_text("Nothing has been compared here yet")).to_be_visible()
    expect(page.get_by_text("python -m bench.report")).to_be_visible()
