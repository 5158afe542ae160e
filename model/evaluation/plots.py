"""The pictures of a report, as PNG. Colours keep their meaning through all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from model.evaluation.evaluate import Findings
from model.evaluation.letters import Letters
from model.evaluation.metrics import Evaluation

INK, FAINT, GRID = "#1f2430", "#6b7280", "#e5e7eb"
SERVED, WRONG = "#1d6fb8", "#c2410c"  # what is served, and what it gets wrong
MISTAKEN = LinearSegmentedColormap.from_list("mistaken", ["#fff7ed", "#fdba74", "#9a3412"])
DPI = 130
MOST_CLASSES = 40  # that a picture shows: those with the lowest F1, where there are more
SHEET_COLUMNS = 6
SHEET_LETTERS = 22  # of a label, that have room above a tile
STYLE: dict[str, Any] = {"fontsize": 9, "color": INK}


def draw(findings: Findings, folder: Path, letters: Letters) -> list[str]:
    """Draw all plots of ``findings`` into ``folder`` and return their file names."""
    names = letters.names
    # A label is a text, and no formula, whatever is in it.
    with matplotlib.rc_context({"font.family": letters.fonts, "text.parse_math": False}):
        drawn = {
            "classes.png": _classes(findings.served, names),
            "confusion.png": _confusion(findings, names),
            "reliability.png": _reliability(findings),
        }
        if findings.shifts:
            drawn["shifts.png"] = _shifts(findings)
        if findings.mistakes:
            drawn["mistakes.png"] = _mistakes(findings, names)
        for name, figure in drawn.items():
            figure.savefig(folder / name, dpi=DPI, facecolor="white", bbox_inches="tight")
    return list(drawn)


def axes_of(figure: Figure, *place: int) -> Axes:
    """Add a plain subplot: no frame, faint ticks."""
    axes: Axes = figure.add_subplot(*place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=FAINT, labelsize=8, length=0)
    axes.set_axisbelow(True)
    return axes


def _shares(axes: Axes, shares: list[float]) -> None:
    """Let the x axis show ``shares`` as percentages, and none that cannot be."""
    low, high = min(shares), max(shares)
    if high - low < 0.02:  # all of them 100 %, say
        low, high = max(0.0, low - 0.05), min(1.0, high + 0.05)
    margin = 0.05 * (high - low)  # less than from one tick to the next
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g}%")
    axes.grid(axis="x", color=GRID)


def _worst(served: Evaluation) -> list[str]:
    """Return the classes that are shown, the one with the lowest F1 first."""
    return sorted(served.classes, key=lambda label: served.classes[label].f1)[:MOST_CLASSES]


def _classes(served: Evaluation, names: dict[str, str]) -> Figure:
    labels = _worst(served)
    figure = Figure(figsize=(7, 0.42 * len(labels) + 1.2))
    axes = axes_of(figure, 1, 1, 1)
    places = np.arange(len(labels))
    figures = [served.classes[label] for label in labels]
    precisions = [one.precision if one.precision is not None else np.nan for one in figures]
    recalls = [one.recall for one in figures]
    ends = np.fmin(precisions, recalls), np.fmax(precisions, recalls)
    axes.hlines(places, *ends, color=GRID, lw=3)
    axes.scatter(precisions, places, color=SERVED, s=34, label="precision", zorder=3)
    axes.scatter(recalls, places, color=WRONG, s=34, marker="D", label="recall", zorder=3)
    axes.set_yticks(places, [names[label] for label in labels], **STYLE)
    _shares(axes, [*recalls, *(one for one in precisions if not np.isnan(one))])
    # Above the rows, however few they are.
    axes.legend(frameon=False, fontsize=8, loc="lower left", ncols=2, bbox_to_anchor=(0, 1))
    return figure


def _confused(findings: Findings) -> list[str]:
    """Return the classes of the confusion matrix, in the model's order."""
    served = findings.served
    if len(findings.labels) <= MOST_CLASSES:
        return findings.labels
    taken_for = {to for row in served.confusion.values() for to in row} - served.classes.keys()
    chosen = [*_worst(served), *sorted(taken_for)][:MOST_CLASSES]
    return [label for label in findings.labels if label in chosen]


