"""A burst of uploads by good clients: ids of their own, and again what was not answered."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import requests

CLIENTS = 10
LATE_CLIENTS = 2
AGAIN_AFTER_S = 0.15
REQUEST_LIMIT_S = 20.0
PROBE = next((Path(__file__).parents[1] / "data" / "eurosat").glob("*/*.jpg"))
PROBE_WAIT_S = 1
TRY_AGAIN = {429, 502, 503, 504}


@dataclass
class Image:
    """An image, and what its client was told. Times by the monotonic clock; 0: not yet."""

    request_id: UUID
    name: str
    data: bytes
    tile_sha256: str
    poisoned: bool = False
    accepted: bool = False
    accepted_s: float = 0.0
    ended_s: float = 0.0
    troubles: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Size:
    """How many uploads there are, and over how many seconds."""

    singles: int
    batches: int
    batch_images: int
    over_s: float


FULL = Size(singles=50, batches=4, batch_images=30, over_s=2.0)
SMALL = Size(singles=20, batches=2, batch_images=20, over_s=0.8)


class Burst:
    """Sends images from now on, on threads of its own. ``finish`` it."""

    def __init__(
        self, url: str, tiles: list[Path], rng: Random, size: Size, mark: str, limit_s: float = 60.0
    ) -> None:
        self.size = size
        self.images: list[Image] = []
        self.began_s = time.monotonic()
        self._url, self._tiles, self._rng, self._mark = url, tiles, rng, mark
        self._gives_up_s = self.began_s + limit_s
        self._local = threading.local()
        self._clients = ThreadPoolExecutor(CLIENTS)
        # What a fault sends besides goes now: behind those who wait for their moments it were last.
        self._late = ThreadPoolExecutor(LATE_CLIENTS)
        self._sending: list[Future[None]] = []
        loads = [1] * size.singles + [size.batch_images] * size.batches
        rng.shuffle(loads)
        moments_s = sorted(rng.uniform(0, size.over_s) for _ in loads)
        for at_s, n in zip(moments_s, loads, strict=True):
            images = self._images(n)
            wait_s = rng.choice((0, 0, 0.5))
            self._sending.append(self._clients.submit(self._send, images, at_s, wait_s))

    def send(self, n: int, *, ending: bytes = b"") -> None:
        """Send ``n`` images more in one request, at once; ``ending`` makes them poisoned."""
        self._sending.append(self._late.submit(self._send, self._images(n, ending), 0.0, 0.0))

    def finish(self) -> None:
        """Wait until each upload was answered for good."""
        for one in self._sending:
            one.result()
        for clients in (self._clients, self._late):
            clients.shutdown()

    def _images(self, n: int, ending: bytes = b"") -> list[Image]:
        images = [self._image(ending) for _ in range(n)]
        self.images += images
        return images

    def _image(self, ending: bytes) -> Image:
        tile = self._rng.choice(self._tiles)
        data = tile.read_bytes()
        return Image(
            UUID(int=self._rng.getrandbits(128), version=4),
            f"{self._mark}-{len(self.images):04d}-{self._rng.getrandbits(32):08x}.jpg",
            data + ending,
            hashlib.sha256(data).hexdigest(),
            poisoned=bool(ending),
        )

    def _send(self, images: list[Image], at_s: float, wait_s: float) -> None:
        for n, image in enumerate(images):
            image.name = f"{image.name[:-4]}-{n}.jpg"
        time.sleep(max(0.0, self.began_s + at_s - time.monotonic()))
        while time.monotonic() < self._gives_up_s:
            try:
                answer = self._post(images, wait_s)
            except requests.RequestException:
                time.sleep(AGAIN_AFTER_S)
                continue
            if not _try_again(answer):
                self._take(images, answer)
                return
            time.sleep(AGAIN_AFTER_S)

    def _post(self, images: list[Image], wait_s: float) -> requests.Response:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        many = len(images) > 1
        path, member = ("/upload_batch", "files") if many else ("/upload", "file")
        answer: requests.Response = self._local.session.post(
            f"{self._url}{path}?wait={wait_s}",
            data=[("request_id", str(image.request_id)) for image in images],
            files=[(member, (image.name, image.data, "image/jpeg")) for image in images],
            timeout=REQUEST_LIMIT_S,
        )
        return answer

    @staticmethod
    def _take(images: list[Image], answer: requests.Response) -> None:
        told = answer.json()
        # A single image that was waited for and failed is answered by its problem; it has a row.
        accepted = answer.ok or "request_id" in told
        results = told.get("results") or [told] * len(images)
        for image, result in zip(images, results, strict=True):
            image.accepted = accepted and result.get("status") != "rejected"
            image.accepted_s = time.monotonic()
            if not image.accepted:
                image.troubles.append(f"{image.name} was refused: {answer.status_code} {result}")


def probe(url: str) -> dict[str, Any]:
    """Send one image more, wait for its result, and return the row, or nothing if it took long.

    Raises:
        requests.RequestException: it was not answered, or not by 2xx.
    """
    answer = requests.post(
        f"{url}/upload?wait={PROBE_WAIT_S}&filename=probe&request_id={uuid4()}",
        data=PROBE.read_bytes(),
        headers={"Content-Type": "image/jpeg"},
        timeout=REQUEST_LIMIT_S,
    )
    answer.raise_for_status()
    row: dict[str, Any] = answer.json() if answer.status_code == HTTPStatus.OK else {}
    return row


def _try_again(answer: requests.Response) -> bool:
    """Say whether it may go well the next time, as after a 500 of a gateway, without a code."""
    if answer.status_code in TRY_AGAIN:
        return True
    return answer.status_code >= 500 and "code" not in answer.text
