"""NNPS against known spectra, Parseval's law, and the flats that it must refuse or report."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import InputError, PhysicsRangeError
from xsim.measure.noise import flatten, mend_outliers, nnps

PITCH = 0.05
PER_MM2 = 1e5  # quanta


def white(rng: np.random.Generator, shape: tuple[int, int] = (512, 512)) -> np.ndarray:
    return 1 + rng.normal(0, 1 / np.sqrt(PER_MM2 * PITCH**2), shape)


def coloured(rng: np.random.Generator, spectrum: np.ndarray, size: int, keep: int) -> np.ndarray:
    """Return 1 + 1 % of noise of this spectrum, cut from a larger periodic field so that nothing wraps."""
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * np.sqrt(spectrum), s=(size, size))
    return 1 + 0.01 * noise[:keep, :keep]


def seen_through_regions(spectrum: np.ndarray, size: int, side: int) -> np.ndarray:
    """Return the expected periodogram of regions: the autocovariance times the triangle of the region (Fejer)."""
    lag = np.fft.irfft2(spectrum, s=(size, size))
    distance = np.minimum(np.arange(size), size - np.arange(size))
    triangle = np.maximum(0, 1 - distance / side)
    lag *= np.outer(triangle, triangle)
    folded = sum(np.roll(lag, (dy, dx), (0, 1))[:side, :side] for dy in (0, side) for dx in (0, side))
    return np.fft.rfft2(folded).real


def ring_means(values: np.ndarray) -> np.ndarray:
    """Average a half-plane map over rings without the axes, by a loop that shares nothing with the library."""
    side = values.shape[0]
    sums: dict[int, list[float]] = {}
    for iv in range(side):
        for iu in range(1, side // 2 + 1):
            v = min(iv, side - iv)
            if v == 0:
                continue
            ring = int(np.floor(np.hypot(v, iu) + 0.5))
            sums.setdefault(ring, []).extend([values[iv, iu]] * (1 if iu == side // 2 else 2))
    return np.array([np.mean(sums[ring]) for ring in range(1, side // 2 + 1)])


def check(found, truth) -> None:
    z = (found.nnps_mm2 - truth) / found.standard_error_mm2
    assert np.mean(found.nnps_mm2 / truth) == pytest.approx(1, abs=0.01)
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.2  # neither too proud nor too shy
    assert np.abs(z[4:]).max() < 3.5  # 124 rings: 3 would be passed by chance in one of four measurements


@pytest.mark.parametrize("mode", ["single", "difference"])
def test_white_poisson_noise_is_one_over_the_fluence(mode):
    rng = np.random.default_rng(1)
    found = nnps([white(rng) for _ in range(12)], PITCH, mode=mode)
    check(found, np.full(found.nnps_mm2.shape, 1 / PER_MM2))
    assert found.frequency_lp_mm[-1] == pytest.approx(10.0)
    assert np.nanmean(found.x_mm2) == pytest.approx(1 / PER_MM2, rel=0.03)
    assert np.nanmean(found.axis_y_mm2) == pytest.approx(1 / PER_MM2, rel=0.1)


def test_coloured_noise_within_its_standard_error():
    rng = np.random.default_rng(2)
    size, keep = 1024, 768
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    spectrum = np.exp(-((f / 0.15) ** 2)) + 0.05
    found = nnps([coloured(rng, spectrum, size, keep) for _ in range(8)], PITCH)
    truth = ring_means(seen_through_regions(spectrum, size, 256)) * 1e-4 * PITCH**2
    check(found, truth)


def test_parseval():
    frame = np.random.default_rng(3).normal(100, 3, (256, 256))
    found = nnps([frame], PITCH)
    assert found.relative_variance == pytest.approx(flatten(frame / frame.mean()).var(), rel=1e-9)


def test_grey_scale_drops_out():
    rng = np.random.default_rng(4)
    frames = [white(rng) for _ in range(2)]
    assert np.allclose(nnps([7000 * f for f in frames], PITCH).nnps_mm2, nnps(frames, PITCH).nnps_mm2)


def test_difference_removes_the_fixed_pattern():
    rng = np.random.default_rng(5)
    pattern = 1 + rng.normal(0, 0.05, (512, 512))
    frames = [pattern * white(rng) for _ in range(6)]
    assert nnps(frames, PITCH).nnps_mm2.mean() > 1.4 / PER_MM2
    assert nnps(frames, PITCH, mode="difference").nnps_mm2.mean() == pytest.approx(1 / PER_MM2, rel=0.02)


def test_difference_of_two_is_the_classical_one():
    rng = np.random.default_rng(6)
    a, b = white(rng, (256, 256)), white(rng, (256, 256))
    classical = nnps([(a / a.mean() - b / b.mean()) / np.sqrt(2) + 1], PITCH)
    assert np.allclose(nnps([a, b], PITCH, mode="difference").nnps_mm2, classical.nnps_mm2, rtol=1e-6)


def test_slow_variation_is_taken_away():
    rng = np.random.default_rng(7)
    y, x = np.indices((512, 512)) / 512
    flat = white(rng)
    tilted = flat * (1 + 0.2 * x - 0.1 * y + 0.1 * x * y - 0.15 * x**2)
    # The factor also scales the noise, by a mean square that is known.
    scale = np.mean((1 + 0.2 * x - 0.1 * y + 0.1 * x * y - 0.15 * x**2) ** 2) / tilted.mean() ** 2
    assert np.allclose(nnps([tilted], PITCH).nnps_mm2 / scale, nnps([flat], PITCH).nnps_mm2, rtol=0.15)


def test_flatten_is_the_least_squares_fit():
    image = np.random.default_rng(8).normal(size=(31, 47))
    y, x = np.indices(image.shape)
    design = np.stack([np.ones(image.size), *(g.ravel() for g in (x, y, x * y, x**2, y**2))], axis=1)
    fit = design @ np.linalg.lstsq(design, image.ravel(), rcond=None)[0]
    assert np.allclose(flatten(image), image - fit.reshape(image.shape), atol=1e-9)


def test_dead_column_is_on_the_axis_and_named():
    rng = np.random.default_rng(9)
    frame = white(rng)
    frame[:, 100] = 0.0
    found = nnps([frame], PITCH)
    assert any("columns apart" in text and "x=100" in text for text in found.warnings)
    assert found.axis_x_mm2.mean() > 10 * found.nnps_mm2.mean()
    assert found.nnps_mm2.mean() == pytest.approx(1 / PER_MM2, rel=0.05)


def test_dead_pixels_are_mended_and_counted():
    rng = np.random.default_rng(10)
    frame = white(rng)
    frame[::101, ::97] = 0.0
    found = nnps([frame], PITCH)
    assert any("36 outlying pixels" in text for text in found.warnings)
    assert found.nnps_mm2.mean() == pytest.approx(1 / PER_MM2, rel=0.05)
    frame[::7, ::7] = 0.0
    with pytest.raises(InputError, match="correct bad pixels"):
        mend_outliers(frame)


def test_anisotropic_noise_is_said_to_be():
    rng = np.random.default_rng(11)
    frames = [white(rng) for _ in range(4)]
    blurred = [(f + np.roll(f, 1, axis=1)) / 2 for f in frames]
    found = nnps(blurred, PITCH)
    assert any("not isotropic" in text for text in found.warnings)
    assert np.nanmean(found.y_mm2) > 1.5 * np.nanmean(found.x_mm2)
    assert not any("isotropic" in text for text in nnps(frames, PITCH).warnings)


def test_few_pixels_are_said_to_be_few():
    rng = np.random.default_rng(12)
    few = nnps([white(rng)], PITCH)
    assert any("4 that IEC" in text for text in few.warnings)
    assert any("one frame" in text for text in few.warnings)
    enough = nnps([white(rng) for _ in range(17)], PITCH, mode="difference")
    assert enough.warnings == ()


def test_small_images_use_small_regions():
    found = nnps([white(np.random.default_rng(13), (100, 131))], PITCH)
    assert found.map_mm2.shape == (100, 51)


SMALL = np.random.default_rng(0).normal(1, 0.01, (128, 128))
BAD = {
    "none": ([], "no flat frames"),
    "unlike": ([np.ones((64, 64)) + np.eye(64) * 0.01, np.ones((64, 65))], "one size"),
    "constant": ([np.ones((64, 64))], "constant"),
    "negative": ([np.random.default_rng(0).normal(-1, 0.1, (64, 64))], "offset corrected"),
    "NaN": ([np.full((64, 64), np.nan)], "NaN"),
    "saturated": ([np.minimum(np.random.default_rng(0).normal(1, 0.1, (64, 64)), 1)], "saturated"),
    "an edge": (
        [np.where(np.arange(128) > 60, 1.0, 0.5) + np.random.default_rng(0).normal(0, 0.01, (128, 128))],
        "not flat",
    ),
    "tiny": ([np.ones((32, 32))], "too small"),
    "colour": ([np.ones((64, 64, 3))], "one grey image"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_by_name(name):
    frames, cause = BAD[name]
    with pytest.raises(InputError, match=cause):
        nnps(frames, PITCH)


def test_refuses_bad_options():
    flat = white(np.random.default_rng(14), (64, 64))
    with pytest.raises(InputError, match="at least two"):
        nnps([flat], PITCH, mode="difference")
    with pytest.raises(InputError, match="mode 'both'"):
        nnps([flat], PITCH, mode="both")
    with pytest.raises(PhysicsRangeError, match="pitch"):
        nnps([flat], float("nan"))
