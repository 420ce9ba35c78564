"""How fast pairs are written and read: the patch loader against zarr-python, as one writes it and in its own place.

    python benchmarks/storage.py [--pairs 512] [--folder DIR]

Every loader gives shuffled batches of 16 random patches, turned, float32. Rates per CPU second are those of one
process without workers, the figures to trust on a shared machine; rates per second are those of two workers.

- decoding alone: what the compressed chunks cost in memory, the floor for everything that reads whole images;
- xsim: `PatchLoader`, its workers are threads;
- xsim, processes: the same blocks through a torch `DataLoader`, which hands them over in shared memory;
- zarr-python in xsim's loader: the same blocks, read by zarr-python;
- zarr-python: a torch `Dataset` that reads an image for each patch, and a `DataLoader`, as its tutorials show.
"""

from __future__ import annotations

import argparse
import itertools
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
from xsim_datasets.patches import PatchLoader, turn
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.pair_array import PairArray
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.sample import Plan, Sample
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

PATCH_PX = 256
BATCH = 16
WORKERS = 2
EPOCHS = 6
DISTINCT = 32
WARM_UP = 6  # items until all workers have imported what they need


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

    def read(self, index: int | list[int], out: NDArray[np.uint16] | None = None) -> NDArray[np.uint16]:
        if self._array is None:
            self._array = zarr.open_array(Path(self._path) / "pairs", mode="r")
        codes = np.stack([self._array[one] for one in index]) if isinstance(index, list) else self._array[index]
        if out is None:
            return codes
        out[...] = codes
        return out


class Blocks(torch.utils.data.Dataset[list[tuple[torch.Tensor, torch.Tensor]]]):
    """A loader's blocks as torch tensors."""

    def __init__(self, loader: PatchLoader) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return EPOCHS * self.loader.blocks

    def __getitem__(self, number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        batches = self.loader.block(*divmod(number, self.loader.blocks))
        return [(torch.from_numpy(batch.hr), torch.from_numpy(batch.lr)) for batch in batches]


class PlainPatches(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Random patches of a zarr array, one image read for each: what a `Dataset` on zarr-python usually is."""

    def __init__(self, store: PairStore, patches_per_image: int) -> None:
        self.path = Path(store.path) / "pairs"
        # As many as the other loaders give in their epochs, so that starting the workers weighs little.
        self.members = np.tile(np.repeat(store.indices("train"), patches_per_image), EPOCHS)
        self.encoding, self.size = store.encoding, store.shape[0]
        self.array: Any = None

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.array is None:
            self.array = zarr.open_array(self.path, mode="r")
        rng = generator(1, sample=item, stage="patch")
        top, left = rng.integers(0, self.size - PATCH_PX + 1, 2)
        pair = self.array[int(self.members[item])][:, top : top + PATCH_PX, left : left + PATCH_PX]
        grey = self.encoding.decode(turn(pair, int(rng.integers(8))))
        return torch.from_numpy(grey[0]), torch.from_numpy(grey[1])


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


def per_cpu_second(batches: Iterable[Any], size_of: Callable[[Any], int]) -> float:
    """Return the patches that this process makes in a CPU second."""
    start, count = cpu_seconds(), 0
    for batch in batches:
        count += size_of(batch)
    return count / (cpu_seconds() - start)


def per_second(batches: Iterable[Any], size_of: Callable[[Any], int]) -> float:
    """Return the patches that come in a second, once the workers run."""
    iterator = iter(batches)
    for _ in range(WARM_UP):
        next(iterator)
    started, count = time.monotonic(), 0
    for batch in iterator:
        count += size_of(batch)
    return count / (time.monotonic() - started)


def torch_loader(dataset: Any, **settings: Any) -> Any:
    """Return a `DataLoader` with worker processes; zarr's event loop does not survive a fork."""
    return torch.utils.data.DataLoader(
        dataset, num_workers=WORKERS, multiprocessing_context="spawn", prefetch_factor=2, **settings
    )


def report(label: str, alone: float, together: float | None = None) -> None:
    """Print one line of the table."""
    wall = "" if together is None else f"{together:8.0f} patches/s"
    print(f"  {label:32} {alone:8.0f} patches/CPU-s {wall}")


def decoding_alone(store: PairStore, patches_per_image: int) -> float:
    """Return the patches in a CPU second if nothing had to be done but to decompress the chunks."""
    shard = Path(store.path, store_key(store)).read_bytes()
    out = np.empty((2, *store.shape), np.uint16)
    # The index at the shard's end: offset and length of each chunk; a chunk ends with its CRC-32C.
    index = np.frombuffer(shard[-16 * store.pairs_per_shard - 4 : -4], "<u8").reshape(-1, 2).tolist()
    chunks = [shard[offset : offset + length - 4] for offset, length in index]
    start = cpu_seconds()
    for _ in range(EPOCHS):
        for chunk in chunks:
            blosc.decompress(chunk, out)
    return EPOCHS * len(chunks) * patches_per_image / (cpu_seconds() - start)


def store_key(store: PairStore) -> str:
    """Return the name of the first shard's file."""
    return min(key for key in store.manifest.files if key.startswith("pairs/c."))


def patches_of(batch: Any) -> int:
    return len(batch.hr)


def patches_in(block: list[tuple[torch.Tensor, torch.Tensor]]) -> int:
    return sum(len(hr) for hr, _ in block)


def read(store: PairStore, patches_per_image: int) -> None:
    """Print the rates of all loaders on one store."""
    slow = PairStore(store.path, store.attributes, store.manifest)
    slow.array = ZarrArray(store.path)
    report("decoding alone", decoding_alone(store, patches_per_image))
    rates = {}
    for label, source in (("xsim", store), ("zarr-python in xsim's loader", slow)):
        loader = PatchLoader(source, patch_px=PATCH_PX, batch_size=BATCH, patches_per_image=patches_per_image)
        loader.block(0, 0)
        epochs = (batch for epoch in range(EPOCHS) for batch in loader.epoch(epoch, workers=WORKERS))
        rates[label] = per_second(epochs, patches_of)
        report(label, per_cpu_second(loader.epoch(EPOCHS), patches_of), rates[label])
        if source is store:
            blocks = torch_loader(Blocks(loader), batch_size=None)
            report("xsim, processes", per_cpu_second(loader.epoch(EPOCHS), patches_of), per_second(blocks, patches_in))
    plain = PlainPatches(store, patches_per_image)
    alone = itertools.islice(torch.utils.data.DataLoader(plain, batch_size=BATCH, shuffle=True), len(plain) // 64)
    rates["zarr-python"] = per_second(torch_loader(plain, batch_size=BATCH, shuffle=True), lambda pair: len(pair[0]))
    report("zarr-python", per_cpu_second(alone, lambda pair: len(pair[0])), rates["zarr-python"])
    print(f"  xsim / zarr-python, {WORKERS} workers: {rates['xsim'] / rates['zarr-python']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        whole = make(Path(folder), PATCH_PX, options.pairs)
        large = make(Path(folder), 2 * PATCH_PX, max(options.pairs // 2, 128))
        for store, label, patches in (
            (whole, "256 x 256 pairs, whole", 1),
            (large, "256 x 256 patches of 512 x 512 images, 1 an image", 1),
            (large, "256 x 256 patches of 512 x 512 images, 4 an image", 4),
        ):
            print(label)
            read(store, patches)


if __name__ == "__main__":
    main()
