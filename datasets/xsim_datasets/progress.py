"""How far a long job is: a live line on a terminal, plain lines elsewhere, on stderr."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["Progress"]

_PLAIN_EVERY_S = 20.0
"""Between plain lines: a log of a night then has some thousand lines."""

_LIVE_PER_S = 5.0
"""Updates of the live line: as fast as one can read it."""


class Progress:
    """Report the progress of a job, as a context: leaving it closes the live line.

    Parameters
    ----------
    total : int, optional
        Units of the whole job; None where they are not known, which shows no time left.
    unit : str
        What is counted, in the plural.
    start : int
        Units done before, which say nothing about the speed.
    quiet : bool
        Print nothing.
    keep : bool
        Leave the last state of the live line on the terminal.
    stream : text stream, optional
        Where to write, by default stderr.

    Attributes
    ----------
    start : int
        May be set later, where it is only then known.
    """

    def __init__(
        self,
        total: int | None = None,
        unit: str = "steps",
        *,
        start: int = 0,
        quiet: bool = False,
        keep: bool = True,
        stream: TextIO | None = None,
    ) -> None:
        self.start = start
        self._total, self._unit, self._quiet = total, unit, quiet
        self._stream = sys.stderr if stream is None else stream
        self._began = self._printed = time.monotonic()
        terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._live = _live_line(self._stream, keep=keep) if terminal and not quiet else None
        if self._live is not None:
            self._live.add_task("", total=total, completed=start)

    def step(self, done: int, text: str = "") -> None:
        """Report that ``done`` units are done in all, with ``text`` beside the count.

        On a terminal the line is redrawn a few times a second; elsewhere a line is printed every 20 seconds and at the
        end.
        """
        if self._quiet:
            return
        now = time.monotonic()
        every_s = _PLAIN_EVERY_S if self._live is None else 1 / _LIVE_PER_S
        if done != self._total and now - self._printed < every_s:
            return
        self._printed = now
        line = self._line(done, text, now - self._began)
        if self._live is None:
            self.say(line)
        else:
            self._live.start()
            self._live.update(self._live.task_ids[0], completed=done, description=line)
            self._live.refresh()

    def _line(self, done: int, text: str, elapsed_s: float) -> str:
        parts = [f"{done}{'' if self._total is None else f'/{self._total}'} {self._unit}", *([text] if text else [])]
        rate = (done - self.start) / max(elapsed_s, 1e-9)
        parts.append(f"{rate:.2f} {self._unit}/s")
        if self._total is not None and rate > 0:
            parts.append(f"{_clock((self._total - done) / rate)} left")
        return ", ".join(parts)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        if self._quiet:
            return
        if self._live is None:
            print(line, file=self._stream, flush=True)
        else:
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the live line; the job may be over or not."""
        if self._live is not None:
            self._live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _live_line(stream: TextIO, *, keep: bool) -> RichProgress:
    """Return the live line, not started."""
    # Imported here, as programs that nobody watches need none of it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    return RichProgress(
        BarColumn(bar_width=20),
        TextColumn("{task.description}", markup=False),
        console=Console(file=stream, force_terminal=True),
        auto_refresh=False,  # no thread: the caller's own steps redraw
        transient=not keep,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
