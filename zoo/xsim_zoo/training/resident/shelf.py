"""The training set on the device: all of it where it fits, else the part that the next steps take.

Stores hold 16-bit codes, and as codes they lie there: half the memory of grey levels, and a quarter of what reading,
decoding and copying them anew at every visit costs. The noise level of an image is worked out once, on its way there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim_zoo.training.data import codes_of, read_pairs

if TYPE_CHECKING:
    from types import TracebackType

    from xsim_zoo.training.data import PairSource

__all__ = ["Part", "Shelf", "free_bytes"]

_CHUNK = 64
"""Pairs that are read and copied at a time: 67 MB of 512 px, the size of a shard of a store."""

_PARTS = 3
"""Parts that are there at once: the one in use, the one before it, whose last steps may still run, and the next."""


@dataclass(frozen=True)
class Part:
    """Pairs on the device.

    Parameters
    ----------
    stored : (n, 2, H, W) tensor
        HR and LR: codes, whose 16 bits int16 holds as torch knows it best, or grey levels, float32.
    scale, offset : (n,) tensors
        Grey levels are code * scale + offset.
    level : (n,) tensor
        Noise power of each LR image, relative to the open field.
    row : dict
        Where each sample lies.
    """

    stored: Tensor
    scale: Tensor
    offset: Tensor
    level: Tensor
    row: dict[int, int]

    def grey(self, rows: Tensor) -> Tensor:
        """Return the grey levels (B, 2, H, W) of pairs."""
        stored = self.stored.index_select(0, rows)
        if stored.dtype == torch.float32:
            return stored
        scale, offset = (line[rows].reshape(-1, 1, 1, 1) for line in (self.scale, self.offset))
        return (stored.int() & 0xFFFF).float().mul_(scale).add_(offset)

    def used_by(self, device: torch.device) -> None:
        """Say that the steps from now on use it, so that its memory is not given away before they are done."""
        if device.type == "cuda":
            stream = torch.cuda.current_stream(device)
            for tensor in (self.stored, self.scale, self.offset, self.level):
                tensor.record_stream(stream)


class Shelf:
    """Brings the pairs of a run's steps to the device, ahead of them, on a thread of its own.

    Parameters
    ----------
    pairs : PairSource
        The pairs.
    indices_of : callable
        Returns which samples a step takes.
    steps : range
        The steps that will be taken.
    device : torch device
        Where the pairs go.
    most_bytes : float
        Memory that they may take there.
    level_of : callable
        Returns the noise level of a sample from its LR image.
    """

    def __init__(
        self,
        pairs: PairSource,
        indices_of: Callable[[int], Sequence[int]],
        steps: range,
        device: torch.device,
        *,
        most_bytes: float = math.inf,
        level_of: Callable[[int, NDArray[np.float32]], float],
    ) -> None:
        self._pairs, self._codes, self._level_of = pairs, codes_of(pairs), level_of
        self._indices_of, self._steps, self._device = indices_of, steps, device
        everything = {int(index) for index in pairs.indices("train")}
        pair_bytes = 2 * math.prod(pairs.shape) * (4 if self._codes is None else 2)
        self.whole = len(everything) * pair_bytes <= most_bytes
        self._all = sorted(everything) if self.whole else []
        a_step = max((len(indices_of(step)) for step in {steps.start, max(steps.stop - 1, steps.start)}), default=1)
        self._length = max(int(most_bytes / (_PARTS * a_step * pair_bytes)), 1) if not self.whole else 1
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="xsim-shelf")
        self._parts: dict[int, Future[Part]] = {}

    def part_of(self, step: int) -> Part:
        """Return the part of a step, which may have to wait for it; steps come in order."""
        number = 0 if self.whole else (step - self._steps.start) // self._length
        for wanted in (number,) if self.whole else (number, number + 1):
            if wanted not in self._parts and (indices := self._indices(wanted)):
                self._parts[wanted] = self._reader.submit(self._load, indices)
        self._parts = {kept: part for kept, part in self._parts.items() if kept >= number}
        return self._parts[number].result()

    def _indices(self, number: int) -> list[int]:
        if self.whole:
            return self._all
        first = self._steps.start + number * self._length
        steps = range(first, min(first + self._length, self._steps.stop))
        return sorted({index for step in steps for index in self._indices_of(step)})

    def _load(self, indices: list[int]) -> Part:
        """Read pairs and copy them to the device, on a stream of its own beside that of the training."""
        cuda = self._device.type == "cuda"
        stream = torch.cuda.Stream(self._device) if cuda else None  # type: ignore[no-untyped-call]
        height, width = self._pairs.shape
        line, level = np.zeros((2, len(indices)), np.float32), np.zeros(len(indices), np.float32)
        line[0] = 1.0
        with nullcontext() if stream is None else torch.cuda.stream(stream):
            kind = torch.float32 if self._codes is None else torch.int16
            stored = torch.empty((len(indices), 2, height, width), dtype=kind, device=self._device)
            for first in range(0, len(indices), _CHUNK):
                chunk = slice(first, min(first + _CHUNK, len(indices)))
                content = self._read(indices[chunk], line[:, chunk], level[chunk])
                stored[chunk].copy_(content.pin_memory() if cuda else content, non_blocking=cuda)
            scale, offset, levels = (torch.from_numpy(column).to(self._device) for column in (*line, level))
        if stream is not None:
            stream.synchronize()  # of this thread: the training waits for none of it
        return Part(stored, scale, offset, levels, {index: row for row, index in enumerate(indices)})

    def _read(self, indices: list[int], line: NDArray[np.float32], level: NDArray[np.float32]) -> Tensor:
        """Return pairs as they are stored, (B, 2, H, W), and write down their lines and noise levels."""
        if self._codes is None:
            hr, lr = read_pairs(self._pairs, indices)
            level[:] = [self._level_of(index, y) for index, y in zip(indices, lr.numpy(), strict=True)]
            return torch.stack([hr, lr], dim=1)
        codes = self._codes.read(indices)
        line[:] = np.array([self._codes.line_of(index) for index in indices], np.float32).T
        for place, index in enumerate(indices):
            y = codes[place, 1] * line[0, place]
            y += line[1, place]
            level[place] = self._level_of(index, y)
        return torch.from_numpy(codes.view(np.int16))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.shutdown(wait=False, cancel_futures=True)


def free_bytes(device: torch.device) -> float:
    """Return the memory that is free on a device; without limit where it is the computer's own."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else math.inf
