"""What a GPU should make of a training step, from counting: kernels, bytes and operations of the step on a CPU.

A prediction, not a measurement. Each kernel takes the longest of its bytes at the card's bandwidth, its operations at
the card's speed, and the shortest time of any kernel; the step takes the longer of that sum and of launching them all.
Shares of what data sheets promise and the shortest time of a kernel are assumptions that stand below, chosen before any
comparison; the time of a launch is taken from a card. docs/experiments.md compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

__all__ = ["CARDS", "Card", "Counted", "Counting", "predicted_ms"]


@dataclass(frozen=True)
class Card:
    """A GPU by its data sheet: memory bandwidth [B/s], and operations of dense TF32 matrices [1/s]."""

    bandwidth: float
    speed: float


CARDS: Final = {
    "A100 80 GB": Card(2.0e12, 156e12),
    "H100 SXM": Card(3.35e12, 495e12),
    "H200": Card(4.8e12, 495e12),
    "RTX 4090": Card(1.01e12, 82.6e12),
}

BANDWIDTH_SHARE: Final = 0.7
"""Of the bandwidth that elementwise kernels reach."""

SPEED_SHARE: Final = 0.3
"""Of the speed that convolutions of so few channels reach."""

SHORTEST_S: Final = 3e-6
"""Of any kernel."""

LAUNCH_S: Final = 3e-5
"""From one launch to the next, Python and autograd included: the loop before this one took 35 to 52 ms for some 1,400
of them on an H200 with 16 cores, whatever the size of the network."""


@dataclass
class Counted:
    """Kernels of a piece of work: bytes and operations of each, and whether it is a convolution or matrix product."""

    kernels: list[tuple[float, float, bool]] = field(default_factory=list)

    def scaled(self, by: float) -> Counted:
        """Return as many kernels on so many times the pixels."""
        return Counted([(size * by, operations * by, heavy) for size, operations, heavy in self.kernels])

    def __add__(self, other: Counted) -> Counted:
        return Counted([*self.kernels, *other.kernels])

    @property
    def bytes(self) -> float:
        return sum(size for size, _, _ in self.kernels)

    @property
    def operations(self) -> float:
        return sum(operations for _, operations, _ in self.kernels)


class Counting(TorchDispatchMode):
    """Counts what torch would launch while it lasts: every operation that makes or changes a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Counted()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        made = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, torch.Tensor)]
        if made and not func.is_view and "empty" not in str(func):
            size = sum(tensor.numel() * tensor.element_size() for tensor in (*given, *made))
            count = flop_registry.get(func.overloadpacket)
            operations = 0 if count is None else count(*args, **(kwargs or {}), out_val=answer)
            self.found.kernels.append((float(size), float(operations), count is not None))
        return answer


def predicted_ms(work: Counted, card: Card, *, heavy_only: bool = False) -> float:
    """Return the time of a piece of work on a card [ms]; of its convolutions alone, which no fusing makes faster."""
    kernels = [kernel for kernel in work.kernels if kernel[2] or not heavy_only]
    busy = sum(
        max(size / (BANDWIDTH_SHARE * card.bandwidth), operations / (SPEED_SHARE * card.speed), SHORTEST_S)
        for size, operations, _ in kernels
    )
    return 1e3 * (busy if heavy_only else max(busy, LAUNCH_S * len(kernels)))
