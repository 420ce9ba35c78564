"""Halves of a detector from the numbers of a data sheet: pixel pitch, SRb or MTF values, SNRn or DQE.

SRb is the basic spatial resolution (ISO 19232-5; ASTM E2002), SNRn the signal-to-noise ratio as a detector of SRb
88.6 um would have it (ISO 17636-2; ASTM E2597 for digital detector arrays).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.known_file import MODEL_SPREAD
from xsim.detector.detector import DetectorResponse, Sensor
from xsim.detector.performance import REFERENCE_SRB_MM, basic_spatial_resolution_mm
from xsim.errors import InputError, check_range
from xsim.measure.one_detector.family import GUESSED_SPREAD, Family, Member, Numbers, fit_member, noise_of_member
from xsim.measure.one_detector.result import Blur, Noise, table_grid
from xsim.measure.resolution import WIRE_DIAMETERS_MM

__all__ = ["DataSheet", "blur_of_sheet", "noise_of_sheet", "srb_of_blur_mm"]

_SRB_SPREAD, _CURVE_SPREAD = 1.2, 1.15
"""f50 from SRb alone, and from values of the MTF itself, at 95 %: SRb is read off a gauge whose wire pairs go in steps
of 1.25, and single panels differ from the sheet of their kind by 10 %."""

_NOISE_SPREAD: Final = 1.2
"""A pixel's noise from SNRn or DQE: two panels of one kind, the dosimeter's 5 %, and a colour that the family says."""

_TOLD_APART: Final = 1.3
"""SNRn and DQE whose noise differs by more than this factor are not of one exposure."""

_CURVE_END: Final = 1.005
"""An MTF may exceed the aperture's own by rounding, no more."""


@dataclass(frozen=True, kw_only=True)
class DataSheet:
    """The numbers of a data sheet; all may be missing.

    Parameters
    ----------
    srb_mm : float, optional
        Basic spatial resolution [mm].
    mtf_points : tuple of (frequency_lp_mm, mtf)
        Values of the presampled MTF, aperture included.
    mtf_curve : (frequency_lp_mm, mtf), optional
        The whole curve instead, two (n,) arrays from 0 on.
    snrn : float, optional
        Normalised signal-to-noise ratio of the open field.
    dqe0 : float, optional
        Detective quantum efficiency at zero frequency.
    kerma_uGy : float, optional
        Air kerma of a frame at which SNRn or DQE hold [uGy].
    mass_thickness_mg_cm2 : float, optional
        Of the screen [mg/cm2].

    Raises
    ------
    PhysicsRangeError
        If a number is out of range.
    InputError
        If the curve and single numbers are both told.
    """

    srb_mm: float | None = None
    mtf_points: tuple[tuple[float, float], ...] = ()
    mtf_curve: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    snrn: float | None = None
    dqe0: float | None = None
    kerma_uGy: float | None = None
    mass_thickness_mg_cm2: float | None = None

    def __post_init__(self) -> None:
        if self.srb_mm is not None:
            check_range("SRb", self.srb_mm, 1e-3, 5.0, "mm")
        for frequency, value in self.mtf_points:
            check_range("frequency of an MTF", frequency, 1e-3, 1e3, "lp/mm")
            check_range(f"MTF at {frequency:g} lp/mm", value, 1e-3, 1.0)
        if self.snrn is not None:
            check_range("SNRn", self.snrn, 1.0, 1e5)
        if self.dqe0 is not None:
            check_range("DQE at zero frequency", self.dqe0, 1e-3, 1.0)
        if self.mtf_curve is not None and (self.mtf_points or self.srb_mm is not None):
            raise InputError("a whole MTF and single numbers of it: give one of both")

    @property
    def tells_blur(self) -> bool:
        """Whether anything is told of the blur itself."""
        return self.srb_mm is not None or bool(self.mtf_points) or self.mtf_curve is not None

    @property
    def tells_noise(self) -> bool:
        """Whether anything is told of the noise itself."""
        return self.snrn is not None or self.dqe0 is not None


