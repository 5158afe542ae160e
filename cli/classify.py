"""`skylane classify`: send images to a running API, and tell what they show."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.client import ApiAway, Client
from cli.dispatch import Dispatch
from cli.files import SUFFIXES, batches, find
from cli.outputs import STDOUT, Write, csv_output, json_output
from cli.report import Report

FAILED, INTERRUPTED = 1, 130
HINT = (
    "Is Skylane running? Start it with ./run, or say where it is: --url URL, or the"
    " SKYLANE_API_PORT that ./run was given."
)
HINTS = dict.fromkeys(
    ("missing_key", "invalid_key", "insufficient_scope"),
    "Give it a key that may read and write: SKYLANE_API_KEY=KEY, made by `skylane keys create`.",
)
BUSY = "It was asked again and again, as often as it says: --timeout SECONDS for how long."
HINTS |= dict.fromkeys(("rate_limited", "store_unavailable", "http_429", "http_503"), BUSY)
PIPE_WIDTH = 200  # columns of a table that no terminal limits


def classify(
    paths: Sequence[str],
    *,
    url: str,
    api_key: str = "",
    csv_path: str | None,
    json_path: str | None,
    batch_size: int,
    timeout_s: float,
    max_body_bytes: int,
) -> int:
    """Classify what is at ``paths`` and return the exit status.

    Raises:
        click.ClickException: nothing was sent, and why.
    """
    _check_url(url)
    if csv_path == json_path == STDOUT:
        raise click.UsageError("--csv and --json cannot both write to stdout.")
    # Paths only: a hundred thousand of them are a few megabytes.
    files = list(find(paths))
    if not files:
        raise click.UsageError(f"no image ({' '.join(SUFFIXES)}) in {', '.join(paths)}")

    stop = threading.Event()
    messages = Console(stderr=True)
    tables = messages if STDOUT in (csv_path, json_path) else Console()
    progress = _progress(messages)
    task = progress.add_task("classifying", total=len(files))

    def notice(text: str) -> None:
        progress.update(task, description=text)

    client = Client(
        url,
        api_key=api_key,
        timeout_s=timeout_s,
        max_body_bytes=max_body_bytes,
        stop=stop,
        notice=notice,
    )
    try:
        with progress:
            classes = client.classes()
    except ApiAway as error:
        raise click.ClickException(f"{error}.\n{HINTS.get(error.code, HINT)}") from error

    report = Report()
    dispatch = Dispatch(
        client,
        batches(files, classes, size=batch_size),
        timeout_s=timeout_s,
        stop=stop,
        notice=notice,
    )
    with _outputs(csv_path, json_path) as writes, _interrupt_sets(stop), progress:
        started = time.monotonic()
        for row in dispatch.rows():
            for write in writes:
                write(row)
            report.add(row)
            progress.update(task, advance=1, description="classifying")
        elapsed_s = time.monotonic() - started

    _tell(report, elapsed_s, tables)
    if dispatch.stopped_by:
        unsent = len(files) - report.n
        left = f" {unsent} of {len(files)} files were not sent." if unsent else ""
        messages.print(
            f"Stopped: {dispatch.stopped_by}.{left}", style="red", markup=False, soft_wrap=True
        )
    if stop.is_set():
        return INTERRUPTED
    return 0 if report.done == len(files) else FAILED


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"{url!r} is no address such as http://127.0.0.1:8000")


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


@contextmanager
def _outputs(csv_path: str | None, json_path: str | None) -> Iterator[list[Write]]:
    """Open what rows are written to, before anything is sent."""
    with ExitStack() as stack:
        writes = []
        try:
            if csv_path:
                writes.append(stack.enter_context(csv_output(csv_path)))
            if json_path:
                writes.append(stack.enter_context(json_output(json_path)))
        except OSError as error:
            raise click.UsageError(f"cannot write {error.filename}: {error.strerror}") from error
        try:
            yield writes
            stack.close()  # writes what is left
        except BrokenPipeError:
            raise  # a reader that had enough; no error of ours
        except OSError as error:
            raise click.ClickException(f"cannot write the rows: {error.strerror}") from error


@contextmanager
def _interrupt_sets(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C end the run in good order, and a second one at once."""

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(report: Report, elapsed_s: float, console: Console) -> None:
    if not console.is_terminal:
        console.width = max(console.width, PIPE_WIDTH)
    console.print(report.table(console.width))
    if hidden := report.hidden():
        console.print(f"({hidden} more; --csv FILE has all)")
    console.print()
    for line in report.errors():
        console.print(line, style="red", markup=False, highlight=False)
    for line in report.summary(elapsed_s):
        console.print(line, highlight=False)
