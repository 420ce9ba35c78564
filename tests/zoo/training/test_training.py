"""Training: it learns, it resumes to the very same curve, and it stops when it must."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import xsim_zoo
from xsim.errors import DamageError, InputError, MissingFileError
from xsim_zoo.training.batch import Order
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.training.optimiser import Optimiser
from xsim_zoo.training.settings import TrainSettings, learning_rate, settings_from
from xsim_zoo.training.train import measure_physics, train
from xsim_zoo.training.validation import DivergedError, validate
from xsim_zoo.weights.loading import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xsim_zoo.training.data import MemoryPairs

LEARNED = [name for name in xsim_zoo.names() if xsim_zoo.get(name).learned]
SHORT = TrainSettings(
    size="tiny", steps=6, batch=2, crops=1, patch=32, warmup=1, validate_every=3, save_every=2, validate_images=1
)


def go(name: str, pairs: MemoryPairs, run: Path, settings: TrainSettings = SHORT, *, resume: bool = False):
    return train(name, pairs, run, settings, resume=resume, device="cpu", quiet=True)


def losses(run: Path) -> list[float]:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if "loss" in record]


class StoppedError(Exception):
    """Stands for a process that dies."""


def dies_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die at the end of a step, before anything of it is written."""
    whole = Optimiser.descend

    def descend(self: Optimiser, number: int, *rest: object):
        if number == steps:
            raise StoppedError
        return whole(self, number, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Optimiser, "descend", descend)


@pytest.mark.parametrize("name", xsim_zoo.names())
def test_every_restorer_trains_and_loads(name: str, pairs: MemoryPairs, tmp_path: Path) -> None:
    result = go(name, pairs, tmp_path / "run", SHORT.model_copy(update={"steps": 2}))
    assert np.isfinite(result.best.psnr_dB)
    restorer = xsim_zoo.load(name, tmp_path / "run", device="cpu")
    restored = restorer.restore_array(pairs.lr[-1])
    assert restored.shape == pairs.shape
    description = describe(name, tmp_path / "run")
    assert description["card"]["data"]["digest"] == pairs.digest
    assert description["card"]["scores"]["validation"]["psnr_dB"] == result.best.psnr_dB


def test_it_learns(make_pairs: Callable[..., MemoryPairs], tmp_path: Path) -> None:
    """Fifty steps on a dozen boards beat the Wiener filter, from which the network starts."""
    pairs = make_pairs(count=14, held_out=2)
    settings = SHORT.model_copy(
        update={"steps": 50, "batch": 4, "crops": 2, "patch": 48, "warmup": 8, "validate_every": 50}
    )
    wiener = go("wiener", pairs, tmp_path / "wiener")
    learnt = go("physics-sde", pairs, tmp_path / "learnt", settings)
    assert wiener.best.psnr_dB > wiener.lr.psnr_dB
    assert learnt.best.psnr_dB > wiener.best.psnr_dB + 0.5


