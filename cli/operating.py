"""`skylane init` and the programs one by one: what containers are made with."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from cli.environment import WrongSetting, environment, warn_of_unknown

PASSWORD_BYTES = 24  # random ones; in base64 they need no quoting, not even in a URL
PASSWORDS = {
    "POSTGRES_PASSWORD": "the database's",
    "REDIS_PASSWORD": "the broker's",
    "FLOWER_PASSWORD": "Flower's; the user is skylane",
    "GRAFANA_PASSWORD": "Grafana's; the user is skylane (profile observability)",
    "S3_ACCESS_KEY": "of the S3-compatible store (profile s3)",
    "S3_SECRET_KEY": "likewise",
}
SERVING = ("api", "worker")  # the programs that need the model, if only for its labels
INITIAL_KEY = "SKYLANE_INITIAL_KEY"


@click.command()
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=".env",
    show_default=True,
    help="Docker Compose reads .env beside compose.yaml.",
)
@click.option("--stdout", is_flag=True, help="Print it instead, from a container say.")
def init(file: Path, stdout: bool) -> None:
    """Write random passwords, and an API key, for compose.yaml, which starts with no others.

    A file that is there is left alone: its database has the passwords in it already.
    """
    from store.keys import Secret

    lines = ["# Written by `skylane init`. Keep it: the volumes were made with these passwords."]
    for name, whose in PASSWORDS.items():
        lines += [f"# {whose}", f"{name}={secrets.token_urlsafe(PASSWORD_BYTES)}"]
    lines += [
        "# The API's first key: migrations store it, and `skylane keys revoke initial` ends it",
        f"{INITIAL_KEY}={Secret.new().text}",
    ]
    text = "\n".join(lines) + "\n"
    if stdout:
        click.echo(text, nl=False)
        return
    try:
        # Nobody else may read it, from the first byte on.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise click.ClickException(f"{file} is there already, and was left alone.") from error
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from error
    with os.fdopen(handle, "w") as opened:
        opened.write(text)
    click.echo(f"wrote {file}: {', '.join((*PASSWORDS, INITIAL_KEY))}")


def _program(name: str, does: str) -> click.Command:
    @click.command(name, help=f"{does} Needs DATABASE_URL and BROKER_URL.")
    def run() -> None:
        chosen = environment()
        warn_of_unknown()
        for variable, value in (
            ("DATABASE_URL", chosen.database_url),
            ("BROKER_URL", chosen.broker_url),
        ):
            if not value:
                raise WrongSetting(
                    f"{variable} is not set. (`skylane up` starts servers of its own.)"
                )
        from local.access import check_api, check_flower
        from local.errors import LocalError
        from local.ports import metrics_port, require_free
        from local.programs import PROGRAMS, flower_environment
        from local.stores import check_images
        from model.errors import ModelError
        from settings import ROOT
        from store.errors import StoreError
        from tasks.served import check_artefact

        try:
            if name in SERVING:
                check_artefact(chosen)
            if name != "flower":  # which has its figures on its own port
                require_free(**metrics_port(chosen))
                check_images(chosen)
            if name == "flower":
                check_flower(chosen)
                os.environ |= flower_environment(chosen)
            if name == "api" and (warning := check_api(chosen, chosen.database_url)):
                click.echo(warning, err=True)
        except (LocalError, ModelError, StoreError) as error:
            raise click.ClickException(str(error).strip()) from error

        # Relative paths are the caller's, as for `skylane up`; modules are found from ROOT.
        os.environ |= {
            "SKYLANE_HOME": str(chosen.home.resolve()),
            "SKYLANE_ARTEFACT": str(chosen.artefact.resolve()),
        }
        os.chdir(ROOT)
        command = PROGRAMS[name](chosen)
        os.execv(command[0], command)  # noqa: S606  (signals reach the program itself)

    return run


COMMANDS = [
    init,
    _program("api", "Serve the API, and nothing else."),
    _program("worker", "Classify what the queue holds, until told to stop."),
    _program("sweep", "Take up, every few seconds, work that was left lying."),
    _program(
        "flower",
        "Monitor the workers in the browser. SKYLANE_FLOWER_BASIC_AUTH gives it a password.",
    ),
]
