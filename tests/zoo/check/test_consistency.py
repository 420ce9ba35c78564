"""The check against the measurement: it accuses what contradicts it and leaves alone what does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim.degradation.link import GreyLink
from xsim_zoo.check.consistency import check, refitted
from xsim_zoo.check.verdict import Consistency, Suspect, merged
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.restorers.classical import Wiener
from xsim_zoo.run.restore import restore
from xsim_zoo.weights.loading import build

SHAPE = (192, 200)


@pytest.fixture(scope="module")
def restorer():
    return Wiener(Physics(closed_form(), power_law()))


@pytest.fixture(scope="module")
def scenes(restorer):
    sharp = [gaussian_filter(board(seed, SHAPE), 0.7) for seed in range(20)]
    return [(image, degrade(image, restorer.physics, seed)) for seed, image in enumerate(sharp)]


def visibility(x, changed, y, restorer):
    """Return the signal to noise ratio at which an ideal observer sees the change in the measurement.

    The observer whitens the stationary part of the noise and matches the change, u; noise of local power v then has
    the variance sum v u^2.
    """
    grid = PaddedGrid.around(y.shape)
    process = restorer.operator(grid.padded).process
    before, after = (
        fft(restorer.link_on(grid.padded).forward(grid.pad(torch.as_tensor(image)))) for image in (x, changed)
    )
    u = ifft((after - before) * process.B(1.0)[0, 0] / process.Sigma_1[0, 0].sqrt(), grid.padded).square()
    level = restorer.physics.degradation.noise_level(y[..., None, None]).astype(np.float32)
    return float(u.sum() / (u * grid.pad(torch.as_tensor(level))).sum().sqrt())


def test_untouched_images_are_consistent(scenes, restorer):
    for _, y in scenes:
        found = check(y, restorer.restore_array(y), restorer)
        assert found.consistent, found.verdict
        assert max(found.chi2) < 1.1


@pytest.mark.parametrize("kind", ["painted", "removed"])
def test_false_and_missing_features_are_found_where_they_are(scenes, restorer, kind):
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    judged = 0
    for sharp, y in scenes:
        restored = restorer.restore_array(y)
        y0, x0 = rng.integers(45, 145, 2)
        radius = rng.integers(3, 8)
        disc = (rows - y0) ** 2 + (columns - x0) ** 2 <= radius**2
        changed = restored.copy()
        measured = y
        if kind == "painted":
            changed[disc] *= rng.choice([0.8, 1.2])
        else:
            there = sharp.copy()
            there[disc] *= 0.8
            measured = degrade(there, restorer.physics, 77)
            changed = restorer.restore_array(measured)
            changed[gaussian_filter(disc.astype(float), 2) > 0.02] = np.median(restored[disc])
        if visibility(restorer.restore_array(measured), changed, measured, restorer) < 20:
            continue
        judged += 1
        found = check(measured, changed, restorer)
        assert not found.consistent
        assert min(np.hypot(s.y - y0, s.x - x0) for s in found.suspects) < 20
        assert f"y {max(found.suspects, key=lambda s: s.chi2).y}" in found.verdict
    assert judged >= 12


def test_the_truth_has_chi2_of_one(scenes, restorer):
    chi2 = np.mean([check(y, sharp, restorer).chi2 for sharp, y in scenes[:8]], axis=0)
    # The closed-form scenes have stationary noise, which the check scales with the grey level.
    grey = np.mean([y.mean() for _, y in scenes[:8]])
    np.testing.assert_allclose(chi2 * grey, 1.0, atol=0.2)
    np.testing.assert_allclose(chi2[1:] * grey, 1.0, atol=0.05)


@pytest.mark.parametrize("factor", [0.1, 0.3, 1.0, 3.0, 9.0])
def test_the_noise_of_a_measurement_is_told_from_its_structure(scenes, restorer, factor):
    for sharp, _ in scenes[:3]:
        y = degrade(sharp, Physics(closed_form(noise=factor), power_law()), 3)
        found = check(y, sharp, restorer)
        # The closed-form scenes have stationary noise, that of their mean grey; the check expects that of each block.
        grey = np.clip(y, 0.02, 1.0)
        assert found.noise_factor * np.median(grey) / grey.mean() == pytest.approx(factor, rel=0.15)


def test_a_restorer_that_takes_noise_for_structure_does_not_hide_it(scenes, restorer):
    sharp, _ = scenes[0]
    y = degrade(sharp, Physics(closed_form(noise=30.0), power_law()), 3)
    found = check(y, restorer.restore_array(y), restorer)
    assert not found.consistent
    assert found.verdict.startswith("not consistent over the image: noise is 3")
    assert "--detectors" in found.verdict
    assert found.severity > 30
    assert not found.remarks


def test_less_noise_is_a_remark_and_no_fault(scenes, restorer):
    sharp, _ = scenes[0]
    y = degrade(sharp, Physics(closed_form(noise=0.25), power_law()), 3)
    result = restore(restorer, y)
    assert result.consistency.consistent
    assert "is that of several frames" in result.consistency.verdict
    assert [note for note in result.notes if "noise is 0.2" in note]


def test_noise_is_not_judged_where_it_cannot_be_told(restorer):
    small = degrade(gaussian_filter(board(1, (30, 400)), 0.7), restorer.physics, 1)
    dark = degrade(np.full(SHAPE, 0.02, np.float32), restorer.physics, 1)
    for y in (small[:, :100], dark):
        assert check(y, restorer.restore_array(y), restorer).noise_factor is None


def outcome(chi2, share, noise):
    band, empty = (2.0, 4.0), np.zeros((4, 4), np.float32)
    return Consistency((band,), (chi2,), (Suspect(band, 40, 50, chi2, share),), 0.0, 0.0, empty, noise)


def test_what_speaks_against_the_whole_image_is_said_of_the_whole_image():
    assert "over the image at 2-4 (90%) lp/mm" in outcome(30.0, 0.9, 1.1).verdict
    # Noise of 1.8 does not explain thirtyfold residuals, but those of the same size.
    assert "over the image at 2-4 (90%) lp/mm" in outcome(30.0, 0.9, 1.8).verdict
    assert outcome(30.0, 0.9, 1.8).verdict.endswith("noise is 1.8 times what its detector lets expect")
    assert outcome(30.0, 0.1, 1.8).verdict.startswith("not consistent at y 40, x 50")
    assert "over the image: noise is 40 times" in outcome(30.0, 0.9, 40.0).verdict


def test_a_wrong_link_is_refitted_and_told_apart(scenes):
    sharp, y = scenes[1]
    right = check(y, sharp, Wiener(Physics(closed_form(), power_law())))
    wrong = check(y, sharp, Wiener(Physics(closed_form(GreyLink.identity()), power_law())))
    assert wrong.grey_residual > 5 * right.grey_residual
    assert wrong.chi2[0] < 3 * max(right.chi2[0], 1)


def test_refit_recovers_a_curve():
    rng = np.random.default_rng(0)
    h = torch.as_tensor(gaussian_filter(rng.random((64, 66)), 2), dtype=torch.float32)
    h = (h - h.min()) / (h.max() - h.min())
    bent = torch.where(h < 0.5, 0.6 * h, 0.3 + 1.4 * (h - 0.5))
    places = np.linspace(0, 1, 7)
    found = refitted(h, places, fft(bent).flatten(), lambda step: fft(step).flatten(), torch.ones(64 * 34))
    assert float((found - bent).abs().max()) < 1e-3


def test_numbers_of_the_report(scenes, restorer):
    found = check(scenes[2][1], restorer.restore_array(scenes[2][1]), restorer)
    report = found.to_dict()
    assert report["verdict"] == "consistent with the measurement"
    assert len(report["band_lp_mm"]) == len(report["chi2"]) == 5
    assert found.map.shape == (24, 25)
    assert 0 <= report["power_beyond"] < 0.2


def test_parts_of_a_large_image_are_judged_like_the_whole(restorer):
    y = degrade(gaussian_filter(board(8, (400, 400)), 0.7), restorer.physics, 8)
    changed = restorer.restore_array(y).copy()
    changed[200:208, 296:304] *= 0.8
    parts = []
    for start in (0, 96):
        cuts = ((False, False), (start > 0, start == 0))
        columns = np.s_[:, start : start + 304]
        parts.append(((0, start), check(y[columns], changed[columns], restorer, cuts=cuts)))
    whole, joined = check(y, changed, restorer), merged(parts, (400, 400))
    assert joined.map.shape == whole.map.shape == (50, 50)
    (one, *_), (other, *_) = joined.places, whole.places
    assert np.hypot(one.y - other.y, one.x - other.x) < 12
    assert one.chi2 == pytest.approx(other.chi2, rel=0.4)
    assert len(joined.places) <= len(whole.places) + 2
    np.testing.assert_allclose(joined.chi2[2:], whole.chi2[2:], rtol=0.2)
    assert joined.noise_factor == pytest.approx(whole.noise_factor, rel=0.05)


def test_a_noise_model_that_is_zero_somewhere_is_checked_too(scenes, restorer):
    """The literal q has no noise at f = 0, where the residual would be weighted without bound."""
    literal = build("physics-sde-paper", restorer.physics, size="tiny", coupling="independent")
    assert literal.operator((64, 64)).process.Sigma_1.min() == 0
    y = scenes[0][1]
    found = check(y, restorer.restore_array(y), literal)
    assert np.isfinite([*found.chi2, found.grey_residual, found.power_beyond]).all()
