"""What a detector file says to a restorer: two detectors and what lies between them, or one alone.

Every file that the program writes of detectors is read here: that of a calibration, of the screen model, of one
measured detector.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim.curves import checked_table
from xsim.degradation import target
from xsim.degradation.degradation import Degradation
from xsim.degradation.known import KnownDetector
from xsim.detector.detector import Detector, Screen, read_detectors
from xsim.errors import InputError, XsimWarning
from xsim.files.documents import read_toml
from xsim.spectrum import tungsten_spectrum

if TYPE_CHECKING:
    from xsim.spectrum import Spectrum

__all__ = [
    "MODEL_SPREAD",
    "KnownFile",
    "degradation_of",
    "degradation_of_pairs",
    "detector_pair",
    "known_detector",
    "read_known",
]

MODEL_SPREAD: Final = 1.2
"""How far f50 and noise of a detector may be off that is only modelled, at 95 %: products of one mass thickness differ
by 10 to 20 % in light spread and packing."""

_KERMA_UGY: Final = 42.56
"""Air kerma of a frame where a file says none [uGy]: the paper's."""

_HR_FRAMES: Final = 20
"""Frames averaged into the HR image where a file does not say it: as in the paper."""

_HR_SCREEN_MG_CM2: Final = 33.91
"""Gd2O2S screen in front of the sensor of a single detector, where pairs need an HR one [mg/cm2]: the paper's."""


@dataclass(frozen=True, eq=False)
class KnownFile:
    """What a detector file holds.

    Parameters
    ----------
    path : Path
        The file.
    lr : KnownDetector
        The detector whose images are restored.
    detectors : tuple of Detector
        HR and LR, or LR alone.
    degradation : Degradation, optional
        What lies between two; None where there is one, and a target takes the other's place.
    hr : KnownDetector, optional
        The sharper of two.
    B_1_sd, Sigma_1_sd_mm2 : (n,) arrays, optional
        Standard deviations of the tables of ``degradation``, where it was calibrated and the file holds them.
    """

    path: Path
    lr: KnownDetector
    detectors: tuple[Detector, ...]
    degradation: Degradation | None = None
    hr: KnownDetector | None = None
    B_1_sd: NDArray[np.float64] | None = None
    Sigma_1_sd_mm2: NDArray[np.float64] | None = None


def read_known(path: Path, spectrum: Spectrum | None = None) -> KnownFile:
    """Read a detector file: of a calibration, of ``xsim detector --save``, or of one measured detector.

    Of two detectors without a calibration the sharper one is HR.

    Parameters
    ----------
    path : Path
        The file.
    spectrum : Spectrum, optional
        The beam; 70 kV of tungsten if not given.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it holds no detector, or more than two.
    """
    beam = tungsten_spectrum() if spectrum is None else spectrum
    tables = read_toml(path)
    if "degradation" in tables and not {"hr", "lr"} <= set(tables):
        missing = min({"hr", "lr"} - set(tables))
        raise InputError(f"{path}: the table [{missing}] is missing: give a file of xsim calibrate or xsim detector")
    found = read_detectors(path)
    detectors = (found["hr"], found["lr"]) if {"hr", "lr"} <= set(found) else tuple(found.values())
    if len(detectors) > 2:
        raise InputError(
            f"{path}: holds {len(detectors)} detectors ({', '.join(found)}): give a file of one, or of two, HR and LR"
        )
    if len({one.sensor.pitch_mm for one in detectors}) > 1:
        raise InputError(f"{path}: its two detectors have unlike pixels: give a file of one, or of two of one pitch")
    known = [known_detector(one, beam) for one in detectors]
    if len(detectors) == 1:
        return KnownFile(path, known[0], detectors)
    if "degradation" in tables:
        try:
            between = Degradation.from_dict(tables["degradation"])
            blur_sd, noise_sd = _standard_deviations(tables.get("calibration", {}), between)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return KnownFile(path, known[1], detectors, between, known[0], blur_sd, noise_sd)
    if known[0].f50 < known[1].f50:
        detectors, known = detectors[::-1], known[::-1]
    hr, lr = (one.response(beam, _kerma(one)) for one in detectors)
    try:
        between = Degradation.between(hr, lr, _HR_FRAMES)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return KnownFile(path, known[1], detectors, between, known[0])


