"""Random patches for training: shuffled, cut and turned the same way whatever reads them, and resumable anywhere.

This is the part of the loader that knows no torch. An epoch is a list of images: shards in random order, the images
of ``buffer_shards`` of them shuffled together. Rank ``r`` of ``world`` takes every ``world``-th image of the list and
works through them in blocks: it reads a block's images once, cuts ``patches_per_image`` patches from each, shuffles
the patches of the block and deals them out as batches. A block is a function of (seed, epoch, number), so workers
may share blocks in any way, and a run that stopped after batch 1000 goes on with batch 1001.

Workers are threads: decoding and cutting run outside Python's lock, and handing a batch from one process to another
costs more than making it (`benchmarks/storage.py` measures both).
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from xsim.errors import InputError
from xsim.seeds import check_seed, generator
from xsim_datasets.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from xsim_datasets.store.reader import PairStore

__all__ = ["Batch", "PatchLoader", "turn"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Images that are read by one call: enough to keep every decoding thread busy, few enough to stay in the cache.
_READ_TOGETHER = 8


@dataclass(frozen=True)
class Batch:
    """Patches, float32 (B, H, W) each, and the samples (B,) that they were cut from.

    The memory of a block's batches is used again when none of them is held any more.
    """

    hr: NDArray[np.float32]
    lr: NDArray[np.float32]
    samples: NDArray[np.int64]


@dataclass(frozen=True)
class PatchLoader:
    """Cuts patches from a split of a store, epoch after epoch.

    Parameters
    ----------
    store : PairStore
        The store; it may be pickled with the loader and is opened where it arrives.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    patch_px : int or None
        Side of the patches [pixels]; None gives whole images.
    batch_size : int
        Patches in a batch.
    seed : int
        Seed of order, places and turns.
    patches_per_image : int
        Patches cut from an image when it is read.
    images_per_block : int
        Images that are in memory together; their patches are shuffled.
    turns : bool
        Whether patches are flipped and turned by quarters; right for isotropic physics, as that of all simulated pairs.
    buffer_shards : int
        Shards whose images are shuffled together.
    rank, world : int
        Which of how many processes this is; each has images of its own.

    Raises
    ------
    InputError
        If the split fills no batch, the patch is larger than the images, or a number is out of range.
    """

    store: PairStore
    split: str = "train"
    patch_px: int | None = None
    batch_size: int = 16
    seed: int = 0
    patches_per_image: int = 1
    images_per_block: int = 64
    turns: bool = True
    buffer_shards: int = 4
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for name in ("batch_size", "patches_per_image", "images_per_block", "buffer_shards", "world"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: give 1 or more")
        if not 0 <= self.rank < self.world:
            raise InputError(f"rank {self.rank} of {self.world}: give 0 to {self.world - 1}")
        height, width = self.store.shape
        if self.patch_px is not None and not 1 <= self.patch_px <= min(height, width):
            raise InputError(f"patch of {self.patch_px} pixels: give 1 to {min(height, width)}, the images' size")
        if self.turns and self.patch_px is None and height != width:
            raise InputError("images that are not square cannot be turned by quarters: give a patch size")
        if self.turns and self.store.attributes.get("anisotropic", False):
            raise InputError(f"{self.store.path}: its physics differs between x and y: load it without turns")
        if len(self) == 0:
            raise InputError(
                f"{self.store.path}: {self.images} pairs of '{self.split}' a process fill no batch of "
                f"{self.batch_size}: give a smaller batch or more patches_per_image"
            )

    def __len__(self) -> int:
        """Return the number of batches that each rank has in an epoch."""
        return sum(self._batches_in(block) for block in range(self.blocks))

    @property
    def images(self) -> int:
        """How many images each rank sees in an epoch; equally many on all, so that none waits for another."""
        return len(self._members) // self.world

    @property
    def blocks(self) -> int:
        """How many blocks each rank has in an epoch."""
        return -(-self.images // self.images_per_block)

    def _batches_in(self, block: int) -> int:
        images = min(self.images_per_block, self.images - block * self.images_per_block)
        return images * self.patches_per_image // self.batch_size

    def epoch(self, epoch: int, *, first: int = 0, workers: int = 0) -> Generator[Batch, None, None]:
        """Yield this rank's batches of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        first : int
            Batch to start with: 0, or, to resume, the number of batches already taken.
        workers : int
            Threads that make blocks ahead, ``workers + 1`` of them at most; with 0 a block is made when it is asked
            for. The batches are the same.

        Raises
        ------
        DamageError
            If a pair is damaged or missing.
        """
        start = 0
        while start < self.blocks and first >= self._batches_in(start):
            first -= self._batches_in(start)
            start += 1
        for batches in _ahead(lambda number: self.block(epoch, number), range(start, self.blocks), workers):
            yield from batches[first:]
            first = 0

    def block(self, epoch: int, number: int) -> list[Batch]:
        """Return the batches of one block of an epoch; workers that share an epoch call it with numbers of their own.

        Raises
        ------
        DamageError
            If a pair is damaged or missing.
        """
        start = number * self.images_per_block
        samples = self._order(epoch)[start : start + self.images_per_block]
        rng = generator(self.seed, sample=epoch, stage=f"block-{number}-{self.rank}")
        dealt = rng.permutation(np.repeat(np.arange(len(samples)), self.patches_per_image))
        cuts = self._cuts(len(dealt), rng)
        batches = self._batches_in(number)
        dealt = dealt[: batches * self.batch_size]
        hr, lr = grey = self._memory.empty((2, batches, self.batch_size, *self._patch), np.float32)
        codes = self._scratch.empty((min(_READ_TOGETHER, len(samples)), 2, *self.store.shape), np.uint16)
        for image in range(0, len(samples), _READ_TOGETHER):
            together = samples[image : image + _READ_TOGETHER]
            self.store.read_codes(together, out=codes[: len(together)])
            for slot in np.flatnonzero((dealt >= image) & (dealt < image + _READ_TOGETHER)):
                patch = self._patch_of(codes[dealt[slot] - image], *cuts[slot])
                # Turned and decoded in one pass: memory traffic is what a loader spends its time on.
                for screen in range(2):
                    place = grey[screen, slot // self.batch_size, slot % self.batch_size]
                    self.store.encoding.decode(patch[screen], out=place)
        shown = samples[dealt].reshape(batches, self.batch_size)
        return [Batch(*parts) for parts in zip(hr, lr, shown, strict=True)]

    @cached_property
    def _members(self) -> NDArray[np.int64]:
        return self.store.indices(self.split)

    @cached_property
    def _memory(self) -> Memory:
        return Memory()

    @cached_property
    def _scratch(self) -> Memory:
        return Memory()

    @cached_property
    def _orders(self) -> dict[int, NDArray[np.int64]]:
        return {}

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """Return this rank's images of an epoch, in order; that of the last epoch asked for is kept."""
        order = self._orders.get(epoch)
        if order is None:
            order = self._shuffled(epoch)[self.rank :: self.world][: self.images]
            self._orders.clear()
            self._orders[epoch] = order
        return order

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        """Return the images of all ranks: shards in random order, those of ``buffer_shards`` shards mixed."""
        rng = generator(self.seed, sample=epoch, stage="order")
        shards, shard_of = np.unique(self._members // self.store.pairs_per_shard, return_inverse=True)
        group_of = rng.permutation(len(shards)) // self.buffer_shards
        mixed = rng.permutation(len(self._members))
        return self._members[mixed[np.argsort(group_of[shard_of[mixed]], kind="stable")]]

    @property
    def _patch(self) -> tuple[int, int]:
        return self.store.shape if self.patch_px is None else (self.patch_px, self.patch_px)

    def _cuts(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw row, column and symmetry (count, 3) of patches."""
        room = np.subtract(self.store.shape, self._patch) + 1
        corners = rng.integers(0, room, (count, 2))
        symmetry = rng.integers(0, 8, count) if self.turns else np.zeros(count, np.int64)
        return np.column_stack([corners, symmetry])

    def _patch_of(self, pair: NDArray[np.uint16], top: int, left: int, symmetry: int) -> NDArray[np.uint16]:
        """Return a patch (2, h, w) of the codes of a pair, at a place and in a turn."""
        height, width = self._patch
        return turn(pair[:, top : top + height, left : left + width], int(symmetry))


def turn(images: NDArray[np.uint16], symmetry: int) -> NDArray[np.uint16]:
    """Return images (..., H, W) under one of the eight symmetries of the square: quarter turns, then a flip."""
    turned = np.rot90(images, symmetry % 4, axes=(-2, -1))
    return turned[..., ::-1] if symmetry >= 4 else turned


def _ahead(function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int) -> Iterator[_Result]:
    """Yield ``function`` of each item, in order, worked out ahead by ``workers`` threads."""
    if workers < 1:
        yield from map(function, items)
        return
    source = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="xsim-read") as pool:
        waiting = deque(pool.submit(function, item) for item in islice(source, workers + 1))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(source, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)
