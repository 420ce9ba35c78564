"""An object store: the same bytes as a folder, made, resumed, verified and read through a real S3 server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.datasets.fake import FakeMaker, fake_plan
from tests.datasets.store.test_store import digests
from xsim.errors import DamageError, InputError
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_datasets.store.folder import ObjectFolder, open_folder
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.verify import verify_store
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("s3fs", reason="the extra 's3' is not installed")
server_of = pytest.importorskip("moto.server", reason="moto[server], the local S3 server, is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    import boto3

    server = server_of.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host if host != '0.0.0.0' else '127.0.0.1'}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="pairs")
        yield "s3://pairs"
    server.stop()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("local") / "a.zarr"
    make_store(FakeMaker(), fake_plan(), str(path), executor=Serial())
    return path


def test_a_bucket_holds_the_bytes_of_a_folder(bucket: str, local: Path) -> None:
    url = f"{bucket}/whole.zarr"
    make_store(FakeMaker(), fake_plan(), url, executor=ProcessPool(2))
    folder = ObjectFolder(url)
    assert folder.names() == sorted(digests(local))
    assert all(folder.read(key) == (local / key).read_bytes() for key in folder.names())
    assert verify_store(url, full=True).ok


def test_pairs_are_read_from_a_bucket(bucket: str, local: Path) -> None:
    url = f"{bucket}/read.zarr"
    make_store(FakeMaker(), fake_plan(), url, executor=Serial())
    far, near = PairStore.open(url), PairStore.open(local)
    np.testing.assert_array_equal(far.read_codes(range(20)), near.read_codes(range(20)))
    for one, two in zip(far.read_batch([3, 11, 5]), near.read_batch([3, 11, 5]), strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_interrupted_upload_is_resumed_and_an_old_store_is_safe(bucket: str, local: Path) -> None:
    url = f"{bucket}/resumed.zarr"

    def stop(made: int, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_store(FakeMaker(), fake_plan(), url, executor=Serial(), progress=stop)
    with pytest.raises(DamageError, match="not finished"):
        PairStore.open(url)
    with pytest.raises(InputError, match="--resume"):
        make_store(FakeMaker(), fake_plan(), url, executor=Serial())
    summary = make_store(FakeMaker(), fake_plan(), url, executor=Serial(), resume=True)
    assert summary.pairs_made == 12
    assert ObjectFolder(url).names() == sorted(digests(local))
    with pytest.raises(InputError, match="--force"):
        make_store(FakeMaker(seed=6), fake_plan(seed=6), url, executor=Serial())
    make_store(FakeMaker(seed=6), fake_plan(seed=6), url, executor=Serial(), force=True)
    assert not np.array_equal(PairStore.open(url).read(0)[0], PairStore.open(local).read(0)[0])


def test_a_maker_whose_target_was_taken_does_not_seal_it(bucket: str) -> None:
    url = f"{bucket}/taken.zarr"

    def stop(made: int, done: int, total: int) -> None:
        raise InterruptedError

    def another_takes_it(made: int, done: int, total: int) -> None:
        if done == 8:
            with pytest.raises(InterruptedError):
                make_store(FakeMaker(seed=6), fake_plan(seed=6), url, executor=Serial(), progress=stop, force=True)

    with pytest.raises(InputError, match="begun it anew with other settings"):
        make_store(FakeMaker(), fake_plan(), url, executor=Serial(), progress=another_takes_it)
    with pytest.raises(DamageError, match="not finished"):
        PairStore.open(url)


def test_damage_in_a_bucket_is_found(bucket: str) -> None:
    url = f"{bucket}/damaged.zarr"
    make_store(FakeMaker(), fake_plan(), url, executor=Serial())
    folder = open_folder(url)
    data = bytearray(folder.read("pairs/c.1.0.0.0"))
    data[60] ^= 1
    folder.write("pairs/c.1.0.0.0", bytes(data))
    folder.write("notes.txt", b"hello")
    folder.delete("table/seed/c.0")
    assert {problem.item for problem in verify_store(url).problems} == {
        "pairs/c.1.0.0.0",
        "notes.txt",
        "table/seed/c.0",
    }


def test_a_bucket_without_a_store_is_said(bucket: str) -> None:
    with pytest.raises(DamageError, match="manifest"):
        PairStore.open(f"{bucket}/nothing.zarr")
