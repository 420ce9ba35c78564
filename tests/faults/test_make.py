"""`xsim dataset make`: whatever ends it, resuming gives the bytes of an uninterrupted run."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.every_step import FAULTS, Fault, contents, failing_at_every_step
from xsim_datasets.store.verify import verify_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.programs import Programs

THREE_PAIRS = ["dataset", "make", "tiny", "-n", "3", "--size", "32", "--json"]
MANY_PAIRS = ["dataset", "make", "tiny", "-n", "80", "--size", "32", "--json"]


def make(folder: Path) -> list[str]:
    return [*THREE_PAIRS, "-o", str(folder / "a.zarr")]


@pytest.fixture(scope="module")
def wanted(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    assert programs.run(make(folder)).code == 0
    return contents(folder)


def check_goes_on(programs: Programs, arguments: list[str], folder: Path, wanted: dict[str, str]) -> None:
    """Check that nothing torn bears the store's name, and that a resumed run ends as an undisturbed one."""
    target = folder / "a.zarr"
    assert not target.exists() or verify_store(str(target), full=True).ok
    resumed = programs.run([*arguments, "--resume"])
    assert resumed.code == 0, resumed.err
    assert contents(folder) == wanted
    assert [path.name for path in folder.iterdir()] == ["a.zarr"]


@pytest.mark.slow  # samples of these steps and moments are quick: tests/datasets/store/test_crash.py
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_step_may_fail(
    programs: Programs, wanted: dict[str, str], tmp_path: Path, injected: Callable[..., None], fault: Fault
) -> None:
    for folder, _ in failing_at_every_step(programs, make, tmp_path, fault, stride=1):
        injected(f"dataset make: {fault}")
        check_goes_on(programs, make(folder), folder, wanted)


@pytest.mark.slow
def test_kill_9_at_random_moments(programs: Programs, tmp_path: Path, injected: Callable[..., None]) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    undisturbed = programs.run([*MANY_PAIRS, "-o", whole / "a.zarr"])
    assert undisturbed.code == 0, undisturbed.err
    moments = random.Random(7)
    for attempt in range(20):
        folder = tmp_path / f"{attempt}"
        folder.mkdir()
        arguments = [*MANY_PAIRS, "-o", str(folder / "a.zarr")]
        killed = programs.run(arguments, kill_after_s=moments.uniform(0.01, undisturbed.seconds))
        assert killed.code in {-9, 0}, killed
        injected("dataset make: kill -9 at a random moment", killed.code == -9)
        check_goes_on(programs, arguments, folder, contents(whole))


@pytest.mark.slow
def test_files_may_grow_to_any_length_and_no_further(
    programs: Programs, wanted: dict[str, str], tmp_path: Path, injected: Callable[..., None]
) -> None:
    """A quota cuts writes wherever it likes, also those that Python does not see."""
    for number, length in enumerate((300, 500, 800, 1000, 2000, 4000, 8000)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        ended = programs.run(make(folder), file_bytes=length)
        ended.check_manners()
        assert ended.code == 1
        injected("dataset make: files cut at a length")
        check_goes_on(programs, make(folder), folder, wanted)
