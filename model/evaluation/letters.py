"""Fonts for the letters of labels, of whatever alphabet, and numbers where no font has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib import font_manager

OWN = "DejaVu Sans"  # matplotlib's, which is always there
# Of those that are installed, the ones to try first: they have the letters of many languages.
PREFERRED = ("Noto Sans CJK JP", "Hiragino Sans", "Microsoft YaHei", "Arial Unicode MS")
PLACEHOLDERS = ("last resort", "lastresort", "adobe blank")  # have every letter, as a box


@dataclass(frozen=True)
class Letters:
    """How to write labels in a picture."""

    fonts: list[str]  # families, each for what those before it have not
    names: dict[str, str]  # of each label: itself, or "class 3" if it cannot be written

    @property
    def numbered(self) -> dict[str, str]:
        """The labels that cannot be written, by what stands for them: {"class 3": label}."""
        return {name: label for label, name in self.names.items() if name != label}

    @classmethod
    def of(cls, labels: list[str]) -> Letters:
        """Find fonts for ``labels``. With a box for each letter, they would all look the same."""
        fonts: list[str] = []
        missing = {letter for letter in "".join(labels) if not letter.isspace()}
        for family, path in _installed():
            left = _without(path, missing)
            if left != missing or not fonts:
                fonts.append(family)
            missing = left
            if not missing:
                break
        return cls(
            fonts,
            {
                label: f"class {number}" if missing & set(label) else label
                for number, label in enumerate(labels, 1)
            },
        )


def _installed() -> Iterator[tuple[str, str]]:
    """Yield families of fonts with the path of one of each, in the order to try them in."""
    paths = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    first = [family for family in (OWN, *PREFERRED) if family in paths]
    for family in [*first, *sorted(paths.keys() - set(first))]:
        if not family.lower().startswith(PLACEHOLDERS):
            yield family, paths[family]


def _without(path: str, letters: set[str]) -> set[str]:
    """Return those of ``letters`` that a font has not: all of them, if it cannot be used."""
    try:
        font = font_manager.get_font(path)
    except (OSError, RuntimeError):  # it is gone, or of a kind that matplotlib cannot read
        return letters
    if not font.scalable:  # it is made of pictures, as emoji are
        return letters
    return {letter for letter in letters if not font.get_char_index(ord(letter))}
