"""Rough surfaces: a relief of plane waves that is added to a material's path, each pixel its exact mean.

A sum of waves of random direction and phase is a Gaussian field with the spectrum that their wavelengths and amplitudes
give; it belongs to the object, not to the window, and the mean of a wave over a pixel is known: the wave at the pixel's
middle times two sinc factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.compiled import compiled
from xsim.phantoms.view import View

__all__ = ["Relief", "draw_relief", "roughen"]

# Share of its path that a relief may take from a pixel: a surface is rough, it has no holes.
MOST = 0.5


@dataclass(frozen=True)
class Relief:
    """A rough surface.

    Attributes
    ----------
    material : str
        Whose path it changes.
    z_mm : float
        Height of the surface [mm].
    waves : (n, 4) float64 array
        Amplitude [mm], wave vector (x, y) [1/mm] and phase [turns] of each.
    """

    material: str
    z_mm: float
    waves: NDArray[np.float64]


def draw_relief(
    rng: np.random.Generator,
    material: str,
    z_mm: float,
    *,
    rms_mm: float,
    longest_mm: float,
    shortest_mm: float,
    slope: float = 1.0,
    lay: float = 0.0,
    waves: int = 48,
) -> Relief:
    """Draw a rough surface.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    material, z_mm : str, float
        See `Relief`.
    rms_mm : float
        Root mean square of the relief [mm].
    longest_mm, shortest_mm : float
        Range of the wavelengths [mm].
    slope : float
        Amplitudes rise as the wavelength to this power: 0 for grain of one size, 1 and more for cast surfaces.
    lay : float
        0 for all directions alike, 1 for grooves in one direction, as turning and grinding leave them.
    waves : int
        Number of waves.
    """
    length = np.exp(rng.uniform(math.log(shortest_mm), math.log(longest_mm), waves))
    angle = rng.uniform(0.0, 2.0 * math.pi) + (1.0 - lay) * rng.uniform(-math.pi, math.pi, waves)
    amplitude = length**slope
    amplitude *= rms_mm / math.sqrt(0.5 * float(np.square(amplitude).sum()))
    table = (amplitude, np.cos(angle) / length, np.sin(angle) / length, rng.random(waves))
    return Relief(material, z_mm, np.ascontiguousarray(np.stack(table, axis=1)))


def roughen(path: NDArray[np.float32], relief: Relief, view: View) -> None:
    """Add a relief to a map of paths [mm] in place, wherever there is material."""
    a, b, ox, oy = view.plane(relief.z_mm)
    waves = np.empty_like(relief.waves)
    for n, (amplitude, kx, ky, phase) in enumerate(relief.waves):
        along, across = a * kx + b * ky, a * ky - b * kx
        mean = float(np.sinc(along) * np.sinc(across))
        waves[n] = amplitude * mean, along, across, phase + ox * kx + oy * ky
    _add(path, waves, MOST)


@compiled(error_model="numpy")
def _add(path, waves, most):  # type: ignore[no-untyped-def]
    height = np.empty(path.shape[1])
    for i in range(path.shape[0]):
        height[:] = 0.0
        for n in range(waves.shape[0]):
            # From one pixel to the next a wave turns by a constant angle: two products instead of a cosine.
            start = 2.0 * math.pi * (0.5 * waves[n, 1] + waves[n, 2] * (i + 0.5) + waves[n, 3])
            turn = 2.0 * math.pi * waves[n, 1]
            cosine, sine = waves[n, 0] * math.cos(start), waves[n, 0] * math.sin(start)
            c, s = math.cos(turn), math.sin(turn)
            for j in range(path.shape[1]):
                height[j] += cosine
                cosine, sine = cosine * c - sine * s, sine * c + cosine * s
        for j in range(path.shape[1]):
            have = path[i, j]
            if have > 0.0:
                path[i, j] = have + np.float32(max(-most * have, min(most * have, height[j])))
