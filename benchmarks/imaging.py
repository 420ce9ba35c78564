"""Speed of the imaging chain, every stage beside the floor that its arithmetic cannot go below.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/imaging.py [--size 1024] [--repeats 7] [--options]

One core, CPU time (least of the repeats): a board of eight materials at 60 energies without oversampling, both
screens, noise included. Floors are measured in the same run on arrays of the same size: ``exp`` on blocks that stay
in the cache, the FFTs of the padded image, normal numbers. The baseline is the straightforward loop over energies in
double precision. gVXR projects a board of its own kind where it is installed (see imaging_peers.py beside this file).

``--options`` times pairs with what is off by default instead, one after the other and all together, each beside the
plain pair in the same run, in turns: the ratios hold on a busy machine too.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import imaging_peers
import numpy as np
import scipy.fft

from xsim.imaging.acquisition import acquire, fixed_pattern
from xsim.imaging.exposure import imager
from xsim.imaging.noise import standard_normal
from xsim.imaging.pair import simulate_pair
from xsim.imaging.projection import project, rule_for
from xsim.phantoms import Phantom, random_board
from xsim.recipes import paper
from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from xsim.imaging.setup import PairSetup
    from xsim.spectrum import Spectrum

BOARD = ("Cu", "SAC305", "FR-4", "Al2O3", "BaTiO3", "Ta-porous", "NiZn-ferrite", "Au")
THICKEST_MM = (0.05, 0.02, 1.6, 0.3, 0.01, 0.01, 0.1, 0.005)


def cpu_ms(work: Callable[[], object], repeats: int) -> float:
    """Return the least CPU time of one call [ms], after a call that fills the caches."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def in_kev_bins(spectrum: Spectrum) -> Spectrum:
    """Return the spectrum in bins of 1 keV, twice as wide as xsim's own."""
    count = len(spectrum.energy_keV) // 2 * 2
    pairs = {
        "energy_keV": spectrum.energy_keV[:count].reshape(-1, 2).mean(axis=1),
        "fluence_per_mm2_uGy": spectrum.fluence_per_mm2_uGy[:count].reshape(-1, 2).sum(axis=1),
        "kerma_uGy_mm2": spectrum.kerma_uGy_mm2[:count].reshape(-1, 2).mean(axis=1),
    }
    return replace(spectrum, **pairs)


def board(size: int, pixel_mm: float) -> Phantom:
    rng = np.random.default_rng(1)
    maps = rng.random((len(BOARD), size, size), dtype=np.float32)
    maps *= np.array(THICKEST_MM, dtype=np.float32)[:, None, None]
    return Phantom(BOARD, maps, pixel_mm, name="benchmark")


def straightforward_projection(phantom: Phantom, setup: PairSetup) -> np.ndarray:
    """The baseline: a loop over energies, double precision, one output after the other."""
    rule = rule_for(phantom.materials, [setup.hr_response, setup.lr_response])
    outputs = np.zeros((len(rule.weights), *phantom.shape))
    for attenuation, weights in zip(rule.attenuation_per_mm.astype(float), rule.weights.T, strict=True):
        transmission = np.exp(-np.tensordot(attenuation, phantom.thickness_mm, axes=1))
        outputs += weights[:, None, None] * transmission
    return outputs


def exp_floor(nodes: int, pixels: int, repeats: int) -> float:
    """Return the CPU time of ``nodes * pixels`` exponentials in float32 on blocks that stay in the cache [ms]."""
    block = -np.random.default_rng(2).random(2**17, dtype=np.float32)
    out = np.empty_like(block)
    return cpu_ms(lambda: np.exp(block, out=out), 5 * repeats) * nodes * pixels / len(block)


def stages(setup: PairSetup, phantom: Phantom, repeats: int) -> tuple[list[tuple[str, float, str, float]], float]:
    """Return (stage, ms, floor's name, floor's ms) of every stage of a pair, and the sum of the floors."""
    responses = [setup.hr_response, setup.lr_response]
    plane = setup.geometry.plane(phantom.shape, phantom.pixel_mm, setup.pitch_mm)
    camera = imager(responses[1], plane, setup.geometry)
    beam = project(phantom, responses, method=setup.method)[1]
    padded = np.ones(camera.padded, dtype=np.float32)
    spectrum = scipy.fft.rfft2(padded)
    rng = generator(1)
    pattern = fixed_pattern(responses[1], setup.acquisition, plane.shape, 1).window(plane.shape, rng)
    light = camera.image(camera.light_spectrum(beam.grey))
    nodes = len(rule_for(phantom.materials, responses, setup.method).energy_keV)
    exp_ms = exp_floor(nodes, light.size, repeats)
    forward_ms = cpu_ms(lambda: scipy.fft.rfft2(padded), repeats)
    inverse_ms = cpu_ms(lambda: scipy.fft.irfft2(spectrum, s=camera.padded), repeats)
    normal_ms = cpu_ms(lambda: standard_normal(rng, light.shape), repeats)

    def read_out() -> object:
        return acquire(light, responses[1], pattern, rng, frames=1, acquisition=setup.acquisition)

    work: list[tuple[str, int, Callable[[], object], str, float]] = [
        (
            "projection, both screens",
            1,
            lambda: project(phantom, responses, method=setup.method),
            f"exp at {nodes} energies",
            exp_ms,
        ),
        ("blur x 2", 2, lambda: camera.light_spectrum(beam.grey), "rfft2 x 2", forward_ms),
        (
            "quantum noise x 2",
            2,
            lambda: camera.noise_spectrum(beam, rng),
            "normals + rfft2, x 2",
            normal_ms + forward_ms,
        ),
        ("image x 2", 2, lambda: camera.image(spectrum.copy()), "irfft2 x 2", inverse_ms),
        ("read-out and correction x 2", 2, read_out, "normals x 2", normal_ms),
    ]
    rows = [(stage, n * cpu_ms(act, repeats), name, n * least) for stage, n, act, name, least in work]
    return rows, sum(row[3] for row in rows)


