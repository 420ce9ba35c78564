"""Pairs: seeds, what the two screens see, statistics of whole images, set-ups."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import xsim
from tests.xsim.chain import PITCH_MM, flat, plate, quiet_setup, slanted_edge
from xsim.degradation.link import GreyLink
from xsim.errors import InputError, PhysicsRangeError, UnknownNameError
from xsim.grids import radial_mean
from xsim.imaging.geometry import Geometry
from xsim.imaging.pair import Pair, simulate_pair
from xsim.imaging.projection import project
from xsim.imaging.scatter import Scatter
from xsim.imaging.setup import PairSetup
from xsim.phantoms import Phantom, random_board
from xsim.recipes import paper

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETUP = quiet_setup()


def little_board() -> Phantom:
    rng = np.random.default_rng(4)
    maps = np.zeros((3, 128, 160), np.float32)
    maps[0], maps[1, 40:70, 20:100], maps[2, 90:110, 60:120] = 1.2, 0.035, 0.3
    maps[1] += (rng.random((128, 160)) < 0.1) * np.float32(0.02)
    return Phantom(("FR-4", "Cu", "SAC305"), maps, 0.024)


# Seeds -------------------------------------------------------------------------------------------------------------


def test_same_seed_same_pair_and_another_seed_another() -> None:
    board = little_board()
    first, again, other = (simulate_pair(board, SETUP, seed) for seed in (5, 5, 6))
    for side in ("hr", "lr"):
        np.testing.assert_array_equal(getattr(first, side), getattr(again, side))
        assert (getattr(first, side) != getattr(other, side)).mean() > 0.9


def test_samples_do_not_depend_on_their_order() -> None:
    board = little_board()
    forward = [simulate_pair(board, SETUP, 1, sample=index).lr for index in range(3)]
    backward = [simulate_pair(board, SETUP, 1, sample=index).lr for index in (2, 1, 0)][::-1]
    np.testing.assert_array_equal(forward, backward)
    assert not np.array_equal(forward[0], forward[1])


def test_a_changed_stage_does_not_shift_the_numbers_of_another() -> None:
    board = little_board()
    pair = simulate_pair(board, SETUP, 1)
    # The HR shot draws layer by layer and an exposure for each frame; the LR shot must not notice.
    busy = replace(SETUP, hr_frames=3, hr=replace(SETUP.hr, sensor=replace(SETUP.hr.sensor, flat_frames=9)))
    np.testing.assert_array_equal(simulate_pair(board, busy, 1).lr, pair.lr)
    # Nor do noise-free images cost the noisy ones a number.
    np.testing.assert_array_equal(simulate_pair(board, SETUP, 1, clean=True).hr, pair.hr)


def test_the_two_shots_and_the_two_detectors_are_independent() -> None:
    setup = paper(hr_frames=1)
    open_field = flat((200, 200))
    pair = simulate_pair(open_field, setup, 1)
    correlation = np.corrcoef(pair.hr.ravel() - 1, pair.lr.ravel() - 1)[0, 1]
    assert abs(correlation) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2", "8"])
def test_the_pair_does_not_depend_on_threads_or_process(threads: str) -> None:
    code = (
        "import hashlib, xsim, numpy as np; from tests.xsim.imaging.test_pair import little_board, SETUP;"
        "pair = xsim.simulate_pair(little_board(), SETUP, 5);"
        "print(hashlib.sha256(pair.hr.tobytes() + pair.lr.tobytes()).hexdigest())"
    )
    env = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    pair = simulate_pair(little_board(), SETUP, 5)
    import hashlib

    assert result.stdout.strip() == hashlib.sha256(pair.hr.tobytes() + pair.lr.tobytes()).hexdigest()


# What the screens see ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("material", "thickness_mm", "hr", "lr"),
    [("Cu", 0.035, 0.761, 0.809), ("Cu", 0.105, 0.505, 0.575), ("Fe", 0.3, 0.338, 0.402)],
)
def test_the_two_screens_see_metal_differently(material: str, thickness_mm: float, hr: float, lr: float) -> None:
    pair = simulate_pair(plate(material, thickness_mm, (48, 48)), SETUP, 1, clean=True)
    assert pair.hr_clean is not None
    assert pair.lr_clean is not None
    assert pair.hr_clean.mean() == pytest.approx(hr, abs=0.01)
    assert pair.lr_clean.mean() == pytest.approx(lr, abs=0.01)


def test_transmission_is_averaged_over_a_pixel_not_thickness() -> None:
    # Half of every pixel is bare: its grey is the mean of two transmissions, far above that of the mean thickness.
    maps = np.zeros((1, 96, 96), np.float32)
    maps[:, :, ::2] = 1.0
    half = Phantom(("Cu",), maps, PITCH_MM / 2)
    pair = simulate_pair(half, SETUP, 1, clean=True)
    covered = simulate_pair(plate("Cu", 1.0, (48, 48)), SETUP, 1, clean=True)
    for image, opaque in ((pair.hr_clean, covered.hr_clean), (pair.lr_clean, covered.lr_clean)):
        assert image is not None
        assert opaque is not None
        np.testing.assert_allclose(image[8:-8, 8:-8].mean(), (1 + opaque.mean()) / 2, rtol=1e-3)


@pytest.mark.parametrize(("material", "thickness_mm"), [("Cu", 0.105), ("Al", 2.9)])
def test_noise_behind_an_object_follows_its_hardened_beam(material: str, thickness_mm: float) -> None:
    setup = replace(SETUP, hr_frames=1)
    pairs = [simulate_pair(plate(material, thickness_mm, (256, 256)), setup, 1, sample=index) for index in range(4)]
    beams = project(plate(material, thickness_mm, (1, 1)), [setup.hr_response, setup.lr_response])
    for side, response, beam in zip(("hr", "lr"), (setup.hr_response, setup.lr_response), beams, strict=True):
        measured = np.mean([getattr(pair, side).astype(float).var() for pair in pairs])
        grey, variance = (float(part[0, 0]) for part in beam)
        assert grey == pytest.approx(0.54, abs=0.06)  # both let half of the signal through
        white = np.array([response.shot_nnps_mm2, response.read_nnps_mm2]) / response.pitch_mm**2
        quantum = response.pixel_sigma**2 - white.sum()
        assert measured == pytest.approx(quantum * variance + white[0] * grey + white[1], rel=0.02)
        # The flat's noise times grey would be too little.
        assert measured > 1.05 * grey * response.pixel_sigma**2


# Statistics of whole images ------------------------------------------------------------------------------------------


def nnps_of(images: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the mean periodogram [mm2] of images in units of the open field."""
    spectra = [np.fft.rfft2(image.astype(float) - 1.0, norm="ortho") for image in images]
    return np.asarray(np.mean(np.abs(spectra) ** 2, axis=0) * PITCH_MM**2)


