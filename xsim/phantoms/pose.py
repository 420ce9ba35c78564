"""Where tube and detector stand around an object that rests: the pose of one view, its rays, and where points are seen.

A pose is told in the object's own frame [mm], as those who reconstruct want it; the detector may stand anywhere that
the source shines on. `Pose.frame` turns it into what objects are drawn in: x along the rows of the image, y down its
columns, z towards the source, and a `View` of that frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.phantoms.view import View

__all__ = ["Pose", "rotation"]

Vector = tuple[float, float, float]
# Vectors of a detector that are further than this from unit length, or from a right angle, are no axes.
_ROUNDING = 1e-6


def rotation(axis: Sequence[float], angle_deg: float) -> NDArray[np.float64]:
    """Return the (3, 3) matrix that turns by an angle [deg] about an axis, against the clock seen from its tip.

    Source: O. Rodrigues, J. Math. Pures Appl. 5, 380 (1840).

    Raises
    ------
    InputError
        If the axis has no length.
    """
    k = np.asarray(axis, dtype=np.float64)
    length = float(np.linalg.norm(k))
    if not 0.0 < length < math.inf:
        raise InputError(f"axis {tuple(axis)} has no direction: give three numbers, one of them not 0")
    x, y, z = k / length
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = math.radians(angle_deg)
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * (cross @ cross))


@dataclass(frozen=True)
class Pose:
    """Tube and detector around an object, in the object's frame.

    Parameters
    ----------
    source_mm : (float, float, float)
        The focal spot [mm].
    detector_mm : (float, float, float)
        The middle of the detector [mm].
    u, v : (float, float, float)
        Unit vectors along the detector's rows (to the next column) and down its columns (to the next row).

    Raises
    ------
    InputError
        If u and v are no unit vectors at a right angle, or the object's origin does not lie between source and
        detector.
    """

    source_mm: Vector
    detector_mm: Vector
    u: Vector
    v: Vector

    def __post_init__(self) -> None:
        gram = np.array([self.u, self.v]) @ np.array([self.u, self.v]).T
        if not np.allclose(gram, np.eye(2), atol=_ROUNDING):
            raise InputError(f"detector axes {self.u} and {self.v}: give unit vectors at a right angle")
        if not self.height_mm > 0.0 or self.behind_mm < -_ROUNDING:
            raise InputError(
                f"the object's origin lies {self.height_mm:.4g} mm below the source and {self.behind_mm:.4g} mm above "
                "the detector: put it between them"
            )

    @property
    def towards(self) -> NDArray[np.float64]:
        """Return the detector's unit normal on the side of the source, (3,)."""
        normal = np.cross(self.u, self.v)
        return np.asarray(normal if normal @ np.subtract(self.source_mm, self.detector_mm) > 0.0 else -normal)

    @property
    def height_mm(self) -> float:
        """Distance of the source from the plane through the object's origin that is parallel to the detector [mm]."""
        return float(self.towards @ self.source_mm)

    @property
    def behind_mm(self) -> float:
        """Distance of that plane from the detector [mm]."""
        return float(-self.towards @ self.detector_mm)

    @property
    def source_detector_mm(self) -> float:
        """Distance of the source from the detector's plane [mm]."""
        return self.height_mm + self.behind_mm

    @property
    def slope(self) -> tuple[float, float]:
        """Sideways way of the central ray to the source for each mm towards it, along u and v."""
        across = np.subtract(self.source_mm, self.detector_mm) / self.source_detector_mm
        return float(across @ self.u), float(across @ self.v)

    def turned(self, matrix: NDArray[np.float64]) -> Pose:
        """Return the pose that sees the object as this one sees it after it was turned by a (3, 3) rotation."""
        source, detector, u, v = (
            tuple((matrix.T @ np.asarray(part)).tolist()) for part in (self.source_mm, self.detector_mm, self.u, self.v)
        )
        return Pose(source, detector, u, v)

    def frame(self) -> NDArray[np.float64]:
        """Return the (3, 3) matrix to the frame of the image; it mirrors where u and v run the other way round."""
        return np.array([self.u, self.v, self.towards])

    def view(self, shape: tuple[int, int], pixel_mm: float) -> View:
        """Return the view in the frame of the image whose pixels have ``pixel_mm`` in the plane of the origin."""
        slope_u, slope_v = self.slope
        share = self.height_mm
        centre = (
            float(np.dot(self.source_mm, self.u)) - share * slope_u,
            float(np.dot(self.source_mm, self.v)) - share * slope_v,
        )
        tilt, azimuth = math.atan(math.hypot(slope_u, slope_v)), math.atan2(slope_v, slope_u)
        return View(
            shape,
            pixel_mm,
            centre_mm=centre,
            tilt_deg=math.degrees(tilt),
            azimuth_deg=math.degrees(azimuth),
            source_mm=self.height_mm,
        )

    def matrix(self, shape: tuple[int, int], pitch_mm: float) -> NDArray[np.float64]:
        """Return the (3, 4) projection matrix P of an image of this shape, (H, W), and pixel pitch [mm].

        A point (x, y, z) of the object is seen at ``(a / c, b / c)``, ``(a, b, c) = P (x, y, z, 1)``: column and row
        [pixels] from the corner of the image, the middle of the first pixel at (0.5, 0.5).
        """
        frame, source = self.frame(), np.asarray(self.source_mm)
        # The image of p lies where the line from the source through p meets the detector: s + D (p - s) / depth.
        foot_u, foot_v = (float(axis @ (source - np.asarray(self.detector_mm))) for axis in frame[:2])
        scale = self.source_detector_mm / pitch_mm
        along = -frame[2]
        rows = [
            scale * frame[0] + (foot_u / pitch_mm + 0.5 * shape[1]) * along,
            scale * frame[1] + (foot_v / pitch_mm + 0.5 * shape[0]) * along,
            along,
        ]
        linear = np.array(rows)
        return np.column_stack((linear, -linear @ source))

    def seen_at(self, points_mm: NDArray[np.float64], shape: tuple[int, int], pitch_mm: float) -> NDArray[np.float64]:
        """Return where points (n, 3) [mm] are seen, (n, 2) as (column, row) in pixels from the image's corner."""
        matrix = self.matrix(shape, pitch_mm)
        rays = np.asarray(points_mm, dtype=np.float64) @ matrix[:, :3].T + matrix[:, 3]
        return np.asarray(rays[:, :2] / rays[:, 2:])
