"""A loop to change: losses, optimisers, schedules, augmentations, accumulation and loggers as settings."""

from __future__ import annotations

import json
import math
import shlex
import sys
from copy import deepcopy
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from xsim.errors import InputError, XsimWarning
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.batch import Batches
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.training.optimiser import Optimiser
from xsim_zoo.training.parts.augment import Augmentation
from xsim_zoo.training.parts.losses import charbonnier, criterion_of, frequency
from xsim_zoo.training.settings import TrainSettings, learning_rate, settings_from
from xsim_zoo.training.train import measure_physics, start_accelerator, train
from xsim_zoo.weights.loading import build, describe

if TYPE_CHECKING:
    from pathlib import Path

    from xsim_zoo.training.data import MemoryPairs

SHORT = TrainSettings(
    size="tiny", steps=4, batch=2, crops=1, patch=32, warmup=1, validate_every=4, save_every=2, validate_images=1
)
PACKAGE = """
import torch
from xsim_zoo import training_part

@training_part
def huber(answer, target):
    return torch.nn.functional.huber_loss(answer, target)

@training_part
def fades(share):
    return (1 - share) ** 2

@training_part
def grows(share):
    return 1 + share

@training_part
def wide(answer, target):
    return (answer - target).square()

@training_part
def speckled(pair, random):
    return pair + 0.01 * torch.randn(pair.shape, generator=random, device=pair.device)

@training_part
def smaller(pair, random):
    return pair[:, 1:]

def unmarked(answer, target):
    return (answer - target).abs().mean()

said = []

@training_part
class Logger:
    def __init__(self, folder, settings):
        said.append(("begins", folder.name, settings["steps"]))
    def log(self, step, record):
        said.append(("log", step, sorted(record)))
    def picture(self, step, image):
        said.append(("picture", step, image.shape))
    def close(self):
        said.append(("closes",))

@training_part
class Breaks:
    def __init__(self, folder, settings):
        pass
    def log(self, step, record):
        raise ConnectionError("the network is down")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of another package that brings parts; each test has one of its own."""
    name = f"loop_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def go(pairs: MemoryPairs, run: Path, *, resume: bool = False, **changes: Any) -> list[float]:
    settings = SHORT.model_copy(update=changes)
    train("unet", pairs, run, settings, resume=resume, device="cpu", quiet=True)
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if "loss" in record]


def test_losses_are_their_formulas() -> None:
    d = torch.tensor([[[[0.0, 0.3], [-0.4, 1.2]]]])
    target = torch.rand(d.shape)
    assert float(charbonnier(target, target)) == pytest.approx(0, abs=1e-7)
    expected = np.mean([math.hypot(value, 0.05) - 0.05 for value in d.flatten().tolist()])
    assert float(charbonnier(target + d, target)) == pytest.approx(expected, rel=1e-5)
    spectrum = np.abs(np.fft.rfft2(d[0, 0].numpy(), norm="ortho")).mean()
    square = float(d.square().mean())
    assert float(frequency(target + d, target)) == pytest.approx(square + 0.1 * spectrum, rel=1e-5)
    assert criterion_of("mse") is None
    assert criterion_of("torch.nn.functional:l1_loss") is torch.nn.functional.l1_loss


def test_schedules_fall_as_they_say(package: str) -> None:
    settings = TrainSettings(steps=100, warmup=0, lr=1.0, lr_end=0.2)
    for name, half in (("cosine", 0.5), ("linear", 0.5), ("constant", 1.0), (f"{package}:fades", 0.25)):
        chosen = settings.model_copy(update={"schedule": name})
        assert learning_rate(50, chosen) == pytest.approx(0.2 + 0.8 * half)
        assert learning_rate(0, chosen) == pytest.approx(1.0)


def test_what_is_accumulated_is_one_step_on_all_of_it(pairs: MemoryPairs, tmp_path: Path) -> None:
    whole = go(pairs, tmp_path / "whole", batch=4)
    parts = go(pairs, tmp_path / "parts", batch=2, accumulate=2)
    np.testing.assert_allclose(parts, whole, rtol=1e-4)
    ends = [RunFolder(tmp_path / run).newest_state() for run in ("whole", "parts")]
    assert ends[0] is not None
    assert ends[1] is not None
    for name in (name for name in ends[0][1] if name.startswith("network.")):
        torch.testing.assert_close(ends[0][1][name], ends[1][1][name], rtol=0, atol=2e-4)


