"""One detector from what there is: edges, flats, numbers of a data sheet, in any mixture that does not contradict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.typing import ArrayLike

from xsim.detector.detector import Screen, Sensor
from xsim.errors import InputError
from xsim.measure.edge import EdgeMTF
from xsim.measure.one_detector.data_sheet import DataSheet, blur_of_sheet, noise_of_sheet, srb_of_blur_mm
from xsim.measure.one_detector.family import Family, Member, blur_by_colour, fit_member
from xsim.measure.one_detector.result import Blur, OneDetector, join
from xsim.measure.one_detector.shots import blur_of_edges, noise_of_flats, numbers_of_blur
from xsim.spectrum import Spectrum

__all__ = ["NOMINAL_KERMA_UGY", "make_detector"]

NOMINAL_KERMA_UGY = 42.56
"""Air kerma of a frame where nobody says it [uGy]: the paper's."""

_ANY_SCREEN_MG_CM2 = 100.0
"""Mass thickness of the screen from which a family is made; every member has its own."""


def make_detector(
    *,
    edges: Sequence[EdgeMTF] = (),
    flats: Sequence[ArrayLike] = (),
    sheet: DataSheet | None = None,
    sensor: Sensor,
    spectrum: Spectrum,
    phosphor: str = "Gd2O2S",
    full_scale: float | None = None,
) -> OneDetector:
    """Make a detector of what there is of it.

    What is measured or told is taken; the half that is neither comes from the family of screens, with a wide spread
    and a warning.

    Parameters
    ----------
    edges : sequence of EdgeMTF
        Its slanted edges, measured at frequencies up to Nyquist.
    flats : sequence of (H, W) arrays
        Its open-field frames, offset and gain corrected; none, or two and more.
    sheet : DataSheet, optional
        What is told of it, with the air kerma of a frame.
    sensor : Sensor
        Pixel pitch and fill factor.
    spectrum : Spectrum
        The beam.
    phosphor : str
        Phosphor of the screen.
    full_scale : float, optional
        The largest grey value of the flats' format.

    Raises
    ------
    InputError
        If there is nothing, a half is both measured and told, or something cannot be used.
    """
    sheet = DataSheet() if sheet is None else sheet
    if edges and sheet.tells_blur:
        raise InputError("the blur is measured on edges and told by numbers: give one of both")
    if flats and sheet.tells_noise:
        raise InputError("the noise is measured on flats and told by numbers: give one of both")
    kerma_uGy = NOMINAL_KERMA_UGY if sheet.kerma_uGy is None else sheet.kerma_uGy
    family = Family(Screen(_ANY_SCREEN_MG_CM2, phosphor), replace(sensor, flat_frames=0), spectrum, kerma_uGy)
    noise, measured = noise_of_flats(flats, sensor, full_scale=full_scale) if flats else (None, None)
    if edges:
        blur = blur_of_edges(edges, sensor)
        member = _nearest(family, blur, sheet.mass_thickness_mg_cm2, needed=noise is None)
    elif measured is not None and not sheet.tells_blur and sheet.mass_thickness_mg_cm2 is None:
        blur, member = blur_by_colour(family, measured)
    else:
        blur, member = blur_of_sheet(sheet, family)
    if noise is None:
        noise = noise_of_sheet(sheet, member, family, srb_mm=srb_of_blur_mm(blur, member.response))
    screen = member.response.screen
    return join(blur, noise, screen=screen, sensor=sensor, kerma_uGy=kerma_uGy, spectrum=spectrum)


def _nearest(family: Family, blur: Blur, mass_thickness_mg_cm2: float | None, *, needed: bool) -> Member:
    """Return the member with a measured blur; where only its energy response counts, any will do."""
    try:
        return fit_member(family, numbers_of_blur(blur), mass_thickness_mg_cm2)
    except InputError:
        if needed:
            raise
        return Member(family.member(mass_thickness_mg_cm2 or _ANY_SCREEN_MG_CM2))
