"""Speed of the detector physics, each beside the straightforward way of computing the same thing.

    OMP_NUM_THREADS=1 python benchmarks/detector.py

CPU seconds. The baseline of the screen and of the noise map is the loop that one would write down from the equations,
that of the noisy frame draws every layer's quanta and blurs them layer by layer, that of the program is its first,
uncached run.
"""

from __future__ import annotations

import cmath
import math
import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

from xsim.curves import quadratic_grid
from xsim.detector.detector import Detector, DetectorResponse, Screen
from xsim.detector.light_transport import light_transfer
from xsim.detector.phosphors import emission_probability, phosphor
from xsim.detector.screen import layer_transfer
from xsim.grids import radial_frequency
from xsim.imaging.noise import coloured_spectrum, standard_normal
from xsim.materials import mass_coefficient_mm2_g
from xsim.seeds import generator
from xsim.spectrum import Spectrum, preset_spectrum
from xsim.units import g_mm3_from_g_cm3

if TYPE_CHECKING:
    from collections.abc import Callable

FREQUENCIES = quadratic_grid(10.0, 64)
ALIASES = range(-2, 3)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the least CPU time of some runs, the first one not counted."""
    if repeats > 1:
        work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def looped_signal(screen: Screen, beam: Spectrum) -> list[float]:
    """Return S(f) by loops over frequency, layer, layer of reabsorption and energy."""
    optics, T, n = screen.optics, screen.thickness_mm, screen.layers
    powder = phosphor(screen.phosphor)
    (emitter,) = powder.emitters
    deposits = screen.deposits(beam.energy_keV)
    profile = deposits.profile.tolist()
    fluence, energy = beam.fluence_per_mm2_uGy.tolist(), beam.energy_keV.tolist()
    emission = emission_probability(powder, emitter, beam.energy_keV).tolist()
    photo, compton = (
        float(mass_coefficient_mm2_g(powder.material, emitter.photon_keV, kind)[0]) for kind in ("photo", "compton")
    )
    attenuation = (photo + compton) * g_mm3_from_g_cm3(screen.density_g_cm3)
    signal = []
    for f in FREQUENCIES.tolist():
        q = math.hypot(2 * math.pi * f, 1 / optics.diffusion_length_mm)
        below = cmath.cosh(q * T) + cmath.sinh(q * T) / (q * optics.extrapolation_backing_mm)
        above = cmath.sinh(q * T) + cmath.cosh(q * T) / (q * optics.extrapolation_backing_mm)
        light = []
        for i in range(n):
            z = (i + 0.5) * T / n
            rising = cmath.cosh(q * z) + cmath.sinh(q * z) / (q * optics.extrapolation_backing_mm)
            light.append((rising / (below + q * optics.extrapolation_sensor_mm * above)).real)
        K = (layer_transfer(attenuation, T / n, n, np.array([f]))[0] * photo / (photo + compton)).tolist()
        total = 0.0
        for i in range(n):
            spread = sum(K[abs(i - j)] * light[j] for j in range(n))
            for e in range(len(energy)):
                K_energy = emission[e] * emitter.photon_keV
                total += fluence[e] * profile[e][i] * ((energy[e] - K_energy) * light[i] + K_energy * spread)
        signal.append(total)
    return signal


def looped_map(response: DetectorResponse, size: int) -> np.ndarray:
    """Return the aliased NNPS by a loop over rows, columns and aliases, by table look-up in plain Python."""
    pitch, side = response.pitch_mm, response.sensor.aperture_mm
    table = response.quantum_nnps(np.arange(0.0, 80.0, 0.01)).tolist()
    result = np.zeros((size, size // 2 + 1))

    def aperture(f: float) -> float:
        x = math.pi * side * f
        return math.sin(x) / x if x else 1.0

    for row in range(size):
        v_0 = (row if row < size - row else row - size) / (size * pitch)
        for column in range(size // 2 + 1):
            u_0 = column / (size * pitch)
            total = 0.0
            for k in ALIASES:
                v = v_0 + k / pitch
                for m in ALIASES:
                    u = u_0 + m / pitch
                    total += table[int(math.hypot(u, v) * 100.0)] * (aperture(u) * aperture(v)) ** 2
            result[row, column] = total
    return result


def coloured_frame(amplitude: np.ndarray, size: int) -> np.ndarray:
    """Return an open-field frame with the detector's noise, shot and read noise included."""
    white = standard_normal(generator(1, stage="benchmark"), (size, size))
    return 1.0 + scipy.fft.irfft2(coloured_spectrum(white, amplitude), s=(size, size))


