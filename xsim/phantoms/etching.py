"""Defects of etched copper: opens, shorts, mouse bites, spurs, and layers that do not lie over one another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xsim.phantoms import flat, solids

if TYPE_CHECKING:
    from xsim.phantoms.defects import DefectLog
    from xsim.phantoms.design.layout import Layout

__all__ = ["etch_defects", "misregistration"]


def misregistration(layout: Layout, rng: np.random.Generator, log: DefectLog) -> tuple[float, float]:
    """Return the shift of an inner layer [mm]: some 10 um, or 50-150 um where the defect strikes."""
    angle, usual = float(rng.uniform(0.0, 2.0 * math.pi)), abs(float(rng.normal(0.0, 0.015)))
    if not log.strikes("misregistration"):
        return usual * math.cos(angle), usual * math.sin(angle)
    by = float(log.rng.uniform(0.05, 0.15))
    x0, y0, x1, y1 = layout.outline
    height = layout.stackup.height_mm
    log.mark("misregistration", [solids.prism(0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.0, height, x1 - x0, y1 - y0)], by)
    return by * math.cos(angle), by * math.sin(angle)


def etch_defects(layout: Layout, layer: int, log: DefectLog) -> list[flat.Row]:
    """Return shapes that cut or add copper on a layer, each noted in the log."""
    copper = layout.copper[layer]
    z, thick = layout.stackup.z_mm[layer], layout.stackup.copper_mm[layer]
    changes: list[flat.Row] = []
    for row in copper.rows.tolist():
        length = math.hypot(row[4] - row[2], row[5] - row[3])
        if int(row[0]) != flat.CAPSULE or length < 6.0 * row[6]:
            continue
        track = _Track(row[2], row[3], (row[4] - row[2]) / length, (row[5] - row[3]) / length, length, 2.0 * row[6])
        for kind, make in (("open", _open), ("mouse-bite", _bite), ("spur", _spur)):
            if log.strikes(kind):
                shape = make(track, log.rng)
                changes.append(shape)
                log.mark(kind, [_raised(shape, z, thick)], shape[6] if kind == "open" else 2.0 * shape[4])
    changes += _shorts(layout, layer, log)
    return changes


class _Track:
    def __init__(self, x: float, y: float, tx: float, ty: float, length: float, width: float) -> None:
        self.x, self.y, self.tx, self.ty, self.length, self.width = x, y, tx, ty, length, width

    def at(self, along: float, across: float) -> tuple[float, float]:
        return self.x + along * self.tx - across * self.ty, self.y + along * self.ty + across * self.tx


def _open(track: _Track, rng: np.random.Generator) -> flat.Row:
    """Return a gap across the track, 30 to 150 um."""
    along = float(rng.uniform(0.25, 0.75)) * track.length
    reach = 0.7 * track.width
    gap = float(rng.uniform(0.03, 0.15))
    return flat.cleared(flat.capsule(*track.at(along, -reach), *track.at(along, reach), gap))


def _bite(track: _Track, rng: np.random.Generator) -> flat.Row:
    """Return a round bite of 0.2 to 0.5 widths into one edge."""
    along, side = float(rng.uniform(0.2, 0.8)) * track.length, float(rng.choice([-0.5, 0.5]))
    size = float(rng.uniform(0.4, 1.0)) * track.width
    return flat.cleared(flat.disc(*track.at(along, side * track.width), size))


def _spur(track: _Track, rng: np.random.Generator) -> flat.Row:
    """Return a bump of copper on one edge."""
    along, side = float(rng.uniform(0.2, 0.8)) * track.length, float(rng.choice([-0.5, 0.5]))
    return flat.disc(*track.at(along, side * track.width), float(rng.uniform(0.4, 0.9)) * track.width)


def _shorts(layout: Layout, layer: int, log: DefectLog) -> list[flat.Row]:
    """Return whiskers of copper between tracks of different nets that run close to one another."""
    copper, space = layout.copper[layer], layout.rule.space_mm
    z, thick = layout.stackup.z_mm[layer], layout.stackup.copper_mm[layer]
    found = []
    for index in np.flatnonzero(copper.rows[:, 0] == flat.CAPSULE):
        if not log.strikes("short"):
            continue
        row = copper.rows[index]
        x, y = 0.5 * (row[2] + row[4]), 0.5 * (row[3] + row[5])
        angle = math.atan2(row[5] - row[3], row[4] - row[2]) + 0.5 * math.pi
        reach = row[6] + 2.5 * space
        whisker = flat.capsule(
            x, y, x + reach * math.cos(angle), y + reach * math.sin(angle), float(log.rng.uniform(0.05, 0.15))
        )
        net = int(copper.nets[index])
        if copper.clearance(whisker, net, space) > 0.0:
            continue
        found.append(whisker)
        log.mark("short", [_raised(whisker, z, thick)], reach)
    return found


def _raised(row: flat.Row, z: float, thick: float) -> solids.Solid:
    """Return a flat shape as a solid of the layer's thickness, for its mask."""
    low, high = z - 0.5 * thick, z + 0.5 * thick
    if int(row[0]) == flat.RING:
        return solids.cone(row[2], row[3], low, high, 2.0 * row[4], 2.0 * row[4])
    length = math.hypot(row[4] - row[2], row[5] - row[3]) + 2.0 * row[6]
    angle = math.atan2(row[5] - row[3], row[4] - row[2])
    x, y = 0.5 * (row[2] + row[4]), 0.5 * (row[3] + row[5])
    return solids.prism(x, y, low, high, length, 2.0 * row[6], angle=angle, corner=row[6])
