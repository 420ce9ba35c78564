"""Making and reading a store: what goes in comes out, and the bytes do not depend on who made them in which order."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from tests.datasets.fake import FakeMaker, fake_plan
from xsim.errors import DamageError, InputError, UnknownNameError
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.schema import Encoding
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Shuffled:
    """Runs the tasks in another order."""

    workers = 1

    def run(self, function: Callable[[Any], int], tasks: Iterable[Any]) -> Iterator[int]:
        shuffled = list(tasks)
        random.Random(3).shuffle(shuffled)
        assert len(shuffled) < 3 or shuffled != sorted(shuffled, key=lambda piece: piece.start)
        for task in shuffled:
            yield function(task)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    path = tmp_path_factory.mktemp("store") / "fake.zarr"
    make_store(FakeMaker(), fake_plan(), str(path), executor=Serial())
    return PairStore.open(path)


def test_what_goes_in_comes_out(store: PairStore) -> None:
    assert (store.n, store.shape, store.pitch_mm) == (20, (32, 32), 0.048)
    for index in (0, 7, 8, 19):
        sample = FakeMaker().sample(index)
        hr, lr = store.read(index)
        assert hr.dtype == lr.dtype == np.float32
        # Half a step of the code is all that storing may cost.
        np.testing.assert_allclose(hr, sample.hr, atol=0.5 * 2.0**-15 + 1e-7)
        np.testing.assert_allclose(lr, sample.lr, atol=0.5 * 2.0**-15 + 1e-7)
    np.testing.assert_array_equal(store.table["seed"], np.arange(20) * 7 + 1)
    np.testing.assert_array_equal(store.defects["sample"], np.arange(0, 20, 3))
    assert set(store.defects["kind"]) == {"ball-void"}
    assert store.physics["mtf_hr"].shape == (1, 11)


def test_batch_is_the_single_reads(store: PairStore) -> None:
    hr, lr = store.read_batch([19, 0, 7, 7])
    for slot, index in enumerate([19, 0, 7, 7]):
        single = store.read(index)
        np.testing.assert_array_equal(hr[slot], single[0])
        np.testing.assert_array_equal(lr[slot], single[1])


def test_a_pickled_store_reads_the_same(store: PairStore) -> None:
    store.read(0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).read_codes([7, 0]), store.read_codes([7, 0]))


def test_a_batch_with_a_missing_pair_is_refused(store: PairStore, tmp_path: Path) -> None:
    path = Path(shutil.copytree(store.path, tmp_path / "copy.zarr"))
    copy = PairStore.open(path)
    (path / "pairs" / "c.1.0.0.0").unlink()
    copy.read_batch([0, 7])
    with pytest.raises(DamageError, match="missing"):
        copy.read_batch([0, 8])


def test_zarr_itself_reads_the_same_codes(store: PairStore) -> None:
    codes = zarr.open_group(store.path, mode="r")["pairs"][...]
    np.testing.assert_array_equal(codes, store.read_codes(range(20)))


def test_splits_are_disjoint_and_complete(store: PairStore) -> None:
    parts = [store.indices(name) for name in ("train", "validation", "test")]
    assert sorted(np.concatenate(parts)) == list(range(20))
    assert store.attributes["splits"] == dict(zip(("train", "validation", "test"), map(len, parts), strict=True))
    with pytest.raises(UnknownNameError, match="train"):
        store.indices("trian")


def test_reading_beside_the_store_is_refused(store: PairStore) -> None:
    for index in (-1, 20):
        with pytest.raises(InputError, match="0 to 19"):
            store.read(index)


@pytest.mark.parametrize("executor", [ProcessPool(1), ProcessPool(2), Shuffled()], ids=["one", "two", "shuffled"])
def test_bytes_do_not_depend_on_the_executor(store: PairStore, tmp_path: Path, executor: Any) -> None:
    make_store(FakeMaker(), fake_plan(), str(tmp_path / "other.zarr"), executor=executor)
    assert digests(tmp_path / "other.zarr") == digests(Path(store.path))
    assert [path.name for path in tmp_path.iterdir()] == ["other.zarr"]


def test_a_sample_does_not_depend_on_how_many_are_made(store: PairStore, tmp_path: Path) -> None:
    make_store(FakeMaker(), fake_plan(n=11), str(tmp_path / "short.zarr"), executor=Serial())
    short = PairStore.open(tmp_path / "short.zarr")
    np.testing.assert_array_equal(short.read_codes(range(11)), store.read_codes(range(11)))
    for name, column in short.table.items():
        np.testing.assert_array_equal(column, store.table[name][:11])


def test_another_seed_makes_other_pairs(store: PairStore, tmp_path: Path) -> None:
    make_store(FakeMaker(seed=6), fake_plan(seed=6), str(tmp_path / "b.zarr"), executor=Serial())
    assert not np.array_equal(PairStore.open(tmp_path / "b.zarr").read(0)[0], store.read(0)[0])


def test_an_existing_target_is_never_overwritten_silently(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    make_store(FakeMaker(), fake_plan(n=3), str(target), executor=Serial())
    before = digests(target)
    with pytest.raises(InputError, match="--force"):
        make_store(FakeMaker(), fake_plan(n=4), str(target), executor=Serial())
    assert digests(target) == before
    make_store(FakeMaker(), fake_plan(n=4), str(target), executor=Serial(), force=True)
    assert PairStore.open(target).n == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_store_is_never_replaced(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "mine"
    home = tmp_path / "home"
    home.mkdir()
    (home / "precious.txt").write_text("x", encoding="utf-8")
    if kind == "file":
        target.write_text("x", encoding="utf-8")
    elif kind == "folder":
        target = home
    else:
        target.symlink_to(home)
    with pytest.raises(InputError):
        make_store(FakeMaker(), fake_plan(n=3), str(target), executor=Serial(), force=True)
    assert (home / "precious.txt").read_text(encoding="utf-8") == "x"


def test_a_nan_pixel_is_refused(tmp_path: Path) -> None:
    class Broken(FakeMaker):
        def sample(self, index: int) -> Any:
            sample = super().sample(index)
            sample.hr[3, 4] = np.nan
            return sample

    with pytest.raises(InputError, match="NaN"):
        make_store(Broken(), fake_plan(n=3), str(tmp_path / "a.zarr"), executor=Serial())
    assert not (tmp_path / "a.zarr").exists()


def test_encoding_is_exact_on_its_own_grid_and_counts_what_it_clips() -> None:
    encoding = Encoding(2.0**-15, -(2.0**-4))
    codes = np.arange(65535, dtype=np.uint16)
    again, clipped = encoding.encode(encoding.decode(codes))
    np.testing.assert_array_equal(again, codes)
    assert clipped == 0
    again, clipped = encoding.encode(np.array([-0.5, 0.5, 9.0]))
    assert clipped == 2
    assert list(again[[0, 2]]) == [0, 65534]


def test_unfinished_and_altered_stores_do_not_open(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    make_store(FakeMaker(), fake_plan(n=3), str(target), executor=Serial())
    document = target / "zarr.json"
    original = document.read_bytes()
    content = json.loads(original)
    content["attributes"]["xsim"]["pitch_mm"] = 0.05
    document.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DamageError, match="altered"):
        PairStore.open(target)
    document.write_bytes(original)
    PairStore.open(target)
    (target / "manifest.json").unlink()
    with pytest.raises(DamageError, match="not finished"):
        PairStore.open(target)
