"""Averages over all orientations: they turn with the image, and change nothing that has no direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim.errors import InputError
from xsim_zoo.evaluation.competitor import Competitor, LoadedCompetitor
from xsim_zoo.process import grid
from xsim_zoo.process.grid import Pixels
from xsim_zoo.process.physics import Physics
from xsim_zoo.restorers import base
from xsim_zoo.restorers.flips import ORIENTATIONS, averaged
from xsim_zoo.run.restore import restore
from xsim_zoo.run.settings import RunSettings
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.loading import build

PHYSICS = Physics(closed_form(), power_law())

TURNS = {
    "quarter": np.rot90,
    "half": lambda image: np.rot90(image, 2),
    "mirrored": lambda image: image[:, ::-1],
    "transposed": np.transpose,
}


@pytest.fixture(scope="module")
def sde():
    restorer = build("physics-sde", PHYSICS, size="tiny")
    generator = torch.Generator().manual_seed(0)
    for parameter in restorer.network.parameters():
        torch.nn.init.normal_(parameter, std=0.04, generator=generator)
    return restorer


@pytest.fixture(scope="module")
def lr():
    return degrade(board(3, (64, 93)), PHYSICS, 3)


def test_every_orientation_is_asked_once_and_turned_back_exactly():
    image, seen = np.arange(12, dtype=np.float32).reshape(3, 4), []

    def same(turned):
        seen.append(turned.stored.tobytes() + str(turned.shape).encode())
        return turned.stored

    np.testing.assert_array_equal(averaged(Pixels(image), same), image)
    assert len(set(seen)) == len(seen) == ORIENTATIONS == 8


@pytest.mark.parametrize("turn", TURNS)
def test_the_average_turns_with_the_image(sde, lr, turn):
    def flipped(image):
        return restore(sde, image, flips=True, steps=2, open_field=1.0).image

    turned = TURNS[turn]
    one = sde.restore_array(lr, steps=2)
    assert np.abs(sde.restore_array(turned(lr), steps=2) - turned(one)).max() > 1e-3
    np.testing.assert_allclose(flipped(turned(lr)), turned(flipped(lr)), atol=3e-6)


@pytest.mark.parametrize(("shape", "atol"), [((64, 96), 1e-6), ((64, 93), 2e-5)])
def test_a_filter_without_direction_is_unchanged(shape, atol):
    # An odd side is padded by a pixel more on one end, which the filter sees: about a grey level of 16 bits.
    wiener, y = build("wiener", PHYSICS), degrade(board(3, shape), PHYSICS, 3)
    np.testing.assert_allclose(wiener.restore(y, flips=True).image, wiener.restore(y).image, atol=atol)


def test_an_image_in_blocks_is_averaged_as_well(sde, monkeypatch):
    monkeypatch.setattr(base, "blocks", lambda one: grid.blocks(one, whole_px=0, block_px=256, margin_px=64))
    y = degrade(board(2, (300, 210)), PHYSICS, 2)
    assert len(base.blocks(grid.PaddedGrid.around(y.shape))) > 4
    found = restore(sde, y, flips=True, steps=1).image
    assert found.shape == y.shape
    assert np.abs(found - sde.restore_array(y, steps=1)).max() > 1e-3
    np.testing.assert_allclose(restore(sde, y.T, flips=True, steps=1).image, found.T, atol=3e-6)


def test_run_and_evaluation_share_the_average(sde, lr, tmp_path):
    asked = Competitor.parse("physics-sde:flips=on,steps=2")
    assert asked.label == "physics-sde (steps=2, flips=on)"
    loaded = LoadedCompetitor(asked, sde, Card("physics-sde", {}), tmp_path)
    np.testing.assert_allclose(loaded.answer(lr), restore(sde, lr, flips=True, steps=2).image, atol=3e-6)
    plain = LoadedCompetitor(Competitor("physics-sde", steps=2), sde, Card("physics-sde", {}), tmp_path)
    assert loaded.fingerprint != plain.fingerprint
    # A sample that a probe draws is one sample: the mean of eight would spread too little.
    np.testing.assert_array_equal(loaded.answer(lr, eta=1.0), plain.answer(lr, eta=1.0))


def test_samples_are_not_flipped():
    with pytest.raises(InputError, match="--flips or --samples"):
        RunSettings(flips=True, samples=4)
    with pytest.raises(InputError, match="flips"):
        Competitor.parse("physics-sde:flips=on,eta=1")
