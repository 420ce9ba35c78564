"""How a pair is changed each time it is seen: the eight orientations, and functions of other packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from xsim.errors import InputError
from xsim.seeds import torch_seeds
from xsim_zoo.training.parts.named import part_of

__all__ = ["Augmentation"]

Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""Takes a pair (2, H, W) in grey, HR first, and a generator on its device; returns one of the same shape."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to pairs.

    Parameters
    ----------
    turns : bool
        Show each pair in one of its eight orientations, anew at each visit.
    changes : dict
        What else, by name, in order.
    """

    turns: bool
    changes: dict[str, Change]

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Return the augmentation of names: "turns", MODULE:CALLABLE, or none of them.

        Raises
        ------
        InputError
            If one of them cannot be had.
        """
        others = [name for name in names if name != "turns"]
        return cls("turns" in names, {name: part_of("augmentation", name) for name in others})

    def orientations(self, drawn: Tensor) -> Tensor:
        """Return the orientations (B,) that were drawn, or upright ones where pairs are not turned."""
        return drawn if self.turns else torch.zeros_like(drawn)

    def changed(self, pairs: Tensor, seed: int, samples: Sequence[int]) -> Tensor:
        """Return pairs (B, 2, H, W) as these samples of a run show them; each change's numbers are the sample's own.

        Raises
        ------
        InputError
            If a change fails, or returns something else than such a pair.
        """
        for name, change in self.changes.items():
            random = torch.Generator(pairs.device)
            seeds = torch_seeds(seed, samples, stage=f"augment {name}")
            pairs = torch.stack(
                [_once(name, change, pair, random.manual_seed(own)) for pair, own in zip(pairs, seeds, strict=True)]
            )
        return pairs


def _once(name: str, change: Change, pair: Tensor, random: torch.Generator) -> Tensor:
    try:
        answer = change(pair, random)
        shape = tuple(answer.shape)
    except Exception as error:
        raise InputError(f"augmentation '{name}' failed ({error!r:.200}): repair it") from error
    if shape != tuple(pair.shape):
        raise InputError(f"augmentation '{name}' makes {shape} of {tuple(pair.shape)}: let it keep the shape")
    return answer.to(pair.dtype)
