"""The grey-level link: what LR grey an HR grey becomes, because two screens answer to different energies.

A thick screen sees more of the hard photons that metal lets through, so LR is not a blurred HR in grey level: 35 um of
copper is 0.76 in one image and 0.81 in the other. The link h is a monotone curve, LR = B_1 h(HR) + noise, taken from
physics, from a step wedge (its two grey levels are the knots), or from registered pairs through the blur.

Both fits, to physics and to pairs, are one least-squares problem: the unknowns are the rises from knot to knot, none of
them negative, which is what monotone means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from xsim.curves import monotone_cubic
from xsim.degradation.before_blur import sharpening
from xsim.detector.response import DetectorResponse
from xsim.errors import InputError
from xsim.keywords import names_keywords
from xsim.materials import linear_attenuation_per_mm
from xsim.seeds import generator

__all__ = ["BOARD_MATERIALS", "SUBSTRATE_MM", "GreyLink", "excess_noise"]


# Open fields that a grey level may come to: none does, and larger numbers leave 32 bits when they are squared.
_MOST_GREY: Final = 1e6
# Random stacks behind a link from physics: another set of so many moves the curve by 0.001 (standard deviation).
_DRAWS: Final = 6000
# Darker stacks are left out: read noise hides them, and their greys would bend the curve's foot.
_DARKEST: Final = 0.002
# Weight of the identity in a fit to pairs, relative to the mean of the pixels': enough to decide where none has a grey.
_PRIOR_WEIGHT: Final = 1e-6
# Knots of a fit to pairs, from 0 to 1.
_KNOTS: Final = 10
# Pixels left out at every edge of a pair, where the blur wraps around.
_MARGIN_PX: Final = 16
# Rises of empty intervals still rise, so that the curve can be inverted.
_LEAST_RISE: Final = 1e-5


def _places(knots: int) -> NDArray[np.float64]:
    # Crowded towards dark greys, where the link bends most.
    return np.square(np.linspace(0.0, 1.0, knots))


def _climbed(hr: NDArray[np.float64], places: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield how far each grey has climbed from one knot to the next, from 0 to 1 and in the last interval beyond."""
    for low, high in pairwise(places):
        share = np.maximum((hr - low) / (high - low), 0.0)
        yield share if high == places[-1] else np.minimum(share, 1.0)


def excess_noise(response: DetectorResponse) -> float:
    """Return c of the quantum noise power g (1 + c (1 - g)) behind random boards of grey g; the open field's is 1.

    With photons of one energy c is 0. Boards harden the beam, and the photons that are left give pulses whose sizes
    spread more for each unit of grey. See `_random_thickness_mm` for the boards.
    """
    _, thickness = _random_thickness_mm(response, BOARD_MATERIALS, SUBSTRATE_MM)
    grey, variance = _through(response, BOARD_MATERIALS, thickness)
    bend = grey * (1.0 - grey)
    return float((variance - grey) @ bend / (bend @ bend))


