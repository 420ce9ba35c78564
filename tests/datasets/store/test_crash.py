"""Whatever ends a maker, at whatever moment: what is left is resumed to the bytes of an uninterrupted run.

These are quick, with pairs that cost nothing, and take samples of the moments. Every step of the program itself, and
twenty moments drawn at random: tests/faults/test_make.py.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.datasets.fake import FakeMaker, fake_plan
from tests.datasets.store.test_store import digests
from xsim.errors import EnvironmentFaultError, InputError
from xsim_datasets.store import executors
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_datasets.store.folder import LocalFolder
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.verify import verify_store
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
PAIRS = 80
EVERY = 17
"""How many steps lie between two that are made to fail; prime, so that no kind of step is always passed over."""
MAKER = """
import sys
from tests.datasets.fake import FakeMaker, fake_plan
from xsim_datasets.store.executors import ProcessPool
from xsim_datasets.store.writer import make_store
if __name__ == "__main__":
    make_store(FakeMaker(seconds=0.01), fake_plan({n}), sys.argv[1], executor=ProcessPool(2), resume=True)
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "maker.py"
    path.write_text(MAKER.format(n=PAIRS), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the files of an uninterrupted run."""
    path = tmp_path_factory.mktemp("whole") / "a.zarr"
    make_store(FakeMaker(), fake_plan(PAIRS), str(path), executor=Serial())
    return digests(path)


def start(script: Path, target: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "datasets")])}
    return subprocess.Popen([sys.executable, str(script), str(target)], env=environment, cwd=ROOT, stderr=-1)


def finish(target: Path, whole: dict[str, str]) -> None:
    """Resume, and hold the result against the uninterrupted run."""
    make_store(FakeMaker(), fake_plan(PAIRS), str(target), executor=Serial(), resume=True)
    assert verify_store(str(target)).ok
    assert digests(target) == whole
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def kill_at(moment: float, script: Path, target: Path) -> None:
    process = start(script, target)
    time.sleep(moment)
    process.kill()
    process.wait()
    # Workers end with their maker; until they have, they could still be writing.
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and str(script) in processes():
        time.sleep(0.02)


def processes() -> str:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="watches its processes through /proc")
@pytest.mark.parametrize("moment", [0.9, 1.6])
def test_kill_9_then_resume(script: Path, whole: dict[str, str], tmp_path: Path, moment: float) -> None:
    kill_at(moment, script, tmp_path / "a.zarr")
    finish(tmp_path / "a.zarr", whole)


class Faults:
    """Counts the steps by which bytes become durable, and makes number ``at`` fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, error: Callable[[], BaseException]) -> None:
        self.steps: list[tuple[str, str]] = []
        self._at, self._error = at, error
        self._wrap(monkeypatch, os, "fsync", lambda handle: str(Path(f"/proc/self/fd/{handle}").readlink()))
        for name in ("replace", "rename"):
            self._wrap(monkeypatch, Path, name, lambda path, target: f"{path} -> {target}")
        self._wrap(monkeypatch, Path, "unlink", lambda path, **_: str(path))

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, label: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            self.steps.append((name, label(*args, **kwargs)))
            if len(self.steps) == self._at:
                raise self._error()
            # Nobody cuts the power here: waiting for the disk is what makes these tests slow.
            return None if name == "fsync" else original(*args, **kwargs)

        monkeypatch.setattr(owner, name, step)


def disk_full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


class Killed(BaseException):
    """Ends a maker without letting any handler of errors see it."""


def steps_of_a_run(tmp_path: Path, n: int) -> int:
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch, 0, Killed)
        make_store(FakeMaker(), fake_plan(n), str(tmp_path / "count.zarr"), executor=Serial())
    return len(faults.steps)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="names files through /proc")
