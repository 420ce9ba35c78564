"""The one task of dataset making: a whole shard, its pairs and their rows of the table, made and written once.

Beside its shard a task leaves a *part*: the rows of its samples and the digest of the shard's bytes. A part that
stands says that its shard stands; the parts are gathered into the table when the store is sealed, and removed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.errors import InputError
from xsim_datasets.folder import open_folder
from xsim_datasets.manifest import Entry, entry_of
from xsim_datasets.schema import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim_datasets.folder import Folder
    from xsim_datasets.sample import Maker, Plan, Sample

__all__ = ["PARTS", "Gathered", "Part", "ShardTask", "gather", "part_key", "read_part", "write_shard"]

PARTS = "parts/"
# Columns that every store has; a maker's further numbers are float64.
_TYPES = {
    "seed": "uint64",
    "family": "uint64",
    "split": "uint8",
    "design": "uint16",
    "setup": "uint16",
    "source": "uint8",
    "hr_clipped": "uint32",
    "lr_clipped": "uint32",
}


@dataclass(frozen=True)
class ShardTask:
    """Everything that a process needs to make one shard."""

    folder: str
    plan: Plan
    maker: Maker
    shard: int


def part_key(shard: int) -> str:
    """Return the name of a shard's part."""
    return f"{PARTS}{shard:08d}.json"


@dataclass(frozen=True)
class Part:
    """What a finished shard leaves for the table: the entry of its file, and the columns of its samples."""

    entry: Entry
    columns: dict[str, list[Any]]
    labels: list[list[Any]]


def write_shard(task: ShardTask) -> int:
    """Make the pairs of one shard, write its file and then its part; return the number of pairs.

    Raises
    ------
    InputError
        If the maker gives images of another shape than the plan says, or pixels that are not finite.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    plan, layout = task.plan, task.plan.layout
    span = layout.samples(task.shard)
    codes = np.empty((len(span), 2, plan.height, plan.width), np.uint16)
    columns: dict[str, list[Any]] = {}
    labels: list[list[Any]] = []
    for slot, index in enumerate(span):
        sample = task.maker.sample(index)
        for name, value in _fill(codes[slot], sample, plan, index).items():
            columns.setdefault(name, []).append(value)
        labels += [[index, *astuple(label)] for label in sample.labels]
    key = layout.key(task.shard)
    data = layout.documents(task.shard, codes)[key]
    folder = open_folder(task.folder)
    folder.write(key, data)
    part = {**asdict(entry_of(data)), "columns": columns, "labels": labels}
    folder.write(part_key(task.shard), json.dumps(part, allow_nan=False).encode())
    return len(span)


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


def read_part(folder: Folder, plan: Plan, shard: int) -> Part | None:
    """Return the part of a finished shard, or None if it does not stand."""
    try:
        part = json.loads(folder.read(part_key(shard)))
        entry = Entry(int(part["length"]), str(part["sha256"]))
        columns, labels = dict(part["columns"]), list(part["labels"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    whole = all(len(column) == len(plan.layout.samples(shard)) for column in columns.values())
    return Part(entry, columns, labels) if columns and whole else None


@dataclass(frozen=True)
class Gathered:
    """The columns of the table and of the defect list, and the names that their codes stand for."""

    table: dict[str, NDArray[Any]]
    defects: dict[str, NDArray[Any]]
    designs: list[str]
    kinds: list[str]


def gather(parts: Sequence[Part]) -> Gathered:
    """Return the table and the defect list of all parts."""
    designs = sorted({str(name) for part in parts for name in part.columns["design"]})
    code = {name: number for number, name in enumerate(designs)}
    table: dict[str, NDArray[Any]] = {}
    for name in parts[0].columns:
        values = [part.columns[name] for part in parts]
        if name == "design":
            values = [[code[str(item)] for item in column] for column in values]
        table[name] = np.concatenate([np.array(column, _TYPES.get(name, "float64")) for column in values])
    labels = [label for part in parts for label in part.labels]
    kinds = sorted({str(label[1]) for label in labels})
    defects: dict[str, NDArray[Any]] = {
        "sample": np.array([label[0] for label in labels], np.uint64),
        "kind": np.array([kinds.index(str(label[1])) for label in labels], np.uint16),
    }
    for column, name in enumerate(("y_px", "x_px", "size_mm", "value"), start=2):
        defects[name] = np.array([label[column] for label in labels], np.float64)
    return Gathered(table, defects, designs, kinds)
