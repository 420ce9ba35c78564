"""Energy quadrature: the sums over energy bins that every projection evaluates, in full or with a few nodes.

A rule is a list of attenuation coefficients and, for each output, non-negative weights that sum to one, so that an
output of thicknesses t is ``sum_k weights[k] * exp(-sum_m attenuation[k, m] * t[m])``. The exact rule has one node
per energy bin; the fast one keeps a subset of the bins and gives them new weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import qr
from scipy.optimize import nnls

from xsim.errors import InputError
from xsim.materials import linear_attenuation_per_mm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim.detector.detector import DetectorResponse

__all__ = ["Rule", "exact_rule", "fast_rule"]

# Open-field weight of the softest bins that may be dropped together: below float32's resolution of a grey level.
_NEGLIGIBLE = 1e-8
# Transmission below which the fit of the fast rule counts absolute, not relative, errors.
_FLOOR = 1e-3


@dataclass(frozen=True, eq=False)
class Rule:
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


def exact_rule(materials: Sequence[str], responses: Sequence[DetectorResponse]) -> Rule:
    """Return the rule with one node per energy bin.

    Responses to different spectra share one list of energies, the union of theirs.

    Parameters
    ----------
    materials : sequence of str
        Names of the M materials.
    responses : sequence of DetectorResponse
        The R screens, each with the spectrum that it sees.

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
    attenuation = np.zeros((len(energy), len(materials)))
    for index, name in enumerate(materials):
        attenuation[:, index] = linear_attenuation_per_mm(name, energy)
    return Rule(energy, attenuation.astype(np.float32), weights.astype(np.float32))


def fast_rule(exact: Rule, nodes: int = 16) -> Rule:
    """Return a rule with few nodes, fitted to an exact one.

    Over a fixed set of mixtures, the bins whose transmissions are the least dependent on each other are picked (QR with
    column pivoting), then thrown out one by one, each time the one that the fit misses least. Weights are the
    non-negative least squares fit of the relative error.

    Parameters
    ----------
    exact : Rule
        The rule to stand in for.
    nodes : int
        How many nodes to keep, at least 2; a rule that has no more than this is returned as it is.

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
    chosen = sorted(pivots[: 2 * nodes])
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
    return Rule(
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


def _mixtures(rule: Rule, *, count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
