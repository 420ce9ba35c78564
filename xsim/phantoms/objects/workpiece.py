"""What every object beyond boards shares: a view, a piece of one material with voids, and places inside it for flaws.

Objects have no scale of their own: what lies in the window is drawn in shares of the window and of the thickness that
the rays have to cross, so that a turbine blade under a microfocus tube and a pipe on a plate of .4 mm pixels come from
the same few designs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, check_range
from xsim.materials import material as known_material
from xsim.phantoms import casting, solids
from xsim.phantoms.defects import DefectLog
from xsim.phantoms.objects.texture import Relief, roughen
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.scene import Scene
from xsim.phantoms.solids import Point, Solid
from xsim.phantoms.view import View
from xsim.seeds import check_seed, generator

__all__ = ["USUAL_MM", "DrawObject", "Workpiece", "build", "check_flaw_rates", "draw_workpiece", "finish"]

# material -> range of the path through a piece of it that a radiographer would still image at 60 to 225 kV [mm].
USUAL_MM = {
    "Al": (3.0, 40.0),
    "Mg": (5.0, 60.0),
    "Ti": (2.0, 20.0),
    "steel": (1.0, 12.0),
    "Ni": (1.0, 8.0),
    "brass": (1.0, 8.0),
    "Zn": (1.0, 10.0),
    "PMMA": (5.0, 60.0),
    "Al2O3": (3.0, 25.0),
}
# Height of the focal spot above the object [mm], as for boards a usual bench; higher objects stand further away.
SOURCE_MM, SOURCE_HEIGHTS = 700.0, 20.0
TILT_SHARE, MOST_TILT_DEG = 0.2, 25.0
# Windows wider than any flat panel are a mistake in the units.
MOST_MM = 2000.0


@dataclass
class Workpiece:
    """A piece of one material under construction.

    Attributes
    ----------
    view : View
        How it is looked at.
    rng : numpy.random.Generator
        Chance of the design; flaws draw from ``log.rng``, so that rates do not move the design.
    log : DefectLog
        What is wrong with the piece.
    material : str
        What it is made of.
    path_mm : float
        Thickness that the design is built around [mm].
    solids, voids : list of Solid
        The piece: the union of the one less the other.
    scene : Scene
        What else is there: inserts, gauges, letters.
    reliefs : list of Relief
        How rough the piece's surfaces are.
    """

    view: View
    rng: np.random.Generator
    log: DefectLog
    material: str
    path_mm: float
    solids: list[Solid] = field(default_factory=list)
    voids: list[Solid] = field(default_factory=list)
    scene: Scene = field(default_factory=Scene)
    reliefs: list[Relief] = field(default_factory=list)
    _tables: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    @cached_property
    def field_mm(self) -> float:
        """Return the smaller side of the window [mm]: the unit of lengths across the rays."""
        return min(self.view.size_mm)

    @cached_property
    def reach_mm(self) -> float:
        """Return a distance from the middle that the window never shows, however it is turned [mm]."""
        tangent = math.hypot(*self.view.slope())
        return 0.5 * math.hypot(*self.view.size_mm) * 1.1 + 6.0 * tangent * self.path_mm

    @property
    def pixel_mm(self) -> float:
        """Return the phantom's pixel [mm]."""
        return self.view.pixel_mm

    def share(self, low: float, high: float) -> float:
        """Draw a length between two shares of the window, evenly in its logarithm [mm]."""
        return self.field_mm * math.exp(self.rng.uniform(math.log(low), math.log(high)))

    def spot(self, rng: np.random.Generator, within: float = 0.5) -> tuple[float, float]:
        """Draw a point (x, y) [mm] that the window shows, at most ``within`` of its side from the middle."""
        x, y = self.field_mm * rng.uniform(-within, within, 2)
        return float(x), float(y)

    def insert(self, material: str, parts: Sequence[Solid]) -> None:
        """Put another material in the place of the piece's own."""
        self.scene.body(material, parts, displaces=self.material)

    def beside(self, material: str, parts: Sequence[Solid], *, voids: Iterable[Solid] = ()) -> None:
        """Put something on or beside the piece."""
        self.scene.body(material, parts, voids=voids)

    @property
    def top_mm(self) -> float:
        """Return the height of the piece's highest point [mm]."""
        return max(solid[6] for solid in self.solids)

    def column(self, x: float, y: float) -> list[tuple[float, float]]:
        """Return the intervals of height [mm] that the piece fills above (x, y), lowest first."""
        filled = _merged(_spans(self._table("solids"), x, y))
        for low, high in _merged(_spans(self._table("voids"), x, y)):
            filled = [part for span in filled for part in _without(span, low, high)]
        return filled

    def _table(self, what: str) -> NDArray[np.float64]:
        """Return the solids or the voids as rows, kept until there are more of them."""
        parts: list[Solid] = getattr(self, what)
        kept = self._tables.get(what)
        if kept is None or len(kept) != len(parts):
            kept = np.array(parts, dtype=np.float64).reshape(-1, solids.COLUMNS)
            self._tables[what] = kept
        return kept

    def holds(self, point: Point, radius: float) -> bool:
        """Say whether a ball lies inside the piece: judged along the vertical, and at eight places round it."""
        x, y, z = point
        for k in range(9):
            # On a ball of this radius a point at .9 of it across lies .44 of it up or down.
            across, up = (0.0, radius) if k == 0 else (0.9 * radius, 0.44 * radius)
            angle = 0.25 * math.pi * k
            spans = self.column(x + across * math.cos(angle), y + across * math.sin(angle))
            if not any(low <= z - up and z + up <= high for low, high in spans):
                return False
        return True

    def place(self, rng: np.random.Generator, radius: float, *, tries: int = 12) -> Point | None:
        """Draw the centre of a ball inside the piece and inside the window; None if no room was found."""
        for _ in range(tries):
            x, y = self.spot(rng)
            spans = [(low + radius, high - radius) for low, high in self.column(x, y) if high - low > 2.0 * radius]
            if not spans:
                continue
            low, high = spans[int(rng.integers(len(spans)))]
            point = (x, y, float(rng.uniform(low, high)))
            if self.holds(point, radius):
                return point
        return None


