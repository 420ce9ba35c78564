"""A detector: a screen on a sensor, modelled from its parts or from its measured MTF and NNPS; and its TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from xsim import notebook
from xsim.curves import RadialCurve, checked_table, quadratic_grid
from xsim.detector.direct_hits import direct_hits
from xsim.detector.phosphors import phosphor
from xsim.detector.response import DetectorResponse
from xsim.detector.screen import Screen
from xsim.detector.sensor import Sensor
from xsim.errors import InputError, check_range
from xsim.files.documents import read_toml
from xsim.files.toml import write_toml
from xsim.grids import nyquist_lp_mm
from xsim.keywords import names_keywords
from xsim.spectrum import Spectrum, tungsten_spectrum

__all__ = [
    "KERMA_RANGE_UGY",
    "Detector",
    "DetectorResponse",
    "Measured",
    "Screen",
    "Sensor",
    "read_detectors",
    "write_detectors",
]

# From single photons in a pixel to far beyond saturation: a guard against wrong units, not a limit of the model.
KERMA_RANGE_UGY: Final = (1e-6, 1e9)

_SHOWN_UGY: Final = 42.56
"""Air kerma at which a notebook shows the noise of a detector [uGy]: one frame of the paper."""


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
    mtf_source, nnps_source : str
        What each table comes from, for people: "edges", "flats", "image", "data sheet", "model".
    mtf_spread, noise_spread : float or None
        Factor by which the frequency where the MTF is a half, and the standard deviation of a pixel, may be off either
        way, at 95 %; None where nobody has said it.

    Raises
    ------
    InputError
        If a table is not usable.
    PhysicsRangeError
        If the kerma or a spread is out of range.
    """

    mtf_frequency_lp_mm: tuple[float, ...]
    mtf: tuple[float, ...]
    nnps_frequency_lp_mm: tuple[float, ...]
    nnps_mm2: tuple[float, ...]
    kerma_uGy: float
    signal_electrons: float | None = None
    mtf_source: str = "measured"
    nnps_source: str = "measured"
    mtf_spread: float | None = None
    noise_spread: float | None = None

    def __post_init__(self) -> None:
        _, mtf = checked_table("measured MTF", self.mtf_frequency_lp_mm, self.mtf)
        if not mtf[0] > 0:
            raise InputError("measured MTF: starts at 0: give one that starts above, near 1")
        checked_table("measured NNPS", self.nnps_frequency_lp_mm, self.nnps_mm2)
        check_range("kerma of the measured NNPS", self.kerma_uGy, *KERMA_RANGE_UGY, "uGy")
        for what, spread in (("MTF", self.mtf_spread), ("noise", self.noise_spread)):
            if spread is not None:
                check_range(f"spread of the {what}", spread, 1.0, 10.0)

    def curves(self, sensor: Sensor, kerma_uGy: float, signal_electrons: float) -> tuple[RadialCurve, RadialCurve]:
        """Return screen MTF and quantum NNPS that give the measured curves back once pixel and electronics are added.

        Up to Nyquist only: beyond, the aperture's zero would amplify what is noise in a measured curve. The NNPS is
        that at an air kerma [uGy] where the open field has so much signal [electrons].
        """
        nyquist = nyquist_lp_mm(sensor.pitch_mm)
        frequency = quadratic_grid(nyquist, _ROWS)
        aperture = sensor.aperture_mtf(frequency)
        mtf = RadialCurve(self.mtf_frequency_lp_mm, self.mtf)(frequency)
        dose = self.kerma_uGy / kerma_uGy
        total = RadialCurve(self.nnps_frequency_lp_mm, self.nnps_mm2)(frequency) * dose
        electronic = float(sensor.electronic_variance_at(signal_electrons))
        white = (signal_electrons + electronic) * (sensor.pitch_mm / signal_electrons) ** 2
        # A small floor keeps the curve positive where electronics alone explain the measured noise.
        quantum = np.maximum(total - white, 1e-3 * total) / np.square(aperture)
        return RadialCurve(frequency, mtf / aperture), RadialCurve(frequency, quantum)


# Table of the modelled curves: rows, where they end in units of the sampling frequency, and within what [lp/mm]:
# low enough to resolve the bend of thick screens, high enough to hold the MTF of thin ones.
_ROWS: Final = 96
_END: Final = 4.0
_END_RANGE_LP_MM: Final = (20.0, 120.0)


