"""A trained net on disk: one safetensors file that says what it is.

The file's metadata carry the architecture, the labels, the sizes, the recipe and the data's
digests as JSON. There is no pickle in it, so that opening one runs nobody's code.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeGuard
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.artefact import MANIFEST
from model.errors import CheckpointError, ConfigError, PlaceError
from model.images import TILE_PX
from model.reference.architecture import build, head

METADATA = "skylane"  # the key that the JSON lies under


@dataclass(frozen=True)
class About:
    """What a checkpoint says of itself."""

    arch: str  # as torchvision names it
    labels: list[str]  # in the order of the outputs
    tile_px: int = TILE_PX  # side of the pixels that go in
    net_px: int = TILE_PX  # side that the net sees them at
    recipe: dict[str, Any] = field(default_factory=dict)  # the configuration it was trained by
    data: dict[str, Any] = field(default_factory=dict)  # digests of the data and of its split
    made: dict[str, Any] = field(default_factory=dict)  # on what, by which torch, in what time


def write(path: Path, net: nn.Module, about: About) -> None:
    """Write a net's weights in half the bytes: matrices as float16, vectors as they are.

    A matrix entry keeps 11 bits, which is more than bf16 training gave it. Vectors are few,
    and among them are running variances, which float16 could not hold.
    """
    tensors = {
        name: (tensor.half() if tensor.ndim > 1 and tensor.is_floating_point() else tensor)
        .detach()
        .cpu()
        .contiguous()
        for name, tensor in net.state_dict().items()
    }
    save(path, tensors, asdict(about))


def read(path: Path, told: About | None = None) -> tuple[nn.Module, About]:
    """Read what ``write`` wrote: the net in float32, in evaluation mode, and its metadata.

    ``told`` is of a checkpoint that says nothing of itself, in safetensors or as torch.save
    writes it; what one says counts, since it knows more: the size that the net sees tiles at,
    recipe and data.

    Raises:
        CheckpointError: the file is damaged, neither says nor fits what it is, or says otherwise.
    """
    if told and path.suffix != ".safetensors":
        return read_foreign(path, told), told
    tensors, metadata = load(path)
    if told and not metadata:
        return _filled(path, told, tensors), told
    try:
        about = About(**metadata)
    except TypeError as error:
        raise CheckpointError(f"{path} {_other(tensors)}") from error
    if told and (told.arch, told.labels, told.tile_px) != (about.arch, about.labels, about.tile_px):
        raise CheckpointError(
            f"{path} says of itself that it is {about.arch} for tiles of {about.tile_px} px and"
            f" {', '.join(about.labels)}, in this order: leave out --arch, --labels and --tile-px"
        )
    return _filled(path, about, tensors), about


def read_foreign(path: Path, about: About) -> nn.Module:
    """Read a state dict as ``torch.save`` wrote it, which says nothing of itself.

    torch's restricted loader builds tensors and nothing else.

    Raises:
        CheckpointError: the file is damaged, or does not fit the architecture and labels.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zipfile, pickle and torch raise a dozen kinds
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} is not a state dict, which is names and tensors alone, as torch.save writes"
            f" net.state_dict(): {first}"
        ) from error
    if not _is_state_dict(state):
        inner = (
            [key for key, one in state.items() if _is_state_dict(one)]
            if isinstance(state, dict)
            else []
        )
        hint = f"; the one under {inner[0]!r} in it is what to save" if inner else ""
        raise CheckpointError(f"{path} is no state dict, which is names and tensors alone{hint}")
    return _filled(path, about, state)


def _is_state_dict(state: object) -> TypeGuard[dict[str, Tensor]]:
    return (
        isinstance(state, dict)
        and bool(state)
        and all(isinstance(key, str) and isinstance(one, Tensor) for key, one in state.items())
    )


def start_from(path: Path, net: nn.Module) -> None:
    """Fill ``net`` with a checkpoint's weights; a head of other classes stays as it is.

    Raises:
        CheckpointError: it is not of the same architecture, or has NaN in it.
    """
    tensors, _ = load(path)
    check_finite(path, tensors)
    own, last = net.state_dict(), head(net)
    for name in (f"{last}.weight", f"{last}.bias"):
        if name in tensors and name in own and tensors[name].shape != own[name].shape:
            tensors[name] = own[name]
    _fill(path, net, tensors)


