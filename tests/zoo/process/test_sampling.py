"""The samplers, against oracles that know the answer: a perfect x_0, and Gaussian images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch

from tests.zoo.conftest import operator_of
from xsim.errors import InputError, PhysicsRangeError
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.process import fft
from xsim_zoo.process.sampling import ddim, time_grid, white_noise

if TYPE_CHECKING:
    from xsim_zoo.process.physics import Physics

SHAPE = (15, 18)
COUNT = 3000
Oracle = Callable[[torch.Tensor, float], torch.Tensor]


@pytest.fixture(scope="module")
def operator(physics: Physics) -> Operator:
    """A small grid with bins from DC to the corner; DC's flat prior would only hide errors."""
    whole = operator_of(physics, SHAPE, dtype=torch.float64)
    S = whole.S.clone()
    S[..., 0, 0] = S[..., 0, 1]
    return Operator(whole.process, S, whole.detectors)


def field(seed: int, count: int = COUNT) -> torch.Tensor:
    """Return spectra of white noise; float32 draws are enough, the algebra is float64."""
    return fft(torch.randn((count, 1, *SHAPE), generator=torch.Generator().manual_seed(seed)).double())


def noise(seed: int = 5) -> Callable[[tuple[int, ...]], torch.Tensor]:
    return white_noise(torch.Generator().manual_seed(seed))


def observed(operator: Operator, seed: int = 0) -> torch.Tensor:
    """Return one y of a Gaussian image, repeated."""
    X_0 = operator.S.sqrt() * field(seed, 1)
    return operator.process.marginal(X_0, 1.0, field(seed + 1, 1)).expand(COUNT, -1, -1, -1)


