"""What a board is made of, ready to be drawn: thin layers, bodies, the holes through them, and the laminate's weave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from xsim.compiled import compiled
from xsim.phantoms import casting, flat, polygons, solids
from xsim.phantoms.polygons import Polygon
from xsim.phantoms.solids import Solid
from xsim.phantoms.view import View

__all__ = ["STYLES", "Layer", "Ply", "Scene", "Weave", "draw_weave"]

# style -> yarn pitch along warp and fill [mm], ply thickness [mm] (yarns per inch: 7628 44x32, 2116 60x58, 1080 60x47)
STYLES = {
    "7628": (0.58, 0.79, 0.17),
    "2116": (0.42, 0.44, 0.10),
    "1080": (0.42, 0.54, 0.064),
    "106": (0.45, 0.45, 0.04),
}
# FR-4 is 60 % glass by weight: 2.58 and 1.40 g/cm3 make 45 % by volume.
GLASS_SHARE = 0.45
# Share of the laminate that is given as glass and resin apart, so that the weave has something to move.
MOVABLE = 0.15


@dataclass(frozen=True)
class Ply:
    """One layer of cloth: pitches [mm] of warp and fill, direction [rad], phases [turns] of both, and height [mm]."""

    pitch: tuple[float, float]
    angle: float
    phase: tuple[float, float]
    z_mm: float


@dataclass(frozen=True)
class Weave:
    """The cloth of a laminate.

    Attributes
    ----------
    laminate, resin : str
        Materials; the glass is ``E-glass``.
    plies : tuple of Ply
        Its layers.
    strength : float
        Peak exchange of one ply as a share of the laminate's path.
    """

    laminate: str
    resin: str
    plies: tuple[Ply, ...]
    strength: float

    def apply(self, maps: dict[str, NDArray[np.float32]], view: View) -> None:
        """Move paths from the laminate to glass and resin, in place; ``maps`` holds all three [mm]."""
        table = np.cos(np.linspace(0.0, 2.0 * math.pi, 1024, endpoint=False)).astype(np.float32)
        waves = np.array([_wave(ply, view) for ply in self.plies])
        args = (maps[self.laminate], maps["E-glass"], maps[self.resin])
        _exchange(*args, waves, table, MOVABLE, GLASS_SHARE, self.strength)


def _wave(ply: Ply, view: View) -> list[float]:
    """Return phase and its steps along u and v, in turns, of both yarn directions."""
    a, b, ox, oy = view.plane(ply.z_mm)
    cosine, sine = math.cos(ply.angle), math.sin(ply.angle)
    found = []
    for (ex, ey), pitch, phase in zip(((cosine, sine), (-sine, cosine)), ply.pitch, ply.phase, strict=True):
        found += [phase + (ox * ex + oy * ey) / pitch, (a * ex + b * ey) / pitch, (a * ey - b * ex) / pitch]
    return found


@compiled(error_model="numpy")
def _exchange(laminate, glass, resin, waves, table, movable, share, strength):  # type: ignore[no-untyped-def]
    size = table.shape[0]
    for i in range(laminate.shape[0]):
        for j in range(laminate.shape[1]):
            path = laminate[i, j]
            if path <= 0.0:
                continue
            pattern = 0.0
            for k in range(waves.shape[0]):
                w = waves[k]
                for d in range(2):
                    turns = w[3 * d] + w[3 * d + 1] * (j + 0.5) + w[3 * d + 2] * (i + 0.5)
                    pattern += 0.5 * table[int((turns - np.floor(turns)) * size) % size]
            moved = movable * path
            more = min(1.0 - share, max(-share, strength / movable * pattern))
            laminate[i, j] = path - moved
            glass[i, j] += moved * (share + more)
            resin[i, j] += moved * (1.0 - share - more)


def draw_weave(rng: np.random.Generator, laminate: str, height_mm: float) -> Weave:
    """Draw the cloth of a laminate of this height: two to six visible plies of one style, nearly aligned."""
    pitch_x, pitch_y, thick = STYLES[str(rng.choice(list(STYLES)))]
    count = int(np.clip(height_mm / (1.3 * thick), 2, 6))
    plies = []
    for k in range(count):
        angle, phase = math.radians(float(rng.normal(0.0, 0.7))), (float(rng.random()), float(rng.random()))
        plies.append(Ply((pitch_x, pitch_y), angle, phase, height_mm * (k + 0.5) / count))
    resin = "epoxy-Br" if laminate == "FR-4" else "epoxy-HF"
    return Weave(laminate, resin, tuple(plies), float(rng.uniform(0.004, 0.02)) / math.sqrt(count))


@dataclass
class Layer:
    """A thin layer: shapes that join within the layer and have one thickness.

    Attributes
    ----------
    material : str
        Its material.
    thickness_mm, z_mm : float
        Thickness and height of its middle [mm].
    shapes : list
        Rows of ``flat`` and ``Polygon``, drawn and erased in order.
    displaces : str or None
        Material whose path the layer takes away (inner copper displaces laminate).
    soft_mm : float
        Width of the sloping side walls that etching leaves [mm].
    """

    material: str
    thickness_mm: float
    z_mm: float
    shapes: list[flat.Row | Polygon] = field(default_factory=list)
    displaces: str | None = None
    soft_mm: float = 0.0

    def coverage(self, view: View) -> NDArray[np.float32]:
        """Return the share of each pixel that the layer covers, shape (H, W)."""
        covered = np.zeros(view.shape, np.float32)
        plane = view.plane(self.z_mm)
        for is_polygon, run in groupby(self.shapes, key=lambda shape: isinstance(shape, Polygon)):
            if is_polygon:
                for item in run:
                    assert isinstance(item, Polygon)
                    polygons.fill(covered, item.points_mm, item.loops, plane, item.clear)
            else:
                rows = np.array(list(run), dtype=np.float64).reshape(-1, flat.COLUMNS)
                flat.paint(covered, rows, plane, self.soft_mm)
        return covered


@dataclass(frozen=True)
class _Body:
    material: str | None
    solids: tuple[Solid, ...]
    voids: tuple[Solid, ...]
    displaces: str | None


@dataclass
class Scene:
    """Layers and bodies in the board's frame; ``render`` turns them into thickness maps.

    Attributes
    ----------
    board_mm : float
        Distance between the outer surfaces of the board [mm]: how far a pin must reach.
    weave : Weave or None
        Cloth of the laminate.
    """

    board_mm: float = 1.6
    weave: Weave | None = None
    layers: list[Layer] = field(default_factory=list)
    bodies: list[_Body] = field(default_factory=list)

    def layer(self, layer: Layer) -> Layer:
        """Add a layer and return it."""
        self.layers.append(layer)
        return layer

    def sheet(self, material: str, thickness_mm: float, z_mm: float) -> Layer:
        """Return the layer of this material, thickness and height, added now if it is the first of its kind."""
        for layer in self.layers:
            if (layer.material, layer.thickness_mm) == (material, thickness_mm) and abs(layer.z_mm - z_mm) < 1e-3:
                return layer
        return self.layer(Layer(material, thickness_mm, z_mm))

    def body(
        self,
        material: str,
        parts: Iterable[Solid],
        *,
        voids: Iterable[Solid] = (),
        displaces: str | None = None,
    ) -> None:
        """Add a body: the union of its parts less its voids.

        ``displaces`` names the material of the body that it lies in (a die in mould compound): the path that is
        taken up is taken away there.
        """
        self.bodies.append(_Body(material, tuple(parts), tuple(voids), displaces))

    def hole(self, part: solids.Solid, material: str) -> None:
        """Take a solid's path away from a material that fills it."""
        self.bodies.append(_Body(None, (part,), (), material))

    def top_mm(self, first: int = 0) -> float:
        """Return how high the bodies reach [mm], from the body of that number on; minus infinity if there is none."""
        # The box of a solid ends with its heights, see `xsim.phantoms.solids`.
        tops = [solid[6] for body in self.bodies[first:] for solid in body.solids]
        return max(tops, default=-math.inf)

    def materials(self) -> tuple[str, ...]:
        """Return the names of all materials, in the order of their first use."""
        names = [layer.material for layer in self.layers] + [b.material for b in self.bodies if b.material]
        hosts = [layer.displaces for layer in self.layers] + [b.displaces for b in self.bodies]
        cloth = [self.weave.laminate, "E-glass", self.weave.resin] if self.weave else []
        return tuple(dict.fromkeys([*names, *(host for host in hosts if host), *cloth]))

    def render(self, view: View) -> tuple[tuple[str, ...], NDArray[np.float32], tuple[float, ...]]:
        """Draw the scene.

        Returns
        -------
        materials : (M,) tuple of str
            Those that the window shows.
        thickness_mm : (M, H, W) float32 array
            Path lengths [mm].
        height_mm : (M,) tuple of float
            Mean height of each [mm].
        """
        names = self.materials()
        index = {name: k for k, name in enumerate(names)}
        maps = np.zeros((len(names), *view.shape), np.float32)
        heights = np.zeros((len(names), 2))
        rays = view.rays()
        for layer in self.layers:
            host = index[layer.displaces] if layer.displaces else -1
            path = casting.deposit(maps, index[layer.material], host, layer.coverage(view), layer.thickness_mm, rays)
            heights[index[layer.material]] += path, path * layer.z_mm
        if self.bodies:
            rows, bodies = _tables(self.bodies, index)
            casting.cast(maps, heights, rows, bodies, rays)
        # Coverage and casting round a shared edge differently by parts of a pixel: nothing may fall below zero.
        np.maximum(maps, 0.0, out=maps)
        if self.weave:
            self.weave.apply({name: maps[k] for name, k in index.items()}, view)
            for name in ("E-glass", self.weave.resin):
                heights[index[name]] = heights[index[self.weave.laminate]]
        kept = [k for k in range(len(names)) if maps[k].any()]
        mean = [heights[k, 1] / heights[k, 0] if heights[k, 0] > 0.0 else 0.0 for k in kept]
        if len(kept) < len(names):
            maps = maps[kept]
        return tuple(names[k] for k in kept), maps, tuple(float(z) for z in mean)


def _tables(bodies: Sequence[_Body], index: dict[str, int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the solids as rows, and per body the five integers that ``casting.cast`` takes."""
    rows: list[Solid] = []
    table = []
    for body in bodies:
        material = index[body.material] if body.material else -1
        host = index[body.displaces] if body.displaces else -1
        table.append((len(rows), len(body.solids), len(body.voids), material, host))
        rows.extend(body.solids)
        rows.extend(body.voids)
    return np.array(rows, dtype=np.float64).reshape(-1, solids.COLUMNS), np.array(table, dtype=np.int64)
