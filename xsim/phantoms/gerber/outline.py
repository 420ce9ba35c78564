"""The board's edge: pieces of an outline layer joined into loops, and the loop that holds the holes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from xsim.phantoms.polygons import polygon_area

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["board_edge"]

Piece = list[tuple[float, float]]
JOIN_MM, LEAST_MM2 = 0.02, 1.0


def board_edge(pieces: list[Piece], holes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the loop that is the board's edge, (n, 2) [mm]; None if none holds the holes.

    Outline layers may hold a drawing's frame and notes as well: the edge is the smallest loop that holds 97 % of the
    holes. Where no loop closes, the rectangle around all pieces stands for it.

    Parameters
    ----------
    pieces : list of polylines
        As ``read_outline_pieces`` returns them [mm].
    holes : (k, 2) array
        Points that lie on the board [mm].
    """
    if not pieces:
        return None
    loops = [loop for loop in _loops(pieces) if abs(polygon_area(loop)) > LEAST_MM2]
    loops.sort(key=lambda loop: abs(polygon_area(loop)))
    loops.append(_frame(pieces))
    return next((loop for loop in loops if _holds(loop, holes)), None)


def _holds(loop: NDArray[np.float64], holes: NDArray[np.float64]) -> bool:
    if not len(holes):
        return True
    low, high = loop.min(axis=0) - JOIN_MM, loop.max(axis=0) + JOIN_MM
    return bool(np.mean(((holes >= low) & (holes <= high)).all(axis=1)) >= 0.97)


def _frame(pieces: list[Piece]) -> NDArray[np.float64]:
    """Return the rectangle around all pieces: what is left where a tool drew an edge with gaps."""
    points = np.array([point for piece in pieces for point in piece])
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _loops(pieces: list[Piece]) -> list[NDArray[np.float64]]:
    """Join pieces end to end and return the closed chains."""
    ends = cKDTree(np.array([end for piece in pieces for end in (piece[0], piece[-1])]))
    used = [False] * len(pieces)
    loops = []
    for k, piece in enumerate(pieces):
        if used[k]:
            continue
        used[k] = True
        chain = list(piece)
        while len(chain) < 4 or math.dist(chain[0], chain[-1]) > JOIN_MM:
            following = _next(pieces, ends, used, chain[-1])
            if following is None:
                break
            chain.extend(following)
        if len(chain) > 3 and math.dist(chain[0], chain[-1]) <= JOIN_MM:
            loops.append(np.array(chain[:-1]))
    return loops


def _next(pieces: list[Piece], ends: cKDTree, used: list[bool], point: tuple[float, float]) -> Piece | None:
    """Take an unused piece that starts or ends at a point, and return its points from there on."""
    for end in ends.query_ball_point(point, JOIN_MM):
        k, last = divmod(end, 2)
        if not used[k]:
            used[k] = True
            return (pieces[k][::-1] if last else pieces[k])[1:]
    return None
