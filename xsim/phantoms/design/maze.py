"""An octilinear maze router: A* over a grid of cells and layers, with vias (numba).

Lee's wave expansion with Hart's heuristic and a price on bends. Cells know which net may use them: -1 all, -2 none,
otherwise the only one. The search proposes; the layout's exact check decides.
"""

from __future__ import annotations

import math

import numpy as np

from xsim.compiled import compiled
from xsim.phantoms.flat import _distance, _to_pixels

__all__ = ["FREE", "TAKEN", "claim", "search"]

# Owners of cells that are no net: nobody, and more than one.
FREE, TAKEN = -1, -2
# Steps of the eight directions, 45 degrees apart.
DX = np.array([1, 1, 0, -1, -1, -1, 0, 1])
DY = np.array([0, 1, 1, 1, 0, -1, -1, -1])


@compiled(error_model="numpy")
def claim(owner, rows, nets, reach, plane):  # type: ignore[no-untyped-def]
    """Give the cells within ``reach`` [cells] of shapes to their nets, in place.

    Parameters
    ----------
    owner : (ny, nx) int64 array
        Cells of one layer.
    rows, nets : (n, flat.COLUMNS), (n,) arrays
        Shapes [mm] and their nets.
    reach : float
        Half track and clearance [cells].
    plane : (4,) float64 array
        Map from cells to mm, as ``View.plane``.
    """
    p = np.empty(7)
    for n in range(rows.shape[0]):
        kind, reach_x, reach_y = _to_pixels(rows[n], plane, p)
        left, right, top, bottom = p[0] - reach_x, p[0] + reach_x, p[1] - reach_y, p[1] + reach_y
        if kind == 0:
            left, right = min(left, p[2] - reach_x), max(right, p[2] + reach_x)
            top, bottom = min(top, p[3] - reach_y), max(bottom, p[3] + reach_y)
        for i in range(max(0, int(top - reach)), min(owner.shape[0], int(bottom + reach + 1.0))):
            for j in range(max(0, int(left - reach)), min(owner.shape[1], int(right + reach + 1.0))):
                if _distance(kind, p, j + 0.5, i + 0.5) < reach:
                    old = owner[i, j]
                    owner[i, j] = nets[n] if old in (FREE, nets[n]) else TAKEN