@pytest.mark.parametrize("error", [disk_full, Killed])
def test_steps_may_fail(tmp_path: Path, error: Callable[[], BaseException]) -> None:
    make_store(FakeMaker(), fake_plan(12), str(tmp_path / "whole.zarr"), executor=Serial())
    wanted = digests(tmp_path / "whole.zarr")
    steps = steps_of_a_run(tmp_path, 12)
    assert steps > 50
    for at in range(1, steps + 1, EVERY):
        target = tmp_path / f"{error.__name__}-{at}" / "a.zarr"
        target.parent.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at, error)
            with pytest.raises((OSError, Killed)):
                make_store(FakeMaker(), fake_plan(12), str(target), executor=Serial())
        assert not target.exists() or verify_store(str(target)).ok, f"step {at} left a damaged store under its name"
        make_store(FakeMaker(), fake_plan(12), str(target), executor=Serial(), resume=True)
        assert digests(target) == wanted, f"step {at}"
        assert [path.name for path in target.parent.iterdir()] == ["a.zarr"], f"step {at}"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="names files through /proc")
def test_nothing_is_named_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults(monkeypatch, 0, Killed)
    make_store(FakeMaker(), fake_plan(20), str(tmp_path / "a.zarr"), executor=Serial())
    synced: set[str] = set()
    named: list[str] = []
    for name, what in faults.steps:
        if name == "fsync":
            synced.add(what)
        if name in {"replace", "rename"}:
            source, target = what.split(" -> ")
            if not target.endswith("a.zarr"):
                assert source in synced, f"{source} was renamed before its bytes were flushed"
            named.append(target)
    assert [Path(target).name for target in named[-2:]] == ["manifest.json", "a.zarr"]
    order = [what for name, what in faults.steps if name == "fsync"]
    assert order[-1] == str(tmp_path), "the final name itself is flushed last"
    # Every folder is flushed between the last file in it and the manifest.
    before_manifest = order[: next(i for i, what in enumerate(order) if "manifest.json" in what)]
    for folder in ("pairs", "table/seed", "defects", "physics/mtf_hr"):
        assert str(tmp_path / "a.zarr.partial" / folder) in before_manifest


def test_replacing_survives_a_kill_between_the_two_names(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    make_store(FakeMaker(), fake_plan(8), str(target), executor=Serial())
    wanted_steps = steps_of_a_run(tmp_path, 12)
    (tmp_path / "count.zarr").rename(tmp_path.parent / f"{tmp_path.name}-count.zarr")
    for at in range(wanted_steps - 6, wanted_steps + 2):
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at, Killed)
            with pytest.raises(Killed):
                make_store(FakeMaker(), fake_plan(12), str(target), executor=Serial(), force=True)
        make_store(FakeMaker(), fake_plan(12), str(target), executor=Serial(), resume=True, force=True)
        assert PairStore.open(target).n == 12
        assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"], f"step {at}"
        make_store(FakeMaker(), fake_plan(8), str(target), executor=Serial(), force=True)


def test_a_second_maker_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    with LocalFolder(Path(f"{target}.partial")).locked(), pytest.raises(InputError, match="in use"):
        make_store(FakeMaker(), fake_plan(8), str(target), executor=Serial(), resume=True)
    # The lock went with its holder: nothing stale is left to remove.
    make_store(FakeMaker(), fake_plan(8), str(target), executor=Serial())