def report(setup: PairSetup, phantom: Phantom, repeats: int) -> None:
    rows, floor = stages(setup, phantom, repeats)
    whole = cpu_ms(lambda: simulate_pair(phantom, setup, 1), repeats)
    print(f"\n{setup.method:30}{'ms':>9}   {'floor':24}{'ms':>9}{'reached':>9}")
    for stage, ms, name, least in [*rows, ("whole pair", whole, "sum of the floors", floor)]:
        print(f"  {stage:28}{ms:9.1f}   {name:24}{least:9.1f}{least / ms:9.0%}")
    print(f"  {1e3 / whole:.1f} pairs/s on one core")


def optional(setup: PairSetup) -> dict[str, PairSetup]:
    """Return the set-up as it is, with each of what is off by default, and with all of it."""
    changed: dict[str, dict[str, Any]] = {
        "falloff, heel, tilt": {"geometry": {"falloff": True, "heel_depth_mm": 0.0013, "tilt_deg": 10.0}},
        "scatter by material": {"scatter": {"by_material": True}},
        "direct hits": {"sensor": {"active_silicon_mm": 0.005}},
        "Compton in the screens": {"screen": {"compton_deposits": True}},
        "structure, lines, lag": {
            "sensor": {"structure_sd": 0.005, "structure_mm": 0.1, "line_sd": 0.001, "lag": 0.02, "lag_before": "open"}
        },
    }
    everything: dict[str, dict[str, Any]] = {}
    for tables in changed.values():
        for table, keys in tables.items():
            everything.setdefault(table, {}).update(keys)
    return {
        "plain": setup,
        **{name: _with(setup, tables) for name, tables in changed.items()},
        "all": _with(setup, everything),
    }


def _with(setup: PairSetup, tables: dict[str, dict[str, Any]]) -> PairSetup:
    """Return the set-up with keys changed, those of screen and sensor on both sides."""
    for table in ("geometry", "scatter"):
        setup = replace(setup, **{table: replace(getattr(setup, table), **tables.get(table, {}))})
    for side in ("hr", "lr"):
        detector = getattr(setup, side)
        for table in ("screen", "sensor"):
            detector = replace(detector, **{table: replace(getattr(detector, table), **tables.get(table, {}))})
        setup = replace(setup, **{side: detector})
    return setup


def report_options(setup: PairSetup, phantom: Phantom, repeats: int) -> None:
    setups = optional(setup)
    least = dict.fromkeys(setups, float("inf"))
    for _ in range(repeats):
        for name, one in setups.items():
            # A pair before fills the caches again, which hold fewer set-ups than there are here. CPU time of user and
            # system: what other processes do to the clock on the wall does not count.
            simulate_pair(phantom, one, 1)
            start = time.process_time()
            simulate_pair(phantom, one, 1)
            least[name] = min(least[name], time.process_time() - start)
    print(f"\n{setup.method}")
    # As data sets are made: a board of its own for each pair, drawn twice as fine as the pixel.
    side = 2 * min(phantom.shape[0], 512)
    drawn = 1e-3 * cpu_ms(lambda: random_board(1, (side, side), setup.pitch_mm / 2), 2)
    share = (side / (2 * phantom.shape[0])) ** 2
    for name, seconds in least.items():
        whole = (seconds * share + drawn) / (least["plain"] * share + drawn)
        print(
            f"  {name:28}{1e3 * seconds:9.1f} ms   {seconds / least['plain']:5.2f} of plain, "
            f"{whole:5.2f} with the board drawn, at {side // 2} px"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="side of the image [pixels]")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--options", action="store_true", help="time pairs with what is off by default instead")
    options = parser.parse_args()
    exact = paper()
    exact = replace(exact, spectrum=in_kev_bins(exact.spectrum))
    fast = replace(exact, method="fast")
    phantom = board(options.size, exact.pitch_mm)
    print(f"{options.size} x {options.size} pixels, {len(BOARD)} materials; load average {os.getloadavg()[0]:.1f}")
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("OMP_NUM_THREADS is not 1: CPU times add up over the threads, and waiting threads count too")
    if options.options:
        for setup in (exact, fast):
            report_options(setup, phantom, options.repeats)
        return
    for setup in (exact, fast):
        report(setup, phantom, options.repeats)
    memory_MB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin" else 2.0**20)
    print(f"\npeak memory of this process so far: {memory_MB:.0f} MB")
    error = rule_for(BOARD, [fast.hr_response, fast.lr_response], "fast").fit_error
    print(f"largest error of the fast quadrature where more than 0.1 % comes through: {error:.1e}")
    baseline = cpu_ms(lambda: straightforward_projection(phantom, exact), 1)
    print(f"baseline, loop over energies in double precision, projection alone: {baseline:.0f} ms")
    imaging_peers.compare(options.size, repeats=1)


if __name__ == "__main__":
    main()
