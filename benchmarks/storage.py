"""How fast pairs are written and read: as training reads them, against zarr-python, as one writes it and in its place.

    python benchmarks/storage.py [--pairs 512] [--folder DIR]

Everything gives shuffled batches of 16 pairs, float32. Rates per CPU second are those of one process without workers,
the figures to trust on a shared machine; rates per second are those of the same process, or of two workers.

- decoding alone: what the compressed chunks cost in memory, the floor for everything that reads whole images;
- xsim: `PairStore.read_batch`, which is what training calls;
- zarr-python in xsim's place: the same batches, their codes read by zarr-python;
- zarr-python: a torch `Dataset` that reads one pair at a time, and a `DataLoader`, as its tutorials show.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import zarr
from numcodecs import blosc  # type: ignore[import-untyped]
from scipy.ndimage import gaussian_filter

from xsim.seeds import generator
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.reader import PairArray, PairStore
from xsim_datasets.store.shards import Plan, Sample
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

SIDE_PX = 256
BATCH = 16
WORKERS = 2
EPOCHS = 6
DISTINCT = 32
WARM_UP = 6  # batches until all workers have imported what they need


@lru_cache(maxsize=DISTINCT)
def images(size: int, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return blurred blocks with the noise of the paper's set-up: coloured, 0.4 % (HR) and 0.7 % (LR) of a pixel."""
    rng = generator(1, sample=number)
    blocks = rng.uniform(0.2, 1.0, (size // 16, size // 16)).repeat(16, 0).repeat(16, 1)
    board = gaussian_filter(blocks, 2)
    hr, lr = (gaussian_filter(rng.standard_normal((size, size)), 0.8) for _ in range(2))
    return (board + 0.011 * hr).astype(np.float32), (board + 0.020 * lr).astype(np.float32)


@dataclass(frozen=True)
class NoiseMaker:
    """Gives the same few images again and again, so that what is measured is writing."""

    size: int

    def sample(self, index: int) -> Sample:
        hr, lr = images(self.size, index % DISTINCT)
        return Sample(hr, lr, index, index, "train")

    def attributes(self) -> dict[str, Any]:
        return {"pitch_mm": 0.048, "setups": []}

    def tables(self) -> dict[str, NDArray[np.float64]]:
        return {}


class ZarrArray(PairArray):
    """The pairs read by zarr-python."""

    def read(self, index: int | list[int]) -> NDArray[np.uint16]:
        if self._array is None:
            self._array = zarr.open_array(Path(self._path) / "pairs", mode="r")
        return np.stack([self._array[one] for one in index]) if isinstance(index, list) else self._array[index]


class PlainPairs(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The pairs of a zarr array, read one by one: what a `Dataset` on zarr-python usually is."""

    def __init__(self, store: PairStore, epochs: int = 1) -> None:
        self.path = Path(store.path) / "pairs"
        self.members = np.tile(store.indices("train"), epochs)
        self.encoding = store.encoding
        self.array: Any = None

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.array is None:
            self.array = zarr.open_array(self.path, mode="r")
        grey = self.encoding.decode(self.array[int(self.members[item])])
        return torch.from_numpy(grey[0]), torch.from_numpy(grey[1])


def batches(store: PairStore, epochs: int = 1) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield shuffled batches of a store's training pairs as training reads them, epoch after epoch."""
    for epoch in range(epochs):
        order = generator(1, sample=epoch, stage="order").permutation(store.indices("train"))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            yield store.read_batch(order[first : first + BATCH])


def cpu_seconds() -> float:
    """Return the CPU time of all threads of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def make(folder: Path, size: int, n: int) -> PairStore:
    """Write a store and print what it cost."""
    maker, path = NoiseMaker(size), folder / f"{size}.zarr"
    plan = Plan(n, size, size, 1, {"name": "noise"}, "0" * 64)
    for index in range(DISTINCT):
        maker.sample(index)
    start = cpu_seconds()
    make_store(maker, plan, str(path), executor=Serial())
    spent = cpu_seconds() - start
    store = PairStore.open(path)
    stored = sum(entry.length for entry in store.manifest.files.values())
    raw = plan.layout.raw_bytes
    print(f"write {size} x {size}: {raw / 1e6 / spent:7.1f} MB/CPU-s  (raw / stored = {raw / stored:.2f})")
    return store


def per_cpu_second(read: Iterable[Any]) -> float:
    """Return the pairs of batches (hr, lr) that this process reads in a CPU second."""
    start = cpu_seconds()
    count = sum(len(hr) for hr, _ in read)
    return count / (cpu_seconds() - start)


def per_second(read: Iterable[Any]) -> float:
    """Return the pairs of batches (hr, lr) that come in a second, once workers, if there are any, run."""
    iterator = iter(read)
    for _ in range(WARM_UP):
        next(iterator)
    started = time.monotonic()
    count = sum(len(hr) for hr, _ in iterator)
    return count / (time.monotonic() - started)


def report(label: str, alone: float, wall: float | None = None) -> None:
    """Print one line of the table."""
    print(f"  {label:32} {alone:8.0f} pairs/CPU-s" + ("" if wall is None else f" {wall:8.0f} pairs/s"))


def decoding_alone(store: PairStore) -> float:
    """Return the pairs in a CPU second if nothing had to be done but to decompress the chunks."""
    shard = Path(store.path, store_key(store)).read_bytes()
    out = np.empty((2, *store.shape), np.uint16)
    # The index at the shard's end: offset and length of each chunk; a chunk ends with its CRC-32C.
    index = np.frombuffer(shard[-16 * store.pairs_per_shard - 4 : -4], "<u8").reshape(-1, 2).tolist()
    chunks = [shard[offset : offset + length - 4] for offset, length in index]
    start = cpu_seconds()
    for _ in range(EPOCHS):
        for chunk in chunks:
            blosc.decompress(chunk, out)
    return EPOCHS * len(chunks) / (cpu_seconds() - start)


def store_key(store: PairStore) -> str:
    """Return the name of the first shard's file."""
    return min(key for key in store.manifest.files if key.startswith("pairs/c."))


def read(store: PairStore) -> None:
    """Print the rates of all ways to read one store."""
    slow = PairStore(store.path, store.attributes, store.manifest)
    slow.array = ZarrArray(store.path)
    report("decoding alone", decoding_alone(store))
    rates = {}
    for label, source in (("xsim", store), ("zarr-python in xsim's place", slow)):
        rates[label] = per_second(batches(source, EPOCHS))
        report(label, per_cpu_second(batches(source)), rates[label])
    alone = torch.utils.data.DataLoader(PlainPairs(store), batch_size=BATCH, shuffle=True)
    # As many epochs as above, so that starting the workers weighs little; zarr's event loop does not survive a fork.
    working = torch.utils.data.DataLoader(
        PlainPairs(store, EPOCHS), batch_size=BATCH, shuffle=True, num_workers=WORKERS, multiprocessing_context="spawn"
    )
    rates["zarr-python"] = per_second(working)
    report("zarr-python", per_cpu_second(alone), rates["zarr-python"])
    print(f"  xsim / zarr-python with {WORKERS} workers: {rates['xsim'] / rates['zarr-python']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for size, pairs in ((SIDE_PX, options.pairs), (2 * SIDE_PX, max(options.pairs // 2, 128))):
            store = make(Path(folder), size, pairs)
            print(f"{size} x {size} pairs")
            read(store)


if __name__ == "__main__":
    main()
