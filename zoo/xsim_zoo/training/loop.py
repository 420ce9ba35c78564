"""The training loop: steps, validations, states, best weights, and what stops it.

Everything random in step ``k`` comes from (seed, k), and the learning rate from k alone. So a run that was killed
and resumed takes the very same steps on the CPU, and P processes with a batch of B take those of one with P * B, but
for rounding.
"""

from __future__ import annotations

import math
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from xsim_datasets.progress import Progress
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import link_on
from xsim_zoo.restorers.base import LearnedRestorer, Restorer
from xsim_zoo.restorers.batch import Batch
from xsim_zoo.training.batch import Order, check_patch, make_batch, prefetch
from xsim_zoo.training.data import PairSource, check_split, read_pairs
from xsim_zoo.training.folder import RunFolder, RunLog
from xsim_zoo.training.optimiser import Optimiser
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.validation import Scores, Validation, restorers_of, score_lr, validate
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.checkpoint import save_checkpoint
from xsim_zoo.weights.families import merged, packed

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["TrainResult", "Trainer"]


@dataclass(frozen=True)
class TrainResult:
    """The outcome of a run.

    Parameters
    ----------
    run : str
        Its folder.
    steps : int
        Steps done in all.
    seconds : float
        Time of this call [s].
    images_per_s : float
        Crops a second in training.
    best : Scores
        Best validation scores, those of the weights that were kept.
    lr : Scores
        Scores of the LR images as they are.
    """

    run: str
    steps: int
    seconds: float
    images_per_s: float
    best: Scores
    lr: Scores


