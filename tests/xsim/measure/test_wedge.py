"""Step wedges of known levels, and the link of two images of one wedge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import xsim
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.errors import InputError
from xsim.measure.wedge import link_from_wedge, wedge_levels

LEVELS = np.array([0.12, 0.2, 0.31, 0.45, 0.62, 0.8, 1.0])


def wedge(levels: np.ndarray = LEVELS, *, blur: float = 2.0, noise: float = 0.005, seed: int = 0) -> np.ndarray:
    image = np.full((200, 60 * levels.size), levels[-1])
    image[40:160] = np.repeat(levels, 60)
    return ndimage.gaussian_filter(image, blur) + np.random.default_rng(seed).normal(0, noise, image.shape)


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.02])
@pytest.mark.parametrize("blur", [0.5, 4.0])
def test_levels_are_found(noise, blur):
    assert wedge_levels(wedge(blur=blur, noise=noise)) == pytest.approx(LEVELS, abs=0.004)


def test_link_of_unregistered_images():
    link = link_from_wedge(wedge(blur=1.0), wedge(LEVELS**0.85, blur=5.0, seed=1)[::-1, ::-1])
    grey = np.linspace(0.15, 0.98, 40)
    assert link.source == "wedge"
    assert np.abs(link.forward(grey) - grey**0.85).max() < 0.01


@pytest.mark.parametrize("thickness_mm", [0.25, 1.0])
def test_steps_on_a_thick_screen_are_all_found(thickness_mm):
    setup = xsim.recipes.paper(hr=Detector(Screen(50.0), Sensor()), lr=Detector(Screen(180.0), Sensor()))
    shot = xsim.simulate_pair(
        xsim.phantoms.target("wedge", (1024, 1024), 0.024, thickness_mm=thickness_mm), setup, seed=3
    )
    link = link_from_wedge(shot.hr, shot.lr)
    # Ten steps, the open field, and no signal.
    assert len(link.hr_grey) == 12
    nominal = xsim.degradation.link.GreyLink.from_physics(setup.hr_response, setup.lr_response)
    grey = np.linspace(link.hr_grey[1], 1.0, 30)
    assert np.abs(link.forward(grey) - nominal.forward(grey)).max() < 0.03


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (np.ones((64, 64)), "steps found"),
        (np.random.default_rng(2).normal(1, 0.01, (128, 128)), "1 steps found"),
        (wedge(np.array([0.5, 1.0])), "2 steps found"),
        (np.minimum(wedge(), 0.7), "saturated"),
    ],
)
def test_refuses_by_name(image, cause):
    with pytest.raises(InputError, match=cause):
        wedge_levels(image)


def test_unlike_wedges_are_refused():
    with pytest.raises(InputError, match="7 steps in the HR image of the wedge and 6"):
        link_from_wedge(wedge(), wedge(LEVELS[1:]))