_TEXTS: Final = frozenset({"phosphor", "irradiation", "mtf_source", "nnps_source", "fibre_plate_glass", "lag_before"})
"""Keys whose values are words."""
_TRUTHS: Final = frozenset({"compton_deposits"})
"""Keys whose values are true or false; all others are numbers."""
_LATER: Final = frozenset(
    {
        "active_silicon_mm",
        "fibre_plate_mm",
        "fibre_plate_glass",
        "binning",
        "high_gain_well_e",
        "high_gain_read_noise_e",
    }
    | {"structure_mm", "line_sd", "lag_before"}
)
"""Keys of the sensor that came after the first stores, written where they say something: stores keep their bytes."""


@names_keywords
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
        Measured curves that replace the modelled ones. They hold the direct hits that were measured with them: none
        are added; nor does the blur of oblique rays change them.

    Raises
    ------
    InputError
        If X rays would enter by the back, through a fibre-optic plate that absorbs them.
    """

    screen: Screen
    sensor: Sensor = field(default_factory=Sensor)
    measured: Measured | None = None

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what it is made of, and its MTF behind 2.5 mm of aluminium at 70 kV."""
        response = self.response(tungsten_spectrum(), _SHOWN_UGY)
        frequency = np.linspace(0.0, 0.5 / self.sensor.pitch_mm, 65)
        screen, sensor = self.screen, self.sensor
        lines = {
            "screen": f"{screen.phosphor}, {screen.mass_thickness_mg_cm2:g} mg/cm2, {screen.irradiation} irradiation",
            "pixels": f"{sensor.pitch_mm:g} mm, fill factor {sensor.fill_factor:g}, {sensor.adc_bits} bits",
            "curves": "of the model" if self.measured is None else "measured",
            "noise of the open field": f"{response.pixel_sigma:.4f} at {_SHOWN_UGY:g} uGy",
        }
        curves = {"MTF": (frequency, np.asarray(response.mtf(frequency)))}
        shown = notebook.chart(curves, "spatial frequency [lp/mm], 70 kV", "presampled MTF")
        return notebook.page("Detector", shown, notebook.table(lines))

    def __post_init__(self) -> None:
        if self.screen.irradiation == "back" and self.sensor.fibre_plate_mm > 0:
            raise InputError(
                f"a fibre-optic plate of {self.sensor.fibre_plate_mm:g} mm would absorb X rays that enter by the "
                "sensor: give fibre_plate_mm 0 or irradiation front"
            )

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
        mtf_source: str = "measured",
        nnps_source: str = "measured",
        mtf_spread: float | None = None,
        noise_spread: float | None = None,
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
        mtf_source, nnps_source, mtf_spread, noise_spread
            See `Measured`.

        Raises
        ------
        InputError
            If a table is not usable.
        """
        frequency, values = checked_table("measured MTF", *mtf)
        if frequency[0] > 0:
            frequency, values = np.append(0.0, frequency), np.append(1.0, values)
        elif values[0] > 0:
            values = values / values[0]
        nnps_frequency, nnps_mm2 = checked_table("measured NNPS", *nnps)
        measured = Measured(
            tuple(frequency.tolist()),
            tuple(values.tolist()),
            tuple(nnps_frequency.tolist()),
            tuple(nnps_mm2.tolist()),
            float(kerma_uGy),
            signal_electrons,
            mtf_source,
            nnps_source,
            mtf_spread,
            noise_spread,
        )
        return cls(screen, sensor, measured)

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
        tables: dict[str, Any] = _plain(asdict(self))
        if phosphor(self.screen.phosphor).optics.lateral_ratio == 1.0:
            tables["screen"]["optics"] = self.screen.optics.to_dict()
        usual = Sensor()
        for name in ("incidence_deg", "compton_deposits"):
            if not tables["screen"][name]:
                del tables["screen"][name]
        for name in _LATER:
            if getattr(self.sensor, name) == getattr(usual, name):
                del tables["sensor"][name]
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
            for name, value in table.items():
                kind = "a text" if name in _TEXTS else "true or false" if name in _TRUTHS else "a number"
                given = {str: "a text", bool: "true or false", dict: "a table"}.get(type(value), "a number")
                if given != kind:
                    raise InputError(f"detector: {name} is {value!r}: give {kind}")
        measured = {name: tuple(value) if isinstance(value, list) else value for name, value in measured.items()}
        try:
            return cls(
                _screen_of(screen, optics),
                Sensor(**sensor),
                Measured(**measured) if measured else None,
            )
        except TypeError as error:
            # A dataclass names the key itself: "... got an unexpected keyword argument 'x'".
            raise InputError(f"detector: {str(error).split('() ')[-1]}: see xsim.Detector") from None


def _screen_of(screen: dict[str, Any], optics: dict[str, Any]) -> Screen:
    """Return the screen of two tables; constants that are not given are those of the phosphor's usual layers."""
    layer = Screen(**screen)
    return replace(layer, optics=replace(layer.optics, **optics)) if optics else layer


