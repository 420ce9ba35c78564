"""Ball grids: which of the round spots stand at one pitch, and where balls between and beside them must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from xsim.inspect.candidates import Spot, rim_of

__all__ = ["Grid", "Site", "find_grids"]

_LEAST = 4
"""Fewer balls at one pitch are chance: terminals of chips stand in twos and threes."""

_NEAREST, _FARTHEST = 2.4, 7.5
"""Pitch in radii of the rim: balls stand 1.5 to 2 diameters apart; a blurred rim lies up to a quarter inside."""

_ALIKE = 0.16
"""Difference of radius [relative] up to which spots are balls of one kind: spread of 3 %, and of the rim's search."""

_PITCH, _TURN = 0.09, 0.09
"""How far the step to a neighbour may differ from the pitch [relative] and from the grid's direction [rad]."""

_OFF, _CLEARLY_OFF = 0.16, 0.3
"""How far a ball may stand from its site [pitch]; and how far where it is as round and dark as the others: balls of a
pitch of .4 mm slide by tenths of it before the solder is solid."""

_FAINT = 0.4
"""Share of its neighbours' contrast below which a site is empty: a missing ball leaves a cap of paste."""

_CLEAR = 0.75
"""Share of its neighbours' contrast that a ball far off its site has at least."""

_DARK = 0.25
"""Optical density that a grid of balls has at least: .2 mm of solder has 2, a third of it where blur has the size of a
ball."""

_ROUND = 0.8
"""Share of the rim that is round in the median ball of a grid: .95 on balls, .55 on leads and hatched copper."""

_EDGE_ROUND = (0.4, 0.75)
"""Share of the rim that must be round at a grid's edge, with two neighbours and with one: pads have .3 to .7."""

_VAGUE_ROUND = 0.3
"""Share of a round rim that is enough where a ball is expected."""


@dataclass(frozen=True)
class Site:
    """A place of a grid where a ball stands.

    Parameters
    ----------
    spot : Spot
        The ball; where ``hidden``, what its neighbours promise.
    hidden : bool
        Whether something as dark as a ball covers it.
    """

    spot: Spot
    hidden: bool = False


@dataclass(frozen=True)
class Grid:
    """A ball grid array, or what the image shows of it.

    Parameters
    ----------
    pitch : float
        [px].
    radius : float
        Median radius of the balls' rims [px].
    sites : tuple of Site
        Its balls.
    """

    pitch: float
    radius: float
    sites: tuple[Site, ...]


def find_grids(density: NDArray[np.float64], spots: list[Spot]) -> list[Grid]:
    """Return the grids that round spots form, the largest first.

    Parameters
    ----------
    density : (H, W) array
        Optical density of the image.
    spots : list of Spot
        Round dark spots.
    """
    left, grids = list(spots), list[Grid]()
    while (start := _best_start(left)) is not None:
        cells = _grown(density, left, *start)
        if not cells:
            # Only chance held them together: their first one is left out, so that the search ends.
            first = next(iter(start[0].values()))
            left = [spot for spot in left if spot is not first]
            continue
        found = _as_grid(cells)
        if _is_of_balls(found):
            grids.append(found)
        used = np.array([(site.spot.y, site.spot.x) for site in cells.values()])
        reach = 0.5 * found.pitch
        left = [s for s in left if np.hypot(used[:, 0] - s.y, used[:, 1] - s.x).min() > reach]
    return grids


def _is_of_balls(grid: Grid) -> bool:
    """Say whether a grid is round and dark enough: rows of leads, dots of wire bonds and hatched copper are not."""
    seen = [site.spot for site in grid.sites if not site.hidden]
    contrast, round_share = (float(np.median([getattr(s, name) for s in seen])) for name in ("contrast", "round_share"))
    return len(seen) >= _LEAST and contrast > _DARK and round_share > _ROUND


Cell = tuple[int, int]

