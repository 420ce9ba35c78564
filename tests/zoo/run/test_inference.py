"""One radiograph through a restorer: scale, pitch, tiles, samples; the answer is the file's own kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import tifffile
import torch

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim.errors import InputError
from xsim_datasets.images import read_image
from xsim_zoo.process.physics import Physics
from xsim_zoo.run.restore import restore
from xsim_zoo.run.settings import RunSettings
from xsim_zoo.weights.loading import build

PHYSICS = Physics(closed_form(), power_law())


@pytest.fixture(scope="module")
def sde():
    restorer = build("physics-sde", PHYSICS, size="tiny")
    generator = torch.Generator().manual_seed(0)
    for parameter in restorer.network.parameters():
        torch.nn.init.normal_(parameter, std=0.04, generator=generator)
    return restorer


@pytest.fixture(scope="module")
def wiener():
    return build("wiener", PHYSICS)


@pytest.fixture(scope="module")
def lr():
    return degrade(board(3, (150, 139)), PHYSICS, 3)


def test_an_array_is_restored_like_by_the_restorer_itself(wiener, lr):
    np.testing.assert_allclose(wiener.restore(lr).image, wiener.restore_array(lr), atol=2e-6)


@pytest.mark.parametrize("shape", [(97, 83), (4, 400), (400, 31)])
def test_tiled_equals_untiled_within_a_grey_level(sde, shape):
    y = degrade(board(1, shape), PHYSICS, 1)
    whole = restore(sde, y, tile_px=100_000, precision="float32").image
    for tile in (64, 136):
        tiled = restore(sde, y, tile_px=tile, precision="float32").image
        assert np.abs(tiled - whole).max() <= 1 / 65535


def test_samples_give_mean_and_spread_and_belong_to_their_seed(sde, lr):
    first = restore(sde, lr, samples=3, steps=2, seed=5)
    again = restore(sde, lr, samples=3, steps=2, seed=5)
    other = restore(sde, lr, samples=3, steps=2, seed=6)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.std, again.std)
    assert np.abs(first.image - other.image).max() > 1e-3
    assert first.std.min() >= 0
    assert first.std.mean() > 1e-4


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy", ".dcm"])
def test_files_keep_size_kind_type_and_scale(wiener, lr, tmp_path, suffix):
    from xsim_datasets.images import Radiograph, write_image

    grey = np.rint(lr * 3500).clip(0, 4095).astype(np.uint16)
    path = write_image(tmp_path / f"a{suffix}", Radiograph(grey, "none"))
    restored = wiener.restore(path, open_field=3500.0)
    restored.save(tmp_path / f"b{suffix}")
    back = read_image(tmp_path / f"b{suffix}")
    assert back.pixels.shape == grey.shape
    assert back.dtype == np.uint16
    expected = wiener.restore_array(grey / np.float32(3500)) * 3500
    assert np.abs(back.pixels - expected.clip(0)).max() <= 0.51


def test_polarity_does_not_change_the_answer(wiener, lr):
    dark = np.rint(lr * 40000).clip(0, 65535).astype(np.uint16)
    a, clipped_a = wiener.restore(dark, open_field=40000.0).radiograph()
    b, clipped_b = wiener.restore(65535 - dark, open_field=25535.0, polarity="metal-bright", white=65535.0).radiograph()
    np.testing.assert_array_equal(a.pixels, 65535 - b.pixels)
    assert clipped_a == clipped_b


def test_pages_are_all_restored_on_one_scale(wiener, lr, tmp_path):
    pages = np.stack([np.rint(lr * 50000), np.rint(lr[::-1] * 50000)]).clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack", metadata=None)
    restored = wiener.restore(tmp_path / "a.tif", open_field=50000.0)
    assert restored.image.shape == pages.shape
    np.testing.assert_allclose(restored.image[1], wiener.restore_array(pages[1] / np.float32(50000)), atol=1e-5)


def test_pitch_comes_from_file_option_or_weights(wiener, lr, tmp_path):
    pixels = np.rint(lr * 50000).clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, resolution=(10 / 0.2, 10 / 0.2), resolutionunit=3)
    # At another pitch the weights' own detectors cannot be those of the image: it shows its own.
    estimated = wiener.restore(tmp_path / "a.tif")
    assert estimated.detectors.estimated
    assert estimated.pitch_mm == pytest.approx(0.2)
    assert any(note.startswith("detector: estimated from") for note in estimated.notes)
    forced = wiener.restore(tmp_path / "a.tif", pitch_mm=0.048)
    assert any("forced" in note for note in forced.notes)
    tifffile.imwrite(tmp_path / "b.tif", pixels)
    assert any("no pixel pitch" in note for note in wiener.restore(tmp_path / "b.tif").notes)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sharpness": 2}, "sharpness"),
        ({"steps": 0}, "steps"),
        ({"samples": 1}, "one sample"),
        ({"samples": 4}, "draws no samples"),
        ({"open_field": float("nan")}, "open-field"),
        ({"open_field": -3.0}, "open-field"),
        ({"pitch_mm": float("nan")}, "pixel pitch"),
        ({"polarity": "up"}, "polarity"),
        ({"precision": "int4"}, "precision"),
        ({"tile_px": 3}, "tile"),
    ],
)
def test_bad_options_are_named(wiener, lr, options, match):
    with pytest.raises(InputError, match=match):
        wiener.restore(lr, **options)


def test_saturation_is_said(wiener, lr):
    grey = np.rint(lr * 90000).clip(0, 65535).astype(np.uint16)
    assert any("saturated" in note for note in wiener.restore(grey, open_field=90000.0).notes)
    assert not any("saturated" in note for note in wiener.restore(grey // 2, open_field=45000.0).notes)


def test_a_new_setting_reaches_the_restorer_by_the_settings_alone(sde):
    """To expose an option of `How` one touches the settings, and the command line."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(RunSettings):
        eta: float = 0.0

        def how(self, restorer):
            return {**super().how(restorer), "eta": self.eta}

    y = degrade(board(3, (64, 64)), PHYSICS, 3)
    with pytest.raises(InputError, match=r"eta 0\.5 draws noise"):
        restore(sde, y, Settings(eta=0.5))
