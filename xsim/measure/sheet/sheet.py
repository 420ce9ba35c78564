"""A detector's data sheet: what was measured and nothing else, in the manner of ASTM E2597, and its TOML file.

The parts are those of E2597/E2597M. What the public says of its definitions is followed (see each part's module); the
standard itself asks for beams, gauges and geometry that no program can check, so that a sheet is in its manner and no
certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xsim.errors import InputError
from xsim.files.documents import read_toml
from xsim.files.toml import write_toml
from xsim.measure.resolution import DuplexWire
from xsim.measure.sheet.bad_pixels import BadPixels
from xsim.measure.sheet.dose import DoseSNR, Efficiency
from xsim.measure.sheet.lag import Lag
from xsim.measure.sheet.scatter import InternalScatter
from xsim.measure.sheet.wedge import StepWedge

__all__ = ["FIGURES", "MANNER", "Sheet", "read_figures", "write_sheet"]

MANNER = "in the manner of ASTM E2597/E2597M"
"""What every sheet says of itself."""

FIGURES: dict[str, tuple[str, str]] = {
    "isrb_mm": ("interpolated basic spatial resolution iSRb", "mm"),
    "dsnr_1mGy": ("SNR at 1 mGy", ""),
    "dsnrn_1mGy": ("normalised SNR dSNRn at 1 mGy", ""),
    "signal_per_uGy": ("grey value per uGy", ""),
    "csa_percent": ("achievable contrast sensitivity", "%"),
    "smtr_2_percent_mm": ("thickest material at 2 % sensitivity", "mm"),
    "smtr_1_percent_mm": ("thickest material at 1 % sensitivity", "mm"),
    "lag_percent": ("image lag of the first frame", "%"),
    "isr_percent": ("internal scatter", "%"),
    "offset": ("grey value without radiation", ""),
    "dark_noise": ("noise without radiation", ""),
    "bad_pixels": ("bad pixels", ""),
    "relevant_clusters": ("clusters that cannot be mended", ""),
}
"""The figures that a sheet may hold: name -> what it is, and its unit."""


@dataclass(frozen=True)
class Sheet:
    """What was measured of a detector; a part that was not is None or empty.

    Parameters
    ----------
    pitch_mm : float
        Pixel pitch [mm].
    gauges : tuple of DuplexWire
        Duplex wire gauges, one for each image; the worst counts.
    srb_given_mm : float, optional
        A resolution that was told instead.
    doses : tuple of DoseSNR
        Flats at rising doses.
    efficiency : Efficiency, optional
        What follows from them.
    wedge, lag, scatter, bad : optional
        Step wedge, lag, internal scatter and bad pixels.
    offset, dark_noise : float, optional
        Mean and noise of frames without radiation [grey levels].
    """

    pitch_mm: float
    gauges: tuple[DuplexWire, ...] = ()
    srb_given_mm: float | None = None
    doses: tuple[DoseSNR, ...] = ()
    efficiency: Efficiency | None = None
    wedge: StepWedge | None = None
    lag: Lag | None = None
    scatter: InternalScatter | None = None
    bad: BadPixels | None = None
    offset: float | None = None
    dark_noise: float | None = None

    @property
    def isrb_mm(self) -> float | None:
        """Return the largest interpolated SRb of the gauges [mm]; None where one of them gave none."""
        found = [gauge.isrb_mm for gauge in self.gauges]
        return max(found) if found and np.isfinite(found).all() else None

    @property
    def srb_mm(self) -> float | None:
        """Return the largest SRb of the gauges [mm]: the first wire that is not resolved."""
        found = [gauge.srb_mm for gauge in self.gauges]
        return max(found) if found and np.isfinite(found).all() else None

    @property
    def resolution_mm(self) -> float | None:
        """Return the resolution that SNR is normalised to [mm]: that of the gauges, or the one that was told."""
        return self.srb_given_mm if self.srb_given_mm is not None else self.isrb_mm

    def figures(self) -> dict[str, float]:
        """Return the figures that there are, by their names in `FIGURES`."""
        found: dict[str, float | None] = {"isrb_mm": self.isrb_mm, "offset": self.offset, "dark_noise": self.dark_noise}
        if self.efficiency is not None:
            found |= {"dsnr_1mGy": self.efficiency.dsnr_1mGy, "dsnrn_1mGy": self.efficiency.dsnrn_1mGy}
        if self.doses and np.isfinite([one.mean for one in self.doses]).all():
            found["signal_per_uGy"] = float(np.median([one.mean / one.kerma_uGy for one in self.doses]))
        if self.wedge is not None:
            found["csa_percent"] = self.wedge.csa_percent
            found |= {f"smtr_{name}_percent_mm": ends[1] for name, ends in self.wedge.range_mm.items()}
        if self.lag is not None:
            found["lag_percent"] = self.lag.first_percent
        if self.scatter is not None:
            found["isr_percent"] = self.scatter.percent
        if self.bad is not None:
            found["bad_pixels"] = float(self.bad.count)
            found["relevant_clusters"] = float(sum(one.relevant for one in self.bad.clusters))
        return {name: value for name in FIGURES if (value := found.get(name)) is not None}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the caveats of all parts, each once."""
        parts = (*self.gauges, *self.doses, self.efficiency, self.wedge, self.lag, self.scatter, self.bad)
        texts = [text for part in parts if part is not None for text in part.warnings]
        if self.gauges and self.isrb_mm is None:
            texts.append("no interpolated SRb: two pairs above a dip of 20 % and one below are needed")
        return tuple(dict.fromkeys(texts))

    def document(self) -> dict[str, Any]:
        """Return the sheet as nested tables of numbers, texts and lists; what was not measured is not in it."""
        tables: dict[str, Any] = {"manner": MANNER, "pitch_mm": self.pitch_mm, "figures": self.figures()}
        if self.gauges:
            tables["resolution"] = {"srb_mm": self.srb_mm, "isrb_mm": self.isrb_mm, "gauges": [
                {"srb_mm": one.srb_mm, "isrb_mm": one.isrb_mm, "diameter_mm": one.diameter_mm, "dip": one.dip}
                for one in self.gauges
            ]}  # fmt: skip
        if self.srb_given_mm is not None:
            tables["srb_given_mm"] = self.srb_given_mm
        if self.efficiency is not None:
            law = self.efficiency
            tables["snr"] = {
                "kerma_uGy": [one.kerma_uGy for one in self.doses],
                "mean": [one.mean for one in self.doses],
                "dsnr": [one.dsnr for one in self.doses],
                "frames": [one.frames for one in self.doses],
                "dsnrn": law.dsnrn, "dsnr_1mGy": law.dsnr_1mGy, "dsnrn_1mGy": law.dsnrn_1mGy,
                "read_noise_share": law.read_noise_share, "departure": law.departure,
                "extrapolated": law.extrapolated,
            }  # fmt: skip
        if self.wedge is not None:
            names = ("thickness_mm", "level", "snr", "cnr", "csa_percent")
            tables["wedge"] = {name: getattr(self.wedge, name) for name in names} | {
                "contrast_sensitivity_percent": self.wedge.contrast_sensitivity,
                "smtr_mm": {f"sensitivity_{name}_percent": ends for name, ends in self.wedge.range_mm.items()},
            }
        if self.lag is not None:
            tables["lag"] = {"percent": self.lag.percent, "exposed": self.lag.exposed}
        if self.scatter is not None:
            tables["internal_scatter"] = {"percent": self.scatter.percent, "distance_mm": self.scatter.distance_mm}
        if self.bad is not None:
            tables["bad_pixels"] = _bad_document(self.bad)
        if self.offset is not None:
            tables["dark"] = {"offset": self.offset, "noise": self.dark_noise}
        return tables


