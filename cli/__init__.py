"""The `skylane` command: what there is to type. What a command does is in its own module."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from cli import benching, keeping, keys, modelling, operating
from cli.environment import WrongSetting, environment, key_of, warn_of_unknown

# Everything heavier is imported by the command that needs it: `skylane --help` is instant.
if TYPE_CHECKING:
    from settings import Settings

INTERRUPTED = 130  # what shells say of a command that was ended by Ctrl-C


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
    chosen = environment()
    warn_of_unknown()
    from local import stack

    return stack.up(chosen)


@skylane.command()
def migrate() -> None:
    """Bring the schema of DATABASE_URL up to date."""
    from store import migrations
    from store.errors import StoreError
    from store.keys import MalformedKey, adopt_initial

    chosen = environment()
    database_url = chosen.database_url
    if not database_url:
        raise WrongSetting(
            "DATABASE_URL is not set. Give the database to migrate:"
            " DATABASE_URL=postgresql://user:password@host/database"
        )
    try:
        applied = migrations.migrate(database_url)
        adopted = adopt_initial(database_url, chosen.initial_key)
    except MalformedKey as error:
        raise WrongSetting(f"SKYLANE_INITIAL_KEY: {error}; `skylane init` makes one") from error
    except StoreError as error:
        raise click.ClickException(str(error).strip()) from error
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to apply: the schema is up to date")
    if adopted:
        click.echo("stored the initial API key")


@skylane.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option(
    "--url",
    envvar="SKYLANE_URL",
    show_envvar=True,
    help="The API's address. Default: where `skylane up` has it, http://127.0.0.1:8000.",
)
@click.option(
    "--api-key",
    envvar="SKYLANE_API_KEY",
    callback=key_of,
    show_envvar=True,
    default="",
    help="Where the API asks for one. Better by the variable: arguments are for all to see.",
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
    api_key: str,
    csv_path: str | None,
    json_path: str | None,
    batch_size: int,
    timeout_s: float,
) -> int:
    """Classify images: files, and folders with all below them.

    A folder named like one of the model's classes says what its images show, and the
    summary says how many the model got right. The exit status is 1 if an image failed.
    """
    chosen = environment()
    from cli.classify import classify as run

    return run(
        paths,
        url=url or _address(chosen),
        api_key=api_key,
        csv_path=csv_path,
        json_path=json_path,
        batch_size=batch_size,
        timeout_s=timeout_s,
        max_body_bytes=chosen.max_body_bytes,
    )


def _address(chosen: Settings) -> str:
    from local.ports import bracketed, reachable

    return f"http://{bracketed(reachable(chosen.host))}:{chosen.api_port}"


for _command in (
    *operating.COMMANDS,
    *keys.COMMANDS,
    *keeping.COMMANDS,
    *benching.COMMANDS,
    *(modelling.train, modelling.export, modelling.evaluate),
):
    skylane.add_command(_command)
