"""What a long run is judged by: memory, descriptors and threads of a process at quiet moments, one after another."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, Literal

import psutil
from scipy.stats import theilslopes

__all__ = ["Growth", "Series"]

_TEN_MINUTES_S: Final = 600.0
_WARM_UP_S: Final = 300.0
"""Caches fill and allocators find their size in the first minutes: at most so long, or a third of the run."""
_FEWEST: Final = 6
"""Moments without which a slope says nothing."""

MOST_GROWTH: Final = 0.01
"""Of a process's memory in ten minutes."""


@dataclass(frozen=True)
class Growth:
    """Share by which memory grows in ten minutes: the median slope, and the 95 % interval of it."""

    mean: float
    low: float
    high: float

    @property
    def holds(self) -> Literal["yes", "no", "not shown"]:
        """Whether it is at most `MOST_GROWTH`, with its whole interval."""
        if self.low > MOST_GROWTH:
            return "no"
        return "yes" if self.high <= MOST_GROWTH else "not shown"

    def __str__(self) -> str:
        return f"{100 * self.mean:+.2f} [{100 * self.low:+.2f}, {100 * self.high:+.2f}] % in 10 minutes"


@dataclass
class Series:
    """One process at its quiet moments: time [s], memory of its own [bytes], descriptors, threads."""

    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def look(self, process: psutil.Process, now: float | None = None, *, idle: bool = True) -> None:
        """Note how a process stands; one that is at work has descriptors and threads that it will give back."""
        if not idle and not self.seconds:
            return
        self.seconds.append(time.monotonic() if now is None else now)
        # What is its own: pages that it shares with others come and go with them.
        self.memory.append(process.memory_full_info().uss)
        if not idle:
            self.descriptors.append(self.descriptors[-1])
            self.threads.append(self.threads[-1])
            return
        self.descriptors.append(process.num_fds() if hasattr(process, "num_fds") else process.num_handles())
        self.threads.append(process.num_threads())

    def after_warm_up(self) -> slice:
        """Return which moments count."""
        if not self.seconds:
            return slice(0)
        whole = self.seconds[-1] - self.seconds[0]
        begin = self.seconds[0] + min(_WARM_UP_S, whole / 3)
        return slice(sum(moment < begin for moment in self.seconds), None)

    def growth(self) -> Growth | None:
        """Return how memory grows; None where there are too few moments."""
        kept = self.after_warm_up()
        seconds, memory = self.seconds[kept], self.memory[kept]
        if len(seconds) < _FEWEST or seconds[-1] <= seconds[0]:
            return None
        # A median of all slopes: single steps of an allocator do not move it.
        found = theilslopes(memory, seconds)
        unit = _TEN_MINUTES_S / sorted(memory)[len(memory) // 2]
        return Growth(*(float(slope) * unit for slope in (found.slope, found.low_slope, found.high_slope)))

    def more(self, what: Literal["descriptors", "threads"]) -> int:
        """Return by how many descriptors or threads the last half of the moments has more, at least, than the first."""
        kept: list[int] = getattr(self, what)[self.after_warm_up()]
        if len(kept) < 2:
            return 0
        half = len(kept) // 2
        return min(kept[half:]) - min(kept[:half])

    def complaints(self, name: str) -> list[str]:
        """Return what does not hold."""
        growth = self.growth()
        found = []
        if growth is None:
            found.append(f"{name}: {len(self.seconds)} quiet moments say nothing of its memory: run for longer")
        elif growth.holds == "no":
            found.append(f"{name}: memory grows by {growth}")
        elif growth.holds == "not shown":
            found.append(f"{name}: growth of memory, {growth}, is not shown to be flat: run for longer")
        for what in ("descriptors", "threads"):
            if (more := self.more(what)) > 0:  # type: ignore[arg-type]
                found.append(f"{name}: {more:+d} {what}")
        return found

    def __str__(self) -> str:
        if not self.memory:
            return "never quiet"
        counted = f"{self.descriptors[0]} -> {self.descriptors[-1]}"
        memory = f"{self.memory[-1] / 2**20:.0f} MiB, {self.growth() or 'too short a run'}"
        return f"memory {memory}; descriptors {counted}; threads {self.threads[0]} -> {self.threads[-1]}"
