"""What a training run depends on, besides the data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, TypeAdapter
from pydantic import ValidationError as Misfit

from model.errors import ConfigError
from model.images import TILE_PX

Share = Annotated[float, Field(ge=0, le=1)]
Stages = Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(min_length=1)]
Side = Annotated[int, Field(ge=8)]
_LISTED = "; several teachers are one value, as in teachers=a.safetensors,b.safetensors"


@dataclass(frozen=True)
class Config:
    """The recipe. Its defaults are for ResNet50 from scratch on EuroSAT, on a few CPU cores."""

    arch: str = "resnet50"  # a classifier of torchvision's, or efficientnet_lite0, 1, 2
    start: str = "scratch"  # or "imagenet" (needs a network), or the path of a checkpoint
    tile_px: Side = TILE_PX  # side that the data are decoded to
    # (epochs, side in pixels): small pictures first, they are cheaper and teach the coarse part
    stages: Stages = ((8, 40), (8, 48), (24, 64))
    batch: Annotated[int, Field(ge=2)] = 128  # images a step
    peak_lr: NonNegativeFloat = 0.1  # one-cycle: up to this, then down a cosine to 0
    warmup: Share = 0.15  # share of all steps that the learning rate rises
    momentum: Share = 0.9  # Nesterov
    weight_decay: NonNegativeFloat = 5e-4  # on weights of two dimensions or more: no bias, no norm
    ema_decay: Share = 0.996  # of the averaged weights, which are what is evaluated and kept
    # auto is bf16 on a GPU and where the processor computes in it, else fp32.
    precision: Literal["auto", "bf16", "fp32"] = "auto"

    label_smoothing: Share = 0.1  # of each target, spread over all classes
    teachers: tuple[str, ...] = ()  # checkpoints to learn from, by their mean: a,b
    distil: Share = 0.7  # of each target, the teachers' where there are any

    shift_px: NonNegativeInt = 6  # random translation, by reflection at the border
    brightness: Share = 0.3  # random factor, 1 plus or minus this
    contrast: Share = 0.2  # likewise, about the image's own mean
    soften: Share = 0.25  # of the images, made smaller and larger again: blur, bad scaling
    jpeg: Share = 0.15  # of the images, stored once more as a JPEG of low quality
    mixup: NonNegativeFloat = 0.0  # alpha of the Beta distribution to blend by; 0: never
    cutmix: Share = 0.0  # of the steps, that paste a rectangle of another image instead

    seed: Annotated[int, Field(ge=0, lt=1_000_000)] = 0  # of every random choice
    save_every: PositiveInt = 200  # steps between checkpoints


def configure(assignments: Iterable[str]) -> Config:
    """Return the recipe with values set by ``name=value``, as on the command line.

    >>> configure(["batch=128", "stages=[[2, 32]]"]).stages
    ((2, 32),)
    >>> configure(["teachers=a.safetensors,b.safetensors"]).teachers
    ('a.safetensors', 'b.safetensors')

    Raises:
        ConfigError: a name that is none, or a value that is not what it can be.
    """
    known = [field.name for field in fields(Config)]
    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or name not in known:
            raise ConfigError(f"{assignment!r} is not NAME=VALUE of one of: {', '.join(known)}")
        if name in values:
            hint = _LISTED if name == "teachers" else ""
            raise ConfigError(f"{name} is set twice, to {values[name]} and to {value}{hint}")
        values[name] = value
    try:
        parsed: dict[str, object] = dict(values)
        if "stages" in values:
            parsed["stages"] = _stages(values["stages"])
        if "teachers" in values:
            parsed["teachers"] = _paths(values["teachers"])
        return TypeAdapter(Config).validate_python(parsed)
    except Misfit as error:
        raise ConfigError(_told(error)) from error


def _paths(value: str) -> list[str]:
    paths = [path.strip() for path in value.split(",")] if value.strip() else []
    if not all(paths):
        raise ConfigError(f"teachers={value} has an empty path in it{_LISTED}")
    return paths


def _stages(value: str) -> Stages:
    try:
        stages: Stages = TypeAdapter(Stages).validate_json(value)
    except Misfit as error:
        raise ConfigError(
            f"stages={value}: {error.errors()[0]['msg']}. They are pairs of epochs and pixels, each"
            " 1 or more, as in stages=[[2, 32], [4, 64]]"
        ) from error
    return stages


def _told(error: Misfit) -> str:
    named = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
    return "; ".join(f"{name}: {message}" if name else message for name, message in named)
