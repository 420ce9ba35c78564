"""`xsim dataset make` killed at any moment and resumed, over and over: same bytes, and nothing left running."""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from tests.faults.every_step import contents

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Killing"]

_LOOK_S = 0.1
"""Between two looks at whether a program has ended by itself [s]."""
_ORPHANS_S = 30.0
"""How long workers may take to notice that their parent is gone [s]."""


class Killing(threading.Thread):
    """Makes, kills, resumes, compares.

    Parameters
    ----------
    folder : Path
        Where the stores go.
    environment : dict
        Of the programs.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__()
        self.kills, self.whole, self.wrong, self.end = 0, 0, list[str](), threading.Event()
        self._folder, self._environment = folder, environment

    def _command(self, store: Path, *more: str) -> list[str]:
        size = ["-n", "8", "--size", "32", "--workers", "2"]
        return [sys.executable, "-m", "xsim_cli.app", "dataset", "make", "tiny", "-o", str(store), *size, *more]

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self._environment, start_new_session=True, **quiet)  # type: ignore[call-overload,no-any-return]

    def run(self) -> None:
        """Go on until the end is set."""
        whole = self._folder / "whole"
        whole.mkdir(parents=True)
        began = time.monotonic()
        made = self._run(self._command(whole / "a.zarr"))
        _, said = made.communicate()
        seconds, wanted = time.monotonic() - began, contents(whole)
        if made.returncode != 0:
            self.wrong.append(f"dataset make: ended with {made.returncode}: {said.decode()[-300:]}")
            return
        moments = random.Random(11)
        while not self.end.is_set():
            folder = self._folder / "killed"
            folder.mkdir()
            # The first run filled caches, and the machine may have become idle: the shortest run says when to kill.
            seconds = min(seconds, self._kill(self._command(folder / "a.zarr"), moments.uniform(0.1, 1.0) * seconds))
            resumed = self._run(self._command(folder / "a.zarr", "--resume"))
            _, said = resumed.communicate()
            if resumed.returncode != 0:
                self.wrong.append(f"--resume: ended with {resumed.returncode}: {said.decode()[-300:]}")
            elif contents(folder) != wanted:
                self.wrong.append("--resume: other bytes than those of an undisturbed run")
            else:
                self.whole += 1
            shutil.rmtree(folder)

    def stop(self) -> None:
        """Let it finish what it has begun."""
        self.end.set()
        if self.ident is not None:
            self.join()

    def _kill(self, command: list[str], after_s: float) -> float:
        """Kill a program, not its workers, which have to end by themselves; return how long it ran, if to its end [s].

        One that was killed could have run for ever.
        """
        running, began = self._run(command), time.monotonic()
        while running.poll() is None and time.monotonic() - began < after_s and not self.end.is_set():
            self.end.wait(_LOOK_S)
        ran = time.monotonic() - began
        try:
            family = psutil.Process(running.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        # One that has ended and was not yet waited for is there all the same.
        with suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGKILL)
        running.communicate()
        self.kills += running.returncode == -signal.SIGKILL
        _, alive = psutil.wait_procs(family, timeout=_ORPHANS_S)
        if alive:
            self.wrong.append(f"{len(alive)} workers outlived their parent by {_ORPHANS_S:.0f} s")
            for one in alive:
                one.kill()
        return math.inf if running.returncode == -signal.SIGKILL else ran