def _random_thickness_mm(
    response: DetectorResponse, materials: Sequence[str], substrate_mm: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the main material's index (n,) and the thickness of every material [mm], (n, materials), of stacks.

    A stack is a main material up to optical depth 5, half of the time with a little of a second one, on a random
    part of the substrate (the first material). The draws are always the same.
    """
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


# What boards are mostly made of: laminates, copper, solder, ceramics, iron alloys.
BOARD_MATERIALS: Final = ("FR-4", "FR-4-HF", "Cu", "SAC305", "Al2O3", "BaTiO3", "Alloy42")
SUBSTRATE_MM: Final = 1.6
"""Thickness of usual boards [mm]."""

# Straight cells of the fine grid: the error of a cell falls with its square, to the rounding of float32 here.
_CELLS: Final = 4096
# Slopes at the ends are held to this range, so that both the curve and its inverse can be continued.
_SLOPES: Final = (0.05, 20.0)


@names_keywords
@dataclass(frozen=True)
class GreyLink:
    """A monotone curve from HR grey to LR grey, both 1 in the open field.

    Between the knots it is monotone cubic (PCHIP), outside them straight.

    Parameters
    ----------
    hr_grey, lr_grey : tuples of float
        Knots, at least two, both strictly rising.
    source : str
        Where the curve comes from: ``identity``, ``kept``, ``physics``, ``wedge`` or ``pairs``.
    residual : float
        RMS of LR grey around the curve.
    residual_by_material : tuple of (material, mean deviation)
        Mean LR grey above the curve, by material, if known.

    Raises
    ------
    InputError
        If the knots are not finite, too few, unequal in number, or do not rise.
    """

    hr_grey: tuple[float, ...]
    lr_grey: tuple[float, ...]
    source: str = "wedge"
    residual: float = 0.0
    residual_by_material: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        hr, lr = np.asarray(self.hr_grey, float), np.asarray(self.lr_grey, float)
        if hr.ndim != 1 or hr.shape != lr.shape or hr.size < 2:
            raise InputError(f"grey link: {hr.size} HR and {lr.size} LR knots: give two or more, as many of each")
        if not (np.isfinite(hr).all() and np.isfinite(lr).all()):
            raise InputError("grey link: knots that are not finite: remove them")
        if max(np.abs(hr).max(), np.abs(lr).max()) > _MOST_GREY:
            raise InputError(f"grey link: knots beyond {_MOST_GREY:g} open fields: remove them")
        if (np.diff(hr) <= 0).any() or (np.diff(lr) <= 0).any():
            raise InputError("grey link: knots do not rise: sort them, and merge equal ones")

    @classmethod
    def identity(cls) -> GreyLink:
        """Return the link of two detectors that see the same grey levels."""
        return cls((0.0, 1.0), (0.0, 1.0), "identity")

    @classmethod
    def kept(cls) -> GreyLink:
        """Return the identity where grey values are meant to stay those of the image: one detector, and a target."""
        return cls((0.0, 1.0), (0.0, 1.0), "kept")

    @property
    def is_identity(self) -> bool:
        """Return whether HR grey and LR grey are the same."""
        return self.hr_grey == self.lr_grey

    @cached_property
    def _table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the curve on a fine grid; straight between its points, so that the inverse is exact."""
        # Points crowd towards dark greys, where the curve is steepest and its inverse must be good as well.
        share = np.square(np.linspace(0.0, 1.0, _CELLS + 1))
        x = self.hr_grey[0] + (self.hr_grey[-1] - self.hr_grey[0]) * share
        x = np.union1d(x, self.hr_grey)
        return x, monotone_cubic(np.asarray(self.hr_grey), np.asarray(self.lr_grey), x)

    @cached_property
    def _end_slopes(self) -> tuple[float, float]:
        x, y = self._table
        reach = max(1, len(x) // 64)
        first = (y[reach] - y[0]) / (x[reach] - x[0])
        last = (y[-1] - y[-1 - reach]) / (x[-1] - x[-1 - reach])
        return float(np.clip(first, *_SLOPES)), float(np.clip(last, *_SLOPES))

    def forward(self, hr_grey: ArrayLike) -> NDArray[np.floating]:
        """Return the LR grey of an HR grey: same shape, same floating dtype."""
        return _broken_line(hr_grey, *self._table, *self._end_slopes)

    def inverse(self, lr_grey: ArrayLike) -> NDArray[np.floating]:
        """Return the HR grey of an LR grey: same shape, same floating dtype."""
        x, y = self._table
        first, last = self._end_slopes
        return _broken_line(lr_grey, y, x, 1.0 / first, 1.0 / last)

    def slope(self, hr_grey: float = 1.0) -> float:
        """Return dh/dx at an HR grey: how much HR noise there becomes in LR grey."""
        step = 0.01
        return float(self.forward(hr_grey) - self.forward(hr_grey - step)) / step

    @classmethod
    def from_physics(
        cls,
        hr_response: DetectorResponse,
        lr_response: DetectorResponse,
        materials: Sequence[str] = BOARD_MATERIALS,
        *,
        thickest_substrate_mm: float = SUBSTRATE_MM,
        knots: int = 17,
    ) -> GreyLink:
        """Return the mean link over random stacks of materials, from the energy responses of two detectors.

        Parameters
        ----------
        hr_response, lr_response : DetectorResponse
            The two detectors, each in its beam.
        materials : sequence of str
            The substrate first, then what lies on it.
        thickest_substrate_mm : float
            Largest thickness of the substrate [mm]; stacks hold a random part of it.
        knots : int
            Number of knots from 0 to 1.

        Raises
        ------
        InputError
            If there are no materials or fewer than 4 knots.
        UnknownNameError
            If a material is unknown.
        """
        if not materials or knots < 4:
            raise InputError(f"grey link of {len(materials)} materials, {knots} knots: give 1 or more, and 4 or more")
        main, thickness = _random_thickness_mm(hr_response, materials, thickest_substrate_mm)
        hr, lr = (_through(response, materials, thickness)[0] for response in (hr_response, lr_response))
        usable = hr > _DARKEST
        hr, lr, main = hr[usable], lr[usable], main[usable]
        # The monotone curve through (0, 0) and (1, 1); one heavy row holds the open field at 1.
        places = _places(knots)
        heavy = 1e3 * np.sqrt(len(hr))
        # A stack is never brighter than the open field, so that no share of the last interval exceeds 1.
        rows = np.vstack((np.stack(list(_climbed(hr, places)), axis=1), np.full((1, knots - 1), heavy)))
        rises, _ = nnls(rows, np.append(lr, heavy))
        levels = np.cumsum(np.maximum(rises, _LEAST_RISE))
        curve = cls(tuple(places.tolist()), (0.0, *(levels / levels[-1]).tolist()), "physics")
        deviation = lr - curve.forward(hr)
        by_material = tuple((name, float(deviation[main == index].mean())) for index, name in enumerate(materials))
        return replace(curve, residual=float(np.sqrt(np.mean(deviation**2))), residual_by_material=by_material)

    @classmethod
    def from_pairs(
        cls,
        pairs: Iterable[tuple[NDArray[np.floating], NDArray[np.floating]]],
        transfer: Callable[[tuple[int, int]], NDArray[np.floating]],
        mtf_hr: Callable[[tuple[int, int]], NDArray[np.floating] | None] | None = None,
    ) -> GreyLink:
        """Fit the link to registered pairs through the blur: y ~ B_1 L(x), least squares over the knots.

        Parameters
        ----------
        pairs : iterable of (hr, lr)
            Registered images (H, W), open field = 1.
        transfer : callable
            Shape -> B_1 on that ``rfft2`` grid, e.g. ``degradation.B_1_map``.
        mtf_hr : callable, optional
            Shape -> MTF of the HR detector on that grid, e.g. ``degradation.mtf_hr_map``: the link then acts before the
            HR detector's blur (`xsim.degradation.before_blur`). Without it, or where it gives None, L(x) = h(x).

        Raises
        ------
        InputError
            If there are no pixels to fit, or the shapes of a pair differ.
        """
        places, inside = _places(_KNOTS), (slice(_MARGIN_PX, -_MARGIN_PX),) * 2
        gram, target, power, count = np.zeros((_KNOTS, _KNOTS)), np.zeros(_KNOTS), 0.0, 0
        for hr, lr in pairs:
            if hr.ndim != 2 or hr.shape != lr.shape:
                raise InputError(f"grey link: a pair of shapes {hr.shape} and {lr.shape}: give two equal (H, W) images")
            blur, M = transfer(hr.shape), None if mtf_hr is None else mtf_hr(hr.shape)
            y, x = np.asarray(lr, dtype=np.float64), np.asarray(hr, dtype=np.float64)
            if M is not None:
                # L is linear in h: what goes past the curve is taken off, the rest is a fit through B_1 M.
                spectrum = np.fft.rfft2(x)
                y = y - np.fft.irfft2(blur * (1.0 - M * sharpening(M)) * spectrum, s=x.shape)
                x, blur = np.fft.irfft2(sharpening(M) * spectrum, s=x.shape), blur * M
            seen = y[inside].ravel()
            # The blurred offset and, for each interval, the blurred image of how far each pixel climbed it.
            steps = _climbed(x, places)
            blurred = [np.fft.irfft2(np.fft.rfft2(step) * blur, s=hr.shape)[inside].ravel() for step in steps]
            rows = np.stack([np.full(seen.size, float(blur[0, 0])), *blurred])
            gram += rows @ rows.T
            target += rows @ seen
            power += float(seen @ seen)
            count += seen.size
        if not count:
            raise InputError("grey link: no pixels to fit: give pairs larger than twice the margin")
        # Greys that no image holds tell nothing: there, and only there, the identity's rises come through.
        weight = _PRIOR_WEIGHT * np.trace(gram) / _KNOTS
        prior = np.append(0.0, np.diff(places))
        # Cholesky turns the sums over pixels back into as many rows as unknowns.
        root = np.linalg.cholesky(gram + weight * np.eye(_KNOTS))
        rises, _ = nnls(root.T, np.linalg.solve(root, target + weight * prior))
        left = power - 2.0 * float(rises @ target) + float(rises @ gram @ rises)
        levels = rises[0] + np.append(0.0, np.cumsum(np.maximum(rises[1:], _LEAST_RISE)))
        residual = float(np.sqrt(max(left, 0.0) / count))
        return cls(tuple(places.tolist()), tuple(levels.tolist()), "pairs", residual)

    def to_dict(self) -> dict[str, Any]:
        """Return the link as JSON and TOML types; `from_dict` turns them back."""
        return {
            "hr_grey": list(self.hr_grey),
            "lr_grey": list(self.lr_grey),
            "source": self.source,
            "residual": self.residual,
            "residual_by_material": dict(self.residual_by_material),
        }

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> GreyLink:
        """Return the link that `to_dict` described.

        Raises
        ------
        InputError
            If a key is missing or the knots are not usable.
        """
        try:
            by_material = dict(tables.get("residual_by_material", {}))
            return cls(
                tuple(float(value) for value in tables["hr_grey"]),
                tuple(float(value) for value in tables["lr_grey"]),
                str(tables.get("source", "wedge")),
                float(tables.get("residual", 0.0)),
                tuple((str(name), float(value)) for name, value in by_material.items()),
            )
        except KeyError as error:
            raise InputError(f"grey link: the key {error} is missing: give hr_grey and lr_grey") from None
        except (AttributeError, TypeError) as error:
            raise InputError(f"grey link: {error}: give a table with lists of numbers") from None


def _broken_line(
    values: ArrayLike, x: NDArray[np.float64], y: NDArray[np.float64], first_slope: float, last_slope: float
) -> NDArray[np.floating]:
    """Return y(values) by straight lines, going on with the given slopes outside [x[0], x[-1]]."""
    given = np.asarray(values)
    dtype = given.dtype if np.issubdtype(given.dtype, np.floating) else np.dtype(np.float64)
    result = np.interp(given, x, y)
    result += np.minimum(given - x[0], 0.0) * first_slope + np.maximum(given - x[-1], 0.0) * last_slope
    return np.asarray(result, dtype=dtype)
