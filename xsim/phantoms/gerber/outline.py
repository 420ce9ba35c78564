"""The board's edge: pieces of an outline layer joined into loops, and the loop that holds the holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim.phantoms.polygons import polygon_area

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["board_edge"]

Piece = list[tuple[float, float]]
JOIN_MM = 0.02


def board_edge(pieces: list[Piece], holes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the loop that is the board's edge, (n, 2) [mm]; None if there is none.

    Outline layers may hold a drawing's frame and notes as well: the edge is the smallest loop that holds 97 % of the
    holes, or without holes the largest.

    Parameters
    ----------
    pieces : list of polylines
        As ``read_outline_pieces`` returns them [mm].
    holes : (k, 2) array
        Points that lie on the board [mm].
    """
    loops = [np.array(loop) for loop in _loops(pieces)]
    loops = [loop for loop in loops if abs(polygon_area(loop)) > 1.0]
    if not loops:
        return None
    loops.sort(key=lambda loop: abs(polygon_area(loop)))
    if len(holes):
        for loop in loops:
            low, high = loop.min(axis=0) - JOIN_MM, loop.max(axis=0) + JOIN_MM
            if np.mean(((holes >= low) & (holes <= high)).all(axis=1)) >= 0.97:
                return loop
        return None
    return loops[-1]


def _key(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0] / JOIN_MM), round(point[1] / JOIN_MM)


def _loops(pieces: list[Piece]) -> list[Piece]:
    """Join pieces end to end and return the closed chains."""
    ends: dict[tuple[int, int], list[int]] = {}
    for k, piece in enumerate(pieces):
        for point in (piece[0], piece[-1]):
            # A point on the border of two cells is found from both.
            for dx in (0, 1):
                for dy in (0, 1):
                    key = _key((point[0] + (dx - 0.5) * JOIN_MM, point[1] + (dy - 0.5) * JOIN_MM))
                    ends.setdefault(key, []).append(k)
    used = [False] * len(pieces)
    loops = []
    for k, piece in enumerate(pieces):
        if used[k]:
            continue
        used[k] = True
        chain = list(piece)
        while not _same(chain[0], chain[-1]) or len(chain) < 3:
            following = _next(pieces, ends, used, chain[-1])
            if following is None:
                break
            used[following[0]] = True
            chain.extend(following[1])
        if len(chain) > 3 and _same(chain[0], chain[-1]):
            loops.append(chain[:-1])
    return loops


def _same(p: tuple[float, float], q: tuple[float, float]) -> bool:
    return abs(p[0] - q[0]) < JOIN_MM and abs(p[1] - q[1]) < JOIN_MM


def _next(
    pieces: list[Piece], ends: dict[tuple[int, int], list[int]], used: list[bool], point: tuple[float, float]
) -> tuple[int, Piece] | None:
    """Return an unused piece that starts or ends at a point, and its points from there on."""
    for dx in (-0.5, 0.5):
        for dy in (-0.5, 0.5):
            for k in ends.get(_key((point[0] + dx * JOIN_MM, point[1] + dy * JOIN_MM)), ()):
                if used[k]:
                    continue
                if _same(pieces[k][0], point):
                    return k, pieces[k][1:]
                if _same(pieces[k][-1], point):
                    return k, pieces[k][-2::-1]
    return None
