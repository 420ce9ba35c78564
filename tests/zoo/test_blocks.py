"""Blocks of large images: they cover it, join without a seam, and draw the same noise where they overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim_zoo.blocks import MARGIN_PX, PlacedNoise, blocks, joined
from xsim_zoo.padding import PaddedGrid
from xsim_zoo.physics import Physics
from xsim_zoo.wiener import Wiener

CPU = torch.device("cpu")


@given(height=st.integers(2, 900), width=st.integers(2, 900), block=st.integers(30, 80).map(lambda n: n * 8))
@settings(deadline=None, derandomize=True, max_examples=80)
def test_joining_what_was_cut_gives_the_image(height, width, block):
    image = np.random.default_rng(0).random((height, width), np.float32)
    cut = blocks(image.shape, block, 64)
    parts = ((part, image[part.rows, part.columns]) for part in cut)
    np.testing.assert_allclose(joined(image.shape, parts, 64), image, rtol=1e-6)
    for part in cut:
        assert part.rows.start % 8 == part.columns.start % 8 == 0
        assert part.rows.stop - part.rows.start <= block + 15


def test_a_filter_in_blocks_equals_the_filter():
    restorer = Wiener(Physics(closed_form(), power_law()))
    y = degrade(board(4, (520, 460)), restorer.physics, 4)
    whole = restorer.restore_array(y)
    cut = blocks(y.shape, 400, 96)
    assert len(cut) == 4
    parts = ((part, restorer.restore_array(y[part.rows, part.columns])) for part in cut)
    inner = np.s_[64:-64, 64:-64]
    # The outer pixels depend on the width of the reflected border, which differs between the grids.
    assert np.abs(joined(y.shape, parts, 96) - whole)[inner].max() * 65535 < 16


def test_noise_belongs_to_places():
    whole = PlacedNoise(1, 0, (-40, -32), CPU)((1, 1, 600, 700))[0, 0]
    part = PlacedNoise(1, 0, (200, 17), CPU)((1, 1, 150, 300))[0, 0]
    torch.testing.assert_close(part, whole[240:390, 49:349], rtol=0, atol=0)
    assert abs(float(whole.mean())) < 0.01
    assert float(whole.var()) == pytest.approx(1, abs=0.01)


def test_each_draw_sample_and_seed_has_noise_of_its_own():
    source = PlacedNoise(1, 0, (0, 0), CPU)
    fields = [source((64, 64)), source((64, 64)), PlacedNoise(1, 1, (0, 0), CPU)((64, 64))]
    fields.append(PlacedNoise(2, 0, (0, 0), CPU)((64, 64)))
    for number, field in enumerate(fields):
        for other in fields[:number]:
            assert abs(float((field * other).mean())) < 0.1


def test_the_grid_keeps_the_network_on_the_same_pixels():
    for side in range(9, 200, 7):
        assert PaddedGrid.around((side, 2 * side)).offset[0] % 8 == 0
        assert min(PaddedGrid.around((side, 2 * side)).offset) >= 32


@pytest.mark.parametrize("size", [3065, 4096, 8192, 20_000])
def test_blocks_overlap_by_little_more_than_they_must(size):
    cut = blocks((64, size))
    lengths = [part.columns.stop - part.columns.start for part in cut]
    assert max(lengths) - min(lengths) < 8
    overlaps = [one.columns.stop - other.columns.start for one, other in pairwise(cut)]
    assert min(overlaps) >= 2 * MARGIN_PX - 8
    assert max(overlaps) <= 2 * MARGIN_PX + 24
