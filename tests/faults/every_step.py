"""The exhaustive test: run once and count the steps, then again for each step with that one failing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.programs import Ended, Programs

__all__ = ["FAULTS", "Fault", "contents", "failing_at_every_step", "leftovers"]


@dataclass(frozen=True)
class Fault:
    """What happens, and at which kinds of steps."""

    what: str
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'kill -9' if self.what == 'kill' else self.what} at a {' or '.join(self.kinds)}"


FAULTS = (
    Fault("kill", ("rename", "removal")),
    Fault("ENOSPC", ("write",)),
    Fault("EIO", ("sync", "rename")),
)


def failing_at_every_step(
    programs: Programs, command: Callable[[Path], list[str]], folder: Path, fault: Fault, stride: int = 1
) -> Iterator[tuple[Path, Ended]]:
    """Yield, for every step of a command, the folder in which it worked, and how it ended.

    Parameters
    ----------
    programs : Programs
        What runs it.
    command : callable
        Returns the arguments for a folder to work in.
    folder : Path
        Where the folders are made.
    fault : Fault
        What happens at the step.
    stride : int
        Take every so many-th step only.
    """
    whole = folder / "counted"
    whole.mkdir()
    counted = programs.run(command(whole), kinds=fault.kinds)
    assert counted.code == 0, counted.err
    assert counted.steps, f"no {fault.kinds} to fail"
    for at in range(1, len(counted.steps) + 1, stride):
        place = folder / f"{fault.what}-{at}"
        place.mkdir()
        ended = programs.run(command(place), kinds=fault.kinds, fault=fault.what, fails_at=at)
        assert ended.code in {-9, 0, 1, 3}, ended
        assert len(ended.steps) >= at, f"the run went another way: {counted.steps[at - 1]}"
        ended.check_manners()
        if fault.what == "kill":
            assert ended.code == -9, ended
        yield place, ended


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def leftovers(folder: Path) -> list[str]:
    """Return the names of scaffolds below a folder."""
    return [path.name for path in folder.rglob("*") if "partial" in path.name or path.name.endswith(".tmp")]
