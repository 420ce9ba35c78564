"""Slanted-edge MTF against closed forms, its honesty about noise, and the pictures that it must refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from xsim.errors import InputError, PhysicsRangeError
from xsim.measure import edge_spread as spread_module
from xsim.measure.edge import average_edges, edge_mtf
from xsim.measure.edge_geometry import EdgeLine, find_line, fit_line

BLURS = [(0.3, 0.0), (0.6, 0.0), (2.0, 0.0), (0.6, 0.1), (1.0, 0.3)]
# The picture, and the cause that must be named.
CAUSES = {
    "flat": "flat",
    "zero": "flat",
    "noise": "no edge",
    "along the columns": "less than one pixel",
    "45 degrees": "45.0 deg",
    "a bar": "two edges",
    "a narrow bar": "two edges",
    "two steps": "two edges",
    "a small second step": "two edges",
    "a corner": "not one straight edge",
    "a kink": "not one straight edge",
    "a disc": "edge",
    "a blob": "not one straight edge",
    "saturated": "saturated",
    "half saturated": "saturated",
    "a hot pixel": "x=30 y=30",
    "a dead column": "dead pixel rows or columns",
    "a dead row": "bad pixel",
    "a ramp": "no plateaus",
    "stripes": "edge",
    "an edge at the rim": "plateaus",
    "NaN": "256 pixels are NaN",
    "three axes": "give one grey image",
    "tiny": "too small",
}
ANGLES = [1.5, 2.0, 3.0, np.degrees(np.arctan(1 / 20)), np.degrees(np.arctan(1 / 12)), 5.0]


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("sigma", "tail"), BLURS)
def test_matches_the_closed_form_to_nyquist(slanted_edge, blur, sigma, tail, angle):
    edge = slanted_edge(blur(sigma, tail), angle, shape=(320, 384))
    found = edge_mtf(edge.draw(), 1.0)
    assert found.frequency_lp_mm[-1] == 0.5
    assert np.abs(found.mtf - edge.mtf(found.frequency_lp_mm)).max() < 0.005
    assert abs(found.angle_deg - angle) < 0.002


def test_aperture_is_in_the_mtf(slanted_edge, blur):
    edge = slanted_edge(blur(0.3))
    found = edge_mtf(edge.draw(), 1.0)
    without = edge.blur.mtf(found.frequency_lp_mm)
    assert (without - found.mtf)[-1] > 0.2  # 36 % of the blur's own MTF at Nyquist


@pytest.mark.parametrize("angle", [1.5, 2.9, 5.0])
@pytest.mark.parametrize(("sigma", "tail"), [(0.6, 0.0), (2.0, 0.0), (1.0, 0.3)])
def test_within_twice_its_stated_noise_floor(slanted_edge, blur, sigma, tail, angle):
    edge = slanted_edge(blur(sigma, tail), angle, shape=(512, 512))
    clean = edge.draw(nodes=3)
    rng = np.random.default_rng(2)
    noisy = clean + rng.normal(0, 0.008, clean.shape)  # step/noise 100
    found = edge_mtf(noisy, 1.0)
    assert found.noise_floor < 0.012
    assert np.abs(found.mtf - edge.mtf(found.frequency_lp_mm)).max() < 2 * found.noise_floor


@pytest.mark.parametrize("colour_px", [0.0, 1.0])
def test_stated_noise_is_the_scatter_of_repeats(slanted_edge, blur, colour_px):
    """Also for correlated noise, which a formula from the pixel variance would get wrong."""
    clean = slanted_edge(blur(1.0), 2.5, shape=(192, 192)).draw(nodes=2)
    rng = np.random.default_rng(3)
    curves, stated = [], []
    for _ in range(24):
        noise = rng.normal(size=clean.shape)
        noise = ndimage.gaussian_filter(noise, colour_px, mode="wrap") if colour_px else noise
        found = edge_mtf(clean + 0.01 * noise / noise.std(), 1.0, smooth_tails=False)
        curves.append(found.mtf)
        stated.append(found.noise)
    # |MTF| feels one of the two components of the complex noise.
    scatter = np.std(curves, axis=0) * np.sqrt(2)
    band = slice(10, 60)  # below, the normalisation dominates; above, the modulus of noise alone
    ratio = np.sqrt(np.mean(np.square(stated), axis=0))[band] / scatter[band]
    assert 0.8 < np.median(ratio) < 1.25


def test_negative_control_dropping_the_corrections(slanted_edge, blur, monkeypatch):
    edge = slanted_edge(blur(0.6), 3.0)
    image = edge.draw()
    good = edge_mtf(image, 1.0)
    error = np.abs(good.mtf - edge.mtf(good.frequency_lp_mm)).max()
    monkeypatch.setattr(spread_module.np, "sinc", np.ones_like)
    bad = edge_mtf(image, 1.0).mtf
    monkeypatch.undo()
    assert np.abs(bad - edge.mtf(good.frequency_lp_mm)).max() > max(0.008, 5 * error)


def test_negative_control_wrong_angle(slanted_edge, blur, monkeypatch):
    edge = slanted_edge(blur(0.6), 3.0)
    image = edge.draw()
    upright, line = find_line(image)
    line = fit_line(upright, line)
    wrong = line.shifted(0.0, np.tan(np.radians(3.3)) - np.tan(np.radians(3.0)))
    f = np.linspace(0, 0.5, 51)

    def error(at: EdgeLine) -> float:
        found = spread_module.edge_spread(upright, at, oversampling=4, half_width_px=30, roi=(0, 0, 256, 256))
        return float(np.abs(found.transfer(f)[0] - edge.mtf(f)).max())

    assert error(line) < 0.003
    with pytest.raises(InputError, match="left over"):
        error(wrong)
    monkeypatch.setattr(spread_module, "check_edge", lambda *_, **__: ())
    assert error(wrong) > 0.05


@pytest.mark.parametrize(("half_width", "least"), [(10, 0.05), (20, 0.03), (40, 0.01)])
def test_negative_control_short_windows_lose_the_tails(slanted_edge, blur, half_width, least):
    edge = slanted_edge(blur(0.6, 0.1), 3.0, shape=(128, 384))
    image = edge.draw(nodes=3)
    cut = edge_mtf(image, 1.0, half_width_mm=half_width)
    whole = edge_mtf(image, 1.0)
    assert np.abs(cut.mtf - edge.mtf(cut.frequency_lp_mm)).max() > least
    assert np.abs(whole.mtf - edge.mtf(whole.frequency_lp_mm)).max() < 0.003


def test_tail_smoothing_lowers_the_floor_and_stays_true(slanted_edge, blur):
    edge = slanted_edge(blur(1.0, 0.2), 2.5, shape=(384, 384))
    noisy = edge.draw(nodes=3) + np.random.default_rng(4).normal(0, 0.016, (384, 384))
    smooth, plain = edge_mtf(noisy, 1.0), edge_mtf(noisy, 1.0, smooth_tails=False)
    assert smooth.noise_floor < 0.5 * plain.noise_floor
    truth = edge.mtf(smooth.frequency_lp_mm)
    assert np.abs(smooth.mtf - truth).max() < np.abs(plain.mtf - truth).max()


def test_ringing_survives_tail_smoothing(slanted_edge, blur):
    """What a restorer rings far from the edge is signal, and smoothing must leave it."""
    edge = slanted_edge(blur(1.0), 3.0)
    y, x = np.indices((256, 256)) - 127.5
    s = (x - 0.3) * np.cos(np.radians(3)) - y * np.sin(np.radians(3))
    ringing = 0.02 * np.sin(2 * np.pi * 0.2 * s) * np.exp(-np.abs(s) / 20)
    noise = np.random.default_rng(5).normal(0, 0.002, s.shape)
    smooth = edge_mtf(edge.draw() + ringing + noise, 1.0)
    plain = edge_mtf(edge.draw() + ringing + noise, 1.0, smooth_tails=False)
    assert np.abs(smooth.mtf - plain.mtf).max() < 0.02
    peak = np.abs(smooth.frequency_lp_mm - 0.2) < 0.01
    assert np.abs(smooth.mtf - edge.mtf(smooth.frequency_lp_mm))[peak].max() > 0.2


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("sign", [1, -1])
def test_orientation_and_polarity_do_not_matter(slanted_edge, blur, turn, sign):
    edge = slanted_edge(blur(1.0), 2.5, shape=(200, 240))
    image = np.rot90(edge.draw(), turn)[:, ::sign]
    found = edge_mtf(image, 1.0)
    assert found.angle_deg == pytest.approx(2.5, abs=0.01)
    assert np.abs(found.mtf - edge.mtf(found.frequency_lp_mm)).max() < 0.005
    assert found.edges[0].line.transposed == (turn % 2 == 1)


@settings(derandomize=True, deadline=None, max_examples=10)
@given(gain=st.floats(1e-3, 1e5), offset=st.floats(0, 1e4), pitch=st.floats(0.01, 0.5))
def test_gain_offset_and_pitch_only_scale(slanted_edge, blur, gain, offset, pitch):
    image = slanted_edge(blur(1.0), 4.0, shape=(96, 96)).draw(nodes=2)
    base, scaled = edge_mtf(image, 1.0), edge_mtf(gain * (image + offset), pitch)
    assert np.allclose(scaled.mtf, base.mtf, atol=1e-6)
    assert np.allclose(scaled.frequency_lp_mm * pitch, base.frequency_lp_mm)


def test_overshoot_of_a_sharpened_edge(slanted_edge, blur):
    image = slanted_edge(blur(1.5)).draw()
    sharpened = 2 * image - ndimage.gaussian_filter(image, 3, mode="nearest")
    rng = np.random.default_rng(6)
    found = edge_mtf(sharpened + rng.normal(0, 0.004, image.shape), 1.0)
    # The same from the noise-free profile across one row.
    excess = (sharpened.max() - 1.0) / 0.8
    assert found.overshoot == pytest.approx(excess, abs=0.02)
    assert found.undershoot == pytest.approx(excess, abs=0.02)
    assert found.mtf.max() > 1.1
    assert edge_mtf(image + rng.normal(0, 0.004, image.shape), 1.0).overshoot == 0.0


def test_average_lowers_the_noise(slanted_edge, blur):
    edge = slanted_edge(blur(1.0))
    rng = np.random.default_rng(7)
    each = [edge_mtf(edge.draw(nodes=2) + rng.normal(0, 0.01, (256, 256)), 1.0) for _ in range(4)]
    mean = average_edges(each)
    assert mean.noise_floor == pytest.approx(np.mean([one.noise_floor for one in each]) / 2, rel=0.2)
    assert len(mean.edges) == 4
    with pytest.raises(InputError, match="no edges"):
        average_edges([])
    with pytest.raises(InputError, match="unlike"):
        average_edges([each[0], edge_mtf(edge.draw(nodes=2), 0.5)])


def test_frequency_at_a_level(slanted_edge, blur):
    edge = slanted_edge(blur(1.0))
    found = edge_mtf(edge.draw(), 0.05)
    assert edge.mtf(np.array([found.frequency_at(0.5) * 0.05]))[0] == pytest.approx(0.5, abs=0.005)
    assert np.isnan(found.frequency_at(1e-9))
    assert found.at([2.0])[0] == pytest.approx(float(edge.mtf(np.array([0.1]))[0]), abs=0.002)
    assert np.isnan(found.at(11.0))


@pytest.fixture(scope="module")
def pictures(slanted_edge, blur) -> dict[str, np.ndarray]:
    """Pictures that are not one slanted edge."""
    shape = (256, 256)
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 0.01, shape)
    y, x = np.indices(shape)

    def edge(angle: float, offset: float = 0.3) -> np.ndarray:
        return slanted_edge(blur(1.0), angle, offset=offset).draw(nodes=2)

    return {
        "flat": np.ones(shape),
        "zero": np.zeros(shape),
        "noise": 1 + noise,
        "along the columns": edge(0.0) + noise,
        "45 degrees": edge(45.0) + noise,
        "a bar": edge(3, -30) - edge(3, 30) + 1 + noise,
        "a narrow bar": edge(3, -5) - edge(3, 5) + 1 + noise,
        "two steps": edge(3, -30) + 0.12 * edge(3, 40) + noise,
        "a small second step": edge(3, -30) + 0.05 * edge(3, 40) + noise,
        "a corner": np.minimum(edge(3), edge(3).T) + noise,
        "a kink": np.maximum(edge(3), edge(-8)) + noise,
        "a disc": ndimage.gaussian_filter((np.hypot(y - 128, x - 128) < 60) * 1.0, 1) + noise,
        "a blob": edge(3) + 0.3 * np.exp(-((x - 200) ** 2 + (y - 50) ** 2) / 50) + noise,
        "saturated": np.clip(edge(3) + noise, 0, 0.9),
        "half saturated": np.clip(edge(3) + noise, 0, 1.0),
        "a hot pixel": edge(3) + noise + 50.0 * ((x == 30) & (y == 30)),
        "a dead column": np.where(x == 40, 0, edge(3) + noise),
        "a dead row": np.where(y == 40, 0, edge(3) + noise),
        "a ramp": (x + 0.05 * y) / 300,
        "stripes": (x // 16 % 2) + noise,
        "an edge at the rim": edge(3, 118) + noise,
        "NaN": np.where(x == 5, np.nan, edge(3)),
        "three axes": np.ones((3, 64, 64)),
        "tiny": np.ones((10, 10)),
    }


@pytest.mark.parametrize("name", CAUSES)
def test_refuses_by_name(pictures, name):
    with pytest.raises(InputError, match=CAUSES[name]):
        edge_mtf(pictures[name], 0.05)


def test_full_scale_names_saturation(slanted_edge, blur):
    image = np.round(65535 * np.clip(slanted_edge(blur(1.0)).draw() * 1.1, 0, 1)).astype(np.uint16)
    with pytest.raises(InputError, match="saturated"):
        edge_mtf(image, 0.05, full_scale=65535)
    # Without the format's limit a noise-free plateau is no saturated one, but the cut shows in the profile's shape.
    with pytest.raises(InputError, match="uneven"):
        edge_mtf(image // 2, 0.05, full_scale=65535)
    edge_mtf(image // 2, 0.05, full_scale=65535, any_shape=True)


def test_caveats(slanted_edge, blur):
    image = slanted_edge(blur(1.0), dark=0.0).draw()
    rng = np.random.default_rng(9)
    cut = edge_mtf(np.maximum(image + rng.normal(0, 0.01, image.shape), 0), 0.05)
    assert any("cut off at 0" in text for text in cut.warnings)
    shaded = edge_mtf(image + np.linspace(0, 0.11, 256), 0.05)
    assert any("shading of 10 %" in text for text in shaded.warnings)
    assert edge_mtf(image, 0.05).warnings == ()


def test_regions_and_options(slanted_edge, blur):
    edge = slanted_edge(blur(1.0))
    image = edge.draw()
    found = edge_mtf(image, 0.05, roi=(60, 20, 140, 200), frequency_lp_mm=[0, 1, 5])
    assert np.abs(found.mtf - edge.mtf(np.array([0, 0.05, 0.25]))).max() < 0.005
    with pytest.raises(InputError, match="leaves the image"):
        edge_mtf(image, 0.05, roi=(0, 0, 300, 20))
    with pytest.raises(InputError, match="out of range"):
        edge_mtf(image, 0.05, frequency_lp_mm=[30.0])
    for pitch in (0.0, -1.0, np.nan, 1e9):
        with pytest.raises(PhysicsRangeError, match="pitch"):
            edge_mtf(image, pitch)


@pytest.mark.parametrize("contrast", [0.05, 0.2, 0.8])
@pytest.mark.parametrize("colour_px", [0.0, 1.5])
def test_noise_is_not_taken_for_structure(slanted_edge, blur, contrast, colour_px):
    """Faint edges in white or correlated noise are measured with an honest floor, not refused for a wrong cause."""
    edge = slanted_edge(blur(1.5), 2.5, dark=1 - contrast)
    clean = edge.draw(nodes=2)
    rng = np.random.default_rng(10)
    for _ in range(6):
        noise = rng.normal(size=clean.shape)
        noise = ndimage.gaussian_filter(noise, colour_px, mode="wrap") if colour_px else noise
        found = edge_mtf(clean + 0.01 * noise / noise.std(), 1.0)
        error = np.abs(found.mtf - edge.mtf(found.frequency_lp_mm)).max()
        assert error < 3 * found.noise_floor
        assert (found.noise_floor > 0.1) == any("noise of" in text for text in found.warnings)
