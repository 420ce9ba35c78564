"""Loops that numba compiles, and where it may keep what it has compiled.

Numba keeps machine code beside the source or in the user's own cache, and raises an error where it may write to
neither, as in a container that runs as nobody special. Here the cache of xsim comes next, and where that is missing
too, code is compiled at each start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numba

from xsim.files.cache import cache_folder

__all__ = ["compiled"]


def compiled(
    *, error_model: Literal["python", "numpy"] = "python", inline: Literal["never", "always"] = "never"
) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function at its first call, and keeps the machine code for other processes.

    Parameters
    ----------
    error_model : str
        What a division by zero does: "python" raises, "numpy" gives inf or NaN, and is faster.
    inline : str
        "always" puts the function's own text where it is called.
    """
    options: dict[str, Any] = {"error_model": error_model, "inline": inline}

    def decorator(function: Callable[..., Any]) -> Any:
        """Return the compiled function."""
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # nowhere to keep it
            folder = cache_folder()
        if folder is None or numba.config.CACHE_DIR:  # type: ignore[attr-defined]
            return numba.njit(**options)(function)
        numba.config.CACHE_DIR = str(folder / "compiled")  # type: ignore[attr-defined]
        return decorator(function)

    return decorator