def blur_of_sheet(sheet: DataSheet, family: Family) -> tuple[Blur, Member]:
    """Return the blur that a data sheet tells, and the member of the family that has it.

    Raises
    ------
    InputError
        If nothing is told, the numbers contradict each other, or the pixel alone blurs more than they allow.
    """
    frequency = table_grid(family.sensor)
    thickness = sheet.mass_thickness_mg_cm2
    if sheet.mtf_curve is not None:
        f, mtf = sheet.mtf_curve
        values = np.interp(frequency, f, mtf)
        _check_aperture(zip(f.tolist(), mtf.tolist(), strict=True), family.sensor)
        if f[-1] < 0.95 * frequency[-1]:
            raise InputError(
                f"the MTF ends at {f[-1]:g} lp/mm, below Nyquist ({frequency[-1]:.3g}): give it to there, or single "
                "values with --mtf-at"
            )
        member = fit_member(family, Numbers(points=_some_points(frequency, values)), thickness)
        return Blur(frequency, values, "data sheet", _CURVE_SPREAD), member
    if not sheet.tells_blur:
        if thickness is None:
            raise InputError("nothing tells the blur: give --srb-mm, --mtf-at, --mtf-csv or --mass-thickness-mg-cm2")
        member = Member(family.member(thickness))
        text = "blur of the screen model at that mass thickness: give --srb-mm or --mtf-at to hold it to a number"
        return Blur(frequency, member.response.mtf(frequency), "model", MODEL_SPREAD, (text,)), member
    if sheet.srb_mm is not None:
        _check_srb(sheet.srb_mm, family.sensor)
    _check_aperture(sheet.mtf_points, family.sensor)
    member = fit_member(family, Numbers(tuple(sorted(sheet.mtf_points)), sheet.srb_mm), thickness)
    spread = _CURVE_SPREAD if sheet.mtf_points else _SRB_SPREAD
    texts = (*_gauge_warning(sheet), *_stretch_warning(member))
    return Blur(frequency, member.response.mtf(frequency), "data sheet", spread, texts), member


def noise_of_sheet(sheet: DataSheet, member: Member, family: Family, *, srb_mm: float) -> Noise:
    """Return the noise that a data sheet tells, in the colour of a member of the family.

    Parameters
    ----------
    sheet : DataSheet
        The numbers.
    member : Member
        The member that has the detector's blur.
    family : Family
        Beam and kerma.
    srb_mm : float
        The detector's SRb [mm], where the sheet says none.

    Raises
    ------
    InputError
        If the numbers contradict each other, or ask for more than all photons.
    """
    if not sheet.tells_noise:
        text = (
            f"noise of the screen model at {family.kerma_uGy:g} uGy, not measured: it may be off by a factor of "
            f"{GUESSED_SPREAD:g}: shoot five open frames, or give --snrn"
        )
        noise = noise_of_member(member, spread=GUESSED_SPREAD)
        return Noise(noise.frequency_lp_mm, noise.nnps_mm2, noise.source, noise.spread, (text,))
    response = member.response
    photons_per_mm2 = family.spectrum.total_fluence_per_mm2_uGy * family.kerma_uGy
    has_dqe0 = 1.0 / (photons_per_mm2 * float(response.nnps(0.0)[0]))
    found: list[float] = []
    if sheet.snrn is not None:
        found.append(REFERENCE_SRB_MM / (sheet.srb_mm or srb_mm) / sheet.snrn)
    if sheet.dqe0 is not None:
        if sheet.kerma_uGy is None:
            raise InputError("a DQE tells the noise at a dose only: give --kerma-uGy")
        found.append(response.pixel_sigma * float(np.sqrt(has_dqe0 / sheet.dqe0)))
    if max(found) > _TOLD_APART * min(found):
        raise InputError(
            f"SNRn {sheet.snrn:g} is {100 * found[0]:.2g} % of noise in a pixel and DQE {sheet.dqe0:g} at "
            f"{family.kerma_uGy:g} uGy {100 * found[1]:.2g} %: give the one that holds, or the dose of both"
        )
    dqe0 = has_dqe0 * (response.pixel_sigma / found[0]) ** 2
    if sheet.kerma_uGy is not None and dqe0 > 1.0:
        raise InputError(
            f"SNRn {sheet.snrn:g} at {family.kerma_uGy:g} uGy needs a DQE of {dqe0:.2g}, more than all photons: check "
            "--snrn and --kerma-uGy (of one frame)"
        )
    noise = noise_of_member(member, rms=found[0], source="data sheet", spread=_NOISE_SPREAD)
    texts = () if sheet.kerma_uGy is not None else (_nominal(family.kerma_uGy),)
    return Noise(noise.frequency_lp_mm, noise.nnps_mm2, noise.source, noise.spread, texts)


