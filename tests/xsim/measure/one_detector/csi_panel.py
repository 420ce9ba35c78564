"""A flat panel that the project's screen model knows nothing of, like CsI on pixels of .139 mm, with its shots.

Its MTF is a closed form times the aperture, its noise coloured like the square of that and white; everything is drawn
three times finer than the pixels (`foreign`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xsim.curves import quadratic_grid
from xsim.degradation.known import KnownDetector
from xsim.degradation.target import Target

sys.path.insert(0, str(Path(__file__).parents[1] / "blind"))
import foreign as made

Array = NDArray[np.float64]

PITCH_MM: Final = 0.139
RMS: Final = 0.008
WHITE: Final = 0.25
"""Share of the noise's variance that is white."""


def screen(f: Array) -> Array:
    """Return the MTF of the layer over |f| [cycles/px]: a Lorentzian core and an exponential for its glare."""
    return np.asarray(0.88 / (1 + (f / 0.32) ** 2) + 0.12 * np.exp(-f / 0.06))


def mtf2(fx: Array, fy: Array) -> Array:
    return np.asarray(screen(np.hypot(fx, fy)) * np.sinc(0.9 * fx) * np.sinc(0.9 * fy))


def mtf(f: Array) -> Array:
    return mtf2(f, np.zeros_like(f))


def power(f: Array) -> Array:
    """Return the colour of the quantum noise over |f| [cycles/px]: a little sharper than the signal, after Lubberts."""
    return np.asarray((screen(f) * np.sinc(0.9 * f)) ** 1.8)


def truth() -> KnownDetector:
    """Return the tables without any measurement."""
    f = quadratic_grid(0.73, 128)
    side = np.fft.fftfreq(512)
    mean = float(power(np.hypot(side[:, None], side[None, :])).mean())
    return KnownDetector(
        "truth", f, mtf(f), RMS**2 * (WHITE + (1 - WHITE) * power(f) / mean), PITCH_MM, excess_noise=0.0
    )


def noise(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return noise of the open field."""
    coloured = made.coloured(rng, shape, power)
    return np.asarray(RMS * (np.sqrt(WHITE) * rng.normal(size=shape) + np.sqrt(1 - WHITE) * coloured))


def exposed(attenuation: NDArray[np.float32], rng: np.random.Generator) -> Array:
    """Return one frame of an object, without the margin that wraps around."""
    margin = made.MARGIN
    clean = made.blurred(attenuation, mtf2)[margin:-margin, margin:-margin]
    return np.asarray(clean + np.sqrt(np.clip(clean, 0, None)) * noise(rng, clean.shape))


def plate(rng: np.random.Generator, px: int = 800, tilt_deg: float = 3.0) -> Array:
    """Return a frame of one thick plate over half of the image, its edge ideal: the sine transform of the MTF.

    An edge drawn on the fine grid would be soft by a third of a pixel, which lowers an MTF by .005.
    """
    tilt, df = np.radians(tilt_deg), 0.0005
    f = np.arange(df / 2, 3.0, df)
    otf = mtf2(f * np.cos(tilt), f * np.sin(tilt))
    u = np.linspace(-1.0, 1.0, 4001)
    s = px * u * np.abs(u)  # fine at the edge: linear steps of a quarter of a pixel lower an MTF by .005 too
    weight = otf / (np.pi * f) * df
    profile = 0.5 + np.concatenate([np.sin(2 * np.pi * np.outer(part, f)) @ weight for part in np.split(s[:-1], 16)])
    profile, s = np.append(profile, 1.0), np.append(s[:-1], 2 * px)
    y, x = np.indices((px, px))
    distance = (x - 0.5 * px - 0.3) * np.cos(tilt) - (y - 0.5 * px) * np.sin(tilt)
    clean = 0.08 + 0.92 * np.interp(distance, s, profile)
    return np.asarray(clean + np.sqrt(clean) * noise(rng, clean.shape))


def flats(rng: np.random.Generator, frames: int = 5, px: int = 512) -> list[Array]:
    return [1 + noise(rng, (px, px)) for _ in range(frames)]


def scene(seed: int, target: Target, px: int = 384) -> tuple[Array, Array]:
    """Return an object as the panel shows it and, without noise, as an image of the target's sharpness."""
    rng = np.random.default_rng(seed)
    canvas = made.Canvas(px + 2 * made.MARGIN)
    made.OBJECTS[seed % len(made.OBJECTS)](canvas, rng)
    margin = made.MARGIN

    def aim(fx: Array, fy: Array) -> Array:
        return target.mtf_at(np.hypot(fx, fy))

    return exposed(canvas.attenuation, rng), made.blurred(canvas.attenuation, aim)[margin:-margin, margin:-margin]
