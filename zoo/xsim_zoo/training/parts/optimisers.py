"""Optimisers by name: AdamW as the shipped weights were trained with, or any class of torch's kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import torch

from xsim.errors import InputError
from xsim_zoo.training.parts.named import part_of

if TYPE_CHECKING:
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from xsim_zoo.training.settings import TrainSettings

__all__ = ["optimiser_of"]

_BETAS: Final = (0.9, 0.99)
"""Memories of AdamW: 0.99 keeps 100 squared gradients; torch's own 0.999 keeps 1000, half of a short run. Not tuned."""


def optimiser_of(settings: TrainSettings, parameters: Iterable[Parameter], device: torch.device) -> Optimizer:
    """Return the optimiser that settings name, for some parameters.

    Raises
    ------
    InputError
        If it cannot be had, or takes no ``lr`` and ``weight_decay``.
    """
    lr, weight_decay = settings.lr, settings.weight_decay
    if settings.optimiser == "adamw":
        fused = device.type == "cuda" or None
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, betas=_BETAS, fused=fused)
    factory = part_of("optimiser", settings.optimiser)
    try:
        found = factory(parameters, lr=lr, weight_decay=weight_decay)
    except Exception as error:
        raise InputError(
            f"optimiser '{settings.optimiser}' does not take (parameters, lr=, weight_decay=) ({error!r:.200}): wrap it"
        ) from error
    if not isinstance(found, torch.optim.Optimizer):
        raise InputError(f"optimiser '{settings.optimiser}' is a {type(found).__name__}: make a torch.optim.Optimizer")
    return found
