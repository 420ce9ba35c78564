"""Training on pairs: which samples a step takes, how they are validated, which weights are kept.

P processes with a batch of B take the steps of one with P * B, but for rounding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch

from xsim_zoo.process.conditions import Met
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.batch import Batches, check_patch
from xsim_zoo.training.course import Course, hardware
from xsim_zoo.training.data import PairSource, check_setups, check_split, read_pairs
from xsim_zoo.training.folder import RunFolder, RunLog
from xsim_zoo.training.optimiser import Optimiser
from xsim_zoo.training.resident.batches import DeviceFeed
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.sources.joined import order_of
from xsim_zoo.training.validation import Scores, Validation, restorers_of, score_lr, validate
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.checkpoint import save_checkpoint
from xsim_zoo.weights.families import merged, packed
from xsim_zoo.weights.packages import packages_of

if TYPE_CHECKING:
    from accelerate import Accelerator

    from xsim_zoo.restorers.batch import Batch

__all__ = ["TrainResult", "Trainer"]

_LOG_EVERY: Final = 50
"""Steps whose figures a GPU is asked for together: a second or so of them."""


class Feed(Protocol):
    """What turns samples into batches: `Batches` on the host, `DeviceFeed` where the pairs lie on the device."""

    def read(self, step: int, samples: Sequence[int], indices: Sequence[int], /) -> Any:
        """Return what `make` takes; on a thread of its own."""

    def make(self, data: Any, /) -> Batch:
        """Return a batch."""


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


class Trainer(Course[Any, TrainResult]):
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
        super().__init__(folder, settings, accelerator, quiet=quiet)
        self.restorer, self.pairs, self.data_name = restorer, pairs, data_name
        train_indices = check_split(pairs, "train", at_least=settings.batch * self.world)
        self.order = order_of(pairs, tuple(train_indices), settings.seed)
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
        self.met = Met.of(check_setups(pairs) if self.setups > 1 else [restorer.physics.degradation])
        self.lr_scores = score_lr(*self.held_out_pairs)
        on_host = settings.loop == "host" or (settings.loop == "auto" and self.device.type == "cpu")
        self.resident = not on_host
        self._feed: Feed = Batches(pairs, restorer, settings, self.device)
        self.best: Scores | None = None

    def run(self, *, resume: bool = False) -> TrainResult:
        """Train to the last step, or go on from the newest state, and return what came of it."""
        began = self._began = time.monotonic()
        start = done = 0
        if isinstance(self.restorer, LearnedRestorer):
            optimiser = Optimiser(self.restorer, self.settings, self.accelerator, waits=self._log_every == 1)
            start = self.resumed(optimiser) if resume else 0
            with self._fed(start), _fixed_shapes():
                done = self.learn(optimiser, start)
        else:
            self._keep_if_best(self.restorer, 0)
        assert self.best is not None
        seconds = time.monotonic() - began
        crops = (done - start) * self.settings.batch * self.settings.accumulate * self.settings.crops * self.world
        return TrainResult(str(self.folder.path), done, seconds, crops / seconds, self.best, self.lr_scores)

    @contextmanager
    def _fed(self, start: int) -> Iterator[None]:
        """Bring the pairs to the device for as long as it lasts, where that is wanted."""
        if not self.resident:
            yield
            return
        steps = range(start, self.settings.steps)
        feed = DeviceFeed(self.pairs, self.restorer, self.settings, self.device, self._indices, steps)
        self._feed = feed
        with feed.shelf:
            yield

    @property
    def _log_every(self) -> int:
        return self.settings.log_every or (_LOG_EVERY if self.device.type == "cuda" else 1)

    def _read(self, step: int) -> list[Any]:
        samples, indices = self._samples(step), self._indices(step)
        size = len(samples) // self.settings.accumulate
        parts = [slice(first, first + size) for first in range(0, len(samples), size)]
        return [self._feed.read(step, samples[part], indices[part]) for part in parts]

    def _take(self, optimiser: Optimiser, step: int, data: list[Any]) -> dict[str, Any]:
        makes = [partial(self._feed.make, part) for part in data]
        return optimiser.step(step, makes, lambda: f"samples {self._indices(step)}")

    def _validate(self, log: RunLog, restorer: LearnedRestorer, done: int) -> str:
        return self._report(log, self._keep_if_best(restorer, done), done)

    @property
    def _best(self) -> list[float]:
        return [] if self.best is None else [self.best.psnr_dB, self.best.ssim]

    @_best.setter
    def _best(self, figures: list[float]) -> None:
        self.best = Scores(*figures)

    def _best_text(self) -> str:
        return "" if self.best is None else f"{self.best.psnr_dB:.2f} dB"

    def _report(self, log: RunLog, validation: Validation, done: int) -> str:
        """Log a validation and its picture (LR, restored, HR), and return it in words."""
        scores = asdict(validation.scores) | {"sharpness": validation.sharpness, "chi2": validation.chi2}
        log.write(done, {f"validation_{name}": value for name, value in scores.items()})
        hr, lr = self.held_out_pairs
        log.picture(done, "LR, restored, HR", [lr[0].numpy(), validation.first, hr[0].numpy()])
        return (
            f"validation PSNR {scores['psnr_dB']:.2f} dB, SSIM {scores['ssim']:.4f}, "
            f"detail {100 * validation.sharpness:.0f} % of HR, chi2 {validation.chi2:.2f}"
        )

    def _samples(self, step: int) -> range:
        """Return the numbers, within the run, of one step's samples of this process."""
        each = self.settings.accumulate
        batch, before, done = self.settings.batch * each, 0, step
        if step >= (first := self.settings.first_rollout):
            before, done, batch = first * self.world * batch, step - first, self.settings.rollout_batch * each
        start = before + (done * self.world + self.accelerator.process_index) * batch
        return range(start, start + batch)

    def _indices(self, step: int) -> list[int]:
        """Return where one step's samples of this process lie in the data."""
        return [self.order[sample] for sample in self._samples(step)]

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
            packages=packages_of(restorer),
            physics=restorer.physics.to_dict(),
            training={
                "settings": self.settings.model_dump(),
                "steps": steps,
                "processes": self.world,
                "seconds": round(time.monotonic() - self._began, 1),
                "hardware": hardware(self.device),
                "started_from": None if self.start is None else self.start.digest,
            },
            data={
                "name": self.data_name,
                "digest": self.pairs.digest,
                "pairs": len(set(self.order.indices)),
                "families": self.seen,
                "setups": self.setups,
                "met": self.met.to_dict(),
            },
            scores={"validation": asdict(self.best), "lr": asdict(self.lr_scores), "images": len(self.held_out)},
        )
        tensors = restorer.network.state_dict() if isinstance(restorer, LearnedRestorer) else {}
        save_checkpoint(self.folder.weights, card, tensors)


@contextmanager
def _fixed_shapes() -> Iterator[None]:
    """Let cuDNN try which convolutions are fastest, as the shapes of a training stay the same."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
