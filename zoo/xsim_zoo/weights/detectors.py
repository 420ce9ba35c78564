"""A restorer between the user's own two detectors, as `xsim calibrate` measured them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xsim.errors import InputError
from xsim.measure.calibration import read_calibration
from xsim_zoo.restorers.base import LearnedRestorer

if TYPE_CHECKING:
    from pathlib import Path

    from xsim_zoo.restorers.base import Restorer

__all__ = ["with_detectors"]


def with_detectors(restorer: Restorer, path: Path) -> Restorer:
    """Return a restorer that takes blur, noise and grey-level link from a calibration file.

    The prior spectrum and the network stay. A network that is shown the Wiener estimate learns what that leaves, in
    units of its expected error, and so carries over to other detectors of its pixel pitch; one that is shown the
    LR image alone has learned one blur.

    Parameters
    ----------
    restorer : Restorer
        What `xsim_zoo.load` returns.
    path : Path
        A file of ``xsim calibrate``.

    Raises
    ------
    InputError
        If the file is no calibration, its pitch is not the network's, or the network knows one blur only.
    """
    _, _, degradation = read_calibration(path)
    if isinstance(restorer, LearnedRestorer):
        if restorer.inputs < 2:
            raise InputError(f"'{restorer.name}' has learned one blur and takes no --detectors: run physics-sde")
        if not restorer.many_detectors:
            restorer.physics.check_pitch(degradation.pitch_mm)
    return restorer.with_physics(replace(restorer.physics, degradation=degradation))
