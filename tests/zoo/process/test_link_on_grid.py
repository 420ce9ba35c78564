"""The link on padded grids in torch: the same as in numpy, and after the blur for weights that learned it so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from xsim import recipes
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.prior import RadialSpectrum


@pytest.fixture(scope="module")
def known() -> Physics:
    """The paper's two detectors, both of whose MTFs are known."""
    rings = np.geomspace(0.05, 15.0, 20)
    return Physics(recipes.paper().degradation(), RadialSpectrum(rings, 2e-4 / (0.3 + rings) ** 3))


def image(shape: tuple[int, int] = (64, 80)) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2


def test_it_is_that_of_the_degradation(known: Physics) -> None:
    found = known.link_on((64, 80)).forward(image()[None, None])[0, 0]
    np.testing.assert_allclose(found.numpy(), known.degradation.linked(image().numpy()), atol=2e-6)


def test_it_goes_back(known: Physics) -> None:
    smooth = torch.nn.functional.avg_pool2d(image()[None, None], 5, stride=1, padding=2)
    link = known.link_on((64, 80))
    assert float((link.inverse(link.forward(smooth)) - smooth).square().mean().sqrt()) < 1e-4


def test_weights_of_before_have_it_after_the_blur(known: Physics) -> None:
    data = known.to_dict()
    assert Physics.from_dict(data).link_first
    del data["link_first"]
    before = Physics.from_dict(data)
    assert not before.link_first
    expected = known.degradation.link.forward(image().numpy())
    np.testing.assert_allclose(before.link_on((64, 80)).forward(image()).numpy(), expected, atol=2e-6)


def test_without_the_mtf_it_acts_on_the_image_as_it_is(known: Physics) -> None:
    blind = replace(known, degradation=replace(known.degradation, mtf_hr=None))
    np.testing.assert_allclose(
        blind.in_lr_grey(image()).numpy(), known.degradation.link.forward(image().numpy()), atol=2e-6
    )
