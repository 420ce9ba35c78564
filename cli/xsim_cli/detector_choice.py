"""Which detectors the options of ``xsim detector`` name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xsim.detector import Detector, Screen, Sensor
from xsim.detector_files import read_detectors
from xsim.errors import UnknownNameError
from xsim.light_transport import OPTICS, Optics
from xsim.products import screen_product

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xsim.optics_fit import FittedOptics
    from xsim.spectrum import Spectrum

__all__ = ["fitted", "named_optics", "of_products", "of_thicknesses", "stored"]


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


def stored(files: Sequence[Path]) -> dict[str, Detector]:
    """Return the detectors of TOML files by name; a name that comes twice gets its file's name in front."""
    found: dict[str, Detector] = {}
    for path in files:
        for name, item in read_detectors(path).items():
            found[name if name not in found else f"{path.stem}-{name}"] = item
    return found


def of_thicknesses(thicknesses: Sequence[float], screen: Screen, sensor: Sensor) -> dict[str, Detector]:
    """Return detectors of one kind of screen in several mass thicknesses [mg/cm2]."""
    return {
        f"{value:g} mg/cm2": Detector(replace(screen, mass_thickness_mg_cm2=value), sensor) for value in thicknesses
    }


def of_products(names: Sequence[str], sensor: Sensor) -> dict[str, Detector]:
    """Return detectors of product classes."""
    return {name: Detector(screen_product(name), sensor) for name in names}


def fitted(path: Path, screen: Screen, sensor: Sensor, spectrum: Spectrum) -> FittedOptics:
    """Return the optical constants fitted to a CSV file of MTFs that were measured with this sensor."""
    # scipy's optimizers take longer to import than the rest of the command to run.
    from xsim.mtf_curves import read_mtf_curves
    from xsim.optics_fit import fit_optics

    return fit_optics(read_mtf_curves(path, aperture_mm=sensor.aperture_mm), spectrum, screen=screen)
