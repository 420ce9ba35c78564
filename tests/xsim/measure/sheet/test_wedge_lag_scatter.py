"""Step wedges with an exponential law, lag of a known share, internal scatter of a known tail."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import InputError
from xsim.measure.sheet import image_lag, internal_scatter, read_wedge
from xsim.measure.sheet.scatter import scatter_from_mtf
from xsim.measure.sheet.wedge import wedge_figures

THICKNESS = np.arange(1.0, 8.0)
MU, SIGMA = 0.3, 40.0


def wedge(*, frames: int = 2, seed: int = 0, field: bool = True) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    steps = np.append(0.0, THICKNESS) if field else THICKNESS
    row = np.repeat(40000 * np.exp(-MU * steps), 40)
    return [np.tile(row, (160, 1)) + SIGMA * rng.standard_normal((160, row.size)) for _ in range(frames)]


def test_an_exponential_wedge_in_closed_form():
    """Contrast of a groove of 5 %: 1 - exp(-mu w / 20); the thick end where 40000 exp(-mu w) / sigma is 250."""
    found = read_wedge(wedge(), THICKNESS, full_scale=45000)
    assert found.thickness_mm.tolist() == [0.0, *THICKNESS]
    snr = 40000 * np.exp(-MU * found.thickness_mm) / SIGMA
    assert found.snr == pytest.approx(snr, rel=0.04)
    assert found.cnr[1:] == pytest.approx((snr * -np.expm1(-MU * 0.05 * found.thickness_mm))[1:], rel=0.05)
    assert found.csa_percent == pytest.approx(
        np.min(5 / (snr * -np.expm1(-0.05 * MU * found.thickness_mm))[1:]), rel=0.04
    )
    thin, thick = found.range_mm["1"]
    assert thick == pytest.approx(np.log(40000 / SIGMA / 250) / MU, rel=0.02)
    assert thin == pytest.approx(np.log(40000 / 36000) / MU, rel=0.02)
    assert found.range_mm["2"][1] == pytest.approx(np.log(40000 / SIGMA / 130) / MU, rel=0.02)


def test_one_image_serves_and_says_what_it_cannot_tell():
    found = read_wedge(wedge(frames=1), THICKNESS[::-1])
    assert found.snr[3] == pytest.approx(40000 * np.exp(-3 * MU) / SIGMA, rel=0.04)
    assert found.range_mm["2"][0] is None
    assert any("fixed pattern" in text for text in found.warnings)
    assert any("full-scale" in text for text in found.warnings)


def test_ends_that_the_wedge_does_not_reach_are_not_told():
    level = 1000 * np.exp(-0.01 * THICKNESS)
    bright = wedge_figures(THICKNESS, level, level / 400)
    assert bright.range_mm == {"1": (None, None), "2": (None, None)}
    assert "above 250" in " ".join(bright.warnings)
    assert "below 130" in " ".join(wedge_figures(THICKNESS, level, level / 50).warnings)


@pytest.mark.parametrize(
    ("images", "thickness", "cause"),
    [
        (wedge(), THICKNESS[:5], "8 flat areas and 5"),
        (wedge(), [1.0, 2.0], "three or more"),
        (wedge(), [1.0, 1.0, 2.0], "different"),
        ([wedge()[0], wedge()[0][:100]], THICKNESS, "one size"),
        ([np.random.default_rng(1).normal(1000, 10, (160, 320))], THICKNESS, "steps found"),
        (
            [np.roll(wedge()[0].reshape(160, 8, 40), 3, 1)[:, [0, 5, 2, 7, 4, 1, 6, 3]].reshape(160, 320)],
            THICKNESS,
            "in a row",
        ),
    ],
)
def test_wedge_refuses_by_name(images, thickness, cause):
    with pytest.raises(InputError, match=cause):
        read_wedge(images, thickness)


def decay(share: float, *, offset: float = 0.0, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    signal = [20000.0] * 3 + [20000 * share**k for k in (1, 2, 3)]
    return [offset + value + rng.normal(0, 20, (64, 64)) for value in signal]


def test_lag_of_a_geometric_decay():
    found = image_lag(decay(0.04, offset=500), [np.full((64, 64), 500.0)])
    assert found.percent == pytest.approx((4.0, 0.16, 0.0064), abs=0.02)
    assert found.first_percent == found.percent[0]
    assert found.first.mean() == pytest.approx(800, abs=5)
    assert found.warnings == ()


def test_lag_without_dark_frames_says_what_it_assumes():
    assert "offset corrected" in image_lag(decay(0.04)).warnings[0]
    assert "part of it" in " ".join(image_lag(decay(0.3)).warnings)


@pytest.mark.parametrize(
    ("frames", "cause"),
    [
        (decay(0.04)[:3], "does not fall"),
        (decay(0.04)[::-1], "does not fall"),
        (decay(0.04)[:1], "two or more"),
        ([0.7 * decay(0.04)[0], *decay(0.04)], "not steady"),
        ([*decay(0.04), decay(0.04)[0]], "does not fall"),
    ],
)
def test_lag_refuses_by_name(frames, cause):
    with pytest.raises(InputError, match=cause):
        image_lag(frames)


PITCH, TAIL, LENGTH_MM = 0.1, 0.06, 1.5


def test_internal_scatter_of_a_known_tail(slanted_edge, blur):
    """A share s of a two-sided exponential: s exp(-d / length) of the step lies beyond d, both sides together."""
    edge = slanted_edge(blur(0.8, TAIL, LENGTH_MM / PITCH), shape=(200, 400)).draw()
    truth = 100 * TAIL * np.exp(-1.0 / LENGTH_MM)
    assert internal_scatter(edge, PITCH).percent == pytest.approx(truth, rel=0.03)
    half = internal_scatter(edge, PITCH, distance_mm=2.0).percent
    assert half == pytest.approx(100 * TAIL * np.exp(-2.0 / LENGTH_MM), rel=0.03)


def test_the_models_integral_has_the_same_closed_form():
    found = scatter_from_mtf(lambda f: 1 - TAIL + TAIL / (1 + (2 * np.pi * f * LENGTH_MM) ** 2) - (1 - TAIL) * (f > 50))
    # The sharp part is an ideal edge, but for what a cut at 50 lp/mm rings.
    assert found == pytest.approx(100 * TAIL * np.exp(-1.0 / LENGTH_MM), abs=0.5)
    gaussian = scatter_from_mtf(lambda f: np.exp(-2 * (np.pi * f * 0.5) ** 2))
    assert gaussian == pytest.approx(100 * 0.0455, rel=0.01)  # outside two standard deviations


def test_scatter_needs_room_beside_the_edge(slanted_edge, blur):
    with pytest.raises(InputError, match="reaches 6 mm"):
        internal_scatter(slanted_edge(blur(1.0), shape=(100, 100)).draw(), PITCH, distance_mm=2.0)
