"""One pair on its way into a store, the plan of the store, and who makes the pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from xsim.errors import InputError
from xsim.seeds import check_seed
from xsim_datasets.store.schema import Encoding, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Label", "Maker", "Plan", "Sample"]


@dataclass(frozen=True)
class Label:
    """One labelled defect: its class, its centre in detector pixels, its size and the value it is graded by."""

    kind: str
    y_px: float
    x_px: float
    size_mm: float
    value: float


@dataclass(frozen=True)
class Sample:
    """One pair with what the table says about it.

    Attributes
    ----------
    hr, lr : (H, W) arrays
        The images, linear, open field = 1.
    seed : int
        Seed of the board, or the number of a position of a real board.
    family : int
        Samples of one family show one design and stand on one side of the split.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    design : str
        What kind of board it is, e.g. a class of random boards or the name of a real one.
    setup : int
        Which of the store's set-ups imaged it.
    source : int
        Which of the recipe's board sources it came from.
    numbers : mapping
        Further columns of the table, the same names for every sample, e.g. ``kerma_uGy``.
    labels : tuple of Label
        The defects.
    """

    hr: NDArray[np.float32]
    lr: NDArray[np.float32]
    seed: int
    family: int
    split: str
    design: str = ""
    setup: int = 0
    source: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()


class Maker(Protocol):
    """Who makes the pairs of a store; a copy of it works in every process."""

    def sample(self, index: int) -> Sample:
        """Return pair number ``index``; the same whatever was made before and however many are asked for."""

    def attributes(self) -> dict[str, Any]:
        """Return what the store says about itself: pitch, set-ups, families; JSON types."""

    def tables(self) -> dict[str, NDArray[np.float64]]:
        """Return the tables of the group ``physics``, by name; empty if nothing is known."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides the bytes of a store, beside the maker's own settings.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    n: int
    height: int
    width: int
    seed: int
    recipe: Mapping[str, Any]
    recipe_hash: str
    origin: str = "simulated"
    scale: float = 2.0**-15
    offset: float = -(2.0**-4)
    pairs_per_shard: int = 64
    zstd_level: int = 3

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.n < 1:
            raise InputError(f"n = {self.n} pairs: give 1 or more")

    @property
    def layout(self) -> Layout:
        """The layout of the pairs."""
        return Layout(self.n, self.height, self.width, self.pairs_per_shard, self.zstd_level)

    @property
    def encoding(self) -> Encoding:
        """The line between grey levels and codes."""
        return Encoding(self.scale, self.offset)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)
