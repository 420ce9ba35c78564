"""Which detectors the options of ``xsim detector`` name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xsim.detector.detector import Detector, Screen, Sensor, read_detectors
from xsim.detector.light_transport import Optics
from xsim.detector.phosphors import OPTICS
from xsim.detector.screen import screen_product
from xsim.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xsim.detector.optics_fit import FittedOptics
    from xsim.spectrum import Spectrum

PAPER_SCREENS = (33.91, 134.55)

__all__ = ["choose", "named_optics"]


def named_optics(name: str) -> Optics:
    """Return optical constants by name.

    Raises
    ------
    UnknownNameError
        Naming the nearest names.
    """
    if name not in OPTICS:
        raise UnknownNameError("optics", name, OPTICS)
    return OPTICS[name]


def choose(
    files: Sequence[Path] | None,
    products: Sequence[str] | None,
    thicknesses: Sequence[float] | None,
    *,
    screen: Screen,
    sensor: Sensor,
    beam: Spectrum,
    measured: Path | None,
) -> tuple[dict[str, Detector], FittedOptics | None]:
    """Return detectors by name, and the fit of their optics if there was one.

    Parameters
    ----------
    files, products : sequence, optional
        TOML files, or product classes; where one is given it alone decides.
    thicknesses : sequence of float, optional
        Mass thicknesses of ``screen`` [mg/cm2], by default those of the paper's two screens.
    screen, sensor : Screen, Sensor
        What the thicknesses are given to.
    beam : Spectrum
        The beam of the measured MTFs.
    measured : Path, optional
        CSV file of measured MTFs that the optics of ``screen`` are fitted to first.

    Raises
    ------
    InputError
        If more than one of them is given.
    """
    if sum(map(bool, (thicknesses, files, products))) > 1 or (measured and (files or products)):
        raise InputError("--detector and --product name whole screens: give them alone")
    if files:
        return _stored(files), None
    if products:
        return {name: Detector(screen_product(name), sensor) for name in products}, None
    fitted = _fitted(measured, screen, sensor, beam) if measured else None
    if fitted is not None:
        screen = replace(screen, optics=fitted.optics)
    found = {
        f"{value:g} mg/cm2": Detector(replace(screen, mass_thickness_mg_cm2=value), sensor)
        for value in thicknesses or PAPER_SCREENS
    }
    return found, fitted


def _stored(files: Sequence[Path]) -> dict[str, Detector]:
    """Return the detectors of TOML files by name; a name that comes twice gets its file's name in front."""
    found: dict[str, Detector] = {}
    for path in files:
        for name, item in read_detectors(path).items():
            found[name if name not in found else f"{path.stem}-{name}"] = item
    return found


def _fitted(path: Path, screen: Screen, sensor: Sensor, spectrum: Spectrum) -> FittedOptics:
    """Return the optical constants fitted to a CSV file of MTFs that were measured with this sensor."""
    # scipy's optimizers take longer to import than the rest of the command to run.
    from xsim.detector.optics_fit import fit_optics, read_mtf_curves

    return fit_optics(read_mtf_curves(path, aperture_mm=sensor.aperture_mm), spectrum, screen=screen)
