"""Rows of the data sets: writing, reading, and generation by several workers."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import storage
import torch

from suite.rows import Row, cpu_ms, wall_s
from xsim_datasets.recipe.recipe import load_recipe
from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
from xsim_datasets.store.executors import ProcessPool
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["storage_rows"]

_PAIRS = 128
_MADE = 32


def storage_rows() -> Iterator[Row]:
    """Time writing beside a copy of the bytes, reading beside zarr-python, and making by one and two workers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _stored(folder)
        yield from _made(folder)


def _stored(folder: Path) -> Iterator[Row]:
    with contextlib.redirect_stdout(io.StringIO()):
        start = storage.cpu_seconds()
        store = storage.make(folder, storage.SIDE_PX, _PAIRS)
        spent = storage.cpu_seconds() - start
    raw = 2 * _PAIRS * storage.SIDE_PX**2
    codes = np.random.default_rng(0).integers(0, 4096, raw, dtype=np.uint16)
    copy = cpu_ms(lambda: codes.tofile(folder / "copy.raw"), 2)
    size = f"{storage.SIDE_PX} x {storage.SIDE_PX}"
    yield Row(f"write {_PAIRS} pairs of {size}", 1e3 * spent, "ms CPU", "copying their bytes to a file", copy)
    store.read_batch([0])  # opens the array
    plain = torch.utils.data.DataLoader(storage.PlainPairs(store), batch_size=storage.BATCH, shuffle=True)
    yield Row(
        f"read pairs of {size}, shuffled",
        storage.per_cpu_second(storage.batches(store, storage.EPOCHS)),
        "pairs/CPU s",
        "decompressing them in memory",
        storage.decoding_alone(store),
        "zarr-python and a torch DataLoader",
        storage.per_cpu_second(plain),
        rate=True,
    )


def _made(folder: Path) -> Iterator[Row]:
    for pairs, workers in ((_MADE // 2, 1), (_MADE, 1), (_MADE, 2)):
        changed = load_recipe("tiny", n=pairs)
        path = folder / f"{pairs}-{workers}.zarr"
        seconds = wall_s(
            lambda changed=changed, path=path, workers=workers: make_store(
                SimulatedMaker(changed, 1), plan_of(changed, 1), str(path), executor=ProcessPool(workers)
            )
        )
        yield Row(
            f"make {pairs} pairs of the recipe tiny, {workers} {'worker' if workers == 1 else 'workers'}",
            seconds,
            "s wall",
            note=f"{pairs / seconds:.1f} pairs/s, start-up of the workers included",
        )
