"""Training what is run: the loss of all sampling steps together, the stage, and what the weights say of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file

import xsim_zoo
from tests.zoo.training.test_training import SHORT, StoppedError, dies_after, go, losses
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.restorers import learned
from xsim_zoo.restorers.base import How
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.batch import make_batch
from xsim_zoo.training.settings import learning_rate
from xsim_zoo.weights.loading import describe

if TYPE_CHECKING:
    from pathlib import Path

    from xsim_zoo.process.physics import Physics
    from xsim_zoo.restorers.batch import Batch
    from xsim_zoo.training.data import MemoryPairs

STAGED = SHORT.model_copy(update={"rollout": 2, "rollout_steps": 3, "rollout_batch": 1, "warmup": 0})


@pytest.fixture
def restorer(physics: Physics) -> LearnedRestorer:
    made = xsim_zoo.build("physics-sde", physics, size="tiny")
    assert isinstance(made, LearnedRestorer)
    generator = torch.Generator().manual_seed(0)
    # The head starts at zero, and the steps would not depend on each other.
    torch.nn.init.normal_(made.network.out.weight, std=0.1, generator=generator)
    return made


@pytest.fixture
def batch(restorer: LearnedRestorer, pairs: MemoryPairs) -> Batch:
    padded = PaddedGrid.around(pairs.shape).padded
    hr, lr = (torch.from_numpy(images) for images in pairs.read_batch([0, 1]))
    return make_batch(
        hr,
        lr,
        samples=[0, 1],
        seed=0,
        crops=1,
        patch=32,
        links=[restorer.link_on(padded)] * 2,
        operator=restorer.operator(padded),
    )


def gradient(restorer: LearnedRestorer, batch: Batch, steps: int) -> list[torch.Tensor]:
    restorer.network.zero_grad()
    restorer.rollout_loss(batch, steps).backward()
    return [p.grad.clone() for p in restorer.network.parameters() if p.grad is not None]


def test_the_loss_is_that_of_the_sampled_answer(restorer: LearnedRestorer, batch: Batch) -> None:
    with torch.no_grad():
        answer = restorer.solve(batch.y, batch.operator, How(3), restorer.network)
        _, c = batch.operator.wiener(1.0)
        expected = (batch.grid.crop(answer - batch.x_0) / c).square().mean()
        assert float(restorer.rollout_loss(batch, 3)) == pytest.approx(float(expected), rel=1e-6)


def test_the_gradient_goes_through_all_steps(restorer: LearnedRestorer, batch: Batch) -> None:
    """Against a difference quotient along the gradient: a step that were cut off would be missing in one of them."""
    ascent = gradient(restorer, batch, 3)
    norm = torch.sqrt(sum((g.square().sum() for g in ascent), torch.zeros(())))
    shift = 1e-3
    ends = []
    for sign in (1.0, -1.0):
        moved = [g * (sign * shift / norm) for g in ascent]
        with torch.no_grad():
            for parameter, step in zip(restorer.network.parameters(), moved, strict=True):
                parameter.add_(step)
            ends.append(float(restorer.rollout_loss(batch, 3)))
            for parameter, step in zip(restorer.network.parameters(), moved, strict=True):
                parameter.sub_(step)
    assert (ends[0] - ends[1]) / (2 * shift) == pytest.approx(float(norm), rel=2e-2)


def test_little_memory_gives_the_same_gradient(
    restorer: LearnedRestorer, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = gradient(restorer, batch, 3)
    monkeypatch.setattr(learned, "_REMEMBERED", 0)
    for one, two in zip(remembered, gradient(restorer, batch, 3), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_killed_stage_resumes_to_the_same_weights(
    stop: int, pairs: MemoryPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go("physics-sde", pairs, tmp_path / "whole", STAGED)
    with monkeypatch.context() as patch:
        dies_after(stop, patch)
        with pytest.raises(StoppedError):
            go("physics-sde", pairs, tmp_path / "killed", STAGED)
    go("physics-sde", pairs, tmp_path / "killed", STAGED, resume=True)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    kept = [load_file(tmp_path / run / "weights.safetensors") for run in ("whole", "killed")]
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def test_the_card_says_for_how_many_steps_the_weights_are(pairs: MemoryPairs, tmp_path: Path) -> None:
    settings = STAGED.model_copy(update={"steps": 2, "rollout": 1})
    go("physics-sde", pairs, tmp_path / "run", settings)
    assert describe("physics-sde", tmp_path / "run")["card"]["options"]["steps"] == 1
    restorer = xsim_zoo.load("physics-sde", tmp_path / "run", device="cpu")
    assert restorer.default_steps == 1
    assert any("3 are asked for" in note for note in restorer.restore(pairs.lr[0], steps=3).notes)
    assert xsim_zoo.build("physics-sde", restorer.physics, size="tiny").default_steps == 3


def test_regression_learns_from_whole_images_too(pairs: MemoryPairs, tmp_path: Path) -> None:
    settings = STAGED.model_copy(update={"steps": 2, "rollout": 1})
    go("unet-wiener", pairs, tmp_path / "run", settings)
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all(record["loss"] > 0 for record in records if "loss" in record)


def test_the_stage_has_a_rate_of_its_own() -> None:
    settings = SHORT.model_copy(
        update={"steps": 100, "rollout": 3, "rollout_steps": 20, "rollout_lr": 1e-4, "warmup": 0, "lr": 1e-3}
    )
    rates = [learning_rate(step, settings) for step in range(100)]
    assert settings.first_rollout == 80
    assert rates[0] == pytest.approx(1e-3)
    assert rates[79] < 1e-4
    assert rates[80] == pytest.approx(1e-4)
    assert rates[80:] == sorted(rates[80:], reverse=True)
