"""CTSimU's test 2D-SW-1: what three scintillators make of a wedge of aluminium, beside two Monte Carlo codes.

    python benchmarks/ctsimu_screens.py [--json] [--follow PHOTONS]

The data come with the package ``ctsimu`` (Apache 2.0; the extra ``dev``): mean primary grey levels of ROSI and McRay
behind nine steps of aluminium and in the open beam, at 50 keV and at 120 kV, of an ideal detector and of 200 um CsI,
500 um CsI and 500 um Gd2O2S. Compared are the ratios of screen to ideal detector, 1 in the open beam.

The package has neither the thicknesses nor the spectrum. Thicknesses follow exactly from the 50 keV series: Beer and
Lambert. The spectrum is SpekPy's tungsten tube, whose anode angle and aluminium are fitted to the ideal detector's
120 kV series; the screens' series take no part in the fit. Screens are solid, as the codes have them, and count energy
left, not light. ``--follow`` takes, in place of xsim's screens, so many photons of each energy that are followed one by
one through them, Compton scattering and what becomes of its photons included: what the screen model leaves out.
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

from xsim.detector.phosphors import emission_probability, phosphor
from xsim.detector.screen import Screen
from xsim.errors import ExtraMissingError
from xsim.materials import linear_attenuation_per_mm, mass_coefficient_mm2_g
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
    return series_of(SERIES[name])


def series_of(scenario: str) -> NDArray[np.float64]:
    """Return the same of any scenario of the test, by the name that its file has."""
    try:
        data = pkgutil.get_data("ctsimu.evaluation", f"data/2D-SW-1_scenario{scenario}.txt")
    except ImportError:
        raise ExtraMissingError("ctsimu", "dev") from None
    assert data is not None
    table = np.loadtxt(io.StringIO(data.decode()), delimiter="\t")[:, [9, 12]]
    return np.asarray(table / table[-1])


def thicknesses_mm() -> NDArray[np.float64]:
    """Return the aluminium of each step [mm], (10,), from the 50 keV series."""
    found = -np.log(primary("mono")).mean(axis=1) / float(linear_attenuation_per_mm("Al", [50.0])[0])
    return np.maximum(found, 0.0)


# Energies [keV] of the photons that are followed; between them the share that they leave is interpolated.
FOLLOWED_KEV = np.array([12.0, 20.0, 28.0, 33.1, 33.3, 35.9, 36.1, 43.0, 50.1, 50.4, 58.0, 68.0, 80.0, 95.0, 119.0])
REST_KEV = 510.99895


def followed_keV(substance: str, depth_mm: float, energy_keV: float, count: int, seed: int = 1) -> float:
    """Return the mean energy that photons leave in a slab, Compton scattering included [keV]."""
    rng, known = np.random.default_rng(seed), phosphor(substance)
    grams = known.material.density_g_cm3 * 1e-3
    energy, z, cosine, left = np.full(count, energy_keV), np.zeros(count), np.ones(count), np.zeros(count)
    flying = np.arange(count)
    while len(flying):
        bins, place = np.unique(np.round(energy[flying], 1), return_inverse=True)
        photo, compton = (
            grams * mass_coefficient_mm2_g(known.material, bins, kind)[place] for kind in ("photo", "compton")
        )
        z[flying] += cosine[flying] * rng.exponential(1.0 / (photo + compton))
        inside = (z[flying] >= 0.0) & (z[flying] <= depth_mm)
        absorbed = rng.random(len(flying)) * (photo + compton) < photo
        stopped, turned = flying[inside & absorbed], flying[inside & ~absorbed]
        # Photo-absorption: a K photon may leave, in any direction.
        again = np.zeros(len(stopped))
        chance = rng.random(len(stopped))
        for emitter in known.emitters:
            share = emission_probability(known, emitter, bins)[place[inside & absorbed]]
            hit, chance = (chance >= 0.0) & (chance < share), chance - share
            again[hit & (again == 0.0)] = emitter.photon_keV
        left[stopped] += energy[stopped] - again
        energy[stopped], cosine[stopped] = again, rng.uniform(-1.0, 1.0, len(stopped))
        # Compton scattering off electrons at rest: Klein and Nishina, by rejection.
        kept, angle = _klein_nishina(energy[turned], rng)
        left[turned] += energy[turned] * (1.0 - kept)
        energy[turned] *= kept
        across = np.sqrt((1.0 - cosine[turned] ** 2) * (1.0 - angle**2))
        cosine[turned] = cosine[turned] * angle + across * np.cos(rng.uniform(0.0, 2.0 * np.pi, len(turned)))
        flying = np.concatenate((stopped[again > 0.0], turned))
    return float(left.mean())


def _klein_nishina(
    energy: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of the energy that scattered photons keep, and the cosines of their angles."""
    kept, angle = np.ones(len(energy)), np.ones(len(energy))
    waiting = np.arange(len(energy))
    while len(waiting):
        x = rng.uniform(-1.0, 1.0, len(waiting))
        share = 1.0 / (1.0 + energy[waiting] / REST_KEV * (1.0 - x))
        taken = 2.0 * rng.random(len(waiting)) < share**2 * (share + 1.0 / share - 1.0 + x**2)
        kept[waiting[taken]], angle[waiting[taken]] = share[taken], x[taken]
        waiting = waiting[~taken]
    return kept, angle


