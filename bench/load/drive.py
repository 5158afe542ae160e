"""Run a scenario against a target, from the schedule to the summary."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg2
import requests

from bench.load import summary
from bench.load.clock import Clocks
from bench.load.images import Image, images_of
from bench.load.outcomes import Known, Outcome, alone, drained, judged
from bench.load.rows import STAGES, rows_of
from bench.load.run import FORMAT, Latency, Run
from bench.load.scenario import Scenario
from bench.load.sender import Due, Own, send
from bench.load.target import Target, as_it_is
from bench.load.warmup import cut

log = logging.getLogger(__name__)

ABOUT_TIMEOUT_S = 60.0  # the first request may start a function


class NotReady(Exception):
    """A target cannot be asked what it is; the message says what it answered."""


def drive(
    scenario: Scenario, target: Target, label: str = "", known: Known | None = None
) -> tuple[Run, list[Outcome]]:
    """Send a scenario's load, verify every image, and summarise.

    ``known`` is what the target says of itself and of each image alone. Without it it is asked: of
    itself before, because nobody may be there, and of the images after.

    Raises:
        NotReady: nobody answers at the target, or nobody that is a Skylane.
        ValueError: the scenario's arrivals or images make no sense.
    """
    about = known.about if known else about_of(target)
    rng = np.random.default_rng(scenario.seed)
    times_s = scenario.arrivals.times_s(scenario.duration_s, rng)
    if not len(times_s):
        raise ValueError(f"{scenario.name} has no request in {scenario.duration_s:g} s")
    images = images_of(scenario.images, rng)
    due = _due(times_s, images, scenario)
    rows_of(target, [uuid4()])  # or know now that nothing could be verified
    here = summary.machine()
    began_at = datetime.now(UTC)
    sent, own, began_s = send(
        due,
        target,
        wait_s=scenario.wait_s,
        timeout_s=scenario.timeout_s,
        retries=scenario.retries,
    )
    rows = drained(sent, target, scenario.drain_s)
    # Afterwards, because whoever is asked before is warm.
    used = {image.name for one in due for image in one.images}
    known = known or _known([one for one in images if one.name in used], target, about)
    outcomes, clocks = judged(sent, rows, known or Known(about, {}, ()), began_s)
    run = Run(
        format=FORMAT,
        began_at=began_at,
        scenario=scenario,
        lane=about["lane"],
        label=label or about["lane"],
        url=target.public_url,
        about=dict(about),
        machine=here,
        answers_checked=known is not None,
        **_figures(outcomes, scenario, own, clocks),
    )
    return run, outcomes


def about_of(target: Target) -> dict[str, Any]:
    """Ask a target what it is.

    Raises:
        NotReady: it does not say.
    """
    url = target.to("/about")
    try:
        headers = target.headers("GET", url)
        answer = requests.get(url, headers=headers, auth=as_it_is, timeout=ABOUT_TIMEOUT_S)
        answer.raise_for_status()
        about: dict[str, Any] = answer.json()
        if not isinstance(about, dict) or "lane" not in about:
            raise ValueError("what it answers is not a Skylane's")
    except (requests.RequestException, ValueError) as error:
        raise NotReady(f"{url} does not say what it is: {error}") from error
    return about


def _known(images: Sequence[Image], target: Target, about: Mapping[str, Any]) -> Known | None:
    """Ask about each image alone; None of a service that the load left unable to answer."""
    try:
        return alone(images, target, about)
    except (requests.RequestException, psycopg2.Error, TimeoutError) as error:
        log.warning(
            "answers are not checked, for lack of something to hold them against: %s", error
        )
        return None


def _due(times_s: np.ndarray, images: Sequence[Image], scenario: Scenario) -> list[Due]:
    """Give each request its images, in turn, and ids that nobody has had."""
    fresh = random.SystemRandom()  # the seed is for what is sent and when; ids must be new
    at_once = scenario.images_per_request
    due = []
    for number, at_s in enumerate(times_s):
        chosen = [images[(number * at_once + offset) % len(images)] for offset in range(at_once)]
        ids = [UUID(int=fresh.getrandbits(128), version=4) for _ in chosen]
        due.append(Due(float(at_s), ids, chosen))
    return due


def _figures(
    outcomes: Sequence[Outcome], scenario: Scenario, own: Own, clocks: Clocks | None
) -> dict[str, object]:
    warm_up, at_once = cut(outcomes, scenario), scenario.images_per_request
    if not (counting := outcomes[warm_up:]):
        raise ValueError(f"{scenario.name}: all {warm_up} images are within the warm-up")
    found, codes = summary.counted(outcomes)  # what is lost while all warms up is lost, too
    done = [one for one in counting if one.what == "done"]
    committed_ms = [one.committed_ms for one in done if one.committed_ms is not None]
    first_s = counting[0].scheduled_s
    last_s = max((one.committed_s or one.answered_s for one in counting), default=first_s)
    rows = [one.row for one in done if one.row]
    return {
        "seconds": round(last_s - first_s, 3),
        "images": len(outcomes),
        "warm_up_images": warm_up,
        "attempts": sum(one.attempts for one in outcomes),
        "offered_per_s": round(len(counting) / max(scenario.duration_s - first_s, 1e-9), 3),
        "done_per_s": round(len(done) / max(last_s - first_s, 1e-9), 3),
        "outcomes": found,
        "codes": codes,
        "committed": summary.latency(committed_ms, at_once),
        "answered": summary.latency(
            [one.answered_ms for one in counting if _accepted(one)], at_once
        ),
        "accepted_to_committed": summary.latency(
            [row.latency_ms for row in rows if row.latency_ms], at_once
        ),
        "stages": {name: _stage(name, done, at_once) for name in STAGES},
        "cold_starts": sum(bool(row.cold_start) for row in rows),
        "histogram": summary.histogram(committed_ms),
        "generator": summary.generator(own),
        "clock_within_ms": None if clocks is None else round(clocks.within_s * 1000, 3),
    }


def _stage(name: str, done: Sequence[Outcome], at_once: int) -> Latency:
    times_ms = (one.row.stages_ms[name] for one in done if one.row)
    return summary.latency([one for one in times_ms if one is not None], at_once)


def _accepted(one: Outcome) -> bool:
    return one.status is not None and one.status < 300
