"""Noise models: the layers of a screen, and what the usual shortcut gets wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.xsim.chain import PITCH_MM, plate, quiet_setup
from xsim.errors import InputError, UnknownNameError
from xsim.grids import half_plane_weights, radial_frequency, radial_mean
from xsim.imaging.exposure import imager
from xsim.imaging.geometry import DetectorPlane, Geometry
from xsim.imaging.noise import noise_layers, noise_sources
from xsim.imaging.projection import project
from xsim.seeds import generator

if TYPE_CHECKING:
    from xsim.detector.response import DetectorResponse

HR, LR = quiet_setup().hr_response, quiet_setup().lr_response
F = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0])


@pytest.mark.parametrize("response", [HR, LR], ids=["hr", "lr"])
@pytest.mark.parametrize("groups", [1, 3, 6])
def test_the_layers_add_up_to_the_screen(response: DetectorResponse, groups: int) -> None:
    layers = noise_layers(response, groups)
    assert len(layers) == groups
    total = np.sum([layer.quantum_nnps(F) for layer in layers], axis=0)
    np.testing.assert_allclose(total, response.quantum_nnps(F), rtol=1e-3)


def test_the_layers_energy_responses_add_up_too() -> None:
    energy = np.array([20.0, 40.0, 60.0])
    total = sum(
        layer.energy_response(energy)[1] * layer.quantum_nnps(0.0) / LR.quantum_nnps(0.0) for layer in noise_layers(LR)
    )
    np.testing.assert_allclose(total, LR.energy_response(energy)[1], rtol=1e-3)
    np.testing.assert_allclose(noise_layers(LR)[0].energy_response(energy)[0], LR.energy_response(energy)[0])


def test_layers_near_the_sensor_are_sharper() -> None:
    ratio = [float(layer.quantum_nnps(3.0) / layer.quantum_nnps(0.0)) for layer in noise_layers(LR)]
    # The one at the backing gains from K photons that are reabsorbed nearer to the sensor.
    assert ratio[1:] == sorted(ratio[1:])
    assert ratio[-1] > 10 * ratio[0]


@pytest.mark.parametrize("energy_keV", [22.0, 35.0, 49.0, 60.0])
def test_layers_give_photons_of_one_energy_the_noise_of_their_own_depth(energy_keV: float) -> None:
    # Oracle: the screen's own sum over all depths for that energy alone.
    energy = np.array([energy_keV])
    exact = LR.screen.deposits(energy).transfer(np.ones(1), F)[1]
    gap = (
        LR.quantum_nnps(F) / LR.screen.deposits(LR.spectrum.energy_keV).transfer(LR.spectrum.fluence_per_mm2_uGy, F)[1]
    )
    exact *= gap
    layered = np.sum([layer.energy_response(energy)[1] * layer.quantum_nnps(F) for layer in noise_layers(LR)], axis=0)
    error = np.abs(layered / layered[0] - exact / exact[0])
    assert error.max() < 0.03
    # One spectrum for all energies is off by much more where photons stay shallow or go deep.
    if energy_keV in {22.0, 49.0}:
        assert np.abs(LR.quantum_nnps(F) / LR.quantum_nnps(0.0) - exact / exact[0]).max() > 3 * error.max()


def test_layered_noise_has_the_open_fields_spectrum() -> None:
    plane = DetectorPlane((160, 160), 1, PITCH_MM)
    rng, count = generator(5), 30
    layers = noise_layers(LR)
    beams = project(plate("Cu", 0.0, plane.shape), layers)
    power = np.zeros_like(imager(LR, plane, Geometry()).noise_amplitude, dtype=float)
    for _ in range(count):
        spectrum = sum(
            imager(layer, plane, Geometry()).noise_spectrum(beam, rng)
            for layer, beam in zip(layers, beams, strict=True)
        )
        power += np.abs(spectrum) ** 2 / count
    camera = imager(LR, plane, Geometry())
    model = camera.noise_amplitude.astype(float) ** 2 * np.prod(camera.padded)
    ratio, bins = radial_mean(power / model, camera.padded, PITCH_MM, np.linspace(0.2, 14.5, 12))
    assert np.abs((ratio - 1) * np.sqrt(bins / 2 * count)).max() < 3.5


def test_white_then_blurred_is_too_quiet() -> None:
    # Noise with the signal's spectrum misses 43 % of the thick screen's pixel sigma, and 16 % of the thin one's.
    shape = (128, 128)
    weights = np.broadcast_to(half_plane_weights(shape), radial_frequency(shape, PITCH_MM).shape)
    for response, missing in ((LR, 0.43), (HR, 0.16)):
        (wrong,) = noise_sources(response, "white-then-blurred")
        quantum = wrong.nnps_map(shape) - wrong.shot_nnps_mm2 - wrong.read_nnps_mm2
        sigma = np.average(quantum, weights=weights) ** 0.5 / PITCH_MM
        assert 1 - sigma / response.pixel_sigma == pytest.approx(missing, abs=0.03)
        assert wrong.quantum_nnps(0.0) == pytest.approx(response.quantum_nnps(0.0))


def test_unknown_models_and_too_many_layers_are_refused() -> None:
    assert noise_sources(HR, "filtered") == (HR,)
    with pytest.raises(UnknownNameError, match="did you mean layered"):
        quiet_setup(noise="layerd")
    with pytest.raises(InputError, match="1 to 32"):
        noise_layers(HR, 33)
