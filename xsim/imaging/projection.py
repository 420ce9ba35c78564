"""Polychromatic Beer-Lambert projection of thickness maps, once for all screens.

For every pixel and screen two numbers come out, both 1 in the open field: *grey*, the mean signal, and *variance*,
the zero-frequency power of the quantum noise. Behind metal the hardened beam makes them differ, and both differ from
one screen to another.

The sums over energies are quadratures: a list of attenuation coefficients and, for each output, non-negative weights
that sum to one, so that an output of thicknesses t is ``sum_k weights[k] * exp(-sum_m attenuation[k, m] * t[m])``. The
exact quadrature has one node per energy bin; the fast one keeps a subset of the bins and gives them new weights, fitted
once to all that objects are made of, so that it serves every board that the same two screens see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.optimize import nnls
from threadpoolctl import ThreadpoolController

from xsim.detector.detector import DetectorResponse
from xsim.errors import InputError, UnknownNameError
from xsim.files.cache import load_arrays, store_arrays
from xsim.materials import RECIPES, linear_attenuation_per_mm
from xsim.phantoms import Phantom

__all__ = ["Beam", "Method", "Quadrature", "exact_rule", "fast_rule", "integrate", "project", "rule_for"]

# Open-field weight of the softest bins that may be dropped together: below float32's resolution of a grey level.
_NEGLIGIBLE = 1e-8
# Nodes of the fast rule: 28 of some 119 bins are off by less than a grey level of 16 bits, 24 by up to three.
_NODES = 28
# What objects are made of: the materials of boards, and metals of castings, gauges and plates. Phosphors and
# surroundings are in the way of no beam, and the phosphors' edges would cost the others a factor of ten in error.
_OBJECTS = {*RECIPES, "Al", "Cu", "Fe", "Mg", "Pb", "Si", "Sn", "Ta", "Ti", "W", "Zn"} - {
    "Gd2O2S", "CsI", "CaWO4", "air", "water",
}  # fmt: skip
# Transmission below which the fit of the fast rule counts absolute, not relative, errors.
_FLOOR = 1e-3


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Attenuation and weights of the nodes of an energy quadrature.

    Parameters
    ----------
    energy_keV : (n,) array
        Energies of the nodes [keV].
    attenuation_per_mm : (n, M) float32 array
        Linear attenuation coefficient of each of M materials at each node [1/mm].
    weights : (2 R, n) float32 array
        Weights of the nodes for grey and variance of each of R screens, in that order; each row sums to 1.
    fit_error : float
        Largest error relative to the exact sum on mixtures that let through more than 0.1 %; 0 for the exact rule.
    """

    energy_keV: NDArray[np.float64]
    attenuation_per_mm: NDArray[np.float32]
    weights: NDArray[np.float32]
    fit_error: float = 0.0


def exact_rule(materials: Sequence[str], responses: Sequence[DetectorResponse]) -> Quadrature:
    """Return the rule with one node per energy bin, for M materials and R screens.

    Responses to different spectra share one list of energies, the union of theirs.

    Raises
    ------
    InputError
        If there is no response.
    UnknownNameError
        If a material is not known.
    """
    if not responses:
        raise InputError("no detector response was given: give at least one")
    energy = np.unique(np.concatenate([np.asarray(response.spectrum.energy_keV) for response in responses]))
    weights = np.zeros((2 * len(responses), len(energy)))
    for index, response in enumerate(responses):
        at = np.searchsorted(energy, response.spectrum.energy_keV)
        fluence = np.asarray(response.spectrum.fluence_per_mm2_uGy, dtype=float)
        for offset, weight in enumerate(response.energy_response(response.spectrum.energy_keV)):
            weights[2 * index + offset, at] = fluence * weight
    weights /= weights.sum(axis=1, keepdims=True)
    # Filters and objects harden the beam: bins that are negligible at the soft end stay so behind any object.
    kept = np.cumsum(weights, axis=1).max(axis=0) > _NEGLIGIBLE
    energy, weights = energy[kept], weights[:, kept]
    return Quadrature(energy, _attenuation(materials, energy), weights.astype(np.float32))


