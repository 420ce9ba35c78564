"""B_1 as an operator of other libraries: adjoint and norm against dense matrices, and what restorers take it for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import xsim_zoo
from xsim.errors import InputError, UnknownNameError
from xsim_zoo.operators.blur import Blur, PriorDenoiser
from xsim_zoo.operators.deepinv_physics import linear_physics, linked_physics
from xsim_zoo.operators.scipy_operator import linear_operator
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.process import fft, ifft

ODD = [(33, 47), (40, 41), (17, 64), (1, 9)]
BOUNDARIES = ["reflect", "periodic"]


def images(shape, count=1, seed=0, dtype=torch.float64):
    return torch.randn((count, 1, *shape), generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture
def deepinv():
    try:
        import deepinv
    except (ImportError, RuntimeError) as error:  # the torchvision that it asks for does not load beside every torch
        pytest.skip(f"deepinv cannot be imported here: {error!r:.80}")
    return deepinv


@pytest.mark.parametrize("shape", ODD)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("whitened", [False, True])
def test_the_adjoint_is_one(shape, boundary, whitened, physics):
    if whitened and boundary == "reflect":
        return
    blur = Blur.between(physics, shape, boundary=boundary, whitened=whitened, dtype=torch.float64)
    x, y = images(shape, 2, 1), images(shape, 2, 2)
    left, right = (blur.A(x) * y).sum(), (x * blur.A_adjoint(y)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-11)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_norm_and_matrix_are_those_of_the_dense_operator(boundary, physics):
    shape = (9, 13)
    operator = linear_operator(physics, shape, boundary=boundary)
    dense = operator @ np.eye(9 * 13)
    np.testing.assert_allclose(operator.T @ np.eye(9 * 13), dense.T, atol=1e-13)
    norm = Blur.between(physics, shape, boundary=boundary, dtype=torch.float64).norm()
    assert norm == pytest.approx(np.linalg.norm(dense, 2), rel=1e-4)


def test_a_reflected_image_is_blurred_as_restorers_take_it(physics):
    shape = (40, 52)
    restorer = xsim_zoo.build("wiener", physics)
    grid = PaddedGrid.around(shape)
    x = images(shape, 1, 3, torch.float32)
    B_1 = restorer.operator(grid.padded).process.B(1.0)
    expected = grid.crop(ifft(B_1 * fft(grid.pad(x)), grid.padded))
    torch.testing.assert_close(Blur.between(physics, shape).A(x), expected)


def test_scipy_solves_with_it(physics):
    from scipy.sparse.linalg import lsqr

    shape = (24, 31)
    operator = linear_operator(physics, shape, boundary="periodic")
    y = images(shape).numpy().ravel()
    damped = lsqr(operator, y, damp=0.5, atol=1e-10, btol=1e-10)[0]
    blur = Blur.between(physics, shape, boundary="periodic", dtype=torch.float64)
    exact = blur.least_squares(torch.zeros(1, 1, *shape, dtype=torch.float64), images(shape), 1 / 0.5**2)
    np.testing.assert_allclose(damped, exact.numpy().ravel(), atol=1e-6)


def test_least_squares_is_where_the_gradient_vanishes(physics):
    shape = (21, 30)
    blur = Blur.between(physics, shape, boundary="periodic", dtype=torch.float64)
    z, y = images(shape, 2, 4), images(shape, 2, 5)
    x = blur.least_squares(z, y, 3.0)
    torch.testing.assert_close(3.0 * blur.A_adjoint(blur.A(x) - y) + x - z, torch.zeros_like(x), atol=1e-11, rtol=0)
    with pytest.raises(InputError, match="no closed form"):
        Blur.between(physics, shape).least_squares(z.float(), y.float(), 1.0)


def test_the_wiener_filter_is_least_squares_of_whitened_data_with_the_prior(physics):
    """Denoising, whitening and blur fit each other: W y = argmin |A_w x - whiten y|^2 + |x|^2 / S."""
    shape = (32, 40)
    blur = Blur.between(physics, shape, boundary="periodic", whitened=True, dtype=torch.float64)
    y = images(shape)
    W, _ = blur.operator.wiener(1.0)
    expected = W * fft(y)
    S, white = blur.operator.S, fft(blur.whiten(y))
    torch.testing.assert_close(blur.gain * white / (blur.gain.square() + 1 / S), expected)
    denoised = PriorDenoiser(blur)(y, 0.1)
    torch.testing.assert_close(fft(denoised), S / (S + 0.01) * fft(y))


def test_noise_has_the_detectors_spectrum(physics):
    blur = Blur.between(physics, (64, 64), boundary="periodic", noise_level=2.0)
    fields = blur.noise(torch.Generator().manual_seed(0), 200)
    power = fft(fields).abs().square().mean(dim=0, keepdim=True)
    expected = 2.0 * xsim_zoo.build("wiener", physics).operator((64, 64)).process.Sigma_1
    # 200 fields: a bin's power is known to 7 %, the mean over all of them to a part in a thousand.
    assert float((power / expected).mean()) == pytest.approx(1.0, abs=0.01)
    white = Blur.between(physics, (64, 64), boundary="periodic", noise_level=2.0, whitened=True).whiten(fields)
    assert float(white.std()) == pytest.approx(1.0, abs=0.01)


def test_what_makes_no_sense_is_refused(physics):
    with pytest.raises(InputError, match="whiten with boundary='periodic'"):
        Blur.between(physics, (16, 16), whitened=True)
    with pytest.raises(UnknownNameError, match="unknown boundary 'mirror'"):
        Blur.between(physics, (16, 16), boundary="mirror")


def test_without_deepinv_it_says_so(physics, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install deepinv"):
        linear_physics(physics, (16, 16))


@pytest.mark.parametrize("shape", ODD[:3])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_deepinvs_own_tests_pass(shape, boundary, physics, deepinv):
    found = linear_physics(physics, shape, boundary=boundary, dtype=torch.float64)
    x = images(shape)
    assert float(found.adjointness_test(x)) < 1e-9
    norm = float(found.compute_norm(x[0], max_iter=500, tol=1e-8, squared=False, verbose=False))
    assert norm == pytest.approx(found.blur.norm(), rel=1e-2)
    z, y = images(shape, 1, 4), images(shape, 1, 5)
    near = found.prox_l2(z, y, 2.0, max_iter=200, tol=1e-12)
    gradient = 2.0 * found.A_adjoint(found.A(near) - y) + near - z
    assert float(gradient.abs().max()) < 1e-4
    assert float((found(x) - found.A(x)).std()) > 0


def test_the_linked_physics_is_differentiable(physics, deepinv, toys):
    found = linked_physics(physics, (40, 48))
    hr = torch.as_tensor(toys.board(3, (40, 48)))[None, None].requires_grad_()
    found.A(hr).sum().backward()
    assert float(hr.grad.abs().min()) > 0
    lr = toys.degrade(hr.detach()[0, 0].numpy(), physics, 0)
    assert float((found.A(hr.detach())[0, 0] - torch.as_tensor(lr)).square().mean().sqrt()) < 0.02
