"""The backbone: sizes, and that no answer depends on the size of the image."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from xsim.errors import InputError, UnknownNameError
from xsim_zoo.network.unet import SIZES, STRIDE_PX, UNet, build_unet


@pytest.fixture(scope="module")
def network() -> UNet:
    """A tiny network that says something: fresh ones answer zero."""
    generator = torch.Generator().manual_seed(0)
    network = build_unet(2, "tiny")
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.06, generator=generator)
    return network.eval()


@pytest.mark.parametrize(("size", "millions"), [("tiny", 0.5), ("small", 1.5), ("base", 6.0), ("large", 33.0)])
def test_sizes(size: str, millions: float) -> None:
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in UNet(2, size).parameters())
    assert parameters / 1e6 == pytest.approx(millions, rel=0.15)
    assert size in SIZES


@torch.no_grad()
def test_the_interior_of_a_tile_equals_the_whole_image(network: UNet) -> None:
    features = torch.randn((1, 2, 256, 320), generator=torch.Generator().manual_seed(1))
    conditions = torch.tensor([[0.4, -4.0, -3.0]])
    whole = network(features, conditions)
    margin = -(-network.receptive_px // STRIDE_PX) * STRIDE_PX
    top, left, height, width = 24, 56, 208, 232
    tile = network(features[..., top : top + height, left : left + width], conditions)
    inner = (..., slice(margin, height - margin), slice(margin, width - margin))
    expected = whole[..., top : top + height, left : left + width]
    torch.testing.assert_close(tile[inner], expected[inner], rtol=0, atol=1e-5)
    assert tile[inner].numel() > 1000
    # The border of a tile does differ: the check above can fail.
    assert (tile - expected).abs().max() > 1e-3


@torch.no_grad()
def test_nothing_reaches_further_than_the_receptive_field(network: UNet) -> None:
    features = torch.zeros((1, 2, 256, 256))
    conditions = torch.zeros((1, 3))
    first, last = 128, 128 + STRIDE_PX - 1
    touched = features.clone()
    touched[..., first : last + 1, first : last + 1] = 5.0
    change = (network(touched, conditions) - network(features, conditions)).abs()[0, 0]
    for places in change.nonzero(as_tuple=True):
        # From the edge of the touched cell to the near edge of the furthest cell that changed.
        before = first - (places.min().item() // STRIDE_PX * STRIDE_PX + STRIDE_PX - 1)
        behind = places.max().item() // STRIDE_PX * STRIDE_PX - last
        assert network.receptive_px - STRIDE_PX < min(before, behind)
        assert max(before, behind) <= network.receptive_px


@torch.no_grad()
def test_conditions_matter_and_samples_do_not_mix(network: UNet) -> None:
    features = torch.randn((2, 2, 32, 32), generator=torch.Generator().manual_seed(2))
    conditions = torch.tensor([[1.0, -4.0, -3.0], [0.1, -5.0, -4.0]])
    both = network(features, conditions)
    torch.testing.assert_close(both[:1], network(features[:1], conditions[:1]), rtol=0, atol=1e-5)
    assert (network(features[:1], conditions[1:]) - both[:1]).abs().max() > 1e-3


def test_a_fresh_network_answers_zero() -> None:
    assert not build_unet(1, "tiny")(torch.randn(1, 1, 16, 16), torch.zeros(1, 3)).any()


def test_what_does_not_fit_is_refused(network: UNet) -> None:
    with pytest.raises(InputError, match="multiples of 8"):
        network(torch.zeros(1, 2, 30, 32), torch.zeros(1, 3))
    with pytest.raises(UnknownNameError, match="tiny"):
        build_unet(1, "tini")


@torch.no_grad()
def test_a_network_told_of_the_link_goes_on_from_one_that_was_not(network: UNet) -> None:
    features = torch.randn((2, 2, 64, 64), generator=torch.Generator().manual_seed(2))
    state = torch.tensor([[0.4, -4.0, -3.0], [1.0, -5.0, -4.0]])
    straight, bent = torch.zeros((2, 3)), torch.full((2, 3), 1.5)
    told = network.told_more(link_conditioning=True)
    assert (network.conditions, told.conditions) == (3, 6)
    for link in (straight, bent):
        torch.testing.assert_close(told(features, torch.cat([state, link], 1)), network(features, state))
    nn.init.normal_(told.embedding.link.weight, std=0.1, generator=torch.Generator().manual_seed(3))
    answers = [told(features, torch.cat([state, link], 1)) for link in (straight, bent)]
    torch.testing.assert_close(answers[0], network(features, state))
    assert (answers[1] - answers[0]).abs().max() > 1e-3
    # What was told to a network that does not listen changes nothing.
    assert torch.equal(network(features, torch.cat([state, bent], 1)), network(features, state))


@torch.no_grad()
def test_a_network_told_of_the_detectors_goes_on_from_one_that_was_told_of_the_link(network: UNet) -> None:
    linked = network.told_more(link_conditioning=True)
    nn.init.normal_(linked.embedding.link.weight, std=0.1, generator=torch.Generator().manual_seed(3))
    told = linked.told_more(detector_conditioning=True)
    assert (linked.conditions, told.conditions) == (6, 11)
    assert told.link_conditioning
    features = torch.randn((1, 2, 64, 64), generator=torch.Generator().manual_seed(2))
    state = torch.tensor([[0.4, -4.0, -3.0, 1.0, 1.5, 1.0]])
    sharp, soft = torch.tensor([[1.0, 0.9, 0.8, 0.6, 0.0]]), torch.tensor([[0.9, 0.5, 0.2, 0.1, 1.0]])
    for detectors in (sharp, soft):
        torch.testing.assert_close(told(features, torch.cat([state, detectors], 1)), linked(features, state))
    nn.init.normal_(told.embedding.detectors.weight, std=0.1, generator=torch.Generator().manual_seed(4))
    answers = [told(features, torch.cat([state, detectors], 1)) for detectors in (sharp, soft)]
    assert (answers[1] - answers[0]).abs().max() > 1e-3
