"""In what order a run sees its samples, and how it reads them ahead."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from torch import Tensor

__all__ = ["Order", "Prefetch"]


@dataclass(frozen=True)
class Order:
    """The order in which a run sees its samples: a new permutation each epoch, from the seed alone."""

    indices: tuple[int, ...]
    seed: int

    def __getitem__(self, sample: int) -> int:
        """Return the index in the data set of the run's sample number ``sample``."""
        epoch, place = divmod(sample, len(self.indices))
        return self.indices[_permutation(len(self.indices), self.seed, epoch)[place]]


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> list[int]:
    return [int(place) for place in generator(seed, sample=epoch, stage="order").permutation(count)]


class Prefetch:
    """Read ahead on a thread while the network works; what it hands out is in order.

    Parameters
    ----------
    read : callable
        Takes a step, returns its data.
    steps : iterator of int
        The steps in order.
    ahead : int
        How many steps are under way.
    """

    def __init__(self, read: Callable[[int], tuple[Tensor, Tensor]], steps: Iterator[int], *, ahead: int = 3) -> None:
        self._read = read
        self._steps = steps
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="xsim-read")
        self._under_way: list[Future[tuple[Tensor, Tensor]]] = []
        for _ in range(ahead):
            self._submit()

    def _submit(self) -> None:
        step = next(self._steps, None)
        if step is not None:
            self._under_way.append(self._pool.submit(self._read, step))

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Return the next step's data."""
        data = self._under_way.pop(0).result()
        self._submit()
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
