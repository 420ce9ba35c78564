"""Set-ups that are known by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from xsim.detector.detector import Detector, Screen, Sensor
from xsim.imaging.setup import PairChanges, PairSetup
from xsim.keywords import check_keywords
from xsim.spectrum import tungsten_spectrum

__all__ = ["paper"]


def paper(**changes: Unpack[PairChanges]) -> PairSetup:
    """Return the seed paper's set-up: 70 kV, screens of 33.91 and 134.55 mg/cm2, 42.56 uGy a frame, 20 HR frames.

    The paper states neither filtration (2.5 mm Al here) nor pixel pitch (0.048 mm here).

    Parameters
    ----------
    **changes
        Fields of ``PairSetup`` that differ.

    Raises
    ------
    UnknownKeywordError
        If a change names no field.
    """
    setup = PairSetup(
        spectrum=tungsten_spectrum(kvp=70.0, filters=(("Al", 2.5),)),
        hr=Detector(Screen(33.91), Sensor()),
        lr=Detector(Screen(134.55), Sensor()),
    )
    check_keywords("setting", changes, PairSetup.__dataclass_fields__)
    return replace(setup, **changes)
