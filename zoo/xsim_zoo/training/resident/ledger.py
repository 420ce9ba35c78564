"""Figures of steps that are still on the device, and of all processes: read together, so that no step waits for them.

Where several processes train together, each knows the loss of its own share of a batch. What is written is the step's:
the mean loss of all shares, the longest time of all processes, and the share of each beside them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from xsim_zoo.training.validation import DivergedError

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Ledger"]

_OF_ALL: Final[dict[str, Callable[[Sequence[float]], float]]] = {"loss": fmean, "seconds": max, "waited": max}
"""Figures in which processes differ, and what they come to: batches are equally large, the slowest is waited for."""


class Ledger:
    """Gathers the figures of steps and gives them out as lines of a log.

    Parameters
    ----------
    every : int
        Steps after which they are read.
    accelerator : Accelerator, optional
        Knows the processes that train together; all of them read at the same steps. None is one alone.

    Attributes
    ----------
    loss : float
        The newest loss that was read.
    signal : int
        Number of the signal that one of the processes had got when figures were last read; 0 if none had.
    """

    def __init__(self, every: int = 1, accelerator: Accelerator | None = None) -> None:
        self.every = every
        self.loss, self.signal = math.nan, 0
        self._processes = None if accelerator is None or accelerator.num_processes == 1 else accelerator
        self._rows: list[tuple[int, dict[str, Any]]] = []
        self._began = 0.0

    def add(self, step: int, began: float, record: dict[str, Any]) -> None:
        """Add the figures of a step, numbers or tensors, that ``began`` at that second of the monotonic clock."""
        if not self._rows:
            self._began = began
        self._rows.append((step, record))

    @property
    def due(self) -> bool:
        """Whether it is time to read them."""
        return len(self._rows) >= self.every

    def lines(self, signal: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each step and its figures as numbers, and forget them; several share their time equally.

        Parameters
        ----------
        signal : int
            The signal that this process has got, 0 if none: all processes hear of it here, and stop after one step.

        Raises
        ------
        DivergedError
            After the lines before it, if a step's loss or gradient is not finite.
        """
        rows, self._rows = self._rows, []
        figures = self._numbers(rows)
        self.signal, figures = self._merged(signal, figures)
        for (step, _), found in zip(rows, figures, strict=True):
            if not all(math.isfinite(found.get(key, 0.0)) for key in ("loss", "gradient")):
                raise DivergedError(
                    f"the loss is not finite at step {step}: start anew with a lower lr (now {found['lr']:g})"
                )
            self.loss = found["loss"]
            yield step, found

    def _numbers(self, rows: Sequence[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the figures of steps as numbers."""
        names = [[key for key, value in record.items() if isinstance(value, Tensor)] for _, record in rows]
        waiting = [record[key].float() for (_, record), keys in zip(rows, names, strict=True) for key in keys]
        read = iter(torch.stack(waiting).tolist() if waiting else ())
        each = (time.monotonic() - self._began) / max(len(rows), 1)
        found = []
        for (_, record), keys in zip(rows, names, strict=True):
            figures = {**record, **{key: next(read) for key in keys}}
            if len(rows) > 1 or keys:
                figures["seconds"] = each
            found.append(figures)
        return found

    def _merged(self, signal: int, figures: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
        """Return the signal and the figures of all processes; ``loss_of_1`` is the share of the second one."""
        if self._processes is None:
            return signal, figures
        names = sorted(_OF_ALL.keys() & (figures[0].keys() if figures else ()))
        own = [float(signal), *(record[name] for record in figures for name in names)]
        told = torch.tensor([own], dtype=torch.float64, device=self._processes.device)
        everyone: list[list[float]] = self._processes.gather(told).tolist()
        shares = iter(zip(*(process[1:] for process in everyone), strict=True))
        merged = []
        for record in figures:
            of_all = {name: next(shares) for name in names}
            each = {f"{name}_of_{rank}": value for name, found in of_all.items() for rank, value in enumerate(found)}
            merged.append({**record, **{name: _OF_ALL[name](found) for name, found in of_all.items()}, **each})
        return int(max(process[0] for process in everyone)), merged
