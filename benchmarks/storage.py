"""How fast pairs are written and read: the patch loader on tensorstore against the same loader on zarr-python.

    python benchmarks/storage.py [--pairs 512] [--folder DIR]

CPU seconds are the figures to trust on a shared machine; wall rates are those of two loader workers.
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
from scipy.ndimage import gaussian_filter

from xsim.seeds import generator
from xsim_datasets.executors import Serial
from xsim_datasets.patches import PatchLoader
from xsim_datasets.reader import PairStore
from xsim_datasets.sample import Plan, Sample
from xsim_datasets.writer import make_store

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATCH_PX = 256
EPOCHS = 4
DISTINCT = 32
WARM_UP = 8  # blocks until both workers have imported what they need


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


class ZarrStore(PairStore):
    """The same store read by zarr-python."""

    def _codes(self, index: int | list[int]) -> NDArray[np.uint16]:
        if self._array is None:
            self._array = zarr.open_array(Path(self.path) / "pairs", mode="r")
        return np.stack([self._array[one] for one in index]) if isinstance(index, list) else self._array[index]


class Blocks(torch.utils.data.Dataset[list[tuple[torch.Tensor, torch.Tensor]]]):
    """A loader's blocks as torch tensors."""

    def __init__(self, loader: PatchLoader) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return EPOCHS * self.loader.blocks

    def __getitem__(self, number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        batches = self.loader.block(*divmod(number, self.loader.blocks))
        return [(torch.from_numpy(batch.hr), torch.from_numpy(batch.lr)) for batch in batches]


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


def read(name: str, loader: PatchLoader) -> None:
    """Print the rates of one loader: in this process per CPU second, and of two workers."""
    loader.block(0, 0)
    start, count = cpu_seconds(), 0
    for batch in loader.epoch(1):
        count += len(batch.hr)
    alone = count / (cpu_seconds() - start)
    workers = torch.utils.data.DataLoader(
        Blocks(loader), batch_size=None, num_workers=2, multiprocessing_context="spawn", prefetch_factor=2
    )
    batches = iter(workers)
    for _ in range(WARM_UP):
        next(batches)
    started, count = time.monotonic(), 0
    for block in batches:
        count += sum(len(hr) for hr, _ in block)
    wall = count / (time.monotonic() - started)
    print(f"{name:52} {alone:7.0f} patches/CPU-s  {wall:7.0f} patches/s with 2 workers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        whole = make(Path(folder), PATCH_PX, options.pairs)
        large = make(Path(folder), 2 * PATCH_PX, max(options.pairs // 2, 128))
        for store, label, patches in (
            (whole, "256 x 256 pairs, whole", 1),
            (large, "256 x 256 patches of 512 x 512, 1 an image", 1),
            (large, "256 x 256 patches of 512 x 512, 4 an image", 4),
        ):
            settings: dict[str, Any] = {"patch_px": PATCH_PX, "patches_per_image": patches, "images_per_block": 32}
            slow = ZarrStore(store.path, store.attributes, store.manifest)
            read(f"tensorstore, {label}", PatchLoader(store, **settings))
            read(f"zarr-python, {label}", PatchLoader(slow, **settings))


if __name__ == "__main__":
    main()
