"""Hot and dead pixels are found on whatever they lie, nothing that objects or noise make is, and repair is smooth."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from xsim.errors import InputError
from xsim.imaging.pair import simulate_pair
from xsim.phantoms import random_board
from xsim_datasets.real.bad_pixels import find_bad_pixels
from xsim_datasets.real.repair import repaired
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import load_recipe

OPEN = 50_000.0


@cache
def scene(size=192, blur_px=0.7, fine=4):
    """Return balls, a tilted plate, a corner, bond wires of 0.6 pixels and voids, blurred before they are sampled."""
    y, x = np.mgrid[0 : size * fine, 0 : size * fine] / fine
    grey = np.ones((size * fine,) * 2)
    for cy, cx, radius in ((30, 30, 8.0), (30, 60, 1.2), (60, 30, 0.8), (90, 40, 2.5), (70.3, 70.6, 0.5)):
        grey[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] *= 0.3
    across, along = (x - 130) * np.cos(0.3) + (y - 60) * np.sin(0.3), (y - 60) * np.cos(0.3) - (x - 130) * np.sin(0.3)
    grey[(abs(across) < 25) & (abs(along) < 35)] *= 0.4
    grey[(y > 120) & (y < 160) & (x > 20) & (x < 60)] *= 0.2
    for angle, offset in ((0.0, 170.3), (0.4, 100.0), (0.8, 60.0), (np.pi / 2, 120.7)):
        grey[abs(y * np.cos(angle) - x * np.sin(angle) + (x * 0 if angle < 1 else 240) - offset) < 0.3] *= 0.2
    return ndimage.gaussian_filter(grey, blur_px * fine).reshape(size, fine, size, fine).mean(axis=(1, 3))


def exposed(grey, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    seen = grey + noise * np.sqrt(np.maximum(grey, 0.02)) * rng.normal(size=grey.shape)
    return np.rint(OPEN * seen).clip(0, 65535).astype(np.uint16)


SHAPES = {
    "one": [(0, 0)],
    "beside": [(0, 0), (0, 1)],
    "below": [(0, 0), (1, 0)],
    "askew": [(0, 0), (1, 1)],
    "three": [(0, 0), (0, 1), (0, 2)],
    "square": [(0, 0), (0, 1), (1, 0), (1, 1)],
    "L": [(0, 0), (1, 0), (2, 0), (2, 1)],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_clusters_are_found_on_a_flat_field_and_nothing_else(shape, dtype):
    image = exposed(np.ones((96, 96))).astype(dtype)
    truth = np.zeros(image.shape, bool)
    for number, (y, x) in enumerate([(20, 20), (40, 60), (70, 80), (8, 60), (70, 30)]):
        for dy, dx in SHAPES[shape]:
            image[y + dy, x + dx] = (65535, 0, 58_000, 40_000)[number % 4]
            truth[y + dy, x + dx] = True
    image[[0, 0, 50, 95], [0, 40, 95, 95]] = 65535
    truth[[0, 0, 50, 95], [0, 40, 95, 95]] = True
    np.testing.assert_array_equal(find_bad_pixels(image), truth)


def test_hot_pixels_are_found_on_structure_too():
    image = exposed(scene(blur_px=1.0))
    rng = np.random.default_rng(4)
    truth = np.zeros(image.shape, bool)
    truth[tuple(rng.integers(3, 189, (2, 60)))] = True
    image[truth] = 65535
    found = find_bad_pixels(image)
    assert np.count_nonzero(found & truth) >= 0.97 * truth.sum()
    assert not (found & ~truth).any()


@pytest.mark.parametrize("blur_px", [0.5, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_edges_wires_balls_and_voids_are_no_bad_pixels(blur_px, noise):
    grey = scene(blur_px=blur_px)
    assert not find_bad_pixels(exposed(grey, noise)).any()
    assert not find_bad_pixels(exposed(1.2 - grey, noise)).any()  # voids, and plates that let more through


@pytest.mark.parametrize("photons", [0.3, 2.0, 20.0, 1000.0, "steps"])
def test_quanta_at_high_gain_are_no_bad_pixels(photons):
    mean = np.repeat([0.02, 0.3, 2.0, 20.0, 500.0, 1000.0], 86)[:512] if photons == "steps" else photons
    counts = np.random.default_rng(1).poisson(mean, (512, 512))
    assert not find_bad_pixels(np.minimum(counts * 30, 65535).astype(np.uint16)).any()


def test_drawings_as_sharp_as_pixels_are_left():
    image = np.full((128, 128), 50_000, np.uint16)
    image[20:60, 30:90] = 8000  # corners
    image[70:72, 10:110] = 20_000  # a line that ends
    image[80:120, 100] = 100  # one pixel wide
    image[90:100:2, 20:60] = 42_000
    image[100:110, 20:30] = np.indices((10, 10)).sum(axis=0) % 2 * 30_000
    assert not find_bad_pixels(image).any()


def test_dead_rows_and_columns_are_found_whole_or_in_part_and_wires_are_not():
    grey = scene(256, blur_px=1.0)
    image = exposed(grey)
    truth = np.zeros(image.shape, bool)
    truth[:, 150] = truth[40, :] = truth[:, 90:92] = truth[130:, 20] = True
    image[truth] = np.where(np.arange(truth.sum()) % 2, 100, 140)
    found = find_bad_pixels(image)
    assert np.count_nonzero(found & truth) >= 0.97 * truth.sum()
    assert np.count_nonzero(found & ~truth) <= 20  # beside the ends, nothing elsewhere
    wires = np.ones((256, 256 * 4))
    wires[:, 400:403] = wires[:, 601:605] = 0.4
    for blur_px in (0.5, 1.0):
        wire = ndimage.gaussian_filter1d(wires, blur_px * 4, axis=1).reshape(256, 256, 4).mean(axis=2)
        assert not find_bad_pixels(exposed(wire)).any()


@pytest.fixture(scope="module")
def boards():
    found = []
    # Twenty, with the slow tests, below.
    for number, name in enumerate(("paper", "universal")):
        setup = setup_of(load_recipe(name).imaging.drawn(500 + number, number))
        pitch = setup.pitch_mm / setup.geometry.magnification
        found.append(simulate_pair(random_board(700 + number, (288, 288), pitch), setup, 700 + number))
    return [exposed(np.asarray(pair.lr), 0.0) for pair in found]


def false_finds(images):
    return sum(int(find_bad_pixels(image).sum()) for image in images) / sum(image.size for image in images)


def test_clean_boards_are_left(boards):
    assert false_finds(boards) <= 1e-5


@pytest.mark.slow
def test_twenty_clean_boards_of_several_detectors_hold_at_most_1e_5_of_false_finds():
    found = []
    for number in range(20):
        recipe = load_recipe("paper" if number % 4 == 0 else "universal")
        setup = setup_of(recipe.imaging.drawn(900 + number, number))
        board = random_board(1700 + number, (512, 512), setup.pitch_mm / setup.geometry.magnification)
        found.append(exposed(np.asarray(simulate_pair(board, setup, 1700 + number).lr), 0.0))
    assert false_finds(found) <= 1e-5


def test_planted_pixels_on_boards_are_found(boards):
    for seed, board in enumerate(boards):
        image, truth = board.copy(), np.zeros(board.shape, bool)
        rng = np.random.default_rng(seed)
        for number, (y, x) in enumerate(rng.integers(3, 280, (50, 2))):
            for dy, dx in SHAPES[("one", "beside", "below")[number % 3]]:
                image[y + dy, x + dx] = 65535 if number % 2 else 0
                truth[y + dy, x + dx] = True
        found = find_bad_pixels(image)
        # What is dead behind metal hardly differs from it.
        for kind, least in ((image == 65535, 0.98), (image == 0, 0.85)):
            assert np.count_nonzero(found & truth & kind) >= least * np.count_nonzero(truth & kind)
        assert not (found & ~truth).any()


def test_the_search_sees_the_same_in_a_turned_and_a_scaled_image(boards):
    image = boards[0].copy()
    image[[30, 100, 101, 200], [40, 90, 90, 7]] = 65535
    found = find_bad_pixels(image)
    assert found.sum() == 4
    np.testing.assert_array_equal(find_bad_pixels(image[::-1, ::-1]), found[::-1, ::-1])
    np.testing.assert_array_equal(find_bad_pixels(image.T), found.T)
    np.testing.assert_array_equal(find_bad_pixels(image.astype(np.float32) / 50_000), found)
    np.testing.assert_array_equal(find_bad_pixels(65535 - image), found)


def test_repair_is_exact_on_cubic_surfaces_and_leaves_the_rest():
    y, x = np.mgrid[0:60, 0:70] / 10.0
    truth = 3 + x - 2 * y + 0.5 * x * y + 0.2 * x**2 - 0.1 * y**2 + 0.05 * x**3 - 0.02 * y**2 * x
    bad = np.zeros(truth.shape, bool)
    bad[10, 10] = bad[20, 20:23] = bad[30:32, 30:32] = bad[:, 50] = True
    mended = repaired(np.where(bad, 1e6, truth), bad)
    inner = np.zeros_like(bad)
    inner[3:-3, 3:-3] = True
    np.testing.assert_allclose(mended[bad & inner], truth[bad & inner], atol=5e-3)
    np.testing.assert_array_equal(mended[~bad], truth[~bad])


def test_repair_takes_nothing_from_bad_neighbours_and_stays_within_the_good_ones():
    image = exposed(np.ones((40, 40)))
    bad = np.zeros(image.shape, bool)
    bad[10:16, 10:20] = bad[0, 0] = bad[39, 20:22] = True
    one, other = (repaired(np.where(bad, filled, image).astype(np.uint16), bad) for filled in (0, 65535))
    np.testing.assert_array_equal(one, other)
    assert one[bad].min() >= image[~bad].min()
    assert one[bad].max() <= image[~bad].max()
    assert repaired(image, np.zeros(image.shape, bool)) is image
    bad[:, :36] = True
    with pytest.raises(InputError, match="wider than 32 px"):
        repaired(image, bad)
    with pytest.raises(InputError, match="wider than 32 px"):
        repaired(image, np.ones(image.shape, bool))
