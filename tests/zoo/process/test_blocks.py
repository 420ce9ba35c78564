"""Blocks of large images: they cover it, join without a seam, and see what the whole image's filters see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim.errors import InputError
from xsim_zoo.process.grid import MARGIN_PX, PaddedGrid, blocks
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.sampling import PlacedNoise, white_noise
from xsim_zoo.restorers import base
from xsim_zoo.weights.loading import build

CPU = torch.device("cpu")
PHYSICS = Physics(closed_form(), power_law())


@given(height=st.integers(2, 900), width=st.integers(2, 900), block=st.integers(30, 80).map(lambda n: n * 8))
@settings(deadline=None, derandomize=True, max_examples=80)
def test_joining_what_was_cut_gives_the_image(height, width, block):
    image = np.random.default_rng(0).random((height, width), np.float32)
    grid = PaddedGrid.around(image.shape)
    joined = np.zeros_like(image)
    cut = blocks(grid, whole_px=0, block_px=block, margin_px=64)
    for part in cut:
        rows, columns = (
            grid.sources(axis, reach.start, reach.stop).numpy() for axis, reach in enumerate((part.rows, part.columns))
        )
        seen = image[rows][:, columns]
        assert seen.shape == part.shape
        assert all(side % 8 == 0 for side in (*seen.shape, *(np.add(part.corner, grid.offset))))
        part.add(seen[part.inner], joined)
    np.testing.assert_allclose(joined, image, rtol=1e-6)


def test_the_grid_goes_on_periodically():
    grid = PaddedGrid.around((50, 61))
    image = np.random.default_rng(1).random(grid.shape, np.float32)
    padded = grid.pad(torch.as_tensor(image)).numpy()
    for axis, side in enumerate(grid.padded):
        index = grid.sources(axis, -3 * side, 2 * side).numpy()
        shown = image.take(index, axis=axis)
        start = -3 * side + grid.offset[axis]
        expected = padded.take(np.arange(start, start + 5 * side) % side, axis=axis)
        inside = [slice(at, at + size) for at, size in zip(grid.offset, grid.shape, strict=True)]
        inside[axis] = slice(None)
        np.testing.assert_array_equal(shown, expected[tuple(inside)])


@pytest.mark.parametrize("name", ["wiener", pytest.param("physics-sde", marks=pytest.mark.slow)])
def test_blocks_give_what_the_whole_gives_up_to_the_outermost_pixels(name, monkeypatch):
    restorer = build(name, PHYSICS, size="tiny")
    if name == "physics-sde":
        generator = torch.Generator().manual_seed(0)
        for parameter in restorer.network.parameters():
            torch.nn.init.normal_(parameter, std=0.04, generator=generator)
    y = degrade(board(4, (700, 560)), PHYSICS, 4)
    # As wide a border as that of images that are cut: the network's own edge stays outside.
    grid = PaddedGrid.around(y.shape, 96)
    monkeypatch.setattr(base.PaddedGrid, "around", lambda _: grid)
    whole = restorer.restore_array(y)
    cut_small(monkeypatch)
    assert len(base.blocks(grid)) == 9
    assert np.abs(restorer.restore_array(y) - whole).max() * 65535 < 12


def cut_small(monkeypatch):
    monkeypatch.setattr(base, "blocks", lambda grid: blocks(grid, whole_px=0, block_px=640, margin_px=192))


def test_blocks_of_a_sample_see_the_noise_of_their_places(monkeypatch):
    restorer = build("physics-sde", PHYSICS, size="tiny")
    y = degrade(board(4, (700, 560)), PHYSICS, 4)
    grid = PaddedGrid.around(y.shape, 96)
    monkeypatch.setattr(base.PaddedGrid, "around", lambda _: grid)

    def restored(**how):
        return restorer.restore_array(y, steps=2, network=lambda seen, _: 0 * seen[:, :1], **how)

    whole = restored(eta=1.0, noise=PlacedNoise(3, 0, CPU))
    cut_small(monkeypatch)
    sample = restored(eta=1.0, noise=PlacedNoise(3, 0, CPU))
    assert np.abs(sample - whole).max() < 0.1 * np.abs(sample - restored()).max()
    with pytest.raises(InputError, match="belong to places"):
        restored(eta=1.0, noise=white_noise(torch.Generator()))


def test_noise_belongs_to_places():
    whole = PlacedNoise(1, 0, CPU, (-40, -32))((1, 1, 600, 700))[0, 0]
    part = PlacedNoise(1, 0, CPU).at((200, 17))((1, 1, 150, 300))[0, 0]
    torch.testing.assert_close(part, whole[240:390, 49:349], rtol=0, atol=0)
    assert abs(float(whole.mean())) < 0.01
    assert float(whole.var()) == pytest.approx(1, abs=0.01)


def test_each_draw_sample_and_seed_has_noise_of_its_own():
    source = PlacedNoise(1, 0, CPU)
    fields = [source((64, 64)), source((64, 64)), PlacedNoise(1, 1, CPU)((64, 64))]
    fields.append(PlacedNoise(2, 0, CPU)((64, 64)))
    for number, field in enumerate(fields):
        for other in fields[:number]:
            assert abs(float((field * other).mean())) < 0.1


def test_the_grid_keeps_the_network_on_the_same_pixels():
    for side in range(9, 200, 7):
        assert PaddedGrid.around((side, 2 * side)).offset[0] % 8 == 0
        assert min(PaddedGrid.around((side, 2 * side)).offset) >= 32


def test_up_to_64_megapixels_an_image_is_one_block():
    assert len(blocks(PaddedGrid.around((8192, 8192)))) == 1
    assert len(blocks(PaddedGrid.around((2048, 32_768)))) == 1


@pytest.mark.parametrize("size", [8200, 16_400, 20_000])
def test_blocks_of_larger_images_have_one_shape_and_their_margins(size):
    grid = PaddedGrid.around((size, size))
    assert min(grid.offset) >= 96
    cut = blocks(grid)
    assert len({part.shape for part in cut}) == 1
    assert max(cut[0].shape) <= 8192
    for part in cut:
        for reach in (part.rows, part.columns):
            assert reach.first - reach.start >= MARGIN_PX - 24
            assert reach.stop - reach.last >= MARGIN_PX - 24
