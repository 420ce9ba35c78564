"""A scan: one object seen from many sides by both detectors of a set-up, as pairs in the order of the views."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from xsim.errors import InputError
from xsim.imaging.geometry import Geometry
from xsim.imaging.pair import Pair, simulate_pair
from xsim.imaging.setup import PairSetup
from xsim.phantoms.pose import Pose
from xsim.phantoms.subjects import Subject

__all__ = ["geometry_of", "simulate_scan"]

# Cells along the side of a pixel on which the object is drawn: a pixel counts edges by the share that they cover.
_OVERSAMPLING = 2
# Digits [mm, deg] to which the geometries of two views are one: their filters are then made once.
_DIGITS = 9
# Tilt across the rows [deg] that counts as none.
_STRAIGHT_DEG = 1e-6


def geometry_of(pose: Pose, geometry: Geometry) -> Geometry:
    """Return the geometry of one view: distances and tilt of the pose, everything else as it is.

    Raises
    ------
    InputError
        If kerma falls across the field and the beam is tilted across the rows, which no closed form here describes.
    """
    along, across = (math.degrees(math.atan(slope)) for slope in pose.slope)
    if abs(across) > _STRAIGHT_DEG and geometry.falloff:
        raise InputError(
            f"the beam is tilted by {abs(across):.3g} degree across the rows of the detector: kerma falls along rows "
            "only: turn the detector, or leave falloff off"
        )
    return replace(
        geometry,
        source_detector_mm=round(pose.source_detector_mm, _DIGITS),
        source_object_mm=round(pose.height_mm, _DIGITS),
        tilt_deg=-round(along, _DIGITS) + 0.0,
    )


def simulate_scan(
    subject: Subject,
    setup: PairSetup,
    poses: Sequence[Pose],
    shape: tuple[int, int],
    seed: int,
    *,
    clean: bool = False,
) -> Iterator[Pair]:
    """Image an object from every pose; every view falls on the same pixels of the same two detectors.

    Parameters
    ----------
    subject : Subject
        The object.
    setup : PairSetup
        Beam, detectors, dose; the geometry's distances and tilt are those of each pose.
    poses : sequence of Pose
        The views.
    shape : (H, W)
        Pixels of an image.
    seed : int
        Seed of the noise, 0 to 2**64 - 1; view k is sample k of it.
    clean : bool
        Whether the images without noise are returned too.

    Raises
    ------
    InputError
        If the object cannot be seen from a pose.
    """
    for number, pose in enumerate(poses):
        geometry = geometry_of(pose, setup.geometry)
        pixel_mm = setup.pitch_mm / (geometry.magnification * _OVERSAMPLING)
        phantom = subject.seen(pose, (shape[0] * _OVERSAMPLING, shape[1] * _OVERSAMPLING), pixel_mm)
        view = replace(setup, geometry=geometry)
        yield simulate_pair(phantom, view, seed, sample=number, place=0, clean=clean)
