"""One Lambda execution environment on this machine: a handler under AWS's own runtime client.

What runs is `awslambdaric`, as in the cloud, in a process of its own. Here is what it talks
to: the Runtime API, https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Of the
cloud it leaves out the image's download, the microVM and the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, cast
from uuid import uuid4

from bench.cpu_quota import CpuQuota
from settings import ROOT

API = "/2018-06-01/runtime"
INIT_LIMIT_S = 10.0  # as in the cloud
MB_PER_CPU = 1769  # memory that comes with one vCPU's worth of time


class LambdaError(Exception):
    """The environment ended, or did not answer in time; the message holds its last lines."""


class LambdaTimeout(LambdaError):
    """It did not answer in time, and may do so yet."""


@dataclass(frozen=True)
class Answer:
    """What came of an invocation. ``error`` says that the handler raised."""

    payload: Any
    error: bool
    duration_ms: float  # from the event handed out to the answer taken in


class LambdaEnvironment:
    """A process that handles one event at a time. ``with`` it; it ends on the way out.

    After an invocation that took too long it is of no more use: its answer may still come.

    ``memory_mb`` gives it that much of a processor, where this machine lets us say so
    (``quota`` tells); without it, it takes what there is. ``image`` is a container image to
    run it from by Docker, which sets the limits itself, instead of from this checkout;
    ``mounts`` are folders of this machine that it sees under the same names. ``init_limit_s`` is
    how long it may take to its first question, without the time in which other processes kept it
    from this machine's processors: in the cloud it has its own.
    """

    def __init__(
        self,
        handler: str,
        env: Mapping[str, str],
        log: Path,
        memory_mb: int | None = None,
        image: str | None = None,
        mounts: Sequence[Path] = (),
        init_limit_s: float = INIT_LIMIT_S,
    ) -> None:
        self.init_ms = 0.0  # from the start of its process to its first question for an event
        self._handler = handler
        self._env = env
        self._log = log
        self._events: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()  # None: it is over
        self._answers: SimpleQueue[tuple[bytes, bool, float]] = SimpleQueue()
        self._asked = threading.Event()
        self._handed_out_s = 0.0
        self._timeout_s = 30.0
        self._init_limit_s = init_limit_s
        self._given_up = False
        self.quota: CpuQuota | None = None
        self._memory_mb = memory_mb
        self._image = image
        self._mounts = mounts
        self._container = f"skylane-{uuid4().hex[:12]}"

    def __enter__(self) -> LambdaEnvironment:
        self._server = _Server(("127.0.0.1", 0), _RuntimeApi)
        self._server.environment = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        command = [sys.executable, "-m", "awslambdaric", self._handler]
        if self._image:
            command = self._docker(self._image)
        elif self._memory_mb:
            self.quota = CpuQuota.of(self._memory_mb / MB_PER_CPU)
        started_s = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.quota.wrapped(command) if self.quota else command,
                cwd=ROOT,
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is not its business
            )
        try:
            while not self._asked.wait(0.05):
                if self._given_up:
                    raise LambdaError("its start was given up")
                self._raise_if_over()
                took_s = time.perf_counter() - started_s
                late = took_s > self._init_limit_s
                if late and took_s - self._kept_waiting_s() > self._init_limit_s:
                    raise LambdaTimeout(
                        f"INIT took more than {self._init_limit_s} s:\n{self._tail()}"
                    )
        except BaseException:  # an interrupt as well: nothing is left running
            self.__exit__()
            raise
        self.init_ms = (self._asked_s - started_s) * 1000
        return self

    def __exit__(self, *_: object) -> None:
        if self._image:
            subprocess.run(["docker", "kill", self._container], capture_output=True, check=False)
        self._process.kill()
        self._process.wait()
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
        if self.quota:
            self.quota.remove()

    def give_up(self) -> None:
        """Have a start that is under way end in an error soon, on the thread that it is on."""
        self._given_up = True

    @property
    def pid(self) -> int:
        """The process, for those who want to kill it."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def invoke(self, event: Any, timeout_s: float = 30.0) -> Answer:
        """Hand out one event, as an object or as JSON in bytes, and return what came of it.

        Raises:
            LambdaTimeout: the time was over.
            LambdaError: the process ended.
        """
        self._timeout_s = timeout_s
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._events.put((str(uuid4()), data))
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                body, error, took_ms = self._answers.get(timeout=0.1)
                return Answer(json.loads(body or b"null"), error, took_ms)
            except Empty:
                self._raise_if_over()
                if time.monotonic() > deadline_s:
                    raise LambdaTimeout(f"no answer in {timeout_s} s:\n{self._tail()}") from None

    def _docker(self, image: str) -> list[str]:
        # As in the cloud, nothing can be written to but /tmp. The host's network, since it is
        # the host's loopback that the Runtime API is on.
        command = ["docker", "run", "--rm", f"--name={self._container}", "--network=host"]
        command += ["--read-only", "--tmpfs=/tmp"]
        command += [f"--volume={folder}:{folder}" for folder in self._mounts]
        if self._memory_mb:
            command += [
                f"--cpus={self._memory_mb / MB_PER_CPU:.3f}",
                f"--memory={self._memory_mb}m",
            ]
        for name, value in self._variables().items():
            command.append(f"--env={name}={value}")
        return [*command, image, self._handler]

    def _environment(self) -> dict[str, str]:
        """Return the variables of the process: Lambda's, or for Docker this machine's."""
        if self._image:
            return dict(os.environ)
        own = {name: os.environ.get(name, "") for name in ("PATH", "LD_LIBRARY_PATH")}
        return own | self._variables()

    def _variables(self) -> dict[str, str]:
        """Return the variables that Lambda sets, and those of the function."""
        name = self._handler.rpartition(".")[0].rpartition(".")[2]
        return {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": f"skylane-local-{name}",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._memory_mb or MB_PER_CPU),
            "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[$LATEST]{uuid4().hex}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "TZ": ":UTC",
            **self._env,
        }

    def _raise_if_over(self) -> None:
        if self._process.poll() is not None:
            raise LambdaError(
                f"the environment ended ({self._process.returncode}):\n{self._tail()}"
            )

    def _kept_waiting_s(self) -> float:
        """Return how long it was ready to run and others did, its own quota's waits left out.

        That of its first thread, which imports and loads; proc_pid_schedstat(5). 0 if unknown.
        """
        try:
            _, waited_ns, _ = Path(f"/proc/{self._process.pid}/schedstat").read_text().split()
            throttled_s = self.quota.throttled_ms() / 1e3 if self.quota else 0.0
        except (OSError, ValueError):
            return 0.0
        return max(0.0, int(waited_ns) / 1e9 - throttled_s)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    # What the process asks for, in threads of the server.

    def _next(self) -> tuple[str, bytes] | None:
        if not self._asked.is_set():
            self._asked_s = time.perf_counter()
            self._asked.set()
        event = self._events.get()
        self._handed_out_s = time.perf_counter()
        return event

    def _take(self, body: bytes, *, error: bool) -> None:
        took_ms = (time.perf_counter() - self._handed_out_s) * 1000
        self._answers.put((body, error, took_ms))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    environment: LambdaEnvironment

    def handle_error(self, *_: object) -> None:
        """Say nothing of a connection that was cut: its process was killed, by us or others."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)  # type: ignore[arg-type]


class _RuntimeApi(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet, at once: else each call waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def _environment(self) -> LambdaEnvironment:
        return cast(_Server, self.server).environment

    def do_GET(self) -> None:
        if self.path != f"{API}/invocation/next":
            self._answer(404, b"")
            return
        if (handed_out := self._environment._next()) is None:
            return
        request_id, event = handed_out
        deadline_ms = int((time.time() + self._environment._timeout_s) * 1000)
        self._answer(
            200,
            event,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:"
                "function:skylane-local",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != f"{API}/init/error":  # after that the process ends, and says so itself
            self._environment._take(body, error=self.path.endswith("/error"))
        self._answer(202, b'{"status":"OK"}')

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing: the handler's own lines are in the log."""
