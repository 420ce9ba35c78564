"""How a board is looked at: window, turn, tilt and the source's distance, as rays through the board's frame.

The board's frame is in mm, z upwards from its lower face. A pixel is a ray: it meets the plane z = 0 at ``(X, Y)``
and height z at ``(X + z tx, Y + z ty)``. The detector stays parallel to the board (an oblique view moves tube and
detector sideways), so a thin layer at height z is a similarity of the image: scaled by ``1 - z / h`` and shifted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, check_range
from xsim.keywords import names_keywords

__all__ = ["View"]

# Peak memory of a view is some twenty maps: beyond this the machine, not the physics, gives up.
MAX_PIXELS = 2**26
# From a microfocus tube whose window touches a thin board, to rays that are as good as parallel [mm].
SOURCE_RANGE_MM = (3.0, 1e9)


@names_keywords
@dataclass(frozen=True)
class View:
    """A window on a board.

    Parameters
    ----------
    shape : (H, W)
        Pixels.
    pixel_mm : float
        Pixel in the plane z = 0 [mm].
    centre_mm : (float, float)
        Point of the board's frame at the middle of the image [mm].
    rotation_deg : float
        Turn of the image against the board [deg].
    tilt_deg : float
        Angle between the central ray and the board's normal, 0 to 45 [deg].
    azimuth_deg : float
        Direction of the tilt in the image [deg].
    source_mm : float
        Height of the focal spot above z = 0 [mm]; infinite for parallel rays. A feature at height z is magnified
        by ``1 / (1 - z / source_mm)`` against z = 0.

    Raises
    ------
    InputError
        For an empty or huge window; PhysicsRangeError for angles or distances out of range.
    """

    shape: tuple[int, int]
    pixel_mm: float
    centre_mm: tuple[float, float] = (0.0, 0.0)
    rotation_deg: float = 0.0
    tilt_deg: float = 0.0
    azimuth_deg: float = 0.0
    source_mm: float = math.inf

    def __post_init__(self) -> None:
        height, width = self.shape
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise InputError(f"window of {width} x {height} pixels: give 1 to {MAX_PIXELS} pixels in all")
        check_range("pixel", self.pixel_mm, 1e-4, 10.0, "mm")
        check_range("tilt", self.tilt_deg, 0.0, 45.0, "deg")
        check_range("source distance", min(self.source_mm, 1e9), *SOURCE_RANGE_MM, "mm")

    @property
    def size_mm(self) -> tuple[float, float]:
        """Return width and height of the window [mm]."""
        return self.shape[1] * self.pixel_mm, self.shape[0] * self.pixel_mm

    def slope(self) -> tuple[float, float]:
        """Return the central ray's ``(dx/dz, dy/dz)`` in the board's frame."""
        angle = math.radians(self.azimuth_deg + self.rotation_deg)
        tangent = math.tan(math.radians(self.tilt_deg))
        return tangent * math.cos(angle), tangent * math.sin(angle)

    def rays(self) -> NDArray[np.float64]:
        """Return the ray constants that the kernels take, shape (9,).

        ``cx cy``: centre [mm]; ``a b``: pixel times cosine and sine of the rotation; ``u0 v0``: image centre [px];
        ``sx sy``: central slope; ``1/h``: inverse source height [1/mm].
        """
        angle = math.radians(self.rotation_deg)
        slope_x, slope_y = self.slope()
        a, b = self.pixel_mm * math.cos(angle), self.pixel_mm * math.sin(angle)
        middle = (0.5 * self.shape[1], 0.5 * self.shape[0])
        return np.array([*self.centre_mm, a, b, *middle, slope_x, slope_y, 1.0 / self.source_mm])

    def plane(self, z_mm: float) -> NDArray[np.float64]:
        """Return ``(a, b, ox, oy)`` of the map from pixels to the plane at height z, shape (4,).

        ``x = ox + a u - b v``, ``y = oy + b u + a v`` [mm] with u, v in pixels from the image's corner.
        """
        cx, cy, a, b, u0, v0, sx, sy, inverse = self.rays()
        scale = 1.0 - z_mm * inverse
        a, b = a * scale, b * scale
        return np.array([a, b, cx + z_mm * sx - a * u0 + b * v0, cy + z_mm * sy - b * u0 - a * v0])

    def pixel_of(self, x_mm: float, y_mm: float, z_mm: float = 0.0) -> tuple[float, float]:
        """Return where a point of the board appears, ``(u, v)`` in pixels from the image's corner."""
        a, b, ox, oy = self.plane(z_mm)
        dx, dy, square = x_mm - ox, y_mm - oy, a * a + b * b
        return (a * dx + b * dy) / square, (a * dy - b * dx) / square
