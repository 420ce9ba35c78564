"""Outputs that go away: closed, full, a pipe whose reader has left, a narrow terminal that is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.programs import FLOORS

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = f"{sys.executable} -m xsim_cli.app"
COMMANDS = {
    "help": "--help",
    "json": "zoo list --json",
    "lines": "spectrum --kvp 70",
    "error": "detektor",
}
ENDINGS = {
    # How the shell takes an output away, and the exit codes that are right: 1 where what was asked for is lost.
    "stdout closed": (">&-", {0, 1, 2}),
    "stdout full": (">/dev/full", {1, 2}),
    "stderr closed": ("2>&-", {0, 2}),
    "stderr full": ("2>/dev/full", {0, 2}),
    "both closed": (">&- 2>&-", {0, 1, 2}),
    "stdin closed": ("<&-", {0, 2}),
}


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(FLOORS)
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_outputs_that_are_taken_away(injected: Callable[..., None], command: str, ending: str) -> None:
    redirection, codes = ENDINGS[ending]
    done = shell(f"{PROGRAM} {COMMANDS[command]} {redirection}")
    injected("output closed or full")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode in codes - ({2} if command != "error" else {0}), done


@pytest.mark.parametrize("command", ["json", "help"])
def test_a_reader_that_leaves(injected: Callable[..., None], command: str) -> None:
    done = shell(f"{PROGRAM} {COMMANDS[command]} | true; echo ${{PIPESTATUS[0]}}")
    injected("reader of a pipe that leaves")
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "1"}


def test_plain_text_where_there_is_no_terminal(injected: Callable[..., None]) -> None:
    done = shell(f"{PROGRAM} zoo list --json", COLUMNS="20", TERM="dumb", NO_COLOR="1", LC_ALL="C", PYTHONUTF8="0")
    injected("no terminal")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["restorers"]
