"""A zoo of X-ray image restorers: training, inference, evaluation, weights.

``import xsim_zoo`` is light: torch is imported when a name is first used (PEP 562).
"""

from __future__ import annotations

import importlib
import os
from typing import Any

# torch then puts its large arrays on large pages where Linux offers them: fetching small ones one by one costs a tenth
# of the time of a large radiograph. It looks once, at its first large array; who has set this already is left alone.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# public name -> module that holds it
_LAZY = {
    "load": "xsim_zoo.weights.loading",
    "build": "xsim_zoo.weights.loading",
    "names": "xsim_zoo.restorers.registry",
    "get": "xsim_zoo.restorers.registry",
    "register": "xsim_zoo.restorers.registry",
    "Restorer": "xsim_zoo.restorers.base",
    "LearnedRestorer": "xsim_zoo.restorers.base",
    "Physics": "xsim_zoo.process.physics",
    "TrainSettings": "xsim_zoo.training.settings",
    "train": "xsim_zoo.training.train",
}

__all__ = list(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'xsim_zoo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