def _spans(rows: NDArray[np.float64], x: float, y: float) -> Iterator[tuple[float, float]]:
    near = (rows[:, 1] <= x) & (x <= rows[:, 2]) & (rows[:, 3] <= y) & (y <= rows[:, 4])
    for n in np.flatnonzero(near):
        low, high = casting.chord(rows, n, x, y, 0.0, 0.0)
        if low < high:
            yield low, high


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _without(span: tuple[float, float], low: float, high: float) -> Iterator[tuple[float, float]]:
    if span[0] < min(low, span[1]):
        yield span[0], min(low, span[1])
    if max(high, span[0]) < span[1]:
        yield max(high, span[0]), span[1]


class DrawObject(Protocol):
    """What draws a kind of object, e.g. `xsim.phantoms.objects.castings.random_casting`, which says what it takes."""

    def __call__(
        self,
        seed: int,
        shape: tuple[int, int] = ...,
        pixel_mm: float = ...,
        *,
        material: str | None = None,
        thickness_mm: float | None = None,
        flaw_rates: Mapping[str, float] | None = None,
        tilt_deg: float | None = None,
        rotation_deg: float | None = None,
    ) -> Phantom:
        """Draw one."""


def check_flaw_rates(given: Mapping[str, float] | None, usual: Mapping[str, float]) -> dict[str, float]:
    """Return the full table of rates, the given ones in place of the usual ones.

    Raises
    ------
    InputError
        For a class that the object does not have, or a rate outside 0 to 1.
    """
    for kind, rate in (given or {}).items():
        if kind not in usual:
            raise InputError(f"flaw '{kind}' is none of this object: it has {', '.join(usual)}")
        if not 0.0 <= rate <= 1.0:
            raise InputError(f"rate {rate} of flaw '{kind}': give 0 to 1")
    return {**usual, **(given or {})}


def draw_workpiece(
    seed: int,
    shape: tuple[int, int],
    pixel_mm: float,
    rates: dict[str, float],
    materials: Sequence[str],
    *,
    material: str | None,
    path_mm: float | None,
    tilt_deg: float | None,
    rotation_deg: float | None,
) -> Workpiece:
    """Return an empty piece: its view, its material and its thickness drawn from a seed where they are not given.

    Raises
    ------
    InputError
        For a seed, a window or an angle out of range; UnknownNameError for a material that is not known.
    """
    check_seed(seed)
    rng = generator(seed, stage="object-view")
    turn, azimuth = float(rng.uniform(0.0, 360.0)), float(rng.uniform(0.0, 360.0))
    tilt = float(rng.uniform(3.0, MOST_TILT_DEG)) if rng.random() < TILT_SHARE else 0.0
    drawn = materials[int(rng.integers(len(materials)))]
    chosen = drawn if material is None else known_material(material).name
    low, high = USUAL_MM.get(chosen, (1.0, 10.0))
    usual = math.exp(rng.uniform(math.log(low), math.log(high)))
    path = usual if path_mm is None else check_range("thickness", path_mm, 1e-3, 1000.0, "mm")
    view = View(
        (int(shape[0]), int(shape[1])),
        pixel_mm,
        rotation_deg=turn if rotation_deg is None else rotation_deg,
        tilt_deg=tilt if tilt_deg is None else tilt_deg,
        azimuth_deg=azimuth,
        source_mm=max(SOURCE_MM, SOURCE_HEIGHTS * path),
    )
    if max(view.size_mm) > MOST_MM:
        width, height = view.size_mm
        raise InputError(
            f"window of {width:g} x {height:g} mm: objects go up to {MOST_MM:g} mm: give fewer or smaller pixels"
        )
    log = DefectLog(rates, generator(seed, stage="object-flaws"))
    return Workpiece(view, generator(seed, stage="object-design"), log, chosen, path)


def build(piece: Workpiece, designs: Mapping[str, Callable[[Workpiece], None]]) -> str:
    """Build one of several designs, drawn from the piece's seed, and return its name."""
    design = list(designs)[int(piece.rng.integers(len(designs)))]
    designs[design](piece)
    return design


def finish(piece: Workpiece, name: str, design: str, seed: int) -> Phantom:
    """Draw a piece with everything beside it and return it as a phantom with its flaws labelled."""
    scene = piece.scene
    # The piece comes first: what stands in it takes its path away.
    rest, scene.bodies = scene.bodies, []
    if piece.solids:
        scene.body(piece.material, piece.solids, voids=piece.voids)
    scene.bodies += rest
    materials, maps, heights = scene.render(piece.view)
    for relief in piece.reliefs:
        if relief.material in materials:
            roughen(maps[materials.index(relief.material)], relief, piece.view)
    flaws = piece.log.defects(piece.view)
    return Phantom(materials, maps, piece.pixel_mm, f"{name}-{seed}", f"{name}-{design}", seed, flaws, heights)
