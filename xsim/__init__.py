"""xsim: a digital twin of an indirect X-ray imaging system.

``import xsim`` is light: what a name needs is imported when the name is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import Any

from xsim._version import __version__

# public name -> module that holds it; a module's own name stands for itself.
_LAZY = {
    "simulate_pair": "xsim.imaging.pair",
    "Pair": "xsim.imaging.pair",
    "Detector": "xsim.detector.detector",
    "GreyLink": "xsim.degradation.link",
    "Screen": "xsim.detector.screen",
    "Sensor": "xsim.detector.sensor",
    "Spectrum": "xsim.spectrum",
    "tungsten_spectrum": "xsim.spectrum",
    "Degradation": "xsim.degradation.degradation",
}
_MODULES = frozenset(
    {
        "degradation",
        "detector",
        "errors",
        "grids",
        "imaging",
        "materials",
        "measure",
        "phantoms",
        "recipes",
        "seeds",
        "spectrum",
        "units",
    }
)

__all__ = ["__version__", *_LAZY, *_MODULES]  # noqa: PLE0604  (all of them are strings)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"xsim.{name}")
    raise AttributeError(f"module 'xsim' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
