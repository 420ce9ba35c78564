"""Machines that fail the work: full and forbidden disks, no home, few handles, little memory, wrong clocks, rivals."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from tests.faults.every_step import contents, leftovers
from tests.faults.test_make import MANY_PAIRS, THREE_PAIRS
from tests.faults.test_run import results
from tests.faults.test_train import outcome, train
from xsim.files.whole import whole_file
from xsim_datasets.store.folder import LocalFolder
from xsim_datasets.store.verify import verify_store
from xsim_zoo.training.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.programs import Ended, Programs

pytestmark = pytest.mark.slow


def restore(images: Path, out: Path, *options: str) -> list[str]:
    return [
        "zoo",
        "run",
        "wiener",
        str(images / "lr"),
        "-o",
        str(out),
        "--device",
        "cpu",
        "--detectors",
        "weights",
        "--json",
        *options,
    ]


def refused(ended: Ended, code: int, says: str) -> None:
    ended.check_manners()
    assert ended.code == code, ended.err
    assert says in ended.err, ended.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "disk"
    mount.mkdir()
    options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs"]
    if subprocess.run(["mount", *options, str(mount)], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes on a disk; return the file that takes the rest."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - left))
    return ballast


@pytest.mark.parametrize("left", [0, 20_000, 100_000, 300_000])
def test_full_disk_make(programs: Programs, small_disk: Path, injected: Callable[..., None], left: int) -> None:
    ballast = fill(small_disk, left)
    arguments = [*MANY_PAIRS, "-o", str(small_disk / "a.zarr")]
    refused(programs.run(arguments), 1, "make room")
    injected("full disk")
    assert not (small_disk / "a.zarr").exists()
    ballast.unlink()
    assert programs.run([*arguments, "--resume"]).code == 0
    assert verify_store(str(small_disk / "a.zarr")).ok


@pytest.mark.parametrize("left", [0, 8_192, 65_536])
def test_full_disk_run(
    programs: Programs, images: Path, small_disk: Path, tmp_path: Path, injected: Callable[..., None], left: int
) -> None:
    assert programs.run(restore(images, tmp_path / "whole")).code == 0
    ballast = fill(small_disk, left)
    refused(programs.run(restore(images, small_disk / "out")), 1 if left < 65_536 else 3, "make room")
    injected("full disk")
    assert results(small_disk / "out").items() <= results(tmp_path / "whole").items()
    ballast.unlink()
    assert programs.run(restore(images, small_disk / "out")).code == 0
    assert results(small_disk / "out") == results(tmp_path / "whole")


def test_full_disk_train(programs: Programs, store: Path, small_disk: Path, injected: Callable[..., None]) -> None:
    fill(small_disk, 16_384)
    refused(programs.run(train(store, small_disk / "run", 4)), 1, "make room")
    injected("full disk")
    assert not leftovers(small_disk)


@pytest.mark.parametrize("command", ["make", "train", "run"])
def test_read_only_folder(
    programs: Programs, store: Path, images: Path, tmp_path: Path, injected: Callable[..., None], command: str
) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o555)
    arguments = {
        "make": [*THREE_PAIRS, "-o", str(folder / "a.zarr")],
        "train": train(store, folder / "run", 4),
        "run": restore(images, folder / "out"),
    }[command]
    ended = programs.run(arguments, rights=False)
    refused(ended, 2, "may not be written to")
    injected("read-only folder")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("home", ["missing", "read-only", "file"])
def test_home_and_cache_that_cannot_be_used(
    programs: Programs, images: Path, tmp_path: Path, injected: Callable[..., None], home: str
) -> None:
    place = tmp_path / "home"
    if home == "read-only":
        place.mkdir()
        place.chmod(0o555)
    elif home == "file":
        place.write_text("")
    nowhere = {name: str(place) for name in ("HOME", "XDG_CACHE_HOME", "XSIM_CACHE", "MPLCONFIGDIR", "TMPDIR")}
    made = programs.run([*THREE_PAIRS, "-o", tmp_path / "a.zarr"], environment=nowhere, rights=False)
    assert made.code == 0, made.err
    run = programs.run(restore(images, tmp_path / "out", "--picture"), environment=nowhere, rights=False)
    assert run.code == 0, run.err
    injected("home, cache and temporary folder that cannot be used", 2)


def test_32_handles(
    programs: Programs, store: Path, images: Path, tmp_path: Path, injected: Callable[..., None]
) -> None:
    commands = {
        "make": [*MANY_PAIRS, "-o", str(tmp_path / "a.zarr")],
        "verify": ["dataset", "verify", str(store), "--full", "--json"],
        "export": ["dataset", "export", str(store), "-o", str(tmp_path / "export"), "--json"],
        "train": train(store, tmp_path / "run", 4),
        "run": restore(images, tmp_path / "out"),
    }
    for arguments in commands.values():
        ended = programs.run(arguments, handles=32)
        injected("32 open files at most")
        assert ended.code == 0, ended.err


@pytest.mark.parametrize("megabytes", [64, 128, 192, 256, 512])
def test_little_memory(
    programs: Programs, store: Path, tmp_path: Path, injected: Callable[..., None], megabytes: int
) -> None:
    """What does not fit says so, and leaves what stood."""
    image = tmp_path / "large.tif"
    tifffile.imwrite(image, np.random.default_rng(0).integers(20_000, 60_000, (3000, 3000), dtype=np.uint16))
    out = tmp_path / "out.tif"
    commands = [
        [
            "zoo",
            "run",
            "wiener",
            str(image),
            "-o",
            str(out),
            "--pitch-mm",
            "0.048",
            "--detectors",
            "weights",
            "--device",
            "cpu",
            "--json",
        ],
        [*THREE_PAIRS, "-o", str(tmp_path / "a.zarr"), "--size", "1024"],
        train(store, tmp_path / "run", 2),
    ]
    for arguments in commands:
        ended = programs.run(arguments, memory_bytes=megabytes * 2**20)
        ended.check_manners()
        injected("memory limit")
        assert ended.code in {0, 1}, ended.err
        if ended.code:
            assert "memory" in ended.err
    assert not leftovers(tmp_path / "out.tif")


def test_rivals(programs: Programs, store: Path, images: Path, tmp_path: Path, injected: Callable[..., None]) -> None:
    """Who comes second is refused, and spoils nothing."""
    (tmp_path / "out").mkdir()
    assert programs.run(train(store, tmp_path / "run", 4)).code == 0
    first = sorted((images / "lr").iterdir())[0].name
    with LocalFolder(tmp_path / "a.zarr.partial").locked():
        refused(programs.run([*THREE_PAIRS, "-o", tmp_path / "a.zarr"]), 2, "in use")
    with RunFolder(tmp_path / "run").locked():
        refused(programs.run([*train(store, tmp_path / "run", 4), "--resume"]), 2, "in use")
    with whole_file(tmp_path / "out" / first) as partial:
        partial.write_bytes(b"the rival's")
        ended = programs.run(restore(images, tmp_path / "out"))
        refused(ended, 3, "written by another process")
    assert (tmp_path / "out" / first).read_bytes() == b"the rival's"
    injected("two writers", 3)
    assert programs.run([*THREE_PAIRS, "-o", tmp_path / "a.zarr"]).code == 0
    assert programs.run([*train(store, tmp_path / "run", 4), "--resume"]).code == 0


@pytest.mark.parametrize("clock_s", [315_532_800.0, 4_102_444_800.0], ids=["1980", "2100"])
def test_clocks_that_run_backwards(
    programs: Programs, store: Path, images: Path, tmp_path: Path, injected: Callable[..., None], clock_s: float
) -> None:
    for name, clock in (("right", {}), ("wrong", {"clock_s": clock_s})):
        folder = tmp_path / name
        folder.mkdir()
        for arguments in (
            [*THREE_PAIRS, "-o", str(folder / "a.zarr")],
            train(store, folder / "run", 4),
            restore(images, folder / "out"),
        ):
            ended = programs.run(arguments, **clock)
            assert ended.code == 0, ended.err
            document = json.loads(ended.out)
            seconds = document.get("seconds", document.get("files", [{}])[0].get("seconds"))
            assert 0 <= seconds < 300
    injected("clock set back", 3)
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    assert contents(right / "a.zarr") == contents(wrong / "a.zarr")
    assert outcome(right / "run") == outcome(wrong / "run")
    assert results(right / "out") == results(wrong / "out")