def _nominal(kerma_uGy: float) -> str:
    return f"no dose is told: the noise is that of the sheet's exposure, called {kerma_uGy:g} uGy: give --kerma-uGy"


def srb_of_blur_mm(blur: Blur, response: DetectorResponse) -> float:
    """Return the SRb [mm] of a measured or told curve; beyond its end it falls as the member of the family does."""
    end = float(blur.frequency_lp_mm[-1])
    share = float(blur.mtf[-1]) / max(float(response.mtf(end)), 1e-9)

    def otf(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        beyond = share * response.otf(frequency)
        return np.where(frequency > end, beyond, np.interp(frequency, blur.frequency_lp_mm, blur.mtf))

    return basic_spatial_resolution_mm(otf)


def _some_points(frequency: NDArray[np.float64], mtf: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """Return the point where a curve is a half, or its end: what a member of the family is to have in common."""
    below = np.flatnonzero(mtf < 0.5)
    place = int(below[0]) if len(below) else len(mtf) - 1
    return ((float(frequency[place]), float(mtf[place])),)


def _check_srb(srb_mm: float, sensor: Sensor) -> None:
    least = basic_spatial_resolution_mm(lambda frequency: np.sinc(sensor.aperture_mm * frequency))
    if srb_mm < least:
        raise InputError(
            f"SRb {srb_mm:g} mm is below {least:.3g} mm, that of pixels of {sensor.pitch_mm:g} mm without any blur: "
            "check --srb-mm and --pitch-mm"
        )


def _check_aperture(points: Iterable[tuple[float, float]], sensor: Sensor) -> None:
    for frequency, value in points:
        most = abs(float(np.sinc(sensor.aperture_mm * frequency)))
        if value > _CURVE_END * most and frequency <= 1.0 / sensor.pitch_mm:
            raise InputError(
                f"MTF {value:.3g} at {frequency:.3g} lp/mm is more than pixels of {sensor.pitch_mm:g} mm let through "
                f"({most:.3g}): check --pitch-mm and --fill-factor"
            )


def _gauge_warning(sheet: DataSheet) -> tuple[str, ...]:
    """Return that an SRb which is a wire of the gauge was hardly interpolated, where nothing else tells the blur."""
    if sheet.mtf_points or not any(np.isclose(float(sheet.srb_mm or 0), wire, rtol=1e-6) for wire in WIRE_DIAMETERS_MM):
        return ()
    text = (
        f"SRb {sheet.srb_mm:g} mm is a wire pair of the gauge, the first that is not seen: the blur may be wider by up "
        "to 1.25: give the interpolated iSRb, or --mtf-at"
    )
    return (text,)


def _stretch_warning(member: Member) -> tuple[str, ...]:
    if abs(np.log(member.stretch)) < np.log(1.1):
        return ()
    screen = member.response.screen
    name = f"{screen.mass_thickness_mg_cm2:.3g} mg/cm2 of {screen.phosphor}"
    return (
        f"{name} as the model has it does not have these numbers: its curves are stretched by {member.stretch:.2f}",
    )
