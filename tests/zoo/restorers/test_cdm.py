"""The conditional diffusion rival: what it predicts and what it makes of a prediction belong together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

import xsim_zoo
from xsim.errors import UnknownNameError
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.restorers.base import How
from xsim_zoo.restorers.cdm import PREDICTIONS, ConditionalDiffusion
from xsim_zoo.training.batch import make_batch

if TYPE_CHECKING:
    from torch import Tensor

    from xsim_zoo.process.physics import Physics
    from xsim_zoo.restorers.batch import Batch
    from xsim_zoo.training.data import MemoryPairs


def fresh(physics: Physics, prediction: str) -> ConditionalDiffusion:
    restorer = xsim_zoo.build("cdm", physics, size="tiny", prediction=prediction)
    assert isinstance(restorer, ConditionalDiffusion)
    return restorer


def batch_of(restorer: ConditionalDiffusion, pairs: MemoryPairs) -> Batch:
    hr, lr = (torch.from_numpy(images) for images in pairs.read_batch([0, 1]))
    padded = PaddedGrid.around(pairs.shape).padded
    operator, links = restorer.operator(padded), [restorer.link_on(padded)] * 2
    return make_batch(hr, lr, samples=[0, 1], seed=0, crops=1, patch=32, links=links, operator=operator)


class Oracle:
    """A network that knows x_0: it answers what the examples of the state it is shown would teach."""

    def __init__(self, restorer: ConditionalDiffusion, batch: Batch) -> None:
        self.restorer, self.batch = restorer, batch
        self.seen: list[Tensor] = []

    def __call__(self, features: Tensor, conditions: Tensor) -> Tensor:
        self.seen.append(features[:, :1])
        t = conditions[:, 0]
        alpha, sigma = (w.reshape(-1, 1, 1, 1) for w in (torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)))
        still = replace(
            self.batch, u=torch.stack([torch.ones_like(t), t / 0.998], dim=1), draw_noise=lambda: 0 * self.batch.noise
        )
        z = self.restorer.examples(still).features[:, :1] / alpha
        noise = (features[:, :1] - alpha * z) / sigma
        told = replace(still, draw_noise=lambda: noise)
        again = self.restorer.examples(told)
        torch.testing.assert_close(again.features, features, atol=1e-4, rtol=1e-4)
        return again.target


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(("steps", "eta"), [(1, 0.0), (5, 0.0), (7, 1.0)])
def test_perfect_answers_give_x_0(
    prediction: str, steps: int, eta: float, physics: Physics, pairs: MemoryPairs
) -> None:
    restorer = fresh(physics, prediction)
    batch = batch_of(restorer, pairs)
    oracle = Oracle(restorer, batch)
    how = How(steps, eta, noise=white_noise(torch.Generator().manual_seed(0)))
    x_0 = restorer.solve(batch.y, batch.operator, how, oracle)
    torch.testing.assert_close(x_0, batch.x_0, atol=2e-3 if prediction == "eps" else 2e-5, rtol=0)
    assert len(oracle.seen) == steps


def test_the_start_is_white_noise_that_holds_nothing_of_the_image(physics: Physics, pairs: MemoryPairs) -> None:
    restorer = fresh(physics, "x0")
    batch = batch_of(restorer, pairs)
    oracle = Oracle(restorer, batch)
    restorer.solve(batch.y, batch.operator, How(1), oracle)
    assert float(oracle.seen[0].std()) == pytest.approx(1.0, abs=0.02)
    # The same for every image of a batch, so that none depends on what stands beside it.
    alone = white_noise(torch.Generator().manual_seed(0))((1, *batch.y.shape[1:]))
    assert torch.equal(oracle.seen[0], alone.expand_as(batch.y))


def test_sharpness_goes_from_the_first_answer_to_the_sampled_one(physics: Physics, pairs: MemoryPairs) -> None:
    restorer = fresh(physics, "x0")
    for parameter in restorer.network.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(1))
    batch = batch_of(restorer, pairs)

    @torch.no_grad()
    def answer(steps: int, sharpness: float) -> Tensor:
        return restorer.solve(batch.y, batch.operator, How(steps, sharpness=sharpness), restorer.network)

    torch.testing.assert_close(answer(4, 0.0), answer(1, 1.0))
    torch.testing.assert_close(answer(4, 0.5), 0.5 * answer(1, 1.0) + 0.5 * answer(4, 1.0))
    assert float((answer(4, 1.0) - answer(1, 1.0)).abs().max()) > 1e-4


def test_it_predicts_one_of_three(physics: Physics) -> None:
    with pytest.raises(UnknownNameError, match="did you mean x0"):
        fresh(physics, "x_0")
    assert xsim_zoo.build("cdm", physics, size="tiny").options == {"size": "tiny", "prediction": "x0"}
