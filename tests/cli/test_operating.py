"""`skylane init`, and the programs that containers start one by one."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from cli.environment import OTHERS
from local.ports import free_ports
from model.artefact import write
from settings import ROOT, Settings
from store.database import Database
from store.keys import Keys, Secret
from tests.cli.command import environment, skylane
from tests.stack import until


def test_init_writes_other_passwords_every_time_for_nobody_else_to_read(tmp_path: Path) -> None:
    written: list[str] = []
    for name in ("one", "two"):
        ended = skylane("init", "--file", str(tmp_path / name))
        assert ended.returncode == 0, ended.stderr
        assert (tmp_path / name).stat().st_mode & 0o077 == 0
        lines = (tmp_path / name).read_text().splitlines()
        values = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        assert Secret.parse(values["SKYLANE_INITIAL_KEY"])
        written += values.values()
        assert written[-1] not in ended.stdout
    assert len(set(written)) == len(written) >= 10
    assert min(map(len, written)) >= 32


def test_init_leaves_a_file_that_is_there_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=in-use\n")
    ended = skylane("init", "--file", str(tmp_path / ".env"))
    assert (ended.returncode, "left alone" in ended.stderr) == (1, True)
    assert (tmp_path / ".env").read_text() == "POSTGRES_PASSWORD=in-use\n"


def test_init_says_where_it_cannot_write(tmp_path: Path) -> None:
    ended = skylane("init", "--file", str(tmp_path / "nowhere" / ".env"))
    assert (ended.returncode, "cannot be written" in ended.stderr) == (1, True)


@pytest.mark.parametrize("program", ["api", "worker", "sweep", "flower"])
def test_a_program_names_the_address_that_it_lacks(program: str) -> None:
    ended = skylane(program, DATABASE_URL="postgresql://127.0.0.1/none")
    assert (ended.returncode, "BROKER_URL is not set" in ended.stderr) == (2, True)


@pytest.mark.parametrize("program", ["api", "worker", "sweep"])
def test_two_programs_on_one_host_cannot_have_one_port_for_their_figures(program: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as another:
        port = another.getsockname()[1]
        ended = skylane(
            program,
            DATABASE_URL="postgresql://127.0.0.1:1/none",
            BROKER_URL="redis://127.0.0.1:1",
            SKYLANE_METRICS_PORT=str(port),
        )
    assert (ended.returncode, f"port {port} of 127.0.0.1" in ended.stderr) == (1, True)
    assert "SKYLANE_METRICS_PORT=" in ended.stderr
    assert "Traceback" not in ended.stderr


NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "BROKER_URL": "redis://127.0.0.1:1"}


@pytest.mark.parametrize("program", ["api", "worker"])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("model.zip", "is not a model artefact, as `skylane export` writes it"),
        ("net.safetensors", "is no checkpoint that names its labels"),
        ("none.zip", "No such file"),
    ],
)
def test_a_program_says_in_a_line_that_its_model_is_none(
    program: str, name: str, told: str, tmp_path: Path
) -> None:
    for other in ("model.zip", "net.safetensors"):
        (tmp_path / other).write_text("another kind of file")
    ended = skylane(program, SKYLANE_ARTEFACT=str(tmp_path / name), **NOWHERE)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr
    assert f"SKYLANE_ARTEFACT: {tmp_path / name}" in ended.stderr
    assert told in ended.stderr


def test_a_name_that_is_no_setting_is_told_with_the_likely_one(tmp_path: Path) -> None:
    typos = {"SKYLANE_ACCES": "hunter2", "SKYLANE_RATELIMIT": "5/minute", "SKYLANE_URL": "x"}
    none = {"SKYLANE_ARTEFACT": str(tmp_path / "none.zip"), "SKYLANE_HOME": str(tmp_path / "home")}
    for program in ("up", "worker"):
        told = skylane(program, **typos, **none, **NOWHERE).stderr
        assert [line for line in told.splitlines() if "no setting" in line] == [
            "warning: SKYLANE_ACCES is no setting of Skylane; did you mean SKYLANE_ACCESS?",
            "warning: SKYLANE_RATELIMIT is no setting of Skylane; did you mean SKYLANE_RATE_LIMIT?",
        ]
        assert "hunter2" not in told


def test_every_name_in_the_repository_is_known() -> None:
    known = {*Settings.variables().values(), *OTHERS}
    folders = ("api", "bench", "cli", "docs", "infra", "lambda_adapters", "local", "store", "tests")
    files = [*ROOT.iterdir(), *(path for name in folders for path in (ROOT / name).rglob("*"))]
    found = {
        name
        for path in files
        if path.suffix in {"", ".md", ".py", ".yaml", ".yml", ".sh", ".ipynb", ".Dockerfile"}
        and path.is_file()
        and path != Path(__file__)
        for name in re.findall(r"SKYLANE_[A-Z0-9_]*[A-Z0-9]", path.read_text(errors="replace"))
    }
    assert len(found) > 40
    assert found - known == set()


def test_a_worker_whose_model_is_damaged_takes_no_message(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    write(path, b"<net/>", b"the weights", {"name": "little", "labels": ["Forest", "River"]})
    path.write_bytes(path.read_bytes().replace(b"the weights", b"other bytes"))
    ended = skylane("worker", SKYLANE_ARTEFACT=str(path), SKYLANE_HOME=str(tmp_path), **NOWHERE)
    assert ended.returncode == 1
    assert f"CRITICAL {path} is damaged" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_api_alone_is_one_process_tree_that_ends_on_sigterm(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    port, metrics_port = free_ports(2)
    Keys(Database(database_url, size=1)).create("camera")
    ui = tmp_path / "ui"
    ui.mkdir()
    (ui / "index.html").write_text("the page")
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "api"],
        env=environment(
            DATABASE_URL=database_url,
            BROKER_URL=broker_url,
            SKYLANE_HOME=str(tmp_path),
            SKYLANE_API_PORT=str(port),
            SKYLANE_ACCESS="keys",
            SKYLANE_METRICS_PORT=str(metrics_port),
            SKYLANE_UI=str(ui),
        ),
    )
    try:

        def alive() -> bool:
            try:
                return requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok
            except requests.RequestException:  # it listens before it can answer
                return False

        until(alive)
        # Figures are for those who reach a port of their own, and nothing else is there.
        for address, path, status in (
            (port, "/metrics", 401),
            (metrics_port, "/metrics", 200),
            (metrics_port, "/results", 404),
            (metrics_port, "/health", 404),
            (metrics_port, "/", 404),
            (port, "/", 200),
        ):
            answer = requests.get(
                f"http://127.0.0.1:{address}{path}",
                headers={"Host": f"127.0.0.1:{metrics_port}"},  # which is a client's to say
                timeout=9,
            )
            assert answer.status_code == status, (address, path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
