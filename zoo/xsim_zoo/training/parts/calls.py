"""What a run says of how it was called: the exact command, versions, hardware, time."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from xsim._version import __version__

__all__ = ["this_call"]

_PACKAGES: Final = ("torch", "numpy", "accelerate", "safetensors", "zarr", "tensorstore")
"""Packages that the numbers of a training come from."""


def this_call(steps: int, device: str, processes: Sequence[str] = ()) -> dict[str, Any]:
    """Return what is written down of this call of a training.

    Parameters
    ----------
    steps : int
        Steps that are asked for.
    device : str
        What computes, in words.
    processes : sequence of str
        Where each process computes, in their order; written down where there are several.
    """
    return {
        "command_line": shlex.join(sys.orig_argv),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "steps": steps,
        "hardware": device,
        **({"processes": list(processes)} if len(processes) > 1 else {}),
        "versions": {
            "xsim": __version__,
            "python": platform.python_version(),
            **{package: _version_of(package) for package in _PACKAGES},
            "platform": platform.platform(),
        },
    }


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
