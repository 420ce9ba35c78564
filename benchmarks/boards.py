"""How fast boards are drawn: closed forms against a plain supersampled raster, and whole random views.

Run: python benchmarks/boards.py [--limesdr FOLDER]
CPU seconds of one process; set NUMBA_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xsim.phantoms import View, flat, random_board, solids
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIDE, PIXEL_MM = 1024, 0.024


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median CPU time of a piece of work [s], after one run that compiles."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def crowd() -> Scene:
    """Return 2,244 primitives: 900 tracks, 400 pads, 300 rings, 324 balls with 200 voids, 120 wires."""
    rng = generator(1, stage="benchmark")
    half = 0.5 * SIDE * PIXEL_MM
    scene = Scene()
    tracks = scene.layer(Layer("Cu", 0.035, 1.6))
    for _ in range(900):
        x, y = rng.uniform(-half, half, 2)
        angle, length = 0.25 * np.pi * rng.integers(8), rng.exponential(2.0) + 0.2
        tracks.shapes.append(flat.capsule(x, y, x + length * np.cos(angle), y + length * np.sin(angle), 0.15))
    for _ in range(400):
        tracks.shapes.append(flat.box(*rng.uniform(-half, half, 2), 0.6, 0.4, corner=0.05))
    for _ in range(300):
        tracks.shapes.append(flat.ring(*rng.uniform(-half, half, 2), 0.6, 0.3))
    for k in range(324):
        x, y = (k % 18 - 9.0) * 1.0, (k // 18 - 9.0) * 1.0
        ball = solids.sphere(x, y, 1.9, 0.6, low=1.65, high=2.12)
        voids = [solids.sphere(x + 0.05, y, 1.9, 0.15)] if k < 200 else []
        scene.body("SAC305", [ball], voids=voids)
    for _ in range(120):
        x, y, angle = *rng.uniform(-half, half, 2), rng.uniform(0.0, 2.0 * np.pi)
        end = (x + 2.0 * np.cos(angle), y + 2.0 * np.sin(angle), 2.0)
        scene.body("Au", [solids.rod((x, y, 2.0), end, 0.025, capped=True)])
    return scene


def plain_raster(scene: Scene, samples: int) -> NDArray[np.float32]:
    """Return the same paths from one upright ray per sample, numpy over each primitive's box: the baseline."""
    fine = PIXEL_MM / samples
    axis = (np.arange(SIDE * samples) + 0.5 - 0.5 * SIDE * samples) * fine
    total = np.zeros((SIDE * samples, SIDE * samples), np.float32)

    def window(x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice]:
        columns, rows = np.searchsorted(axis, (x0, x1)), np.searchsorted(axis, (y0, y1))
        return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))

    for layer in scene.layers:
        inside = np.zeros(total.shape, dtype=bool)
        for row in layer.shapes:
            assert isinstance(row, tuple)
            if row[0] == flat.CAPSULE:
                r = row[6]
                box = (
                    min(row[2], row[4]) - r,
                    max(row[2], row[4]) + r,
                    min(row[3], row[5]) - r,
                    max(row[3], row[5]) + r,
                )
            else:
                reach = max(row[4], row[5])
                box = (row[2] - reach, row[2] + reach, row[3] - reach, row[3] + reach)
            part = window(*box)
            y, x = axis[part[0]][:, None], axis[part[1]][None, :]
            if row[0] == flat.CAPSULE:
                dx, dy = row[4] - row[2], row[5] - row[3]
                t = np.clip(((x - row[2]) * dx + (y - row[3]) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
                inside[part] |= np.hypot(x - row[2] - t * dx, y - row[3] - t * dy) <= row[6]
            elif row[0] == flat.RING:
                radius = np.hypot(x - row[2], y - row[3])
                inside[part] |= (radius <= row[4]) & (radius >= row[5])
            else:
                inside[part] |= (abs(x - row[2]) <= row[4]) & (abs(y - row[3]) <= row[5])
        total += np.float32(layer.thickness_mm) * inside
    for body in scene.bodies:
        for sign, group in ((1.0, body.solids), (-1.0, body.voids)):
            for solid in group:
                part = window(*solid[1:5])
                y, x = axis[part[0]][:, None], axis[part[1]][None, :]
                total[part] += np.float32(sign) * _upright(solid, x, y)
    return total.reshape(SIDE, samples, SIDE, samples).mean(axis=(1, 3))


def _upright(solid: tuple[float, ...], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the upright chord of a ball or a nearly level wire."""
    p = solid[8:]
    if int(solid[0]) == solids.ELLIPSOID:
        half = np.sqrt(np.maximum(0.0, p[3] ** 2 - (x - p[0]) ** 2 - (y - p[1]) ** 2))
        return np.maximum(0.0, np.minimum(p[2] + half, p[9]) - np.maximum(p[2] - half, p[8])).astype(np.float32)
    dx, dy = p[3] - p[0], p[4] - p[1]
    t = np.clip(((x - p[0]) * dx + (y - p[1]) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
    distance = np.hypot(x - p[0] - t * dx, y - p[1] - t * dy)
    return (2.0 * np.sqrt(np.maximum(0.0, p[6] ** 2 - distance**2))).astype(np.float32)


def drawing() -> None:
    """Compare the engine with the baseline on the crowd of primitives."""
    scene = crowd()
    view = View((SIDE, SIDE), PIXEL_MM)
    print(f"2,244 primitives at {SIDE} x {SIDE} [CPU ms], and volume against 8 x 8 samples a pixel")
    # Timed before the rasters: their arrays of gigabytes leave the machine's memory in pieces.
    took = seconds(lambda: scene.render(view), 15)
    rows = [("closed forms, exact coverage", took, scene.render(view)[1].sum(axis=0))]
    fine = plain_raster(scene, 8)
    reference = float(fine.sum())
    for samples in (1, 2, 4):
        took = seconds(lambda samples=samples: plain_raster(scene, samples), 1)  # type: ignore[misc]
        rows.append((f"plain raster {samples} x {samples}", took, plain_raster(scene, samples)))
    for name, took, path in rows:
        worst = float(np.percentile(abs(path - fine), 99.99))
        volume = float(path.sum()) / reference - 1.0
        print(f"  {name:<30} {1e3 * took:8.0f}   volume {volume:+.1e}   99.99th percentile of |error| {worst:.4f} mm")


def random_views(count: int) -> None:
    """Time complete random views."""
    random_board(0, (64, 64))
    times = []
    for seed in range(count):
        start = time.process_time()
        random_board(seed)
        times.append(time.process_time() - start)
    times.sort()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"random views of {SIDE} x {SIDE}, {count} seeds [CPU s]")
    print(f"  median {statistics.median(times):.2f}, mean {statistics.mean(times):.2f}, ", end="")
    print(f"95th percentile {times[int(0.95 * count)]:.2f}, worst {times[-1]:.2f}; peak memory so far {peak:.0f} MB")


def real_board(folder: Path) -> None:
    """Time loading a real board and its windows."""
    from xsim.phantoms.gerber import GerberBoard

    start = time.process_time()
    board = GerberBoard.load(folder)
    print(f"{folder.name}: {len(board.copper)} layers, loaded in {time.process_time() - start:.1f} CPU s")
    took = seconds(board.window, 5)
    print(f"  window of 1024 x 1024 at 20 um: {took:.2f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limesdr", type=Path, help="folder of a real board")
    parser.add_argument("--views", type=int, default=20)
    arguments = parser.parse_args()
    random_views(arguments.views)
    drawing()
    if arguments.limesdr:
        real_board(arguments.limesdr)


if __name__ == "__main__":
    main()
