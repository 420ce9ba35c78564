"""How light leaves a turbid phosphor layer: diffusion with partly reflecting faces, after Swank (1973).

Light born at depth z as a point reaches the sensor as a spot whose transform is G(z, f): the solution of the diffusion
equation in a slab, with Robin conditions at the two faces. Only two lengths and the absorption matter: the
extrapolation lengths h = (2/3) l* (1 + R) / (1 - R) of the sensor and backing faces (l* transport mean free path,
R internal reflectance), and the diffusion length L. The model holds for q l* < 1, below some 10 lp/mm in a powder.

Columns guide light. Let it run along its column, either way, for a mean path l until a flaw turns it or lets it out,
and hop with probability p to a neighbour at a distance d: two streams along the columns, with hops between them. They
obey the same equation exactly (below 1/d), with h = l (1 + R) / (1 - R), and with the frequency times a = d sqrt(p) /
(2 l): a layer that spreads light sideways by the share a of what a powder of its depth would. Spread and gain then
still change with depth, and with them the noise (Lubberts).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import k1

from xsim.errors import check_range

__all__ = ["Optics", "gap_mtf", "layer_light", "light_transfer"]

# Guards against wrong units; an infinite backing length (a mirror) or diffusion length (no dye) is a large number.
_RANGES_MM = {
    "extrapolation_sensor_mm": (1e-5, 10.0),
    "extrapolation_backing_mm": (1e-5, 1e6),
    "diffusion_length_mm": (1e-3, 1e9),
    "gap_mm": (0.0, 1.0),
}
# Below a hundredth no light would leave its column; above 1 a layer would spread light further sideways than in depth.
_LATERAL: Final = (0.01, 1.0)


@dataclass(frozen=True, kw_only=True)
class Optics:
    """The optical constants of a screen.

    The defaults were fitted to typical MTF curves of 34, 70, 100 and 134 mg/cm2 Gd2O2S screens at RQA5, known to some
    15 % only; published Swank factors disagree as much, so that DQE(0) and the level of the NNPS carry 15 % as well.
    `xsim.detector.optics_fit` replaces them by constants fitted to a laboratory's own curves.

    Parameters
    ----------
    extrapolation_sensor_mm : float
        Extrapolation length h_s of the face towards the sensor [mm].
    extrapolation_backing_mm : float
        Extrapolation length h_b of the face towards the backing [mm]; long means reflecting.
    diffusion_length_mm : float
        Diffusion length L of light in the layer [mm]; short means dyed.
    gap_mm : float
        Effective distance between screen and photodiodes [mm].
    gain_noise : float
        Excess relative variance of the light of one energy deposit.
    lateral_ratio : float
        Spread of light across the layer relative to that along its depth: 1 in a powder, less where columns guide it.

    Raises
    ------
    PhysicsRangeError
        If a constant is out of range.
    """

    extrapolation_sensor_mm: float = 0.0116
    extrapolation_backing_mm: float = 0.100
    diffusion_length_mm: float = 2.0
    gap_mm: float = 0.0064
    gain_noise: float = 0.157
    lateral_ratio: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _LATERAL if field.name == "lateral_ratio" else _RANGES_MM.get(field.name, (0.0, 10.0))
            unit = "mm" if field.name.endswith("_mm") else ""
            check_range(f"optical constant {field.name}", getattr(self, field.name), low, high, unit)

    def to_dict(self) -> dict[str, float]:
        """Return the constants by name; that of columns, which came later, where it says something."""
        return {name: value for name, value in asdict(self).items() if name != "lateral_ratio" or value != 1.0}


def light_transfer(
    optics: Optics, thickness_mm: float, depth_mm: NDArray[np.float64], frequency_lp_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return G(z, f), the share of light born at depth z that leaves towards the sensor, (nf, nz), between 0 and 1.

    Depths (nz,) [mm] count from the backing face, so that the sensor face is at the thickness T of the layer [mm];
    spatial frequencies (nf,) are in lp/mm.
    """
    growing, decaying, _ = _exponentials(optics, thickness_mm, depth_mm, frequency_lp_mm)
    return growing + decaying


def layer_light(
    optics: Optics, thickness_mm: float, layers: int, frequency_lp_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of G and of G^2 over each of equal layers, (nf, layers) each, in closed form.

    The thickness [mm] is that of all layers together, and the layer at the backing comes first (see `light_transfer`).
    """
    centres = np.linspace(0.0, thickness_mm, 2 * layers + 1)[1::2]
    growing, decaying, q = _exponentials(optics, thickness_mm, centres.astype(np.float64), frequency_lp_mm)
    # The mean of exp(+-q z) over a layer is its central value times sinh(q d / 2) / (q d / 2), d its thickness.
    half = 0.5 * q * (thickness_mm / layers)
    once, twice = np.sinh(half) / half, np.sinh(2.0 * half) / (2.0 * half)
    G_2 = (np.square(growing) + np.square(decaying)) * twice + 2.0 * growing * decaying
    return (growing + decaying) * once, G_2


def _exponentials(
    optics: Optics, thickness_mm: float, depth_mm: NDArray[np.float64], frequency_lp_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the parts of G that grow and decay with depth, (nf, nz) each, and q [1/mm], (nf, 1).

    G = [cosh qz + sinh qz / (q h_b)] / {cosh qT + sinh qT / (q h_b) + q h_s [sinh qT + cosh qT / (q h_b)]}, written
    in decaying exponentials so that no q T overflows.
    """
    wave = 2.0 * np.pi * frequency_lp_mm * optics.lateral_ratio
    q = np.hypot(wave, 1.0 / optics.diffusion_length_mm)[:, None]
    at_backing = 1.0 / (q * optics.extrapolation_backing_mm)
    at_sensor = q * optics.extrapolation_sensor_mm
    rising, falling = 1.0 + at_backing, 1.0 - at_backing
    z = depth_mm[None, :]
    echo = np.exp(-2.0 * q * thickness_mm)
    denominator = rising + falling * echo + at_sensor * (rising - falling * echo)
    growing: NDArray[np.float64] = rising * np.exp(-q * (thickness_mm - z)) / denominator
    decaying: NDArray[np.float64] = falling * np.exp(-q * (thickness_mm + z)) / denominator
    return growing, decaying, q


def gap_mtf(optics: Optics, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the MTF of the gap d between screen and sensor: x K1(x), x = 2 pi f d [lp/mm, mm], Lambertian emitter."""
    x = 2.0 * np.pi * frequency_lp_mm * optics.gap_mm
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(x > 1e-12, x * k1(x), 1.0)
