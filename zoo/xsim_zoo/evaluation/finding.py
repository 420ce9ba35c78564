"""How findings become one verdict, and estimates words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.evaluation.records import Estimate, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xsim_zoo.evaluation.records import Finding, Level

__all__ = ["interval", "level_of", "negated", "verdict"]

_WORST_FIRST: tuple[Level, ...] = ("fail", "warn", "pass")


def verdict(check: str, text: str, findings: Iterable[Finding]) -> Verdict | None:
    """Return the verdict on a question, as bad as its worst finding; None without findings."""
    found = tuple(findings)
    if not found:
        return None
    worst = min((finding.level for finding in found), key=_WORST_FIRST.index)
    return Verdict(level=worst, check=check, text=text, findings=found)


def level_of(gain: Estimate) -> Level:
    """Return "pass" or "fail" where a gain's whole interval is above or below zero, "warn" where it holds zero."""
    if gain.low is not None and gain.low > 0:
        return "pass"
    return "fail" if gain.high is not None and gain.high < 0 else "warn"


def negated(estimate: Estimate) -> Estimate:
    """Return the estimate of what is lost where this one says what is gained, or the other way round."""
    low, high = estimate.low, estimate.high
    return Estimate(mean=-estimate.mean, low=None if high is None else -high, high=None if low is None else -low)


def interval(estimate: Estimate, unit: str = "", digits: int = 2) -> str:
    """Return a signed estimate with its interval and unit."""
    text = f"{estimate.mean:+.{digits}f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" [{estimate.low:+.{digits}f}, {estimate.high:+.{digits}f}]"
    return f"{text} {unit}".rstrip()
