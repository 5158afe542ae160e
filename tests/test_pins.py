"""What can be said of the pins without asking anyone; requirements/audit asks."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[1] / "requirements"
LOCKED = sorted(path.stem for path in REQUIREMENTS.glob("*.in"))
SHIPPED = ("serve", "image", "lambda", "bench")
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)( ; [^\\]+)?( \\)?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
# What its users may do with an MIT-licensed program that brings these along is not narrowed.
FREE = re.compile(
    r"Apache|MIT|BSD|ISC|PSF|Python Software Foundation|MPL-2|Zlib|HPND|LGPL with exceptions"
)
# psycopg2's is the LGPL with exceptions; all others of that family bind who links or serves.
BINDING = re.compile(r"(?<!L)GPL|Affero|SSPL|BUSL|Commons Clause|Proprietary")


def pinned(name: str) -> dict[str, set[str]]:
    """Return the versions of a file by name: several where they go by Python's version."""
    found: dict[str, set[str]] = {}
    for line in (REQUIREMENTS / f"{name}.txt").read_text().splitlines():
        if pin := PIN.match(line):
            found.setdefault(pin["name"], set()).add(pin["version"])
    return found


@pytest.mark.parametrize("name", LOCKED)
def test_every_pin_is_one_version_with_hashes_and_nothing_comes_from_elsewhere(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    blocks = re.split(r"\n(?=\S)", "\n".join(lines))
    assert len(blocks) == sum(map(len, pinned(name).values()))
    for block in blocks:
        pin, *hashes = block.splitlines()
        assert PIN.fullmatch(pin), pin
        assert hashes, f"{pin} has no hash"
        assert all(HASH.fullmatch(one) for one in hashes), block


def test_all_files_agree_on_every_version() -> None:
    # The emulator is installed by itself, where nothing else is.
    names = sorted(path.stem for path in REQUIREMENTS.glob("*.txt") if path.stem != "emulator")
    versions: dict[str, dict[str, set[str]]] = {}
    for name in names:
        for package, found in pinned(name).items():
            versions.setdefault(package, {})[name] = found
    disputed = {
        package: by_file
        for package, by_file in versions.items()
        if any(found != next(iter(by_file.values())) for found in by_file.values())
    }
    assert len(versions) > 100
    assert disputed == {}


def test_what_is_asked_for_is_pinned() -> None:
    for name in LOCKED:
        asked = re.findall(r"^[A-Za-z0-9._-]+", (REQUIREMENTS / f"{name}.in").read_text(), re.M)
        asked = [one.lower() for one in asked if not one.startswith("-")]
        assert set(asked) <= pinned(name).keys(), name


def test_what_is_shipped_may_be() -> None:
    unclear = {}
    for package in sorted({one for name in SHIPPED for one in pinned(name)}):
        try:
            told = metadata.metadata(package)
        except metadata.PackageNotFoundError:
            continue  # of another platform or Python
        classifiers = [one for one in told.get_all("Classifier") or [] if "License" in one]
        said = told["License-Expression"] if "License-Expression" in told else ""  # noqa: SIM401 - it has no get
        free_text = told["License"].strip()[:60] if "License" in told else ""
        licence = said or " ".join([*classifiers, free_text])
        if BINDING.search(licence) or not FREE.search(licence):
            unclear[package] = licence
    assert unclear == {}
