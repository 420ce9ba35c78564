"""Ball grid arrays: balls, lands on both sides, substrate, die, wires, and what goes wrong in their joints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xsim.phantoms import flat
from xsim.phantoms.parts.dies import draw_die
from xsim.phantoms.parts.part import BuildContext, Frame, Pad, Part
from xsim.phantoms.solids import Solid

__all__ = ["BALLS", "Bga", "bga"]

# pitch -> ball diameter [mm]
BALLS = {1.27: 0.76, 1.0: 0.60, 0.8: 0.46, 0.65: 0.40, 0.5: 0.30, 0.4: 0.25}
# Share of the joint's area that all voids of a ball together may take, and the champagne voids' size [mm].
MOST_VOIDS, CHAMPAGNE_MM = 0.45, (0.02, 0.05)


@dataclass(frozen=True)
class Bga(Part):
    """A ball grid array of ``columns`` x ``rows`` sites, without the ``missing`` ones [mm]."""

    pitch: float
    ball: float
    columns: int
    rows: int
    missing: frozenset[tuple[int, int]] = frozenset()
    mould: float = 0.8
    die: float = 0.4

    @cached_property
    def sites(self) -> tuple[tuple[int, int], ...]:
        """Return column and row of every ball, row by row."""
        every = ((i, j) for j in range(self.rows) for i in range(self.columns))
        return tuple(site for site in every if site not in self.missing)

    def place(self, i: int, j: int) -> tuple[float, float]:
        """Return a site's centre [mm]."""
        return (i - 0.5 * (self.columns - 1)) * self.pitch, (j - 0.5 * (self.rows - 1)) * self.pitch

    @property
    def land(self) -> float:
        """Return the diameter of the lands on board and package [mm]."""
        return 0.78 * self.ball

    @property
    def standoff(self) -> float:
        """Return the height of the collapsed ball [mm]."""
        return 0.78 * self.ball

    @property
    def size_mm(self) -> tuple[float, float]:
        """Return the package's width and height [mm]."""
        return (self.columns + 0.4) * self.pitch, (self.rows + 0.4) * self.pitch

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return one round land a site; corners of the inner field are power and ground."""
        inner = min(self.columns, self.rows) * 0.3
        found = []
        for i, j in self.sites:
            x, y = self.place(i, j)
            depth = min(i, j, self.columns - 1 - i, self.rows - 1 - j)
            role = "ground" if depth >= inner or (i + 2 * j) % 5 == 0 else "signal"
            found.append(Pad(x, y, self.land, self.land, 0.5 * self.land, role=role))
        return tuple(found)

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return the package plus 0.5 mm all round."""
        width, height = self.size_mm
        return width + 1.0, height + 1.0

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw every ball with its voids, then the package above."""
        radii = {site: 0.5 * self.ball * (1.0 + 0.025 * float(context.rng.normal())) for site in self.sites}
        present, log = set(self.sites), context.log
        bridged = {(i, j): (i + 1, j) for i, j in self.sites if (i + 1, j) in present and log.strikes("ball-bridge")}
        done: set[tuple[int, int]] = set()
        for site in self.sites:
            if site in done:
                continue
            partner = bridged.get(site)
            if partner is not None and partner not in done:
                self._draw_bridge(frame, context, (site, partner), radii)
                done.add(partner)
            else:
                self._draw_ball(frame, context, site, radii[site])
        self._draw_package(frame, context)

    def _barrel(self, frame: Frame, x: float, y: float, radius: float) -> Solid:
        """Return a collapsed ball between its lands: an ellipsoid cut where it is as wide as the land."""
        half = 0.5 * self.standoff
        cut = 1.0 - min(0.95, 0.5 * self.land / radius) ** 2
        return frame.ellipsoid(x, y, half, radius, radius, half / math.sqrt(cut), low=0.0, high=self.standoff)

    def _draw_ball(self, frame: Frame, context: BuildContext, site: tuple[int, int], radius: float) -> None:
        rng, log = context.rng, context.log
        x, y = self.place(*site)
        x, y = x + 0.02 * float(rng.normal()), y + 0.02 * float(rng.normal())
        ball = self._barrel(frame, x, y, radius)
        if log.strikes("ball-missing"):
            cap = frame.ellipsoid(x, y, 0.0, 0.5 * self.land, 0.5 * self.land, 0.06, low=0.0)
            context.scene.body(context.solder, [cap])
            log.mark("ball-missing", [ball], 100.0)
        elif log.strikes("head-in-pillow"):
            self._draw_pillow(frame, context, x, y, radius)
        elif log.strikes("ball-double"):
            angle = float(log.rng.uniform(0.0, 2.0 * math.pi))
            other = self._barrel(frame, x + radius * math.cos(angle), y + radius * math.sin(angle), 0.9 * radius)
            context.scene.body(context.solder, [ball, other])
            log.mark("ball-double", [other], 0.0)
            log.ball([ball, other], kind="double")
        else:
            voids = self._voids(frame, context, x, y, radius)
            context.scene.body(context.solder, [ball], voids=voids)
            log.ball([ball], voids)

    def _draw_pillow(self, frame: Frame, context: BuildContext, x: float, y: float, radius: float) -> None:
        """Draw a ball that rests on its paste without wetting it."""
        rng = context.log.rng
        gap, offset = float(rng.uniform(0.01, 0.04)), float(rng.uniform(0.0, 0.1))
        rise = 0.3 * self.standoff
        head = frame.ellipsoid(x, y, rise + radius, radius, radius, radius, low=rise + gap, high=self.standoff)
        paste = frame.ellipsoid(x + offset, y, 0.0, 0.55 * self.land, 0.55 * self.land, rise + 0.05, low=0.0)
        # The ball leaves a dent in the paste.
        dent = frame.ellipsoid(x, y, rise + radius, radius, radius, radius)
        context.scene.body(context.solder, [head])
        context.scene.body(context.solder, [paste], voids=[dent])
        context.log.mark("head-in-pillow", [head], gap)
        context.log.ball([head, paste], kind="head-in-pillow")

    def _voids(self, frame: Frame, context: BuildContext, x: float, y: float, radius: float) -> list[Solid]:
        """Return the bubbles of one joint, up to four of some size and sometimes a froth, and mark the former."""
        rng = context.log.rng
        if not context.log.strikes("ball-void"):
            return []
        bubbles: list[Solid] = []
        area = 0.0
        for _ in range(1 + min(3, int(rng.poisson(0.7)))):
            r = radius * min(0.62, max(0.06, float(rng.lognormal(-1.45, 0.5))))
            if area + (r / radius) ** 2 > MOST_VOIDS or 2.0 * r > 0.9 * self.standoff:
                continue
            area += (r / radius) ** 2
            rho, angle = (0.9 * radius - r) * math.sqrt(float(rng.random())), float(rng.uniform(0.0, 2.0 * math.pi))
            z = float(rng.uniform(r, self.standoff - r))
            bubbles.append(frame.ellipsoid(x + rho * math.cos(angle), y + rho * math.sin(angle), z, r, r, r))
        if bubbles:
            context.log.mark("ball-void", bubbles, 100.0 * area)
        return bubbles + (self._froth(frame, rng, x, y) if float(rng.random()) < 0.15 else [])

    def _froth(self, frame: Frame, rng: np.random.Generator, x: float, y: float) -> list[Solid]:
        """Return champagne voids: a froth of tiny bubbles at the land."""
        bubbles = []
        for _ in range(int(rng.integers(6, 16))):
            r = 0.5 * float(rng.uniform(*CHAMPAGNE_MM))
            rho, angle = 0.42 * self.land * math.sqrt(float(rng.random())), float(rng.uniform(0.0, 2.0 * math.pi))
            bubbles.append(frame.ellipsoid(x + rho * math.cos(angle), y + rho * math.sin(angle), r, r, r, r))
        return bubbles

    def _draw_bridge(
        self,
        frame: Frame,
        context: BuildContext,
        pair: tuple[tuple[int, int], tuple[int, int]],
        radii: dict[tuple[int, int], float],
    ) -> None:
        """Draw two balls that ran together: one body with a lighter belly between them."""
        rng = context.log.rng
        thick = self.standoff * float(rng.uniform(0.5, 0.9))
        (x0, y0), (x1, y1) = self.place(*pair[0]), self.place(*pair[1])
        z = float(rng.uniform(0.5 * thick, self.standoff - 0.5 * thick))
        neck = frame.rod((x0, y0, z), (x1, y1, z), thick)
        balls = [self._barrel(frame, *self.place(*site), radii[site]) for site in pair]
        bubbles = [self._voids(frame, context, *self.place(*site), radii[site]) for site in pair]
        context.scene.body(context.solder, [*balls, neck], voids=[v for few in bubbles for v in few])
        for ball, few in zip(balls, bubbles, strict=True):
            context.log.ball([ball], few, kind="bridged")
        context.log.mark("ball-bridge", [neck], thick)

    def _draw_package(self, frame: Frame, context: BuildContext) -> None:
        """Draw package lands, substrate with its copper, die with wires, mould."""
        width, height = self.size_mm
        low = self.standoff
        top = low + 0.36
        context.scene.body("FR-4-HF", [frame.prism(0.0, 0.0, low, top, width, height, corner=0.1)])
        lands = context.scene.sheet("Cu", 0.018, frame.heights(low, low + 0.018)[0])
        for i, j in self.sites:
            x, y = self.place(i, j)
            px, py, _ = frame.point(x, y)
            lands.shapes.append(flat.disc(px, py, 1.1 * self.land))
        emc = frame.prism(0.0, 0.0, top, top + self.mould, 0.94 * width, 0.94 * height, corner=0.2)
        context.scene.body("EMC", [emc])
        side = self.die * min(width, height)
        fingers = 0.5 * side + float(context.rng.uniform(0.8, 1.6))
        if fingers < 0.45 * min(width, height):
            draw_die(frame, context, base=top, side=side, fingers=fingers, per_side=int(side / 0.14))


def bga(rng: np.random.Generator) -> Bga:
    """Draw an array of 0.4 to 1.27 mm pitch, full or with an empty belt or middle."""
    pitch = float(rng.choice(list(BALLS), p=[0.12, 0.22, 0.3, 0.12, 0.16, 0.08]))
    most = min(24, int(19.0 / pitch))
    columns = int(rng.integers(min(8, most - 1), most))
    rows = columns if rng.random() < 0.8 else max(6, columns - 3)
    style = str(rng.choice(["full", "middle", "belt"], p=[0.45, 0.3, 0.25]))
    missing = {(0, 0)}
    keep, middle = max(3, columns // 4), min(columns, rows) // 6
    for i in range(columns):
        for j in range(rows):
            depth = min(i, j, columns - 1 - i, rows - 1 - j)
            heart = max(abs(i - 0.5 * (columns - 1)), abs(j - 0.5 * (rows - 1))) < middle + 0.6
            if style != "full" and depth >= keep and not (style == "belt" and heart):
                missing.add((i, j))
    mould, die = float(rng.uniform(0.5, 1.1)), float(rng.uniform(0.25, 0.5))
    return Bga(pitch, BALLS[pitch], columns, rows, frozenset(missing), mould, die)
