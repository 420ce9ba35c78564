"""Stores in the hands of others: sequences, workers of data loaders that are forked, metadata that xarray reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from tests.datasets.fake import FakeMaker, fake_plan
from xsim.errors import InputError
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.folder import open_folder
from xsim_datasets.store.manifest import Manifest, entry_of
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.verify import verify_store
from xsim_datasets.store.writer import make_store


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "s.zarr"
    make_store(FakeMaker(), fake_plan(), str(path), executor=Serial())
    return path


def test_a_store_is_a_sequence(path: Path) -> None:
    store = PairStore.open(path)
    assert len(list(store)) == len(store) == 20
    for index in (3, -1, np.int64(4)):
        for mine, own in zip(store[index], store.read(int(index) % 20), strict=True):
            np.testing.assert_array_equal(mine, own)
    for index in (20, -21):
        with pytest.raises(IndexError, match="has no sample"):
            store[index]
    assert repr(store) == f"<PairStore {path}: 20 simulated pairs of 32 x 32 px, 0.048 mm>"


def test_a_store_is_a_data_set_of_torch(path: Path) -> None:
    import torch

    from xsim_zoo import StoreDataset

    store = PairStore.open(path)
    pairs = StoreDataset(path, "train")
    assert len(pairs) == len(store.indices("train")) < 20
    hr, lr = pairs[1]
    assert hr.shape == (1, 32, 32)
    np.testing.assert_array_equal(lr[0].numpy(), store.read(pairs.indices[1])[1])
    (batch, _), *_ = torch.utils.data.DataLoader(pairs, batch_size=3)
    assert batch.shape == (3, 1, 32, 32)
    assert torch.equal(batch[1], hr)
    assert f"{len(pairs)} pairs of <PairStore" in repr(pairs)
    with pytest.raises(IndexError):
        pairs[20]
    with pytest.raises(InputError):
        StoreDataset(path, "trian")


FORK = """
import sys
import numpy as np
import torch
from xsim.errors import DamageError
from xsim_zoo import StoreDataset

pairs = StoreDataset(sys.argv[1])
before = [lr.clone() for _, lr in pairs]  # the parent has tensorstore's threads now
for method in sys.argv[2:]:
    loader = torch.utils.data.DataLoader(pairs, batch_size=4, num_workers=2, multiprocessing_context=method, timeout=60)
    for _ in range(2):
        seen = torch.cat([lr for _, lr in loader])
        assert torch.equal(seen, torch.stack(before)), method
    print(method, len(seen))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("methods", [["fork"], pytest.param(["spawn", "fork"], marks=pytest.mark.slow)])
def test_workers_read_what_their_parent_has_read(path: Path, methods: list[str]) -> None:
    """google/tensorstore#61: a forked worker has none of the threads that it would wait for."""
    done = subprocess.run(
        [sys.executable, "-c", "if __name__ == '__main__':" + FORK.replace("\n", "\n    "), str(path), *methods],
        capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [word for method in methods for word in (method, "20")]


def test_the_reader_of_forked_workers_finds_damage_too(path: Path, tmp_path: Path, monkeypatch) -> None:
    from xsim.errors import DamageError
    from xsim_datasets.store import reader

    copy = tmp_path / "c.zarr"
    make_store(FakeMaker(), fake_plan(), str(copy), executor=Serial())
    monkeypatch.setattr(reader, "_forked", True)
    store = PairStore.open(copy)
    np.testing.assert_array_equal(store.read_codes([0, 7, 3, 3]), PairStore.open(path).read_codes([0, 7, 3, 3]))
    shard = copy / "pairs" / "c.0.0.0.0"
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DamageError, match="is damaged"):
        PairStore.open(copy).read_codes(list(range(8)))
    (copy / "pairs" / "c.1.0.0.0").unlink()
    with pytest.raises(DamageError, match="is missing"):
        PairStore.open(copy).read(9)


def test_documents_say_what_xarray_asks_for(path: Path) -> None:
    """pydata/xarray#10616, where xarray itself is not installed: every member that it would list, with dimensions."""
    root = zarr.open_group(path, mode="r")
    pairs = root["pairs"]
    assert pairs.metadata.dimension_names == ("sample", "screen", "y", "x")
    encoding = PairStore.open(path).encoding
    assert pairs.attrs.asdict() == {
        "scale_factor": encoding.scale,
        "add_offset": encoding.offset,
        "_FillValue": 65535,
    }
    names = {key: array.metadata.dimension_names for group in ("table", "defects", "physics") for key, array in
             ((f"{group}/{name}", array) for name, array in root[group].arrays())}  # fmt: skip
    assert names["table/seed"] == ("sample",)
    assert names["defects/y_px"] == ("defect",)
    assert names["physics/frequency_lp_mm"] == ("frequency",)
    assert names["physics/mtf_hr"] == ("setup", "frequency")
    assert None not in names.values()


def test_xarray_opens_a_store(path: Path) -> None:
    """pydata/xarray#10616: a store of zarr 3 that newer versions of xarray could not open."""
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    store = PairStore.open(path)
    tree = xarray.open_datatree(str(path), engine="zarr", consolidated=False)
    pairs = tree["pairs"]
    assert pairs.dims == ("sample", "screen", "y", "x")
    np.testing.assert_allclose(pairs[3, 1].values, store.read(3)[1], atol=1e-6)
    np.testing.assert_array_equal(tree["table"]["seed"].values, store.table["seed"])
    assert tree["physics"]["mtf_hr"].dims == ("setup", "frequency")


def test_chunks_are_those_of_before_and_stores_of_before_are_sound(path: Path) -> None:
    plan = fake_plan()
    with_words, without = plan.layout.documents(encoding=plan.encoding), plan.layout.documents()
    assert with_words.keys() == without.keys() == {"pairs/zarr.json"}
    plain = json.loads(without["pairs/zarr.json"])
    assert json.loads(with_words["pairs/zarr.json"]) == {**plain, "attributes": dict(plan.encoding.attributes)}
    # A store as it was written before: the same files with the plain document.
    (path / "pairs/zarr.json").write_bytes(without["pairs/zarr.json"])
    own = Manifest.read(open_folder(str(path)))
    sealed = replace(own, files={**own.files, "pairs/zarr.json": entry_of(without["pairs/zarr.json"])})
    (path / "manifest.json").write_bytes(sealed.to_bytes())
    assert verify_store(str(path), full=True).ok
