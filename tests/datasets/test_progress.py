"""The progress of long jobs: one live line on a terminal, plain lines elsewhere, nothing where it is not wanted."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from xsim_datasets import progress as module
from xsim_datasets.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that stands still until a test moves it."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_elsewhere_lines_are_plain_and_few(clock: list[float]) -> None:
    stream = io.StringIO()
    with Progress(200, "pairs", start=100, stream=stream) as progress:
        for done in range(101, 151):
            clock[0] += 1.0
            progress.step(done, "shard [3]")
        progress.say("a line that stays")
    assert stream.getvalue().splitlines() == [
        "120/200 pairs, shard [3], 1.00 pairs/s, 1:20 left",
        "140/200 pairs, shard [3], 1.00 pairs/s, 1:00 left",
        "a line that stays",
    ]


def test_the_end_is_always_told(clock: list[float]) -> None:
    stream = io.StringIO()
    with Progress(4, stream=stream) as progress:
        clock[0] += 2.0
        progress.step(4)
    assert stream.getvalue() == "4/4 steps, 2.00 steps/s, 0:00 left\n"


def test_a_job_of_unknown_length_has_no_time_left(clock: list[float]) -> None:
    stream = io.StringIO()
    with Progress(None, "tiles", stream=stream) as progress:
        clock[0] += 30.0
        progress.step(60, "board.tif")
    assert stream.getvalue() == "60 tiles, board.tif, 2.00 tiles/s\n"


def test_quiet_is_silent() -> None:
    stream = io.StringIO()
    with Progress(2, quiet=True, stream=stream) as progress:
        progress.step(2, "done")
        progress.say("done")
    assert stream.getvalue() == ""


LIVE = """
import time
from xsim_datasets.progress import Progress
with Progress(3, "pairs", keep={keep}) as progress:
    for done in (1, 2, 3):
        time.sleep(.25)
        progress.step(done, "board [mm]")
    progress.say("[a line] that stays")
"""


@pytest.mark.parametrize("keep", [True, False])
def test_on_a_terminal_one_line_is_redrawn_and_the_cursor_comes_back(keep: bool) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", LIVE.format(keep=keep)],
        stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}, timeout=60, check=True,
    )  # fmt: skip
    assert done.returncode == 0
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:  # all is read, and nobody writes any more
            break
    os.close(ours)
    text = said.decode()
    for part in ("1/3 pairs, board [mm]", "3/3 pairs", "[a line] that stays\r\n"):
        assert part in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor stays hidden"
