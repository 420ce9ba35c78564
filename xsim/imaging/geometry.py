"""Where source, object and detector stand: magnification, focal spot, tilt, and the fall of kerma across the field.

The detector stays parallel to the board, as in ``xsim.phantoms.View``: an oblique view moves the tube sideways.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, pi, radians, sin, tan
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import j1

from xsim.errors import InputError, PhysicsRangeError, UnknownNameError, check_range
from xsim.grids import frequency_axes
from xsim.materials import linear_attenuation_per_mm
from xsim.spectrum import Spectrum

__all__ = ["DetectorPlane", "FocalSpotShape", "Geometry", "resample"]

FocalSpotShape = Literal["gaussian", "square", "disc"]

# Relative difference between pixel sizes that counts as none: less than one pixel in a field of 10 000.
_SAME = 1e-4
# Source distance of `xsim.phantoms.BoardRecipe` [mm].
_USUAL_BOARD_SOURCE_MM = 500.0


@dataclass(frozen=True)
class DetectorPlane:
    """Grid of the detector plane on which the beam is blurred, ``oversampling`` cells to a detector pixel.

    Parameters
    ----------
    shape : (H, W)
        Detector pixels.
    oversampling : int
        Cells along the side of a pixel.
    pixel_mm : float
        Detector pixel pitch [mm].
    """

    shape: tuple[int, int]
    oversampling: int
    pixel_mm: float

    @property
    def cell_mm(self) -> float:
        """Side of a cell [mm]."""
        return self.pixel_mm / self.oversampling


@dataclass(frozen=True)
class Geometry:
    """Positions of source, object and detector; the default is a point source and an object in contact.

    Parameters
    ----------
    source_detector_mm : float
        Distance from the focal spot to the screen [mm].
    source_object_mm : float or None
        Distance from the focal spot to the object [mm]; None puts the object onto the screen.
    focal_spot_mm : float
        Size of the focal spot [mm]: side of a square, diameter of a disc, full width at half maximum of a Gaussian.
    focal_spot_shape : {"gaussian", "square", "disc"}
        Its emission profile.
    tilt_deg : float
        Angle between the central ray and the detector's normal [degree], -45 to 45, along the rows of the image: above
        zero the source stands before their first pixels. Screens answer at that angle (see `PairSetup`).
        Paths and parallax inside the object belong to the phantom: see ``source_mm``.
    falloff : bool
        Let kerma fall across the field by the inverse square law and the cosine of incidence.
    heel_depth_mm : float
        Mean depth below the anode's surface at which photons start [mm]; 0 switches the heel effect off. The anode
        lies towards the first row of the image. SpekPy's spectra off the axis are met within 2 % over half the anode
        angle (12 degrees, 2.5 mm Al) with 0.0013 mm at 70 kV and 0.0036 mm at 150 kV.

    Raises
    ------
    PhysicsRangeError
        If a length or an angle is out of range or the magnification would be below 1.
    UnknownNameError
        If the focal spot's shape is not known.
    """

    source_detector_mm: float = 600.0
    source_object_mm: float | None = None
    focal_spot_mm: float = 0.0
    focal_spot_shape: FocalSpotShape = "gaussian"
    tilt_deg: float = 0.0
    falloff: bool = False
    heel_depth_mm: float = 0.0

    def __post_init__(self) -> None:
        check_range("source-detector distance", self.source_detector_mm, 1.0, 1e5, "mm")
        if self.source_object_mm is not None:
            check_range("source-object distance", self.source_object_mm, 0.1, 1e5, "mm")
            if self.source_object_mm > self.source_detector_mm:
                raise PhysicsRangeError(
                    f"magnification {self.magnification:.3g} is below 1: the object at {self.source_object_mm:g} mm "
                    f"lies behind the detector at {self.source_detector_mm:g} mm: bring it up to the detector or nearer"
                )
        check_range("focal spot", self.focal_spot_mm, 0.0, 20.0, "mm")
        check_range("tilt", self.tilt_deg, -45.0, 45.0, "degree")
        check_range("emission depth in the anode", self.heel_depth_mm, 0.0, 0.1, "mm")
        if self.focal_spot_shape not in get_args(FocalSpotShape):
            raise UnknownNameError("focal spot shape", self.focal_spot_shape, get_args(FocalSpotShape))

    @property
    def magnification(self) -> float:
        """Size of the object's image over the object's size."""
        return self.source_detector_mm / self.source_mm

    @property
    def source_mm(self) -> float:
        """Height of the focal spot above the object [mm].

        A board is drawn as this geometry sees it by ``View(..., source_mm=geometry.source_mm,
        tilt_deg=geometry.tilt_deg)``: its layers then magnify and shift as they must.
        """
        return self.source_object_mm or self.source_detector_mm

    @property
    def board_source_mm(self) -> float:
        """Height of the focal spot for which random boards are drawn [mm].

        It is ``source_mm``; but where nothing is said, an object in contact at the usual 600 mm, boards stay as they
        were drawn before there was a choice, for 500 mm: the difference is 0.07 pixels at the edge of 256 pixels of
        0.048 mm, and stores keep their bytes.
        """
        usual = self.source_object_mm is None and self.source_detector_mm == Geometry.source_detector_mm
        return _USUAL_BOARD_SOURCE_MM if usual else self.source_mm

    def plane(self, shape: tuple[int, int], object_pixel_mm: float, pitch_mm: float) -> DetectorPlane:
        """Return the grid on the detector that a phantom of this shape and pixel size fills.

        Raises
        ------
        InputError
            If the phantom is coarser than the detector's pixel or smaller than one.
        """
        side = object_pixel_mm * self.magnification
        if side > pitch_mm * (1 + _SAME):
            raise InputError(
                f"the phantom's pixel of {side:g} mm on the detector is coarser than the detector's {pitch_mm:g} mm: "
                f"draw it at {pitch_mm / self.magnification:.4g} mm or finer"
            )
        oversampling = max(1, ceil(pitch_mm / side - _SAME))
        height = int(shape[0] * side / pitch_mm + _SAME)
        width = int(shape[1] * side / pitch_mm + _SAME)
        if not (height and width):
            raise InputError(f"the phantom of {shape} pixels is smaller than one detector pixel: draw a larger one")
        return DetectorPlane((height, width), oversampling, pitch_mm)

    def focal_spot_mtf(self, shape: tuple[int, int], cell_mm: float) -> NDArray[np.float64]:
        """Return the transfer function of the focal spot's penumbra on an ``rfft2`` grid, (H, W // 2 + 1).

        The spot's image on the detector has width ``focal_spot_mm * (magnification - 1)``. It blurs the fluence and
        therefore the variance too, but not the noise.
        """
        v, u = frequency_axes(shape, cell_mm)
        width = self.focal_spot_mm * (self.magnification - 1.0)
        if self.focal_spot_shape == "square":
            return np.asarray(np.sinc(width * v) * np.sinc(width * u))
        f = np.hypot(v, u) * width
        if self.focal_spot_shape == "disc":
            x = pi * np.maximum(f, 1e-9)
            return np.asarray(2.0 * j1(x) / x)
        return np.asarray(np.exp(-((pi * f) ** 2) / (4.0 * log(2.0))))

    def kerma_map(self, shape: tuple[int, int], pitch_mm: float, spectrum: Spectrum) -> NDArray[np.float64]:
        """Return the kerma across the field relative to the central ray, (H, W).

        Inverse square law and cosine of incidence make it fall as ``cos(angle)**3``. The heel effect is the
        self-absorption of the anode: a photon that starts at depth d and leaves at angle theta towards the
        anode travels ``d / sin(anode_angle - theta)`` through it (its change of the spectrum is left out).

        Raises
        ------
        InputError
            If the field reaches into the anode's shadow.
        """
        height, width = shape
        y = (np.arange(height)[:, None] - (height - 1) / 2) * pitch_mm
        x = (np.arange(width)[None, :] - (width - 1) / 2) * pitch_mm
        kerma = np.ones(shape)
        if self.falloff:
            foot = tan(radians(self.tilt_deg))
            lateral = (y / self.source_detector_mm) ** 2 + (x / self.source_detector_mm + foot) ** 2
            kerma *= ((1.0 + lateral) / (1.0 + foot**2)) ** -1.5
        if self.heel_depth_mm > 0:
            if spectrum.transmission_um is not None:
                raise InputError("a transmission target has no heel: leave heel_depth_mm out")
            anode = radians(spectrum.anode_angle_deg)
            leaving = anode + np.arctan(y / self.source_detector_mm)
            if leaving.min() <= 0:
                raise InputError(
                    f"the field of {height * pitch_mm:g} mm reaches into the shadow of an anode of "
                    f"{spectrum.anode_angle_deg:g} degree: move the detector away or use a larger anode angle"
                )
            extra = self.heel_depth_mm * (1.0 / np.sin(leaving) - 1.0 / sin(anode))
            mu = linear_attenuation_per_mm(spectrum.target, spectrum.energy_keV)
            share = spectrum.fluence_per_mm2_uGy / spectrum.total_fluence_per_mm2_uGy
            kerma *= np.exp(-extra[..., None] * mu) @ share
        return kerma


def resample(image: NDArray[np.float32], plane: DetectorPlane, side_mm: float) -> NDArray[np.float32]:
    """Average an image over the cells of the detector plane, by area; centres of both coincide.

    The image holds transmission (never thickness) on pixels that have ``side_mm`` on the plane [mm].
    """
    rows, columns = (count * plane.oversampling for count in plane.shape)
    if abs(side_mm / plane.cell_mm - 1.0) < _SAME:
        top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
        return image[top : top + rows, left : left + columns]
    down = _overlap(image.shape[0], side_mm, rows, plane.cell_mm)
    across = _overlap(image.shape[1], side_mm, columns, plane.cell_mm)
    return np.ascontiguousarray((across @ (down @ image).T).T, dtype=np.float32)


def _overlap(count_in: int, side_in: float, count_out: int, side_out: float) -> csr_array:
    """Return the (count_out, count_in) matrix that averages cells of one size over concentric cells of another."""
    edges_in = (np.arange(count_in + 1) - count_in / 2) * side_in
    edges_out = (np.arange(count_out + 1) - count_out / 2) * side_out
    first = np.clip(np.searchsorted(edges_in, edges_out[:-1], side="right") - 1, 0, count_in - 1)
    reach = ceil(side_out / side_in) + 1
    column = np.clip(first[:, None] + np.arange(reach), 0, count_in - 1)
    overlap = np.minimum(edges_out[1:, None], edges_in[column + 1]) - np.maximum(edges_out[:-1, None], edges_in[column])
    overlap[:, 1:][np.diff(column, axis=1) == 0] = 0.0  # a column clipped to the border must not count twice
    overlap = np.maximum(overlap, 0.0)
    overlap /= overlap.sum(axis=1, keepdims=True)
    row = np.repeat(np.arange(count_out), reach)
    return csr_array((overlap.ravel(), (row, column.ravel())), shape=(count_out, count_in))
