"""What ``xsim detectors show`` shows of a file: curves with their bands on one axis, as JSON, table and lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim.degradation import target
from xsim.degradation.bands import Band, Between, between_bands, mtf_band, nnps_band
from xsim.degradation.known import KnownDetector
from xsim.degradation.known_file import KnownFile, read_known

__all__ = ["Shown", "Side", "shown"]

_POINTS: Final = 101
"""Frequencies from 0 to Nyquist."""

_CELL: Final = 25
"""Width of the column of B_1, band and all."""

_LINES: Final = 10
"""Steps that people see of them; --json and --csv have all."""


@dataclass(frozen=True, eq=False)
class Side:
    """One detector: its name in the table, what is known, MTF and NNPS [mm2] with bands."""

    name: str
    known: KnownDetector
    screen: str
    mtf: Band
    nnps_mm2: Band

    def to_dict(self, frequency_lp_mm: NDArray[np.float64]) -> dict[str, Any]:
        """Return JSON types."""
        known, per = self.known, self.known.table_pitch_mm
        return {
            "name": self.name,
            "source": known.source,
            "screen": self.screen,
            "pitch_mm": known.pitch_mm,
            "f50_lp_mm": known.f50 / per,
            "f50_low_lp_mm": None if known.blur_spread is None else known.f50 / known.blur_spread / per,
            "f50_high_lp_mm": None if known.blur_spread is None else known.f50 * known.blur_spread / per,
            "noise_open_field": known.noise_rms,
            "noise_low": None if known.noise_spread is None else known.noise_rms / known.noise_spread,
            "noise_high": None if known.noise_spread is None else known.noise_rms * known.noise_spread,
            "frequency_lp_mm": frequency_lp_mm,
            **_columns("mtf", "", self.mtf),
            **_columns("nnps", "_mm2", self.nnps_mm2),
        }


@dataclass(frozen=True, eq=False)
class Shown:
    """A detector file as it is shown.

    Parameters
    ----------
    path : Path
        The file.
    frequency_lp_mm : (n,) array
        0 to Nyquist [lp/mm].
    sides : tuple of Side
        HR and LR, or LR alone.
    between : Between
        B_1 and Sigma_1.
    """

    path: Path
    frequency_lp_mm: NDArray[np.float64]
    sides: tuple[Side, ...]
    between: Between

    @property
    def upper(self) -> str:
        """What stands in HR's place, for people."""
        return "HR" if self.between.target is None else f"the target, {self.between.target}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        link = self.between.degradation.link
        return {
            "path": self.path,
            "detectors": [side.to_dict(self.frequency_lp_mm) for side in self.sides],
            "between": {
                "target": self.between.target,
                "link": link.source,
                "frequency_lp_mm": self.frequency_lp_mm,
                **_columns("B_1", "", self.between.B_1),
                **_columns("Sigma_1", "_mm2", self.between.Sigma_1_mm2),
            },
        }

    def table(self) -> dict[str, Any]:
        """Return the columns of all curves; those of a band that is not known are empty."""
        columns: dict[str, Any] = {"frequency_lp_mm": self.frequency_lp_mm}
        for side in self.sides:
            columns |= _columns(f"mtf_{side.name}", "", side.mtf) | _columns(f"nnps_{side.name}", "_mm2", side.nnps_mm2)
        columns |= _columns("B_1", "", self.between.B_1) | _columns("Sigma_1", "_mm2", self.between.Sigma_1_mm2)
        return {name: [None] * _POINTS if column is None else column for name, column in columns.items()}

    def lines(self) -> Iterator[str]:
        """Yield what people read."""
        for side in self.sides:
            known, per = side.known, side.known.table_pitch_mm
            yield (
                f"{side.name.upper()}: {side.screen}, {known.source}, {per:g} mm pixels; MTF 50 % at "
                f"{_spread(known.f50 / per, known.blur_spread)} lp/mm, noise "
                f"{_spread(100 * known.noise_rms, known.noise_spread)} % of the open field"
            )
        yield f"B_1 and Sigma_1 from {self.upper} to LR, at 95 %:"
        names = "".join(f"   MTF {side.name.upper()}" for side in self.sides)
        yield f"  lp/mm{names}   {'B_1':{_CELL}}Sigma_1 [mm2]"
        for k in range(0, _POINTS, (_POINTS - 1) // _LINES):
            mtf = "".join(f"    {side.mtf.value[k]:5.3f}" for side in self.sides)
            B_1, Sigma_1 = _cell(self.between.B_1, k, ".3f"), _cell(self.between.Sigma_1_mm2, k, ".2e")
            yield f"  {self.frequency_lp_mm[k]:5.2f}{mtf}   {B_1:{_CELL}}{Sigma_1}"


def shown(path: Path, wanted: str | None = None) -> Shown:
    """Return what is shown of a detector file.

    Parameters
    ----------
    path : Path
        The file.
    wanted : str, optional
        The target, see `xsim.degradation.target.of_text`; the usual one for a single detector if not given.

    Raises
    ------
    XsimError
        If the file holds no usable detectors, or the target is none.
    """
    file = read_known(path)
    aim = None
    if wanted is not None or file.degradation is None:
        aim = target.usual() if wanted is None else target.of_text(wanted, file.lr.pitch_mm)
    frequency = np.linspace(0.0, 0.5, _POINTS)
    return Shown(
        path, frequency / file.lr.table_pitch_mm, tuple(_sides(file, frequency)), between_bands(file, frequency, aim)
    )


def _sides(file: KnownFile, frequency: NDArray[np.float64]) -> Iterator[Side]:
    known = [file.lr] if file.hr is None else [file.hr, file.lr]
    for one, detector, name in zip(known, file.detectors, ("hr", "lr")[-len(known) :], strict=True):
        screen = f"{detector.screen.mass_thickness_mg_cm2:g} mg/cm2 {detector.screen.phosphor}"
        yield Side(name, one, screen, mtf_band(one, frequency), nnps_band(one, frequency))


def _columns(name: str, unit: str, band: Band) -> dict[str, NDArray[np.float64] | None]:
    return {f"{name}{unit}": band.value, f"{name}_low{unit}": band.low, f"{name}_high{unit}": band.high}


def _spread(value: float, factor: float | None) -> str:
    return f"{value:.3g}" if factor is None else f"{value:.3g} ({value / factor:.3g} to {value * factor:.3g})"


def _cell(band: Band, k: int, style: str) -> str:
    value = format(band.value[k], style)
    if band.low is None or band.high is None:
        return value
    return f"{value} ({band.low[k]:{style}} to {band.high[k]:{style}})"
