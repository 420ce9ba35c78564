"""Tiles: exact by construction, whatever their size, the image's size and the network."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.errors import InputError
from xsim_zoo.network.tiles import TiledNetwork, fitting_tile_px, spans
from xsim_zoo.network.unet import build_unet


@given(size=st.integers(8, 3000).map(lambda n: n // 8 * 8), tile=st.integers(8, 900), margin=st.integers(0, 130))
@settings(deadline=None, derandomize=True, max_examples=150)
def test_spans_cover_the_axis_once_with_their_margins(size, tile, margin):
    found = spans(size, tile, margin)
    assert [span.first for span in found[1:]] == [span.last for span in found[:-1]]
    assert (found[0].first, found[-1].last) == (0, size)
    for span in found:
        assert span.last - span.first <= -(-tile // 8) * 8
        assert span.start % 8 == 0
        assert span.start == 0 or span.first - span.start >= margin
        assert span.stop == size or span.stop - span.last >= margin


def unet(seed=0):
    network = build_unet(2, "tiny").eval()
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        # Large weights, so that every pixel of the receptive field matters.
        torch.nn.init.normal_(parameter, std=0.15, generator=generator)
    return network


@pytest.mark.parametrize("shape", [(168, 160), (96, 400), (400, 32)])
@pytest.mark.parametrize("tile", [64, 136])
@torch.no_grad()
def test_tiles_equal_the_whole(shape, tile):
    network = unet()
    generator = torch.Generator().manual_seed(1)
    features = torch.randn((1, 2, *shape), generator=generator)
    conditions = torch.randn((1, 3), generator=generator)
    whole = network(features, conditions)
    tiled = TiledNetwork(network, receptive_px=network.receptive_px, tile_px=tile)(features, conditions)
    assert float((tiled - whole).abs().max() / whole.abs().max()) < 2e-5


@torch.no_grad()
def test_a_margin_below_the_receptive_field_is_seen():
    # The test above must be able to fail.
    network = unet()
    features = torch.randn((1, 2, 168, 160), generator=torch.Generator().manual_seed(1))
    conditions = torch.zeros((1, 3))
    whole = network(features, conditions)
    tiled = TiledNetwork(network, receptive_px=8, tile_px=64)(features, conditions)
    assert float((tiled - whole).abs().max() / whole.abs().max()) > 1e-3


def test_every_tile_is_reported():
    seen = []
    network = TiledNetwork(
        lambda features, conditions: features[:, :1], receptive_px=0, tile_px=64, on_tile=lambda: seen.append(1)
    )
    features = torch.randn((1, 2, 128, 192))
    torch.testing.assert_close(network(features, torch.zeros((1, 3))), features[:, :1])
    assert len(seen) == len(list(network.tiles((128, 192)))) == 6


def test_tiles_follow_from_free_memory():
    assert fitting_tile_px(32, 108, 2**30) < fitting_tile_px(32, 108, 2**33)
    assert fitting_tile_px(32, 108, 2**20) % 8 == 0
    with pytest.raises(InputError, match="tiles of 4 px"):
        spans(64, 4, 8)
