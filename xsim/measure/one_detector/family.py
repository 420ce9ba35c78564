"""The family of screens that the model describes, and the member that fits what is known of a detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar, nnls

from xsim.curves import RadialCurve
from xsim.detector.detector import Detector, DetectorResponse, Screen, Sensor
from xsim.detector.performance import basic_spatial_resolution_mm
from xsim.errors import InputError
from xsim.measure.calibration import ring_weights
from xsim.measure.noise import NNPS
from xsim.measure.one_detector.result import Blur, Noise, table_grid
from xsim.spectrum import Spectrum

__all__ = ["GUESSED_SPREAD", "Family", "Member", "Numbers", "blur_by_colour", "fit_member", "noise_of_member"]

GUESSED_SPREAD: Final = 1.5
"""How far the half of a detector may be off that only the family says, at 95 %: screens of one f50 differ by a factor
of two in how many photons they absorb (a turbid powder, guiding columns), and so by 1.4 in noise."""

_COLOUR_SPREAD: Final = 1.6
"""How far f50 may be off that only the colour of the noise says: noise is between MTF and MTF^2 sharp, as light from
all depths or from one spreads alike or not (Lubberts), and f50 follows from its width to within that."""

_THICKNESSES_MG_CM2: Final = np.geomspace(3.0, 800.0, 29)
"""From thinner than any screen sold to thicker: MTFs of neighbours differ by .05 at most."""

_STRETCH: Final = 4.0
"""A curve is stretched by no more than this: beyond, it is no screen's."""

_MTF_TOLERANCE, _SRB_TOLERANCE = 0.01, 0.02
"""What a number of a data sheet is good to: two digits of an MTF, and the steps between them of a wire pair read by
interpolation."""

_APART_MTF, _APART_SRB = 0.1, 0.2
"""Numbers that the nearest curve misses by more than this are not of one detector."""

_COLOURED: Final = 25.0
"""How much less the squared misfit of a coloured spectrum must be than a white one's, in variances: five standard
deviations."""


@dataclass(frozen=True)
class Numbers:
    """What is told of a blur.

    Parameters
    ----------
    points : tuple of (frequency_lp_mm, mtf)
        Values of the presampled MTF.
    srb_mm : float, optional
        Basic spatial resolution [mm] (ISO 19232-5, ASTM E2002).
    """

    points: tuple[tuple[float, float], ...] = ()
    srb_mm: float | None = None


@dataclass(frozen=True)
class Family:
    """Screens of one phosphor and any thickness on one sensor.

    Parameters
    ----------
    screen : Screen
        All of the screen but its mass thickness.
    sensor : Sensor
        The sensor.
    spectrum : Spectrum
        The beam.
    kerma_uGy : float
        Air kerma of a frame [uGy].
    """

    screen: Screen
    sensor: Sensor
    spectrum: Spectrum
    kerma_uGy: float

    def member(self, mass_thickness_mg_cm2: float) -> DetectorResponse:
        """Return the member of a mass thickness [mg/cm2]."""
        screen = replace(self.screen, mass_thickness_mg_cm2=float(mass_thickness_mg_cm2))
        return Detector(screen, self.sensor).response(self.spectrum, self.kerma_uGy)


@dataclass(frozen=True)
class Member:
    """A member of the family that fits.

    Parameters
    ----------
    response : DetectorResponse
        What it answers, stretched.
    stretch : float
        Factor on the frequencies of the screen's curves; 1 where the model does as it is.
    """

    response: DetectorResponse
    stretch: float = 1.0


def fit_member(family: Family, numbers: Numbers, mass_thickness_mg_cm2: float | None = None) -> Member:
    """Return the member whose MTF has the numbers that are told.

    The mass thickness is fitted. Where none has the numbers, or it is given, the frequencies of the screen's curves
    are stretched, those of its noise with those of its MTF.

    Raises
    ------
    InputError
        If the numbers contradict each other.
    """
    if mass_thickness_mg_cm2 is None:
        costs = [_cost(family.member(one), numbers) for one in _THICKNESSES_MG_CM2]
        thickness = _least(lambda log: _cost(family.member(np.exp(log)), numbers), np.log(_THICKNESSES_MG_CM2), costs)
        response = family.member(np.exp(thickness))
    else:
        response = family.member(mass_thickness_mg_cm2)
    factor = 1.0
    if _cost(response, numbers) > 0.25 * max(1, len(numbers.points) + (numbers.srb_mm is not None)):
        steps = np.linspace(-np.log(_STRETCH), np.log(_STRETCH), 57)
        costs = [_cost(_stretched(response, np.exp(step)), numbers) for step in steps]
        factor = float(np.exp(_least(lambda log: _cost(_stretched(response, np.exp(log)), numbers), steps, costs)))
    found = _stretched(response, factor)
    _check_fit(found, numbers)
    return Member(found, factor)


