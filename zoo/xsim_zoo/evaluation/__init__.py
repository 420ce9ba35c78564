"""Judge restorers on held-out pairs: an evaluation whose every number states its interval and its origin.

The import is light: torch is imported when a name is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import Any

# public name -> module that holds it
_LAZY = {
    "evaluate": "xsim_zoo.evaluation.engine",
    "Entrant": "xsim_zoo.evaluation.entrants",
    "Evaluation": "xsim_zoo.evaluation.results",
    "Options": "xsim_zoo.evaluation.options",
}

__all__ = list(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'xsim_zoo.evaluation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
