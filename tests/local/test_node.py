"""The Node.js that the page is built by is new enough, runs, and is installed once."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from settings import ROOT

SOURCED = 'set -euo pipefail; source "$0/local/venv.sh"; source "$0/local/node.sh"; '
NODE = "#!python\nprint('v99.2.0')\n"  # as pip has it: it writes its own path there
PACKAGE = "METADATA", "Metadata-Version: 2.1\nName: node\nVersion: 1\n"
WHEEL = "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def sh(script: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", SOURCED + script, root], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v18.20.0", False),
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v23.9.0", False),
        ("v24.0.0", True),
        ("v100.0.0", True),
        ("", False),
        ("not found", False),
    ],
)
def test_a_node_is_new_enough_if_vite_says_so(version: str, enough: bool) -> None:
    assert (sh(f"is_node_of '{version}' 20.19 22.12").returncode == 0) == enough


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a checkout that wants a Node.js of a wheel of its own, which is quick to install."""
    checkout = tmp_path / "here"
    (checkout / "requirements").mkdir(parents=True)
    shutil.copytree(ROOT / "local", checkout / "local")
    wheel = tmp_path / "node-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("node", "npm"):
            script = zipfile.ZipInfo(f"node-1.data/scripts/{name}")
            script.external_attr = (stat.S_IFREG | 0o755) << 16
            archive.writestr(script, NODE)
        for name, text in (PACKAGE, WHEEL, ("RECORD", "")):
            archive.writestr(f"node-1.dist-info/{name}", text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wanted = f"{wheel.as_uri()} --hash=sha256:{digest}\n"
    (checkout / "requirements/node.txt").write_text(wanted)
    return checkout


def test_a_node_from_wheels_is_installed_once_and_again_where_it_no_longer_runs(root: Path) -> None:
    ensure = 'ensure_node "$0" 99.1; node --version'

    def told() -> tuple[str, int]:
        ran = sh(ensure, root)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout, ran.stderr.count("Installing")

    assert told() == ("v99.2.0\n", 1)
    assert told() == ("v99.2.0\n", 0)
    root = root.rename(root.with_name("there"))  # whose scripts begin with the old path
    assert told() == ("v99.2.0\n", 1)
    (root / ".venv-node/bin/python").unlink()  # as if its Python had gone
    assert told() == ("v99.2.0\n", 1)


@pytest.mark.skipif(not shutil.which("flock"), reason="this system has no flock")
def test_of_two_that_need_a_node_at_once_one_installs_it(root: Path) -> None:
    both = sh(
        '(ensure_node "$0" 99.1; node --version) & (ensure_node "$0" 99.1; node --version)'
        " && wait $!",
        root,
    )
    assert both.returncode == 0
    assert both.stdout == "v99.2.0\n" * 2
    assert both.stderr.count("Installing") == 1