def _least(cost: Callable[[float], float], steps: NDArray[np.float64], costs: list[float]) -> float:
    """Return where a cost is least: the best of the steps, refined between its neighbours."""
    best = int(np.argmin(costs))
    low, high = float(steps[max(best - 1, 0)]), float(steps[min(best + 1, len(steps) - 1)])
    found = minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(found.x) if found.fun < costs[best] else float(steps[best])


def _stretched(response: DetectorResponse, factor: float) -> DetectorResponse:
    """Return a detector whose screen is sharper by a factor, in signal and noise."""
    if factor == 1.0:
        return response
    curves = (response.screen_mtf, response.quantum_nnps)
    mtf, nnps = (RadialCurve(curve.frequency_lp_mm * factor, curve.values) for curve in curves)
    return replace(response, screen_mtf=mtf, quantum_nnps=nnps)


def _cost(response: DetectorResponse, numbers: Numbers) -> float:
    total = 0.0
    for frequency, value in numbers.points:
        total += ((float(response.mtf(frequency)) - value) / _MTF_TOLERANCE) ** 2
    if numbers.srb_mm is not None:
        srb_mm = basic_spatial_resolution_mm(response.otf)
        total += 1e6 if np.isnan(srb_mm) else (np.log(srb_mm / numbers.srb_mm) / _SRB_TOLERANCE) ** 2
    return float(total)


def _check_fit(response: DetectorResponse, numbers: Numbers) -> None:
    told, has, apart = [], [], False
    for frequency, value in numbers.points:
        there = float(response.mtf(frequency))
        told.append(f"MTF {value:g} at {frequency:g} lp/mm")
        has.append(f"{there:.2f} there")
        apart |= abs(there - value) > _APART_MTF
    if numbers.srb_mm is not None:
        srb_mm = basic_spatial_resolution_mm(response.otf)
        told.append(f"SRb {numbers.srb_mm:g} mm")
        has.append(f"SRb {srb_mm:.3g} mm")
        apart |= not abs(np.log(srb_mm / numbers.srb_mm)) <= _APART_SRB
    if apart:
        raise InputError(
            f"{', '.join(told)}: no screen on these pixels has it all, the nearest has {', '.join(has)}: check the "
            "numbers and --pitch-mm"
        )


def noise_of_member(member: Member, *, rms: float | None = None, source: str = "model", spread: float) -> Noise:
    """Return the noise of a member of the family, scaled to a standard deviation of a pixel where one is told."""
    response = member.response
    frequency = table_grid(response.sensor)
    scale = 1.0 if rms is None else (rms / response.pixel_sigma) ** 2
    return Noise(frequency, scale * response.nnps(frequency), source, spread)


def blur_by_colour(family: Family, noise: NNPS) -> tuple[Blur, Member]:
    """Return the blur of the screen whose noise has the colour of a measured spectrum.

    The spectrum is taken for quantum noise of the screen, of any amount, and white noise. Noise of a screen that is
    sharper than its signal (Lubberts) has the model's own colour.

    Raises
    ------
    InputError
        If the noise is white: then it says nothing of the blur.
    """
    frequency = noise.frequency_lp_mm
    weight = ring_weights(frequency, noise.nnps_mm2, noise.standard_error_mm2)
    wanted = noise.nnps_mm2 * weight

    def misfit(thickness: float) -> float:
        response = family.member(thickness)
        quantum = response.nnps(frequency) - response.shot_nnps_mm2 - response.read_nnps_mm2
        columns = np.stack([quantum / quantum[0] * weight, weight], axis=1) * float(noise.nnps_mm2[0])
        return float(nnls(columns, wanted)[1] ** 2)

    costs = [misfit(one) for one in _THICKNESSES_MG_CM2]
    best = _least(lambda log: misfit(float(np.exp(log))), np.log(_THICKNESSES_MG_CM2), costs)
    white = float(wanted @ wanted - (wanted @ weight) ** 2 / (weight @ weight))
    unit = max(1.0, min(costs) / len(frequency))
    if white - min(costs) < _COLOURED * unit:
        raise InputError("the noise of the flats is white: it says nothing of the blur: give --edge, or --srb-mm")
    member = Member(family.member(float(np.exp(best))))
    grid = table_grid(family.sensor)
    thickness = member.response.screen.mass_thickness_mg_cm2
    text = (
        f"blur from the family of screens, not measured: the noise has the colour of {thickness:.3g} mg/cm2 of "
        f"{member.response.screen.phosphor}: f50 may be off by a factor of {_COLOUR_SPREAD:g}: shoot one tilted plate"
    )
    return Blur(grid, member.response.mtf(grid), "flats", _COLOUR_SPREAD, (text,)), member