def test_resuming_with_other_settings_is_refused(tmp_path: Path) -> None:
    target = str(tmp_path / "a.zarr")

    def stop(made: int, done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        make_store(FakeMaker(), fake_plan(20), target, executor=Serial(), progress=stop)
    for plan in (fake_plan(21), fake_plan(20, seed=6), fake_plan(20, pairs_per_shard=4)):
        with pytest.raises(InputError, match="other settings"):
            make_store(FakeMaker(), plan, target, executor=Serial(), resume=True)
    with pytest.raises(InputError, match="--resume"):
        make_store(FakeMaker(), fake_plan(20), target, executor=Serial())
    summary = make_store(FakeMaker(), fake_plan(20), target, executor=Serial(), resume=True)
    assert summary.pairs_made == 12, "the shard that stood was not made again"
    again = make_store(FakeMaker(), fake_plan(20), target, executor=Serial(), resume=True)
    assert again.pairs_made == 0


def test_resume_does_not_trust_a_shard_that_was_damaged_meanwhile(tmp_path: Path, whole: dict[str, str]) -> None:
    target = tmp_path / "a.zarr"

    def stop(made: int, done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        make_store(FakeMaker(), fake_plan(PAIRS), str(target), executor=Serial(), progress=stop)
    shard = tmp_path / "a.zarr.partial/pairs/c.0.0.0.0"
    data = bytearray(shard.read_bytes())
    data[50] ^= 1
    shard.write_bytes(data)
    finish(target, whole)


class Suicidal(FakeMaker):
    """Its process dies at one sample, as under the kernel's out-of-memory killer."""

    def sample(self, index: int) -> Any:
        if index == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(index)


def test_a_killed_worker_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    target = str(tmp_path / "a.zarr")
    with pytest.raises(EnvironmentFaultError, match=r"worker process \d+ died \(SIGKILL\).*--resume"):
        make_store(Suicidal(), fake_plan(20), target, executor=ProcessPool(2))
    make_store(FakeMaker(), fake_plan(20), target, executor=Serial(), resume=True)
    assert verify_store(target).ok


def test_too_little_space_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalFolder, "free_bytes", lambda self: 1000)
    with pytest.raises(EnvironmentFaultError, match="no space left"):
        make_store(FakeMaker(), fake_plan(20), str(tmp_path / "a.zarr"), executor=Serial())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=False, stderr=-1)
    if done.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_is_survived(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = small_disk / "a.zarr"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(800_000))
    monkeypatch.setattr(LocalFolder, "free_bytes", lambda self: 10**9)
    with pytest.raises(EnvironmentFaultError, match=r"no space left on device: make room.*--resume"):
        make_store(FakeMaker(), fake_plan(PAIRS), str(target), executor=ProcessPool(2))
    assert not target.exists()
    assert not [path for path in small_disk.rglob("*") if path.name.startswith(".")]
    ballast.unlink()
    make_store(FakeMaker(), fake_plan(PAIRS), str(target), executor=Serial(), resume=True)
    assert verify_store(str(target)).ok


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_an_interrupted_program_ends_with_one_line(tmp_path: Path, number: signal.Signals, code: int) -> None:
    words = ["dataset", "make", "tiny", "-o", "a.zarr", "-n", "100000", "--size", "16", "--workers", "2"]
    program = subprocess.Popen(
        [sys.executable, "-m", "xsim_cli.app", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "datasets", "cli"))},
        cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True, text=True,
        # Shells start background jobs, the tests among them, with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip
    try:
        until(lambda: any(tmp_path.glob("a.zarr.partial/parts/*")))
        # As a terminal does it: the workers get the signal as well.
        os.killpg(program.pid, number)
        said = program.communicate(timeout=60)[1].splitlines()
    finally:
        program.kill()
    assert program.returncode == code
    assert [line for line in said if "pairs/s" not in line] == [
        "xsim: a.zarr: interrupted: the shards that are done are kept: go on with --resume"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr.partial"]
    until(lambda: not group_lives(program.pid))


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    for _ in range(2400):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("waited two minutes in vain")


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_start_where_there_is_neither_fork_nor_a_mask_of_signals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on Windows; the workers themselves, which are new processes, are those of this system.
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(signal, "pthread_sigmask")
    before = multiprocessing.get_start_method(allow_none=True)
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with executors._interrupts_held():
        pass
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: None)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        arrivals, arrived = multiprocessing.Pipe(duplex=False)
        executors._start_worker(arrived)
        assert arrivals.poll()
    finally:
        signal.signal(signal.SIGINT, interrupt)
    assert multiprocessing.get_start_method(allow_none=True) == before
