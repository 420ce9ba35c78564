"""What is no radiograph to measure on, told by name: one grey level, saturated, noise alone, text, sharpened."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsim.errors import InputError
from xsim.measure.blind.edges import Edge
from xsim.measure.blind.parts import Part
from xsim.measure.blind.profiles import Profile, slope_across
from xsim.measure.blind.steps import Step

__all__ = [
    "SHOTS",
    "check_exposed",
    "check_no_text",
    "check_no_waves",
    "check_not_sharpened",
    "no_edges",
    "too_vague",
]

SHOTS = "shoot one tilted plate and five open frames"
"""What gives the measurement that a radiograph does not."""

_SATURATED_SHARE = 0.8
"""With more clipped pixels than this the object lies in them."""

_PAPER_SHARE = 0.65
"""Share of the grey levels' variance that two levels explain on a page of text."""

_INK = (0.01, 0.4)
"""Share of a page that is ink."""

_LETTERS = 60
"""Fewer signs are no page: markers of lead on a radiograph."""

_LOWEST_SIGN_PX = 8
"""Lower signs are crumbs of noise along an edge."""

_DEEP = 0.3
"""Signs reach down to the ink by this share of the way to paper; crumbs of a plate as grey as the cut do not."""

_THIN = 0.36
"""Width of a stroke over height of a sign: letters of 16 pixels and more have .17 to .33; balls and pads more."""

_BARE, _BARE_SHARE = 0.9, 0.65
"""Paper, brighter than this part of its level, holds this share of a page; of twelve pages .70 to .85. Boards that have
as many thin signs hold up to .61 of open field."""

_OVERSHOOT = (0.04, 0.7)
"""Slope beside a step, against its own and as a share of it, that a sharpening filter leaves; bars leave more."""

_JUDGED, _MOST_JUDGED = 4, 40
"""Steps to judge sharpening by, at least and at most."""

_WANTED_SHARE = 0.6
"""Share of the steps with an overshoot on both sides from which a filter made them."""

_SLOPE_WIDTH = 0.441
"""Width at half height of a Gaussian's slope [px], times its f50 [cycles/px]."""

_PLATEAU = 2.0
"""Free way beside an edge, in widths of its slope, that shows a plateau: from crest to trough of a wave it is 1.5, or
1.95 where its period grows by a third from one to the next."""


def check_exposed(image: NDArray[np.float64], usable: NDArray[np.bool_], name: str) -> None:
    """Refuse an image of one grey level, or one that is mostly clipped."""
    if np.ptp(image) == 0:
        raise InputError(f"{name} is flat: one grey level, neither edges nor noise: {SHOTS}")
    lost = 1 - float(usable.mean())
    if lost > _SATURATED_SHARE:
        raise InputError(f"{name} is saturated: {100 * lost:.0f} % of its pixels are clipped: expose less, or {SHOTS}")


def check_no_text(image: NDArray[np.float64], name: str) -> None:
    """Refuse a page of text: two grey levels, and many thin signs of like height."""
    low, high = (float(np.quantile(image, q)) for q in (0.002, 0.98))
    if high <= 0 or low > 0.5 * high:
        return
    cut = (low + high) / 2
    ink = ndimage.uniform_filter(image, 3) < cut  # specks of noise are no signs
    share = float(ink.mean())
    if not _INK[0] < share < _INK[1] or float(np.mean(image > _BARE * high)) < _BARE_SHARE:
        return
    between = share * (1 - share) * float(image[ink].mean() - image[~ink].mean()) ** 2
    if between < _PAPER_SHARE * float(image.var()):
        return
    signs, count = ndimage.label(ink, structure=np.ones((3, 3)))
    if count < _LETTERS:
        return
    sizes = np.bincount(signs.ravel())[1:]
    rim = np.bincount(signs[ink & ~ndimage.binary_erosion(ink)], minlength=count + 1)[1:]
    heights = np.array([max(place[0].stop - place[0].start, 1) for place in ndimage.find_objects(signs)])
    darkest = np.asarray(ndimage.minimum(image, signs, np.arange(1, count + 1)))
    real = (sizes >= 16) & (heights >= _LOWEST_SIGN_PX) & (darkest < low + _DEEP * (high - low))
    if real.sum() < _LETTERS:
        return
    stroke = 2 * sizes[real] / np.maximum(rim[real], 1)
    if float(np.median(stroke / heights[real])) < _THIN:
        raise InputError(
            f"{name} looks like a page of text, no radiograph ({int(real.sum())} thin signs on two grey levels): "
            f"{SHOTS}"
        )


