"""From pairs to shards: a pair with its row of the table, who makes it, and the task that makes a whole shard.

Beside its shard a task leaves a *part*: the rows of its samples and the digest of the shard's bytes. A part that
stands says that its shard stands; the parts are gathered into the table when the store is sealed, and removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.keywords import names_keywords
from xsim.seeds import check_seed
from xsim_datasets.store.folder import Folder, open_folder
from xsim_datasets.store.manifest import Entry, entry_of
from xsim_datasets.store.schema import SPLITS, Encoding, ShardLayout

__all__ = [
    "PARTS",
    "Label",
    "Maker",
    "Plan",
    "Sample",
    "ShardContent",
    "ShardPart",
    "content_of",
    "gather",
    "part_key",
    "put_shard",
    "read_part",
    "write_shard",
]

PARTS = "parts/"
# Columns that every store has; a maker's further numbers are float64. Names are numbered when the store is sealed.
_TYPES = {
    "seed": "uint64",
    "family": "uint64",
    "split": "uint8",
    "design": "str",
    "setup": "uint16",
    "source": "uint8",
    "hr_clipped": "uint32",
    "lr_clipped": "uint32",
}
_DEFECTS = {
    "sample": "uint64",
    "kind": "str",
    "y_px": "float64",
    "x_px": "float64",
    "size_mm": "float64",
    "value": "float64",
}


@names_keywords
@dataclass(frozen=True)
class Label:
    """One labelled defect: its class, its centre in detector pixels, its size and the value it is graded by."""

    kind: str
    y_px: float
    x_px: float
    size_mm: float
    value: float


@names_keywords
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


@names_keywords
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
    def layout(self) -> ShardLayout:
        """The layout of the pairs."""
        return ShardLayout(self.n, self.height, self.width, self.pairs_per_shard, self.zstd_level)

    @property
    def encoding(self) -> Encoding:
        """The line between grey levels and codes."""
        return Encoding(self.scale, self.offset)


def part_key(shard: int) -> str:
    """Return the name of a shard's part."""
    return f"{PARTS}{shard:08d}.json"


@dataclass(frozen=True)
class ShardPart:
    """What a finished shard leaves for the table: the entry of its file, and the columns of its samples."""

    entry: Entry
    columns: dict[str, list[Any]]
    labels: list[list[Any]]


def write_shard(target: str, plan: Plan, maker: Maker, shard: int) -> int:
    """Make the pairs of one shard, write its file and then its part; return the number of pairs.

    Parameters
    ----------
    target : str
        Path or URL of the folder that they are written to.
    plan, maker : Plan, Maker
        Size and layout of the store, and what makes its pairs.
    shard : int
        Which shard.

    Raises
    ------
    InputError
        If the maker gives images of another shape than the plan says, or pixels that are not finite.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    span = plan.layout.samples(shard)
    put_shard(open_folder(target), plan, shard, content_of(plan, maker, span))
    return len(span)


@dataclass(frozen=True)
class ShardContent:
    """What a shard, or a piece of one, holds.

    Parameters
    ----------
    codes : (n, 2, H, W) array
        The images, HR and LR, as codes.
    columns : dict
        Columns of the table, one value a pair.
    labels : list of lists
        Rows of the list of defects.
    """

    codes: NDArray[np.uint16]
    columns: dict[str, list[Any]]
    labels: list[list[Any]]


def content_of(plan: Plan, maker: Maker, span: range) -> ShardContent:
    """Make some pairs.

    Parameters
    ----------
    plan, maker : Plan, Maker
        Size and layout of the store, and what makes its pairs.
    span : range
        Which pairs.

    Raises
    ------
    InputError
        If the maker gives images of another shape than the plan says, or pixels that are not finite.
    """
    codes = np.empty((len(span), 2, plan.height, plan.width), np.uint16)
    columns: dict[str, list[Any]] = {}
    labels: list[list[Any]] = []
    for slot, index in enumerate(span):
        sample = maker.sample(index)
        for name, value in _fill(codes[slot], sample, plan, index).items():
            columns.setdefault(name, []).append(value)
        labels += [[index, *astuple(label)] for label in sample.labels]
    return ShardContent(codes, columns, labels)


def put_shard(folder: Folder, plan: Plan, shard: int, content: ShardContent) -> None:
    """Write the file of a shard and then its part.

    Raises
    ------
    EnvironmentFaultError
        If the disk is full or fails.
    """
    key = plan.layout.key(shard)
    data = plan.layout.documents(shard, content.codes)[key]
    folder.write(key, data)
    part = {**asdict(entry_of(data)), "columns": content.columns, "labels": content.labels}
    folder.write(part_key(shard), json.dumps(part, allow_nan=False).encode())


def _fill(codes: NDArray[np.uint16], sample: Sample, plan: Plan, index: int) -> dict[str, Any]:
    """Encode a sample into its place and return its row of the table."""
    row: dict[str, Any] = {
        "seed": sample.seed,
        "family": sample.family,
        "split": SPLITS.index(sample.split),
        "design": sample.design,
        "setup": sample.setup,
        "source": sample.source,
    }
    for screen, (name, image) in enumerate((("hr", sample.hr), ("lr", sample.lr))):
        if image.shape != codes.shape[1:]:
            raise InputError(f"sample {index}: its {name} image is {image.shape}, the store takes {codes.shape[1:]}")
        codes[screen], row[f"{name}_clipped"] = plan.encoding.encode(image)
    return {**row, **sample.numbers}


def read_part(folder: Folder, plan: Plan, shard: int) -> ShardPart | None:
    """Return the part of a finished shard, or None if it does not stand."""
    try:
        part = json.loads(folder.read(part_key(shard)))
        entry = Entry(int(part["length"]), str(part["sha256"]))
        columns, labels = dict(part["columns"]), list(part["labels"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    whole = all(len(column) == len(plan.layout.samples(shard)) for column in columns.values())
    return ShardPart(entry, columns, labels) if columns and whole else None


def gather(
    parts: Iterable[ShardPart],
) -> tuple[dict[str, NDArray[Any]], list[str], dict[str, NDArray[Any]], list[str]]:
    """Return the table and the names of its designs, the defect list and the names of its kinds.

    The parts are taken in and let go one by one.
    """
    columns: dict[str, list[NDArray[Any]]] = {}
    defects = {name: [np.zeros(0, kind)] for name, kind in _DEFECTS.items()}
    for part in parts:
        for name, values in part.columns.items():
            columns.setdefault(name, []).append(np.array(values, _TYPES.get(name, "float64")))
        for name, column in zip(_DEFECTS, zip(*part.labels, strict=True), strict=bool(part.labels)):
            defects[name].append(np.array(column, _DEFECTS[name]))
    table = {name: np.concatenate(arrays) for name, arrays in columns.items()}
    found = {name: np.concatenate(arrays) for name, arrays in defects.items()}
    table["design"], designs = _numbered(table["design"])
    found["kind"], kinds = _numbered(found["kind"])
    return table, designs, found, kinds


def _numbered(names: NDArray[np.str_]) -> tuple[NDArray[np.uint16], list[str]]:
    """Return names as their places in the sorted list of them, and that list."""
    known, codes = np.unique(names, return_inverse=True)
    return codes.astype(np.uint16), known.tolist()
