"""The temperature of posterior samples: coverage is what it says, and exact physics needs no mending."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import xsim_zoo
from xsim.degradation.link import GreyLink
from xsim.errors import InputError
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.restorers.physics_sde import PhysicsSDE
from xsim_zoo.training.finishing.temperature import NOMINAL, coverage, measure_temperature

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (72, 72)


@pytest.mark.parametrize("share", NOMINAL)
def test_coverage_of_samples_like_the_truth_is_nominal(share: float) -> None:
    rng = np.random.default_rng(0)
    samples, truth = rng.standard_normal((19, 200, 200)), rng.standard_normal((200, 200))
    assert coverage(samples, truth, share) == pytest.approx(share, abs=0.01)
    assert coverage(0.7 * samples, truth, share) < share - 0.02


def silent(toys: SimpleNamespace, **options: float) -> PhysicsSDE:
    """Return a bridge whose network says nothing: exact for Gaussian images of its prior spectrum."""
    made = xsim_zoo.build(
        "physics-sde", Physics(toys.closed_form(GreyLink.identity()), toys.power_law()), size="tiny", **options
    )
    assert isinstance(made, PhysicsSDE)
    return made


def gaussian_pair(restorer: PhysicsSDE, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return an image of the prior about grey 1 and its measurement."""
    grid = PaddedGrid.around(SHAPE)
    operator = restorer.operator(grid.padded)
    generator = torch.Generator().manual_seed(seed)
    white = [torch.randn((1, 1, *grid.padded), generator=generator) for _ in range(2)]
    S = operator.S.clone()
    S[..., 0, 0] = 0
    X_0 = S.sqrt() * fft(white[0])
    Y = operator.process.marginal(X_0, 1.0, fft(white[1]))
    hr, lr = (grid.crop(ifft(spectrum, grid.padded))[0, 0].numpy() + 1.0 for spectrum in (X_0, Y))
    return hr.astype(np.float32), lr.astype(np.float32)


def test_the_factor_widens_the_samples(toys: SimpleNamespace) -> None:
    _, lr = gaussian_pair(silent(toys), 1)
    spread = []
    for temperature in (1.0, 1.5):
        restorer = silent(toys, temperature=temperature)
        samples = [
            restorer.restore_array(lr, steps=4, eta=1.0, noise=white_noise(torch.Generator().manual_seed(n)))
            for n in range(4)
        ]
        spread.append(float(np.std(samples, axis=0).mean()))
    assert spread[1] == pytest.approx(1.5 * spread[0], rel=1e-3)


@pytest.mark.slow
def test_exact_physics_wants_hardly_any(toys: SimpleNamespace) -> None:
    """Twenty steps lose a little variance to their means, as 1 / N: what is measured is that, and no more."""
    restorer = silent(toys)
    hr, lr = zip(*(gaussian_pair(restorer, seed) for seed in range(3)), strict=True)
    assert 1.0 < measure_temperature([restorer] * len(hr), hr, lr) < 1.15
    assert restorer.temperature == 1.0


def test_no_pairs_say_nothing(toys: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="0 pairs"):
        measure_temperature([], [], [])
