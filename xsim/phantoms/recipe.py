"""What random boards are drawn from: every share, rate and range in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xsim.errors import InputError, UnknownNameError, check_range
from xsim.phantoms.defects import check_rates
from xsim.phantoms.design.rules import CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BoardRecipe"]


@dataclass(frozen=True, kw_only=True)
class BoardRecipe:
    """The population that ``random_board`` draws from.

    Attributes
    ----------
    layers : mapping of int to float
        Weight of each number of copper layers, 2 to 12.
    rules : mapping of str to float
        Weight of each rule class: "standard", "fine", "dense".
    bromine_share, lead_share, weave_share, tilt_share : float
        Shares of boards with brominated laminate, tin-lead solder, visible cloth and an oblique view.
    most_tilt_deg : float
        Largest oblique angle [deg].
    source_mm : float
        Height of the focal spot above the board [mm].
    anchors, small : (int, int)
        Range of the number of large and of small parts in a view.
    edge_share : float
        Share of views that show an edge of the board.
    defect_rates : mapping of str to float
        Rates that replace the usual ones of ``xsim.phantoms.defects.KINDS``.

    Raises
    ------
    InputError
        For a weight, share or range that makes no sense, naming it.
    """

    layers: Mapping[int, float] = field(default_factory=lambda: {2: 0.3, 4: 0.3, 6: 0.18, 8: 0.14, 12: 0.08})
    rules: Mapping[str, float] = field(default_factory=lambda: {"standard": 0.4, "fine": 0.4, "dense": 0.2})
    bromine_share: float = 0.7
    lead_share: float = 0.1
    weave_share: float = 0.6
    tilt_share: float = 0.2
    most_tilt_deg: float = 45.0
    source_mm: float = 500.0
    anchors: tuple[int, int] = (1, 4)
    small: tuple[int, int] = (8, 60)
    edge_share: float = 0.2
    defect_rates: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.rules:
            if name not in CLASSES:
                raise UnknownNameError("rule class", name, CLASSES)
        for count in self.layers:
            if count not in (2, 4, 6, 8, 10, 12):
                raise InputError(f"{count} copper layers: give 2, 4, 6, 8, 10 or 12")
        for what, weights in (("layers", self.layers), ("rules", self.rules)):
            if not weights or min(weights.values()) < 0.0 or sum(weights.values()) <= 0.0:
                raise InputError(f"weights of {what} {dict(weights)}: give numbers of 0 or more, one above 0")
        for what in ("bromine_share", "lead_share", "weave_share", "tilt_share", "edge_share"):
            check_range(what, getattr(self, what), 0.0, 1.0)
        check_range("most_tilt_deg", self.most_tilt_deg, 0.0, 45.0, "deg")
        for what, (low, high) in (("anchors", self.anchors), ("small", self.small)):
            if not 0 <= low <= high <= 500:
                raise InputError(f"range of {what} {low} to {high}: give 0 <= low <= high <= 500")
        check_rates(self.defect_rates)
