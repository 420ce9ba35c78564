"""The forward process: laws of the Ornstein-Uhlenbeck bridge, limits, grids and precision."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zoo.conftest import operator_of
from xsim.degradation.link import GreyLink
from xsim.grids import half_plane_weights
from xsim_zoo.process.conditions import CONDITIONS, DETECTOR_CONDITIONS, LINK_CONDITIONS
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.process import Process, fft, ifft, plane_mean

if TYPE_CHECKING:
    from xsim_zoo.process.physics import Physics

SHAPES = [(64, 64), (63, 50), (48, 97)]
times = st.floats(0.01, 1.0)


def process_of(theta: list[float], dtype: torch.dtype = torch.float64) -> Process:
    """Return a process with these theta, one a bin, on a grid one pixel high; Sigma_1 = 2."""
    row = torch.tensor(theta, dtype=dtype).reshape(1, 1, 1, -1)
    return Process(row, torch.full_like(row, 2.0), (1, 2 * (len(theta) - 1)))


THETA = [0.0, 1e-9, 1e-4, 0.3, 2.0, 9.2, -0.2]


@given(times, times, times)
@settings(max_examples=40, derandomize=True, deadline=None)
def test_chapman_kolmogorov(a: float, b: float, c: float) -> None:
    process = process_of(THETA)
    r, s, t = sorted((a / 3, (a + b) / 3, (a + b + c) / 3))
    # r -> t in one step equals r -> s -> t: gains multiply, variances add.
    B_st, B_rs = process.B(t - s), process.B(s - r)
    torch.testing.assert_close(B_st * B_rs, process.B(t - r), rtol=1e-12, atol=0)
    torch.testing.assert_close(process.r(t - s) + B_st**2 * process.r(s - r), process.r(t - r), rtol=1e-9, atol=1e-12)


@given(times, times)
@settings(max_examples=40, derandomize=True, deadline=None)
def test_posterior_is_bayes(a: float, b: float) -> None:
    """Multiply the Gaussians q(x_s | x_0) and q(x_t | x_s) by hand."""
    process = process_of(THETA)
    s, t = sorted((a, b))
    if t - s < 1e-3:
        return
    X_0, X_t = torch.full_like(process.theta, 0.7), torch.full_like(process.theta, -0.4)
    prior_mean, prior_variance = process.B(s) * X_0, process.Sigma(s)
    gain, noise = process.B(t - s), process.Sigma_1 * process.r(t - s)
    precision = 1 / prior_variance + gain**2 / noise
    mean, variance = process.posterior(X_0, X_t, s, t)
    torch.testing.assert_close(variance, 1 / precision, rtol=1e-7, atol=1e-14)
    expected = (prior_mean / prior_variance + gain * X_t / noise) / precision
    torch.testing.assert_close(mean, expected, rtol=1e-7, atol=1e-12)


@given(times, times, st.floats(0, 1))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_every_eta_keeps_the_marginals(a: float, b: float, eta: float) -> None:
    process = process_of(THETA)
    s, t = sorted((a * 0.999, b))
    if t - s < 1e-4:
        return
    gain, k, std = process.ddim(s, t, eta)
    torch.testing.assert_close(gain + k * process.B(t), process.B(s), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(k**2 * process.Sigma(t) + std**2, process.Sigma(s), rtol=1e-9, atol=1e-12)


def test_eta_one_is_the_posterior() -> None:
    process = process_of(THETA)
    X_0, X_t = torch.full_like(process.theta, 0.7), torch.full_like(process.theta, -0.4)
    gain, k, std = process.ddim(0.2, 0.7, 1.0)
    mean, variance = process.posterior(X_0, X_t, 0.2, 0.7)
    torch.testing.assert_close(gain * X_0 + k * X_t, mean, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(std**2, variance, rtol=1e-10, atol=1e-14)


def test_limit_at_dc_is_brownian() -> None:
    process = process_of([0.0, 0.0])
    assert process.r(0.3).flatten().tolist() == pytest.approx([0.3, 0.3])
    for eta, k in ((0.0, math.sqrt(0.2 / 0.5)), (1.0, 0.2 / 0.5)):
        assert process.ddim(0.2, 0.5, eta)[1].flatten()[0].item() == pytest.approx(k)


def test_limit_of_no_transfer_keeps_the_noise() -> None:
    process = process_of([200.0, 200.0])
    assert process.ddim(0.2, 0.5, 0.0)[1].flatten()[0].item() == pytest.approx(1.0)
    assert process.ddim(0.2, 0.5, 1.0)[1].flatten()[0].item() == pytest.approx(0.0, abs=1e-12)


def test_it_is_the_papers_process_where_q_is_finite() -> None:
    process = process_of([0.3, 2.0, 5.0])
    q = process.Sigma_1 / (1 - process.B(1.0) ** 2)
    torch.testing.assert_close(process.Sigma(0.4), q * (1 - process.B(0.4) ** 2), rtol=1e-12, atol=0)


def test_crossing_mtfs_keep_a_positive_variance() -> None:
    process = process_of([-0.2, -1.0])
    r = [process.r(t / 10).min().item() for t in range(11)]
    assert r == sorted(r)
    assert r[0] == 0
    assert r[-1] == 1


def test_float32_is_accurate_where_one_minus_B_squared_cancels() -> None:
    theta = torch.logspace(-9, 1, 200, dtype=torch.float64).reshape(1, 1, 1, -1)
    exact = Process(theta, torch.ones_like(theta), (1, 398))
    single = Process(theta.float(), torch.ones_like(theta).float(), (1, 398))
    for t in (1e-3, 0.1, 0.9):
        torch.testing.assert_close(single.r(t).double(), exact.r(t), rtol=1e-6, atol=0)
    naive = (1 - torch.exp(-theta.float() * 0.1) ** 2) / (1 - torch.exp(-theta.float()) ** 2)
    assert not torch.allclose(naive.double(), exact.r(0.1), rtol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_variance_of_every_bin(shape: tuple[int, int], physics: Physics) -> None:
    """On odd sizes too, and on the DC and Nyquist columns, which complex half-plane noise gets wrong by half."""
    process = operator_of(physics, shape, dtype=torch.float64).process
    generator = torch.Generator().manual_seed(1)
    Z = fft(torch.randn((3000, 1, *shape), generator=generator, dtype=torch.float32).double())
    X = process.marginal(torch.zeros_like(Z[:1]), 1.0, Z)
    ratio = X.abs().square().mean(dim=0, keepdim=True) / process.Sigma_1
    # Real bins have chi2 statistics of one degree of freedom: sqrt(2 / 3000) each.
    assert ratio.mean().item() == pytest.approx(1.0, abs=0.002)
    assert (ratio - 1).abs().max().item() < 6 * math.sqrt(2 / 3000)
    assert ratio[..., 0].mean().item() == pytest.approx(1.0, abs=0.02)
    pixel_variance = ifft(X, shape).square().mean().item()
    assert pixel_variance == pytest.approx(plane_mean(process.Sigma_1, shape).item(), rel=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_transform_round_trip_and_parseval(shape: tuple[int, int]) -> None:
    images = torch.randn((2, 1, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spectra = fft(images)
    torch.testing.assert_close(ifft(spectra, shape), images)
    torch.testing.assert_close(plane_mean(spectra.abs().square(), shape), images.square().mean((-2, -1), keepdim=True))
    assert half_plane_weights(shape).sum() * shape[0] == shape[0] * shape[1]


def test_sigma_maps_scale_with_pitch(physics: Physics) -> None:
    own = operator_of(physics, (64, 64)).process
    finer = operator_of(physics, (128, 128), pitch_mm=physics.pitch_mm / 2).process
    # The same area in finer pixels has the same bins near DC, each with four times the variance.
    torch.testing.assert_close(finer.Sigma_1[..., :20, :20], 4 * own.Sigma_1[..., :20, :20])
    torch.testing.assert_close(finer.theta[..., :20, :20], own.theta[..., :20, :20])


def test_stacked_degradations_act_on_their_own_samples(physics: Physics) -> None:
    one = operator_of(physics, (64, 64))
    process = Process(one.process.theta * 2, one.process.Sigma_1 * 3, (64, 64))
    both = Operator.stack([one, Operator(process, one.S, one.detectors)])
    t = torch.tensor([0.3, 0.8])
    torch.testing.assert_close(both.process.Sigma(t)[:1], one.process.Sigma(0.3))
    torch.testing.assert_close(both.process.B(t)[1:], process.B(0.8))
    W, c = both.wiener(t)
    torch.testing.assert_close(W[:1], one.wiener(0.3)[0])
    assert c.shape == (2, 1, 1, 1)
    assert both.conditions(t, c).shape == (2, CONDITIONS + LINK_CONDITIONS + DETECTOR_CONDITIONS)


def test_conditions_tell_where_each_link_bends(physics: Physics) -> None:
    bent = operator_of(physics, (64, 64))
    straight = operator_of(
        replace(physics, degradation=replace(physics.degradation, link=GreyLink.identity())), (64, 64)
    )
    both = Operator.stack([bent, straight])
    told = both.conditions(1.0, both.wiener(1.0)[1])[:, : CONDITIONS + LINK_CONDITIONS]
    greys = np.array([0.25, 0.5, 0.75])
    leaves = torch.as_tensor(np.asarray(physics.degradation.link.forward(greys)) - greys).float()
    torch.testing.assert_close(told[0, CONDITIONS:], leaves / 0.02)
    assert not told[1, CONDITIONS:].any()
    # The first three are the same with a link and without.
    torch.testing.assert_close(told[1, :CONDITIONS], told[0, :CONDITIONS])


def test_wiener_gain_is_the_gaussian_posterior_mean(physics: Physics) -> None:
    operator = operator_of(physics, (50, 63), dtype=torch.float64)
    W, c = operator.wiener(0.6)
    # Least squares by hand on simulated Gaussian images: regress X_0 on X_t, bin by bin.
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn((2, 4000, 1, 50, 63), generator=generator, dtype=torch.float32).double()
    X_0 = operator.S.sqrt() * fft(noise[0])
    X_t = operator.process.marginal(X_0, 0.6, fft(noise[1]))
    regression = (X_0 * X_t.conj()).real.sum(0) / X_t.abs().square().sum(0)
    inner = (slice(None), slice(None), slice(1, 31))
    torch.testing.assert_close(regression[inner], W[0][inner], rtol=0, atol=0.08)
    error = plane_mean((W * X_t - X_0).abs().square().mean(0, keepdim=True), operator.shape).sqrt()
    assert error.item() == pytest.approx(c.item(), rel=0.02)
    assert np.isfinite(W.numpy()).all()


def test_where_a_model_has_no_noise_the_least_of_the_others_is_taken() -> None:
    process = process_of([0.0, 0.3, 2.0])
    assert process.with_noise_everywhere() is process
    silent = replace(process, Sigma_1=torch.tensor([0.0, 4.0, 3.0]).reshape(1, 1, 1, -1))
    assert silent.with_noise_everywhere().Sigma_1.flatten().tolist() == [3.0, 4.0, 3.0]
    none = replace(process, Sigma_1=torch.zeros_like(process.theta)).with_noise_everywhere()
    assert (none.Sigma_1 > 0).all()


def test_conditions_of_a_process_without_noise_are_finite(physics: Physics) -> None:
    operator = operator_of(physics, (64, 64)).at_noise_level(0.0)
    assert operator.conditions(1.0, operator.wiener(1.0)[1]).isfinite().all()
