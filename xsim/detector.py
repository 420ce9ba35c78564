"""A detector: a screen on a sensor, modelled from its parts or taken from its measured MTF and NNPS."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xsim.curves import RadialCurve, checked_table, quadratic_grid
from xsim.errors import InputError, check_range
from xsim.grids import nyquist_lp_mm
from xsim.light_transport import Optics
from xsim.phosphors import phosphor
from xsim.response import DetectorResponse
from xsim.screen import Screen, ScreenSignal
from xsim.sensor import Sensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from xsim.spectrum import Spectrum

__all__ = ["Detector", "DetectorResponse", "Measured", "Screen", "Sensor"]

KERMA_RANGE_UGY: Final = (1e-6, 1e9)
# Table of the modelled curves: rows, and where they end in units of the sampling frequency.
_ROWS: Final = 96
_END: Final = 4.0


@dataclass(frozen=True)
class Measured:
    """Measured curves of a detector.

    Parameters
    ----------
    mtf_frequency_lp_mm, mtf : tuples of float
        Presampled MTF, aperture included.
    nnps_frequency_lp_mm, nnps_mm2 : tuples of float
        Digital NNPS of one open-field frame.
    kerma_uGy : float
        Air kerma at which the NNPS was measured [uGy].
    signal_electrons : float or None
        Mean open-field signal then [electrons], if known.
    """

    mtf_frequency_lp_mm: tuple[float, ...]
    mtf: tuple[float, ...]
    nnps_frequency_lp_mm: tuple[float, ...]
    nnps_mm2: tuple[float, ...]
    kerma_uGy: float
    signal_electrons: float | None = None

    def __post_init__(self) -> None:
        checked_table("measured MTF", self.mtf_frequency_lp_mm, self.mtf)
        checked_table("measured NNPS", self.nnps_frequency_lp_mm, self.nnps_mm2)
        check_range("kerma of the measured NNPS", self.kerma_uGy, *KERMA_RANGE_UGY, "uGy")


@dataclass(frozen=True)
class Detector:
    """A screen on a sensor.

    Parameters
    ----------
    screen : Screen
        The screen. Beside measured curves it only gives the energy response.
    sensor : Sensor
        The sensor.
    measured : Measured, optional
        Measured curves that replace the modelled ones.
    """

    screen: Screen
    sensor: Sensor = field(default_factory=Sensor)
    measured: Measured | None = None

    @classmethod
    def from_measured(
        cls,
        *,
        mtf: tuple[ArrayLike, ArrayLike],
        nnps: tuple[ArrayLike, ArrayLike],
        kerma_uGy: float,
        screen: Screen,
        sensor: Sensor,
        signal_electrons: float | None = None,
    ) -> Detector:
        """Return a detector whose blur and noise are measured tables.

        Parameters
        ----------
        mtf : (frequency_lp_mm, mtf)
            Presampled MTF along a pixel axis, aperture included; 1 at f = 0 (it is scaled so if it is not).
        nnps : (frequency_lp_mm, nnps_mm2)
            Digital NNPS [mm2] of single corrected frames.
        kerma_uGy : float
            Air kerma of the frames of the NNPS [uGy].
        screen : Screen
            What the screen is, nominally; its energy response is used behind objects.
        sensor : Sensor
            Pitch, fill factor and electronic noise.
        signal_electrons : float, optional
            Mean signal of those frames [electrons]; from the screen's light yield if not given.

        Raises
        ------
        InputError
            If a table is not usable.
        """
        mtf_table, nnps_table = checked_table("measured MTF", *mtf), checked_table("measured NNPS", *nnps)
        curves = Measured(
            tuple(mtf_table[0].tolist()),
            tuple((mtf_table[1] / mtf_table[1][0]).tolist()),
            tuple(nnps_table[0].tolist()),
            tuple(nnps_table[1].tolist()),
            float(kerma_uGy),
            signal_electrons,
        )
        return cls(screen, sensor, curves)

    def response(self, spectrum: Spectrum, kerma_uGy: float) -> DetectorResponse:
        """Return what the detector answers to a beam at an air kerma per frame [uGy]; computed once and kept.

        Raises
        ------
        PhysicsRangeError
            If the kerma is out of range.
        """
        check_range("air kerma", kerma_uGy, *KERMA_RANGE_UGY, "uGy")
        return _response(self, spectrum, float(kerma_uGy))

    def to_dict(self) -> dict[str, Any]:
        """Return the detector as JSON and TOML types; `from_dict` turns them back."""
        tables = asdict(self)
        tables["screen"] = {name: value for name, value in tables["screen"].items() if value is not None}
        if self.measured is None:
            del tables["measured"]
        else:
            tables["measured"] = {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in tables["measured"].items()
                if value is not None
            }
        return tables

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> Detector:
        """Return the detector that `to_dict` described.

        Raises
        ------
        InputError
            If a table or a key is unknown or missing.
        PhysicsRangeError
            If a value is out of range.
        """
        parts = {name: dict(value) for name, value in tables.items()}
        if unknown := set(parts) - {"screen", "sensor", "measured"}:
            raise InputError(f"detector: unknown table {sorted(unknown)[0]}: give screen, sensor and measured")
        try:
            screen = parts["screen"]
            optics = Optics(**screen.pop("optics", {}))
            measured: dict[str, Any] = parts.get("measured", {})
            measured = {name: tuple(value) if isinstance(value, list) else value for name, value in measured.items()}
            return cls(
                Screen(optics=optics, **screen),
                Sensor(**parts.get("sensor", {})),
                Measured(**measured) if measured else None,
            )
        except KeyError as error:
            raise InputError(f"detector: the table {error} is missing: give it") from None
        except TypeError as error:
            # A dataclass names the key itself: "... got an unexpected keyword argument 'x'".
            raise InputError(f"detector: {str(error).split('() ')[-1]}: see xsim.Detector") from None


@lru_cache(maxsize=64)
def _response(detector: Detector, spectrum: Spectrum, kerma_uGy: float) -> DetectorResponse:
    sensor = detector.sensor
    frequency = quadratic_grid(_END / sensor.pitch_mm, _ROWS)
    signal = detector.screen.expose(spectrum, frequency)
    electrons = _signal_electrons(detector, signal, kerma_uGy)
    if detector.measured is None:
        mtf, nnps = RadialCurve(frequency, signal.mtf), RadialCurve(frequency, signal.nnps_mm2(kerma_uGy))
    else:
        mtf, nnps = _measured_curves(detector.measured, sensor, kerma_uGy, electrons)
    return DetectorResponse(
        spectrum=spectrum,
        sensor=sensor,
        screen=detector.screen,
        kerma_uGy=kerma_uGy,
        signal_electrons=electrons,
        screen_mtf=mtf,
        quantum_nnps=nnps,
        alias_orders=0 if detector.measured else 2,
    )


def _signal_electrons(detector: Detector, signal: ScreenSignal, kerma_uGy: float) -> float:
    """Return the open-field signal [electrons]: measured if it was, else light * quantum efficiency * photodiode."""
    measured, sensor = detector.measured, detector.sensor
    if measured is not None and measured.signal_electrons is not None:
        return measured.signal_electrons * kerma_uGy / measured.kerma_uGy
    photons_per_mm2 = signal.signal_keV_per_mm2_uGy * kerma_uGy * phosphor(detector.screen.phosphor).photons_per_keV
    return photons_per_mm2 * sensor.quantum_efficiency * sensor.aperture_mm**2


def _measured_curves(
    measured: Measured, sensor: Sensor, kerma_uGy: float, electrons: float
) -> tuple[RadialCurve, RadialCurve]:
    """Return screen MTF and quantum NNPS that give back the measured curves once pixel and electronics are added.

    Up to Nyquist only: beyond, the aperture's zero would amplify what is noise in a measured curve.
    """
    nyquist = nyquist_lp_mm(sensor.pitch_mm)
    frequency = quadratic_grid(nyquist, _ROWS)
    aperture = np.sinc(sensor.aperture_mm * frequency)
    mtf = RadialCurve(measured.mtf_frequency_lp_mm, measured.mtf)(frequency)
    dose = measured.kerma_uGy / kerma_uGy
    total = RadialCurve(measured.nnps_frequency_lp_mm, measured.nnps_mm2)(frequency) * dose
    white = (electrons + sensor.electronic_variance_e2) * (sensor.pitch_mm / electrons) ** 2
    # A small floor keeps the curve positive where electronics alone explain the measured noise.
    quantum = np.maximum(total - white, 1e-3 * total) / np.square(aperture)
    return RadialCurve(frequency, mtf / aperture), RadialCurve(frequency, quantum)
