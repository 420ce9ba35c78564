"""Which weights serve an image: those that were asked for, or shipped ones that have learned many detectors."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from xsim.degradation.degradation import Degradation
from xsim.errors import InputError
from xsim_zoo.weights.card import of_any_pitch
from xsim_zoo.weights.loading import load

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.run.settings import RunSettings

__all__ = ["for_noise", "of_many", "serving", "unmet"]

_LEARNED_NOISE: Final = 2.0
"""Noise power, in units of the weights' own, from which on weights of many doses are taken. They are no better at 1,
and much better at a quarter of the dose, which `tests/zoo/run/test_detectors.py` tries; between it is not tuned."""

_SAME_MTF: Final = 0.03
_SAME_NOISE: Final = 1.5
"""Ratio of MTFs, and factor of noise power, within which two pairs of detectors are one to weights of one pair: beyond
half or twice the dose weights of many are ahead (docs/experiments.md), and calibrations of one pair agree better."""


def _alike(between: Degradation, own: Degradation) -> bool:
    """Return whether weights of one pair have learned what lies between two detectors: their blur and their noise."""
    frequency = np.linspace(0.05, 0.5, 91) / own.pitch_mm  # the paper's q has no noise at 0
    off = float(np.abs(between.B_1_at(frequency) - own.B_1_at(frequency)).max())
    noise = float(np.median(between.Sigma_1_at(frequency) / own.Sigma_1_at(frequency)))
    return off < _SAME_MTF and 1 / _SAME_NOISE < noise < _SAME_NOISE


def serving(
    restorer: Restorer, settings: RunSettings, between: Degradation | None = None
) -> tuple[Restorer, tuple[str, ...]]:
    """Return what can restore between other detectors than those of the weights, and what to say about it.

    Parameters
    ----------
    restorer : Restorer
        What was asked for.
    settings : RunSettings
        Whether other weights may be taken.
    between : Degradation, optional
        What lies between the two detectors; None where there is one, which is restored to some target.

    Raises
    ------
    InputError
        If the restorer has learned one blur.
    """
    own = restorer.physics
    if restorer.many_detectors or not restorer.learned:
        return restorer, ()
    if not restorer.adapts_to_detectors:
        raise InputError(
            f"'{restorer.name}' has learned one blur, that of its own detectors at {own.pitch_mm:g} mm, and takes no "
            "--detectors: run physics-sde or wiener, which take any"
        )
    same_pitch = False
    if between is not None:
        same_pitch = own.is_pitch(between.pitch_mm)
        if same_pitch and _alike(between, own.degradation):
            return restorer, ()
    made = f"these weights were made for pixels of {own.pitch_mm:g} mm and screens of their own"
    if not settings.hand_over:
        return restorer, () if same_pitch else (f"{made}: used all the same, as --weights says",)
    other = of_many(restorer, settings)
    if other is None and same_pitch:  # told of them it still gains, if less
        return restorer, ()
    if other is None:
        raise InputError(f"{made}, and none of '{restorer.name}' have learned many: run physics-sde or wiener")
    return other[1], (f"{made}: '{other[0]}' taken, which have learned many detectors (--weights forces others)",)


def of_many(restorer: Restorer, settings: RunSettings) -> tuple[str, Restorer] | None:
    """Return the shipped weights of a restorer that have learned many detectors and suit the run best, by name.

    None where no such weights are shipped.
    """
    weights = of_any_pitch(restorer.name, steps=settings.steps, samples=settings.samples)
    return None if weights is None else (weights, _loaded(restorer.name, weights, str(restorer.device)))


@lru_cache(maxsize=4)
def _loaded(name: str, weights: str, device: str) -> Restorer:
    return load(name, weights, device=device)


def for_noise(restorer: Restorer, factor: float | None, settings: RunSettings) -> tuple[Restorer, tuple[str, ...]]:
    """Return what can restore an image of so much more noise power than expected, and what to say about it.

    Parameters
    ----------
    restorer : Restorer
        Between the detectors of the image.
    factor : float, optional
        Noise power of the image in units of what is expected; None where it cannot be told.
    settings : RunSettings
        Whether other weights may be taken.
    """
    one_pair = restorer.learned and not restorer.many_detectors and settings.hand_over
    if factor is None or 1 / _LEARNED_NOISE < factor < _LEARNED_NOISE or not one_pair:
        return restorer, ()
    if (other := of_many(restorer, settings)) is None:
        return restorer, ()
    said = f"noise is {factor:.2g} times what these weights have learned: '{other[0]}' taken, which learned many doses"
    return other[1].with_physics(other[1].physics.between(restorer.physics.degradation)), (said,)


def unmet(restorer: Restorer, factor: float | None, *, in_mm: bool) -> tuple[str, ...]:
    """Say where an image lies outside of what weights of many detectors have met in training; it is done all the same.

    Parameters
    ----------
    restorer : Restorer
        Between the detectors of the image.
    factor : float, optional
        Noise power of the image in units of what is expected; None where it cannot be told.
    in_mm : bool
        Whether the pixel pitch is known.
    """
    if restorer.met is None or not restorer.many_detectors:
        return ()
    outside = restorer.met.outside(restorer.physics.degradation, noise_level=factor or 1.0, in_mm=in_mm)
    if not outside:
        return ()
    return (f"outside of what these weights have met, and restored all the same: {'; '.join(outside)}",)
