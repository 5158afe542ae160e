"""Pictures of every page, for the documents: two widths, light and dark, of a stack with work.

    python -m bench.screenshots --out docs/images

Run ui/build before. Compare shows the report in --report, as skylane bench report makes it: the one
that docs/comparison.md tells of, if none is given.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from bench.browser import ARGUMENTS, chromium
from bench.raw import TILES
from bench.stack import running_stack
from local.interrupts import interruptible

REPORT = Path("bench/figures/report.json")
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
QUALITY = 82  # of WebP: a tenth of the bytes, and none can tell
WORK_S = 150.0  # of uploads come and go before the pictures, so that charts have a course
SETTLE_MS = 700


@interruptible()
def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--report", type=Path, default=REPORT, help="of skylane bench report")
    parser.add_argument("--work-s", type=float, default=WORK_S)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    report = str(chosen.report.resolve())
    with running_stack(SKYLANE_REPORT=report) as stack, sync_playwright() as driver:
        work(stack.url, chosen.work_s)
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for size in SIZES:
            for scheme in SCHEMES:
                take_all(browser, stack.url, size, scheme, chosen.out)
        browser.close()


def work(url: str, for_s: float) -> None:
    """Upload real tiles in batches of differing sizes, and a broken one now and then."""
    chance = random.Random(7)
    paths = sorted(TILES.glob("*/*.jpg"))
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        chosen = chance.sample(paths, chance.randint(1, 30))
        files = [(path.name, path.read_bytes()) for path in chosen]
        labels = [path.parent.name for path in chosen]
        if chance.random() < 0.05:
            files.append(("cut-off.jpg", files[0][1][:700]))
            labels.append("")
        requests.post(
            f"{url}/upload_batch?wait=30",
            files=[("files", file) for file in files],
            data={"true_label": labels},
            timeout=60,
        ).raise_for_status()
        time.sleep(chance.random())


def take_all(browser: Browser, url: str, size: str, scheme: str, out: Path) -> None:
    """Go through the pages as a person does and take a picture of each."""
    width, height = SIZES[size]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )

    def take(name: str, full: bool = False) -> None:
        page.wait_for_timeout(SETTLE_MS)
        save(page.screenshot(full_page=full), out / f"{name}-{size}-{scheme}.webp")

    page.goto(f"{url}/#/")
    page.get_by_test_id("folder").set_input_files(TILES)
    page.get_by_text("of 50 labels right").wait_for()
    page.get_by_role("button", name="Probabilities").nth(1).click()
    take("classify")
    page.goto(f"{url}/#/results")
    page.locator("tr[data-request-id]").nth(3).wait_for()
    take("results")
    page.goto(f"{url}/#/results?search=River")
    page.locator("tr[data-request-id]").filter(has_text="River").first.click()
    page.get_by_role("dialog").get_by_text("accepted to committed").wait_for()
    take("preview")
    page.goto(f"{url}/#/dashboard?minutes=15")
    page.get_by_text("Confusion matrix").first.wait_for()
    take("dashboard", full=True)
    page.goto(f"{url}/#/compare")
    page.locator("h1").wait_for()
    take("compare", full=True)
    page.close()


def save(png: bytes, path: Path) -> None:
    """Write a picture, small."""
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(path, quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
