"""What is written for people says what was found."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="pip install -r requirements/train.txt")

from model.evaluation import report
from model.evaluation.evaluate import Findings, evaluate
from model.evaluation.shifts import SHIFTS
from settings import Settings

INT8 = "OpenVINO INT8"


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory, tiles: list[Path]) -> Findings:
    """Evaluate the served model on the bundled tiles, one of which lies in a wrong folder."""
    folder = tmp_path_factory.mktemp("data")
    for path in tiles:
        (folder / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, folder / path.parent.name / path.name)
    forest = next(folder.glob("Forest/*"))
    shutil.move(forest, folder / "SeaLake" / forest.name)
    return evaluate(folder, artefact=Settings().artefact, shifted=True)


def test_the_bundled_tiles_are_all_of_the_test_split(findings: Findings) -> None:
    assert list(findings.forms) == [INT8]
    assert findings.served.tiles == 50
    assert findings.served.accuracy >= 0.8


def test_a_tile_in_the_wrong_folder_is_among_the_confident_mistakes(findings: Findings) -> None:
    assert ("SeaLake", "Forest") in {
        (mistake.true_label, mistake.predicted_label) for mistake in findings.mistakes
    }
    confidences = [mistake.confidence for mistake in findings.mistakes]
    assert confidences == sorted(confidences, reverse=True)


def test_every_shift_is_measured_on_every_tile(findings: Findings) -> None:
    assert set(findings.shifts) == set(SHIFTS)
    assert {found.tiles for found in findings.shifts.values()} == {50}
    # A net that was trained on all symmetries of a tile sees little difference.
    assert abs(findings.shifts["turned by 90°"].accuracy - findings.served.accuracy) <= 0.1


def test_the_text_has_the_figures(findings: Findings) -> None:
    told = report.text(findings)
    assert f"{findings.served.accuracy:.2%}" in told
    for name in (*SHIFTS, *findings.labels, findings.model):
        assert name in told


def test_the_folder_has_one_page_with_its_pictures_inside(
    findings: Findings, tmp_path: Path
) -> None:
    page = report.write(findings, tmp_path / "new" / "report")

    sources: list[str] = []

    class Pictures(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            sources.extend(value or "" for name, value in attrs if name == "src")

    Pictures().feed(page.read_text())
    pngs = sorted(page.parent.glob("*.png"))
    assert len(sources) == len(pngs) == 5
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    for png in pngs:
        with Image.open(png) as picture:
            assert min(picture.size) > 200
    told = json.loads((page.parent / "metrics.json").read_text())
    assert told["forms"][INT8]["accuracy"] == findings.served.accuracy
    assert len(told["mistakes"]) == len(findings.mistakes)