def _attenuation(materials: Sequence[str], energy_keV: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the attenuation of materials, of none as well, (n, M) [1/mm]."""
    attenuation = np.zeros((len(energy_keV), len(materials)), dtype=np.float32)
    for index, name in enumerate(materials):
        attenuation[:, index] = linear_attenuation_per_mm(name, energy_keV)
    return attenuation


def fast_rule(exact: Quadrature, nodes: int = _NODES) -> Quadrature:
    """Return a rule with few nodes, fitted to an exact one.

    Over a fixed set of mixtures, the bins whose transmissions are the least dependent on each other are picked (QR with
    column pivoting), then thrown out one by one, each time the one that the fit misses least. Weights are the
    non-negative least squares fit of the relative error. A rule that has no more nodes already is returned as it is.

    Raises
    ------
    InputError
        If ``nodes`` is below 2.
    """
    if nodes < 2:
        raise InputError(f"a quadrature of {nodes} energies is too coarse: give 2 or more")
    if nodes >= len(exact.energy_keV):
        return exact
    transmission, truth = _mixtures(exact, count=2000, seed=1)
    systems = [_reduced(transmission, target) for target in truth.T]
    importance = np.sqrt(exact.weights.mean(axis=0, dtype=float))
    _, pivots = qr(systems[0][0] * importance, mode="r", pivoting=True)
    chosen = sorted(pivots[: nodes + nodes // 2])
    # Two screens' grey and variance judge the bins; many noise layers would only say the same again, slowly.
    judges = systems[:: max(1, len(systems) // 4)]
    while len(chosen) > nodes:
        fewer = [chosen[:index] + chosen[index + 1 :] for index in range(len(chosen))]
        chosen = min(fewer, key=lambda bins: sum(_fit(matrix[:, bins], target)[1] ** 2 for matrix, target in judges))
    weights = np.array([_fit(matrix[:, chosen], target)[0] for matrix, target in systems])
    # The open field must stay exactly 1.
    weights /= weights.sum(axis=1, keepdims=True)
    transmission, truth = _mixtures(exact, count=4000, seed=2)
    error = np.abs(transmission[:, chosen] @ weights.T / truth - 1.0)
    return Quadrature(
        exact.energy_keV[chosen],
        exact.attenuation_per_mm[chosen],
        weights.astype(np.float32),
        float(error[truth > _FLOOR].max()),
    )


def _reduced(
    transmission: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a square system with the same least squares fits of the relative error as one with many rows."""
    relative = 1.0 / np.maximum(target, _FLOOR)
    q, r = np.linalg.qr(transmission * relative[:, None])
    return r, q.T @ (target * relative)


def _fit(matrix: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return non-negative least squares weights and the norm of what they miss."""
    # Neighbouring energies are nearly parallel: SciPy's default of 3 steps per weight is not always enough.
    weights, missed = nnls(matrix, target, maxiter=100 * matrix.shape[1])
    return np.asarray(weights), float(missed)


def _mixtures(rule: Quadrature, *, count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return transmissions (count, n) of random stacks of one to three materials, and the exact outputs (count, 2 R).

    Thicknesses are drawn in mean optical depths, from thin foils to what stops 99.9 % of the beam.
    """
    rng = np.random.default_rng(seed)
    attenuation = rule.attenuation_per_mm.astype(float)
    materials = attenuation.shape[1]
    picked = rng.random((count, materials)).argsort(axis=1) < rng.integers(1, 4, size=(count, 1))
    depth = rng.exponential(rng.choice([0.1, 0.5, 2.0], size=(count, 1)), size=(count, materials)) * picked
    thickness = depth / np.maximum(rule.weights[0] @ attenuation, 1e-12)
    transmission = np.exp(-thickness @ attenuation.T)
    return transmission, transmission @ rule.weights.T.astype(float)


Method = Literal["exact", "fast"]

# Transmissions, of some pixels at all energies, that are held at once: a quarter of a megabyte stays in the L2 cache.
_HELD = 2**16


class Beam(NamedTuple):
    """What one screen makes of the beam behind an object, before any blur.

    Both are (H, W) float32 arrays in units of the open field.
    """

    grey: NDArray[np.float32]
    variance: NDArray[np.float32]


def rule_for(materials: Sequence[str], responses: Sequence[DetectorResponse], method: Method = "exact") -> Quadrature:
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
def _rule(materials: tuple[str, ...], responses: tuple[DetectorResponse, ...], method: Method) -> Quadrature:
    if method == "exact":
        return exact_rule(materials, responses)
    fitted = _fitted((*sorted(_OBJECTS), *sorted({*materials} - _OBJECTS)), responses)
    return replace(fitted, attenuation_per_mm=_attenuation(materials, fitted.energy_keV))


# A fit takes as long as ten boards save: few set-ups are in use at a time, and the disk remembers the others.
@lru_cache(maxsize=16)
def _fitted(materials: tuple[str, ...], responses: tuple[DetectorResponse, ...]) -> Quadrature:
    """Return the fast rule for everything that may be in the way, with the attenuation of all of it."""
    exact = exact_rule(materials, responses)
    key = f"1 {_NODES} {materials} {sha256(exact.energy_keV.tobytes() + exact.weights.tobytes()).hexdigest()}"
    kept = load_arrays("quadrature", key)
    if kept is not None and {"energy_keV", "weights", "fit_error"} <= kept.keys():
        chosen = np.searchsorted(exact.energy_keV, kept["energy_keV"])
        weights = kept["weights"].astype(np.float32)
        return Quadrature(kept["energy_keV"], exact.attenuation_per_mm[chosen], weights, float(kept["fit_error"]))
    rule = fast_rule(exact)
    found = {
        "energy_keV": rule.energy_keV,
        "weights": rule.weights.astype(float),
        "fit_error": np.array(rule.fit_error),
    }
    store_arrays("quadrature", key, found)
    return rule


def project(phantom: Phantom, responses: Sequence[DetectorResponse], *, method: Method = "exact") -> tuple[Beam, ...]:
    """Project a phantom onto several screens at once; return one beam for each, on the phantom's grid.

    Parameters
    ----------
    phantom : Phantom
        Thickness maps.
    responses : sequence of DetectorResponse
        The screens, each with its spectrum and energy response.
    method : {"exact", "fast"}
        All energy bins, or a few, fitted to mixtures of what objects are made of (``rule_for(...).fit_error``).

    Raises
    ------
    InputError
        If there is no response or no pixel.
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


def integrate(thickness_mm: NDArray[np.float32], rule: Quadrature) -> NDArray[np.float32]:
    """Return the 2 R outputs of a rule, (2 R, H, W) float32, behind thickness maps of M materials, (M, H, W) [mm].

    Behind no material lies the open field: a view beside an object is one.

    Raises
    ------
    InputError
        If there are no pixels.
    """
    if 0 in thickness_mm.shape[1:]:
        raise InputError(f"a phantom of shape {thickness_mm.shape} has nothing to project: give one with pixels")
    # Of a part of a board the maps are views, and of a board that was turned transposed ones: they are read row by row
    # as they lie, since copies of all materials would take as long as the projection.
    turned = abs(thickness_mm.strides[1]) < abs(thickness_mm.strides[2])
    maps = (thickness_mm.swapaxes(1, 2) if turned else thickness_mm).astype(np.float32, copy=False)
    seen = maps.shape[1:]
    if maps.flags.c_contiguous:
        maps = maps.reshape(len(maps), 1, seen[0] * seen[1])
    outputs = np.empty((len(rule.weights), *maps.shape[1:]), dtype=np.float32)
    exponent = -rule.attenuation_per_mm
    width = maps.shape[2]
    chunk = min(width, max(256, _HELD // len(exponent)))
    buffer = np.empty((len(exponent), chunk), dtype=np.float32)
    # These products are small: where every core has other work, handing them to threads took two hundred times as long.
    with _linear_algebra().limit(limits=1, user_api="blas"):
        for row in range(maps.shape[1]):
            for start in range(0, width, chunk):
                part = maps[:, row, start : start + chunk]
                transmission = buffer[:, : part.shape[1]]
                np.matmul(exponent, part, out=transmission)
                np.exp(transmission, out=transmission)
                np.matmul(rule.weights, transmission, out=outputs[:, row, start : start + chunk])
    outputs = outputs.reshape(-1, *seen)
    return np.ascontiguousarray(outputs.swapaxes(1, 2)) if turned else outputs


@cache
def _linear_algebra() -> ThreadpoolController:
    """Return what sets the threads of the loaded libraries; finding them takes a millisecond."""
    return ThreadpoolController()
