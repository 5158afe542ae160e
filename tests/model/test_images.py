"""decode(): what becomes of every kind of upload, how soon, and in how much memory."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from model.images import MAX_PIXELS, TILE_PX, ImageError, _ReadUntil, decode
from tests.corpus import DAMAGED, HOSTILE, SOUND, Case
from tests.corpus.case import SIDE, by_name, encode, picture
from tests.corpus.handmade import PNG_GREY, deflated_zeros, png
from tests.corpus.sound import ORIENTATION, jpeg

# Pillow and libtiff warn of much that is wrong in a file.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).parents[2]
SHAPE = (TILE_PX, TILE_PX, 3)
SLACK_S = 1.0  # between two looks at the clock
AT_MOST_MB = 100.0  # for files as small as these; an honest 25 megapixels need more
HONEST = {
    "JPEG": jpeg(),
    "progressive JPEG": jpeg(progressive=True),
    "PNG": encode(picture(), "PNG"),
    "WebP": encode(picture(), "WEBP"),
    "TIFF": encode(picture(), "TIFF", compression="tiff_lzw"),
    "BMP": encode(picture(24), "BMP"),
}
# Which edge of the scene the file's first row and first column are (Exif 2.32, 4.6.4 A).
FIRST_ROW_AND_COLUMN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
# Decodes the hostile files sent to it and prints by how much it grew during each.
GROWN = """
import json, pickle, re, sys, warnings
from pathlib import Path
from model.images import ImageError, decode

warnings.simplefilter("ignore")

def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

grown = {}
for name, data, limit_s in pickle.load(sys.stdin.buffer):
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    before = kilobytes("VmRSS")
    try:
        decode(data, limit_s=limit_s)
    except ImageError:
        pass
    grown[name] = (kilobytes("VmHWM") - before) / 1000
