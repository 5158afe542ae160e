"""The `skylane` command: what there is to type. What a command does is in its own module."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

# Everything heavier is imported by the command that needs it: `skylane --help` is instant.
if TYPE_CHECKING:
    from settings import Settings

INTERRUPTED = 130  # what shells say of a command that was ended by Ctrl-C

DATA = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def main() -> None:
    """Run the command line and exit with the command's status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that this terminal has no letters for
            stream.reconfigure(errors="replace")
    try:
        status = skylane.main(prog_name="skylane", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output, `head` say, has enough. Else Python tries again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(status)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def skylane() -> None:
    """Classify images by Celery workers or by AWS Lambda, with one API."""


@skylane.command()
def up() -> int:
    """Start everything on this machine: stores, API, worker, monitor."""
    chosen = _settings()
    from local import stack

    return stack.up(chosen)


@skylane.command()
def migrate() -> None:
    """Bring the schema of DATABASE_URL up to date."""
    from store import migrations
    from store.errors import StoreError

    database_url = _settings().database_url
    if not database_url:
        raise WrongSetting(
            "DATABASE_URL is not set. Give the database to migrate:"
            " DATABASE_URL=postgresql://user:password@host/database"
        )
    try:
        applied = migrations.migrate(database_url)
    except StoreError as error:
        raise click.ClickException(str(error).strip()) from error
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to apply: the schema is up to date")


@skylane.command()
@click.option("--data", type=DATA, required=True, help="Folder or zip of <Class>/<name>.jpg.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--imagenet", is_flag=True, help="Start from ImageNet weights (needs a network).")
@click.option("--seed", type=int, default=0, show_default=True, help="Of every random choice.")
def train(data: Path, out: Path, imagenet: bool, seed: int) -> None:
    """Train the model, or go on from the last checkpoint in --out."""
    with _plain_errors():
        from model.train import Config
        from model.train import train as run

        weights = run(data, out, Config(imagenet=imagenet, seed=seed))
    click.echo(f"wrote {weights}")


@skylane.command()
@click.option("--weights", type=FILE, required=True, help="What `skylane train` wrote.")
@click.option("--data", type=DATA, required=True, help="The data it was trained on.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
def export(weights: Path, data: Path, out: Path) -> None:
    """Turn trained weights into the artefact that is served."""
    with _plain_errors():
        from model.export import export as run

        run(weights, data, out)
    click.echo(f"wrote {out}")


@skylane.command()
@click.option("--artefact", type=FILE, required=True, help="What `skylane export` wrote.")
@click.option("--data", type=DATA, required=True, help="Folder or zip of <Class>/<name>.jpg.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
)
def evaluate(artefact: Path, data: Path, split: str) -> None:
    """Measure an artefact's accuracy on a split of the data."""
    with _plain_errors():
        from model.evaluate import evaluate as run

        click.echo(run(artefact, data, split))


@skylane.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option(
    "--url",
    envvar="SKYLANE_URL",
    show_envvar=True,
    help="The API's address. Default: where `skylane up` has it, http://127.0.0.1:8000.",
)
@click.option("--csv", "csv_path", metavar="FILE", help="Write all rows as CSV; - is stdout.")
@click.option("--json", "json_path", metavar="FILE", help="Write all rows as JSON; - is stdout.")
@click.option(
    "--batch-size",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Images in a request, at most.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="Give up after this long without progress.",
)
def classify(
    paths: tuple[str, ...],
    url: str | None,
    csv_path: str | None,
    json_path: str | None,
    batch_size: int,
    timeout_s: float,
) -> int:
    """Classify images: files, and folders with all below them.

    A folder named like one of the model's classes says what its images show, and the
    summary says how many the model got right. The exit status is 1 if an image failed.
    """
    chosen = _settings()
    from cli.classify import classify as run

    return run(
        paths,
        url=url or _address(chosen),
        csv_path=csv_path,
        json_path=json_path,
        batch_size=batch_size,
        timeout_s=timeout_s,
        max_body_bytes=chosen.max_body_bytes,
    )


class WrongSetting(click.ClickException):
    """A setting in the environment is missing or not what it can be."""

    exit_code = 2


def _settings() -> Settings:
    """Return the settings; a wrong one is told by the name of its environment variable."""
    from pydantic import ValidationError

    from settings import Settings, settings

    try:
        return settings()
    except ValidationError as error:
        lines = []
        for misfit in error.errors(include_url=False):
            name = str(misfit["loc"][0])
            # Two variables are known by their own names, the others by prefix and field.
            if name in Settings.model_fields:
                name = f"{Settings.model_config.get('env_prefix', '')}{name}".upper()
            lines.append(f"{name}={misfit['input']!r}: {misfit['msg']}")
        raise WrongSetting("\n".join(lines)) from error


def _address(chosen: Settings) -> str:
    from local.ports import bracketed, reachable

    return f"http://{bracketed(reachable(chosen.host))}:{chosen.api_port}"


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say what a user can mend without a traceback."""
    from zipfile import BadZipFile

    from model.artefact import ArtefactError

    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision", "nncf", "tqdm"):
            raise
        raise click.ClickException(
            f"{error.name} is not installed. This needs: pip install -r requirements/train.txt"
        ) from error
    except (ArtefactError, BadZipFile, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
