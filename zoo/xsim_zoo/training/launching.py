"""Many CPU processes behind `accelerate launch`, which names their meeting point but starts only the first.

accelerate leaves starting the others to mpirun. Where there is none, the program starts itself again under torchrun,
with as many processes as `accelerate launch` was asked for.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["processes_missing", "relaunch"]

_OPTION = "--num_processes"


def processes_missing(environment: Mapping[str, str], launcher: Sequence[str]) -> int:
    """Return how many processes `accelerate launch` was asked for, if it started one alone; else 0.

    Parameters
    ----------
    environment : mapping
        This process's environment.
    launcher : sequence of str
        Command line of its parent.
    """
    # accelerate sets a meeting point for several processes, and a launcher that starts them all sets the world size.
    alone = {"ACCELERATE_USE_CPU", "MASTER_PORT"} <= environment.keys() and "WORLD_SIZE" not in environment
    if not alone or environment["ACCELERATE_USE_CPU"] != "True":
        return 0
    words = [part for word in launcher for part in word.split("=", 1)]
    counts = [after for word, after in itertools.pairwise(words) if word in {_OPTION, "--num-processes"}]
    return int(counts[0]) if counts and counts[0].isdigit() else 0


def parent_command() -> list[str]:
    """Return the command line of the parent process; empty if it cannot be seen."""
    try:
        parent = psutil.Process().parent()
        return [] if parent is None else list(parent.cmdline())
    except psutil.Error:
        return []


def relaunch(processes: int, arguments: Sequence[str]) -> int:
    """Run the program again in several processes, and return its exit code."""
    environment = {key: value for key, value in os.environ.items() if key not in {"MASTER_ADDR", "MASTER_PORT"}}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return subprocess.run(  # noqa: S603  (the program itself, with its own arguments)
        [*command, "-m", "xsim_cli.app", *arguments], env=environment, check=False
    ).returncode
