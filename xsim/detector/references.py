"""Measured references: what others measured of such detectors, as data, and what the model says of each.

The table, ``references.csv`` in this folder, is what tests and documentation hold the model to. A row says where its
number comes from, whether it was *read* (on a page or in an abstract) or is *remembered*, and within what band it is
believed. Where a source does not state the mass thickness, a plausible one is assumed, and said so: such a row tests
less. Rows of your own go into a file of the same columns (`read_references`).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import numpy as np

from xsim.detector.detector import Detector
from xsim.detector.light_transport import Optics
from xsim.detector.measured_curves import Curve, DetectorCurve, MtfCurve
from xsim.detector.response import DetectorResponse
from xsim.detector.screen import Screen
from xsim.detector.sensor import Sensor
from xsim.errors import InputError, check_range
from xsim.files.documents import read_text
from xsim.files.plain import TABLE
from xsim.spectrum import Spectrum, beam_of

__all__ = ["Quantity", "Reference", "as_curves", "load_references", "modelled", "read_references", "residual"]

Quantity = Literal["mtf", "mtf_at_least", "dqe", "dqe_ratio", "f_at_mtf", "f_back_over_front", "swank", "light_escape"]

# Pixel of a row that has none: its sinc was divided out, or the quantity is the screen's own. Any small one will do.
_NO_PIXEL_MM: Final = 0.002


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One measured number.

    Parameters
    ----------
    source, doi : str
        Where it was published; the DOI is empty where none was seen.
    status : {"read", "remembered"}
        How it came here.
    phosphor : str
        The screen's phosphor.
    mass_thickness_mg_cm2 : float or None
        Its mass thickness [mg/cm2], where the source states it.
    assumed_mg_cm2 : float or None
        What is assumed where it does not.
    irradiation : {"front", "back"}
        Where X rays enter.
    beam : str
        A name of `xsim.spectrum.PRESETS`, or tube voltage [kV] and filters: ``70 Al:21.5``; two, ``RQA9 / RQA5``, of a
        ratio.
    pitch_mm : float or None
        Pixel pitch [mm]; None where the number is of the screen alone.
    kerma_uGy : float
        Air kerma of a frame [uGy].
    quantity : str
        ``mtf``, ``mtf_at_least`` (a lower bound), ``dqe``, ``dqe_ratio`` (between two beams), ``f_at_mtf`` [lp/mm],
        ``f_back_over_front`` (ratio of the frequencies where the MTF falls to a level), ``swank``, ``light_escape``.
    at : float or None
        Spatial frequency [lp/mm], or the level of the MTF.
    value, band : float
        The number, and the half-width of the band in which it is believed.
    note : str
        What else there is to know.

    Raises
    ------
    InputError
        If a word is not known, or no mass thickness is given or assumed.
    """

    source: str
    doi: str
    status: Literal["read", "remembered"]
    phosphor: str
    mass_thickness_mg_cm2: float | None
    assumed_mg_cm2: float | None
    irradiation: Literal["front", "back"]
    beam: str
    pitch_mm: float | None
    kerma_uGy: float
    quantity: Quantity
    at: float | None
    value: float
    band: float
    note: str = ""

    def __post_init__(self) -> None:
        if self.quantity not in get_args(Quantity):
            raise InputError(f"quantity '{self.quantity}' is not known: give {', '.join(get_args(Quantity))}")
        if self.status not in {"read", "remembered"}:
            raise InputError(f"status '{self.status}' is not known: give read or remembered")
        if self.mass_thickness_mg_cm2 is None and self.assumed_mg_cm2 is None:
            raise InputError("no mass thickness: state it, or assume one")
        if self.at is None and self.quantity not in {"swank", "light_escape"}:
            raise InputError(f"{self.quantity} is a function: say at which frequency or level")
        check_range("band", self.band, 1e-6, 1e6)

    @property
    def mass_mg_cm2(self) -> float:
        """Return the mass thickness that the model is given [mg/cm2]."""
        stated = self.mass_thickness_mg_cm2
        return stated if stated is not None else cast("float", self.assumed_mg_cm2)

    def spectra(self) -> tuple[Spectrum, ...]:
        """Return its beam, or the two of a ratio."""
        return tuple(beam_of(part) for part in self.beam.split("/"))


@lru_cache(maxsize=1)
def load_references() -> tuple[Reference, ...]:
    """Return the references that are shipped."""
    with resources.as_file(resources.files("xsim.detector") / "references.csv") as path:
        return read_references(path)