class Trainer:
    """One run: a restorer, its data, its folder.

    Parameters
    ----------
    restorer : Restorer
        What is trained, in place.
    pairs : PairSource
        The data, with a training and a validation split.
    folder : RunFolder
        Where settings, log, states and weights go.
    settings : TrainSettings
        How to train.
    accelerator : Accelerator
        Knows devices and processes.
    quiet : bool
        Say nothing on stderr.
    data_name : str
        What the card calls the data.
    start : Card, optional
        Card of the weights that the restorer starts from: their board families are seen, their digest is kept.
    setups : int, optional
        How many pairs of detectors the weights will be for; None takes all that the data hold.

    Attributes
    ----------
    best : Scores or None
        Best validation scores so far.

    Raises
    ------
    InputError
        If a split is empty, the batch larger than the training split, or the patch larger than the images.
    """

    def __init__(
        self,
        restorer: Restorer,
        pairs: PairSource,
        folder: RunFolder,
        settings: TrainSettings,
        accelerator: Accelerator,
        *,
        quiet: bool = False,
        data_name: str = "",
        start: Card | None = None,
        setups: int | None = None,
    ) -> None:
        self.restorer, self.pairs, self.folder, self.settings = restorer, pairs, folder, settings
        self.accelerator, self.device, self.data_name = accelerator, accelerator.device, data_name
        self.quiet = quiet or not accelerator.is_main_process
        self.world = accelerator.num_processes
        train_indices = check_split(pairs, "train", at_least=settings.batch * self.world)
        self.order = Order(tuple(train_indices), settings.seed)
        self.held_out = check_split(pairs, "validation")[: settings.validate_images]
        if isinstance(restorer, LearnedRestorer):
            check_patch(settings.patch, pairs.shape)
        self.held_out_pairs = read_pairs(pairs, self.held_out)
        self.start = start
        self.seen = merged(
            "" if start is None else start.data.get("families", ""),
            packed(pairs.families([*train_indices, *self.held_out])),
        )
        self.setups = len(pairs.setups) if setups is None else setups
        restorer.many_detectors = self.setups > 1
        self.lr_scores = score_lr(*self.held_out_pairs)
        shape, first = PaddedGrid.around(pairs.shape).padded, restorer.physics.link_first
        self.links = [link_on(setup, shape, self.device, first=first) for setup in pairs.setups]
        self.best: Scores | None = None
        self._operators: dict[int, Operator] = {}
        self._since_best = 0
        self._began = time.monotonic()

    def run(self, *, resume: bool = False) -> TrainResult:
        """Train to the last step, or go on from the newest state, and return what came of it."""
        began = self._began = time.monotonic()
        start = done = 0
        if isinstance(self.restorer, LearnedRestorer):
            optimiser = Optimiser(self.restorer, self.settings, self.accelerator)
            start = self._resumed(optimiser) if resume else 0
            done = self._learn(optimiser, start)
        else:
            self._keep_if_best(self.restorer, 0)
        assert self.best is not None
        seconds = time.monotonic() - began
        crops = (done - start) * self.settings.batch * self.settings.crops * self.world
        return TrainResult(str(self.folder.path), done, seconds, crops / seconds, self.best, self.lr_scores)

    def _learn(self, optimiser: Optimiser, start: int) -> int:
        """Take steps until the last, until validation gains no more or a signal comes; return how many are done."""
        settings, done = self.settings, start
        if settings.rollout is not None and start > settings.first_rollout:
            optimiser.train_for(settings.rollout)
        with (
            Progress(settings.steps, "steps", start=start, quiet=self.quiet) as progress,
            interruption() as caught,
            prefetch(lambda step: read_pairs(self.pairs, self._indices(step)), range(start, settings.steps)) as data,
            RunLog(self.folder, active=self.accelerator.is_main_process, tensorboard=settings.tensorboard) as log,
        ):
            while done < settings.steps and self._since_best < (settings.patience or math.inf):
                if done == settings.first_rollout and settings.rollout is not None:
                    optimiser.begin_rollout(settings.rollout)
                record = self._step(optimiser, done, data)
                done += 1
                log.write(done, record)
                best = "" if self.best is None else f", best {self.best.psnr_dB:.2f} dB"
                progress.step(done, f"loss {record['loss']:.4f}{best}")
                last = done == settings.steps
                if done % settings.validate_every == 0 or last:
                    progress.say(self._report(log, self._keep_if_best(optimiser.average, done), done))
                if done % settings.save_every == 0 or last or caught:
                    self._save_state(optimiser, done)
                if caught and not last:
                    progress.say(f"stopped after step {done}, nothing is lost: go on with --resume")
                    raise SystemExit(128 + caught[0])  # as the signal would: 130 or 143
        return done

    def _report(self, log: RunLog, validation: Validation, done: int) -> str:
        """Log a validation and its picture (LR, restored, HR), and return it in words."""
        scores = asdict(validation.scores) | {"sharpness": validation.sharpness, "chi2": validation.chi2}
        log.write(done, {f"validation_{name}": value for name, value in scores.items()})
        hr, lr = self.held_out_pairs
        log.picture(done, [lr[0].numpy(), validation.first, hr[0].numpy()])
        return (
            f"step {done}: validation PSNR {scores['psnr_dB']:.2f} dB, SSIM {scores['ssim']:.4f}, "
            f"detail {100 * validation.sharpness:.0f} % of HR, chi2 {validation.chi2:.2f}"
        )

    def _step(self, optimiser: Optimiser, step: int, data: Iterator[tuple[Tensor, Tensor]]) -> dict[str, Any]:
        """Take one step and return its line for the log."""
        began = time.monotonic()
        hr, lr = next(data)
        waited = time.monotonic() - began
        record = optimiser.step(step, self._batch(step, hr, lr), lambda: f"samples {self._indices(step)}")
        return {**record, "seconds": time.monotonic() - began, "waited": waited}

    def _samples(self, step: int) -> range:
        """Return the numbers, within the run, of one step's samples of this process."""
        batch, before, done = self.settings.batch, 0, step
        if step >= (first := self.settings.first_rollout):
            before, done, batch = first * self.world * batch, step - first, self.settings.rollout_batch
        start = before + (done * self.world + self.accelerator.process_index) * batch
        return range(start, start + batch)

    def _indices(self, step: int) -> list[int]:
        """Return where one step's samples of this process lie in the data."""
        return [self.order[sample] for sample in self._samples(step)]

    def _batch(self, step: int, hr: Tensor, lr: Tensor) -> Batch:
        """Return one step's batch, with the physics of each sample's own set-up and the noise of its own grey."""
        setups = [self.pairs.setup_of(index) for index in self._indices(step)]
        same = len(set(setups)) == 1
        operator = self._operator(setups[0]) if same else Operator.stack([self._operator(s) for s in setups])
        if self.restorer.noise_follows_grey:
            levels = [self.pairs.setups[setup].noise_level(y.numpy()) for setup, y in zip(setups, lr, strict=True)]
            operator = operator.at_noise_level(torch.as_tensor(np.stack(levels)))
        return make_batch(
            hr,
            lr,
            samples=self._samples(step),
            seed=self.settings.seed,
            crops=self.settings.crops,
            patch=self.settings.patch,
            links=[self.links[setup] for setup in setups] if self.restorer.uses_link else None,
            operator=operator,
            device=self.device,
        )

    def _operator(self, setup: int) -> Operator:
        if setup not in self._operators:
            spectrum, grid = self.restorer.physics.spectrum, PaddedGrid.around(self.pairs.shape)
            operator = Operator.between(self.pairs.setups[setup], spectrum, grid.padded, device=self.device)
            self._operators[setup] = self.restorer.adapt(operator)
        return self._operators[setup]

    def _keep_if_best(self, restorer: Restorer, done: int) -> Validation:
        """Validate, each pair with the physics of its own set-up, and keep the weights if none were better."""
        validation = validate(restorers_of(self.pairs, self.held_out, restorer), *self.held_out_pairs)
        self._since_best += 1
        if self.best is None or validation.scores.psnr_dB > self.best.psnr_dB:
            self.best, self._since_best = validation.scores, 0
            self.save_weights(restorer, done)
        return validation

    def save_weights(self, restorer: Restorer, steps: int) -> None:
        """Write a restorer's weights and their card, with the best scores so far, as the run's outcome."""
        if not self.accelerator.is_main_process:
            return
        assert self.best is not None
        card = Card(
            restorer=restorer.name,
            options=restorer.options,
            physics=restorer.physics.to_dict(),
            training={
                "settings": self.settings.model_dump(),
                "steps": steps,
                "processes": self.world,
                "seconds": round(time.monotonic() - self._began, 1),
                "hardware": _hardware(self.device),
                "started_from": None if self.start is None else self.start.digest,
            },
            data={
                "name": self.data_name,
                "digest": self.pairs.digest,
                "pairs": len(set(self.order.indices)),
                "families": self.seen,
                "setups": self.setups,
            },
            scores={"validation": asdict(self.best), "lr": asdict(self.lr_scores), "images": len(self.held_out)},
        )
        tensors = restorer.network.state_dict() if isinstance(restorer, LearnedRestorer) else {}
        save_checkpoint(self.folder.weights, card, tensors)

    def _save_state(self, optimiser: Optimiser, step: int) -> None:
        if self.accelerator.is_main_process:
            best = [] if self.best is None else [self.best.psnr_dB, self.best.ssim, self._since_best]
            tensors = optimiser.state() | {"best": torch.tensor(best, dtype=torch.float64)}
            self.folder.save_state(step, tensors)

    def _resumed(self, optimiser: Optimiser) -> int:
        """Go back to the newest sound state and return its step; 0 if there is none yet."""
        newest = self.folder.newest_state()
        step = newest[0] if newest else 0
        if self.accelerator.is_main_process:
            self.folder.trim_log(step)
        if newest is not None:
            optimiser.load_state(newest[1])
            if best := newest[1]["best"].tolist():
                psnr, similarity, since = (*best, 0.0)[:3]  # states of older runs hold no count
                self.best, self._since_best = Scores(psnr, similarity), int(since)
        return step


def _hardware(device: torch.device) -> str:
    """Return what computes, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads, {platform.machine()}"


@contextmanager
def interruption() -> Iterator[list[int]]:
    """Yield a list that gets the number of the first SIGINT or SIGTERM, for the loop to stop after its step.

    The second signal stops the program at once, as usual. Off the main thread, where Python delivers no signals, the
    list stays empty.
    """
    before: dict[int, Any] = {}
    caught: list[int] = []

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        caught.append(number)
        put_back()

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        put_back()
