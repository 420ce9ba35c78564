"""Worker processes: what killed one is said, and none outlives the program that started it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.fake import FakeMaker, fake_plan
from tests.faults.programs import FLOORS, ROOT
from xsim.errors import EnvironmentFaultError, InputError
from xsim_datasets.store import executors
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_datasets.store.writer import make_store

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(FLOORS), "OMP_NUM_THREADS": "1"}


def fill(number: int) -> Any:
    raise OSError(number, os.strerror(number), "/some/cache.npz")


class Full:
    """A task that cannot be unpacked where it arrives, as where an import writes to a full disk."""

    def __reduce__(self) -> tuple[Any, ...]:
        return fill, (errno.ENOSPC,)


def double(task: int) -> int:
    return 2 * task


def die(code: int) -> None:
    os._exit(code)


def test_a_worker_on_a_full_disk_names_the_cause(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"/some/cache\.npz: no space left on device: make room, then run"):
        list(ProcessPool(1).run(double, [Full()]))
    assert "Traceback" not in capfd.readouterr().err


def test_a_worker_that_just_dies_is_named_and_full_disks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_LEAST_ROOM_BYTES", 2**80)
    with pytest.raises(EnvironmentFaultError, match=r"died \(exit code 7\): no space left on /"):
        list(ProcessPool(1).run(die, [7]))


UNGUARDED = """
from xsim.errors import InputError
from xsim_datasets.store.executors import ProcessPool

try:
    list(ProcessPool(1).run(abs, [-3]))
except InputError as error:
    print(error)
    raise
"""


def test_a_script_without_a_guard_is_named(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(UNGUARDED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 1
    worker, parent = done.stdout.splitlines()
    guard = "put what that file runs under `if __name__ == '__main__':`"
    assert worker == f"workers import the file that started them anew: {guard}"
    assert parent.startswith("worker process ")
    assert parent.endswith(f"died (exit code 1) while it imported {script}, which failed: {guard}")
    assert "freeze_support" not in done.stderr


def test_a_store_that_such_a_script_makes_is_not_touched_by_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What multiprocessing says of a process that is still importing.
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(InputError, match="workers import the file that started them anew"):
        make_store(FakeMaker(), fake_plan(8), str(tmp_path / "a.zarr"))
    assert not list(tmp_path.iterdir())
    make_store(FakeMaker(), fake_plan(8), str(tmp_path / "a.zarr"), executor=Serial())


SERVER = """
import subprocess, sys, time
worker = "import time, xsim_cli.view.worker as worker; worker._restore = lambda *_: (worker._tell(note='at it'), "
worker += "time.sleep(60)); worker.main()"
process = subprocess.Popen([sys.executable, "-c", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
process.stdin.write('{"input": "a", "output": "b", "restorer": "c", "settings": {}, "corrections": {}}\\n')
process.stdin.flush()
process.stdout.readline()
print(process.pid, flush=True)
time.sleep(60)
"""
POOL = """
import multiprocessing, threading, time
from xsim_datasets.store.executors import ProcessPool

def tell():
    while not (children := multiprocessing.active_children()):
        time.sleep(0.05)
    print(children[0].pid, flush=True)

threading.Thread(target=tell, daemon=True).start()
list(ProcessPool(1).run(time.sleep, [60, 60]))
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("program", [SERVER, POOL], ids=["view", "pool"])
def test_workers_end_when_their_parent_is_killed(program: str) -> None:
    # A pool's workers import the main module by its name, so that it must not run anew there.
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        time.sleep(0.5)
        assert alive(worker)
        parent.kill()
        until = time.monotonic() + 20
        while alive(worker) and time.monotonic() < until:
            time.sleep(0.1)
        assert not alive(worker)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
