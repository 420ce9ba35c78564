"""Tables that take long to compute, kept on disk between runs.

The cache is a convenience and never a condition: where no folder can be written everything still works, only slower.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from xsim.errors import XsimError
from xsim.files.npz import read_npz
from xsim.files.whole import whole_file

__all__ = ["cache_folder", "load_arrays", "store_arrays"]


def cache_folder() -> Path | None:
    """Return the cache folder, made if need be, or None where none can be written.

    ``$XSIM_CACHE`` wins, then ``$XDG_CACHE_HOME/xsim``, then the platform's own place.
    """
    folder = Path(os.environ.get("XSIM_CACHE") or platformdirs.user_cache_dir("xsim", appauthor=False))
    if str(folder).startswith("~"):  # an account without a home
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _file(kind: str, key: str) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    return folder / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


def load_arrays(kind: str, key: str) -> dict[str, NDArray[np.float64]] | None:
    """Return the arrays stored under a key, or None if there are none that can be read.

    ``kind`` says what they are (the first part of the file's name), ``key`` all that they depend on, versions included.
    """
    path = _file(kind, key)
    if path is None or not path.is_file():
        return None
    try:
        return {name: np.asarray(array, dtype=np.float64) for name, array in read_npz(path).items()}
    except ValueError:
        # A torn or foreign file is a miss: the table is computed again and replaces it.
        return None


def store_arrays(kind: str, key: str, arrays: Mapping[str, NDArray[np.float64]]) -> None:
    """Store arrays under a key; readers see the whole file or none. Does nothing where no folder can be written."""
    path = _file(kind, key)
    if path is None:
        return
    # A full disk must not stop the physics; nor must another process that stores the same table just now.
    with contextlib.suppress(XsimError), whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
