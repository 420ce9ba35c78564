"""A board that meshes and thickness maps describe alike, and what gVXR makes of it.

    python benchmarks/imaging_peers.py [--size 1024] [--repeats 3]

Boxes and balls of eight materials: triangles for gVXR (https://gvirtualxray.sourceforge.io, not a dependency of xsim:
``pip install gvxr``), exact thickness maps for xsim. Both project it in parallel rays at the same energies with the
same attenuation data and weigh photons by energy, so that the images can be compared as well as the times.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xraylib

from xsim.imaging.projection import Quadrature, integrate
from xsim.materials import linear_attenuation_per_mm, material
from xsim.spectrum import tungsten_spectrum

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXEL_MM = 0.048


class Box(NamedTuple):
    """A box with sides along the axes; centre and sides [mm]."""

    x: float
    y: float
    sides: tuple[float, float, float]


class Ball(NamedTuple):
    """A ball; centre and radius [mm]."""

    x: float
    y: float
    radius: float


Body = Box | Ball


def board(size_mm: float) -> dict[str, list[Body]]:
    """Return the bodies of each material; bodies of one material do not touch."""
    rng = np.random.default_rng(1)
    half = size_mm / 2
    steps = np.linspace(-0.9, 0.9, 20) * half

    def scattered(count: int, sides: tuple[float, float, float]) -> list[Body]:
        cells = rng.choice(400, count, replace=False)
        return [Box(float(steps[cell % 20]), float(steps[cell // 20]), sides) for cell in cells]

    return {
        "FR-4": [Box(0.0, 0.0, (1.2 * size_mm, 1.2 * size_mm, 1.6))],
        "Cu": [Box(0.0, float(y) + 0.7, (1.9 * half, 0.2, 0.035)) for y in steps],
        "SAC305": [Ball(float(x), float(y), 0.3) for x in steps[5:15] for y in steps[5:15]],
        "Al2O3": scattered(40, (1.6, 0.8, 0.45)),
        "BaTiO3": scattered(40, (1.0, 0.5, 0.05)),
        "Ta-porous": scattered(10, (1.5, 0.9, 0.05)),
        "NiZn-ferrite": scattered(10, (1.8, 1.8, 0.3)),
        "Au": scattered(60, (1.9, 0.025, 0.025)),
    }


def thickness_map(bodies: list[Body], size: int) -> NDArray[np.float32]:
    """Return the thickness [mm] of bodies on pixels, (size, size): boxes by area, balls at pixel centres."""
    edges = (np.arange(size + 1) - size / 2) * PIXEL_MM
    centres = (edges[:-1] + edges[1:]) / 2
    total = np.zeros((size, size))
    for body in bodies:
        if isinstance(body, Ball):
            square = body.radius**2 - (centres[None, :] - body.x) ** 2 - (centres[:, None] - body.y) ** 2
            total += 2 * np.sqrt(np.maximum(square, 0.0))
            continue
        across, down = (
            np.clip(np.minimum(edges[1:], at + side / 2) - np.maximum(edges[:-1], at - side / 2), 0.0, None) / PIXEL_MM
            for at, side in ((body.x, body.sides[0]), (body.y, body.sides[1]))
        )
        total += down[:, None] * across * body.sides[2]
    return total.astype(np.float32)


def triangles(bodies: list[Body]) -> tuple[list[float], list[int]]:
    """Return vertices and triangle indices of bodies as flat lists."""
    vertices: list[NDArray[np.float64]] = []
    faces: list[NDArray[np.int64]] = []
    for body in bodies:
        points, corners = _ball_mesh(body) if isinstance(body, Ball) else _box_mesh(body)
        faces.append(corners + sum(len(part) for part in vertices))
        vertices.append(points)
    return np.concatenate(vertices).ravel().tolist(), np.concatenate(faces).ravel().tolist()


def _box_mesh(box: Box) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * box.sides
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([face for a, b, c, d in sides for face in ((a, b, c), (a, c, d))])
    return corners + np.array([box.x, box.y, 0.0]), faces


def _ball_mesh(ball: Ball, rings: int = 16, sectors: int = 32) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, sectors + 1)[:-1], indexing="ij"
    )
    unit = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=-1).reshape(-1, 3)
    ring, sector = np.meshgrid(np.arange(rings), np.arange(sectors), indexing="ij")
    a, b = ring * sectors + sector, ring * sectors + (sector + 1) % sectors
    faces = np.stack([a, a + sectors, b, b, a + sectors, b + sectors], axis=-1).reshape(-1, 3)
    return unit * ball.radius + np.array([ball.x, ball.y, 0.0]), faces


def energies() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return 1 keV bins of the 70 kV beam: centres [keV] and photons."""
    spectrum = tungsten_spectrum(kvp=70.0, filters=(("Al", 2.5),))
    keep = spectrum.energy_keV > 10.0
    count = keep.sum() // 2 * 2
    energy, photons = spectrum.energy_keV[keep][:count], spectrum.fluence_per_mm2_uGy[keep][:count]
    return energy.reshape(-1, 2).mean(axis=1), photons.reshape(-1, 2).sum(axis=1)


