"""The sharpness that a restored image is to have where there is one detector: a target, chosen and not measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.curves import checked_table, quadratic_grid
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.errors import InputError, MissingFileError, check_range
from xsim.files.plain import TABLE, read_plain
from xsim.spectrum import tungsten_spectrum

__all__ = ["Target", "falls_to", "of_csv", "of_screen", "of_text", "usual", "within_noise"]

_ROWS: Final = 128
_END: Final = 0.75
"""Tables go beyond the corner of the frequency square [cycles/px]."""

_KERMA_UGY: Final = 42.56
"""Air kerma of a response of which only the MTF is used, which does not depend on it [uGy]."""

_USUAL: Final = (28.0, 0.08)
"""Mass thickness [mg/cm2] and pitch [mm] of the usual target, at any pitch of the image: what counts is pixels."""

_STILL_SEEN: Final = 0.2
"""MTF of a target at the last frequency that noise allows: what is aimed at beyond is little, and stays so."""


_LEAST_GAIN: Final = 1.15
"""Sharpness of a target over the detector's, however much noise there is: with less nothing would be seen of it."""


@dataclass(frozen=True, eq=False)
class Target:
    """A presampled MTF to reach.

    Parameters
    ----------
    name : str
        What it is, for people.
    frequency : (n,) array
        [cycles/px], rising from 0.
    mtf : (n,) array
        Along a pixel axis, aperture included; 1 at 0.

    Raises
    ------
    InputError
        If the table is not usable, or does not start at 1.
    """

    name: str
    frequency: NDArray[np.float64]
    mtf: NDArray[np.float64]

    def __post_init__(self) -> None:
        frequency, mtf = checked_table(f"target {self.name}", self.frequency, self.mtf)
        if frequency[0] > 0:
            frequency, mtf = np.append(0.0, frequency), np.append(1.0, mtf)
        if not 0.9 < mtf[0] < 1.1 or mtf.max() > 1.1:
            raise InputError(f"target {self.name}: an MTF starts at 1 and stays below: is this one?")
        object.__setattr__(self, "frequency", frequency)
        object.__setattr__(self, "mtf", mtf)

    def mtf_at(self, frequency: ArrayLike) -> NDArray[np.float64]:
        """Return the MTF at frequencies [cycles/px]; beyond the table its end is held."""
        return np.interp(np.asarray(frequency, dtype=np.float64), self.frequency, self.mtf)

    @property
    def f50(self) -> float:
        """Where the MTF falls to a half [cycles/px]; the end of the table where it does not."""
        return falls_to(self.frequency, self.mtf, 0.5)

    def at_least(self, other: Target) -> Target:
        """Return the target with the other's MTF where that is higher."""
        return Target(self.name, self.frequency, np.maximum(self.mtf, np.minimum(other.mtf_at(self.frequency), 1.0)))

    def softened(self, factor: float, name: str) -> Target:
        """Return the target with its frequencies pressed together by a factor of 1 or less."""
        return Target(name, self.frequency, self.mtf_at(self.frequency / factor))


@lru_cache(maxsize=32)
def of_screen(mass_thickness_mg_cm2: float, pitch_mm: float) -> Target:
    """Return the target of a Gd2O2S screen on pixels of a pitch [mm], by the screen model."""
    detector = Detector(Screen(mass_thickness_mg_cm2), Sensor(pitch_mm=pitch_mm))
    response = detector.response(tungsten_spectrum(), _KERMA_UGY)
    frequency = quadratic_grid(_END, _ROWS)
    name = f"{mass_thickness_mg_cm2:g} mg/cm2 at {pitch_mm:g} mm"
    return Target(name, frequency, response.mtf(frequency / pitch_mm))


def usual() -> Target:
    """Return the target where nobody chose one: the sharpest screen, in pixels, that the weights learned as HR."""
    return of_screen(*_USUAL)


def of_text(text: str, pitch_mm: float | None) -> Target:
    """Return the target that a person wrote: ``auto``, a screen's mass thickness [mg/cm2], or a CSV file of an MTF.

    Parameters
    ----------
    text : str
        What was written.
    pitch_mm : float, optional
        Pixel pitch of the detector [mm], which screens and tables in lp/mm need.

    Raises
    ------
    MissingFileError, InputError
        See `of_csv`.
    PhysicsRangeError
        If there is no such screen.
    """
    if text == "auto":
        return usual()
    try:
        mass_thickness_mg_cm2 = float(text)
    except ValueError:
        return of_csv(Path(text), pitch_mm)
    if pitch_mm is None:
        raise InputError(f"target {text} mg/cm2: the pixel pitch is not known: give --pitch-mm")
    return of_screen(mass_thickness_mg_cm2, pitch_mm)


def of_csv(path: Path, pitch_mm: float | None) -> Target:
    """Return the target of a CSV file: two columns, frequency and MTF, with or without a line of names.

    A first column named ``frequency_cycles_px`` counts in pixels; else it is in lp/mm and the pitch must be known.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is no such table, or its lengths need a pitch that is not known.
    """
    try:
        text = read_plain(path, TABLE).decode("utf-8-sig", errors="replace")
    except MissingFileError:
        raise MissingFileError(f"{path}: no such file: give mg/cm2, auto, or a CSV file of an MTF") from None
    lines = [line for line in text.splitlines() if line.strip()]
    named = bool(lines) and not _numbers(lines[0])
    rows = [_numbers(line) for line in lines[named:]]
    if len(rows) < 2 or any(len(row) < 2 for row in rows):
        raise InputError(f"{path}: is no table of an MTF: give two columns of numbers, frequency and MTF")
    in_pixels = named and "cycles_px" in lines[0]
    if not in_pixels and pitch_mm is None:
        raise InputError(f"{path}: is in lp/mm, and the pixel pitch is not known: give --pitch-mm")
    frequency, mtf = (np.array([row[column] for row in rows]) for column in (0, 1))
    return Target(path.name, frequency if in_pixels else frequency * float(pitch_mm or 1.0), mtf)


def falls_to(frequency: NDArray[np.float64], mtf: NDArray[np.float64], level: float) -> float:
    """Return where a curve (n,) first falls to a level; the last frequency where it does not."""
    below = np.flatnonzero(mtf < level)
    if not len(below):
        return float(frequency[-1])
    k = max(int(below[0]), 1)
    share = (mtf[k - 1] - level) / max(mtf[k - 1] - mtf[k], 1e-12)
    return float(frequency[k - 1] + share * (frequency[k] - frequency[k - 1]))


def _numbers(line: str) -> list[float]:
    try:
        return [float(part) for part in line.replace(";", ",").replace("\t", ",").split(",") if part.strip()]
    except ValueError:
        return []


def within_noise(target: Target, last: float, own: Target) -> Target:
    """Return the target, softened so far that it asks for little beyond the last frequency that noise allows.

    It stays sharper than the detector itself; a detector that is the sharper one keeps what it has.

    Parameters
    ----------
    target : Target
        The sharpest that may be asked for.
    last : float
        Highest frequency at which structure is expected to exceed noise [cycles/px].
    own : Target
        The detector's own MTF.
    """
    check_range("last frequency", last, 0.0, 10.0, "cycles/px")
    reach = falls_to(target.frequency, target.mtf, _STILL_SEEN)
    factor = max(last / reach, _LEAST_GAIN * own.f50 / target.f50)
    if factor < 1:
        target = target.softened(factor, f"{target.name}, softened to what noise allows")
    return target.at_least(own)
