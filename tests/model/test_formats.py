"""sniff(): the first bytes promise what decoding finds."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from model.formats import MEDIA_TYPES, SIGNATURE_BYTES, sniff
from model.images import ImageError, decode
from tests.corpus import CASES, Case
from tests.corpus.case import by_name, encode, picture

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged files

ACCEPTED_CASES = tuple(case for case in CASES if case.expects is None)
REFUSED_CASES = tuple(case for case in CASES if case.refused_at_the_door)


def named_by_pillow(data: bytes) -> str | None:
    """Return the format that Pillow opens the file as, among the accepted ones."""
    try:
        with Image.open(io.BytesIO(data), formats=list(MEDIA_TYPES)) as image:
            # A JPEG of two views is a JPEG to whoever takes its first bytes.
            return "JPEG" if image.format == "MPO" else image.format
    except Exception:  # the plugins raise anything on damaged files
        return None


@pytest.mark.parametrize("case", ACCEPTED_CASES, ids=lambda case: case.name)
def test_what_decodes_is_sniffed_as_pillow_names_it(case: Case) -> None:
    assert case.sniffed is not None
    assert case.sniffed == named_by_pillow(case.data)


@pytest.mark.parametrize("case", REFUSED_CASES, ids=by_name)
def test_what_is_of_no_accepted_format_is_neither_sniffed_nor_decoded(case: Case) -> None:
    assert case.sniffed is None
    with pytest.raises(ImageError) as refusal:
        decode(case.data)

    assert refusal.value.code in ("empty_file", "not_an_image")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pillow_never_opens_a_file_as_another_format_than_sniffed(case: Case) -> None:
    if case.sniffed is not None:
        assert named_by_pillow(case.data) in (case.sniffed, None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_bytes_are_enough(case: Case) -> None:
    assert sniff(case.data[:SIGNATURE_BYTES]) == sniff(case.data)


@pytest.mark.parametrize("image_format", MEDIA_TYPES)
def test_every_accepted_format_is_known_by_its_signature_only(image_format: str) -> None:
    data = encode(picture(), image_format)

    assert sniff(data) == image_format
    assert sniff(data[1:]) is None
    assert sniff(data[:2]) is None
    assert Image.MIME[image_format] == MEDIA_TYPES[image_format]


def test_sniffing_loads_neither_pillow_nor_numpy() -> None:
    told = "import sys, model.formats; print({'PIL', 'numpy'} & set(sys.modules) or 'neither')"
    done = subprocess.run(
        [sys.executable, "-c", told],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout.strip() == "neither"
