"""The same inputs through a live API, by every way in, until each has come to an end."""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

import requests

from store.records import OURS
from tests.fuzz.child import ACCEPTED, BROKEN
from tests.fuzz.inputs import Input, made

README = Path(__file__).parents[2] / "README.md"
GROUP = 40  # inputs that one connection sends together
IN_A_BATCH = 30  # of them; the others go singly, in every form that there is
PATIENCE_S = 90.0  # for the next row to be finished
ANSWER_WITHIN_S = 120.0
IDS_IN_A_QUERY = 100
NAMES = (
    "tile.jpg",
    "../../etc/passwd",
    "a\x00b.png",
    "line\r\nContent-Type: text/html\r\n\r\n.jpg",
    "\u202egpj.exe",
    "'\"><script>.webp",
    "%s%n%00.tif",
    "ä" * 300,
    "",
)


@dataclass(frozen=True)
class Uploaded:
    """What the API said of an input, and what became of its row, if it has one."""

    number: int
    route: str
    status: int
    outcome: str  # accepted, a code, or ! and what must not happen

    @property
    def wrong(self) -> str:
        """What is wrong with it; nothing, mostly."""
        if self.status >= 500:
            return f"{self.route} was answered with {self.status}"
        if self.outcome.startswith(BROKEN) or self.outcome in OURS:
            return self.outcome
        known = self.outcome == ACCEPTED or self.outcome in documented_codes()
        return "" if known else f"{self.outcome} is not documented"


@cache
def documented_codes() -> set[str]:
    """Return the codes of the README's table."""
    table = README.read_text().partition("| code | status | |")[2].partition("\n\n")[0]
    return {code for line in table.splitlines() for code in re.findall(r"`(\w+)`", line)}


def upload_all(url: str, seed: int, numbers: Iterable[int], connections: int) -> list[Uploaded]:
    """Send inputs by several connections and return what became of each, in order.

    An image that is accepted ends as done or failed; this waits for that.
    """
    numbers = list(numbers)
    groups = [numbers[start : start + GROUP] for start in range(0, len(numbers), GROUP)]
    run = _Run(url, seed)
    with ThreadPoolExecutor(connections) as threads:
        sent = [one for group in threads.map(run.send, groups) for one in group]
    ends = run.ends([one.number for one in sent if not one.outcome])
    sent = [
        one if one.outcome else Uploaded(one.number, one.route, one.status, ends[one.number])
        for one in sent
    ]
    return sorted(sent, key=lambda one: one.number)


class _Run:
    """One run's ids and connections."""

    def __init__(self, url: str, seed: int) -> None:
        self._url, self._seed, self._namespace = url, seed, uuid4()
        self._own = threading.local()

    def send(self, numbers: list[int]) -> list[Uploaded]:
        """Send a group; what is accepted has no outcome yet."""
        inputs = [made(self._seed, number) for number in numbers]
        sent = list(self._batch(inputs[:IN_A_BATCH]))
        return sent + [self._single(one) for one in inputs[IN_A_BATCH:]]

    def ends(self, numbers: list[int]) -> dict[int, str]:
        """Wait until each has ended, and say how."""
        ends: dict[int, str] = {}
        by_id = {str(self._id(number)): number for number in numbers}
        progressed = time.monotonic()
        while left := [one for one, number in by_id.items() if number not in ends]:
            for start in range(0, len(left), IDS_IN_A_QUERY):
                asked = left[start : start + IDS_IN_A_QUERY]
                query = {"request_id": asked, "limit": IDS_IN_A_QUERY}
                rows = self._sent("GET", "/results", params=query).json()["results"]
                for row in rows:
                    if row["status"] in ("done", "failed"):
                        error = row["error"]
                        ends[by_id[row["request_id"]]] = error["code"] if error else ACCEPTED
                        progressed = time.monotonic()
            if time.monotonic() - progressed > PATIENCE_S:
                return ends | {by_id[one]: f"{BROKEN}never_ended" for one in left}
            time.sleep(0.2)
        return ends

    def _id(self, number: int) -> UUID:
        return uuid5(self._namespace, str(number))

    def _batch(self, inputs: list[Input]) -> Iterator[Uploaded]:
        files = [("files", (_name(one), one.data)) for one in inputs]
        ids = {"request_id": [str(self._id(one.number)) for one in inputs]}
        route = "/upload_batch"
        answer = self._sent("POST", f"{route}?wait=0", files=files, data=ids)
        if answer.status_code not in (200, 202, 422):
            for one in inputs:
                yield Uploaded(one.number, route, answer.status_code, f"{BROKEN}{answer.text[:80]}")
            return
        for one, result in zip(inputs, answer.json()["results"], strict=True):
            error = result.get("error")
            refused = error["code"] if result["status"] == "rejected" else ""
            yield Uploaded(one.number, route, answer.status_code, refused)

    def _single(self, one: Input) -> Uploaded:
        request_id, name = str(self._id(one.number)), _name(one)
        route = ("/upload", "/upload-image")[one.number % 2]
        arguments: dict[str, Any]
        match one.number // 2 % 3:
            case 0:
                arguments = {
                    "files": {"file": (name, one.data)},
                    "data": {"request_id": request_id},
                }
            case 1:
                text = base64.b64encode(one.data).decode()
                arguments = {
                    "json": {"image_base64": text, "filename": name, "request_id": request_id}
                }
            case _:
                arguments = {
                    "data": one.data,
                    "headers": {"Content-Type": "image/jpeg"},
                    "params": {"request_id": request_id, "filename": name},
                }
        answer = self._sent("POST", f"{route}?wait=0", **arguments)
        body = answer.json()
        if answer.status_code in (200, 202):
            return Uploaded(one.number, route, answer.status_code, "")
        return Uploaded(one.number, route, answer.status_code, str(body.get("code")))

    def _sent(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send it, and again where the API has too much to do just now and says so."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        while True:
            answer: requests.Response = self._own.session.request(
                method, self._url + path, timeout=ANSWER_WITHIN_S, **arguments
            )
            if answer.status_code != 429:
                return answer
            time.sleep(float(answer.headers["Retry-After"]))


def _name(one: Input) -> str:
    return Random(one.number).choice(NAMES)