def check_finite(named: str | Path, tensors: dict[str, Tensor]) -> None:
    """Raise ``CheckpointError`` where a weight is NaN or infinite: nothing can learn from that."""
    lost = [name for name, one in tensors.items() if not torch.isfinite(one).all()]
    if lost:
        raise CheckpointError(
            f"{named} has NaN or infinite weights (as {min(lost)}): its training went astray"
        )


def file_digest(path: Path) -> str:
    """Return a file's SHA-256.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write tensors with JSON metadata, all or nothing: a kill leaves the last good file.

    Raises:
        PlaceError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(tensors, partial, {METADATA: json.dumps(metadata)})
    except SafetensorError as error:  # as it tells of a full disk
        partial.unlink(missing_ok=True)
        raise PlaceError(f"{path} cannot be written: {error}") from error
    os.umask(umask := os.umask(0o077))  # there is no other way to ask
    with suppress(OSError):  # of a file system without modes
        partial.chmod(0o666 & ~umask)  # safetensors lets nobody else read
    os.replace(partial, path)


def load(path: Path, device: str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the metadata of a safetensors file ({} if it has none of ours).

    Raises:
        CheckpointError: the file is not safetensors, or damaged.
    """
    try:
        with safe_open(path, "pt", device=device) as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a safetensors file{_archive(path, error)}") from error


def _filled(path: Path, about: About, tensors: dict[str, Tensor]) -> nn.Module:
    if len(set(about.labels)) < len(about.labels):
        raise CheckpointError(f"{path}: a label is there twice among {', '.join(about.labels)}")
    net = build(about.arch, len(about.labels))
    _fill(path, net, tensors)
    return net.eval()


def _fill(path: Path, net: nn.Module, tensors: dict[str, Tensor]) -> None:
    own = net.state_dict().keys()
    tensors = {
        name: tensor
        for name, tensor in tensors.items()
        if name in own or not name.startswith(("aux1.", "aux2.", "AuxLogits."))
    }
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:  # which lists every tensor of a net
        raise CheckpointError(f"{path} {_misfit(net, tensors)}") from error


def _misfit(net: nn.Module, given: dict[str, Tensor]) -> str:
    """Say why tensors are not those of ``net``: how many are not, and one of each kind."""
    own = net.state_dict()
    kinds = {
        "missing": [name for name in own.keys() - given if not name.endswith("_tracked")],
        "unknown": sorted(given.keys() - own),
        "of another shape": [
            name for name in own if name in given and own[name].shape != given[name].shape
        ],
    }
    with suppress(ConfigError):  # a net without such a layer
        last = head(net)
        layer = [name for name in (f"{last}.weight", f"{last}.bias") if name in own]
        if kinds == {"missing": [], "unknown": [], "of another shape": layer}:
            return (
                f"tells {len(given[layer[0]])} classes apart, and {len(own[layer[0]])} labels were"
                " given: it takes one for each, in the order of its outputs"
            )
    if given and all(name.startswith("module.") for name in given):
        return "has names that begin with module., of DataParallel: save net.module.state_dict()"
    told = [f"{len(names)} {kind} (as {min(names)})" for kind, names in kinds.items() if names]
    return (
        f"does not fit this architecture of {len(own)} tensors: {', '.join(told)}. It is of"
        " another one, or of a variant"
    )


def _other(tensors: dict[str, Tensor]) -> str:
    """Say what a file is that is no checkpoint of ours, and what would be right."""
    if any(name.startswith("average/") for name in tensors):
        return "is what a run goes on from; the net itself is weights.safetensors, at its end"
    return (
        "does not say what it is, so `skylane train` did not write it; --arch and --labels of"
        " `skylane export` and `skylane evaluate` say it"
    )


def _archive(path: Path, error: Exception) -> str:
    """Say what a file is that is not safetensors, if it can be told."""
    if not is_zipfile(path):
        return f", or is damaged: {error}"
    with suppress(BadZipFile), ZipFile(path) as archive:
        if MANIFEST in archive.namelist():
            return " but an artefact, as is served; give the checkpoint that it was made from"
    return (
        " but an archive, as torch.save writes; --arch and --labels of `skylane export` and"
        " `skylane evaluate` say what is in it"
    )
