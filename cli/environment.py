"""The settings as the environment has them, or a plain word about what is wrong with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from settings import Settings

PREFIX = "SKYLANE_"
# What is read elsewhere than in Settings: here, by Compose, the page's build, benches and tests.
OTHERS = {
    *("SKYLANE_URL", "SKYLANE_API_KEY", "SKYLANE_SECRETS_DIR", "SKYLANE_IMAGE", "SKYLANE_API"),
    *("SKYLANE_CHROMIUM", "SKYLANE_RESULTS", "SKYLANE_DATA", "SKYLANE_COMPOSE"),
    *("SKYLANE_EMULATOR", "SKYLANE_LAMBDA_IMAGE"),
}


class WrongSetting(click.ClickException):
    """A setting in the environment is missing or not what it can be."""

    exit_code = 2


def environment() -> Settings:
    """Return the settings; a wrong one is told by the name of its environment variable.

    Raises:
        WrongSetting: which, what it is, and what it can be.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from settings import Settings, settings

    try:
        return settings()
    except SettingsError as error:
        raise WrongSetting(str(error)) from error
    except ValidationError as error:
        lines = []
        for misfit in error.errors(include_url=False):
            # Some are known by their variables' own names, the others by their fields.
            variables = Settings.variables()
            name = variables.get(str(misfit["loc"][0]), str(misfit["loc"][0]))
            field = next(field for field, variable in variables.items() if variable == name)
            # What stands in a secret one is for nobody's screen.
            secret = not Settings.model_fields[field].repr
            told = misfit["msg"].removeprefix("Value error, ")
            lines.append(f"{name}={'…' if secret else repr(misfit['input'])}: {told}")
        raise WrongSetting("\n".join(lines)) from error


def warn_of_unknown() -> None:
    """Say on standard error which variables look like settings, and nothing reads them."""
    import difflib

    from settings import SECRETS, Settings

    known = {*Settings.variables().values(), *OTHERS}
    secrets = os.listdir(SECRETS) if SECRETS.is_dir() else []
    for name in sorted({*os.environ, *secrets}):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            likely = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {likely[0]}?" if likely else "."
            click.echo(f"warning: {name} is no setting of Skylane{hint}", err=True)


def key_of(_: click.Context, __: click.Parameter, value: str) -> str:
    """Return an API key as a header can have it: without the line end that a file's has.

    Raises:
        WrongSetting: no header can; the message is without the key.
    """
    key = value.strip()
    if not (key.isascii() and key.isprintable()):
        raise WrongSetting("SKYLANE_API_KEY (or --api-key) has a character in it that no key has.")
    return key
