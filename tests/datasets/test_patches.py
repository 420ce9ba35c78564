"""Patches for training: the same for everyone who asks, each image once, and never a patch that is not in the store."""

from __future__ import annotations

import pickle
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.datasets.fake import FakeMaker, fake_plan
from xsim.errors import DamageError, InputError
from xsim_datasets.patches import Batch, PatchLoader, turn
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    path = tmp_path_factory.mktemp("patches") / "fake.zarr"
    make_store(FakeMaker(), fake_plan(100), str(path), executor=Serial())
    return PairStore.open(path)


@pytest.fixture
def loader(store: PairStore) -> PatchLoader:
    return PatchLoader(store, patch_px=20, batch_size=4, patches_per_image=2, images_per_block=8, seed=3)


def same(one: Sequence[Batch], two: Sequence[Batch]) -> bool:
    return len(one) == len(two) and all(
        np.array_equal(a.hr, b.hr) and np.array_equal(a.lr, b.lr) and np.array_equal(a.samples, b.samples)
        for a, b in zip(one, two, strict=True)
    )


def test_an_epoch_is_a_function_of_seed_and_number(loader: PatchLoader) -> None:
    first = list(loader.epoch(0))
    assert len(first) == len(loader)
    assert same(first, list(pickle.loads(pickle.dumps(loader)).epoch(0)))
    assert not same(first, list(loader.epoch(1)))
    assert not same(first, list(replace(loader, seed=4).epoch(0)))


@pytest.mark.parametrize("taken", [0, 1, 3, 4, 5, 17])
def test_an_epoch_is_resumed_at_any_batch(loader: PatchLoader, taken: int) -> None:
    whole = list(loader.epoch(2))
    assert same(list(loader.epoch(2, first=taken)), whole[taken:])


def test_blocks_in_any_order_make_the_epoch(loader: PatchLoader) -> None:
    blocks = {number: loader.block(1, number) for number in reversed(range(loader.blocks))}
    assert same([batch for number in range(loader.blocks) for batch in blocks[number]], list(loader.epoch(1)))


def test_every_image_of_the_split_comes_once_and_no_other(store: PairStore) -> None:
    loader = PatchLoader(store, split="train", batch_size=1, images_per_block=7)
    seen = np.concatenate([batch.samples for batch in loader.epoch(0)])
    assert sorted(seen) == list(store.indices("train"))
    assert list(seen) != list(store.indices("train")), "it is shuffled"


def test_ranks_share_the_images(store: PairStore) -> None:
    ranks = [PatchLoader(store, batch_size=1, rank=rank, world=3) for rank in range(3)]
    seen = [np.concatenate([batch.samples for batch in loader.epoch(0)]) for loader in ranks]
    assert len({len(part) for part in seen}) == 1, "no rank waits for another"
    together = np.concatenate(seen)
    assert len(set(together)) == len(together)
    assert set(together) <= set(store.indices("train"))


def test_patches_are_cut_from_the_images_both_at_one_place(store: PairStore, loader: PatchLoader) -> None:
    for batch in list(loader.epoch(0))[:3]:
        for hr, lr, sample in zip(batch.hr, batch.lr, batch.samples, strict=True):
            images = store.read(int(sample))
            assert (hr.shape, lr.shape) == ((20, 20), (20, 20))
            assert places(hr, images[0]) == places(lr, images[1]) != []


def places(patch: np.ndarray, image: np.ndarray) -> list[tuple[int, int, int]]:
    """Return every (symmetry, y, x) at which the patch is found in the image."""
    found = []
    windows = np.lib.stride_tricks.sliding_window_view(image, patch.shape)
    for symmetry in range(8):
        # The inverse of a turn by k quarters is one by 4 - k; a flip is its own.
        unflipped = patch[:, ::-1] if symmetry >= 4 else patch
        original = np.rot90(unflipped, -(symmetry % 4))
        for y, x in zip(*np.nonzero((windows == original).all(axis=(-2, -1))), strict=True):
            found.append((symmetry, int(y), int(x)))
    return found


def test_the_eight_turns_are_the_symmetries_of_the_square() -> None:
    image = np.arange(12, dtype=np.uint16).reshape(1, 3, 4)[:, :3, :3]
    turned = {turn(image, symmetry).tobytes() for symmetry in range(8)}
    assert len(turned) == 8
    np.testing.assert_array_equal(turn(image, 0), image)
    np.testing.assert_array_equal(turn(image, 4), image[..., ::-1])


def test_places_and_turns_are_all_used(store: PairStore) -> None:
    loader = PatchLoader(store, patch_px=31, batch_size=8, patches_per_image=2)
    met = set()
    for batch in (batch for epoch in range(3) for batch in loader.epoch(epoch)):
        for patch, sample in zip(batch.hr, batch.samples, strict=True):
            met |= set(places(patch, store.read(int(sample))[0]))
    assert met == {(symmetry, y, x) for symmetry in range(8) for y in range(2) for x in range(2)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_px": 33}, "1 to 32"),
        ({"patch_px": 0}, "1 to 32"),
        ({"batch_size": 0}, "1 or more"),
        ({"batch_size": 1000}, "smaller batch"),
        ({"rank": 2, "world": 2}, "0 to 1"),
        ({"seed": -1}, "seed"),
    ],
)
def test_unusable_settings_are_refused(loader: PatchLoader, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(loader, **change)


def test_anisotropic_physics_refuses_turns(store: PairStore) -> None:
    oblong = PairStore(store.path, {**store.attributes, "anisotropic": True}, store.manifest)
    with pytest.raises(InputError, match="without turns"):
        PatchLoader(oblong)
    PatchLoader(oblong, turns=False)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing_and_batches_that_are_held_stay_as_they_are(loader: PatchLoader, workers: int) -> None:
    alone = [(batch.hr.copy(), batch.lr.copy(), batch.samples.copy()) for batch in loader.epoch(1)]
    assert same([Batch(*parts) for parts in alone], list(loader.epoch(1, workers=workers)))
    assert same([Batch(*parts) for parts in alone[5:]], list(loader.epoch(1, first=5, workers=workers)))


def test_an_epoch_that_is_left_early_leaves_no_thread(loader: PatchLoader) -> None:
    before = set(threading.enumerate())
    batches = loader.epoch(0, workers=2)
    next(batches)
    batches.close()
    assert set(threading.enumerate()) == before


def test_a_million_pairs_are_ordered_in_one_pass(loader: PatchLoader) -> None:
    members = np.arange(1_000_000)
    large = replace(loader)
    large.__dict__["_members"] = members
    order = large._shuffled(0)
    np.testing.assert_array_equal(np.sort(order), members)
    shards = order[: 4 * 8] // 8
    assert len(set(shards)) == 4, "the first images are those of four whole shards"
    assert (np.diff(order[:32]) != 1).any()


def test_damage_is_met_by_the_batch_that_needs_it(store: PairStore, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(store.path, tmp_path / "copy.zarr"))
    (copy / "pairs" / "c.3.0.0.0").unlink()
    for workers in (0, 2):
        with pytest.raises(DamageError, match="missing"):
            list(PatchLoader(PairStore.open(copy), batch_size=4).epoch(0, workers=workers))