@compiled(error_model="numpy")
def _push(keys, nodes, size, key, node):  # type: ignore[no-untyped-def]
    i = size
    while i > 0 and keys[(i - 1) // 2] > key:
        keys[i], nodes[i] = keys[(i - 1) // 2], nodes[(i - 1) // 2]
        i = (i - 1) // 2
    keys[i], nodes[i] = key, node
    return size + 1


@compiled(error_model="numpy")
def _pop(keys, nodes, size):  # type: ignore[no-untyped-def]
    """Remove the least entry; the heap's last one takes its place from the top down."""
    size -= 1
    key, node = keys[size], nodes[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[i], nodes[i] = keys[child], nodes[child]
        i = child
    keys[i], nodes[i] = key, node
    return size


@compiled(error_model="numpy")
def _octile(dx, dy):  # type: ignore[no-untyped-def]
    dx, dy = abs(dx), abs(dy)
    return max(dx, dy) + (math.sqrt(2.0) - 1.0) * min(dx, dy)


@compiled(error_model="numpy")
def _trace(came, node, start, plane_size, nx):  # type: ignore[no-untyped-def]
    """Return the path to a node as rows (layer, y, x), start first."""
    count = 1
    at = node
    while at != start:
        at = came[at]
        count += 1
    path = np.empty((count, 3), dtype=np.int64)
    at = node
    for k in range(count - 1, -1, -1):
        path[k, 0], path[k, 1], path[k, 2] = at // plane_size, (at % plane_size) // nx, at % nx
        at = came[at]
    return path


@compiled(error_model="numpy")
def _open_to(mine, net):  # type: ignore[no-untyped-def]
    return mine == FREE or mine == net  # noqa: PLR1714  numba compiles this form to two comparisons


@compiled(error_model="numpy")
def _price(owner, drillable, net, layer, y, x, move, heading, via_price, lean):  # type: ignore[no-untyped-def]
    """Return the price of a move (0-7: an eighth turn each, 8 + k: a via to layer k); infinite if it is not allowed."""
    _, ny, nx = owner.shape
    if move >= 8:
        if move - 8 == layer or not _open_to(drillable[y, x], net) or not _open_to(owner[move - 8, y, x], net):
            return np.inf
        return via_price
    x, y = x + DX[move], y + DY[move]
    if x < 0 or y < 0 or x >= nx or y >= ny or not _open_to(owner[layer, y, x], net):
        return np.inf
    step = 1.0 if move % 2 == 0 else math.sqrt(2.0)
    if move % 4 == (2 if layer % 2 == 0 else 0):
        step += lean
    if heading >= 0:
        turn = abs(heading - move) % 8
        turn = min(turn, 8 - turn)
        if turn > 2:
            return np.inf
        step += 0.6 * turn
    return step


@compiled(error_model="numpy")
def search(owner, drillable, net, start, goal, via_price, lean, limit, price, came, heading):  # type: ignore[no-untyped-def]
    """Return the cheapest octilinear path, rows (layer, y, x); empty if there is none within ``limit`` steps.

    Parameters
    ----------
    owner : (L, ny, nx) int64 array
        Who may use each cell.
    drillable : (ny, nx) int64 array
        Who may drill a via through a cell.
    net : int
        The net to route.
    start, goal : (layer, y, x)
        Cells; a goal's layer of -1 means any.
    via_price, lean : float
        Price of a via, and of a step across the layer's preferred direction, in cells.
    limit : int
        Cells to settle at most.
    price, came, heading : (L * ny * nx,) arrays
        Work space; ``price`` is infinite all over, and left so.
    """
    layers, ny, nx = owner.shape
    size = ny * nx
    keys, nodes = np.empty(16 * limit + 16), np.empty(16 * limit + 16, dtype=np.int64)
    touched = np.empty(16 * limit + 16, dtype=np.int64)
    first = (start[0] * ny + start[1]) * nx + start[2]
    price[first], came[first], heading[first] = 0.0, first, -1
    touched[0], seen = first, 1
    heap = _push(keys, nodes, 0, 0.0, first)
    path = np.empty((0, 3), dtype=np.int64)
    for _ in range(limit):
        if heap == 0:
            break
        node, key = nodes[0], keys[0]
        heap = _pop(keys, nodes, heap)
        layer, y, x = node // size, (node % size) // nx, node % nx
        here = price[node]
        if key > here + 1.1 * _octile(goal[2] - x, goal[1] - y) + 1e-9:
            continue
        if x == goal[2] and y == goal[1] and (goal[0] < 0 or goal[0] == layer):
            path = _trace(came, node, first, size, nx)
            break
        for move in range(8 + layers):
            step = _price(owner, drillable, net, layer, y, x, move, heading[node], via_price, lean)
            if step == np.inf:
                continue
            nl, nyy, nxx = (layer, y + DY[move], x + DX[move]) if move < 8 else (move - 8, y, x)
            there = (nl * ny + nyy) * nx + nxx
            total = here + step
            if total < price[there] - 1e-9 and heap < keys.shape[0] - 1 and seen < touched.shape[0] - 1:
                if price[there] == np.inf:
                    touched[seen] = there
                    seen += 1
                price[there], came[there], heading[there] = total, node, move if move < 8 else -1
                # A little greedy: a tenth over the true distance saves most of the search.
                heap = _push(keys, nodes, heap, total + 1.1 * _octile(goal[2] - nxx, goal[1] - nyy), there)
    for k in range(seen):
        price[touched[k]] = np.inf
    return path
