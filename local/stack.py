"""All of Skylane on this machine: which parts there are, and the order they start in."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from local import programs
from local.access import check_api, check_flower, store_initial_key
from local.broker import EmbeddedBroker
from local.errors import LocalError
from local.home import held, require
from local.output import Output
from local.ports import answers, bracketed, metrics_port, reachable, require_free
from local.postgres import EmbeddedPostgres
from local.stores import check_broker, check_images
from local.supervisor import Part, Stopped, Supervisor
from model.errors import ModelError
from settings import ROOT, Settings
from store.errors import StoreError
from store.migrations import migrate
from tasks.served import check_artefact

RUNNING = "running.json"  # in the home folder: the processes, for the next start
# Settings that no program but this one is to know.
NO_PROGRAMS = {"initial_key", "flower_basic_auth"}


def up(settings: Settings) -> int:
    """Run everything until Ctrl-C; return the exit status."""
    began = time.monotonic()
    home = settings.home.resolve()
    try:
        with (
            held(home),
            Supervisor(home / RUNNING, Output(sys.stdout)) as supervisor,
        ):
            supervisor.stop_on_signals()
            check_artefact(settings)
            require_free(
                api_port=(settings.host, settings.api_port),
                flower_port=(settings.flower_host, settings.flower_port),
                **metrics_port(settings),
            )
            check_flower(settings)
            check_images(settings)
            if settings.broker_url:
                check_broker(settings.broker_url)
            database_url, broker_url = _start_servers(settings, supervisor)
            for name in migrate(database_url):
                supervisor.say(f"migrated the database: {name}")
            store_initial_key(settings, database_url)
            if warning := check_api(settings, database_url):
                supervisor.say(warning)
            chosen = settings.model_copy(
                update={
                    "home": home,
                    "artefact": settings.artefact.resolve(),
                    "database_url": database_url,
                    "broker_url": broker_url,
                }
            )
            supervisor.start(*_programs(chosen))
            print(_addresses(chosen, time.monotonic() - began), flush=True)
            supervisor.run()
    except Stopped:
        return 0
    except (LocalError, ModelError, StoreError) as error:
        print(f"\nskylane: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def embedded(settings: Settings) -> Iterator[tuple[str, str]]:
    """Give ``(database_url, broker_url)`` of servers that run as long as the ``with``.

    For tests and benches. Their lines go to ``servers.log`` in the home folder.

    Raises:
        LocalError: a server could not start; the message holds its lines.
    """
    home = settings.home.resolve()
    with (
        held(home),
        (home / "servers.log").open("w+") as log,
        Supervisor(home / RUNNING, Output(log)) as supervisor,
    ):
        try:
            addresses = _start_servers(settings, supervisor)
        except LocalError as error:
            log.seek(0)
            raise LocalError(f"{error}\n{log.read()}") from error
        yield addresses


@contextmanager
def database_of(settings: Settings, *, new: bool = False) -> Iterator[str]:
    """Give the address of the database that `skylane up` would use.

    Ours is the running one, or is started for as long as the ``with`` lasts, and then migrated.
    ``new``: one is made where there is none, and is left empty.

    Raises:
        LocalError: there is none, or it could not be started.
        StoreError: it could not be migrated.
    """
    if not new:
        require(settings)
    if settings.database_url:
        yield settings.database_url
        return
    home = settings.home.resolve()
    if (home / "postgres").exists():
        postgres = EmbeddedPostgres(home)
        postgres.find()
        if postgres.ready():
            yield postgres.url
            return
    without_broker = settings.model_copy(update={"broker_url": "redis://not-needed"})
    with embedded(without_broker) as (database_url, _):
        if not new:
            migrate(database_url)
        yield database_url


def _start_servers(settings: Settings, supervisor: Supervisor) -> tuple[str, str]:
    """Start the servers that no setting gives an address of; return both addresses."""
    home = settings.home.resolve()
    database_url, broker_url = settings.database_url, settings.broker_url
    parts = []
    if not database_url:
        postgres = EmbeddedPostgres(home)
        postgres.prepare()
        database_url = postgres.url
        parts.append(
            Part(
                "postgres",
                postgres.command,
                ready=postgres.ready,
                stop_signal=signal.SIGINT,
                grace_s=30,  # it writes all it holds to the disk
            )
        )
    if not broker_url:
        broker = EmbeddedBroker(home)
        broker.prepare()
        broker_url = broker.url
        parts.append(Part("redis", broker.command, ready=broker.ready))
    supervisor.start(*parts)
    return database_url, broker_url


def _programs(settings: Settings) -> list[Part]:
    """What runs Skylane's own code. All start together; they are stopped last first.

    The API is last, so that the requests it has in hand at the stop still get their
    predictions from the worker.
    """
    env = _environment(settings)
    # On one machine there is one such port, and it is the worker's.
    unmeasured = env | {"SKYLANE_METRICS_PORT": "0"}
    on_one_port = settings.model_copy(update={"metrics_port": 0})
    return [
        # Images can kill it, each three times: two such in a minute must not end all the rest.
        Part("worker", programs.worker(settings), env, folder=ROOT, restarts=None),
        Part("sweep", programs.sweep(settings), unmeasured, folder=ROOT),
        Part(
            "flower",
            programs.flower(settings),
            unmeasured | programs.flower_environment(settings),
            ready=lambda: answers(settings.flower_host, settings.flower_port, "/healthcheck"),
            folder=ROOT,
        ),
        Part(
            "api",
            programs.api(on_one_port),
            unmeasured,
            ready=lambda: answers(settings.host, settings.api_port, "/ready"),
            grace_s=programs.graceful_s(settings) + programs.DRAIN_S,
            folder=ROOT,
        ),
    ]


def _environment(settings: Settings) -> dict[str, str]:
    """Return the variables that a program reads the same settings from, in any folder."""
    variables = {
        variable: str(value)
        for name, variable in Settings.variables().items()
        if name not in NO_PROGRAMS and (value := getattr(settings, name)) is not None
    }
    return {**variables, "PYTHONUNBUFFERED": "1"}


def _addresses(settings: Settings, seconds: float) -> str:
    api = f"http://{bracketed(reachable(settings.host))}:{settings.api_port}"
    flower = f"http://{bracketed(reachable(settings.flower_host))}:{settings.flower_port}"
    return f"""
  Skylane is ready, after {seconds:.1f} s.

  Page     {api}
  API      {api}/openapi/swagger
  Flower   {flower}
  Home     {settings.home}
  Stop     Ctrl-C
"""