def layered_frame(response: DetectorResponse, beam: Spectrum, size: int) -> np.ndarray:
    """Return an open-field frame of quanta drawn layer by layer, each layer blurred by its own light spread."""
    screen, pitch = response.screen, response.pitch_mm
    rng = generator(1, stage="benchmark")
    per_layer = beam.fluence_per_mm2_uGy @ screen.deposits(beam.energy_keV).profile * response.kerma_uGy * pitch**2
    radius = radial_frequency((size, size), pitch)
    depth = (np.arange(screen.layers) + 0.5) * screen.thickness_mm / screen.layers
    frame = np.zeros((size, size))
    for quanta, z in zip(per_layer, depth, strict=True):
        drawn = rng.poisson(quanta, (size, size))
        spread = light_transfer(screen.optics, screen.thickness_mm, np.array([z]), radius.ravel())
        frame += scipy.fft.irfft2(scipy.fft.rfft2(drawn) * spread.reshape(radius.shape), s=(size, size))
    electrons = frame * (response.signal_electrons / frame.mean())
    return (rng.poisson(electrons) + rng.normal(0.0, 200.0, (size, size))) / response.signal_electrons


def program(cache: str) -> float:
    """Return the CPU time of `xsim detector --json` with this cache folder."""
    before = os.times()
    command = [sys.executable, "-m", "xsim_cli.app", "detector", "--json"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "XSIM_CACHE": cache})
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    beam, screen = preset_spectrum("paper"), Screen(134.55)
    response = Detector(screen).response(beam, 42.56)
    amplitude = (np.sqrt(response.nnps_map((512, 512))) / response.pitch_mm).astype(np.float32)
    # The straightforward ways must compute the same, or they are no baselines.
    exact, _ = screen.deposits(beam.energy_keV).transfer(beam.fluence_per_mm2_uGy, FREQUENCIES)
    np.testing.assert_allclose(looped_signal(screen, beam), exact, rtol=0.02)
    white = response.shot_nnps_mm2 + response.read_nnps_mm2
    np.testing.assert_allclose(looped_map(response, 32) + white, response.nnps_map((32, 32)), rtol=0.02)
    with tempfile.TemporaryDirectory() as cache:
        first, warm = program(cache), min(program(cache) for _ in range(3))
    rows = [
        (
            "screen, 64 frequencies",
            seconds(lambda: screen.expose(beam, FREQUENCIES), 20),
            seconds(lambda: looped_signal(screen, beam), 1),
            "<= 3 ms",
        ),
        (
            "NNPS map 256 x 256, 25 aliases",
            seconds(lambda: response.nnps_map((256, 256)), 10),
            seconds(lambda: looped_map(response, 256), 1),
            "<= 70 ms",
        ),
        (
            "noisy frame 512 x 512",
            seconds(lambda: coloured_frame(amplitude, 512), 5),
            seconds(lambda: layered_frame(response, beam, 512), 1),
            "<= 120 ms",
        ),
        ("xsim detector, warm", warm, first, "< 1 s"),
    ]
    print(f"{'':32} {'xsim':>10} {'baseline':>10} {'faster':>8}   wanted")
    for name, ours, baseline, wanted in rows:
        print(f"{name:32} {1e3 * ours:7.1f} ms {1e3 * baseline:7.0f} ms {baseline / ours:7.0f}x   {wanted}")


if __name__ == "__main__":
    main()
