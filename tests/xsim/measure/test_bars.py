"""Coltman's series against closed forms, bar groups of known MTF, and a chart that has to be found."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import InputError
from xsim.measure.bar_chart import bar_ctf, find_plate
from xsim.measure.bars import coltman_mtf, ctf_from_groups, fit_bar_group, square_wave_ctf

MTFS = {
    "exponential": lambda f: np.exp(-f / 1.5),
    "gaussian": lambda f: np.exp(-((f / 2) ** 2)),
    "lorentzian": lambda f: 1 / (1 + (f / 1.2) ** 2),
    "triangle": lambda f: np.maximum(0, 1 - f / 4),
}


@pytest.mark.parametrize("name", MTFS)
def test_coltman_round_trip(name):
    mtf = MTFS[name]
    f = np.linspace(0.05, 6, 300)
    back = coltman_mtf(f, lambda g: square_wave_ctf(g, mtf))
    assert np.abs(back - mtf(f)).max() < 0.005


def test_square_waves_read_higher_by_up_to_27_percent():
    mtf = MTFS["triangle"]
    f = np.linspace(4 / 3, 3.9, 50)  # above a third of the cut-off only the first term is left
    assert np.allclose(square_wave_ctf(f, mtf), 4 / np.pi * mtf(f))
    assert square_wave_ctf(np.array([1e-3]), mtf)[0] == pytest.approx(1, abs=0.02)


def test_negative_control_a_wrong_sign_is_seen():
    """The published series has no term in 9 and + in 15; a naive inverse has neither."""
    mtf = MTFS["exponential"]
    f = np.array([0.05])
    naive = np.pi / 4 * sum((-1) ** ((k - 1) // 2) * square_wave_ctf(k * f, mtf) / k for k in range(1, 401, 2))
    assert abs(naive - mtf(f))[0] > 0.05
    ctf = {1: 1.0, 3: 2.0, 5: 4.0, 7: 8.0, 9: 1e6, 11: 16.0, 13: 32.0, 15: 64.0}
    found = coltman_mtf(np.array([1.0]), lambda g: np.array([ctf.get(round(float(g[0])), 0.0)]))
    expected = 1 + 2 / 3 - 4 / 5 + 8 / 7 + 16 / 11 - 32 / 13 - 64 / 15
    assert found[0] == pytest.approx(np.pi / 4 * expected)


def bars(blur, edges: list[float], s: np.ndarray) -> np.ndarray:
    """Return openings (1) between pairs of edges at s, blurred."""
    return sum((1 - 2 * (i % 2)) * blur.esf(s - at) for i, at in enumerate(edges))


def draw_group(blur, period: float, count: int, shape: tuple[int, int], slope: float, start: float) -> np.ndarray:
    """Return a group of horizontal bars through 3 x 3 points of every square pixel."""
    y, x = np.indices(shape, dtype=float)
    image = np.zeros(shape)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    edges = [start + half * period / 2 for half in range(2 * count)]
    for dy, wy in zip(nodes / 2, weights / 2, strict=True):
        for dx, wx in zip(nodes / 2, weights / 2, strict=True):
            s = (y + dy - slope * (x + dx - shape[1] / 2)) / np.hypot(1, slope)
            image += wx * wy * bars(blur, edges, s)
    return image


@pytest.mark.parametrize("period", [9.3, 6.1, 4.0, 2.9, 2.6])
@pytest.mark.parametrize("slope", [0.015, 0.05])
def test_group_of_known_mtf(blur, period, slope):
    kernel = blur(0.6)
    image = 100 + 50 * draw_group(kernel, period, 5, (int(6 * period) + 8, 40), slope, period / 2 + 3)
    group = fit_bar_group(image, 1.0, (0, 0, 40, image.shape[0]))
    f = 1 / period
    truth = float(kernel.mtf(np.array([f]))[0] * np.sinc(f))
    assert group.bars == 5
    assert group.frequency_lp_mm == pytest.approx(f, rel=0.01)
    assert np.pi / 2 * group.fundamental / 50 == pytest.approx(truth, abs=0.02)
    ctf = square_wave_ctf(np.array([f]), lambda g: kernel.mtf(g) * np.abs(np.sinc(g)))[0]
    assert group.modulation / 50 == pytest.approx(ctf, abs=0.04)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_orientation_and_polarity_do_not_matter(blur, turned, sign):
    image = 100 + 50 * sign * draw_group(blur(0.6), 5.2, 4, (40, 30), 0.02, 6.0)
    image = image.T if turned else image
    group = fit_bar_group(image, 0.1, (0, 0, image.shape[1], image.shape[0]))
    assert (group.bars, group.vertical) == (4, turned)
    assert group.frequency_lp_mm == pytest.approx(10 / 5.2, rel=0.01)


def test_noise_is_in_the_standard_error(blur):
    clean = draw_group(blur(0.6), 4.4, 5, (40, 30), 0.02, 8.0)
    rng = np.random.default_rng(1)
    groups = [
        fit_bar_group(
            clean + rng.normal(0, 0.05, clean.shape), 1.0, (0, 0, 30, 40), frequency_lp_mm=1 / 4.4, slope=0.02
        )
        for _ in range(40)
    ]
    scatter = np.std([2 * group.fundamental for group in groups])
    assert np.mean([group.standard_error for group in groups]) == pytest.approx(scatter, rel=0.4)


@pytest.fixture(scope="module")
def chart(blur) -> np.ndarray:
    """A bright plate with six groups of four openings and one wide opening, on a dark background."""
    image = np.zeros((200, 220))
    image[30:170, 30:190] = 1.0
    row = 40
    for index, period in enumerate((9.0, 7.0, 5.5, 4.2, 3.2, 2.6)):
        height, column = int(5 * period) + 4, 45 if index % 2 == 0 else 100
        image[row : row + height, column : column + 40] -= draw_group(
            blur(0.7), period, 4, (height, 40), 0.02, period / 2 + 2
        )
        row += height + 4 if index % 2 else 0
    image[60:85, 150:175] = 0.0
    return 1000 - 600 * image + np.random.default_rng(2).normal(0, 2, image.shape)


def test_chart_is_found_and_read(blur, chart):
    found = bar_ctf(chart, 0.1)
    assert found.contrast == pytest.approx(600, rel=0.01)
    assert found.frequency_lp_mm == pytest.approx(10 / np.array([9.0, 7.0, 5.5, 4.2, 3.2, 2.6]), rel=0.02)
    truth = blur(0.7).mtf(found.frequency_lp_mm / 10) * np.sinc(found.frequency_lp_mm / 10)
    assert np.abs(found.mtf_fundamental - truth).max() < 0.03
    assert np.abs(found.mtf - truth).max() < 0.05
    assert all(group.bars == 4 for group in found.groups)


def test_chart_turned_or_inverted_reads_the_same(chart):
    base = bar_ctf(chart, 0.1)
    for other in (chart.T, 2000 - chart, chart[::-1]):
        assert np.allclose(bar_ctf(other, 0.1).ctf, base.ctf, atol=0.02)


def test_given_regions_and_contrast(chart):
    found = bar_ctf(chart, 0.1)
    rois = [group.roi for group in found.groups]
    given = bar_ctf(chart, 0.1, rois=rois, contrast=600)
    assert np.allclose(given.mtf_fundamental, found.mtf_fundamental, atol=0.02)
    relative = bar_ctf(chart, 0.1, rois=rois)
    assert relative.ctf[0] == 1.0
    assert "no level of wide bars" in relative.warnings[0]


def test_plate_levels(chart):
    plate = find_plate(chart)
    assert plate.level == pytest.approx(400, abs=3)
    assert plate.background == pytest.approx(1000, abs=3)


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (np.ones((64, 64)), "no plate"),
        (np.random.default_rng(3).normal(size=(64, 64)), "no plate|no group"),
        (np.pad(np.ones((40, 40)), 20), "no plate"),
    ],
)
def test_refuses_pictures_without_bars(image, cause):
    with pytest.raises(InputError, match=cause):
        bar_ctf(image, 0.1)


def test_refuses_regions_without_bars(chart):
    with pytest.raises(InputError, match="flat"):
        fit_bar_group(np.ones((32, 32)), 0.1, (0, 0, 32, 32))
    with pytest.raises(InputError, match="bars found"):
        fit_bar_group(chart, 0.1, (2, 2, 25, 25))
    with pytest.raises(InputError, match="bars found"):
        fit_bar_group(chart, 0.1, (140, 50, 30, 50))  # one wide opening
    with pytest.raises(InputError, match="no bar groups"):
        ctf_from_groups([], 0.1)
    with pytest.raises(InputError, match="not positive"):
        bar_ctf(chart, 0.1, contrast=-1.0)
