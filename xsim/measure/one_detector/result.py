"""Two halves of a detector, its blur and its noise, and the one detector that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim.curves import quadratic_grid
from xsim.degradation.known import KnownDetector
from xsim.degradation.known_file import known_detector
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.detector.performance import basic_spatial_resolution_mm
from xsim.files.toml import write_toml
from xsim.grids import nyquist_lp_mm
from xsim.spectrum import Spectrum

__all__ = ["Blur", "Noise", "OneDetector", "join", "table_grid"]

_ROWS: Final = 96
"""Rows of the tables, as many as a modelled detector has."""

_WHITE_SHARE: Final = 0.5
"""Share of the least noise that the modelled sensor may explain; what is measured or told decides, not the model."""


@dataclass(frozen=True, eq=False)
class Blur:
    """The blur of a detector.

    Parameters
    ----------
    frequency_lp_mm, mtf : (n,) arrays
        Presampled MTF along a pixel axis, aperture included, from 0 to Nyquist.
    source : str
        What it comes from: "edges", "image", "data sheet", "flats", "model".
    spread : float
        Factor by which f50 may be off either way, at 95 %.
    warnings : tuple of str
        Caveats.
    """

    frequency_lp_mm: NDArray[np.float64]
    mtf: NDArray[np.float64]
    source: str
    spread: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Noise:
    """The noise of a detector.

    Parameters
    ----------
    frequency_lp_mm, nnps_mm2 : (n,) arrays
        Digital NNPS of one open-field frame [mm2], from 0 to Nyquist.
    source : str
        What it comes from: "flats", "image", "data sheet", "model".
    spread : float
        Factor by which the standard deviation of a pixel may be off either way, at 95 %.
    warnings : tuple of str
        Caveats.
    """

    frequency_lp_mm: NDArray[np.float64]
    nnps_mm2: NDArray[np.float64]
    source: str
    spread: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class OneDetector:
    """A detector and what is to be known of it.

    Parameters
    ----------
    detector : Detector
        Screen, sensor, and the tables with their sources and spreads.
    spectrum : Spectrum
        The beam.
    warnings : tuple of str
        Caveats.
    """

    detector: Detector
    spectrum: Spectrum
    warnings: tuple[str, ...]

    @cached_property
    def known(self) -> KnownDetector:
        """What a restorer needs of it, as `xsim.degradation.known_file.read_known` will read it."""
        return known_detector(self.detector, self.spectrum)

    @cached_property
    def srb_mm(self) -> float:
        """Basic spatial resolution [mm] (ISO 19232-5); NaN beyond 0.001 to 5 mm."""
        assert self.detector.measured is not None
        response = self.detector.response(self.spectrum, self.detector.measured.kerma_uGy)
        return basic_spatial_resolution_mm(response.otf)

    def to_dict(self) -> dict[str, Any]:
        """Return TOML types: the table ``lr``, a detector, and ``calibration``, for people."""
        about: dict[str, Any] = {"spectrum": self.spectrum.settings(), "warnings": list(self.warnings)}
        return {"lr": self.detector.to_dict(), "calibration": about}

    def write(self, path: Path) -> None:
        """Write the detector as a TOML file, which everything that reads detectors takes."""
        write_toml(path, self.to_dict())


def table_grid(sensor: Sensor) -> NDArray[np.float64]:
    """Return the frequencies of tables [lp/mm], 0 to Nyquist, close together where MTFs bend."""
    return quadratic_grid(nyquist_lp_mm(sensor.pitch_mm), _ROWS)


def join(
    blur: Blur,
    noise: Noise,
    *,
    screen: Screen,
    sensor: Sensor,
    kerma_uGy: float,
    spectrum: Spectrum,
    warnings: tuple[str, ...] = (),
) -> OneDetector:
    """Make one detector of its two halves.

    Parameters
    ----------
    blur, noise : Blur, Noise
        The halves.
    screen : Screen
        What the screen is, nominally; its energy response is used behind objects.
    sensor : Sensor
        Pixel pitch, fill factor, electronics.
    kerma_uGy : float
        Air kerma of one frame of that noise [uGy].
    spectrum : Spectrum
        The beam.
    warnings : tuple of str
        Caveats beside those of the halves.

    Raises
    ------
    InputError
        If a table is not usable.
    """
    # The tables are all that a frame has: no noise of a gain map comes on top of what was measured or told.
    sensor = replace(sensor, flat_frames=0)
    detector = Detector.from_measured(
        mtf=(blur.frequency_lp_mm, blur.mtf),
        nnps=(noise.frequency_lp_mm, noise.nnps_mm2),
        kerma_uGy=kerma_uGy,
        screen=screen,
        sensor=sensor,
        signal_electrons=_electrons(noise, screen, sensor, kerma_uGy, spectrum),
        mtf_source=blur.source,
        nnps_source=noise.source,
        mtf_spread=blur.spread,
        noise_spread=noise.spread,
    )
    texts = dict.fromkeys((*blur.warnings, *noise.warnings, *warnings))
    return OneDetector(detector, spectrum, tuple(texts))


def _electrons(noise: Noise, screen: Screen, sensor: Sensor, kerma_uGy: float, spectrum: Spectrum) -> float | None:
    """Return the mean signal [electrons] at which the sensor explains no more than the noise; None for the model's.

    The kerma may be nominal and the sensor unlike the modelled one: white noise of so few electrons that it exceeds
    the NNPS would otherwise raise it.
    """
    response = Detector(screen, sensor).response(spectrum, kerma_uGy)
    most = _WHITE_SHARE * float(np.min(noise.nnps_mm2))
    if response.shot_nnps_mm2 + response.read_nnps_mm2 <= most:
        return None
    # most = pitch^2 (n + v) / n^2, solved for n.
    per = sensor.pitch_mm**2 / max(most, 1e-30)
    return float(per / 2 + np.sqrt(per**2 / 4 + per * sensor.electronic_variance_e2))
