"""The page is built when its sources changed, and once, however many ask for it at once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from settings import ROOT

PACKAGES = ROOT / "ui/node_modules"
SOURCES = {
    "index.html": '<script type="module" src="./src/main.js"></script>',
    "src/main.js": 'import "./main.css"; console.log("a page");',
    "src/main.css": "body { color: teal }",
    "package.json": '{"type": "module"}',
}


@pytest.fixture
def ui(tmp_path: Path) -> Path:
    """Return the place of a very small page, with the packages of ours."""
    if not (PACKAGES / ".installed").is_file():
        pytest.skip("the page's packages are not installed: run ./test")
    shutil.copytree(ROOT / "local", tmp_path / "local")
    folder = tmp_path / "ui"
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("build", "package-lock.json"):
        shutil.copy(ROOT / "ui" / name, folder)
    (folder / "node_modules").mkdir()
    for package in PACKAGES.iterdir():
        (folder / "node_modules" / package.name).symlink_to(package)
    return folder


def started(ui: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([ui / "build"], stderr=subprocess.PIPE, text=True)


def built(*builds: subprocess.Popen[str]) -> int:
    """Return how often the page was built for these."""
    told = [build.communicate()[1] for build in builds]
    assert [build.returncode for build in builds] == [0] * len(builds), told
    return sum(text.count("Building the page") for text in told)


def test_the_page_is_built_anew_if_and_only_if_its_sources_changed(ui: Path) -> None:
    assert built(started(ui)) == 1
    assert len(list((ui / "dist/assets").glob("*.gz"))) == 2
    (ui / "tsconfig.tsbuildinfo").write_text("what tsc notes")
    assert built(started(ui)) == 0
    (ui / "src/main.css").write_text("body { color: navy }")
    assert built(started(ui)) == 1
    [style] = (ui / "dist/assets").glob("*.css")
    assert "navy" in style.read_text()


@pytest.mark.skipif(not shutil.which("flock"), reason="this system has no flock")
def test_of_two_that_need_the_page_at_once_one_builds_it(ui: Path) -> None:
    assert built(started(ui), started(ui)) == 1
