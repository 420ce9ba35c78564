"""What makes an answer of the network good: a number from it and its target, both in units of the expected error."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from xsim.errors import InputError
from xsim_zoo.restorers.learned import Criterion
from xsim_zoo.training.parts.named import part_of

__all__ = ["charbonnier", "criterion_of", "frequency"]

_EDGE: Final = 0.05
"""Where the Charbonnier loss turns from square to straight, in units of the error that a Wiener filter leaves: small
against it, so that nearly all of the image is on the straight part. Not tuned."""

_SPECTRA: Final = 0.1
"""Weight of the spectra beside the square: that of Cho et al. 2021 (MIMO-UNet, equation 6). Not tuned here."""


def charbonnier(answer: Tensor, target: Tensor) -> Tensor:
    """Return the mean of sqrt(d^2 + .05^2) - .05: outliers count by their size, not its square (Charbonnier 1994)."""
    return ((answer - target).square() + _EDGE**2).sqrt().mean() - _EDGE


def frequency(answer: Tensor, target: Tensor) -> Tensor:
    """Return the mean square, and .1 of the mean modulus of the difference's spectrum, orthonormal: for fine detail."""
    difference = answer - target
    spectra = torch.fft.rfft2(difference, norm="ortho")
    whole: Tensor = difference.square().mean() + _SPECTRA * spectra.abs().mean()
    return whole


def criterion_of(name: str) -> Criterion | None:
    """Return the loss of a name; None for the mean square, which restorers take by themselves.

    Raises
    ------
    InputError
        If it cannot be had, or makes something else than one number with a gradient.
    """
    if name in _OWN:
        return _OWN[name]
    criterion: Criterion = part_of("loss", name)
    try:
        trial = torch.zeros((2, 1, 16, 16), requires_grad=True)
        found = criterion(trial, torch.ones((2, 1, 16, 16)))
        shape, learns = tuple(found.shape), found.requires_grad
    except Exception as error:
        raise InputError(f"loss '{name}' does not take answers and targets ({error!r:.200}): repair it") from error
    if shape or not learns:
        raise InputError(f"loss '{name}' makes a tensor of shape {shape}: make one number that has a gradient")
    return criterion


_OWN: Final[dict[str, Criterion | None]] = {"mse": None, "charbonnier": charbonnier, "frequency": frequency}
