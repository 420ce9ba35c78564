"""Polychromatic Beer-Lambert projection of thickness maps, once for all screens.

For every pixel and screen two numbers come out, both 1 in the open field: *grey*, the mean signal, and *variance*,
the zero-frequency power of the quantum noise. Behind metal the hardened beam makes them differ, and both differ from
one screen to another.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from xsim.errors import InputError, UnknownNameError
from xsim.imaging.quadrature import Rule, exact_rule, fast_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim.detector.detector import DetectorResponse
    from xsim.phantoms import Phantom

__all__ = ["Beam", "Method", "integrate", "project", "rule_for"]

Method = Literal["exact", "fast"]

# Transmissions, of some pixels at all energies, that are held at once: a quarter of a megabyte stays in the L2 cache.
_HELD = 2**16


class Beam(NamedTuple):
    """What one screen makes of the beam behind an object, before any blur.

    Both are (H, W) float32 arrays in units of the open field.
    """

    grey: NDArray[np.float32]
    variance: NDArray[np.float32]


def rule_for(materials: Sequence[str], responses: Sequence[DetectorResponse], method: Method = "exact") -> Rule:
    """Return the energy quadrature for these materials and screens; the latest ones are kept.

    Raises
    ------
    UnknownNameError
        If the method or a material is not known.
    """
    if method not in get_args(Method):
        raise UnknownNameError("projection method", method, get_args(Method))
    return _rule(tuple(materials), tuple(responses), method)


# Every random board has a list of materials of its own: the cache is for batches that share one.
@lru_cache(maxsize=64)
def _rule(materials: tuple[str, ...], responses: tuple[DetectorResponse, ...], method: Method) -> Rule:
    rule = exact_rule(materials, responses)
    return fast_rule(rule) if method == "fast" else rule


def project(phantom: Phantom, responses: Sequence[DetectorResponse], *, method: Method = "exact") -> tuple[Beam, ...]:
    """Project a phantom onto several screens at once.

    Parameters
    ----------
    phantom : Phantom
        Thickness maps; the beams come out on its grid.
    responses : sequence of DetectorResponse
        The screens, each with its spectrum and energy response.
    method : {"exact", "fast"}
        All energy bins, or a fitted quadrature of 16 (see ``rule_for(...).fit_error``).

    Returns
    -------
    tuple of Beam
        One per response.

    Raises
    ------
    InputError
        If a thickness is negative, infinite or NaN.
    UnknownNameError
        If the method or a material is not known.

    Notes
    -----
    Transmission, not thickness, is what a pixel averages: render on a grid finer than the pixel, project there, and
    average afterwards.
    """
    rule = rule_for(phantom.materials, responses, method)
    outputs = integrate(phantom.thickness_mm, rule)
    return tuple(Beam(outputs[2 * index], outputs[2 * index + 1]) for index in range(len(responses)))


def integrate(thickness_mm: NDArray[np.float32], rule: Rule) -> NDArray[np.float32]:
    """Return every output of a rule behind thickness maps.

    Parameters
    ----------
    thickness_mm : (M, H, W) float32 array
        Thickness of each material [mm].
    rule : Rule
        Quadrature over energies with 2 R outputs.

    Returns
    -------
    (2 R, H, W) float32 array

    Raises
    ------
    InputError
        If a thickness is negative, infinite or NaN.
    """
    materials, height, width = thickness_mm.shape
    pixels = height * width
    thickness = np.ascontiguousarray(thickness_mm, dtype=np.float32).reshape(materials, pixels)
    _check_thickness(thickness)
    outputs = np.empty((len(rule.weights), pixels), dtype=np.float32)
    exponent = -rule.attenuation_per_mm
    chunk = min(pixels, max(256, _HELD // len(exponent)))
    buffer = np.empty((len(exponent), chunk), dtype=np.float32)
    for start in range(0, pixels, chunk):
        part = thickness[:, start : start + chunk]
        transmission = buffer[:, : part.shape[1]]
        np.matmul(exponent, part, out=transmission)
        np.exp(transmission, out=transmission)
        np.matmul(rule.weights, transmission, out=outputs[:, start : start + chunk])
    return outputs.reshape(-1, height, width)


def _check_thickness(thickness: NDArray[np.float32]) -> None:
    if thickness.size == 0:
        raise InputError(f"a phantom of shape {thickness.shape} has nothing to project: give materials and pixels")
    low, high = thickness.min(), thickness.max()  # both are NaN if any value is
    if not (low >= 0 and np.isfinite(high)):
        worst = high if low >= 0 else low
        raise InputError(f"a thickness of {worst:g} mm in the phantom: give finite thicknesses, 0 or more")
