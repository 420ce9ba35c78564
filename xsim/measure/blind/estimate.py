"""Blur and noise of a detector from ordinary radiographs: the door of the room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError
from xsim.measure.blind.edges import Edge, fit_edge
from xsim.measure.blind.flats import rough_noise
from xsim.measure.blind.glare import Glare, veiling_glare
from xsim.measure.blind.joint import JointBlur, anisotropy, join_edges, sound_edges
from xsim.measure.blind.mixture import crossing, f50_of, mtf_columns
from xsim.measure.blind.noise import SMALLEST_PX, noise_of
from xsim.measure.blind.parts import Part, choose_parts, usable_pixels
from xsim.measure.blind.profiles import Profile, profile_across
from xsim.measure.blind.refusals import (
    SHOTS,
    check_exposed,
    check_no_text,
    check_no_waves,
    check_not_sharpened,
    no_edges,
    too_vague,
)
from xsim.measure.blind.result import BlindDetector, BlindNoise
from xsim.measure.blind.steps import Step, find_steps
from xsim.measure.checks import check_pitch, grey_image

__all__ = ["measure_blind"]

_BY_WEIGHT, _BY_SHARPNESS = 25, 35
"""Profiles that are fitted: the tallest, and of the others the sharpest, since bevels are often the tallest."""

_TELLING = 10.0
"""Height over noise of a strip from which a profile's sharpness is more than chance."""

_TWO_SIDED = 1.96
"""95 % of a normal."""

_CURVE_FLOOR = 0.01
"""Standard error of the MTF that no number of edges goes below: glare that one window does not hold, 9 curves in 10."""

_GLARE_ERROR = 0.5
"""Half of the glare that is found is its 95 % interval: of what is there .6 to 1.1 is found."""

_FEW_EDGES = 3
"""Fewer edges do not check each other."""

_DOUBTFUL, _VAGUE = 0.093, 0.35
"""Standard errors of ln f50 from which on edges disagree, which is said, and from which on there is nothing to restore
by: f50 is known to a factor of 1.2 and of 2 either way. One plain edge of an otherwise good image is within that."""

_FINE = np.linspace(0.0, 1.0, 257)
"""Frequencies of the table for restoring [cycles/px]: beyond the corner of the frequency square, .71."""


def measure_blind(
    images: ArrayLike | Sequence[ArrayLike], pitch_mm: float | None = None, *, full_scale: float | None = None
) -> BlindDetector:
    """Estimate blur and noise of a detector from one ordinary radiograph of it, or several.

    Straight edges of the object give the blur: an object's edge is never sharper than ideal, so that the sharpest
    ones that agree bound it. Flat parts give the noise. Of images beyond 1024 x 1024 pixels parts are looked at.

    Parameters
    ----------
    images : (H, W) array or sequence of them
        Grey values linear in exposure, offset and gain corrected, not filtered, with the open field at 1.
    pitch_mm : float, optional
        Pixel pitch [mm]. Only lengths depend on it.
    full_scale : float, optional
        Grey value, in the same scale, at which the format or the detector saturates. Pixels piled up at an extreme
        value are found without it.

    Returns
    -------
    BlindDetector
        Presampled MTF with a 95 % interval, noise of the open field, what they rest on, and remarks.

    Raises
    ------
    InputError
        If an image is too small, not finite, flat, saturated, noise alone, a page of text or sharpened, or has no
        clean edge or no flat part. The message says which, and what to shoot.
    """
    if pitch_mm is not None:
        check_pitch(pitch_mm)
    greys = [grey_image(image, smallest_px=SMALLEST_PX) for image in _listed(images)]
    usable = [usable_pixels(grey, full_scale) for grey in greys]
    for number, (grey, good) in enumerate(zip(greys, usable, strict=True)):
        name = "the image" if len(greys) == 1 else f"image {number + 1}"
        check_exposed(grey, good, name)
    parts = choose_parts(greys, usable)
    for part in parts:
        check_no_text(part.grey, "the image" if len(greys) == 1 else f"image {part.image + 1}")
    clipped = 1 - float(np.mean([good.mean() for good in usable]))
    edges = _edges_of(parts, clipped)
    sound = sound_edges([edge for _, edge in edges])
    if not sound:
        raise no_edges(len(edges), [edge.profile for _, edge in edges], clipped)
    check_no_waves(sound)
    blur = join_edges(sound)
    if blur.error > _VAGUE:
        raise too_vague(f50_of(blur.weights), _factor(blur.error), len(sound), pitch_mm)
    noise = noise_of(parts, blur.weights)
    whose = {id(edge.profile): parts[which] for which, edge in edges}
    where = [whose[id(edge.profile)] for edge in blur.edges]
    glare = veiling_glare(greys, usable, blur.weights, f50_of(blur.weights))
    remarks = _remarks(blur, clipped, sound)
    if glare is not None:
        remarks.append(
            f"veiling glare of {100 * glare.total:.2g} % over some {glare.width:.2g} px, seen in the open field"
        )
    return _detector(blur, glare, noise, where, pitch_mm, remarks)


