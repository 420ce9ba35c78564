"""A Dask cluster makes the same bytes as one process, also when a worker is killed on the way."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.fake import FakeMaker, fake_plan
from tests.datasets.store.test_store import digests
from xsim.errors import EnvironmentFaultError
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.verify import verify_store
from xsim_datasets.store.writer import make_store

distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")


@dataclass(frozen=True)
class Mortal(FakeMaker):
    """Kills the worker that makes sample 13, the first time."""

    grave: str = ""

    def sample(self, index: int) -> Any:
        if index == 13 and not Path(self.grave).exists():
            Path(self.grave).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(index)


@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_does_not_show_in_the_bytes(tmp_path: Path) -> None:
    from xsim_datasets.store.executors import DaskCluster

    make_store(FakeMaker(), fake_plan(60), str(tmp_path / "one.zarr"), executor=Serial())
    maker = Mortal(grave=str(tmp_path / "grave"))
    target = tmp_path / "many.zarr"
    make_store(maker, fake_plan(60), str(target), executor=DaskCluster("local:2"))
    assert (tmp_path / "grave").exists(), "a worker was killed"
    assert verify_store(str(target), full=True).ok
    assert digests(target) == digests(tmp_path / "one.zarr")


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path) -> None:
    from xsim_datasets.store.executors import DaskCluster

    with pytest.raises(EnvironmentFaultError, match="nowhere"):
        make_store(FakeMaker(), fake_plan(3), str(tmp_path / "a.zarr"), executor=DaskCluster("nowhere"))