_SIDES = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Steps to the neighbours of a cell."""


def _best_start(spots: list[Spot]) -> tuple[dict[Cell, Spot], NDArray[np.float64]] | None:
    """Return the largest set of alike spots at one pitch: their cells, and the (2, 2) steps of the grid [px]."""
    places = np.array([(s.y, s.x) for s in spots]).reshape(-1, 2)
    radii = np.array([s.radius for s in spots])
    if len(spots) < _LEAST:
        return None
    tree = cKDTree(places)
    steps = []
    for k in range(len(spots)):
        near = [n for n in tree.query_ball_point(places[k], _FARTHEST * radii[k]) if n != k]
        near = [n for n in near if abs(radii[n] / radii[k] - 1.0) < _ALIKE]
        near.sort(key=lambda n: float(np.hypot(*(places[n] - places[k]))))
        for n in near[:4]:
            step = places[n] - places[k]
            if np.hypot(*step) > _NEAREST * radii[k]:
                steps.append((k, n, float(np.hypot(*step)), float(np.arctan2(*step) % (0.5 * np.pi)), radii[k]))
    best: dict[Cell, Spot] = {}
    best_basis = np.zeros((2, 2))
    table = np.array([step[2:] for step in steps]).reshape(-1, 3)
    # Every step proposes a grid; those that many others agree with are tried.
    if len(table):
        turn = np.abs((table[:, None, 1] - table[None, :, 1] + 0.25 * np.pi) % (0.5 * np.pi) - 0.25 * np.pi)
        agree = (
            (np.abs(table[:, None, 0] / table[None, :, 0] - 1.0) < _PITCH)
            & (turn < _TURN)
            & (np.abs(table[:, None, 2] / table[None, :, 2] - 1.0) < _ALIKE)
        )
        for number in _leaders(agree):
            members = agree[number]
            pitch, angle = _mean_step(table[members], table[number])
            basis = pitch * np.array([[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]])
            links = [steps[m][:2] for m in np.flatnonzero(members)]
            cells = _largest(links, spots, places, basis)
            if len(cells) > len(best):
                best, best_basis = cells, basis
    return (best, best_basis) if len(best) >= _LEAST else None


def _leaders(agree: NDArray[np.bool_]) -> Iterator[int]:
    """Yield a few steps that most others agree with, each of another grid."""
    open_ = np.ones(len(agree), dtype=bool)
    for _ in range(8):
        votes = (agree & open_).sum(axis=1) * open_
        number = int(votes.argmax())
        if votes[number] < _LEAST:
            return
        yield number
        open_ &= ~agree[number]


def _mean_step(steps: NDArray[np.float64], leader: NDArray[np.float64]) -> tuple[float, float]:
    """Return median pitch [px] and direction [rad] of steps that agree with one."""
    turn = (steps[:, 1] - leader[1] + 0.25 * np.pi) % (0.5 * np.pi) - 0.25 * np.pi
    return float(np.median(steps[:, 0])), float(leader[1] + np.median(turn))


def _largest(
    links: list[tuple[int, int]], spots: list[Spot], places: NDArray[np.float64], basis: NDArray[np.float64]
) -> dict[Cell, Spot]:
    """Return the largest connected set of linked spots, by cell."""
    beside: dict[int, set[int]] = {}
    for one, two in links:
        beside.setdefault(one, set()).add(two)
        beside.setdefault(two, set()).add(one)
    best: dict[Cell, Spot] = {}
    seen: set[int] = set()
    inverse = np.linalg.inv(basis)
    for first in beside:
        if first in seen:
            continue
        cells, todo = {(0, 0): first}, [(first, (0, 0))]
        seen.add(first)
        while todo:
            one, cell = todo.pop()
            for two in sorted(beside[one] - seen):
                step = np.round((places[two] - places[one]) @ inverse).astype(int)
                place = (cell[0] + int(step[0]), cell[1] + int(step[1]))
                if place not in cells:
                    seen.add(two)
                    cells[place] = two
                    todo.append((two, place))
        if len(cells) > len(best):
            best = {cell: spots[number] for cell, number in cells.items()}
    return best


def _grown(
    density: NDArray[np.float64], spots: list[Spot], start: dict[Cell, Spot], basis: NDArray[np.float64]
) -> dict[Cell, Site]:
    """Return the sites of a grid: those it started from, and neighbours as far as balls go on."""
    cells = {cell: Site(spot) for cell, spot in start.items()}
    fit = _affine(cells, basis)
    radius = float(np.median([site.spot.radius for site in cells.values()]))
    pitch = float(np.hypot(*basis[0]))
    for cell, spot in start.items():
        most = _CLEARLY_OFF if spot.round_share > _ROUND else _OFF
        if np.hypot(*(fit(cell) - (spot.y, spot.x))) > most * pitch:
            del cells[cell]
    tree = cKDTree(np.array([(s.y, s.x) for s in spots]))
    tried, edge = set(cells), list(cells)
    while edge:
        around = {(i + a, j + b) for i, j in edge for a, b in _SIDES} - tried
        tried |= around
        fit, edge = _affine(cells, basis), []
        usual = _usual(density, cells, radius)
        for cell in sorted(around):
            y, x = fit(cell)
            if not (0.0 <= y < density.shape[0] - 0.5 and 0.0 <= x < density.shape[1] - 0.5):
                continue
            near = [spots[n] for n in tree.query_ball_point((y, x), _OFF * pitch)]
            far = [spots[n] for n in tree.query_ball_point((y, x), _CLEARLY_OFF * pitch)]
            site = _seen(density, near, far, (y, x), radius, usual)
            if site is not None:
                cells[cell] = site
                if not site.hidden:
                    edge.append(cell)
        if not edge:
            beyond = _beyond(cells, tree, spots, fit, (radius, usual[0], _CLEARLY_OFF * pitch))
            cells |= beyond
            tried |= beyond.keys()
            edge = list(beyond)
    return _sure(cells)


def _beyond(
    cells: dict[Cell, Site],
    tree: cKDTree,
    spots: list[Spot],
    fit: Callable[[Cell], NDArray[np.float64]],
    usual: tuple[float, float, float],
) -> dict[Cell, Site]:
    """Return the clear balls one site further than a grid has grown: what covers half of a ball hides that one alone.

    ``usual`` are radius and contrast of the balls, and how far they may stand from their sites [px].
    """
    found = {}
    radius, contrast, off = usual
    for i, j in cells:
        for a, b in _SIDES:
            cell, between = (i + 2 * a, j + 2 * b), cells.get((i + a, j + b))
            if cell in cells or not (between is None or between.hidden):
                continue
            near = [spots[n] for n in tree.query_ball_point(fit(cell), off)]
            clear = [
                spot
                for spot in near
                if abs(spot.radius / radius - 1.0) < _ALIKE
                and spot.contrast > _CLEAR * contrast
                and spot.round_share > _ROUND
            ]
            if clear:
                found[cell] = Site(clear[0])
    return found


def _sure(cells: dict[Cell, Site]) -> dict[Cell, Site]:
    """Return the sites that are balls by their own rim or by their neighbours: pads and terminals stand at the edge."""
    left = dict(cells)
    while True:
        shaky = []
        for (i, j), site in left.items():
            around = [left.get((i + a, j + b)) for a, b in _SIDES]
            beside = sum(other is not None and not other.hidden for other in around)
            # What is hidden counts where balls stand around it: beyond the last ball there need be none.
            clear = 0.0 if site.hidden else site.spot.round_share
            if beside < 3 and (clear < _EDGE_ROUND[0] or (beside < 2 and clear < _EDGE_ROUND[1])):
                shaky.append((i, j))
        if not shaky:
            return left
        for cell in shaky:
            del left[cell]


def _affine(cells: dict[Cell, Site], basis: NDArray[np.float64]) -> Callable[[Cell], NDArray[np.float64]]:
    """Return the map from cells to places [px] that fits the balls that are seen."""
    seen = {cell: site for cell, site in cells.items() if not site.hidden}
    numbers = np.array(list(seen), dtype=np.float64).reshape(-1, 2)
    places = np.array([(site.spot.y, site.spot.x) for site in seen.values()]).reshape(-1, 2)
    steps = basis
    offset = np.median(places - numbers @ steps, axis=0)
    for _ in range(2):
        good = np.hypot(*(places - numbers @ steps - offset).T) < 0.25 * np.hypot(*basis[0])
        spread = np.ptp(numbers[good], axis=0) if good.any() else np.zeros(2)
        if good.sum() < 6 or spread.min() < 2:
            break
        design = np.column_stack([numbers[good], np.ones(int(good.sum()))])
        solved = np.linalg.lstsq(design, places[good], rcond=None)[0]
        steps, offset = solved[:2], solved[2]
    return lambda cell: np.asarray(np.asarray(cell, dtype=np.float64) @ steps + offset)


def _usual(density: NDArray[np.float64], cells: dict[Cell, Site], radius: float) -> tuple[float, float]:
    """Return the median contrast of the balls, and the density of the lighter ones of them."""
    spots = [site.spot for site in cells.values() if not site.hidden]
    levels = [_level(density, spot.y, spot.x, 0.5 * radius) for spot in spots]
    return float(np.median([spot.contrast for spot in spots])), float(np.quantile(levels, 0.25))


def _level(density: NDArray[np.float64], y: float, x: float, radius: float) -> float:
    """Return the median density of a disc."""
    reach = int(radius) + 1
    top, left = max(round(y) - reach, 0), max(round(x) - reach, 0)
    part = density[top : round(y) + reach + 1, left : round(x) + reach + 1]
    rows, columns = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
    inside = np.hypot(rows - y, columns - x) <= max(radius, 0.75)
    return float(np.median(part[inside])) if inside.any() else 0.0


def _seen(
    density: NDArray[np.float64],
    near: list[Spot],
    far: list[Spot],
    place: tuple[float, float],
    radius: float,
    usual: tuple[float, float],
) -> Site | None:
    """Return what is seen at a site: a ball, something that hides it, or nothing."""
    for spot in near:
        if abs(spot.radius / radius - 1.0) < 2.0 * _ALIKE and spot.contrast > _FAINT * usual[0]:
            return Site(spot)
    for spot in far:
        alike = abs(spot.radius / radius - 1.0) < _ALIKE and spot.contrast > _CLEAR * usual[0]
        if alike and spot.round_share > _ROUND:
            return Site(spot)
    y, x = place
    around = Spot(y, x, radius, 0.0, 0.0)
    contrast = _level(density, y, x, 0.6 * radius) - _around(density, y, x, radius)
    spot = replace(rim_of(density, around), contrast=contrast)
    off = np.hypot(spot.y - y, spot.x - x)
    fits = abs(spot.radius / radius - 1.0) < 2.0 * _ALIKE and off < radius and spot.round_share > _VAGUE_ROUND
    if fits and contrast > _FAINT * usual[0]:
        return Site(spot)
    if _level(density, y, x, 0.6 * radius) > usual[1]:
        return Site(around, hidden=True)
    return None


def _around(density: NDArray[np.float64], y: float, x: float, radius: float) -> float:
    """Return the lower quartile of the density of a ring around a disc."""
    reach = int(1.5 * radius) + 1
    top, left = max(round(y) - reach, 0), max(round(x) - reach, 0)
    part = density[top : round(y) + reach + 1, left : round(x) + reach + 1]
    rows, columns = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
    distance = np.hypot(rows - y, columns - x)
    ring = (distance > 1.25 * radius) & (distance <= 1.5 * radius + 0.5)
    return float(np.quantile(part[ring], 0.25)) if ring.any() else np.inf


def _as_grid(cells: dict[Cell, Site]) -> Grid:
    seen = [(cell, site.spot) for cell, site in cells.items() if not site.hidden]
    by_cell = dict(seen)
    steps = [
        float(np.hypot(by_cell[n].y - s.y, by_cell[n].x - s.x))
        for (i, j), s in seen
        for n in ((i + 1, j), (i, j + 1))
        if n in by_cell
    ]
    radius = float(np.median([spot.radius for _, spot in seen]))
    return Grid(float(np.median(steps)) if steps else 4.0 * radius, radius, tuple(cells.values()))
