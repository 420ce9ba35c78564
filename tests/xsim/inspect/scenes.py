"""Balls with voids in closed form, imaged by a blur and noise that are known: nothing of xsim draws them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from xsim.degradation.known import KnownDetector
from xsim.inspect import Optics

SIGMA_PX = 1.2
NOISE = 0.01
FINE = 5
RADIUS = 14.0
HEIGHT = 1.56
"""Height of a ball between its lands, in radii: a sphere cut at both ends."""


def detector() -> KnownDetector:
    """Return a detector of Gaussian blur, pixel aperture and white noise."""
    f = np.linspace(0.0, 0.75, 151)
    mtf = np.exp(-2.0 * (np.pi * SIGMA_PX * f) ** 2) * np.sinc(f)
    return KnownDetector("test", f, mtf, np.full(151, NOISE**2))


def optics() -> Optics:
    return Optics.of_image(detector())


def image(balls, voids=(), shape=(120, 120), seed=0, ground=0.6, density=3.0, holes=()):
    """Return an image of cut spheres, y, x and radius [px], less spherical voids: closed forms, then blur and noise.

    Behind them stand holes, y, x and radius, with a black wall of 1.5 px around what is lighter by a density of .35.

    Solder hardens the beam as tin does at 70 kV: density m t / (1 + .083 m t) with ``density`` through the middle.
    """
    side = np.arange(shape[0] * FINE), np.arange(shape[1] * FINE)
    y, x = ((s + 0.5) / FINE - 0.5 for s in side)
    total = np.zeros((len(y), len(x)))
    for cy, cx, radius in balls:
        chord = 2.0 * np.sqrt(np.maximum(radius**2 - (y[:, None] - cy) ** 2 - (x[None, :] - cx) ** 2, 0.0))
        total += np.minimum(chord / (HEIGHT * radius), 1.0)
    for vy, vx, radius in voids:
        chord = 2.0 * np.sqrt(np.maximum(radius**2 - (y[:, None] - vy) ** 2 - (x[None, :] - vx) ** 2, 0.0))
        total -= chord / (HEIGHT * RADIUS)
    linear = density / (1.0 - 0.083 * density) * np.maximum(total, 0.0)
    grey = ground * np.exp(-linear / (1.0 + 0.083 * linear))
    for hy, hx, radius in holes:
        distance = np.hypot(y[:, None] - hy, x[None, :] - hx)
        grey *= np.where(distance < radius, np.exp(0.35), np.where(distance < radius + 1.5, np.exp(-3.0), 1.0))
    seen = gaussian_filter(grey, SIGMA_PX * FINE).reshape(shape[0], FINE, shape[1], FINE).mean(axis=(1, 3))
    random = np.random.default_rng(seed)
    return seen + NOISE * np.sqrt(seen) * random.standard_normal(shape)


def grid(rows, columns, pitch=45.0, start=(30.0, 30.0)):
    """Return balls on a square grid."""
    return [(start[0] + i * pitch, start[1] + j * pitch, RADIUS) for i in range(rows) for j in range(columns)]
