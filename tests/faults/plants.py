"""What is planted in a child process before the program runs in it: steps that fail, limits, wrong clocks, lost rights.

The program itself knows nothing of this. The names by which Python code changes a disk (`os.replace`, `os.fsync`,
...) are wrapped, and files that are opened for writing get a raw layer that counts what reaches the system.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import io
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Plant", "plant"]

DISK_CALLS = {
    "rename": "rename",
    "replace": "rename",
    "link": "rename",
    "fsync": "sync",
    "mkdir": "folder",
    "rmdir": "removal",
    "unlink": "removal",
    "remove": "removal",
}
"""Functions of `os` -> the kind of step that they are; what files are written with is the kind ``write``."""


@dataclass(frozen=True)
class Plant:
    """What to plant.

    Parameters
    ----------
    ledger : str, optional
        File that gets a line for every step.
    fails_at : int
        The step that fails, counted from 1; 0 lets none fail.
    fault : str
        ``kill`` ends the process with SIGKILL; else the name of an errno. ``ENOSPC`` stays: a full disk is full
        for every later write.
    kinds : tuple of str
        The kinds of steps that are counted; none for all.
    handles : int, optional
        Most open files.
    memory_bytes : int, optional
        Address space beyond that of the process as it is.
    file_bytes : int, optional
        Longest file.
    clock_s : float, optional
        Where the clock stands when the program starts, in seconds since 1970; from then on it runs backwards.
    rights : bool
        Whether root may do what permissions forbid.
    """

    ledger: str = ""
    fails_at: int = 0
    fault: str = "kill"
    kinds: tuple[str, ...] = ()
    handles: int | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None
    clock_s: float | None = None
    rights: bool = True


def plant(wanted: Plant) -> None:
    """Change this process for good."""
    if not wanted.rights:
        _obey_permissions()
    if wanted.clock_s is not None:
        _turn_back_the_clock(wanted.clock_s)
    if wanted.ledger:
        _Steps(wanted).watch()
    if wanted.handles is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted.handles, wanted.handles))
    if wanted.file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (wanted.file_bytes, wanted.file_bytes))
    if wanted.memory_bytes is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + wanted.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


class _Steps:
    """Counts the steps, writes them down, and lets one fail."""

    def __init__(self, wanted: Plant) -> None:
        self._wanted = wanted
        self._count = 0
        self._handle = os.open(wanted.ledger, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._broken = False

    def _fails(self, kind: str, what: object) -> bool:
        if self._wanted.kinds and kind not in self._wanted.kinds:
            return False
        self._count += 1
        os.write(self._handle, f"{kind} {what}\n".encode(errors="replace"))
        if self._count == self._wanted.fails_at:
            self._broken = True
            return True
        return self._broken and self._wanted.fault == "ENOSPC" and kind in {"write", "folder"}

    def _act(self, what: object) -> None:
        if self._wanted.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        number = getattr(errno, self._wanted.fault)
        raise OSError(number, os.strerror(number), str(what))

    def watch(self) -> None:
        """Wrap what changes a disk."""
        for name, kind in DISK_CALLS.items():
            setattr(os, name, self._wrapped(getattr(os, name), kind))
        io.open = builtins.open = self._opener(builtins.open)  # type: ignore[assignment]

    def _wrapped(self, original: Any, kind: str) -> Any:
        def call(what: Any, *rest: Any, **options: Any) -> Any:
            if self._fails(kind, what):
                self._act(what)
            # No power is cut here, and waiting for the disk is what takes the time.
            return None if kind == "sync" else original(what, *rest, **options)

        return call

    def _opener(self, original: Any) -> Any:
        fails, act = self._fails, self._act

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                if fails("write", self.name):
                    super().write(memoryview(data).cast("B")[: len(data) // 2])
                    act(self.name)
                return super().write(data) or 0

        def watched(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> Any:
            if not set(mode) & set("wax+") or buffering == 0:
                return original(file, mode, buffering, *text, **options)
            opening = {name: options.pop(name) for name in ("closefd", "opener") if name in options}
            raw = Raw(file, mode.replace("b", "").replace("t", ""), **opening)
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **options)

        return watched


def _turn_back_the_clock(start_s: float) -> None:
    """Let the clock start in the past and run backwards, a second each time it is read."""
    reads = iter(range(10**9))
    time.time = lambda: start_s - next(reads)
    time.time_ns = lambda: int(time.time() * 1e9)


def _obey_permissions() -> None:
    """Give up root's right to read and write what permissions forbid; others have no such right."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for index in (0, 1):  # effective and permitted: access(2) asks the latter
        sets[index] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")