def _standard_deviations(table: Any, between: Degradation) -> list[NDArray[np.float64] | None]:
    """Return the standard deviations of B_1 and Sigma_1 that a calibration's table holds; None where it has none."""
    found: list[NDArray[np.float64] | None] = []
    for name in ("B_1_sd", "Sigma_1_sd_mm2"):
        given = table.get(name) if isinstance(table, dict) else None
        try:
            column = np.asarray([] if given is None else given, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"calibration: {name} is no list of numbers: calibrate again") from None
        # Zeros are what a writer puts there that does not know it: no band, rather than one of no width.
        found.append(checked_table(f"calibration {name}", between.frequency_lp_mm, column)[1] if column.any() else None)
    return found


def detector_pair(path: Path) -> tuple[Detector, Detector]:
    """Return the HR and the LR detector of a file, for pairs of images.

    Where the file holds one detector it is LR, and HR is a thin Gd2O2S screen (33.91 mg/cm2, by the model) on the same
    sensor.

    Parameters
    ----------
    path : Path
        See `read_known`.

    Raises
    ------
    MissingFileError, InputError
        See `read_known`; or if a single detector is sharper than that screen.
    """
    with warnings.catch_warnings():
        # Of noise that had to be clipped at the file's kerma: who takes images has a kerma of their own.
        warnings.simplefilter("ignore", XsimWarning)
        found = read_known(path)
        if len(found.detectors) == 1:
            hr, _ = _beside_thin_screen(found)
            return hr, found.detectors[0]
    return found.detectors[0], found.detectors[1]


def degradation_of_pairs(path: Path) -> Degradation:
    """Return what lies between HR and LR images of the detectors of a file, see `detector_pair`.

    Raises
    ------
    MissingFileError, InputError
        See `detector_pair`.
    """
    found = read_known(path)
    return _beside_thin_screen(found)[1] if found.degradation is None else found.degradation


def _beside_thin_screen(found: KnownFile) -> tuple[Detector, Degradation]:
    """Return the thin screen on the sensor of a single detector, and what lies between the two."""
    (lr,) = found.detectors
    hr = Detector(Screen(_HR_SCREEN_MG_CM2), lr.sensor)
    beam, kerma_uGy = tungsten_spectrum(), _kerma(lr)
    try:
        return hr, Degradation.between(hr.response(beam, kerma_uGy), lr.response(beam, kerma_uGy), _HR_FRAMES)
    except InputError:
        raise InputError(
            f"{found.path}: holds one detector, which is sharper than the screen of {_HR_SCREEN_MG_CM2:g} mg/cm2 that "
            "would be HR beside it: give a file of two, HR and LR"
        ) from None


def degradation_of(path: Path) -> Degradation:
    """Return what a restorer undoes for a detector file: what lies between its two, or from a target to its one.

    Where there are pairs, HR is given and no target: see `degradation_of_pairs`.

    Parameters
    ----------
    path : Path
        See `read_known`; of one detector the target is `xsim.degradation.target.usual`.

    Raises
    ------
    MissingFileError, InputError
        See `read_known`.
    """
    found = read_known(path)
    return found.lr.degradation(target.usual()) if found.degradation is None else found.degradation


def _kerma(detector: Detector) -> float:
    return _KERMA_UGY if detector.measured is None else detector.measured.kerma_uGy


def known_detector(detector: Detector, beam: Spectrum) -> KnownDetector:
    """Return what a restorer needs of a detector in a beam, with the sources and spreads that it says."""
    response, measured = detector.response(beam, _kerma(detector)), detector.measured
    if measured is None:
        return KnownDetector.of_response(response, "model", blur_spread=MODEL_SPREAD, noise_spread=MODEL_SPREAD)
    sources = dict.fromkeys((measured.mtf_source, measured.nnps_source))
    return KnownDetector.of_response(
        response,
        " and ".join(sources),
        blur_spread=measured.mtf_spread,
        noise_spread=measured.noise_spread,
    )
