"""What the imaging chain is shown: material thickness maps, and the labelled defects that hide in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from copy import copy
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.files.npz import read_npz
from xsim.files.whole import whole_file
from xsim.keywords import names_keywords
from xsim.materials import linear_attenuation_per_mm
from xsim.materials import material as known_material

__all__ = ["Ball", "Defect", "Phantom", "attenuation", "picture", "write_preview"]

# What the header of a phantom file says it is.
FORMAT = "xsim.phantom/1"
# Longest way through a material, and largest pixel [mm]: a kilometre is no object, and its exponentials underflow.
_MOST_MM = 1e6


@names_keywords
@dataclass(frozen=True)
class Defect:
    """One labelled defect in a phantom's image.

    Attributes
    ----------
    kind : str
        Class, e.g. ``"ball-void"``; ``xsim.phantoms.defects.KINDS`` lists them.
    x_px, y_px : float
        Centre in the phantom's pixels (centre of the first pixel at 0.5).
    size_mm : float
        Largest extent [mm].
    value : float
        What a class is graded by: void area [% of the joint], gap [mm], offset [mm]; 0 where size says all.
    corner_px : (int, int)
        Row and column of the mask's first pixel in the phantom.
    mask : (h, w) bool array
        Pixels that the defect touches, cut to its box.
    """

    kind: str
    x_px: float
    y_px: float
    size_mm: float
    value: float
    corner_px: tuple[int, int]
    mask: NDArray[np.bool_] = field(repr=False, compare=False)

    def full_mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask on the phantom's whole grid, shape (H, W)."""
        full = np.zeros(shape, dtype=bool)
        row, column = self.corner_px
        height, width = self.mask.shape
        full[row : row + height, column : column + width] = self.mask
        return full

    def within(self, row: int, column: int, shape: tuple[int, int]) -> Defect:
        """Return the defect in a window that begins at a pixel, its mask cut to it."""
        (top, left), (height, width) = self.corner_px, self.mask.shape
        first_row, first_column = max(top, row), max(left, column)
        last_row, last_column = min(top + height, row + shape[0]), min(left + width, column + shape[1])
        kept = self.mask[
            first_row - top : max(last_row, first_row) - top,
            first_column - left : max(last_column, first_column) - left,
        ]
        corner = (first_row - row, first_column - column)
        return replace(self, x_px=self.x_px - column, y_px=self.y_px - row, corner_px=corner, mask=kept)

    def mirrored(self, width: int) -> Defect:
        """Return the defect in a phantom of this width that was mirrored left and right."""
        (row, column), across = self.corner_px, self.mask.shape[1]
        return replace(self, x_px=width - self.x_px, corner_px=(row, width - column - across), mask=self.mask[:, ::-1])

    def quarter_turned(self, width: int) -> Defect:
        """Return the defect in a phantom of this width that was turned by a quarter against the clock."""
        (row, column), across = self.corner_px, self.mask.shape[1]
        corner = (width - column - across, row)
        return replace(self, x_px=self.y_px, y_px=width - self.x_px, corner_px=corner, mask=np.rot90(self.mask))


@dataclass(frozen=True)
class Ball:
    """One solder ball in a phantom's image, with what its voids take of its outline.

    Attributes
    ----------
    kind : str
        ``"ball"``; ``"bridged"``, ``"double"`` or ``"head-in-pillow"`` where it is no single, well soldered ball.
    x_px, y_px : float
        Centre of its outline in the phantom's pixels (centre of the first pixel at 0.5).
    area_mm2, void_area_mm2 : float
        Areas of the outlines of the ball and of all its voids together, where these overlap counted once [mm2].
    voids : int
        How many voids it has.
    """

    kind: str
    x_px: float
    y_px: float
    area_mm2: float
    void_area_mm2: float = 0.0
    voids: int = 0

    @property
    def void_share(self) -> float:
        """Return the void area as a share of the ball's."""
        return self.void_area_mm2 / self.area_mm2

    @property
    def diameter_mm(self) -> float:
        """Return the diameter of the disc that has the ball's area [mm]."""
        return float(np.sqrt(4.0 / np.pi * self.area_mm2))