def with_xsim(bodies: dict[str, list[Body]], size: int, repeats: int) -> tuple[NDArray[np.float32], float]:
    """Return the energy image of the board, open field 1, and the least wall time of projecting it [s]."""
    energy, photons = energies()
    attenuation = np.stack([linear_attenuation_per_mm(name, energy) for name in bodies], axis=1)
    weights = (photons * energy / (photons @ energy))[None]
    rule = Quadrature(energy, attenuation.astype(np.float32), weights.astype(np.float32))
    maps = np.stack([thickness_map(parts, size) for parts in bodies.values()])
    return integrate(maps, rule)[0], _least_seconds(lambda: integrate(maps, rule), repeats)


def with_gvxr(bodies: dict[str, list[Body]], size: int, repeats: int) -> tuple[NDArray[np.float32], float]:
    """Return what gVXR makes of the same board, open field 1, and its least wall time [s]."""
    from gvxrPython3 import gvxr

    gvxr.createOpenGLContext()
    gvxr.useParallelBeam()
    gvxr.setSourcePosition(0.0, 0.0, -1000.0, "mm")
    gvxr.setDetectorPosition(0.0, 0.0, 100.0, "mm")
    gvxr.setDetectorUpVector(0, 1, 0)
    gvxr.setDetectorNumberOfPixels(size, size)
    gvxr.setDetectorPixelSize(PIXEL_MM, PIXEL_MM, "mm")
    gvxr.resetBeamSpectrum()
    energy, photons = energies()
    for one, count in zip(energy, photons, strict=True):
        gvxr.addEnergyBinToSpectrum(float(one), "keV", float(count))
    for name, parts in bodies.items():
        gvxr.makeTriangularMesh(name, *triangles(parts), "mm")
        symbols, shares = zip(*material(name).mass_fractions, strict=True)
        gvxr.setMixture(name, [xraylib.SymbolToAtomicNumber(symbol) for symbol in symbols], list(shares))
        gvxr.setDensity(name, material(name).density_g_cm3, "g/cm3")
        gvxr.addPolygonMeshAsInnerSurface(name)
    image = np.array(gvxr.computeXRayImage(True), dtype=np.float32)
    # gVXR returns MeV.
    return image * np.float32(1e3 / (photons @ energy)), _least_seconds(lambda: gvxr.computeXRayImage(True), repeats)


def _least_seconds(work: object, repeats: int) -> float:
    assert callable(work)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(size: int, repeats: int) -> None:
    """Print times of xsim and of the peers that are installed, and how far their images agree."""
    bodies = board(size * PIXEL_MM)
    count = sum(len(triangles(parts)[1]) // 3 for parts in bodies.values())
    print(f"\none board, {size} x {size} pixels, {len(energies()[0])} energies, {count} triangles, wall time")
    image, seconds = with_xsim(bodies, size, repeats)
    print(f"  xsim, one output from its thickness maps   {seconds:8.3f} s")
    if importlib.util.find_spec("gvxrPython3") is None:
        print("  gVXR                                       not installed (pip install gvxr)")
    else:
        other, seconds = with_gvxr(bodies, size, repeats)
        difference = np.abs(image - other)
        print(f"  gVXR, from triangles, this machine's OpenGL {seconds:7.3f} s")
        print(
            f"  images differ by {np.median(difference):.1e} in the median, {np.quantile(difference, 0.99):.1e} at 99 %"
        )
    if importlib.util.find_spec("gecatsim") is None:
        print("  gecatsim                                   not installed (its Linux build fails in 1.6.9)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    compare(options.size, options.repeats)


if __name__ == "__main__":
    main()
