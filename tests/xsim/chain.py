"""What the tests of the imaging chain share: set-ups without fixed pattern, flats, edges."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.phantoms import Phantom
from xsim.recipes import paper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.imaging.setup import PairSetup

PITCH_MM = 0.048


@lru_cache
def quiet_setup(**changes: Any) -> PairSetup:
    """Return the paper's set-up with perfect flats and even gain, so that only stochastic noise is left."""
    setup = paper(**changes)
    even = replace(setup.hr.sensor, flat_frames=0, gain_sd=0.0)
    return replace(setup, hr=replace(setup.hr, sensor=even), lr=replace(setup.lr, sensor=even))


def plate(material: str, thickness_mm: float, shape: tuple[int, int], pixel_mm: float = PITCH_MM) -> Phantom:
    return Phantom((material,), np.full((1, *shape), thickness_mm, np.float32), pixel_mm, name="plate")


def flat(shape: tuple[int, int], pixel_mm: float = PITCH_MM) -> Phantom:
    return plate("Al", 0.0, shape, pixel_mm)


def slanted_edge(shape: tuple[int, int], pixel_mm: float, slope: float) -> Phantom:
    """Return a thin foil over half the image, its edge turned by atan(slope); pixels hold exact areas."""
    height, width = shape
    y = (np.arange(height)[:, None] + 0.5 - height / 2) * slope + width / 2
    # A pixel's row mean of the edge's position stands for it: the slope changes it by less than a tenth of a pixel.
    covered: NDArray[np.float64] = np.clip(np.arange(width)[None, :] + 1 - y, 0.0, 1.0)
    return Phantom(("Al",), (covered[None] * 0.02).astype(np.float32), pixel_mm, name="edge")