@names_keywords
@dataclass(frozen=True)
class Phantom:
    """Thickness of every material along the rays, on a grid finer than the detector's pixels.

    Attributes
    ----------
    materials : (M,) tuple of str
        Names that ``xsim.materials.material`` knows.
    thickness_mm : (M, H, W) float32 array
        Path length through each material [mm].
    pixel_mm : float
        Pixel of the grid in the plane of the board's lower face [mm].
    name, family : str
        What it shows; phantoms of one family share a design and must not be split between training and test.
    seed : int or None
        Seed that it was drawn from; None for targets and real boards.
    defects : tuple of Defect
        Every defect that was put in on purpose.
    height_mm : (M,) tuple of float
        Mean height of each material above the board's lower face [mm]: what focal-spot blur depends on.
    balls : tuple of Ball
        Every ball of a ball grid array whose centre the image shows.
    """

    materials: tuple[str, ...]
    thickness_mm: NDArray[np.float32] = field(repr=False)
    pixel_mm: float
    name: str = "phantom"
    family: str = "phantom"
    seed: int | None = None
    defects: tuple[Defect, ...] = ()
    height_mm: tuple[float, ...] = ()
    balls: tuple[Ball, ...] = ()

    def __post_init__(self) -> None:
        maps = self.thickness_mm
        if maps.ndim != 3 or maps.dtype != np.float32 or len(self.materials) != len(maps):
            raise InputError(
                f"phantom '{self.name}': thickness maps of shape {maps.shape} and type {maps.dtype} for "
                f"{len(self.materials)} materials: give float32 of shape (materials, H, W)"
            )
        if not 0 < self.pixel_mm <= _MOST_MM:
            raise InputError(
                f"phantom '{self.name}': pixel {self.pixel_mm} mm: give a size above 0, of {_MOST_MM:g} at most"
            )
        # NaN fails both comparisons.
        if maps.size and not (float(maps.min()) >= 0.0 and float(maps.max()) <= _MOST_MM):
            raise InputError(f"phantom '{self.name}': thickness below zero or not finite: give maps in mm, 0 to 1e6")
        if len(self.height_mm) not in {0, len(self.materials)} or not all(map(math.isfinite, self.height_mm)):
            raise InputError(f"phantom '{self.name}': {len(self.height_mm)} heights: give one [mm] for each material")

    @property
    def shape(self) -> tuple[int, int]:
        """Return (H, W)."""
        return int(self.thickness_mm.shape[1]), int(self.thickness_mm.shape[2])

    def thickness_of(self, material: str) -> NDArray[np.float32]:
        """Return the map of one material [mm], shape (H, W); zeros where the phantom holds none."""
        if material in self.materials:
            thickness: NDArray[np.float32] = self.thickness_mm[self.materials.index(material)]
            return thickness
        return np.zeros(self.shape, np.float32)

    def window(self, row: int, column: int, shape: tuple[int, int]) -> Phantom:
        """Return a part of the phantom, with the defects and balls whose centres it shows; its maps are views.

        Parameters
        ----------
        row, column : int
            Its first pixel.
        shape : (int, int)
            Its height and width [pixels].

        Raises
        ------
        InputError
            If it is not within the phantom.
        """
        height, width = shape
        if not (0 <= row <= row + height <= self.shape[0] and 0 <= column <= column + width <= self.shape[1]):
            raise InputError(
                f"phantom '{self.name}': a window of {height} x {width} pixels at ({row}, {column}) does not lie "
                f"within its {self.shape[0]} x {self.shape[1]}"
            )
        rows, columns = slice(row, row + height), slice(column, column + width)

        def shown(item: Defect | Ball) -> bool:
            return 0 <= item.y_px - row < height and 0 <= item.x_px - column < width

        return self._seen(
            thickness_mm=self.thickness_mm[:, rows, columns],
            defects=tuple(defect.within(row, column, shape) for defect in self.defects if shown(defect)),
            balls=tuple(
                replace(ball, x_px=ball.x_px - column, y_px=ball.y_px - row) for ball in self.balls if shown(ball)
            ),
        )

    def turned(self, way: int) -> Phantom:
        """Return the phantom in one of the eight positions of a square, with defects and balls; its maps are views.

        Parameters
        ----------
        way : int
            Quarter turns against the clock, 0 to 3; from 4 on after mirroring left and right.

        Raises
        ------
        InputError
            If it is not 0 to 7.
        """
        if not 0 <= way <= 7:
            raise InputError(f"position {way} of a square: give 0 to 7")
        maps, defects, balls = self.thickness_mm, self.defects, self.balls
        width = self.shape[1]
        if way >= 4:
            maps = maps[:, :, ::-1]
            defects = tuple(defect.mirrored(width) for defect in defects)
            balls = tuple(replace(ball, x_px=width - ball.x_px) for ball in balls)
        for _ in range(way % 4):
            # What lay at (x, y) lies at (y, W - x).
            width = maps.shape[2]
            maps = np.rot90(maps, axes=(1, 2))
            defects = tuple(defect.quarter_turned(width) for defect in defects)
            balls = tuple(replace(ball, x_px=ball.y_px, y_px=width - ball.x_px) for ball in balls)
        return self._seen(thickness_mm=maps, defects=defects, balls=balls)

    def _seen(self, **changes: Any) -> Phantom:
        """Return this phantom seen otherwise; its maps are views of maps that were checked, which takes a while."""
        seen = copy(self)
        for name, value in changes.items():
            object.__setattr__(seen, name, value)
        return seen

    def save(self, path: str | Path) -> Path:
        """Write a compressed ``.npz`` (no pickle) and return its path; it appears whole or not at all."""
        path = Path(path)
        arrays: dict[str, Any] = {f"mask_{i}": defect.mask for i, defect in enumerate(self.defects)}
        header = {
            "format": FORMAT,
            "materials": list(self.materials),
            "pixel_mm": self.pixel_mm,
            "name": self.name,
            "family": self.family,
            "seed": self.seed,
            "height_mm": list(self.height_mm),
            "defects": [{k: v for k, v in asdict(defect).items() if k != "mask"} for defect in self.defects],
            "balls": [asdict(ball) for ball in self.balls],
        }
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, header=json.dumps(header), thickness_mm=self.thickness_mm, **arrays)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Phantom:
        """Read what ``save`` wrote.

        Raises
        ------
        MissingFileError
            If there is no such file.
        InputError
            If the file is not a phantom, is damaged, or unpacks to more than 4 GiB.
        """
        path = Path(path)
        stored = read_npz(path)
        try:
            return cls(**_fields(json.loads(str(stored["header"])), stored))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"{path}: not a phantom that xsim can read ({error}): make one with xsim phantom"
            ) from error


