"""One row of the table of all benchmarks, and how its parts are timed."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Row", "cpu_ms", "missing", "wall_s"]


@dataclass(frozen=True)
class Row:
    """A figure beside its floor and its peer, all in one unit and measured in one run.

    Parameters
    ----------
    what : str
        The work, with its size.
    figure : float
        What xsim takes, or reaches.
    unit : str
        E.g. "ms CPU"; ratios are of times unless ``rate`` says otherwise.
    floor : str
        What no program doing this work can go below; empty where there is no such thing.
    floor_figure : float or None
        Its figure.
    peer : str
        Who else does the same work, or why that one could not take part.
    peer_figure : float or None
        Its figure; None if it could not take part.
    note : str
        What else was found: accuracy, memory.
    rate : bool
        Whether more is better.
    """

    what: str
    figure: float
    unit: str
    floor: str = ""
    floor_figure: float | None = None
    peer: str = ""
    peer_figure: float | None = None
    note: str = ""
    rate: bool = False

    def with_peer(self, peer: str, figure: float | None, note: str = "") -> Self:
        """Return the row with another peer."""
        return replace(self, peer=peer, peer_figure=figure, note="; ".join(filter(None, (self.note, note))))

    @property
    def times_floor(self) -> float | None:
        """Return how many times the floor is taken."""
        return self._ratio(self.floor_figure)

    @property
    def times_faster(self) -> float | None:
        """Return how many times as fast as the peer this is."""
        ratio = self._ratio(self.peer_figure)
        return None if ratio is None else 1.0 / ratio

    def _ratio(self, other: float | None) -> float | None:
        if other is None:
            return None
        return other / self.figure if self.rate else self.figure / other

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)


def cpu_ms(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least CPU time of one call [ms], after one that fills the caches."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def wall_s(work: Callable[[], object]) -> float:
    """Return the wall time of one call [s]."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def missing(error: Exception) -> str:
    """Return in a few words why a peer could not take part."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed (benchmarks/peers.txt)"
    return f"cannot run: {str(error).splitlines()[0]}"
