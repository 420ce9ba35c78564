"""Blur and noise from one foreign radiograph: errors and intervals against closed forms, and refusals by name."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from xsim.errors import InputError
from xsim.measure.blind import joint, measure_blind
from xsim.measure.blind.crowd import Crowd

sys.path.insert(0, str(Path(__file__).parent))
import foreign as made

QUICK = (100, 102, 104, 111)


@pytest.fixture(scope="module")
def wedge() -> made.Foreign:
    return made.foreign(111, 512)


@pytest.mark.parametrize("seed", QUICK)
def test_blur_and_noise_of_a_foreign_detector(seed):
    one = made.foreign(seed, 512)
    found = measure_blind(one.image, one.pitch_mm)
    verdict = made.judge(one, found)
    assert verdict.mtf_error < 0.06
    assert abs(verdict.noise_error) < 0.15
    assert verdict.held[0]
    assert found.mtf[0] == pytest.approx(1.0)
    assert np.all(found.low <= found.mtf + 1e-9)
    assert np.all(found.mtf <= found.high + 1e-9)
    assert found.noise.coloured + found.noise.white == pytest.approx(found.noise.rms**2)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [made.TUNED, made.HELD_OUT], ids=["tuned", "held-out"])
def test_every_foreign_detector(seeds):
    verdicts = []
    for seed in seeds:
        one = made.foreign(seed, 768)
        verdicts.append(made.judge(one, measure_blind(one.image, one.pitch_mm)))
    errors = np.array([verdict.mtf_error for verdict in verdicts])
    noise = np.abs([verdict.noise_error for verdict in verdicts])
    assert np.median(errors) <= 0.05
    assert errors.max() <= 0.12
    assert noise.max() <= 0.15
    assert np.mean([verdict.held for verdict in verdicts], axis=0).min() >= 0.85


def test_lengths_follow_from_the_pitch_alone(wedge):
    plain, known = measure_blind(wedge.image), measure_blind(wedge.image, 0.1)
    assert plain.f50 == known.f50
    assert plain.frequency_lp_mm is None
    assert known.frequency_lp_mm == pytest.approx(known.frequency * 10)
    assert known.flat_mm2 == pytest.approx(known.flat_px * 0.01)
    assert "cycles/px" in plain.summary()
    assert "lp/mm" in known.summary()


def test_several_images_share_one_detector(wedge):
    found = measure_blind([wedge.image, wedge.image.T.copy()])
    assert made.judge(wedge, found).mtf_error < 0.05
    assert set(found.edge_places[:, 0]) == {0, 1}


def test_parts_of_a_large_image(wedge):
    big = np.ones((1400, 1500)) + np.random.default_rng(0).normal(0, 0.004, (1400, 1500))
    big[700:1212, 900:1412] = wedge.image
    found = measure_blind(big)
    assert made.judge(wedge, found).mtf_error < 0.05
    assert found.edge_places[:, 1].min() > 690
    assert found.edge_places[:, 2].min() > 890


def test_clipped_pixels_are_left_out(wedge):
    found = measure_blind(np.minimum(wedge.image, 0.9))
    assert made.judge(wedge, found).mtf_error < 0.06
    assert any("clipped" in text for text in found.remarks)


def test_unlike_blur_along_x_and_y_is_said(wedge):
    moved = ndimage.uniform_filter1d(wedge.image, 5, axis=1)
    assert any("unlike blur" in text for text in measure_blind(moved).remarks)
    assert not any("unlike blur" in text for text in measure_blind(wedge.image).remarks)


@pytest.mark.parametrize("error", [0.15, 0.4])
def test_edges_that_disagree_are_said_and_too_vague_ones_refused(wedge, monkeypatch, error):
    monkeypatch.setattr(joint, "crowd_of", lambda places, _: Crowd(float(np.median(places)), error, 0.2))
    if error > 0.25:
        with pytest.raises(InputError, match=r"too little to go on: \d+ edges.* lp/mm: shoot one tilted plate"):
            measure_blind(wedge.image, 0.1)
        return
    found = measure_blind(wedge.image, 0.1)
    assert any("disagree: f50 is known to a factor of 1.3" in text for text in found.remarks)
    assert found.f50_high / found.f50 == pytest.approx(np.exp(1.96 * np.hypot(error, 0.02)), rel=1e-6)


def page() -> np.ndarray:
    sheet = Image.new("L", (700, 700), 235)
    pen = ImageDraw.Draw(sheet)
    for line in range(20):
        pen.text((30, 30 + 32 * line), "The quick brown fox jumps over it 12" * 2, fill=20, font_size=22)
    noisy = np.asarray(sheet, float) + np.random.default_rng(0).normal(0, 2, (700, 700))
    return ndimage.gaussian_filter(noisy, 0.7) / 235


def test_what_is_no_radiograph_is_named(wedge):
    rng = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(wedge.image, 2.0)
    refused = {
        "one grey level": np.ones((300, 300)),
        "noise alone": 1 + rng.normal(0, 0.02, (300, 300)),
        "page of text": page(),
        "saturated": np.minimum(wedge.image, 0.4),
        "sharpened": wedge.image + 1.5 * (wedge.image - smooth),
        "too small": np.ones((40, 300)),
        "NaN": np.full((300, 300), np.nan),
    }
    for words, image in refused.items():
        with pytest.raises(InputError, match=words) as said:
            measure_blind(image)
        assert "\n" not in str(said.value)
        if words not in ("too small", "NaN"):
            assert "tilted plate" in str(said.value)


def test_nothing_given_is_said():
    with pytest.raises(InputError, match="at least one"):
        measure_blind([])