def _listed(images: ArrayLike | Sequence[ArrayLike]) -> list[ArrayLike]:
    """Return the images as a list, whether one was given or several."""
    if isinstance(images, np.ndarray) and images.ndim == 2:
        return [images]
    found = list(cast("Sequence[ArrayLike]", images))
    if not found:
        raise InputError("no image: give at least one radiograph")
    if np.ndim(found[0]) == 1:
        return [np.asarray(images)]
    return found


def _edges_of(parts: Sequence[Part], clipped: float) -> list[tuple[int, Edge]]:
    """Return the fitted edges of all parts, each with its part's number."""
    rough = [rough_noise(part.grey, part.usable) for part in parts]
    cell = float(np.median([strip for _, strip in rough]))
    pixel = float(np.median([one for one, _ in rough]))
    steps: list[tuple[int, Step]] = []
    for which, part in enumerate(parts):
        steps += [(which, step) for step in find_steps(part.grey, part.usable)]
    if not steps:
        raise no_edges(0, [], clipped)
    check_not_sharpened(parts, steps, cell)
    profiles: list[tuple[int, Profile]] = []
    for which, step in steps:
        profile = profile_across(parts[which].grey, parts[which].usable, step, cell)
        if profile is not None:
            profiles.append((which, profile))
    if not profiles:
        raise no_edges(len(steps), [], clipped)
    profiles.sort(key=lambda one: -one[1].weight)
    rest = [one for one in profiles[_BY_WEIGHT:] if one[1].contrast > _TELLING * cell]
    rest.sort(key=lambda one: -one[1].slope / one[1].contrast)
    fitted = (
        (which, fit_edge(profile, pixel, cell)) for which, profile in profiles[:_BY_WEIGHT] + rest[:_BY_SHARPNESS]
    )
    return [(which, edge) for which, edge in fitted if edge is not None]


def _detector(
    blur: JointBlur,
    glare: Glare | None,
    noise: BlindNoise,
    where: Sequence[Part],
    pitch_mm: float | None,
    remarks: Sequence[str],
) -> BlindDetector:
    f = np.linspace(0.0, 0.5, 101)
    columns = mtf_columns(f)
    near = columns @ blur.weights
    mtf, whole, f50 = near, mtf_columns(_FINE) @ blur.weights, f50_of(blur.weights)
    if glare is not None:
        mtf, whole = near * glare.factor(f), whole * glare.factor(_FINE)
        f50 = crossing(whole, grid=_FINE)
    drawn = np.std(blur.draws @ columns.T, axis=0)
    moved = f * np.abs(np.gradient(mtf, f)) * blur.error
    reach = _TWO_SIDED * np.sqrt(drawn**2 + moved**2 + np.where(f > 0, _CURVE_FLOOR, 0.0) ** 2)
    reach = np.hypot(reach, _GLARE_ERROR * (near - mtf))
    factor = _factor(blur.error)
    places = [
        (part.image, part.top + edge.profile.step.y, part.left + edge.profile.step.x, edge.profile.step.angle)
        for part, edge in zip(where, blur.edges, strict=True)
    ]
    return BlindDetector(
        frequency=f,
        mtf=mtf,
        low=_within(mtf - reach),
        high=_within(mtf + reach),
        f50=f50,
        f50_low=f50 / factor,
        f50_high=f50 * factor,
        noise=noise,
        edges=len(blur.edges),
        pitch_mm=pitch_mm,
        edge_places=np.array(places),
        fine_frequency=_FINE,
        fine_mtf=whole,
        weights=blur.weights,
        blur_remarks=tuple(remarks),
    )


def _factor(error: float) -> float:
    """Return by what factor a value may be off either way, at 95 %, whose logarithm has a standard error."""
    return float(np.exp(_TWO_SIDED * error))


def _within(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(curve, 0.0, 1.0)


def _remarks(blur: JointBlur, clipped: float, sound: Sequence[Edge]) -> list[str]:
    said = []
    if clipped > 1e-4:
        said.append(f"{100 * clipped:.2g} % of the pixels are clipped, and left out")
    if len(blur.edges) < _FEW_EDGES:
        count = len(blur.edges)
        said.append(f"{count} edge{'s' * (count != 1)} only: nothing checks {'it' if count == 1 else 'them'}: {SHOTS}")
    if blur.error > _DOUBTFUL:
        factor = _factor(blur.error)
        said.append(f"{len(sound)} edges that disagree: f50 is known to a factor of {factor:.2g} either way: {SHOTS}")
    both = anisotropy(sound)
    if both is not None:
        said.append(
            f"unlike blur: f50 {both[0]:.3g} along x and {both[1]:.3g} cycles/px along y (a focal spot, motion, or a "
            "line detector): one curve stands for both"
        )
    return said