def check_not_sharpened(parts: Sequence[Part], steps: Sequence[tuple[int, Step]], cell_noise: float) -> None:
    """Refuse images in which most steps overshoot on both sides, as no detector does."""
    rings = []
    for which, step in sorted(steps, key=lambda one: -one[1].strength)[:_MOST_JUDGED]:
        found = slope_across(parts[which].grey, parts[which].usable, step)
        if found is None:
            continue
        slope, along = found
        middle = slope.size // 2
        peak = float(slope[middle - 3 : middle + 3].max())
        noise = cell_noise / np.sqrt(along)
        if peak <= 12 * noise:
            continue
        least = max(_OVERSHOOT[0] * peak, 4 * noise)
        dips = [-float(side.min()) for side in (slope[middle - 14 : middle - 1], slope[middle + 1 : middle + 14])]
        rings.append(least < min(dips) and max(dips) < _OVERSHOOT[1] * peak)
    if len(rings) >= _JUDGED and np.mean(rings) > _WANTED_SHARE:
        raise InputError(
            f"sharpened by a filter: {sum(rings)} of {len(rings)} edges overshoot on both sides: "
            f"give the image as the detector gave it, or {SHOTS}"
        )


def check_no_waves(edges: Sequence[Edge]) -> None:
    """Refuse images in which no edge shows a plateau and most run into others on both sides, as waves do.

    A wave looks like edges with more blur than there is.
    """
    crowded = 0
    for edge in edges:
        plateau = _PLATEAU * _SLOPE_WIDTH / max(edge.f50, 1e-3)
        near = [min((side * n for n in edge.neighbours if side * n > 0), default=np.inf) for side in (-1, 1)]
        seen = [side * end for side, end in zip((-1, 1), edge.profile.reach, strict=True)]
        if any(min(both) > plateau for both in zip(near, seen, strict=True)):
            return
        crowded += max(near) < plateau
    if 2 * crowded > len(edges):
        raise InputError(
            f"no edge with a plateau: {crowded} of {len(edges)} run into the next, as waves do and bars as fine as the "
            f"blur, and their slope is not the blur's: give another part (of bars: `xsim measure ctf`), or {SHOTS}"
        )


def no_edges(steps: int, profiles: Sequence[Profile], clipped: float) -> InputError:
    """Return what to say where no edge is left: what was found instead."""
    if clipped > 0.02:
        return InputError(
            f"saturated: {100 * clipped:.0f} % of the pixels are clipped, and no whole edge is left: "
            f"expose less, or {SHOTS}"
        )
    if not steps:
        return InputError(f"no straight edge stands out: the image holds noise alone, round parts or nothing: {SHOTS}")
    if not profiles:
        return InputError(f"{steps} pieces of edges, none straight and free by 6 pixels on both sides: {SHOTS}")
    return InputError(f"{len(profiles)} edges, none of them a clean step that shows the blur: {SHOTS}")


def too_vague(f50: float, factor: float, edges: int, pitch_mm: float | None) -> InputError:
    """Return what to say where edges disagree so much that there is nothing to go by.

    Parameters
    ----------
    f50 : float
        The estimate [cycles/px].
    factor : float
        By which it may be off either way.
    edges : int
        How many edges there are.
    pitch_mm : float, optional
        Pixel pitch [mm].
    """
    scale, unit = (1.0, "cycles/px") if pitch_mm is None else (pitch_mm, "lp/mm")
    return InputError(
        f"too little to go on: {edges} edge{'s' * (edges != 1)}, by which f50 lies anywhere from "
        f"{f50 / factor / scale:.2g} to {f50 * factor / scale:.2g} {unit}: {SHOTS}"
    )