def check_rings(images: list[NDArray[np.float32]], model: NDArray[np.float64], limit: float) -> None:
    shape = images[0].shape
    edges = np.linspace(0.25, 0.5 / PITCH_MM, 21)
    ratio, bins = radial_mean(nnps_of(images) / model, (shape[0], shape[1]), PITCH_MM, edges)
    z = (ratio - 1.0) * np.sqrt(bins / 2 * len(images))
    assert np.abs(z).max() < limit, z


@pytest.mark.parametrize(
    ("size", "number", "seed", "limit", "rel"),
    [(256, 8, 3, 3.0, 0.02), pytest.param(1024, 6, 11, 3.5, 0.01, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("side", ["hr", "lr"])
def test_flats_have_the_models_nnps_and_variance(
    side: str, size: int, number: int, seed: int, limit: float, rel: float
) -> None:
    setup = replace(SETUP, hr_frames=1)
    response = getattr(setup, f"{side}_response")
    images = [getattr(simulate_pair(flat((size, size)), setup, seed, sample=index), side) for index in range(number)]
    check_rings(images, response.nnps_map((size, size)), limit)
    variance = np.mean([((image.astype(float) - 1) ** 2).mean() for image in images])
    assert variance == pytest.approx(response.pixel_sigma**2, rel=rel)


def test_the_mean_of_twenty_frames_has_a_twentieth_and_the_fixed_pattern() -> None:
    setup = paper()  # with flats of 64 frames
    images = [simulate_pair(flat((256, 256)), setup, 3, sample=index).hr for index in range(6)]
    scale, floor = setup.hr_response.frames_factors(20)
    assert scale == pytest.approx(1 / 20 + 1 / 64)
    check_rings(images, setup.hr_response.nnps_map((256, 256)) * scale + floor, 4.0)
    # What the images share is the fixed pattern; windows at one place have it in common.
    still = replace(setup, hr_frames=10**6)
    residue = simulate_pair(flat((256, 256)), still, 3).hr.astype(float)
    assert residue.var() == pytest.approx(setup.hr_response.pixel_sigma**2 / 64, rel=0.03)


@pytest.mark.parametrize("side", ["hr", "lr"])
def test_an_edge_has_the_models_mtf(side: str) -> None:
    # Oracle: a slanted edge, its rows shifted onto each other by the known slope into a line of an eighth of a pixel.
    slope, shape = 0.07, (256, 256)
    phantom = slanted_edge((512, 512), PITCH_MM / 2, slope)
    image = getattr(simulate_pair(phantom, SETUP, 1, clean=True), f"{side}_clean").astype(float)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    distance = (x - 128 - (y - 128) * slope) / np.hypot(1, slope)
    bins = np.rint(distance * 8).astype(int)
    inner = (np.abs(bins) <= 8 * 60) & (np.abs(y - 128) < 100)
    index = bins[inner] + 8 * 60
    spread = np.bincount(index, image[inner]) / np.bincount(index)
    line = np.gradient(spread)
    f = np.array([0.5, 1.0, 2.0, 4.0, 6.0, 8.0])
    at = (np.arange(len(line)) - 8 * 60) / 8 * PITCH_MM
    transfer = np.abs((line * np.exp(-2j * np.pi * f[:, None] * at)).sum(axis=1)) / abs(line.sum())
    bin_mm = PITCH_MM / 8
    transfer /= np.sinc(f * bin_mm) * np.sinc(2 * f * bin_mm)  # average over a bin, difference over two
    np.testing.assert_allclose(transfer, getattr(SETUP, f"{side}_response").mtf(f), atol=0.01)


# The link ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_link_takes_the_mismatch_out_of_random_boards() -> None:
    setup = replace(paper(), method="fast")
    degradation = setup.degradation()
    pairs = [simulate_pair(random_board(100 + k, (512, 512)), setup, 100 + k, clean=True) for k in range(28)]

    def mismatch(link: GreyLink, pair: Pair) -> float:
        assert pair.hr_clean is not None
        assert pair.lr_clean is not None
        padded = np.pad(link.forward(pair.hr_clean.astype(float)), 64, mode="symmetric")
        blurred = np.fft.irfft2(np.fft.rfft2(padded) * degradation.B_1_map(padded.shape), s=padded.shape)
        return float(((pair.lr_clean - blurred[64:-64, 64:-64])[16:-16, 16:-16] ** 2).mean())

    fitted = GreyLink.from_pairs([(pair.hr, pair.lr) for pair in pairs[:20]], degradation.B_1_map)
    rms = {
        name: np.mean([mismatch(link, pair) for pair in pairs[20:]]) ** 0.5
        for name, link in {"none": GreyLink.identity(), "physics": degradation.link, "fitted": fitted}.items()
    }
    assert rms["none"] > 0.007
    assert rms["physics"] < 0.005
    assert rms["fitted"] < 0.003


# Settings and refusals -----------------------------------------------------------------------------------------------


def test_settings_are_json_and_complete() -> None:
    pair = simulate_pair(little_board(), SETUP, 2**64 - 1, sample=3)
    settings = json.loads(json.dumps(pair.settings, allow_nan=False))
    assert settings["seed"] == 2**64 - 1
    assert settings["setup"]["hr"]["screen"]["mass_thickness_mg_cm2"] == 33.91
    assert settings["phantom"]["materials"] == ["FR-4", "Cu", "SAC305"]
    assert set(settings["setup"]) == set(PairSetup.__dataclass_fields__)


def test_labels_lie_where_the_defects_appear() -> None:
    board = random_board(7, (512, 512), 0.024)
    contact = simulate_pair(board, SETUP, 1)
    large = simulate_pair(board, replace(SETUP, geometry=Geometry(600.0, 300.0)), 1)
    assert len(contact.labels) == len(board.defects) == len(large.labels)
    for defect, near, far in zip(board.defects, contact.labels, large.labels, strict=True):
        assert (near["x_px"], near["y_px"]) == pytest.approx((defect.x_px / 2, defect.y_px / 2))
        assert (far["x_px"], far["y_px"]) == pytest.approx((defect.x_px, defect.y_px))


def test_everything_at_once_still_makes_a_sound_pair() -> None:
    setup = paper(
        geometry=Geometry(500.0, 420.0, focal_spot_mm=0.1, falloff=True, heel_depth_mm=0.002),
        scatter=Scatter(0.05, glare=0.03),
        registration_px=(0.3, -0.4),
        noise="layered",
        method="fast",
    )
    pair = simulate_pair(little_board(), setup, 1, clean=True)
    assert pair.hr.shape == pair.lr.shape == (76, 95)
    for image in (pair.hr, pair.lr, pair.hr_clean, pair.lr_clean):
        assert image is not None
        assert image.dtype == np.float32
        assert 0 < image.min() < image.max() < 1.1


def test_an_opaque_object_is_dark_and_finite() -> None:
    pair = simulate_pair(plate("W", 20.0, (64, 64)), SETUP, 1)
    assert np.abs(pair.lr).max() < 0.01


def test_saturated_pixels_are_counted() -> None:
    pair = simulate_pair(flat((32, 32)), replace(SETUP, kerma_uGy=1e4), 1)
    assert pair.counts["hr_saturated"] == pair.counts["lr_saturated"] == 32 * 32


@pytest.mark.parametrize("kerma", [1e-6, 1e9])
def test_extreme_doses_are_finite(kerma: float) -> None:
    pair = simulate_pair(little_board(), replace(SETUP, kerma_uGy=kerma), 1)
    assert np.isfinite(pair.hr).all()
    assert np.isfinite(pair.lr).all()


def test_absurd_setups_are_refused() -> None:
    with pytest.raises(PhysicsRangeError, match="air kerma 0"):
        paper(kerma_uGy=0.0)
    with pytest.raises(PhysicsRangeError, match="HR frames 0"):
        paper(hr_frames=0)
    with pytest.raises(PhysicsRangeError, match="registration offset"):
        paper(registration_px=(0.0, float("nan")))
    with pytest.raises(UnknownNameError, match="did you mean kerma_uGy"):
        paper(kerma_ugy=3.0)
    with pytest.raises(UnknownNameError, match="noise model"):
        paper(noise="pink")
    with pytest.raises(InputError, match="pitches differ"):
        paper(hr=replace(SETUP.hr, sensor=replace(SETUP.hr.sensor, pitch_mm=0.1)))
    with pytest.raises(InputError, match="coarser than the detector"):
        simulate_pair(flat((8, 8), 0.1), SETUP, 1)
    with pytest.raises(InputError, match="seed -1"):
        simulate_pair(flat((8, 8)), SETUP, -1)


def test_python_says_it_in_two_lines() -> None:
    pair = xsim.simulate_pair(little_board(), xsim.recipes.paper(), seed=7)
    assert pair.hr.shape == pair.lr.shape == (64, 80)