print(json.dumps(grown))
"""


@pytest.mark.parametrize("case", SOUND, ids=by_name)
def test_a_sound_image_comes_out_as_its_picture(case: Case) -> None:
    tile = decode(case.data)

    assert tile.shape == SHAPE
    assert tile.dtype == np.uint8
    assert case.shows is not None
    difference = np.abs(tile.astype(int) - np.asarray(case.shows())).mean()
    assert difference <= case.within


@pytest.mark.parametrize("case", DAMAGED, ids=by_name)
def test_what_cannot_be_classified_is_refused_with_its_code(case: Case) -> None:
    with pytest.raises(ImageError) as refusal:
        decode(case.data)

    assert refusal.value.code == case.expects
    assert " at 0x" not in refusal.value.detail  # people are told nothing of our objects


@pytest.mark.parametrize("case", HOSTILE, ids=by_name)
def test_a_hostile_file_is_refused_soon(case: Case) -> None:
    limit_s = case.limit_s or 1.0
    data = case.data
    began = time.thread_time()
    with pytest.raises(ImageError) as refusal:
        decode(data, limit_s=limit_s)

    assert refusal.value.code == case.expects
    assert time.thread_time() - began < limit_s + SLACK_S


def test_while_others_have_the_processor_no_time_is_counted() -> None:
    limit_s = 0.01
    file = _ReadUntil(b"pixels", limit_s)
    began = time.monotonic()
    while time.monotonic() - began <= 2 * limit_s:
        time.sleep(limit_s)  # as a thread does that has to wait for its turn

    assert file.read() == b"pixels"


@pytest.fixture
def grown_mb() -> dict[str, float]:
    """Return by how much a process of its own grew while it decoded each hostile file."""
    sent = pickle.dumps([(case.name, case.data, case.limit_s or 1.0) for case in HOSTILE])
    done = subprocess.run(
        [sys.executable, "-c", GROWN],
        input=sent,
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    grown: dict[str, float] = json.loads(done.stdout)
    return grown


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own counters")
def test_no_hostile_file_takes_much_memory(grown_mb: dict[str, float]) -> None:
    assert len(grown_mb) == len(HOSTILE)
    assert {name: grown for name, grown in grown_mb.items() if grown >= AT_MOST_MB} == {}


def test_a_file_of_many_pixels_is_decoded_up_to_the_bound_and_not_beyond() -> None:
    side = int(MAX_PIXELS**0.5)
    assert side**2 == MAX_PIXELS

    def white_lines(height: int) -> bytes:
        rows = height * (1 + (side + 7) // 8)
        return png((side, height), 1, PNG_GREY, deflated_zeros(rows))

    assert decode(white_lines(side)).shape == SHAPE
    with pytest.raises(ImageError) as refusal:
        decode(white_lines(side + 1))
    assert refusal.value.code == "image_too_large"


def test_time_is_up_when_the_limit_is() -> None:
    with pytest.raises(ImageError) as refusal:
        decode(jpeg(), limit_s=-1)

    assert refusal.value.code == "decode_timeout"


@pytest.mark.parametrize("orientation", FIRST_ROW_AND_COLUMN)
def test_an_exif_rotated_image_is_turned_upright(orientation: int) -> None:
    stored = Image.new("RGB", (SIDE, SIDE), "white")
    stored.paste("red", (0, 0, SIDE, 8))  # the first row
    stored.paste("blue", (0, 8, 8, SIDE))  # the first column
    exif = Image.Exif()
    exif[ORIENTATION] = orientation

    tile = decode(encode(stored, "PNG", exif=exif))

    middles = {"top": (0, 32), "bottom": (63, 32), "left": (32, 0), "right": (32, 63)}
    row, column = FIRST_ROW_AND_COLUMN[orientation]
    assert tuple(tile[middles.pop(row)]) == (255, 0, 0)
    assert tuple(tile[middles.pop(column)]) == (0, 0, 255)
    assert all(tuple(tile[middle]) == (255, 255, 255) for middle in middles.values())


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_sixteen_bits_map_to_their_high_byte(image_format: str) -> None:
    values = np.linspace(0, 0xFFFF, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)

    tile = decode(encode(Image.fromarray(values), image_format))

    assert (tile == (values >> 8)[:, :, None]).all()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_grey_gives_three_equal_channels(image_format: str) -> None:
    options = {"lossless": True} if image_format == "WEBP" else {}  # else WebP adds colour
    tile = decode(encode(Image.linear_gradient("L"), image_format, **options))

    assert all((tile[:, :, a] == tile[:, :, b]).all() for a, b in pairwise(range(3)))
    assert tile[-1].mean() > tile[0].mean() + 200  # and is no plain grey


def test_cmyk_colours_are_those_that_ink_gives() -> None:
    no_ink, cyan, yellow_and_magenta = (0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 255, 0)
    for ink, expected in (
        (no_ink, (255, 255, 255)),
        (cyan, (0, 255, 255)),
        (yellow_and_magenta, (255, 0, 0)),
    ):
        tile = decode(encode(Image.new("CMYK", (SIDE, SIDE), ink), "JPEG"))
        assert np.abs(tile.astype(int) - expected).max() <= 3


def test_a_real_tile_passes_through_bit_for_bit(tiles: list[Path]) -> None:
    assert len(tiles) == 50
    for path in tiles:
        with Image.open(path) as image:
            assert (decode(path.read_bytes()) == np.asarray(image)).all()


def test_the_largest_centred_square_is_taken() -> None:
    wide = Image.new("RGB", (SIDE * 3, SIDE), "white")
    wide.paste(picture(), (SIDE, 0))
    tall = Image.new("RGB", (SIDE, SIDE * 3), "white")
    tall.paste(picture(), (0, SIDE))

    for image in (wide, tall):
        assert (decode(encode(image, "PNG")) == np.asarray(picture())).all()


@pytest.mark.parametrize("side", [8, 63, 65, 130, 1000])
def test_any_size_shows_the_same_picture(side: int) -> None:
    tile = decode(encode(picture(side), "JPEG", quality=95))

    far_from_edges = [(16, 16), (16, 48), (48, 16), (48, 48)]
    whole = np.asarray(picture()).astype(int)
    assert all(np.abs(tile[at] - whole[at]).max() < 12 for at in far_from_edges)


def test_threads_decode_side_by_side(tiles: list[Path]) -> None:
    files = [path.read_bytes() for path in tiles] * 4
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(decode, files))

    assert all((tile == decode(data)).all() for tile, data in zip(together, files, strict=True))


Change = tuple[str, int, bytes]
# Half of the changes go to the first bytes, where the headers are.
POSITIONS = st.integers(0, 100) | st.integers(0, 20_000)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "cut", "drop"]),
        POSITIONS,
        st.binary(min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, changes: list[Change]) -> bytes:
    """Return the data with its bytes set, inserted, dropped or cut off at some places."""
    for kind, position, new in changes:
        at = position % (len(data) + 1)
        if kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + new + data[at:]
        else:
            data = data[:at] + (new if kind == "set" else b"") + data[at + len(new) :]
    return data


@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(name=st.sampled_from(sorted(HONEST)), changes=CHANGES)
@example(name="PNG", changes=[("cut", 0, b"\0")])
def test_any_damage_gives_a_tile_or_an_image_error(name: str, changes: list[Change]) -> None:
    try:
        tile = decode(changed(HONEST[name], changes))
    except ImageError as error:
        assert error.code  # noqa: PT017 - either of the two is right
    else:
        assert tile.shape == SHAPE
        assert tile.dtype == np.uint8
