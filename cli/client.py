"""The API as its client sees it: which classes, classify these, what became of that."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from cli.files import FileTooLarge, read
from cli.rows import Row, showable

CONNECT_S = 5.0
ANSWER_S = 10.0  # for a question that is answered from memory or by an index
WAIT_S = 2.0  # that the API may wait for predictions before it answers an upload
RETRY_S = 1.0  # before trying again, where the API does not say
MAX_RETRY_S = 30.0  # whatever it says
FORM_BYTES = 1_000  # of a request around the bytes of a single file, with room to spare


class ApiAway(Exception):
    """Nobody answers, or not as the API does."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail.removesuffix("."))  # others end the sentence; the API did so
        self.code, self.detail = code, detail


class Client:
    """Asks the API at ``url``. Used by several threads.

    ``timeout_s``: how long a request is tried again while the API refuses it, and how long
    an answer may take beyond the wait that was asked for. ``stop``: ends the trying.
    ``notice``: is told why there is a pause. ``away`` is set once uploads are hopeless.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str = "",
        timeout_s: float,
        max_body_bytes: int,
        stop: threading.Event,
        notice: Callable[[str], None],
    ) -> None:
        self._url = url.rstrip("/")
        self._auth = _Bearer(api_key) if api_key else None
        self._timeout_s = timeout_s
        self._wait_s = min(WAIT_S, timeout_s)
        self._max_file_bytes = max(0, max_body_bytes - FORM_BYTES)
        self._stop = stop
        self._notice = notice
        self.away: ApiAway | None = None

    def classes(self) -> list[str]:
        """Return the model's classes.

        The API has no list of them, but gives it when it refuses a label that is none.

        Raises:
            ApiAway: nobody answers there, or somebody else.
        """

        def ask() -> requests.Response:
            return requests.get(
                f"{self._url}/results",
                params={"label": "", "limit": "1"},
                auth=self._auth,
                timeout=(CONNECT_S, max(ANSWER_S, self._timeout_s)),
            )

        try:
            response = self._insist(ask, "lets nobody in now", if_refused=False)
        except requests.RequestException as error:
            raise ApiAway("unreachable", f"{self._url} does not answer: {_why(error)}") from error
        document = _document(response)
        labels = document.get("accepted_labels")
        if response.status_code in (401, 403) and "code" in document:
            raise ApiAway(
                str(document["code"]), f"{self._url} lets nobody in so: {document.get('detail')}"
            )
        if not isinstance(labels, list):
            raise ApiAway(
                "unexpected_answer",
                f"{self._url} does not answer as Skylane does (HTTP {response.status_code})",
            )
        return labels

    def upload(self, batch: Sequence[Row]) -> list[Row]:
        """Send images in one request, and return their rows with what was answered.

        Never raises for what happens to an image: its row says it.
        """
        rows, images = [], []
        for row in batch:
            try:
                images.append((row, read(row.path, self._max_file_bytes)))
            except OSError as error:
                detail = error.strerror or type(error).__name__
                rows.append(row.failed("not_sent", "unreadable_file", f"{detail}."))
            except FileTooLarge as error:
                rows.append(row.failed("not_sent", "file_too_large", str(error)))
        return rows + self._send(images)

    def ask(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows as they are by now; unchanged where the API does not answer."""
        asked: list[Row] = []
        with requests.Session() as session:
            for row in rows:
                try:
                    response = session.get(
                        f"{self._url}/results/{row.request_id}",
                        auth=self._auth,
                        timeout=(CONNECT_S, ANSWER_S),
                    )
                except requests.RequestException:
                    break
                document = _document(response)
                if response.status_code == 200 and "status" in document:
                    row = row.answered(document)
                elif response.status_code == 404:
                    row = row.failed("failed", "not_found", "The API has forgotten the image.")
                asked.append(row)
        return asked + list(rows[len(asked) :])

    def _send(self, images: list[tuple[Row, bytes]]) -> list[Row]:
        if not images:
            return []
        rows = [row for row, _ in images]
        if away := self.away:
            return [row.failed("not_sent", away.code, away.detail) for row in rows]
        try:
            response = self._post(images)
        except ApiAway as error:
            self.away = error
            return [row.failed("not_sent", error.code, error.detail) for row in rows]
        except requests.RequestException as error:
            # It may have arrived: sending it again could count it twice.
            detail = f"No answer: {_why(error)}."
            if isinstance(error, requests.Timeout):
                self.away = ApiAway("no_answer", f"{self._url} does not answer: {_why(error)}")
            return [row.failed("unanswered", "no_answer", detail) for row in rows]
        if response.status_code == 413 and len(images) > 1:
            # More than this API takes in one request; nothing of it was accepted.
            middle = len(images) // 2
            return self._send(images[:middle]) + self._send(images[middle:])
        document = _document(response)
        results = document.get("results")
        if isinstance(results, list) and len(results) == len(rows):
            return [row.answered(result) for row, result in zip(rows, results, strict=True)]
        code = str(document.get("code", f"http_{response.status_code}"))
        detail = str(document.get("detail", "This is not an answer of Skylane's."))
        return [row.failed("rejected", code, detail) for row in rows]

    def _post(self, images: list[tuple[Row, bytes]]) -> requests.Response:
        """Send a batch, again and again while it is certain that nothing was accepted.

        Raises:
            ApiAway: still refused after the time-out.
            requests.RequestException: sent, and not answered.
        """
        labels = [("true_label", row.true_label or "") for row, _ in images]
        files = [("files", (showable(os.path.basename(row.path)), data)) for row, data in images]

        def send() -> requests.Response:
            # On a connection of its own: an idle one that the server closes at this
            # moment would leave open whether the images arrived.
            return requests.post(
                f"{self._url}/upload_batch",
                params={"wait": self._wait_s},
                auth=self._auth,
                data=labels,
                files=files,
                timeout=(CONNECT_S, self._wait_s + self._timeout_s),
            )

        return self._insist(send, "does not accept images")

    def _insist(
        self, ask: Callable[[], requests.Response], trouble: str, *, if_refused: bool = True
    ) -> requests.Response:
        """Ask, and again while the API is too busy, as often as it says, until the time-out.

        ``trouble`` is what is said of it then. ``if_refused``: again also while nobody is there.

        Raises:
            ApiAway: still refused after the time-out.
            requests.RequestException: of ``ask``.
        """
        deadline = time.monotonic() + self._timeout_s
        while True:
            pause_s = RETRY_S
            try:
                response = ask()
                if response.status_code not in (429, 503):
                    return response
                document = _document(response)
                code = str(document.get("code", f"http_{response.status_code}"))
                why = str(document.get("detail", f"HTTP {response.status_code}"))
                pause_s = _retry_after_s(response)
            except requests.ConnectionError as error:
                if not (if_refused and _refused(error)):
                    raise
                code, why = "unreachable", _why(error)
            if time.monotonic() + pause_s > deadline:
                raise ApiAway(code, f"{self._url} {trouble}: {why}")
            self._notice(f"trying again: {why}")
            if self._stop.wait(pause_s):
                raise ApiAway("interrupted", "The run was stopped.")


class _Bearer(requests.auth.AuthBase):
    """Sends an API key in the header that is taken back where a redirection leads elsewhere.

    As a plain header it would give way to a password that ~/.netrc has for the host.
    """

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def _document(response: requests.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except requests.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _retry_after_s(response: requests.Response) -> float:
    try:
        return min(MAX_RETRY_S, max(0.1, float(response.headers["Retry-After"])))
    except (KeyError, ValueError):  # absent, or a date
        return RETRY_S


def _refused(error: requests.ConnectionError) -> bool:
    """Whether there was no connection, so that nothing can have been sent."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _why(error: requests.RequestException) -> str:
    """Say in a few words what requests tells in many."""
    if isinstance(error, requests.Timeout):
        return "it takes too long"
    if isinstance(error, requests.ConnectionError) and _refused(error):
        return "no connection"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.ConnectionError):
        return "the connection broke"
    return str(error)
