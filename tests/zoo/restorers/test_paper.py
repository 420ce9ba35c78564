"""The paper's method, read best and to the letter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import xsim_zoo
from xsim.errors import InputError, UnknownNameError
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.process import fft
from xsim_zoo.process.sampling import ddim, time_grid
from xsim_zoo.restorers.base import How
from xsim_zoo.restorers.physics_sde import PaperSDE
from xsim_zoo.training.batch import make_batch

if TYPE_CHECKING:
    from xsim_zoo.process.physics import Physics
    from xsim_zoo.training.data import MemoryPairs


def paper(physics: Physics, **options: str) -> PaperSDE:
    made = xsim_zoo.build("physics-sde-paper", physics, size="tiny", **options)
    assert isinstance(made, PaperSDE)
    return made


@pytest.mark.parametrize("steps", [2, 3, 7])
def test_sampling_without_noise_follows_the_states_of_the_training(
    steps: int, physics: Physics, toys: SimpleNamespace
) -> None:
    """With x_0 known the sampler passes X_t = B_t X_0 + sqrt(r_t) (Y - B_1 X_0) exactly, in whatever grey y is."""
    restorer = paper(physics)
    grid = PaddedGrid.around((64, 70))
    hr = toys.board(3, (64, 70))
    y = 0.8 * toys.degrade(hr, physics, 3) + 0.1
    process = restorer.operator(grid.padded).process
    X_0, Y = (fft(grid.pad(torch.as_tensor(image)[None, None])) for image in (hr, y))
    seen = []

    def oracle(X_t: torch.Tensor, t: float, /) -> torch.Tensor:
        seen.append(float((X_t - process.between(X_0, Y, t)).abs().max()))
        return X_0

    ddim(process, oracle, Y, times=time_grid(steps))
    assert len(seen) == steps
    assert max(seen) < 2e-4


def test_its_states_begin_at_y_and_know_no_other_noise(physics: Physics, pairs: MemoryPairs) -> None:
    restorer = paper(physics)
    padded = PaddedGrid.around(pairs.shape).padded
    hr, lr = (torch.from_numpy(images) for images in pairs.read_batch([0, 1]))
    batch = make_batch(
        hr, lr, samples=[0, 1], seed=0, crops=1, patch=32, links=None, operator=restorer.operator(padded)
    )
    batch.u[:, 1] = 1.0
    features = restorer.examples(batch).features
    torch.testing.assert_close(features[:, 0], features[:, 1], atol=2e-5, rtol=0)


def test_fresh_noise_is_refused_by_the_one_and_drawn_by_the_other(physics: Physics, toys: SimpleNamespace) -> None:
    y = toys.degrade(toys.board(1), physics, 1)
    assert not paper(physics).samples
    with pytest.raises(InputError, match="no noise but the pair's own"):
        paper(physics).restore_array(y, eta=1.0, noise=torch.zeros)
    assert paper(physics, coupling="independent").samples


def test_a_linked_start_differs_from_y_by_the_link(physics: Physics, toys: SimpleNamespace) -> None:
    restorer = paper(physics, coupling="independent", start="linked")
    y = torch.as_tensor(toys.degrade(toys.board(2), physics, 2))
    grid = PaddedGrid.around((96, 96))
    padded = grid.pad(y[None, None])
    states = []

    def network(features: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        states.append(features[:, :1] / 4 + 0.5)
        return torch.zeros_like(features[:, :1])

    restorer.solve(padded, restorer.operator(grid.padded), How(1), network)
    expected = physics.degradation.link.inverse(padded.numpy())
    np.testing.assert_allclose(states[0].numpy(), expected, atol=1e-5)


def test_other_readings_are_named(physics: Physics) -> None:
    with pytest.raises(UnknownNameError, match="coupling"):
        paper(physics, coupling="pairs")
    with pytest.raises(UnknownNameError, match="start"):
        paper(physics, start="x")
