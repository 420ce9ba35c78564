"""Noise of images of a detector: in the ones that its blur was measured on, or in others, since dose differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError
from xsim.measure.blind.flats import FlatNoise, flat_blocks, flat_noise
from xsim.measure.blind.parts import Part, choose_parts, usable_pixels
from xsim.measure.blind.refusals import check_exposed
from xsim.measure.blind.result import BlindDetector, BlindNoise
from xsim.measure.checks import grey_image

__all__ = ["SMALLEST_PX", "noise_of", "with_noise_of"]

SMALLEST_PX = 96
"""Below, an edge and its plateaus do not fit in."""

_TWO_SIDED = 1.96
"""95 % of a normal."""

_BRIGHT = 0.8
"""Grey of what counts as open field."""


def noise_of(parts: Sequence[Part], weights: NDArray[np.float64]) -> BlindNoise:
    """Return the noise of parts of images, as at the open field.

    Parameters
    ----------
    parts : sequence of Part
        From `choose_parts`.
    weights : (K,) array
        Of the mixture that the blur is, which colours the noise.

    Raises
    ------
    InputError
        If there is no flat part.
    """
    noise = flat_noise(flat_blocks([part.grey for part in parts], [part.usable for part in parts]), weights)
    if noise is None:
        raise InputError("no flat part of 32 x 32 pixels to measure noise on: shoot five open frames")
    spread = float(np.exp(_TWO_SIDED * noise.error))
    places = noise.blocks.copy()
    for row in places:
        part = parts[row[0]]
        row[:] = part.image, part.top + row[1], part.left + row[2]
    return BlindNoise(
        noise.rms,
        noise.rms * noise.least / spread,
        noise.rms * spread,
        noise.frequency,
        noise.power,
        noise.fine_frequency,
        noise.fine_power,
        noise.coloured,
        noise.white,
        flat_px=noise.area_px,
        flat_places=places,
        remarks=_remarks(noise),
    )


def with_noise_of(
    found: BlindDetector, images: Sequence[ArrayLike], *, full_scale: float | None = None
) -> BlindDetector:
    """Return a detector with the noise of other images of it; its blur stays.

    Parameters
    ----------
    found : BlindDetector
        The detector.
    images : sequence of (H, W) arrays
        Grey values as for `measure_blind`.
    full_scale : float, optional
        As for `measure_blind`.

    Raises
    ------
    InputError
        If an image cannot be used, or has no flat part.
    """
    greys = [grey_image(image, smallest_px=SMALLEST_PX) for image in images]
    usable = [usable_pixels(grey, full_scale) for grey in greys]
    for grey, good in zip(greys, usable, strict=True):
        check_exposed(grey, good, "the image")
    return replace(found, noise=noise_of(choose_parts(greys, usable), found.weights))


def _remarks(noise: FlatNoise) -> tuple[str, ...]:
    said = []
    if noise.grey < _BRIGHT:
        said.append(
            f"no open field in view: noise measured at grey {noise.grey:.2f}, and scaled by the root of the grey"
        )
    if noise.texture > 0:
        share = noise.texture / (noise.texture + noise.coloured + noise.white)
        said.append(
            f"texture makes {100 * share:.0f} % of the flattest parts' variance: the object's, no noise, left out"
        )
    if noise.least < 1:
        said.append(
            f"the flattest parts hold detail: noise may be {noise.least:.2f} of what was measured (shoot an open frame)"
        )
    return tuple(said)
