"""A checkpoint is names and tensors, whole or not there, and what is none is told."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from model.errors import CheckpointError, PlaceError  # noqa: E402
from model.reference import checkpoint  # noqa: E402
from model.reference.architecture import build  # noqa: E402
from model.reference.checkpoint import About  # noqa: E402

LABELS = ["River", "Forest", "SeaLake", "Pasture"]


def test_a_full_disk_is_told_and_leaves_the_last_good_file(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, {"weight": torch.zeros(8)}, {"step": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # as a full disk, but for this process
    try:
        with pytest.raises(PlaceError, match=r"net\.safetensors cannot be written: "):
            checkpoint.save(path, {"weight": torch.zeros(80_000)}, {"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.load(path)[1] == {"step": 1}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("wrapped", "told"),
    [
        (lambda state: {"epoch": 3, "model": state}, "the one under 'model' in it is what to save"),
        (lambda _: {"epoch": 3}, "is no state dict, which is names and tensors alone$"),
        (lambda _: [1, 2], "is no state dict"),
        (lambda state: dict(enumerate(state.values())), "is no state dict"),
        (
            lambda state: {f"module.{name}": one for name, one in state.items()},
            r"of DataParallel: save net\.module\.state_dict\(\)",
        ),
    ],
)
def test_a_state_dict_that_is_wrapped_is_told_from_none(
    wrapped: Callable[[dict[str, Any]], object], told: str, tmp_path: Path
) -> None:
    torch.save(wrapped(build("resnet18", 4).state_dict()), tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=told):
        checkpoint.read_foreign(tmp_path / "net.pt", About("resnet18", LABELS))


def test_an_empty_file_of_tensors_is_of_no_net(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "none.safetensors", {}, {})
    with pytest.raises(CheckpointError, match=r"122 tensors: \d+ missing"):
        checkpoint.read(tmp_path / "none.safetensors", About("resnet18", LABELS))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="none does not exist"):
        checkpoint.load(tmp_path / "none")


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return Path.touch, (tmp_path / "was_run",)

    path = tmp_path / "evil.pt"
    torch.save({"weight": Evil()}, path)
    with pytest.raises(CheckpointError, match="not a state dict"):
        checkpoint.read_foreign(path, About("resnet18", LABELS))
    assert not (tmp_path / "was_run").exists()


def test_weights_take_half_the_bytes_and_lose_next_to_nothing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build("resnet18", 10).eval()
    path = tmp_path / "net.safetensors"
    checkpoint.write(path, net, About("resnet18", [str(number) for number in range(10)]))
    read, _ = checkpoint.read(path)
    images = torch.rand(4, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(net(images), read(images), rtol=0.01, atol=0.01)
    path.with_name("another").touch()
    assert path.stat().st_mode == path.with_name("another").stat().st_mode  # as all else is read
    full = sum(tensor.numel() * 4 for tensor in net.state_dict().values())
    assert path.stat().st_size < 0.52 * full
