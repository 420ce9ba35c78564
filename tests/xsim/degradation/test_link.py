"""The grey-level link: a monotone curve and its inverse, from physics and from pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.degradation.degradation import Degradation
from xsim.degradation.link import BOARD_MATERIALS, GreyLink
from xsim.detector.detector import Detector, DetectorResponse, Screen
from xsim.errors import InputError, UnknownNameError
from xsim.materials import linear_attenuation_per_mm
from xsim.spectrum import preset_spectrum

PAPER = preset_spectrum("paper")


def response(thickness: float) -> DetectorResponse:
    return Detector(Screen(thickness)).response(PAPER, 42.56)


@pytest.fixture(scope="module")
def physics() -> GreyLink:
    return GreyLink.from_physics(response(33.91), response(134.55))


def test_physics_agrees_with_a_link_fitted_to_simulated_pairs(physics: GreyLink) -> None:
    # Fitted through the blur to 200 random boards, in an earlier study of its own.
    greys, fitted = [0.15, 0.25, 0.35, 0.5, 0.65, 0.8], [0.174, 0.297, 0.415, 0.569, 0.711, 0.841]
    np.testing.assert_allclose(physics.forward(np.array(greys)), fitted, atol=0.02)
    assert physics.residual < 0.02
    assert physics.forward(1.0) == pytest.approx(1.0)


def test_the_residual_names_the_materials(physics: GreyLink) -> None:
    deviation = dict(physics.residual_by_material)
    assert set(deviation) == set(BOARD_MATERIALS)
    # Above tin's K edge solder stops what copper lets through: the thick screen gains less behind it.
    assert deviation["Cu"] > 0 > deviation["SAC305"]


def test_one_material_alone_is_met_exactly() -> None:
    hr, lr = response(33.91), response(134.55)
    copper = GreyLink.from_physics(hr, lr, ["Cu"], thickest_substrate_mm=0.0, knots=33)
    attenuation = linear_attenuation_per_mm("Cu", PAPER.energy_keV)
    for thickness in (0.01, 0.05, 0.2, 0.5):
        passed = PAPER.fluence_per_mm2_uGy * np.exp(-attenuation * thickness)
        greys = [passed @ item.energy_response(PAPER.energy_keV)[0] for item in (hr, lr)]
        assert copper.forward(greys[0]) == pytest.approx(greys[1], abs=2e-3)
    assert copper.residual < 1e-3


def test_equal_detectors_have_the_identity() -> None:
    same = GreyLink.from_physics(response(33.91), response(33.91))
    x = np.linspace(0.01, 1.0, 100)
    np.testing.assert_allclose(same.forward(x), x, atol=1e-4)
    assert GreyLink.identity().is_identity
    np.testing.assert_array_equal(GreyLink.identity().forward(x), x)
    assert GreyLink.identity().slope(1.0) == pytest.approx(1.0)


def test_forward_and_inverse_undo_each_other_everywhere(physics: GreyLink) -> None:
    x = np.linspace(-0.2, 1.5, 3001)
    y = physics.forward(x)
    assert (np.diff(y) > 0).all()
    np.testing.assert_allclose(physics.inverse(y), x, atol=1e-12)
    image = x.astype(np.float32)[:3000].reshape(-1, 3)
    assert physics.forward(image).dtype == np.float32
    assert physics.forward(image).shape == image.shape
    np.testing.assert_allclose(physics.inverse(physics.forward(image)), image, atol=1e-6)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    steps=st.lists(st.tuples(st.floats(1e-3, 1.0), st.floats(1e-3, 1.0)), min_size=1, max_size=12),
    start=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
)
def test_any_rising_knots_make_an_invertible_curve(
    steps: list[tuple[float, float]], start: tuple[float, float]
) -> None:
    hr, lr = (np.cumsum([first, *(step[side] for step in steps)]) for side, first in enumerate(start))
    link = GreyLink(tuple(hr.tolist()), tuple(lr.tolist()))
    np.testing.assert_allclose(link.forward(hr), lr, atol=1e-9)
    x = np.linspace(hr[0] - 1, hr[-1] + 1, 200)
    assert (np.diff(link.forward(x)) > 0).all()
    np.testing.assert_allclose(link.inverse(link.forward(x)), x, atol=1e-6)


@pytest.mark.parametrize(
    ("hr", "lr", "message"),
    [
        ((0.0, 1.0), (0.0, 0.5, 1.0), "as many of each"),
        ((0.0,), (0.0,), "two or more"),
        ((0.0, 0.5, 0.5), (0.0, 0.5, 1.0), "do not rise"),
        ((0.0, 0.5, 1.0), (0.0, 0.6, 0.5), "do not rise"),
        ((0.0, float("nan")), (0.0, 1.0), "not finite"),
    ],
)
def test_unusable_knots_are_refused(hr: tuple[float, ...], lr: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GreyLink(hr, lr)


def test_it_survives_json(physics: GreyLink) -> None:
    assert GreyLink.from_dict(json.loads(json.dumps(physics.to_dict()))) == physics
    with pytest.raises(InputError, match="'lr_grey' is missing"):
        GreyLink.from_dict({"hr_grey": [0.0, 1.0]})
    with pytest.raises(InputError, match="lists of numbers"):
        GreyLink.from_dict({"hr_grey": 3, "lr_grey": [0.0, 1.0]})


def blocks(rng: np.random.Generator, size: int = 192) -> np.ndarray:
    """Return an image of random flat blocks, all greys."""
    return np.kron(rng.uniform(0.03, 1.0, (size // 12, size // 12)), np.ones((12, 12)))


def test_pairs_give_the_link_back_through_the_blur() -> None:
    rng = np.random.default_rng(3)
    between = Degradation.between(response(33.91), response(134.55))
    pairs = []
    for _ in range(4):
        hr = blocks(rng)
        blurred = np.fft.irfft2(np.fft.rfft2(between.link.forward(hr)) * between.B_1_map(hr.shape), s=hr.shape)
        pairs.append((hr, blurred + 0.005 * rng.standard_normal(hr.shape)))
    fitted = GreyLink.from_pairs(pairs, between.B_1_map)
    x = np.linspace(0.05, 1.0, 50)
    np.testing.assert_allclose(fitted.forward(x), between.link.forward(x), atol=2e-3)
    assert fitted.residual == pytest.approx(0.005, rel=0.05)
    assert fitted.source == "pairs"


def test_greys_that_no_pair_holds_stay_invertible() -> None:
    rng = np.random.default_rng(4)
    between = Degradation.between(response(33.91), response(134.55))
    hr = 0.5 + 0.4 * blocks(rng)
    blurred = np.fft.irfft2(np.fft.rfft2(between.link.forward(hr)) * between.B_1_map(hr.shape), s=hr.shape)
    fitted = GreyLink.from_pairs([(hr, blurred + 0.005 * rng.standard_normal(hr.shape))], between.B_1_map)
    x = np.linspace(0.55, 0.88, 20)
    np.testing.assert_allclose(fitted.forward(x), between.link.forward(x), atol=5e-3)
    dark = np.linspace(0.01, 0.45, 20)
    slopes = np.diff(fitted.forward(dark)) / np.diff(dark)
    assert (slopes > 0.2).all()
    assert (slopes < 5.0).all()
    # Black stays black: without a prior the curve would start anywhere.
    assert fitted.forward(0.0) == pytest.approx(0.0, abs=0.02)


def test_ignoring_the_blur_would_not() -> None:
    rng = np.random.default_rng(3)
    between = Degradation.between(response(33.91), response(134.55))
    hr = blocks(rng)
    blurred = np.fft.irfft2(np.fft.rfft2(between.link.forward(hr)) * between.B_1_map(hr.shape), s=hr.shape)
    sharp = GreyLink.from_pairs([(hr, blurred)], lambda shape: np.ones((shape[0], shape[1] // 2 + 1)))
    assert abs(sharp.forward(0.9) - between.link.forward(0.9)) > 0.02


def test_unusable_fits_are_refused() -> None:
    between = Degradation.between(response(33.91), response(134.55), link=GreyLink.identity())
    with pytest.raises(InputError, match="no pixels to fit"):
        GreyLink.from_pairs([], between.B_1_map)
    with pytest.raises(InputError, match="two equal"):
        GreyLink.from_pairs([(np.ones((64, 64)), np.ones((64, 32)))], between.B_1_map)
    with pytest.raises(InputError, match="1 or more"):
        GreyLink.from_physics(response(33.91), response(134.55), [])
    with pytest.raises(UnknownNameError, match="Unobtanium"):
        GreyLink.from_physics(response(33.91), response(134.55), ["Cu", "Unobtanium"])