def _fields(header: dict[str, Any], stored: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the arguments of the constructor."""
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']!r}")
    defects = []
    for i, item in enumerate(header["defects"]):
        row, column = item.pop("corner_px")
        mask = stored[f"mask_{i}"]
        if mask.ndim != 2 or mask.dtype != bool:
            raise ValueError(f"the mask of defect {i} has shape {mask.shape} and type {mask.dtype}")
        defects.append(Defect(**_told(Defect, item), corner_px=(int(row), int(column)), mask=mask))
    return {
        "materials": _materials(header["materials"]),
        "thickness_mm": stored["thickness_mm"],
        "pixel_mm": _number(header["pixel_mm"]),
        "name": str(header["name"]),
        "family": str(header["family"]),
        "seed": None if header["seed"] is None else _whole(header["seed"]),
        "defects": tuple(defects),
        "height_mm": tuple(_number(height) for height in header["height_mm"]),
        # Files of earlier versions hold none.
        "balls": tuple(Ball(**_told(Ball, ball)) for ball in header.get("balls", ())),
    }


def _materials(names: Any) -> tuple[str, ...]:
    """Return the names of materials, if each of them is one."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"its materials are {str(names)[:60]}, not a list of names")
    for name in names:
        known_material(name)
    return tuple(names)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{str(value)[:40]} is no number")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{str(value)[:40]} is no whole number")
    return value


def _told(kind: type[Defect | Ball], item: Any) -> dict[str, Any]:
    """Return what a header says of a defect or a ball, if every value is of the kind that it is to be."""
    if not isinstance(item, dict):
        raise TypeError(f"a {kind.__name__.lower()} is {str(item)[:40]}, not a table")
    hints = {one.name: one.type for one in fields(kind)}
    for name, value in item.items():
        wanted: type | tuple[type, ...] = {"str": str, "int": int}.get(str(hints.get(name)), (int, float))
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise TypeError(f"'{name}' of a {kind.__name__.lower()} is {str(value)[:40]}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"'{name}' of a {kind.__name__.lower()} is {value}")
    return item


# One energy stands for the spectrum of a picture [keV].
PREVIEW_KEV = 40.0


def attenuation(phantom: Phantom, energy_keV: float = PREVIEW_KEV) -> NDArray[np.float32]:
    """Return -log(transmission) at one energy, shape (H, W)."""
    total = np.zeros(phantom.shape, np.float32)
    for material, path in zip(phantom.materials, phantom.thickness_mm, strict=True):
        mu = float(np.ravel(linear_attenuation_per_mm(material, np.array([energy_keV])))[0])
        total += np.float32(mu) * path
    return total


def picture(phantom: Phantom, *, energy_keV: float = PREVIEW_KEV, defects: bool = False) -> NDArray[np.uint8]:
    """Return the picture as grey levels, or colours where ``defects`` are outlined: (H, W) or (H, W, 3) uint8.

    Grey is linear in log(1 + a): thin tracks and thick balls can be seen in the same picture.
    """
    dark = np.log1p(2.0 * attenuation(phantom, energy_keV))
    low, high = np.percentile(dark, (0.1, 99.8))
    grey = np.clip((dark - low) / max(float(high - low), 1e-6), 0.0, 1.0)
    image: NDArray[np.uint8] = np.round(255.0 * (1.0 - grey)).astype(np.uint8)
    if not defects:
        return image
    coloured = np.repeat(image[:, :, None], 3, axis=2)
    for defect in phantom.defects:
        mask = np.pad(defect.mask, 2)
        shifted = [np.roll(mask, step, axis=axis) for axis in (0, 1) for step in (-1, 1)]
        rim = np.logical_or.reduce(shifted) & ~mask
        row, column = defect.corner_px[0] - 2, defect.corner_px[1] - 2
        for v, u in zip(*np.nonzero(rim), strict=True):
            if 0 <= row + v < image.shape[0] and 0 <= column + u < image.shape[1]:
                coloured[row + v, column + u] = (230, 60, 30)
    return coloured


def write_preview(phantom: Phantom, path: Path, *, defects: bool = False) -> Path:
    """Write the picture as PNG and return its path."""
    from PIL import Image  # noqa: PLC0415  only pictures need it

    with whole_file(path) as partial:
        Image.fromarray(picture(phantom, defects=defects)).save(partial, format="PNG")
    return path
