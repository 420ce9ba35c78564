"""What the check of a result says, as pages show it: from the record of a run, and here alone.

Reports of one radiograph, tables of many and the pages of `xsim view` all ask this one function, so what the check
learns to say has one place to be added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["Judgement", "Place", "judged"]

Level = Literal["fail", "open", "warn", "pass"]

_WORDS: Final[Mapping[Level, str]] = {
    "fail": "not consistent",
    "open": "not judged",
    "warn": "consistent, if",
    "pass": "consistent",
}
_RANK: Final[Mapping[Level, float]] = {"fail": 3e9, "open": 2e9, "warn": 1e9, "pass": 0.0}
"""No chi2 bridges the gaps: what fails stands before what cannot be judged, before what rests on a condition."""


@dataclass(frozen=True)
class Place:
    """Where a result contradicts its measurement.

    Parameters
    ----------
    y, x : int
        Its centre [px].
    band : str
        In words.
    chi2 : float
        Local chi2.
    share : float
        Share of the image that contradicts in this band.
    area_px : int, optional
        Area of this place [px]; None where no place stands out.
    """

    y: int
    x: int
    band: str
    chi2: float
    share: float
    area_px: int | None


@dataclass(frozen=True)
class Judgement:
    """What the check of a result says.

    Parameters
    ----------
    level : str
        "fail", "open" (what is only guessed forbids to judge), "warn" (good on a condition) or "pass".
    words : str
        The level in words.
    text : str
        The verdict, one line.
    condition : str
        What must hold for it to mean anything; empty where somebody has said whose image it is.
    doubts : tuple of str
        Why nothing can be judged.
    facts : tuple of (name, value)
        Figures of the whole image, as text.
    bands : tuple of (band, chi2)
        chi2 of the whole image in each band of frequencies.
    places : tuple of Place
        Where it fails.
    chi2 : float, optional
        The largest: of a place that fails, else of a band.
    severity : float
        To put the worst first.
    """

    level: Level
    words: str
    text: str
    condition: str
    doubts: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    bands: tuple[tuple[str, float], ...]
    places: tuple[Place, ...]
    chi2: float | None
    severity: float

    @property
    def worst(self) -> Place | None:
        """The place that contradicts most."""
        return max(self.places, key=lambda place: place.chi2, default=None)


def judged(found: Mapping[str, Any]) -> Judgement:
    """Return what a check says, from the JSON types of `Consistency.to_dict`.

    Records come from files, which may be of other versions or of other hands: what is missing or of another kind is
    left out, and nothing that fails is ever shown as good.

    Parameters
    ----------
    found : mapping
        ``consistency`` of a record.
    """
    in_lp_mm = found.get("band_lp_mm") is not None
    unit = "lp/mm" if in_lp_mm else "cycles/px"
    bands = _list(found.get("band_lp_mm") if in_lp_mm else found.get("band_cycles_px"))
    chi2 = [_number(value) for value in _list(found.get("chi2"))]
    places = tuple(_place(one, unit) for one in _list(found.get("suspects")) if isinstance(one, Mapping))
    condition = str(found.get("condition") or "")
    doubts = tuple(str(doubt) for doubt in _list(found.get("doubts")))
    noise = _number(found.get("noise_factor"))
    level = _level(found, condition)
    severity = _RANK[level] + min((_highest(places, chi2) or 0.0) + (noise if math.isfinite(noise) else 0.0), 9e8)
    return Judgement(
        level=level,
        words=_WORDS[level],
        text=str(found.get("verdict") or "the record holds no verdict"),
        condition=condition,
        doubts=doubts,
        facts=_facts(found),
        bands=tuple((_band(band, unit), value) for band, value in zip(bands, chi2, strict=False)),
        places=places,
        chi2=_highest(places, chi2),
        severity=severity,
    )


def _level(found: Mapping[str, Any], condition: str) -> Level:
    if found.get("judged", True) is not True:
        return "open"
    if found.get("consistent") is not True:
        return "fail"
    return "warn" if condition else "pass"


def _highest(places: Iterable[Place], bands: Iterable[float]) -> float | None:
    """Return the largest chi2: of a place that fails where there is one, as contrast of bands excuses more."""
    local = [place.chi2 for place in places if math.isfinite(place.chi2)]
    return max(local or [value for value in bands if math.isfinite(value)], default=None)


def _facts(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    keys = ("checked_share", "noise_factor", "grey_residual", "power_beyond")
    checked, noise, grey, beyond = (_number(found.get(key)) for key in keys)
    rows = (
        ("checked", f"{checked:.0%} of the image; the rest is not judged" if math.isfinite(checked) else ""),
        ("noise power, in units of what is expected", f"{noise:.2g}" if math.isfinite(noise) else "cannot be told"),
        ("grey that the check fits anew, rms of the open field", f"{grey:.2g}" if math.isfinite(grey) else ""),
        ("power where noise hides structure: experience", f"{beyond:.2%}" if math.isfinite(beyond) else ""),
    )
    return tuple(row for row in rows if row[1])


def _place(one: Mapping[str, Any], unit: str) -> Place:
    y, x, chi2, share, area = (_number(one.get(key)) for key in ("y", "x", "chi2", "share", "area_px"))
    return Place(
        int(y) if math.isfinite(y) else 0,
        int(x) if math.isfinite(x) else 0,
        _band(one.get("band_lp_mm"), unit),
        chi2,
        share,
        int(area) if math.isfinite(area) and area > 0 else None,
    )


def _band(band: Any, unit: str) -> str:
    ends = [_number(end) for end in _list(band)]
    return f"{ends[0]:g} to {ends[1]:.3g} {unit}" if len(ends) == 2 else "unknown"


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