def posterior(operator: Operator, t: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return gain and variance of p(x_0 | x_t) for Gaussian images."""
    W, _ = operator.wiener(t)
    return W, operator.S * (1 - W * operator.process.B(t))


def sampling_oracle(operator: Operator, seed: int = 9) -> Oracle:
    """Return a denoiser that samples x_0 from p(x_0 | x_t) instead of averaging."""
    draws = iter(range(seed, seed + 10_000))

    def denoise(X_t: torch.Tensor, t: float) -> torch.Tensor:
        W, variance = posterior(operator, t)
        return W * X_t + variance.sqrt() * field(next(draws), len(X_t))

    return denoise


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 50])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_a_perfect_x_0_comes_back_exactly(operator: Operator, steps: int, eta: float) -> None:
    X_0 = field(3, 2)
    Y = operator.process.marginal(X_0, 1.0, field(4, 2))
    restored = ddim(operator.process, lambda _x, _t: X_0, Y, times=time_grid(steps), eta=eta, noise=noise())
    torch.testing.assert_close(restored, X_0, rtol=0, atol=0)


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_states_on_the_way_have_the_right_marginals(operator: Operator, eta: float) -> None:
    """With a perfect x_0 every state is B_t X_0 plus noise of Sigma_t, whatever eta."""
    process = operator.process
    X_0 = field(3, 1)
    seen: list[tuple[float, torch.Tensor]] = []

    def denoise(X_t: torch.Tensor, t: float) -> torch.Tensor:
        seen.append((t, X_t))
        return X_0.expand_as(X_t)

    ddim(process, denoise, process.marginal(X_0, 1.0, field(4)), times=time_grid(4), eta=eta, noise=noise())
    for t, X_t in seen:
        ratio = (X_t - process.B(t) * X_0).abs().square().mean(0, keepdim=True) / process.Sigma(t)
        assert ratio.mean().item() == pytest.approx(1.0, abs=0.02)
        assert (ratio - 1).abs().max().item() < 6 * math.sqrt(2 / COUNT)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_sampling_x_0_reproduces_the_posterior_for_any_number_of_steps(operator: Operator, steps: int) -> None:
    Y = observed(operator)
    X = ddim(operator.process, sampling_oracle(operator), Y, times=time_grid(steps), eta=1.0, noise=noise())
    W, variance = posterior(operator, 1.0)
    spread = (X - W * Y).abs().square().mean(0, keepdim=True) / variance
    assert spread.mean().item() == pytest.approx(1.0, abs=0.01)
    assert (spread - 1).abs().max().item() < 6 * math.sqrt(2 / COUNT)
    offset = (X.mean(0, keepdim=True) - W * Y[:1]).abs() / variance.sqrt()
    assert offset.square().mean().sqrt().item() < 1.5 / math.sqrt(COUNT)


def test_independent_coupling_started_at_y_fails_the_posterior_test(operator: Operator) -> None:
    """The paper's trap: x_t taken for a second look at x_0, and y's own noise is counted twice."""
    process = operator.process
    Y = observed(operator)
    draws = iter(range(40, 100))

    def two_looks(X_t: torch.Tensor, t: float) -> torch.Tensor:
        precision = 1 / operator.S + process.B(t) ** 2 / process.Sigma(t) + process.B(1.0) ** 2 / process.Sigma_1
        mean = (process.B(t) * X_t / process.Sigma(t) + process.B(1.0) * Y / process.Sigma_1) / precision
        return mean + precision.rsqrt() * field(next(draws), COUNT)

    X = ddim(process, two_looks, Y, times=time_grid(10), eta=1.0, noise=noise())
    W, variance = posterior(operator, 1.0)
    spread = (X - W * Y).abs().square().mean(0, keepdim=True) / variance
    # Where y says something beyond the prior, the answers are too alike, or off by more than they spread.
    told = W * process.B(1.0) > 0.3
    assert (spread[told] - 1).abs().mean().item() > 10 * math.sqrt(2 / COUNT)


def test_posterior_samples_have_chi2_of_one(operator: Operator) -> None:
    process = operator.process
    X_0 = operator.S.sqrt() * field(20)
    Y = process.marginal(X_0, 1.0, field(21))
    X = ddim(process, sampling_oracle(operator), Y, times=time_grid(5), eta=1.0, noise=noise())
    chi2 = (Y - process.B(1.0) * X).abs().square().mean(0, keepdim=True) / process.Sigma_1
    assert chi2.mean().item() == pytest.approx(1.0, abs=0.01)
    W, _ = posterior(operator, 1.0)
    point = (Y - process.B(1.0) * W * Y).abs().square().mean(0, keepdim=True) / process.Sigma_1
    expected = process.Sigma_1 / (operator.S * process.B(1.0) ** 2 + process.Sigma_1)
    torch.testing.assert_close(point, expected, rtol=0.2, atol=0)


def plug_in_gain(operator: Operator, times: list[float], walk: Callable[..., torch.Tensor] = ddim) -> torch.Tensor:
    """Return x_0 / y of deterministic sampling with the Gaussian posterior mean as the denoiser."""
    one = torch.ones_like(operator.S).to(torch.complex128)
    return walk(operator.process, lambda X, t: operator.wiener(t)[0] * X, one, times=times).real


def transport_gain(operator: Operator) -> torch.Tensor:
    return (operator.S / (operator.process.B(1.0) ** 2 * operator.S + operator.process.Sigma_1)).sqrt()


def worst(operator: Operator, times: list[float], walk: Callable[..., torch.Tensor] = ddim) -> float:
    gain = transport_gain(operator)
    return ((plug_in_gain(operator, times, walk) - gain) / gain).abs().max().item()


def test_deterministic_sampling_tends_to_optimal_transport(operator: Operator) -> None:
    errors = [worst(operator, time_grid(steps)) for steps in (10, 100, 1000)]
    assert errors[2] < 0.03
    # The error is O(1 / N).
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.35)
    assert errors[0] > errors[1] > errors[2]


def test_the_quadratic_grid_beats_the_linear_one(operator: Operator) -> None:
    for steps in (10, 100):
        linear = [1 - step / steps for step in range(steps + 1)]
        assert worst(operator, time_grid(steps)) < 0.75 * worst(operator, linear)


def test_plug_in_means_lose_variance_as_one_over_n(operator: Operator) -> None:
    """With x_0 predicted as a mean, stochastic sampling spreads too little, less so with more steps."""
    shares = []
    for steps in (5, 20, 100):
        X = ddim(
            operator.process,
            lambda X, t: operator.wiener(t)[0] * X,
            observed(operator)[:500],
            times=time_grid(steps),
            eta=1.0,
            noise=noise(),
        )
        _, variance = posterior(operator, 1.0)
        shares.append((X.var(0, correction=0) / variance[0]).mean().item())
    assert shares[0] < shares[1] < shares[2] < 1.0
    assert (1 - shares[1]) / (1 - shares[2]) > 2.5


def test_float32_sampling_agrees_with_float64(physics: Physics) -> None:
    answers = []
    for dtype in (torch.float32, torch.float64):
        operator = operator_of(physics, (45, 64), dtype=dtype)
        Y = fft(torch.randn((1, 1, 45, 64), generator=torch.Generator().manual_seed(2))).to(
            torch.complex64 if dtype == torch.float32 else torch.complex128
        )
        X = ddim(
            operator.process,
            lambda X, t, o=operator: o.wiener(t)[0] * X,
            Y,
            times=time_grid(50),
            eta=0.5,
            noise=noise(),
        )
        answers.append(X.to(torch.complex128))
    scale = answers[1].abs().max().item()
    torch.testing.assert_close(answers[0], answers[1], rtol=0, atol=2e-5 * scale)


def test_one_generator_gives_one_image(operator: Operator) -> None:
    Y = observed(operator)[:1]
    runs = [
        ddim(operator.process, lambda X, _t: X, Y, times=time_grid(3), eta=1.0, noise=noise(seed)) for seed in (1, 1, 2)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.allclose(runs[0], runs[2])


def test_bad_requests_are_refused(operator: Operator) -> None:
    Y = observed(operator)[:1]
    with pytest.raises(PhysicsRangeError, match="eta 2"):
        ddim(operator.process, lambda X, _t: X, Y, times=time_grid(2), eta=2.0)
    with pytest.raises(InputError, match="noise source"):
        ddim(operator.process, lambda X, _t: X, Y, times=time_grid(2), eta=1.0)
    with pytest.raises(InputError, match="0 sampling steps"):
        time_grid(0)
