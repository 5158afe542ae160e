"""Findings for people: text for a terminal, and a folder with HTML, PNG and JSON."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from model.evaluation.evaluate import Findings

HERE = Path(__file__).parent
METRICS_JSON = "metrics.json"


def text(findings: Findings) -> str:
    """Return the figures as a few aligned lines."""
    lines = [
        f"{findings.model} on the {findings.served.tiles:,} tiles of the {findings.split} split",
        "",
        f"{'':<24} {'accuracy':>8}  {'95 % interval':<17} {'ECE':>7} {'log loss':>9}",
    ]
    rows = {**findings.forms, **{f"  {name}": one for name, one in findings.shifts.items()}}
    for name, found in rows.items():
        low, high = found.interval
        lines.append(
            f"{name:<24} {found.accuracy:>8.2%}  {low:.2%} to {high:.2%}"
            f"  {found.ece:>7.4f} {found.log_loss:>9.4f}"
        )
    lines += ["", f"{'class':<24} {'precision':>9} {'recall':>9} {'F1':>9} {'tiles':>7}"]
    for label, one in findings.served.classes.items():
        precision = "none" if one.precision is None else f"{one.precision:.2%}"
        lines.append(
            f"{label:<24} {precision:>9} {one.recall:>9.2%} {one.f1:>9.2%} {one.tiles:>7,}"
        )
    if absent := unmeasured(findings):
        lines += ["", f"No tiles of: {', '.join(absent)}"]
    return "\n".join(lines)


def unmeasured(findings: Findings) -> list[str]:
    """Return the classes that the model knows, and the split has no tiles of."""
    return [label for label in findings.labels if label not in findings.served.classes]


def write(findings: Findings, folder: Path) -> Path:
    """Write ``report.html`` (one file, pictures inside), its PNGs and ``metrics.json``."""
    # matplotlib, which only this needs
    from model.evaluation.letters import Letters
    from model.evaluation.plots import MOST_CLASSES, draw

    letters = Letters.of(findings.labels)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRICS_JSON).write_text(json.dumps(as_json(findings), indent=2) + "\n")
    pictures = {
        name.removesuffix(".png"): base64.b64encode((folder / name).read_bytes()).decode()
        for name in draw(findings, folder, letters)
    }
    templates = Environment(loader=FileSystemLoader(HERE), autoescape=True)
    page = templates.get_template("report.html.jinja").render(
        found=findings,
        pictures=pictures,
        numbered=letters.numbered,
        most_classes=MOST_CLASSES,
        absent=unmeasured(findings),
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")  # as it says of itself
    return path


def as_json(findings: Findings) -> dict[str, object]:
    """Return the findings as JSON can say them, without the pixels of mistakes."""
    told = asdict(findings)
    for mistake in told["mistakes"]:
        del mistake["pixels"]
    return told
