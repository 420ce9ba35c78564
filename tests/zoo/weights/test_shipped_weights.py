"""The weights in the package, on a board that the physics imaged: what they gain, and what more steps cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import xsim
import xsim.phantoms
import xsim.recipes
import xsim_zoo
from xsim.degradation.link import GreyLink
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.errors import InputError, XsimWarning
from xsim.measure.similarity import psnr_dB, ssim
from xsim_zoo.weights.card import shipped

if TYPE_CHECKING:
    from xsim.imaging.pair import Pair

pytestmark = pytest.mark.skipif("physics-sde" not in shipped(), reason="no weights of physics-sde are shipped")


@pytest.fixture(scope="module")
def pair() -> Pair:
    """A board that no training saw: training seeds are drawn per sample, and never this one alone."""
    phantom = xsim.phantoms.random_board(seed=987_654_321, shape=(512, 512))
    return xsim.simulate_pair(phantom, xsim.recipes.paper(), seed=5)


def test_restored_beats_wiener_beats_lr(pair: Pair) -> None:
    sde = xsim_zoo.load("physics-sde", device="cpu").restore_array(pair.lr, pitch_mm=pair.pitch_mm)
    wiener = xsim_zoo.load("wiener", device="cpu").restore_array(pair.lr)
    assert psnr_dB(sde, pair.hr) > psnr_dB(wiener, pair.hr) + 1.0
    assert psnr_dB(wiener, pair.hr) > psnr_dB(pair.lr, pair.hr) + 3.0
    assert ssim(sde, pair.hr) > ssim(pair.lr, pair.hr) + 0.02


def test_three_steps_taken_together_gain_on_one_step_and_on_steps_taken_one_by_one() -> None:
    """In the mean over some boards; on single ones they may be level."""
    boards = [xsim.phantoms.random_board(seed=987_100 + n, shape=(384, 384)) for n in range(6)]
    pairs = [xsim.simulate_pair(board, xsim.recipes.paper(), seed=n) for n, board in enumerate(boards)]

    def found(weights: str, steps: int) -> float:
        restorer = xsim_zoo.load("physics-sde", weights, device="cpu")
        return float(np.mean([psnr_dB(restorer.restore_array(pair.lr, steps=steps), pair.hr) for pair in pairs]))

    together = found("physics-sde", 3)
    assert together > found("physics-sde-one-step", 1) + 0.1
    assert together > found("physics-sde-samples", 3) + 0.2


def test_weights_say_for_how_many_steps_they_are(pair: Pair) -> None:
    together, free = (
        xsim_zoo.load("physics-sde", weights, device="cpu") for weights in ("physics-sde", "physics-sde-samples")
    )
    small = pair.lr[:96, :96]
    assert any("trained to take 3 steps together" in note for note in together.restore(small, steps=5).notes)
    assert not any("trained to take" in note for note in free.restore(small, steps=5).notes)


def test_without_the_link_the_same_weights_lose_decibels(pair: Pair) -> None:
    restorer = xsim_zoo.load("physics-sde", device="cpu")
    unlinked = replace(restorer.physics.degradation, link=GreyLink.identity())
    other = restorer.with_physics(replace(restorer.physics, degradation=unlinked))
    with pytest.warns(XsimWarning, match="no grey-level link"):
        answer = other.restore_array(pair.lr)
    assert psnr_dB(answer, pair.hr) < psnr_dB(restorer.restore_array(pair.lr), pair.hr) - 3.0


@pytest.mark.skipif("universal" not in shipped(), reason="no weights of many detectors are shipped")
def test_weights_of_many_detectors_ask_which_and_take_any(pair: Pair) -> None:
    restorer = xsim_zoo.load("physics-sde", "universal", device="cpu")
    with pytest.raises(InputError, match="--detectors"):
        restorer.restore_array(pair.lr)
    paper = replace(restorer.physics, degradation=xsim.recipes.paper().degradation())
    told = restorer.with_physics(paper)
    assert told.many_detectors
    assert psnr_dB(told.restore_array(pair.lr), pair.hr) > psnr_dB(pair.lr, pair.hr) + 10.0
    # What the card of the paper's weights says of its detectors is all that there is to say.
    by_card = restorer.with_physics(
        replace(restorer.physics, degradation=xsim_zoo.load("physics-sde", device="cpu").physics.degradation)
    )
    difference = by_card.restore_array(pair.lr) - told.restore_array(pair.lr)
    assert abs(difference).max() < 1e-4


def test_behind_a_thicker_hr_screen_the_filter_follows_and_the_network_of_one_pair_does_not() -> None:
    """The same scenes are softer: Wiener gains from a softer prior, a network that learned with another one loses."""
    setup = replace(xsim.recipes.paper(), hr=Detector(Screen(60.0), Sensor()))
    boards = [xsim.phantoms.random_board(seed=987_000 + n, shape=(256, 256)) for n in range(1, 5)]
    pairs = [xsim.simulate_pair(board, setup, seed=n) for n, board in enumerate(boards)]

    def gained(name: str, *, many_detectors: bool) -> float:
        """Return what following gains [dB]; a network that is said to have met many follows."""
        found = []
        for fixed in (False, True):
            restorer = xsim_zoo.load(name, device="cpu")
            restorer.many_detectors = many_detectors
            spectrum = restorer.physics.spectrum.fixed() if fixed else restorer.physics.spectrum
            told = restorer.with_physics(replace(restorer.physics, degradation=setup.degradation(), spectrum=spectrum))
            found.append(np.mean([psnr_dB(told.restore_array(pair.lr), pair.hr) for pair in pairs]))
        return float(found[0] - found[1])

    assert gained("wiener", many_detectors=False) > 0.2
    assert gained("physics-sde", many_detectors=True) < -0.2
    assert gained("physics-sde", many_detectors=False) == 0.0