@pytest.mark.parametrize("stop", [0, 1, 3, 5])
def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(
    stop: int, pairs: MemoryPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go("physics-sde", pairs, tmp_path / "whole")
    with monkeypatch.context() as patch:
        dies_after(stop, patch)
        with pytest.raises(StoppedError):
            go("physics-sde", pairs, tmp_path / "killed")
    go("physics-sde", pairs, tmp_path / "killed", resume=True)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    ends = [RunFolder(tmp_path / run).newest_state() for run in ("whole", "killed")]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0][0] == ends[1][0] == SHORT.steps
    for name, tensor in ends[0][1].items():
        assert torch.equal(tensor, ends[1][1][name]), name
    kept = [load_file(tmp_path / run / "weights.safetensors") for run in ("whole", "killed")]
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def test_a_finished_run_takes_more_steps_where_they_are_asked_for(
    pairs: MemoryPairs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """nnUNet#1848: a run could not be given more epochs once it had ended."""
    run, more = tmp_path / "run", SHORT.steps + 3
    go("physics-sde", pairs, run)
    before = losses(run)
    longer = SHORT.model_copy(update={"steps": more})
    result = train("physics-sde", pairs, run, longer, resume=True, device="cpu")
    assert result.steps == more
    assert losses(run)[: SHORT.steps] == before
    assert len(losses(run)) == more
    assert f"goes on after step {SHORT.steps} of {more}, which were {SHORT.steps}" in capsys.readouterr().err
    assert RunFolder(run).settings()["settings"]["steps"] == more
    # Asked again it has nothing to do; fewer steps, and other settings, are refused.
    assert train("physics-sde", pairs, run, resume=True, device="cpu", quiet=True).steps == more
    for settings, message in (
        (TrainSettings(steps=SHORT.steps), "give more of them"),
        (TrainSettings(lr=1e-4), "a run goes on as it was started"),
    ):
        with pytest.raises(InputError, match=message):
            train("physics-sde", pairs, run, settings, resume=True, device="cpu", quiet=True)


def test_defaults_are_not_asked_for() -> None:
    assert settings_from(None, ["steps=7"], defaults=SHORT).model_fields_set == {"steps"}
    assert settings_from(None, [], defaults=SHORT).model_fields_set == set()
    assert settings_from(None, ["steps=7"], defaults=SHORT).batch == SHORT.batch


def test_a_torn_state_is_passed_over(pairs: MemoryPairs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    go("physics-sde", pairs, run)
    states = sorted(run.glob("state-*.safetensors"))
    assert len(states) == 2
    states[-1].write_bytes(states[-1].read_bytes()[:-5])
    newest = RunFolder(run).newest_state()
    assert newest is not None
    assert newest[0] == 4
    before = losses(run)
    go("physics-sde", pairs, run, resume=True)
    assert losses(run) == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_a_run_that_can_go_on(
    number: int, code: int, pairs: MemoryPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go("physics-sde", pairs, tmp_path / "whole")
    whole = Optimiser.step

    def step(self: Optimiser, index: int, *rest: object):
        if index == 2:
            os.kill(os.getpid(), number)
        return whole(self, index, *rest)  # type: ignore[arg-type]

    handler = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(Optimiser, "step", step)
        with pytest.raises(SystemExit) as left:
            go("physics-sde", pairs, tmp_path / "run")
    assert left.value.code == code
    assert signal.getsignal(number) is handler
    newest = RunFolder(tmp_path / "run").newest_state()
    assert newest is not None
    assert newest[0] == 3
    go("physics-sde", pairs, tmp_path / "run", resume=True)
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_run_that_diverges_stops_at_once_and_keeps_the_best(
    pairs: MemoryPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound steps first, then a rate of 1e9."""
    monkeypatch.setattr(
        "xsim_zoo.training.optimiser.learning_rate", lambda step, settings: 1e-4 if step < 4 else settings.lr
    )
    settings = SHORT.model_copy(update={"lr": 1e9, "steps": 60, "validate_every": 2, "clip": 1e12})
    with pytest.raises(DivergedError, match="lower lr"):
        go("physics-sde", pairs, tmp_path / "run", settings)
    assert len(losses(tmp_path / "run")) < 12
    xsim_zoo.load("physics-sde", tmp_path / "run", device="cpu")
    newest = RunFolder(tmp_path / "run").newest_state()
    assert newest is not None
    assert all(torch.isfinite(tensor).all() for tensor in newest[1].values())


def test_a_pixel_that_is_no_number_is_named_before_the_weights_are_touched(pairs: MemoryPairs, tmp_path: Path) -> None:
    lr = pairs.lr.copy()
    lr[1, 5, 5] = np.nan
    with pytest.raises(DamageError, match="sample 1 "):
        go("physics-sde", replace(pairs, lr=lr), tmp_path / "run")


def test_a_changed_data_set_is_refused(pairs: MemoryPairs, tmp_path: Path) -> None:
    go("wiener", pairs, tmp_path / "run")
    other = replace(pairs, lr=pairs.lr + np.float32(1e-3))
    with pytest.raises(InputError, match="data set has changed"):
        go("wiener", other, tmp_path / "run", resume=True)
    with pytest.raises(InputError, match="trains 'wiener', not 'unet'"):
        go("unet", pairs, tmp_path / "run", resume=True)


def test_a_run_is_never_written_over_nor_resumed_from_nothing(pairs: MemoryPairs, tmp_path: Path) -> None:
    go("wiener", pairs, tmp_path / "run")
    with pytest.raises(InputError, match="--resume"):
        go("wiener", pairs, tmp_path / "run")
    with pytest.raises(MissingFileError, match="no run"):
        go("wiener", pairs, tmp_path / "other", resume=True)
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(InputError, match="holds weights already"):
        go("wiener", pairs, tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        go("wiener", pairs, tmp_path / "file")


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path).locked(), pytest.raises(InputError, match="in use"), RunFolder(tmp_path).locked():
        pass


def test_a_training_that_was_killed_holds_no_folder(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from xsim_zoo.training.folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked():\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="in use"), RunFolder(tmp_path).locked():
            pass
        holder.send_signal(signal.SIGKILL)
    with RunFolder(tmp_path).locked():
        pass


def test_a_run_that_an_earlier_version_started_resumes(pairs: MemoryPairs, tmp_path: Path) -> None:
    """Its settings know the key `link_conditioning` by its old name."""
    go("physics-sde", pairs, tmp_path / "run", SHORT.model_copy(update={"link_conditioning": True}))
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    stored["settings"]["tells_link"] = stored["settings"].pop("link_conditioning")
    (tmp_path / "run" / "run.json").write_text(json.dumps(stored))
    for state in sorted((tmp_path / "run").glob("state-*"))[1:]:
        state.unlink()
    before = losses(tmp_path / "run")
    go("physics-sde", pairs, tmp_path / "run", resume=True)
    assert losses(tmp_path / "run") == before
    assert describe("physics-sde", tmp_path / "run")["card"]["training"]["settings"]["link_conditioning"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"batch": 99}, "holds 6 pairs, 99 needed: give a smaller batch"), ({"patch": 128}, "does not fit")],
)
def test_settings_that_do_not_fit_the_data(
    changes: dict[str, int], message: str, pairs: MemoryPairs, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        go("physics-sde", pairs, tmp_path / "run", SHORT.model_copy(update=changes))
    assert not (tmp_path / "run").exists(), "the same folder is free for the mended command"


def test_an_empty_split_is_refused(pairs: MemoryPairs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'validation' holds 0 pairs, 1 needed: give more pairs"):
        go("physics-sde", replace(pairs, held_out=0), tmp_path / "run")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("step=5", "did you mean steps"),
        ("steps=0", "steps=0"),
        ("lr=nan", "lr=nan"),
        ("lr=-1", "lr=-1"),
        ("patch=33", "patch=33"),
        ("size=huge", "size=huge"),
        ("steps", "KEY=VALUE"),
    ],
)
def test_bad_settings_are_one_line(assignment: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        settings_from(None, [assignment])
    assert "\n" not in str(caught.value)


def test_assignments_win_over_the_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('size = "tiny"\nsteps = 10\n')
    assert settings_from(recipe, ["steps=20"]) == TrainSettings(size="tiny", steps=20)
    recipe.write_text("size = ")
    with pytest.raises(InputError, match="no TOML"):
        settings_from(recipe)


def test_every_sample_is_seen_once_an_epoch_in_a_new_order() -> None:
    order = Order(tuple(range(10, 17)), seed=3)
    epochs = [[order[7 * epoch + place] for place in range(7)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10, 17)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert [Order(tuple(range(10, 17)), seed=3)[place] for place in range(7)] == epochs[0]


def test_the_learning_rate_rises_then_falls() -> None:
    settings = TrainSettings(steps=100, warmup=10, lr=1e-3, lr_end=0.1)
    rates = [learning_rate(step, settings) for step in range(101)]
    assert rates[0] == pytest.approx(1e-3 / 11)
    assert max(rates) == pytest.approx(1e-3, rel=0.03)
    assert rates[-1] == pytest.approx(1e-4)
    assert rates[:9] == sorted(rates[:9])
    assert rates[12:] == sorted(rates[12:], reverse=True)


def test_a_run_shows_what_it_learns(pairs: MemoryPairs, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: make setup")
    go("physics-sde", pairs, tmp_path / "run", SHORT.model_copy(update={"tensorboard": True}))
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    validations = [record for record in records if "validation_psnr_dB" in record]
    assert [record["step"] for record in validations] == [3, 6]
    assert all(0 < record["validation_sharpness"] < 3 and record["validation_chi2"] > 0 for record in validations)
    assert {"loss", "lr", "gradient", "seconds", "waited"} <= records[0].keys()
    image = pytest.importorskip("PIL.Image")
    with image.open(tmp_path / "run" / "pictures" / "step-00000006.png") as picture:
        assert picture.size == (3 * pairs.shape[1], pairs.shape[0])
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_perfect_answers_have_the_sharpness_of_hr_and_the_noise_of_lr(
    make_pairs: Callable[..., MemoryPairs], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = make_pairs(count=3, held_out=2)
    hr, lr = (torch.from_numpy(images) for images in pairs.read_batch([0, 1, 2]))
    restorer = xsim_zoo.build("wiener", measure_physics(pairs))
    answers = iter(pairs.hr)
    monkeypatch.setattr(type(restorer), "restore_array", lambda self, y: next(answers))
    found = validate([restorer] * 3, hr, lr)
    assert found.scores.ssim == pytest.approx(1.0)
    assert found.sharpness == pytest.approx(1.0)
    assert found.chi2 == pytest.approx(1.0, abs=0.15)
