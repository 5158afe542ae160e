"""The web page: what its first load weighs and takes, and how it scrolls among ten thousand rows.

    python -m bench.page

A headless Chromium on this machine, beside the stack that serves it, without a graphics
processor: every frame is painted by the same cores. Run ui/build before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from bench.browser import ARGUMENTS, chromium
from bench.client import multipart, send_all
from bench.raw import TILES
from bench.stack import running_stack
from local.interrupts import interruptible

LOADS = 10
ROWS = 10_000
WHEEL_TURNS = 300
FILES = 100  # in a request
LOAD_LIMIT_S = 180.0
WHEEL_PX, WHEEL_EVERY_MS = 100, 16  # six thousand pixels a second: a quick flick, kept up

# Every frame while the wheel turns; a frame that is late was not smooth.
FRAMES = """
() => {
    window.frames_ms = [];
    let last = performance.now();
    const tick = (now) => {
        window.frames_ms.push(now - last);
        last = now;
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
}
"""
# The first moment after which the main thread is not held for 50 ms or more (as Lighthouse's
# "time to interactive" has it, without its wait for a quiet network).
INTERACTIVE = """
async () => {
    const held = [];
    new PerformanceObserver((list) => held.push(...list.getEntries()))
        .observe({ type: "longtask", buffered: true });
    await new Promise((done) => setTimeout(done, 500));
    const paints = performance.getEntriesByType("paint").map((one) => one.startTime);
    const there = performance.getEntriesByName("interactive-content")[0]?.startTime ?? 0;
    return Math.max(there, ...paints, ...held.map((one) => one.startTime + one.duration));
}
"""
SCRIPTS = """
() => performance.getEntriesByType("resource")
    .filter((one) => one.name.endsWith(".js"))
    .reduce((sum, one) => sum + one.encodedBodySize, 0)
"""
# Marks when the first button that does something is there.
MARK = """
new MutationObserver((_, observer) => {
    if (document.querySelector("main button")) {
        performance.mark("interactive-content");
        observer.disconnect();
    }
}).observe(document, { subtree: true, childList: true });
"""


@interruptible()
def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loads", type=int, default=LOADS)
    parser.add_argument("--rows", type=int, default=ROWS)
    chosen = parser.parse_args()
    with running_stack() as stack, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        found: dict[str, Any] = {"first_load": first_loads(browser, stack.url, chosen.loads)}
        fill(stack.url, chosen.rows)
        found["scrolling"] = scrolling(browser, stack.url, chosen.rows)
        browser.close()
    print(json.dumps(found, indent=2))


def first_loads(browser: Browser, url: str, loads: int) -> dict[str, Any]:
    """Load the page with an empty cache, again and again."""
    interactive_ms, script_bytes = [], 0
    for _ in range(loads):
        context = browser.new_context()
        page = context.new_page()
        page.add_init_script(MARK)
        page.goto(url)
        page.get_by_role("button", name="Choose images").wait_for()
        interactive_ms.append(float(page.evaluate(INTERACTIVE)))
        script_bytes = int(page.evaluate(SCRIPTS))
        context.close()
    return {
        "loads": loads,
        "script_bytes_gzipped": script_bytes,
        "interactive_ms": {
            "median": round(statistics.median(interactive_ms)),
            "worst": round(max(interactive_ms)),
        },
    }


def fill(url: str, rows: int) -> None:
    """Classify real tiles until there are as many rows.

    Raises:
        RuntimeError: not every request was answered with its outcomes.
    """
    paths = sorted(TILES.glob("*/*.jpg"))
    files = [(path.name, path.read_bytes()) for path in paths] * (FILES // len(paths))
    request = multipart("/upload_batch?wait=60", "files", files)
    requests = [request] * (rows // FILES)
    answers, _ = send_all(url, requests, connections=4)
    statuses = Counter(answer.status for answer in answers)
    if statuses != {200: len(requests)}:
        raise RuntimeError(f"{len(requests)} requests were answered by {dict(statuses)}")


def scrolling(browser: Browser, url: str, rows: int) -> dict[str, Any]:
    """Scroll down from the first of all results by the wheel and time every frame.

    All are loaded by then; the wheel turns past the first 470 or so (``WHEEL_TURNS``). Beside it,
    as what this machine can do at best, a page of as many pixels with nothing on it but a few
    lines of text in each screen, and no code.
    """
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto("about:blank")
    page.set_content("<p style='height: 300px'>Nothing but text.</p>" * 2000)
    plain = frames(page)
    page.goto(f"{url}/#/results")
    page.locator("tr[data-request-id]").first.wait_for()
    load_all(page, rows)
    page.keyboard.press("Home")
    page.wait_for_timeout(1000)
    return {
        "rows": rows,
        "frame_ms": frames(page),
        "frame_ms_of_a_plain_page": plain,
        "rows_in_the_document": page.locator("tr[data-request-id]").count(),
    }


def frames(page: Page) -> dict[str, float]:
    """Turn the wheel and return percentiles of the time between frames, in ms."""
    page.mouse.move(700, 600)
    page.evaluate(FRAMES)
    for _ in range(WHEEL_TURNS):
        page.mouse.wheel(0, WHEEL_PX)
        page.wait_for_timeout(WHEEL_EVERY_MS)
    p50, p95, p99 = np.percentile(page.evaluate("window.frames_ms"), [50, 95, 99])
    return {"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1)}


def load_all(page: Page, rows: int, limit_s: float = LOAD_LIMIT_S) -> None:
    """Go to the end until there is no more to be fetched.

    Raises:
        TimeoutError: there still is after ``limit_s``.
    """
    whole = page.get_by_text(f"{rows:,} in all")
    deadline = time.monotonic() + limit_s
    while not whole.count():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the page had not loaded {rows:,} rows after {limit_s} s")
        page.keyboard.press("End")
        page.wait_for_timeout(50)


if __name__ == "__main__":
    main()