def compare(follow: int = 0) -> tuple[list[Comparison], dict[str, float]]:
    """Return the three screens, and what the fitted beam is and misses of the ideal detector's series."""
    steps = thicknesses_mm()
    ideal = primary("ideal")
    best = min((fitted_tube(angle, steps, ideal.mean(axis=1)) for angle in ANGLES_DEG), key=lambda found: found[0])
    miss, angle, aluminium = best
    beam = tungsten_spectrum(120.0, (("Al", aluminium),), angle)
    through = np.exp(-np.outer(steps, linear_attenuation_per_mm("Al", beam.energy_keV))) * beam.fluence_per_mm2_uGy

    def grey(seen: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(through @ seen / (through[-1] @ seen))

    found = []
    for name, (substance, depth_mm) in SCREENS.items():
        mass = depth_mm * phosphor(substance).material.density_g_cm3 * 100.0
        screen = Screen(mass, substance, packing=1.0)
        left = screen.deposits(beam.energy_keV).deposited_keV()
        if follow:
            more = np.array([followed_keV(substance, depth_mm, one, follow) for one in FOLLOWED_KEV.tolist()])
            more /= screen.deposits(FOLLOWED_KEV).deposited_keV()
            left = left * np.interp(beam.energy_keV, FOLLOWED_KEV, more)
        found.append(Comparison(name, grey(left) / grey(beam.energy_keV), primary(name) / ideal))
    return found, {"anode_angle_deg": angle, "aluminium_mm": aluminium, "ideal_missed_by": miss}


def fitted_tube(
    angle: float, steps: NDArray[np.float64], ideal: NDArray[np.float64], model: str = "kqp"
) -> tuple[float, float, float]:
    """Return the largest miss of the ideal series at an anode angle, the angle, and the aluminium [mm]."""
    bare = tungsten_spectrum(120.0, (), angle, model)
    mu, weight = linear_attenuation_per_mm("Al", bare.energy_keV), bare.fluence_per_mm2_uGy * bare.energy_keV

    def missed(aluminium: NDArray[np.float64]) -> NDArray[np.float64]:
        behind = np.exp(-np.outer(steps + aluminium[0], mu)) @ weight
        return np.asarray(behind / behind[-1] / ideal - 1.0)

    fit = least_squares(missed, [4.0], bounds=(0.5, 12.0))
    return float(np.abs(fit.fun).max()), angle, float(fit.x[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--follow", type=int, default=0, metavar="PHOTONS", help="follow photons one by one")
    args = parser.parse_args()
    found, beam = compare(args.follow)
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