def _confusion(findings: Findings, names: dict[str, str]) -> Figure:
    labels = _confused(findings)
    counts = np.array(
        [[findings.served.confusion.get(row, {}).get(to, 0) for to in labels] for row in labels]
    )
    # What is right is most of it, and would leave no colour for what is wrong.
    wrong = np.where(np.eye(len(labels), dtype=bool), 0, counts)
    figure = Figure(figsize=(0.62 * len(labels) + 1.8, 0.56 * len(labels) + 1.4))
    axes = axes_of(figure, 1, 1, 1)
    axes.imshow(wrong, cmap=MISTAKEN, vmin=0, vmax=max(1, wrong.max()))
    for (row, column), n in np.ndenumerate(counts):
        if n:
            dark = row != column and n > 0.6 * wrong.max()
            color = FAINT if row == column else "white" if dark else INK
            axes.text(column, row, str(n), ha="center", va="center", fontsize=8, color=color)
    shown = [names[label] for label in labels]
    axes.set_xticks(range(len(labels)), shown, rotation=40, ha="right", **STYLE)
    axes.set_yticks(range(len(labels)), shown, **STYLE)
    axes.set_xlabel("predicted", **STYLE)
    axes.set_ylabel("true", **STYLE)
    return figure


def _reliability(findings: Findings) -> Figure:
    figure = Figure(figsize=(3.3 * len(findings.forms) + 0.4, 3.3))
    for number, (form, found) in enumerate(findings.forms.items(), 1):
        axes = axes_of(figure, 1, len(findings.forms), number)
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
        confidences = [one.confidence for one in found.reliability]
        accuracies = [one.accuracy for one in found.reliability]
        sizes = [12 + 160 * (one.tiles / found.tiles) ** 0.5 for one in found.reliability]
        axes.vlines(confidences, confidences, accuracies, color=WRONG, lw=1.5, alpha=0.7)
        axes.scatter(confidences, accuracies, s=sizes, color=SERVED, alpha=0.85, zorder=3)
        axes.set(xlim=(0, 1.08), ylim=(0, 1.08), aspect="equal")
        axes.grid(color=GRID)
        axes.set_title(f"{form}: ECE {found.ece:.4f}", loc="left", **STYLE)
        axes.set_xlabel("how sure", **STYLE)
        if number == 1:
            axes.set_ylabel("how often right", **STYLE)
    return figure


def _shifts(findings: Findings) -> Figure:
    rows = {"as they are": findings.served, **findings.shifts}
    figure = Figure(figsize=(7, 0.42 * len(rows) + 0.8))
    axes = axes_of(figure, 1, 1, 1)
    places = np.arange(len(rows))[::-1]
    for place, (name, found) in zip(places, rows.items(), strict=True):
        low, high = found.interval
        color = SERVED if name == "as they are" else WRONG
        axes.hlines(place, low, high, color=color, lw=2, alpha=0.5)
        axes.scatter(found.accuracy, place, color=color, s=34, zorder=3)
        # In a column of its own, where no interval is in its way.
        axes.text(
            1.12, place, f"{found.accuracy:.2%}", transform=axes.get_yaxis_transform(),
            va="center", ha="right", **STYLE,
        )  # fmt: skip
    axes.axvline(findings.served.accuracy, color=SERVED, lw=0.8, ls=":")
    axes.set_yticks(places, list(rows), **STYLE)
    _shares(axes, [end for found in rows.values() for end in found.interval])
    return figure


def _mistakes(findings: Findings, names: dict[str, str]) -> Figure:
    def short(label: str) -> str:
        name = names[label]
        return name if len(name) <= SHEET_LETTERS else f"{name[: SHEET_LETTERS - 1]}…"

    lines = -(-len(findings.mistakes) // SHEET_COLUMNS)
    figure = Figure(figsize=(1.75 * SHEET_COLUMNS, 2.3 * lines))
    for number, mistake in enumerate(findings.mistakes, 1):
        axes = axes_of(figure, lines, SHEET_COLUMNS, number)
        axes.imshow(mistake.pixels, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        title = f"{short(mistake.predicted_label)} {mistake.confidence:.0%}"
        axes.set_title(title, fontsize=7.5, color=WRONG, pad=13)
        axes.text(
            0.5, 1.03, f"is {short(mistake.true_label)}", transform=axes.transAxes,
            ha="center", fontsize=7.5, color=INK,
        )  # fmt: skip
    figure.tight_layout(h_pad=1.2)
    return figure