def read_references(path: Path) -> tuple[Reference, ...]:
    """Return the references of a CSV file whose columns are the fields of `Reference`.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If a column is missing or a row not usable; the message names the line.
    """
    reader = csv.DictReader(read_text(path, TABLE).splitlines())
    names = [item.name for item in fields(Reference)]
    if missing := set(names) - set(reader.fieldnames or ()):
        raise InputError(f"{path}: no column '{min(missing)}': give the columns {', '.join(names)}")
    found = []
    for row in reader:
        try:
            found.append(Reference(**{name: _parsed(name, (row[name] or "").strip()) for name in names}))  # type: ignore[arg-type]
        except ValueError as error:
            raise InputError(f"{path}: line {reader.line_num}: {error}") from None
    return tuple(found)


_OPTIONAL: Final = frozenset({"mass_thickness_mg_cm2", "assumed_mg_cm2", "pitch_mm", "at"})
_NUMBERS: Final = _OPTIONAL | {"kerma_uGy", "value", "band"}


def _parsed(name: str, text: str) -> str | float | None:
    if name not in _NUMBERS:
        return text
    if not text and name in _OPTIONAL:
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name} is '{text}': give a number") from None


def modelled(reference: Reference, optics: Optics | None = None) -> float:
    """Return what the model says of a reference, with the phosphor's usual optical constants or others."""
    screen = Screen(reference.mass_mg_cm2, reference.phosphor, irradiation=reference.irradiation)
    if optics is not None:
        screen = replace(screen, optics=optics)
    sensor = Sensor(pitch_mm=reference.pitch_mm or _NO_PIXEL_MM)
    responses = [Detector(screen, sensor).response(beam, reference.kerma_uGy) for beam in reference.spectra()]
    if reference.quantity in {"swank", "light_escape"}:
        return float(getattr(screen.expose(responses[0].spectrum, [0.0]), reference.quantity))
    at = cast("float", reference.at)
    if reference.quantity in {"mtf", "mtf_at_least"}:
        return float(responses[0].mtf(at))
    if reference.quantity == "dqe":
        return float(responses[0].dqe([at])[0])
    if reference.quantity == "dqe_ratio":
        return float(responses[0].dqe([at])[0] / responses[1].dqe([at])[0])
    reached = _frequency_at(responses[0].mtf, at, responses[0])
    if reference.quantity == "f_at_mtf":
        return reached
    behind = Detector(replace(screen, irradiation="back"), sensor).response(responses[0].spectrum, reference.kerma_uGy)
    return _frequency_at(behind.screen_mtf, at, behind) / _frequency_at(responses[0].screen_mtf, at, responses[0])


def _frequency_at(curve: Callable[[np.ndarray], np.ndarray], level: float, response: DetectorResponse) -> float:
    """Return the lowest frequency [lp/mm] at which a curve falls to a level, up to twice the sampling frequency."""
    frequency = np.linspace(0.0, 2.0 / response.pitch_mm, 20001)
    below = np.flatnonzero(curve(frequency) < level)
    return float(frequency[below[0]]) if below.size else float("nan")


def residual(reference: Reference, optics: Optics | None = None) -> float:
    """Return model minus measurement, in bands: within -1 to 1 the model meets it. A bound that is kept gives 0."""
    off = (modelled(reference, optics) - reference.value) / reference.band
    return min(off, 0.0) if reference.quantity == "mtf_at_least" else off


def as_curves(references: Iterable[Reference], band_factor: float = 1.0) -> list[Curve]:
    """Return references as curves for `xsim.detector.optics_fit.fit_optics`; bounds and ratios are left out.

    The band, times a factor, is taken for a standard error: with one far below 1 the references outweigh the priors.
    A frequency where the MTF reaches a level is a point of the MTF, whose error follows from the slope there: in a
    powder it falls as a power of f between 1 and 2, and 1.5 is taken.
    """
    curves: list[Curve] = []
    for one in references:
        beams, sensor = one.spectra(), Sensor(pitch_mm=one.pitch_mm or _NO_PIXEL_MM)
        band = band_factor * one.band
        rest: dict[str, Any] = {"spectrum": beams[0], "irradiation": one.irradiation}
        if one.quantity == "mtf":
            point = np.array([one.at]), np.array([one.value])
            curves.append(MtfCurve(one.mass_mg_cm2, *point, sensor.aperture_mm, band, **rest))
        elif one.quantity == "f_at_mtf" and one.at is not None:
            point, error = (np.array([one.value]), np.array([one.at])), 1.5 * one.at * band / one.value
            curves.append(MtfCurve(one.mass_mg_cm2, *point, sensor.aperture_mm, error, **rest))
        elif one.quantity == "dqe":
            point, error = (np.array([one.at]), np.array([one.value])), band / one.value
            curves.append(DetectorCurve("dqe", one.mass_mg_cm2, *point, sensor, one.kerma_uGy, error, **rest))
    return curves