def test_augmentation_belongs_to_samples(package: str) -> None:
    chosen = Augmentation.of(["turns", f"{package}:speckled"])
    images = torch.rand((3, 2, 16, 16))
    first = chosen.changed(images, 5, [7, 8, 9])
    assert torch.equal(chosen.changed(images[2:], 5, [9])[0], first[2])
    assert (first - images).std() == pytest.approx(0.01, rel=0.1)
    assert torch.equal(chosen.orientations(torch.arange(8)), torch.arange(8))
    assert not Augmentation.of([]).orientations(torch.arange(8)).any()
    with pytest.raises(InputError, match="let it keep the shape"):
        Augmentation.of([f"{package}:smaller"]).changed(images, 0, [0, 1, 2])


def test_parts_of_another_package_train_resume_and_stand_in_the_record(
    package: str, pairs: MemoryPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {
        "loss": f"{package}:huber",
        "schedule": f"{package}:fades",
        "optimiser": "torch.optim:SGD",
        "augment": ("turns", f"{package}:speckled"),
        "callbacks": (f"{package}:Logger",),
        "lr": 0.05,
    }
    whole = go(pairs, tmp_path / "whole", **chosen)
    with monkeypatch.context() as patch:
        dies_at(2, patch)
        with pytest.raises(StoppedError):
            go(pairs, tmp_path / "killed", **chosen)
    assert go(pairs, tmp_path / "killed", resume=True, **chosen) == whole
    on_device = go(pairs, tmp_path / "device", loop="device", **chosen)
    np.testing.assert_allclose(on_device, whole, rtol=2e-4)
    said = __import__(package).said
    assert said[0] == ("begins", "whole", 4)
    assert ("log", 1, ["gradient", "loss", "lr", "seconds", "waited"]) in said
    assert ("picture", 4, (96, 3 * 96)) in said
    assert said.count(("closes",)) == 4, "whatever ended the run"
    stored = describe("unet", tmp_path / "whole")["card"]["training"]["settings"]
    assert stored["loss"] == f"{package}:huber"
    assert json.loads((tmp_path / "whole" / "run.json").read_text())["settings"]["optimiser"] == "torch.optim:SGD"


class StoppedError(Exception):
    """Stands for a process that dies."""


def dies_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Optimiser.descend

    def descend(self: Optimiser, number: int, *rest: Any) -> Any:
        if number == step:
            raise StoppedError
        return whole(self, number, *rest)

    monkeypatch.setattr(Optimiser, "descend", descend)


def test_a_logger_that_fails_does_not_end_the_training(package: str, pairs: MemoryPairs, tmp_path: Path) -> None:
    with pytest.warns(XsimWarning, match="the network is down.*is told no more") as caught:
        assert len(go(pairs, tmp_path / "run", callbacks=(f"{package}:Breaks",))) == SHORT.steps
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("loss=charbonier", "did you mean charbonnier"),
        ("optimiser=adam", "did you mean adamw"),
        ("schedule=cosin", "did you mean cosine"),
        ("augment=turn", "did you mean turns"),
        ("callbacks=wandb", "MODULE:CALLABLE"),
        ("loss=a b:c", "give MODULE:CALLABLE of an installed package"),
        ("losss=mse", "did you mean loss"),
        ("accumulate=0", "accumulate=0"),
    ],
)
def test_slips_are_one_line(assignment: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        settings_from(None, [assignment])
    assert "\n" not in str(caught.value)


def test_names_with_commas() -> None:
    assert settings_from(None, ["augment=turns, a.b:c"]).augment == ("turns", "a.b:c")
    assert settings_from(None, ["augment=none"]).augment == ()
    assert settings_from(None, ["callbacks=a:b,c:d"]).callbacks == ("a:b", "c:d")
    assert TrainSettings(**json.loads(TrainSettings().model_dump_json())) == TrainSettings()


@pytest.mark.parametrize(
    ("setting", "name", "message"),
    [
        ("loss", "no_such_package:loss", "is not installed here"),
        ("loss", "{}:unmarked", "put @xsim_zoo.training_part above"),
        ("loss", "os:system", "put @xsim_zoo.training_part above"),
        ("loss", "{}:wide", "make one number that has a gradient"),
        ("loss", "{}:fades", "does not take answers and targets"),
        ("schedule", "{}:grows", "leaves 0 to 1"),
        ("optimiser", "{}:huber", "does not take"),
        ("optimiser", "torch.optim:LBFGS", "does not take"),
        ("callbacks", "{}:missing", "put @xsim_zoo.training_part above"),
        ("augment", "{}:missing", "put @xsim_zoo.training_part above"),
    ],
)
def test_parts_that_cannot_be_had_are_refused_before_the_run_begins(
    setting: str, name: str, message: str, package: str, pairs: MemoryPairs, tmp_path: Path
) -> None:
    spec = name.format(package)
    value = (spec,) if setting in {"callbacks", "augment"} else spec
    with pytest.raises(InputError, match=message):
        go(pairs, tmp_path / "run", **{setting: value})
    assert not (tmp_path / "run").exists()


def test_a_run_says_how_it_was_called(pairs: MemoryPairs, tmp_path: Path) -> None:
    go(pairs, tmp_path / "run", steps=2)
    go(pairs, tmp_path / "run", steps=3, resume=True)
    calls = json.loads((tmp_path / "run" / "run.json").read_text())["calls"]
    assert [call["steps"] for call in calls] == [2, 3]
    # Wheels of other indexes append where they were built for (2.13.0+cu130) to the one, not to the other.
    assert calls[0]["versions"]["torch"] == version("torch")
    assert calls[0]["command_line"] == shlex.join(sys.orig_argv)
    assert calls[1]["began"] >= calls[0]["began"]


def test_tensorboard_shows_each_step_once_after_a_resume(
    pairs: MemoryPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tensorboard#3732: steps after the state that a run goes on from stood twice in its curves."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = {"tensorboard": True, "steps": 6}
    with monkeypatch.context() as patch:
        dies_at(5, patch)  # the newest state is that of step 4, so step 5 is taken twice
        with pytest.raises(StoppedError):
            go(pairs, tmp_path / "run", **options)
    go(pairs, tmp_path / "run", resume=True, **options)
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("loss")] == list(range(1, 7))
    assert [event.step for event in board.Scalars("validation/psnr_dB")] == [4, 6]
    assert [event.step for event in board.Images("LR, restored, HR")] == [4, 6]
    assert "_hparams_/session_start_info" in board.summary_metadata


def test_the_default_step_is_the_one_of_the_shipped_weights(pairs: MemoryPairs) -> None:
    """A step of the loop against the same step written out, bit for bit: settings change nothing unless asked."""
    restorer = build("physics-sde", measure_physics(pairs), size="tiny")
    assert isinstance(restorer, LearnedRestorer)
    feed = Batches(pairs, restorer, SHORT, torch.device("cpu"))
    batch = feed.make(feed.read(0, [0, 1], [0, 1]))
    network = deepcopy(restorer.network)
    adamw = torch.optim.AdamW(network.parameters(), lr=1.0, weight_decay=SHORT.weight_decay, betas=(0.9, 0.99))
    optimiser = Optimiser(restorer, SHORT, start_accelerator("cpu"))
    for step in range(2):
        for group in adamw.param_groups:
            group["lr"] = learning_rate(step, SHORT)
        examples = restorer.examples(batch)
        conditions = examples.conditions.repeat_interleave(SHORT.crops, dim=0)
        loss = (network(batch.cut(examples.features), conditions) - batch.cut(examples.target)).square().mean()
        adamw.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), SHORT.clip)
        adamw.step()
        assert optimiser.step(step, [lambda: batch], str)["loss"] == float(loss.detach())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, restorer.network.state_dict()[name]), name
