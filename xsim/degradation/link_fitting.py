"""Fits of a monotone grey-level curve: to physics, over random stacks of materials, or to pairs, through the blur.

Both are one least-squares problem. The unknowns are the rises from knot to knot, and a rise that may not be negative
is all that monotone means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import nnls

from xsim.errors import InputError
from xsim.materials import linear_attenuation_per_mm
from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from xsim.detector.response import DetectorResponse

__all__ = ["excess_noise", "fit_pairs", "random_stacks", "rising_knots"]

Knots = tuple[float, ...]

_DRAWS: Final = 6000
_DARKEST: Final = 0.002
_PRIOR_WEIGHT: Final = 1e-6
# Rises of empty intervals still rise, so that the curve can be inverted.
_LEAST_RISE: Final = 1e-5


def _places(knots: int) -> NDArray[np.float64]:
    # Crowded towards dark greys, where the link bends most.
    return np.square(np.linspace(0.0, 1.0, knots))


def _climb(hr: NDArray[np.float64], low: float, high: float, *, last: bool) -> NDArray[np.float64]:
    """Return how far each grey has climbed from one knot to the next, 0 to 1; the last interval has no upper end."""
    climbed = np.maximum((hr - low) / (high - low), 0.0)
    return climbed if last else np.minimum(climbed, 1.0)


def rising_knots(hr: NDArray[np.float64], lr: NDArray[np.float64], knots: int) -> tuple[Knots, Knots]:
    """Return knots (HR grey, LR grey) of the monotone curve through (0, 0) and (1, 1) nearest to scattered greys.

    Parameters
    ----------
    hr, lr : (n,) arrays
        Grey levels of the same objects in both images.
    knots : int
        Number of knots.
    """
    places = _places(knots)
    steps = [_climb(hr, places[k], places[k + 1], last=False) for k in range(knots - 1)]
    # One heavy row holds the open field at 1.
    heavy = 1e3 * np.sqrt(len(hr))
    rows = np.vstack((np.stack(steps, axis=1), np.full((1, knots - 1), heavy)))
    rises, _ = nnls(rows, np.append(lr, heavy))
    levels = np.cumsum(np.maximum(rises, _LEAST_RISE))
    return tuple(places.tolist()), (0.0, *(levels / levels[-1]).tolist())


def random_stacks(
    hr_response: DetectorResponse, lr_response: DetectorResponse, materials: Sequence[str], substrate_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return HR grey, LR grey and the main material's index of random stacks of materials, each (n,).

    A stack is a main material up to optical depth 5, half of the time with a little of a second one, on a random
    part of the substrate (the first material). The draws are always the same.

    Parameters
    ----------
    hr_response, lr_response : DetectorResponse
        What the two detectors make of the same beam.
    materials : sequence of str
        Names of the materials, the substrate's first.
    substrate_mm : float
        Thickness of the whole substrate [mm].
    """
    main, thickness = _random_thickness_mm(hr_response, materials, substrate_mm)
    hr, lr = (_through(response, materials, thickness)[0] for response in (hr_response, lr_response))
    usable = hr > _DARKEST
    return hr[usable], lr[usable], main[usable]


def excess_noise(response: DetectorResponse, materials: Sequence[str], substrate_mm: float) -> float:
    """Return c of the quantum noise power g (1 + c (1 - g)) behind random stacks of grey g; the open field's is 1.

    With photons of one energy c is 0. Stacks harden the beam, and the photons that are left give pulses whose sizes
    spread more for each unit of grey. See `random_stacks` for the stacks.
    """
    _, thickness = _random_thickness_mm(response, materials, substrate_mm)
    grey, variance = _through(response, materials, thickness)
    bend = grey * (1.0 - grey)
    return float((variance - grey) @ bend / (bend @ bend))