def _bad_document(bad: BadPixels) -> dict[str, Any]:
    clusters = bad.clusters
    return {
        "count": bad.count, "share": bad.share, "kinds": bad.kinds, "singles": bad.singles,
        "clusters": sum(not one.line for one in clusters),
        "relevant_clusters": sum(one.relevant for one in clusters),
        "lines": sum(one.line for one in clusters),
        "largest": [{"name": one.name, "x": one.x, "y": one.y} for one in clusters[:20]],
    }  # fmt: skip


def write_sheet(
    path: Path,
    document: Mapping[str, Any],
    *,
    shots: Mapping[str, Any] | None = None,
    limits: Mapping[str, float] | None = None,
) -> None:
    """Write a sheet's document (`Sheet.document`) as a TOML file, with tables of its shots and limits beside it.

    What has no value (None, NaN) is left out.
    """
    write_toml(path, _told({**document, "shots": shots, "limits": limits}))


def _told(value: Any) -> Any:
    """Return nested tables without what has no value; lists keep their length, with NaN for what is missing."""
    if isinstance(value, Mapping):
        kept = {str(key): _told(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [float("nan") if (told := _told(item)) is None else told for item in value]
    if hasattr(value, "tolist"):
        return _told(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def read_figures(path: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the figures of a sheet's file, by their names in `FIGURES`, and all of its tables.

    Raises
    ------
    InputError
        If it is no sheet, or a figure is no number or unknown.
    """
    tables = read_toml(path)
    figures = tables.get("figures")
    if not isinstance(figures, dict) or not figures:
        raise InputError(f"{path}: is no data sheet: it has no table [figures]: write one with xsim measure e2597 -o")
    for name, value in figures.items():
        if name not in FIGURES:
            raise InputError(f"{path}: figure '{name}' is unknown: give some of {', '.join(FIGURES)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
            raise InputError(f"{path}: figure '{name}' = {value} is no number: give one")
    return {name: float(value) for name, value in figures.items()}, tables
