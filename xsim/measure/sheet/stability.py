"""Periodic checks of a detector against its baseline, with limits and a log that grows, in the manner of ASTM E2737.

The standard leaves the limits to the user and who orders the inspection; those here are this program's, are written
into the baseline's file, and are meant to be changed there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.stats import linregress

from xsim.errors import InputError
from xsim.files.plain import JOURNAL, read_plain
from xsim.files.whole import locked, write_whole
from xsim.measure.sheet.sheet import FIGURES

__all__ = ["LIMITS", "Check", "Trend", "append_check", "checked_limits", "compare", "read_log", "trends"]

Way = Literal["up", "down", "both"]
"""Which way a figure gets worse."""

LIMITS: dict[str, tuple[float, Way]] = {
    "isrb_mm": (10.0, "up"),
    "dsnr_1mGy": (10.0, "down"),
    "dsnrn_1mGy": (10.0, "down"),
    "signal_per_uGy": (10.0, "both"),
    "csa_percent": (20.0, "up"),
    "smtr_2_percent_mm": (10.0, "down"),
    "smtr_1_percent_mm": (10.0, "down"),
    "lag_percent": (50.0, "up"),
    "isr_percent": (50.0, "up"),
    "offset": (10.0, "both"),
    "dark_noise": (20.0, "up"),
    "bad_pixels": (50.0, "up"),
    "relevant_clusters": (0.0, "up"),
}
"""Usual limits: by how much [%] of the baseline a figure may change, and which way it gets worse."""

# A trend is one if chance makes it less often than this, and from so many checks on. A dozen figures are looked at in
# every check: at one in twenty there would be a false one every other time.
_CHANCE, _CHECKS = 0.01, 5
# What the first line of a log stands on.
_START = "0" * 64


@dataclass(frozen=True)
class Check:
    """One figure of a check against the baseline.

    Parameters
    ----------
    name : str
        Of `FIGURES`.
    baseline, value : float or None
        What it was and is; None where it was not measured now.
    change_percent : float or None
        Change in % of the baseline; of a baseline of 0 there is none.
    limit_percent : float
        By how much it may change for the worse.
    within : bool or None
        Whether it lies within its limit; None where it was not measured.
    """

    name: str
    baseline: float
    value: float | None
    change_percent: float | None
    limit_percent: float
    within: bool | None


def compare(
    baseline: Mapping[str, float], now: Mapping[str, float], limits: Mapping[str, float] | None = None
) -> tuple[Check, ...]:
    """Compare figures with those of a baseline.

    Parameters
    ----------
    baseline, now : mapping of name to float
        Figures, by their names in `FIGURES`.
    limits : mapping of name to float, optional
        Limits [%] that differ from `LIMITS`.

    Raises
    ------
    InputError
        If a limit is of no figure or negative, or nothing that the baseline holds was measured.
    """
    allowed = {name: limit for name, (limit, _) in LIMITS.items()} | checked_limits(limits or {})
    checks = tuple(_check(name, value, now.get(name), allowed[name]) for name, value in baseline.items())
    if all(one.value is None for one in checks):
        raise InputError(f"nothing of the baseline was measured: give shots for {', '.join(baseline)}")
    return checks


def checked_limits(limits: Mapping[str, Any]) -> dict[str, float]:
    """Return limits [%] as numbers.

    Raises
    ------
    InputError
        If one is of no figure, no number or negative.
    """
    for name, limit in limits.items():
        if name not in FIGURES:
            raise InputError(f"limit of '{name}': there is no such figure: give some of {', '.join(FIGURES)}")
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit >= 0:
            raise InputError(f"limit of {name} = {limit}: give a percentage of 0 or above")
    return {name: float(limit) for name, limit in limits.items()}


def _check(name: str, before: float, value: float | None, limit: float) -> Check:
    if value is None:
        return Check(name, before, None, None, limit, None)
    way = LIMITS[name][1]
    worse = {"up": value - before, "down": before - value, "both": abs(value - before)}[way]
    # Rounding must not put a figure that stands at its limit beyond it.
    within = worse <= limit / 100.0 * abs(before) * (1.0 + 1e-9) + 1e-12
    return Check(name, before, value, 100.0 * (value / before - 1.0) if before else None, limit, bool(within))


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log of checks, the oldest first; none of a log that does not exist yet.

    Every line holds the digest of the one before: what was changed or taken out since is seen.

    Raises
    ------
    InputError
        Naming the line that is no entry or does not follow the one before.
    """
    if not path.exists():
        return []
    entries, before = [], _START
    try:
        text = read_plain(path, JOURNAL).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no log of checks: give another file") from None
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            entry = json.loads(line)
            fits = entry["previous"] == before and isinstance(entry["figures"], dict) and bool(entry["time"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(f"{path}: line {number} is no entry of a log of checks: give another log") from None
        if not fits:
            raise InputError(
                f"{path}: line {number} does not follow the one before it: the log was changed: keep it as evidence "
                "and begin another"
            )
        entries.append(entry)
        before = _digest(line)
    return entries


def append_check(
    path: Path, time: datetime, checks: Sequence[Check], *, shots: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Add a check, and which files it was made from, to a log and return all its entries.

    The log is read and checked first, and appears with the new line whole or as it was; another process that adds
    to a log of the same folder is waited for by the user, not by chance overwritten.

    Raises
    ------
    InputError
        If the log is not one, or another process is writing in its folder.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    with locked(path.absolute().parent, by="check"):
        read_log(path)
        old = read_plain(path, JOURNAL).decode("utf-8") if path.exists() else ""
        lines = old.splitlines()
        entry = {
            "time": time.isoformat(timespec="seconds"),
            "figures": {one.name: one.value for one in checks if one.value is not None},
            "beyond": [one.name for one in checks if one.within is False],
            **({} if shots is None else {"shots": shots}),
            "previous": _digest(lines[-1]) if lines else _START,
        }
        lines.append(json.dumps(entry, allow_nan=False))
        write_whole(path, ("\n".join(lines) + "\n").encode())
        return read_log(path)


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


@dataclass(frozen=True)
class Trend:
    """Which way a figure drifts over the checks of a log.

    Parameters
    ----------
    name : str
        Of `FIGURES`.
    checks : int
        How many checks hold it.
    percent_per_year : float or None
        Slope of a straight line over time, in % of the baseline; None of fewer than five checks or no time between.
    drifts : bool
        Whether chance makes such a slope less often than one time in a hundred.
    limit_on : str or None
        Date on which the line crosses the limit, if it drifts for the worse.
    """

    name: str
    checks: int
    percent_per_year: float | None
    drifts: bool
    limit_on: str | None

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def trends(entries: Iterable[Mapping[str, Any]], checks: Sequence[Check]) -> tuple[Trend, ...]:
    """Return the trends of the figures of checks over a log's entries."""
    held = list(entries)
    return tuple(_trend(one, held) for one in checks if one.value is not None)


def _trend(check: Check, entries: Sequence[Mapping[str, Any]]) -> Trend:
    kept = [(entry["time"], entry["figures"][check.name]) for entry in entries if check.name in entry["figures"]]
    seconds = np.array([datetime.fromisoformat(time).timestamp() for time, _ in kept])
    years = (seconds - seconds[0]) / (365.25 * 86400) if kept else np.zeros(0)
    if len(kept) < _CHECKS or not np.ptp(years) > 0 or not check.baseline:
        return Trend(check.name, len(kept), None, False, None)
    percent = 100.0 * (np.array([value for _, value in kept], dtype=np.float64) / check.baseline - 1.0)
    if np.ptp(percent) == 0:
        return Trend(check.name, len(kept), 0.0, False, None)
    line = linregress(years, percent)
    drifts = bool(line.pvalue < _CHANCE)
    way = LIMITS[check.name][1]
    sign = np.sign(line.slope) * np.sign(check.baseline)
    worse = way == "both" or sign == {"up": 1, "down": -1}[way]
    limit_on = None
    if drifts and worse:
        at = (np.sign(line.slope) * check.limit_percent - line.intercept) / line.slope
        # A hundred years on is no warning.
        if at < 100.0:
            limit_on = datetime.fromtimestamp(seconds[0] + max(at, 0.0) * 365.25 * 86400).date().isoformat()
    return Trend(check.name, len(kept), float(line.slope), drifts, limit_on)
