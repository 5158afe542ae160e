"""Whatever file comes: a tile or a typed refusal, soon, in bounded memory, and no death."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from random import Random

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.images import TILE_PX, ImageError, decode
from tests.fuzz import seeds
from tests.fuzz.decoding import ROOT, decode_all
from tests.fuzz.inputs import kind_of, made, mutated
from tests.fuzz.mutations import MUTATIONS
from tests.fuzz.summary import wrong_ones
from tests.fuzz.uploading import upload_all
from tests.stack import Stack

# Pillow and libtiff warn of much that is wrong in a file.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own counters"),
]

SEED = 8
DECODED, UPLOADED = 2100, 420  # the whole is `python -m tests.fuzz`
WORKER = "tasks.celery_app worker"
DIGEST = f"""
import hashlib
from tests.fuzz.inputs import made
print(hashlib.sha256(b"".join(made({SEED}, number).data for number in range(140))).hexdigest())
"""


def named(wrong: dict[int, str]) -> dict[str, str]:
    return {
        f"--seed {SEED} --write {number} ({' '.join(kind_of(number))})": what
        for number, what in wrong.items()
    }


def test_damaged_files_end_as_uploads_as_they_do_in_decoding(stack: Stack) -> None:
    decoded = decode_all(SEED, range(DECODED), processes=2)
    workers = stack.pids(WORKER)
    uploaded = upload_all(stack.url, SEED, range(UPLOADED), connections=4)

    assert len(decoded) == DECODED
    assert len(uploaded) == UPLOADED
    assert named(wrong_ones(decoded, uploaded)) == {}
    assert stack.pids(WORKER) == workers
    assert requests.get(f"{stack.url}/ready", timeout=10).ok


def test_an_input_is_the_same_whenever_it_is_asked_for() -> None:
    kinds = {kind_of(number) for number in range(DECODED)}
    assert kinds == {(one, name) for one in seeds.FORMATS for name in MUTATIONS}
    elsewhere = subprocess.run(
        [sys.executable, "-c", DIGEST], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    here = io.StringIO()
    with redirect_stdout(here):
        exec(DIGEST, {})  # noqa: S102 - the same lines
    assert here.getvalue() == elsewhere


def test_an_input_that_kills_its_process_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = made(SEED, 3).data
    (tmp_path / "sitecustomize.py").write_text(
        "import os, model.images\n"
        f"killer, decode = {killer!r}, model.images.decode\n"
        "model.images.decode = lambda data: os.kill(os.getpid(), 11) if data == killer"
        " else decode(data)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")

    decoded = decode_all(SEED, range(6), processes=1)

    assert [one.number for one in decoded] == list(range(6))
    assert {one.number: one.wrong for one in decoded if one.wrong} == {3: "!SIGSEGV"}


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    image_format=st.sampled_from(seeds.FORMATS),
    name=st.sampled_from(sorted(MUTATIONS.keys() - {"bomb", "none", "frames"})),
    rng=st.randoms(use_true_random=False),
)
def test_any_mutation_gives_a_tile_or_an_image_error(
    image_format: str, name: str, rng: Random
) -> None:
    """As above, by numbers that are not drawn but searched, and made small where it fails."""
    try:
        tile = decode(mutated(image_format, name, rng))
    except ImageError as error:
        assert error.code  # noqa: PT017 - either of the two is right
    else:
        assert tile.shape == (TILE_PX, TILE_PX, 3)