def _plain(value: Any) -> Any:
    """Return nested tables without what is None, tuples as lists."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    return list(value) if isinstance(value, tuple) else value


@lru_cache(maxsize=64)
def _response(detector: Detector, spectrum: Spectrum, kerma_uGy: float) -> DetectorResponse:
    screen, sensor, measured = detector.screen, detector.sensor, detector.measured
    frequency = quadratic_grid(float(np.clip(_END / sensor.pitch_mm, *_END_RANGE_LP_MM)), _ROWS)
    signal = screen.expose(spectrum, frequency)
    if measured is not None and measured.signal_electrons is not None:
        electrons = measured.signal_electrons * kerma_uGy / measured.kerma_uGy
    else:
        photons_per_mm2 = signal.signal_keV_per_mm2_uGy * kerma_uGy * phosphor(screen.phosphor).photons_per_keV
        electrons = photons_per_mm2 * sensor.quantum_efficiency * sensor.aperture_mm**2
    hits = direct_hits(screen, sensor, spectrum, kerma_uGy) if measured is None else None
    oblique = signal.oblique if measured is None else None
    if measured is not None:
        mtf, nnps = measured.curves(sensor, kerma_uGy, electrons)
    elif hits is None:
        mtf, nnps = RadialCurve(frequency, signal.mtf), RadialCurve(frequency, signal.nnps_mm2(kerma_uGy))
    else:
        # Hits are not blurred by the screen, and the light is so much less of the signal.
        electrons, light = electrons + hits.signal_e, electrons / (electrons + hits.signal_e)
        mtf = RadialCurve(frequency, light * signal.mtf + (1.0 - light))
        nnps = RadialCurve(frequency, light**2 * signal.nnps_mm2(kerma_uGy))
        if oblique is not None:
            oblique = oblique.with_hits(1.0 - light, _way_of_hits_mm(screen, sensor))
            mtf = RadialCurve(frequency, oblique.mean())
    return DetectorResponse(
        spectrum=spectrum,
        sensor=sensor,
        screen=screen,
        kerma_uGy=kerma_uGy,
        signal_electrons=electrons,
        screen_mtf=mtf,
        quantum_nnps=nnps,
        alias_orders=0 if measured else 2,
        hits=hits,
        oblique=oblique,
    )


def _way_of_hits_mm(screen: Screen, sensor: Sensor) -> float:
    """Return how far along the tilt from where they enter oblique rays reach the silicon [mm]."""
    way_mm = screen.thickness_mm + sensor.fibre_plate_mm if screen.irradiation == "front" else 0.0
    return way_mm * float(np.tan(np.radians(screen.incidence_deg)))


def read_detectors(path: Path) -> dict[str, Detector]:
    """Return the detectors of a TOML file by name.

    Either the file itself is one detector (tables ``screen``, ``sensor``, ``measured``; it gets the file's name), or
    every table that holds a ``screen`` is one, e.g. ``[hr.screen]``; other tables are left alone.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it holds no usable detector.
    """
    tables = read_toml(path)
    parts = {path.stem: tables} if "screen" in tables else tables
    found = {name: table for name, table in parts.items() if isinstance(table, dict) and "screen" in table}
    if not found:
        raise InputError(f"{path}: holds no detector: give a table [screen], or several [NAME.screen]")
    detectors = {}
    for name, table in found.items():
        try:
            detectors[name] = Detector.from_dict(table)
        except InputError as error:
            raise InputError(f"{path}: {name}: {error}") from None
    return detectors


def write_detectors(path: Path, detectors: Mapping[str, Detector]) -> None:
    """Write detectors as a TOML file that `read_detectors` reads."""
    write_toml(path, {name: detector.to_dict() for name, detector in detectors.items()})
