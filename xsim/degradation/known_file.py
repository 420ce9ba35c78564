"""What a detector file says to a restorer: two detectors and what lies between them, or one alone.

Every file that the program writes of detectors is read here: that of a calibration, of the screen model, of one
measured detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xsim.degradation.degradation import Degradation
from xsim.degradation.known import KnownDetector
from xsim.detector.detector import Detector, read_detectors
from xsim.errors import InputError
from xsim.files.toml import read_toml
from xsim.spectrum import tungsten_spectrum

if TYPE_CHECKING:
    from xsim.spectrum import Spectrum

__all__ = ["MODEL_SPREAD", "KnownFile", "known_detector", "read_known"]

MODEL_SPREAD: Final = 1.2
"""How far f50 and noise of a detector may be off that is only modelled, at 95 %: products of one mass thickness differ
by 10 to 20 % in light spread and packing."""

_KERMA_UGY: Final = 42.56
"""Air kerma of a frame where a file says none [uGy]: the paper's."""

_HR_FRAMES: Final = 20
"""Frames averaged into the HR image where a file does not say it: as in the paper."""


@dataclass(frozen=True)
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
    """

    path: Path
    lr: KnownDetector
    detectors: tuple[Detector, ...]
    degradation: Degradation | None = None


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
    if len(detectors) == 2 and "degradation" not in tables:
        detectors = tuple(sorted(detectors, key=lambda one: -known_detector(one, beam).f50))
    lr = known_detector(detectors[-1], beam)
    if len(detectors) == 1:
        return KnownFile(path, lr, detectors)
    if "degradation" in tables:
        try:
            return KnownFile(path, lr, detectors, Degradation.from_dict(tables["degradation"]))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    hr, kermas = detectors[0], [_kerma(one) for one in detectors]
    between = Degradation.between(hr.response(beam, kermas[0]), detectors[1].response(beam, kermas[1]), _HR_FRAMES)
    return KnownFile(path, lr, detectors, between)


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
