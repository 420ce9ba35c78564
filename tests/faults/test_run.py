"""`xsim zoo run`: whatever ends it, the same command again gives the same results, and no part of one is ever seen."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.faults.every_step import FAULTS, Fault, contents, failing_at_every_step, leftovers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.programs import Programs

OPTIONS = ["--device", "cpu", "--detectors", "weights", "--steps", "2", "--samples", "2", "--picture", "--json"]


@pytest.fixture(scope="module")
def radiographs(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("radiographs")
    for path in sorted((images / "lr").glob("*.tif"))[:2]:
        shutil.copy(path, folder)
    return folder


def results(folder: Path) -> dict[str, str]:
    """Return the digests of what a run leaves, without its JSON twins, which say how long it took."""
    return {name: digest for name, digest in contents(folder).items() if not name.endswith(".json")}


@pytest.fixture(scope="module")
def wanted(programs: Programs, radiographs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    ended = programs.run(["zoo", "run", "physics-sde", radiographs, "-o", folder, *OPTIONS])
    assert ended.code == 0, ended.err
    return results(folder)


def check_goes_on(programs: Programs, arguments: list[str], folder: Path, wanted: dict[str, str]) -> None:
    """Check that what stands is whole, and that the same command again makes the rest."""
    for name, digest in results(folder).items():
        assert name not in wanted or wanted[name] == digest, f"{name} is not whole"
    again = programs.run([*arguments, "--force"])
    assert again.code == 0, again.err
    assert results(folder) == wanted
    assert not leftovers(folder)
    once_more = programs.run(arguments)
    assert once_more.code == 0, once_more.err
    assert all(file["skipped"] for file in json.loads(once_more.out)["files"])


@pytest.mark.parametrize("stride", [43, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_step_may_fail(
    programs: Programs,
    radiographs: Path,
    wanted: dict[str, str],
    tmp_path: Path,
    injected: Callable[..., None],
    fault: Fault,
    stride: int,
) -> None:
    def command(folder: Path) -> list[str]:
        return ["zoo", "run", "physics-sde", str(radiographs), "-o", str(folder / "out"), *OPTIONS]

    for folder, _ in failing_at_every_step(programs, command, tmp_path, fault, stride):
        injected(f"zoo run: {fault}")
        check_goes_on(programs, command(folder), folder / "out", wanted)


@pytest.mark.slow
def test_kill_9_at_random_moments(
    programs: Programs, radiographs: Path, wanted: dict[str, str], tmp_path: Path, injected: Callable[..., None]
) -> None:
    arguments = ["zoo", "run", "physics-sde", str(radiographs), *OPTIONS]
    seconds = programs.run([*arguments, "-o", str(tmp_path / "whole")]).seconds
    moments = random.Random(3)
    for attempt in range(12):
        folder = tmp_path / f"{attempt}"
        killed = programs.run([*arguments, "-o", str(folder)], kill_after_s=moments.uniform(0.01, seconds))
        assert killed.code in {-9, 0}, killed
        injected("zoo run: kill -9 at a random moment", killed.code == -9)
        check_goes_on(programs, [*arguments, "-o", str(folder)], folder, wanted)
