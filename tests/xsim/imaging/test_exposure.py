"""Exposure: sampling, blur, colour of the noise, borders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.fft

from tests.xsim.chain import PITCH_MM, quiet_setup
from xsim.grids import radial_frequency, radial_mean
from xsim.imaging.exposure import Imager, fold, imager, padded_shape
from xsim.imaging.geometry import DetectorPlane, Geometry
from xsim.imaging.projection import Beam
from xsim.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.detector.response import DetectorResponse

HR, LR = quiet_setup().hr_response, quiet_setup().lr_response


def open_beam(plane: DetectorPlane, level: float = 1.0) -> Beam:
    shape = plane.shape[0] * plane.oversampling, plane.shape[1] * plane.oversampling
    flat = np.full(shape, level, np.float32)
    return Beam(flat, flat)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("shape", [(6, 8), (5, 9), (8, 5)])
def test_folding_a_spectrum_is_sampling_the_image(step: int, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(3).random((step * shape[0], step * shape[1]))
    folded = fold(scipy.fft.rfft2(image).astype(np.complex64), shape, step)
    np.testing.assert_allclose(scipy.fft.irfft2(folded, s=shape), image[::step, ::step], atol=1e-5)


def test_padded_shapes_hold_the_margins_and_are_even() -> None:
    for size in (1, 63, 256, 1024, 1000):
        padded = padded_shape((size, size))[0]
        assert padded % 2 == 0
        assert size + 56 <= padded <= 1.3 * size + 62
    assert padded_shape((1024, 1024)) == (1080, 1080)


@pytest.mark.parametrize("oversampling", [1, 2, 3])
@pytest.mark.parametrize("response", [HR, LR], ids=["hr", "lr"])
def test_a_sine_comes_out_with_the_mtf(oversampling: int, response: DetectorResponse) -> None:
    # Oracle: the analytic answer, presampled MTF times a cosine at the pixels' centres, for cell means of a cosine.
    plane = DetectorPlane((120, 120), oversampling, PITCH_MM)
    camera = imager(response, plane, Geometry())
    f, cell = 3.2, plane.cell_mm
    at = (np.arange(120 * oversampling) + 0.5) * cell
    wave = np.cos(2 * np.pi * f * at) * np.sinc(f * cell)
    grey = np.broadcast_to(0.5 + 0.4 * wave, (len(at), len(at))).astype(np.float32)
    image = camera.image(camera.light_spectrum(grey))
    expected = 0.5 + 0.4 * response.mtf(f) * np.cos(2 * np.pi * f * (np.arange(120) + 0.5) * PITCH_MM)
    inner = slice(40, 80)  # far from the mirrored border, where the wave has a kink
    np.testing.assert_allclose(image[60, inner], expected[inner], atol=2e-3)


def test_what_lies_above_nyquist_is_aliased() -> None:
    # 13 lp/mm on 0.048 mm pixels shows up at 1/0.048 - 13 lp/mm with the presampled MTF of 13.
    plane = DetectorPlane((200, 200), 4, PITCH_MM)
    camera = imager(HR, plane, Geometry())
    f = 13.0
    at = (np.arange(800) + 0.5) * plane.cell_mm
    grey = np.broadcast_to(np.cos(2 * np.pi * f * at) * np.sinc(f * plane.cell_mm), (800, 800)).astype(np.float32)
    image = camera.image(camera.light_spectrum(grey))
    expected = HR.mtf(f) * np.cos(2 * np.pi * (1 / PITCH_MM - f) * (np.arange(200) + 0.5) * PITCH_MM)
    np.testing.assert_allclose(np.abs(image[100, 60:140]), np.abs(expected[60:140]), atol=5e-3)
    assert np.abs(image[100, 60:140]).max() > 0.02


@pytest.mark.parametrize("shift", [(0.0, 0.3), (-0.5, 0.0), (1.0, -2.0)])
def test_a_shift_moves_the_image_by_that_many_pixels(shift: tuple[float, float]) -> None:
    plane = DetectorPlane((96, 96), 2, PITCH_MM)
    y, x = np.mgrid[:192, :192] / 2 + 0.25
    spot = np.exp(-((y - 50) ** 2 + (x - 45) ** 2) / 32).astype(np.float32)
    camera = imager(HR, plane, Geometry(), shift)
    image = camera.image(camera.light_spectrum(spot)).astype(float)
    rows, columns = np.mgrid[:96, :96] + 0.5
    centre = (image * rows).sum() / image.sum(), (image * columns).sum() / image.sum()
    assert centre == pytest.approx((50 + shift[0], 45 + shift[1]), abs=0.01)


def test_open_field_and_mean_are_kept() -> None:
    plane = DetectorPlane((64, 80), 2, PITCH_MM)
    for response in (HR, LR):
        camera = imager(response, plane, Geometry())
        np.testing.assert_allclose(camera.image(camera.light_spectrum(open_beam(plane).grey)), 1.0, atol=1e-5)


def test_nothing_wraps_around() -> None:
    plane = DetectorPlane((128, 128), 1, PITCH_MM)
    grey = np.ones((128, 128), np.float32)
    grey[:, :4] = 0.0
    camera = imager(LR, plane, Geometry())
    image = camera.image(camera.light_spectrum(grey))
    assert image[:, :2].max() < 0.4
    np.testing.assert_allclose(image[:, -32:], 1.0, atol=2e-3)
    # The mirrored border continues a plate: its level holds up to the last pixel.
    np.testing.assert_allclose(image[0], image[64], atol=1e-5)


def noise_images(camera: Imager, beam: Beam, count: int) -> list[NDArray[np.float32]]:
    rng = generator(8, stage="test")
    return [scipy.fft.irfft2(camera.noise_spectrum(beam, rng), s=camera.padded) for _ in range(count)]


@pytest.mark.parametrize("response", [HR, LR], ids=["hr", "lr"])
def test_quantum_noise_has_its_own_spectrum_with_aliases(response: DetectorResponse) -> None:
    plane = DetectorPlane((200, 200), 1, PITCH_MM)
    camera = imager(response, plane, Geometry())
    images = noise_images(camera, open_beam(plane), 24)
    power = np.mean([np.abs(scipy.fft.rfft2(image, norm="ortho")) ** 2 for image in images], axis=0) * PITCH_MM**2
    white = response.shot_nnps_mm2 + response.read_nnps_mm2
    model = response.nnps_map(camera.padded) - white
    ratio, bins = radial_mean(power / model, camera.padded, PITCH_MM, np.linspace(0.2, 14.5, 20))
    z = (ratio - 1) * np.sqrt(bins / 2 * len(images))
    assert np.abs(z).max() < 3.5
    assert np.mean(z**2) < 2.0


def test_noise_is_the_same_at_the_border_as_in_the_middle() -> None:
    plane = DetectorPlane((96, 96), 1, PITCH_MM)
    camera = imager(LR, plane, Geometry())
    beam = open_beam(plane)
    rng = generator(2)
    stack = np.array([camera.image(camera.noise_spectrum(beam, rng)) for _ in range(300)]).astype(float)
    variance = stack.var(axis=0)
    border = np.concatenate([variance[0], variance[-1], variance[:, 0], variance[:, -1]])
    assert border.mean() == pytest.approx(variance[20:-20, 20:-20].mean(), rel=0.03)
    # Opposite borders know nothing of each other.
    wrapped = (stack[:, :, 0] * stack[:, :, -1]).mean() / variance.mean()
    assert abs(wrapped) < 0.02


def test_noise_follows_the_local_variance_not_the_grey() -> None:
    plane = DetectorPlane((64, 128), 1, PITCH_MM)
    camera = imager(HR, plane, Geometry())
    grey, variance = np.full((64, 128), 0.5, np.float32), np.full((64, 128), 0.5, np.float32)
    variance[:, 64:] = 0.125
    rng = generator(9)
    stack = np.array([camera.image(camera.noise_spectrum(Beam(grey, variance), rng)) for _ in range(60)])
    left, right = stack[:, :, 8:48].var(), stack[:, :, 80:120].var()
    assert left / right == pytest.approx(4.0, rel=0.04)


def test_frames_and_kerma_lower_the_noise() -> None:
    plane = DetectorPlane((128, 128), 1, PITCH_MM)
    camera = imager(LR, plane, Geometry())
    beam = open_beam(plane)
    one = camera.image(camera.noise_spectrum(beam, generator(1)))
    many = camera.image(camera.noise_spectrum(beam, generator(1), frames=20.0))
    bright = camera.image(camera.noise_spectrum(beam, generator(1), kerma=np.full((128, 128), 4.0, np.float32)))
    np.testing.assert_allclose(many * 20**0.5, one, atol=1e-5)
    np.testing.assert_allclose(bright * 2, one, atol=1e-5)


def test_the_focal_spot_blurs_fluence_and_variance_but_not_noise() -> None:
    plane = DetectorPlane((128, 128), 1, PITCH_MM)
    wide = Geometry(600.0, 300.0, focal_spot_mm=0.5)
    sharp, soft = imager(HR, plane, Geometry()), imager(HR, plane, wide)
    step = np.ones((128, 128), np.float32)
    step[:, 64:] = 0.2
    edges = [camera.image(camera.light_spectrum(step))[64] for camera in (sharp, soft)]
    assert np.abs(np.diff(edges[1])).max() < 0.35 * np.abs(np.diff(edges[0])).max()
    np.testing.assert_array_equal(sharp.noise_amplitude, soft.noise_amplitude)
    rng = generator(4)
    stack = np.array([soft.image(soft.noise_spectrum(Beam(step, step), rng)) for _ in range(300)])
    across = stack.var(axis=(0, 1))
    assert across[62:66].mean() == pytest.approx(0.5 * (across[:40].mean() + across[88:].mean()), rel=0.1)


def test_wide_pixels_in_two_directions_have_the_aperture_of_both() -> None:
    # The transfer is the detector's map except for the cell's own average, which it must take out.
    plane = DetectorPlane((40, 60), 2, PITCH_MM)
    camera = imager(HR, plane, Geometry())
    cells = 2 * camera.padded[0], 2 * camera.padded[1]
    expected = HR.mtf_map(cells, plane.cell_mm)
    f = radial_frequency(cells, plane.cell_mm)
    near = f < 2.0
    np.testing.assert_allclose(np.abs(camera.transfer)[near], np.abs(expected)[near], rtol=0.01)


def test_imagers_are_kept() -> None:
    plane = DetectorPlane((64, 64), 1, PITCH_MM)
    assert imager(HR, plane, Geometry()) is imager(HR, plane, Geometry())
    assert imager(HR, plane, Geometry()) is not imager(HR, replace(plane, shape=(64, 66)), Geometry())
