"""Restorers on batches of tensors: the same answers as on arrays, gradients, samples, and what is refused."""

from __future__ import annotations

from typing import get_type_hints

import numpy as np
import pytest
import torch

import xsim_zoo
from xsim.errors import InputError
from xsim_zoo.operators.blur import Blur
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.restorers.registry import names
from xsim_zoo.restorers.restoration import RunOptions
from xsim_zoo.run.settings import RunSettings

SHAPE = (41, 56)


@pytest.fixture(scope="module")
def y(toys, physics):
    """Return two LR images (2, 1, H, W)."""
    images = [toys.degrade(toys.board(seed, SHAPE), physics, seed) for seed in (1, 2)]
    return torch.as_tensor(np.stack(images))[:, None]


def ready(name, physics):
    """Return a restorer whose network says something."""
    restorer = xsim_zoo.build(name, physics, size="tiny")
    if restorer.learned:
        generator = torch.Generator().manual_seed(3)
        for parameter in restorer.network.parameters():
            parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
        restorer.network.eval()
    return restorer


@pytest.mark.parametrize("name", names())
def test_a_batch_is_its_images(name, physics, y):
    restorer = ready(name, physics)
    steps = min(restorer.default_steps, 3)
    with torch.no_grad():
        together = restorer(y, steps=steps)
    assert together.shape == y.shape
    for image, answer in zip(y, together, strict=True):
        np.testing.assert_allclose(answer[0].numpy(), restorer.restore_array(image[0], steps=steps), atol=2e-5)


def test_an_operator_for_each_image_is_its_own(physics, y, toys):
    restorer = ready("physics-sde", physics)
    grid = PaddedGrid.around(SHAPE)
    other = restorer.with_physics(physics.between(toys.closed_form(width=3.0)))
    both = Operator.stack([restorer.operator(grid.padded), other.operator(grid.padded)])
    with torch.no_grad():
        answers = restorer(y, both)
        np.testing.assert_allclose(answers[0], restorer(y[:1])[0], atol=2e-5)
        np.testing.assert_allclose(answers[1], other(y[1:])[0], atol=2e-5)
        assert not torch.allclose(answers[1], restorer(y[1:])[0], atol=1e-3)


def test_samples_are_a_stack_of_those_that_restoring_averages(physics, y):
    restorer = ready("physics-sde", physics)
    with torch.no_grad():
        stack = restorer(y, steps=2, samples=3, seed=5)
        again = restorer(y[1:], steps=2, samples=3, seed=6)
    assert stack.shape == (3, *y.shape)
    np.testing.assert_allclose(again[:, 0], stack[:, 1], atol=2e-5)  # whatever stands beside it in the batch
    assert (stack[0] - stack[1]).std() > 1e-4
    level = float(restorer.noise_level(y[0, 0]))
    from xsim_zoo.process.sampling import PlacedNoise

    alone = restorer.restore_array(
        y[0, 0], steps=2, eta=1.0, noise=PlacedNoise(5, 2, torch.device("cpu")), noise_level=level
    )
    np.testing.assert_allclose(stack[2, 0, 0], alone, atol=2e-5)
    with pytest.raises(InputError, match="'wiener' was asked for 2 samples: it draws none"):
        ready("wiener", physics)(y, samples=2)
    with pytest.raises(InputError, match="asked for 0 samples: it draws 1 or more"):
        restorer(y, samples=0)


@pytest.mark.parametrize("name", ["wiener", "physics-sde", "richardson-lucy", "unet"])
def test_gradients_are_those_of_differences(name, physics, y):
    restorer = ready(name, physics)
    generator = torch.Generator().manual_seed(1)
    # Smooth directions, of which differences in float32 are exact enough.
    direction = torch.nn.functional.avg_pool2d(torch.randn(y.shape, generator=generator), 9, 1, 4)
    weights = torch.randn(y.shape, generator=generator) / y.numel()

    def value(images):
        return (restorer(images, steps=2, noise_level=0.5) * weights).sum()

    at = y.clone().requires_grad_()
    value(at).backward()
    with torch.no_grad():
        step = 2e-3
        expected = (value(y + step * direction) - value(y - step * direction)).double() / (2 * step)
    assert float((at.grad * direction).sum()) == pytest.approx(float(expected), rel=0.03, abs=2e-5)


def test_gradients_reach_the_network(physics, y):
    restorer = ready("physics-sde", physics)
    restorer(y, steps=2).square().mean().backward()
    assert all(parameter.grad is not None for parameter in restorer.network.parameters())


def test_large_images_have_gradients_too(physics, monkeypatch, y):
    from xsim_zoo.process import link

    monkeypatch.setattr(link, "_PIECE_PX", 1000)
    restorer = ready("wiener", physics)
    at = y.clone().requires_grad_()
    restorer(at).sum().backward()
    assert float(at.grad.abs().min()) > 0


