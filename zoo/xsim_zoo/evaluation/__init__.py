"""Judge restorers on held-out pairs: an evaluation whose every number states its interval and its origin.

The import is light: torch is imported when a name is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xsim_zoo.evaluation.competitor import Competitor as Competitor
    from xsim_zoo.evaluation.engine import evaluate as evaluate
    from xsim_zoo.evaluation.options import Options as Options
    from xsim_zoo.evaluation.results import Evaluation as Evaluation

# public name -> module that holds it
_LAZY = {
    "Competitor": "xsim_zoo.evaluation.competitor",
    "Evaluation": "xsim_zoo.evaluation.results",
    "Options": "xsim_zoo.evaluation.options",
    "evaluate": "xsim_zoo.evaluation.engine",
}

__all__ = ["Competitor", "Evaluation", "Options", "evaluate"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in _LAZY:
            return getattr(importlib.import_module(_LAZY[name]), name)
        raise AttributeError(f"module 'xsim_zoo.evaluation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
