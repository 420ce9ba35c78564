"""The parts of the page: sections made of blocks, each block a dataclass with a template of its ``kind``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from xsim_zoo.evaluation.report.figures import Chart
from xsim_zoo.evaluation.report.tables import Number, Table

if TYPE_CHECKING:
    from xsim_zoo.evaluation.records import Picture, Verdict
    from xsim_zoo.evaluation.report.tables import Cell

__all__ = [
    "Absent",
    "Block",
    "Facts",
    "Gallery",
    "Notes",
    "PageSection",
    "PictureCard",
    "Slider",
    "Tile",
    "VerdictList",
]


@dataclass(frozen=True)
class VerdictList:
    """The checks and how they ended."""

    kind: ClassVar[str] = "verdicts"
    checks: tuple[Verdict, ...]


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    kind: ClassVar[str] = "notes"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names and values, one pair a line."""

    kind: ClassVar[str] = "facts"
    caption: str
    pairs: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Absent:
    """A part that was not measured, and why."""

    kind: ClassVar[str] = "absent"
    what: str
    why: str


@dataclass(frozen=True)
class Tile:
    """One picture: ``role`` is lr, restored, hr or ssim; ``scores`` are names, numbers and units."""

    role: str
    name: str
    picture: Picture
    scores: tuple[tuple[str, Number, str], ...] = ()

    @property
    def black(self) -> Number:
        """The grey level shown as black."""
        return Number(self.picture.low, ".3g")

    @property
    def white(self) -> Number:
        """The grey level shown as white."""
        return Number(self.picture.high, ".3g")


@dataclass(frozen=True)
class PictureCard:
    """The pictures of one window of one image."""

    title: str
    detail: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Gallery:
    """Cards, one below the other, under a heading; the slider takes its pictures from them."""

    kind: ClassVar[str] = "gallery"
    cards: tuple[PictureCard, ...]
    heading: str = ""


@dataclass(frozen=True)
class Slider:
    """The place where LR, restored and HR of any card of the page are wiped over one another."""

    kind: ClassVar[str] = "slider"


Block: TypeAlias = VerdictList | Notes | Facts | Absent | Gallery | Slider | Table | Chart


@dataclass(frozen=True)
class PageSection:
    """A section of the page: ``key`` is its anchor, ``lead`` says how to read it."""

    key: str
    title: str
    lead: str
    blocks: tuple[Block, ...]
