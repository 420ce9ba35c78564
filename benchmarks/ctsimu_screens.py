"""CTSimU's test 2D-SW-1: what three scintillators make of a wedge of aluminium, beside two Monte Carlo codes.

    python benchmarks/ctsimu_screens.py [--json]

The data come with the package ``ctsimu`` (Apache 2.0; the extra ``dev``): mean primary grey levels of ROSI and McRay
behind nine steps of aluminium and in the open beam, at 50 keV and at 120 kV, of an ideal detector and of 200 um CsI,
500 um CsI and 500 um Gd2O2S. Compared are the ratios of screen to ideal detector, 1 in the open beam.

The package has neither the thicknesses nor the spectrum. Thicknesses follow exactly from the 50 keV series: Beer and
Lambert. The spectrum is SpekPy's tungsten tube, whose anode angle and aluminium are fitted to the ideal detector's
120 kV series; the screens' series take no part in the fit. Screens are solid, as the codes have them, and count energy
left, not light.
"""

from __future__ import annotations

import argparse
import io
import json
import pkgutil
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from xsim.detector.phosphors import phosphor
from xsim.detector.screen import Screen
from xsim.errors import ExtraMissingError
from xsim.materials import linear_attenuation_per_mm
from xsim.spectrum import tungsten_spectrum

SERIES = {
    "mono": "07_Al_noFilter_050keV-mono_Ideal",
    "ideal": "09_Al_noFilter_120kV-poly_Ideal",
    "200 um CsI": "17_Al_noFilter_120kV-poly_200mum-CsI",
    "500 um CsI": "25_Al_noFilter_120kV-poly_500mum-CsI",
    "500 um Gd2O2S": "33_Al_noFilter_120kV-poly_500mum-GOS",
}
SCREENS = {"200 um CsI": ("CsI", 0.2), "500 um CsI": ("CsI", 0.5), "500 um Gd2O2S": ("Gd2O2S", 0.5)}
ANGLES_DEG = (8.0, 10.0, 12.0, 14.0, 16.0)
TOLERANCE = 0.005
"""What stands beside the spread of the two codes, of the ratio."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """One screen: ratios of xsim, of both codes (steps, 2), and by how much xsim lies outside their spread and .5 %."""

    name: str
    ratio: NDArray[np.float64]
    codes: NDArray[np.float64]

    @property
    def outside(self) -> NDArray[np.float64]:
        """Return how far each step lies outside, relative; 0 inside."""
        low, high = self.codes.min(axis=1) * (1.0 - TOLERANCE), self.codes.max(axis=1) * (1.0 + TOLERANCE)
        return np.where(
            self.ratio < low, self.ratio / low - 1.0, np.where(self.ratio > high, self.ratio / high - 1.0, 0.0)
        )

    @property
    def residual(self) -> NDArray[np.float64]:
        """Return xsim over the nearer code, less 1."""
        apart = self.ratio[:, None] / self.codes - 1.0
        return np.take_along_axis(apart, np.abs(apart).argmin(axis=1)[:, None], axis=1)[:, 0]


def primary(name: str) -> NDArray[np.float64]:
    """Return primary grey levels of both codes relative to the open beam, (10, 2)."""
    try:
        data = pkgutil.get_data("ctsimu.evaluation", f"data/2D-SW-1_scenario{SERIES[name]}.txt")
    except ImportError:
        raise ExtraMissingError("ctsimu", "dev") from None
    assert data is not None
    table = np.loadtxt(io.StringIO(data.decode()), delimiter="\t")[:, [9, 12]]
    return np.asarray(table / table[-1])


def thicknesses_mm() -> NDArray[np.float64]:
    """Return the aluminium of each step [mm], (10,), from the 50 keV series."""
    found = -np.log(primary("mono")).mean(axis=1) / float(linear_attenuation_per_mm("Al", [50.0])[0])
    return np.maximum(found, 0.0)


def compare() -> tuple[list[Comparison], dict[str, float]]:
    """Return the three screens, and what the fitted beam is and misses of the ideal detector's series."""
    steps = thicknesses_mm()
    ideal = primary("ideal")
    best = min((_fitted(angle, steps, ideal.mean(axis=1)) for angle in ANGLES_DEG), key=lambda found: found[0])
    miss, angle, aluminium = best
    beam = tungsten_spectrum(120.0, (("Al", aluminium),), angle)
    through = np.exp(-np.outer(steps, linear_attenuation_per_mm("Al", beam.energy_keV))) * beam.fluence_per_mm2_uGy

    def grey(seen: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(through @ seen / (through[-1] @ seen))

    found = []
    for name, (substance, depth_mm) in SCREENS.items():
        mass = depth_mm * phosphor(substance).material.density_g_cm3 * 100.0
        left = Screen(mass, substance, packing=1.0).deposits(beam.energy_keV).deposited_keV()
        found.append(Comparison(name, grey(left) / grey(beam.energy_keV), primary(name) / ideal))
    return found, {"anode_angle_deg": angle, "aluminium_mm": aluminium, "ideal_missed_by": miss}


def _fitted(angle: float, steps: NDArray[np.float64], ideal: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the largest miss of the ideal series at an anode angle, the angle, and the aluminium [mm]."""
    bare = tungsten_spectrum(120.0, (), angle)
    mu, weight = linear_attenuation_per_mm("Al", bare.energy_keV), bare.fluence_per_mm2_uGy * bare.energy_keV

    def missed(aluminium: NDArray[np.float64]) -> NDArray[np.float64]:
        behind = np.exp(-np.outer(steps + aluminium[0], mu)) @ weight
        return np.asarray(behind / behind[-1] / ideal - 1.0)

    fit = least_squares(missed, [4.0], bounds=(0.5, 12.0))
    return float(np.abs(fit.fun).max()), angle, float(fit.x[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    found, beam = compare()
    steps = thicknesses_mm()
    if args.json:
        rows = {item.name: {"residual": item.residual.tolist(), "outside": item.outside.tolist()} for item in found}
        print(json.dumps({"thickness_mm": steps.tolist(), "beam": beam, "screens": rows}))
        return
    print(
        f"120 kV, {beam['anode_angle_deg']:g} degrees, {beam['aluminium_mm']:.2f} mm Al; "
        f"the ideal detector is missed by {beam['ideal_missed_by']:.2%} at most"
    )
    print(f"{'mm Al':>15}" + "".join(f"{step:8.2f}" for step in steps))
    for item in found:
        for title, values in (("off the nearer code", item.residual), ("outside", item.outside)):
            print(
                f"{item.name if title != 'outside' else '':>15}" + "".join(f"{v:8.2%}" for v in values) + f"  {title}"
            )


if __name__ == "__main__":
    main()
