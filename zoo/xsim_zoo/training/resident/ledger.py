"""Figures of steps that are still on the device: read together, so that the steps do not wait for them one by one."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from xsim_zoo.training.validation import DivergedError

__all__ = ["Ledger"]


class Ledger:
    """Gathers the figures of steps and gives them out as lines of a log.

    Parameters
    ----------
    every : int
        Steps after which they are read.

    Attributes
    ----------
    loss : float
        The newest loss that was read.
    """

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.loss = math.nan
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

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each step and its figures as numbers, and forget them; several share their time equally.

        Raises
        ------
        DivergedError
            After the lines before it, if a step's loss or gradient is not finite.
        """
        rows, self._rows = self._rows, []
        names = [[key for key, value in record.items() if isinstance(value, Tensor)] for _, record in rows]
        waiting = [record[key].float() for (_, record), keys in zip(rows, names, strict=True) for key in keys]
        read = iter(torch.stack(waiting).tolist() if waiting else ())
        each = (time.monotonic() - self._began) / max(len(rows), 1)
        for (step, record), keys in zip(rows, names, strict=True):
            figures = {**record, **{key: next(read) for key in keys}}
            if len(rows) > 1 or keys:
                figures["seconds"] = each
            if not all(math.isfinite(figures.get(key, 0.0)) for key in ("loss", "gradient")):
                raise DivergedError(
                    f"the loss is not finite at step {step}: start anew with a lower lr (now {figures['lr']:g})"
                )
            self.loss = figures["loss"]
            yield step, figures
