"""Two detectors in closed form, and pairs that follow them exactly: oracles need no simulation."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.training.data import MemoryPairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PITCH_MM = 0.048
LINK = GreyLink((0.0, 0.2, 0.5, 1.0), (0.0, 0.26, 0.57, 1.0))


def closed_form(link: GreyLink = LINK, *, noise: float = 1.0, width: float = 4.0) -> Degradation:
    """Return a degradation with B_1 = exp(-(f / width)^1.2) and a falling noise spectrum."""
    f = np.linspace(0.0, 15.0, 301)
    return Degradation(
        frequency_lp_mm=f,
        B_1=np.exp(-((f / width) ** 1.2)),
        Sigma_1_mm2=noise * 2e-7 * (0.3 + 0.7 * np.exp(-((f / 3.0) ** 2))),
        pitch_mm=PITCH_MM,
        link=link,
    )


def power_law() -> RadialSpectrum:
    f = np.geomspace(0.05, 15.0, 60)
    return RadialSpectrum(f, 2e-4 / (0.3 + f) ** 3)


def board(seed: int, shape: tuple[int, int] = (96, 96)) -> NDArray[np.float32]:
    """Return rectangles of a few grey levels on an open field."""
    rng = np.random.default_rng(seed)
    image = np.ones(shape)
    for _ in range(14):
        top, left = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        height, width = rng.integers(2, 30, 2)
        image[top : top + height, left : left + width] *= rng.uniform(0.6, 0.95)
    return image.astype(np.float32)


def operator_of(physics: Physics, shape: tuple[int, int], **options: Any) -> Operator:
    return Operator.between(physics.degradation, physics.spectrum, shape, **options)


def degrade(hr: NDArray[np.float32], physics: Physics, seed: int) -> NDArray[np.float32]:
    """Return the LR image that the forward process makes of an HR image."""
    grid = PaddedGrid.around((hr.shape[0], hr.shape[1]))
    between = physics.degradation if physics.link_first else replace(physics.degradation, mtf_hr=None)
    x_0 = torch.as_tensor(between.linked(grid.pad(torch.as_tensor(hr)).numpy()))[None, None]
    generator = torch.Generator().manual_seed(seed)
    Z = fft(torch.randn((1, 1, *grid.padded), generator=generator, dtype=torch.float64))
    level = float(physics.degradation.noise_level(grid.crop(x_0)[0, 0].numpy()))
    process = operator_of(physics, grid.padded, dtype=torch.float64).process.at_noise_level(level)
    y = grid.crop(ifft(process.marginal(fft(x_0), 1.0, Z), grid.padded))
    return y[0, 0].numpy().astype(np.float32)


@pytest.fixture(scope="session")
def toys() -> SimpleNamespace:
    """Hand the functions of this file to tests, which cannot import it."""
    return SimpleNamespace(board=board, closed_form=closed_form, degrade=degrade, power_law=power_law)


@pytest.fixture(scope="session")
def physics() -> Physics:
    return Physics(closed_form(), power_law())


@pytest.fixture(scope="session")
def make_pairs() -> Callable[..., MemoryPairs]:
    def make(count: int = 8, held_out: int = 2, degradation: Degradation | None = None) -> MemoryPairs:
        physics = Physics(degradation or closed_form(), power_law())
        hr = [board(seed) for seed in range(count)]
        lr = [degrade(image, physics, seed) for seed, image in enumerate(hr)]
        return MemoryPairs(np.stack(hr), np.stack(lr), physics.degradation, held_out)

    return make


@pytest.fixture(scope="session")
def pairs(make_pairs: Callable[..., MemoryPairs]) -> MemoryPairs:
    return make_pairs()
