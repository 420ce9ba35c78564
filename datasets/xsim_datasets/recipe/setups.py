"""From a recipe's numbers to the physics of a pair of detectors, and to what a store says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.detector.detector import Detector, Sensor
from xsim.detector.screen import Screen
from xsim.errors import check_range
from xsim.imaging.geometry import Geometry
from xsim.imaging.scatter import Scatter
from xsim.imaging.setup import PairSetup
from xsim.spectrum import tungsten_spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim.spectrum import Spectrum
    from xsim_datasets.recipe.recipe import Imaging

__all__ = ["setup_of", "setup_record", "setup_tables"]

_TABLE_FREQUENCIES = 201


def setup_of(imaging: Imaging) -> PairSetup:
    """Return the set-up of a recipe whose ranges have been drawn.

    Raises
    ------
    PhysicsRangeError, UnknownNameError
        If a number lies outside the physics' range, or a filter's material is not known.
    """
    spectrum = tungsten_spectrum(
        kvp=_number(imaging.kvp),
        filters=tuple((item.material, _number(item.thickness_mm)) for item in imaging.filters),
        anode_angle_deg=_number(imaging.anode_angle_deg),
    )
    hr, lr = _detectors(imaging)
    distance = _number(imaging.source_detector_mm)
    magnification = check_range("magnification", _number(imaging.magnification), 1.0, 100.0)
    return PairSetup(
        spectrum=spectrum,
        hr=hr,
        lr=lr,
        kerma_uGy=_kerma_uGy(imaging, spectrum, (hr, lr)),
        hr_frames=imaging.hr_frames,
        lr_frames=imaging.lr_frames,
        geometry=Geometry(
            source_detector_mm=distance,
            source_object_mm=distance / magnification if magnification > 1.0 else None,
            focal_spot_mm=_number(imaging.focal_spot_mm),
        ),
        scatter=Scatter(
            ratio_per_depth=_number(imaging.scatter_ratio_per_depth),
            glare=_number(imaging.glare),
        ),
    )


def _detectors(imaging: Imaging) -> tuple[Detector, Detector]:
    """Return the HR and the LR detector: those that were measured, or else the modelled ones."""
    if imaging.detectors is not None:
        return imaging.detectors.pair()
    sensor = Sensor(pitch_mm=_number(imaging.pitch_mm))
    hr = Detector(Screen(_number(imaging.hr_mass_thickness_mg_cm2)), sensor)
    return hr, Detector(Screen(_number(imaging.lr_mass_thickness_mg_cm2)), sensor)


def _kerma_uGy(imaging: Imaging, spectrum: Spectrum, detectors: tuple[Detector, Detector]) -> float:
    """Return the kerma of one frame; where the recipe says so, at most what leaves both open fields unsaturated.

    A wide range of screens and beams has pairs whose thick screen would fill the sensor at a kerma that suits others;
    nobody exposes like that, and a network that learns from clipped images learns to undo the clipping.
    """
    kerma_uGy = _number(imaging.kerma_uGy)
    if imaging.max_full_well_share is None:
        return kerma_uGy
    responses = [detector.response(spectrum, kerma_uGy) for detector in detectors]
    fullest = max(response.signal_electrons / response.sensor.full_well_e for response in responses)
    return kerma_uGy * min(1.0, imaging.max_full_well_share / fullest)


def setup_record(setup: PairSetup) -> dict[str, Any]:
    """Return what a store says about a set-up: its settings, and what lies between its detectors; JSON types."""
    return {"settings": setup.to_dict(), "degradation": setup.degradation().to_dict()}


def setup_tables(setups: Sequence[PairSetup]) -> dict[str, NDArray[np.float64]]:
    """Return MTF and NNPS [mm2] of the detectors, (setups, F) each, on one axis up to the finest sampling frequency.

    ``nnps_*_mm2`` is the quantum noise of one frame as the pixels see it, before sampling folds it back.
    """
    pitch_mm = min(setup.pitch_mm for setup in setups)
    frequency = np.linspace(0.0, 1.0 / pitch_mm, _TABLE_FREQUENCIES)
    tables: dict[str, list[NDArray[np.float64]]] = {}
    for setup in setups:
        for name, response in (("hr", setup.hr_response), ("lr", setup.lr_response)):
            tables.setdefault(f"mtf_{name}", []).append(response.mtf(frequency))
            tables.setdefault(f"nnps_{name}_mm2", []).append(response.quantum_nnps(frequency))
    return {"frequency_lp_mm": frequency, **{name: np.stack(rows) for name, rows in tables.items()}}


def _number(value: object) -> float:
    assert isinstance(value, float), "ranges are drawn before a set-up is built"
    return value
