"""What is known of the balls of a radiograph after an inspection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from xsim.inspect.limits import Limit, Verdict

__all__ = ["JudgedBall", "SeenVoid", "VoidReport"]


@dataclass(frozen=True)
class SeenVoid:
    """The outline of one void: centre and diameter [px]; the centre of the image's first pixel is at 0."""

    x_px: float
    y_px: float
    diameter_px: float


@dataclass(frozen=True)
class JudgedBall:
    """One solder ball.

    Parameters
    ----------
    number : int
        From 1, line by line.
    grid : int
        The ball grid that it belongs to, from 1; 0 where it stands alone.
    x_px, y_px, diameter_px : float
        Outline [px]; the centre of the image's first pixel is at 0.
    verdict : {"pass", "fail", "undecided", "not judged"}
        Against the limit.
    reason : str
        Why it was not judged.
    void_share, low, high : float or None
        Share of its area that all voids together take, seen or not, and the 95 % interval.
    seen : float or None
        Share of those that are seen.
    diameter_sd_px : float
        Standard deviation of the diameter [px].
    unseen : float or None
        Share of its area of the smallest void that would be seen.
    voids : tuple of SeenVoid
        The likeliest voids.
    """

    number: int
    grid: int
    x_px: float
    y_px: float
    diameter_px: float
    verdict: Verdict
    reason: str = ""
    void_share: float | None = None
    low: float | None = None
    high: float | None = None
    seen: float | None = None
    diameter_sd_px: float = 0.0
    unseen: float | None = None
    voids: tuple[SeenVoid, ...] = ()

    @property
    def area_px(self) -> float:
        """Return the area of its outline [px]."""
        return 0.25 * 3.141592653589793 * self.diameter_px**2

    def to_dict(self, pixel_mm: float | None) -> dict[str, Any]:
        """Return JSON types; lengths in mm where the pixel on the object is known [mm]."""
        mm2 = None if pixel_mm is None else pixel_mm**2
        return {
            "ball": self.number,
            "grid": self.grid,
            "x_px": self.x_px,
            "y_px": self.y_px,
            "diameter_px": self.diameter_px,
            "diameter_mm": None if pixel_mm is None else self.diameter_px * pixel_mm,
            "area_px": self.area_px,
            "area_mm2": None if mm2 is None else self.area_px * mm2,
            "void_percent": _percent(self.void_share),
            "void_percent_low": _percent(self.low),
            "void_percent_high": _percent(self.high),
            "void_percent_seen": _percent(self.seen),
            "smallest_void_percent": _percent(self.unseen),
            "void_area_mm2": None if mm2 is None or self.void_share is None else self.void_share * self.area_px * mm2,
            "verdict": self.verdict,
            "reason": self.reason,
            "voids": [
                {"x_px": void.x_px, "y_px": void.y_px, "diameter_px": void.diameter_px,
                 "percent": 100.0 * (void.diameter_px / self.diameter_px) ** 2}
                for void in self.voids
            ],
        }  # fmt: skip


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


@dataclass(frozen=True)
class VoidReport:
    """The balls of a radiograph and what their voids take.

    Parameters
    ----------
    balls : tuple of JudgedBall
        Line by line.
    limit : Limit
        What they were judged by.
    remarks : tuple of str
        What was assumed.
    """

    balls: tuple[JudgedBall, ...]
    limit: Limit
    remarks: tuple[str, ...] = field(default=())

    def counts(self) -> dict[Verdict, int]:
        """Return how many balls there are of each verdict."""
        found = Counter(ball.verdict for ball in self.balls)
        verdicts: tuple[Verdict, ...] = ("pass", "fail", "undecided", "not judged")
        return {verdict: found[verdict] for verdict in verdicts}
