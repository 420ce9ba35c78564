"""A live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

__all__ = ["Progress"]

_PLAIN_EVERY_S = 20.0
_LIVE_EVERY_S = 0.2


class Progress:
    """Say how far a long job is, on stderr.

    Parameters
    ----------
    total : int
        Steps of the whole job.
    start : int
        Steps done before.
    quiet : bool
        Say nothing.
    """

    def __init__(self, total: int, *, start: int = 0, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._total = total
        self._start = start
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._live = self._stream.isatty()
        self._began = time.monotonic()
        self._said = self._began

    def step(self, done: int, what: str) -> None:
        """Report ``done`` steps; lines come no faster than a person or a log wants them."""
        now = time.monotonic()
        if done < self._total and now - self._said < (_LIVE_EVERY_S if self._live else _PLAIN_EVERY_S):
            return
        self._said = now
        rate = (done - self._start) / max(now - self._began, 1e-9)
        left = (self._total - done) / rate if rate > 0 else 0.0
        self._write(f"{done}/{self._total} steps  {what}  {rate:.2f} steps/s  {_clock(left)} left", keep=False)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._write(line, keep=True)

    def _write(self, line: str, *, keep: bool) -> None:
        if self._quiet:
            return
        if self._live:
            # \x1b[K clears what a longer line left behind.
            self._stream.write(f"\r{line}\x1b[K" + ("\n" if keep else ""))
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Leave the live line."""
        if self._live and not self._quiet:
            self._stream.write("\n")
            self._stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
