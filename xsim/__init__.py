"""xsim: a digital twin of an indirect X-ray imaging system.

``import xsim`` is light: what a name needs is imported when the name is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from xsim._version import __version__

if TYPE_CHECKING:
    from xsim import degradation as degradation
    from xsim import detector as detector
    from xsim import errors as errors
    from xsim import grids as grids
    from xsim import imaging as imaging
    from xsim import materials as materials
    from xsim import measure as measure
    from xsim import phantoms as phantoms
    from xsim import recipes as recipes
    from xsim import seeds as seeds
    from xsim import spectrum as spectrum
    from xsim import units as units
    from xsim.degradation.degradation import Degradation as Degradation
    from xsim.degradation.link import GreyLink as GreyLink
    from xsim.detector.detector import Detector as Detector
    from xsim.detector.screen import Screen as Screen
    from xsim.detector.sensor import Sensor as Sensor
    from xsim.imaging.pair import Pair as Pair
    from xsim.imaging.pair import simulate_pair as simulate_pair
    from xsim.spectrum import Spectrum as Spectrum
    from xsim.spectrum import tungsten_spectrum as tungsten_spectrum
else:
    # public name -> module that holds it; other names of __all__ are modules themselves.
    _HOMES = {
        "Degradation": "xsim.degradation.degradation",
        "Detector": "xsim.detector.detector",
        "GreyLink": "xsim.degradation.link",
        "Pair": "xsim.imaging.pair",
        "Screen": "xsim.detector.screen",
        "Sensor": "xsim.detector.sensor",
        "Spectrum": "xsim.spectrum",
        "simulate_pair": "xsim.imaging.pair",
        "tungsten_spectrum": "xsim.spectrum",
    }

    def __getattr__(name):
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        if name in __all__:
            return importlib.import_module(f"xsim.{name}")
        raise AttributeError(f"module 'xsim' has no attribute '{name}'")


__all__ = [
    "Degradation",
    "Detector",
    "GreyLink",
    "Pair",
    "Screen",
    "Sensor",
    "Spectrum",
    "__version__",
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
    "simulate_pair",
    "spectrum",
    "tungsten_spectrum",
    "units",
]


def __dir__() -> list[str]:
    return sorted(__all__)