def _random_thickness_mm(
    response: DetectorResponse, materials: Sequence[str], substrate_mm: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the main material's index (n,) and the thickness of every material [mm], (n, materials)."""
    random = generator(0, stage="grey-link")
    count, rows = len(materials), np.arange(_DRAWS)
    main, second = random.integers(0, count, (2, _DRAWS))
    middle = response.spectrum.mean_energy_keV
    depth_per_mm = np.array([linear_attenuation_per_mm(name, middle)[0] for name in materials])
    thickness = np.zeros((_DRAWS, count))
    thickness[rows, main] += 5.0 * random.random(_DRAWS) ** 2 / depth_per_mm[main]
    share = np.maximum(random.uniform(-0.5, 0.5, _DRAWS), 0.0)
    thickness[rows, second] += share / depth_per_mm[second]
    thickness[:, 0] += substrate_mm * random.random(_DRAWS)
    return main, thickness


def _through(
    response: DetectorResponse, materials: Sequence[str], thickness_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the grey and the quantum noise power behind stacks, each (n,) and relative to the open field."""
    energy = response.spectrum.energy_keV
    attenuation = np.stack([linear_attenuation_per_mm(name, energy) for name in materials])
    photons = np.exp(-thickness_mm @ attenuation) * response.spectrum.fluence_per_mm2_uGy
    signal, variance = response.energy_response(energy)
    return photons @ signal, photons @ variance


def fit_pairs(
    pairs: Iterable[tuple[NDArray[np.floating], NDArray[np.floating]]],
    transfer: Callable[[tuple[int, int]], NDArray[np.floating]],
    knots: int,
    margin: int,
) -> tuple[Knots, Knots, float]:
    """Return knots (HR grey, LR grey) and the RMS residual of y ~ B_1 h(x), fitted to images.

    Parameters are those of `xsim.degradation.link.GreyLink.from_pairs`.

    Raises
    ------
    InputError
        If a pair's shapes differ, or no pixel is left within the margins.
    """
    places = _places(knots)
    gram, target, power, count = np.zeros((knots, knots)), np.zeros(knots), 0.0, 0
    for hr, lr in pairs:
        if hr.ndim != 2 or hr.shape != lr.shape:
            raise InputError(f"grey link: a pair of shapes {hr.shape} and {lr.shape}: give two equal (H, W) images")
        inside = (slice(margin, hr.shape[0] - margin), slice(margin, hr.shape[1] - margin))
        rows = _blurred_steps(np.asarray(hr, dtype=np.float64), places, transfer(hr.shape), inside)
        seen = np.asarray(lr, dtype=np.float64)[inside].ravel()
        gram += rows @ rows.T
        target += rows @ seen
        power += float(seen @ seen)
        count += seen.size
    if not count:
        raise InputError("grey link: no pixels to fit: give pairs larger than twice the margin")
    # Greys that no image holds tell nothing: there, and only there, the identity's rises come through.
    weight = _PRIOR_WEIGHT * np.trace(gram) / knots
    prior = np.append(0.0, np.diff(places))
    # Cholesky turns the sums over pixels back into as many rows as unknowns.
    root = np.linalg.cholesky(gram + weight * np.eye(knots))
    rises, _ = nnls(root.T, np.linalg.solve(root, target + weight * prior))
    left = power - 2.0 * float(rises @ target) + float(rises @ gram @ rises)
    levels = rises[0] + np.append(0.0, np.cumsum(np.maximum(rises[1:], _LEAST_RISE)))
    return tuple(places.tolist()), tuple(levels.tolist()), float(np.sqrt(max(left, 0.0) / count))


def _blurred_steps(
    hr: NDArray[np.float64],
    places: NDArray[np.float64],
    transfer: NDArray[np.floating],
    inside: tuple[slice, slice],
) -> NDArray[np.float64]:
    """Return the blurred offset and, for each interval, the blurred image of how far each pixel climbed it, (k, n)."""
    rows = [np.full(hr[inside].size, float(transfer[0, 0]))]
    for k in range(len(places) - 1):
        climbed = _climb(hr, places[k], places[k + 1], last=k == len(places) - 2)
        blurred = np.fft.irfft2(np.fft.rfft2(climbed) * transfer, s=hr.shape)
        rows.append(blurred[inside].ravel())
    return np.stack(rows)
