"""Docker Compose, as an operator types it, with a project, passwords and ports of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from local.ports import free_ports
from settings import ROOT


class Project:
    """One `docker compose` project from compose.yaml."""

    def __init__(self, folder: Path, name: str, *files: str, **variables: str) -> None:
        api, flower = free_ports(2)
        self.url, self.flower_url = f"http://127.0.0.1:{api}", f"http://127.0.0.1:{flower}"
        self.name = name
        written = subprocess.run(
            ["docker", "run", "--rm", "skylane", "init", "--stdout"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        passwords = dict(
            line.split("=", 1) for line in written.splitlines() if not line.startswith("#")
        )
        self.variables = {
            **passwords,
            "API_ADDRESS": f"127.0.0.1:{api}",
            "FLOWER_ADDRESS": f"127.0.0.1:{flower}",
            **variables,
        }
        self._env = folder / f"{name}.env"
        self.set()
        self._files = [part for file in ("compose.yaml", *files) for part in ("-f", file)]

    @property
    def headers(self) -> dict[str, str]:
        """What a request to the API has to carry."""
        return {"X-API-Key": self.variables["SKYLANE_INITIAL_KEY"]}

    def get(self, path: str) -> requests.Response:
        """Ask the API for a path, with the key."""
        return requests.get(self.url + path, headers=self.headers, timeout=30)

    def set(self, **variables: str) -> None:
        """Change the project's file of variables, for the next `up`."""
        self.variables |= variables
        self._env.write_text("".join(f"{key}={value}\n" for key, value in self.variables.items()))

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` and return what it printed; fail with it if it failed."""
        command = ["docker", "compose", "--project-name", self.name, "--env-file", str(self._env)]
        done = subprocess.run(
            [*command, *self._files, *arguments],
            cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{arguments}: {done.stdout}\n{done.stderr}\n{self.tail()}")
        return done.stdout

    def tail(self) -> str:
        """Return the last lines of every container."""
        return self.compose("logs", "--no-color", "--tail=30", check=False)[-8000:]

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's running containers."""
        return self.compose("ps", "--quiet", service).split()

    def inspect(self) -> dict[str, dict[str, Any]]:
        """Return what the engine says of each service's container, or of one of them."""
        ids = self.compose("ps", "--quiet", "--all").split()
        told = json.loads(docker("inspect", *ids))
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in told}

    def python(self, container: str, script: str) -> str:
        """Run a few lines inside a container."""
        return docker("exec", container, "python", "-c", script)

    def healthy(self, n: int, service: str, limit_s: float = 60) -> None:
        """Wait until ``n`` containers of a service say that they are well."""
        deadline = time.monotonic() + limit_s
        while True:
            ids = self.containers(service)
            states = [
                one["State"]["Health"]["Status"] for one in json.loads(docker("inspect", *ids))
            ]
            if states.count("healthy") == n:
                return
            assert time.monotonic() < deadline, f"{service}: {states}\n{self.tail()}"
            time.sleep(0.5)


def docker(*arguments: str) -> str:
    """Run `docker` and return what it printed, the lines of a container's errors included."""
    done = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, f"docker {arguments}: {done.stdout}"
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would override a project's own file."""
    text = (ROOT / "compose.yaml").read_text()
    ours = (*re.findall(r"\$\{(\w+)", text), "SKYLANE_", "OTEL_", "COMPOSE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