def test_grey_before_the_link_is_undone(physics, y):
    restorer = ready("wiener", physics)
    grid = PaddedGrid.around(SHAPE)
    with torch.no_grad():
        inner = restorer(y, grey="lr")
    assert (inner - restorer(y)).abs().max() > 0.01
    assert restorer.to("cpu") is restorer
    assert restorer.link_on(grid.padded)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda y: y[0, 0], r"\(41, 56\) was given: give \(B, 1, H, W\), here y\[None, None\]"),
        (lambda y: y[:, 0], r"y\[:, None\] if it is \(B, H, W\)"),
        (lambda y: y[0, 0, :, :, None], r"here y\[..., 0\]\[None, None\]"),
        (lambda y: y.movedim(1, -1), r"here y.movedim\(-1, 1\)"),
        (lambda y: y.expand(2, 3, *SHAPE), r"give \(B, 1, H, W\)"),
        (lambda y: y.bfloat16(), r"torch.bfloat16 was given: the filters need float32, give y.float\(\)"),
        (lambda y: y.double(), "torch.float64"),
        (lambda y: (y * 60000).to(torch.uint16), "torch.uint16 was given: divide its codes by that of the open field"),
        (lambda y: y[:0], "holds no pixels"),
        (lambda y: y[..., :0], "holds no pixels"),
        (lambda y: y * float("nan"), "NaN"),
        (lambda y: y.to("meta"), r"is on meta and the restorer on cpu: restorer.to\('meta'\)"),
        (lambda y: y.numpy(), "arrays go to restore_array"),
    ],
)
def test_tensors_that_mean_something_else_are_refused(change, what, physics, y):
    with pytest.raises(InputError, match=what):
        ready("wiener", physics)(change(y))


def test_unequal_numbers_are_refused(physics, y):
    restorer = ready("wiener", physics)
    operator = restorer.operator(PaddedGrid.around(SHAPE).padded)
    with pytest.raises(InputError, match="2 images and an operator of 3"):
        restorer(y, Operator.stack([operator] * 3))
    with pytest.raises(InputError, match=r"give restorer.operator\(\(108, 120\)\)|give restorer.operator"):
        restorer(y, restorer.operator((64, 64)))
    with pytest.raises(InputError, match="2 images and 3 noise levels"):
        restorer(y, noise_level=torch.ones(3))
    with pytest.raises(InputError, match="powers above 0"):
        restorer(y, noise_level=0.0)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda y: y[0, 0].requires_grad_(), r"arrays have no gradient: call restorer\(y\)"),
        (lambda y: y[0, 0].bfloat16(), r"give y.float\(\)"),
        (lambda y: y[0, 0, :, :, None].numpy(), r"image\[..., 0\]"),
        (lambda y: y.numpy(), r"give (\(H, W\)|one of shape \(H, W\))"),
    ],
)
def test_arrays_that_mean_something_else_are_refused(change, what, physics, y):
    restorer = ready("wiener", physics)
    for door in (restorer.restore_array, restorer.restore):
        with pytest.raises(InputError, match=what):
            door(change(y.clone()))


def test_keywords_of_restoring_are_its_settings(physics, y):
    keywords, fields = get_type_hints(RunOptions), get_type_hints(RunSettings)
    assert keywords == fields
    with pytest.raises(InputError, match=r"unknown option 'stpes': did you mean steps"):
        ready("wiener", physics).restore(y[0, 0].numpy(), stpes=3)


def test_codes_are_no_grey(physics, y):
    codes = (y[0, 0] * 50000).numpy().astype(np.uint16)
    with pytest.raises(InputError, match="an image of uint16 codes was given: divide by that of the open field"):
        ready("wiener", physics).restore_array(codes)


def test_slips_of_a_stranger_are_one_line(y):
    restorer = xsim_zoo.load("wiener", device="cpu")
    slips = {
        "unknown keyword of Restorer 'step': did you mean steps": lambda: restorer(y, step=3),
        "unknown keyword of restore_array 'noise_levels'": lambda: restorer.restore_array(y[0, 0], noise_levels=1.0),
        "3.5 sampling steps: give a whole number": lambda: restorer(y, steps=3.5),
        "a int was given as operator: give restorer.operator": lambda: restorer(y, 3),
        "device 'cud' is none": lambda: restorer.to("cud"),
        "a str was given as restorer: give what xsim_zoo.load": lambda: xsim_zoo.restore("wiener", y[0, 0].numpy()),
        "'sizes': did you mean size": lambda: xsim_zoo.build("unet", restorer.physics, sizes="tiny"),
        "shape 64 is no": lambda: Blur.between(restorer.physics, 64),
    }
    for said, slip in slips.items():
        with pytest.raises(InputError) as end:
            slip()
        assert said in str(end.value)
        assert "\n" not in str(end.value)
