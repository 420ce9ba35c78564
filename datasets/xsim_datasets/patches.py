"""Random patches for training: shuffled, cut and turned the same way whatever reads them, and resumable anywhere.

This is the part of the loader that knows no torch. An epoch is a list of images: shards in random order, the images
of ``buffer_shards`` of them shuffled together. Rank ``r`` of ``world`` takes every ``world``-th image of the list and
works through them in blocks: it reads a block's images once, cuts ``patches_per_image`` patches from each, shuffles
the patches of the block and deals them out as batches. A block is a function of (seed, epoch, number), so workers
may share blocks in any way, and a run that stopped after batch 1000 goes on with batch 1001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xsim.errors import InputError
from xsim.seeds import check_seed, generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xsim_datasets.reader import PairStore

__all__ = ["Batch", "PatchLoader", "turn"]


@dataclass(frozen=True)
class Batch:
    """Patches, float32 (B, H, W) each, and the samples (B,) that they were cut from."""

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
        return len(self.store.indices(self.split)) // self.world

    @property
    def blocks(self) -> int:
        """How many blocks each rank has in an epoch."""
        return -(-self.images // self.images_per_block)

    def _batches_in(self, block: int) -> int:
        images = min(self.images_per_block, self.images - block * self.images_per_block)
        return images * self.patches_per_image // self.batch_size

    def epoch(self, epoch: int, *, first: int = 0) -> Iterator[Batch]:
        """Yield this rank's batches of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        first : int
            Batch to start with: 0, or, to resume, the number of batches already taken.
        """
        for block in range(self.blocks):
            count = self._batches_in(block)
            if first < count:
                yield from self.block(epoch, block)[first:]
            first = max(first - count, 0)

    def block(self, epoch: int, number: int) -> list[Batch]:
        """Return the batches of one block of an epoch; workers that share an epoch call it with numbers of their own.

        Raises
        ------
        DamageError
            If a pair is damaged or missing.
        """
        start = number * self.images_per_block
        samples = self._order(epoch)[start : start + self.images_per_block]
        codes = self.store.read_codes(samples)
        rng = generator(self.seed, sample=epoch, stage=f"block-{number}-{self.rank}")
        dealt = rng.permutation(np.repeat(np.arange(len(samples)), self.patches_per_image))
        hr, lr = self._cut(codes, dealt, rng)
        parts = [
            slice(slot * self.batch_size, (slot + 1) * self.batch_size) for slot in range(self._batches_in(number))
        ]
        return [Batch(hr[part], lr[part], samples[dealt[part]]) for part in parts]

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """Return this rank's images of an epoch, in order."""
        rng = generator(self.seed, sample=epoch, stage="order")
        members = self.store.indices(self.split)
        shard_of = members // self.store.pairs_per_shard
        shards = rng.permutation(np.unique(shard_of))
        groups = [shards[first : first + self.buffer_shards] for first in range(0, len(shards), self.buffer_shards)]
        order = np.concatenate([rng.permutation(members[np.isin(shard_of, group)]) for group in groups])
        return order[self.rank :: self.world][: self.images]

    def _cut(
        self, codes: NDArray[np.uint16], dealt: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a patch (h, w) of HR and of LR for each image that ``dealt`` names, at a random place and turn."""
        height, width = codes.shape[-2:]
        shape = (height, width) if self.patch_px is None else (self.patch_px, self.patch_px)
        top = rng.integers(0, height - shape[0] + 1, len(dealt))
        left = rng.integers(0, width - shape[1] + 1, len(dealt))
        symmetry = rng.integers(0, 8, len(dealt)) if self.turns else np.zeros(len(dealt), np.int64)
        hr, lr = (np.empty((len(dealt), *shape), np.float32) for _ in range(2))
        for slot, image in enumerate(dealt):
            patch = codes[image, :, top[slot] : top[slot] + shape[0], left[slot] : left[slot] + shape[1]]
            turned = turn(patch, int(symmetry[slot]))
            # Turned and decoded in one pass: memory traffic is what a loader spends its time on.
            self.store.encoding.decode(turned[0], out=hr[slot])
            self.store.encoding.decode(turned[1], out=lr[slot])
        return hr, lr


def turn(images: NDArray[np.uint16], symmetry: int) -> NDArray[np.uint16]:
    """Return images (..., H, W) under one of the eight symmetries of the square: quarter turns, then a flip."""
    turned = np.rot90(images, symmetry % 4, axes=(-2, -1))
    return turned[..., ::-1] if symmetry >= 4 else turned
