"""Every registered restorer, by name: the interface, the limits, and what the physics promises."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import xsim_zoo
from tests.zoo.conftest import operator_of
from xsim.degradation.link import GreyLink
from xsim.errors import InputError, XsimWarning
from xsim.measure.similarity import psnr_dB
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.batch import make_batch

if TYPE_CHECKING:
    from types import SimpleNamespace

    from xsim_zoo.training.data import MemoryPairs

NAMES = xsim_zoo.names()
LEARNED = [name for name in NAMES if xsim_zoo.get(name).learned]


def fresh(name: str, physics: Physics) -> Restorer:
    options = {"size": "tiny"} if xsim_zoo.get(name).learned else {}
    return xsim_zoo.build(name, physics, **options)


def noise(seed: int = 0):
    return white_noise(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(40, 40), (37, 52), (1, 9)])
def test_any_size_in_the_same_size_out(
    name: str, shape: tuple[int, int], physics: Physics, toys: SimpleNamespace
) -> None:
    image = toys.board(1, shape)
    restored = fresh(name, physics).restore_array(image, steps=2, noise=noise())
    assert restored.shape == shape
    assert restored.dtype == np.float32
    assert np.isfinite(restored).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_request_gives_the_same_answer(name: str, physics: Physics, toys: SimpleNamespace) -> None:
    restorer, image = fresh(name, physics), toys.board(2, (48, 40))
    eta = 1.0 if restorer.samples else 0.0
    first, second = (restorer.restore_array(image, steps=3, eta=eta, noise=noise(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_restored_is_refused(name: str, physics: Physics, toys: SimpleNamespace) -> None:
    restorer = fresh(name, physics)
    image = toys.board(1, (40, 40))
    with pytest.raises(InputError, match=r"0\.1 mm, the weights hold for 0\.048 mm"):
        restorer.restore_array(image, pitch_mm=0.1)
    for bad in (np.zeros((3, 4, 5)), np.full((8, 8), np.nan)):
        with pytest.raises(InputError):
            restorer.restore_array(bad)
    for options in ({"steps": 0}, {"eta": 2.0}, {"sharpness": -1.0}):
        with pytest.raises(InputError):
            restorer.restore_array(image, **options)


@pytest.mark.parametrize("name", LEARNED)
def test_loss_is_finite_and_reaches_every_parameter(name: str, physics: Physics, pairs: MemoryPairs) -> None:
    restorer = fresh(name, physics)
    assert isinstance(restorer, LearnedRestorer)
    # The head starts at zero, which would keep gradients from what lies below it.
    torch.nn.init.normal_(restorer.network.out.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    grid = PaddedGrid.around(pairs.shape)
    hr, lr = (torch.from_numpy(images) for images in pairs.read_batch([0, 1]))
    links = [restorer.link_on(grid.padded)] * 2 if restorer.uses_link else None
    batch = make_batch(
        hr, lr, samples=[0, 1], seed=0, crops=2, patch=32, links=links, operator=restorer.operator(grid.padded)
    )
    loss = restorer.loss(batch)
    assert torch.isfinite(loss)
    loss.backward()
    silent = [name for name, parameter in restorer.network.named_parameters() if parameter.grad is None]
    assert not silent


@pytest.mark.parametrize("shape", [(64, 64), (53, 70)])
def test_one_step_with_a_silent_network_is_the_wiener_filter(
    shape: tuple[int, int], physics: Physics, toys: SimpleNamespace
) -> None:
    y = toys.degrade(toys.board(5, shape), physics, 5)
    wiener = xsim_zoo.build("wiener", physics).restore_array(y)
    sde = xsim_zoo.build("physics-sde", physics, size="tiny").restore_array(y, steps=1)
    np.testing.assert_allclose(sde, wiener, atol=2e-6)


def test_wiener_gains_decibels_on_what_the_process_made(physics: Physics, toys: SimpleNamespace) -> None:
    hr = toys.board(7, (128, 120))
    y = toys.degrade(hr, physics, 7)
    assert psnr_dB(xsim_zoo.build("wiener", physics).restore_array(y), hr) > psnr_dB(y, hr) + 1.0


@pytest.mark.parametrize("name", xsim_zoo.names())
def test_less_noise_is_expected_in_a_dark_image(name: str, physics: Physics, toys: SimpleNamespace) -> None:
    """A dark image and one as dark said to be a part of a bright one differ, unless the restorer knows no grey."""
    restorer = fresh(name, physics)
    if not restorer.noise_follows_grey:
        assert restorer.noise_level(np.full((8, 8), 0.2)) == 1.0
        return
    dark = np.full((8, 8), 0.2)
    assert restorer.noise_level(dark) == physics.degradation.noise_level(dark) == pytest.approx(0.2)
    y = toys.degrade(0.3 * toys.board(3), physics, 3)
    alone = restorer.restore_array(y)
    np.testing.assert_array_equal(alone, restorer.restore_array(y, noise_level=float(restorer.noise_level(y))))
    if name in {"wiener", "tv", "unet-wiener", "physics-sde"}:
        assert np.abs(alone - restorer.restore_array(y, noise_level=1.0)).max() > 1e-3


def test_the_link_is_undone(physics: Physics) -> None:
    """A flat image of HR grey 0.5 arrives as h(0.5) and must come back as 0.5."""
    y = np.full((64, 64), float(physics.degradation.link.forward(0.5)), np.float32)
    restored = xsim_zoo.build("wiener", physics).restore_array(y)
    np.testing.assert_allclose(restored, 0.5, atol=1e-3)


def test_only_a_network_of_one_pair_of_detectors_keeps_the_prior_it_learned_with(physics: Physics) -> None:
    f = physics.degradation.frequency_lp_mm
    sharp, soft = (replace(physics.degradation, mtf_hr=np.exp(-rate * f)) for rate in (0.1, 0.3))
    own = np.square(np.exp(-0.1 * physics.spectrum.frequency_lp_mm))
    known = Physics(sharp, replace(physics.spectrum, mtf_squared=own))
    told = Physics(soft, known.spectrum)
    shape = (64, 64)
    followed = operator_of(told, shape).S
    assert not torch.allclose(followed, operator_of(known, shape).S)
    one, many = (fresh("physics-sde", known) for _ in range(2))
    many.many_detectors = True
    for restorer, expected in (
        (one, operator_of(known, shape).S),
        (many, followed),
        (fresh("wiener", known), followed),
    ):
        torch.testing.assert_close(restorer.operator(shape).S, operator_of(known, shape).S)
        torch.testing.assert_close(restorer.with_physics(told).operator(shape).S, expected)


def test_sharpness_mixes_the_one_step_and_the_sampled_answer(physics: Physics, toys: SimpleNamespace) -> None:
    restorer, y = fresh("physics-sde", physics), toys.degrade(toys.board(8), physics, 8)
    in_lr_grey = [
        physics.degradation.link.forward(restorer.restore_array(y, steps=steps, sharpness=sharpness))
        for steps, sharpness in ((1, 1.0), (3, 0.0), (3, 1.0), (3, 0.25))
    ]
    one, none, full, quarter = in_lr_grey
    np.testing.assert_allclose(none, one, atol=1e-5)
    np.testing.assert_allclose(quarter, 0.75 * one + 0.25 * full, atol=1e-5)
    assert np.abs(full - one).max() > 1e-3


def test_eta_zero_with_several_steps_and_no_link_warns(physics: Physics, toys: SimpleNamespace) -> None:
    unlinked = fresh("physics-sde", Physics(toys.closed_form(GreyLink.identity()), toys.power_law()))
    y = toys.board(1, (40, 40))
    with pytest.warns(XsimWarning, match="no grey-level link"):
        unlinked.restore_array(y, steps=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unlinked.restore_array(y, steps=1)
        unlinked.restore_array(y, steps=3, eta=1.0, noise=noise())
        fresh("physics-sde", physics).restore_array(y, steps=3)


def test_a_tiled_network_gives_the_whole_image(physics: Physics, toys: SimpleNamespace) -> None:
    """Filters and noise act on the whole grid; only the network is cut, here in two overlapping halves."""
    restorer = fresh("physics-sde", physics)
    assert isinstance(restorer, LearnedRestorer)
    for parameter in restorer.network.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(1))
    margin = -(-restorer.network.receptive_px // 8) * 8

    def halves(features: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        middle = features.shape[-1] // 16 * 8
        left = restorer.network(features[..., : middle + margin], conditions)[..., :middle]
        right = restorer.network(features[..., middle - margin :], conditions)[..., margin:]
        return torch.cat([left, right], dim=-1)

    y = toys.degrade(toys.board(9, (96, 240)), physics, 9)
    whole = restorer.restore_array(y, steps=2, eta=1.0, noise=noise(3))
    tiled = restorer.restore_array(y, steps=2, eta=1.0, noise=noise(3), network=halves)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
