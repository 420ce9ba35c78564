"""A detector: a screen on a sensor, modelled from its parts or taken from its measured MTF and NNPS."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from xsim.curves import RadialCurve, quadratic_grid
from xsim.detector.light_transport import Optics
from xsim.detector.measured import KERMA_RANGE_UGY, Measured
from xsim.detector.phosphors import phosphor
from xsim.detector.response import DetectorResponse
from xsim.detector.screen import Screen, ScreenSignal
from xsim.detector.sensor import Sensor
from xsim.errors import InputError, check_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from xsim.spectrum import Spectrum

__all__ = ["Detector", "DetectorResponse", "Measured", "Screen", "Sensor"]

# Table of the modelled curves: rows, where they end in units of the sampling frequency, and within what [lp/mm]:
# low enough to resolve the bend of thick screens, high enough to hold the MTF of thin ones.
_ROWS: Final = 96
_END: Final = 4.0
_END_RANGE_LP_MM: Final = (20.0, 120.0)


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
            Presampled MTF along a pixel axis, aperture included. A table from f = 0 is scaled to 1 there; one that
            starts higher is taken to be scaled already.
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
        return cls(screen, sensor, Measured.from_tables(mtf, nnps, kerma_uGy, signal_electrons))

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
        if unknown := set(tables) - {"screen", "sensor", "measured"}:
            raise InputError(f"detector: unknown table {min(unknown)}: give screen, sensor and measured")
        if "screen" not in tables:
            raise InputError("detector: the table screen is missing: give it")
        screen, sensor = dict(tables["screen"]), dict(tables.get("sensor", {}))
        optics, measured = dict(screen.pop("optics", {})), dict(tables.get("measured", {}))
        for table in (screen, optics, sensor, measured):
            _check_types(table)
        measured = {name: tuple(value) if isinstance(value, list) else value for name, value in measured.items()}
        try:
            return cls(
                Screen(optics=Optics(**optics), **screen),
                Sensor(**sensor),
                Measured(**measured) if measured else None,
            )
        except TypeError as error:
            # A dataclass names the key itself: "... got an unexpected keyword argument 'x'".
            raise InputError(f"detector: {str(error).split('() ')[-1]}: see xsim.Detector") from None


def _check_types(table: Mapping[str, Any]) -> None:
    """Refuse texts where numbers belong, and the other way round."""
    for name, value in table.items():
        text = name in {"phosphor", "irradiation"}
        if isinstance(value, bool) or isinstance(value, str) != text or isinstance(value, dict):
            raise InputError(f"detector: {name} is {value!r}: give a {'text' if text else 'number'}")


@lru_cache(maxsize=64)
def _response(detector: Detector, spectrum: Spectrum, kerma_uGy: float) -> DetectorResponse:
    sensor = detector.sensor
    lowest, highest = _END_RANGE_LP_MM
    frequency = quadratic_grid(min(max(_END / sensor.pitch_mm, lowest), highest), _ROWS)
    signal = detector.screen.expose(spectrum, frequency)
    electrons = _signal_electrons(detector, signal, kerma_uGy)
    if detector.measured is None:
        mtf, nnps = RadialCurve(frequency, signal.mtf), RadialCurve(frequency, signal.nnps_mm2(kerma_uGy))
    else:
        mtf, nnps = detector.measured.curves(sensor, kerma_uGy, electrons)
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
