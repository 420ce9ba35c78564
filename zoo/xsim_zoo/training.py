"""Training: a plain loop that always ends in a run that is whole and can go on.

Everything random in step ``k`` comes from (seed, k), and the learning rate from k alone. So a run that was killed
and resumed walks the very same path on the CPU, and P processes with a batch of B walk the path of one with P * B.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator

from xsim.errors import InputError
from xsim.seeds import torch_seed
from xsim_zoo.batch import Batch, make_batch
from xsim_zoo.checkpoint import Card, save_checkpoint
from xsim_zoo.grey import TorchLink
from xsim_zoo.loading import build, resolve_device
from xsim_zoo.operator import Operator
from xsim_zoo.optimising import Optimising
from xsim_zoo.padding import PaddedGrid
from xsim_zoo.pairs import Order, Prefetch, check_split, read_pairs
from xsim_zoo.physics import Physics
from xsim_zoo.progress import Progress
from xsim_zoo.registry import get
from xsim_zoo.restorer import LearnedRestorer, Restorer
from xsim_zoo.run_folder import RunFolder
from xsim_zoo.settings import TrainSettings
from xsim_zoo.signals import Interruption
from xsim_zoo.spectrum import RadialSpectrum
from xsim_zoo.validation import Scores, score, score_lr

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from xsim_zoo.pairs import PairSource

__all__ = ["TrainResult", "measure_physics", "train"]


@dataclass(frozen=True)
class TrainResult:
    """What a run came to.

    Parameters
    ----------
    run : str
        Its folder.
    steps : int
        Steps done in all.
    seconds : float
        Time of this call [s].
    images_per_s : float
        Crops that the network learnt from a second.
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


def measure_physics(pairs: PairSource, *, images: int = 64, linked: bool = True) -> Physics:
    """Measure S(f) on the training split and join it to the data's degradation (the first set-up's).

    Parameters
    ----------
    pairs : PairSource
        The data.
    images : int
        Largest number of images to measure on.
    linked : bool
        Take HR to LR grey first, by each sample's own link.
    """
    indices = check_split(pairs, "train")[:images]
    hr, _ = read_pairs(pairs, indices)
    if linked:
        links = [TorchLink.sampled(setup.link) for setup in pairs.setups]
        hr = torch.stack([links[pairs.setup_of(i)].forward(image) for i, image in zip(indices, hr, strict=True)])
    return Physics(pairs.setups[0], RadialSpectrum.measure(hr, pairs.pitch_mm))


def train(
    name: str,
    pairs: PairSource,
    run: Path,
    settings: TrainSettings | None = None,
    *,
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
    data_name: str = "",
) -> TrainResult:
    """Train a restorer on pairs.

    Parameters
    ----------
    name : str
        A registered restorer; one that does not learn gets its physics measured and a card.
    pairs : PairSource
        The data, with a training and a validation split.
    run : Path
        Folder of the run: settings, log, states, and the best weights with their card.
    settings : TrainSettings, optional
        How to train; a resumed run takes those it was started with.
    resume : bool
        Go on from the newest state.
    device : str
        "auto", "cpu", "cuda", "mps".
    quiet : bool
        Say nothing on stderr.
    data_name : str
        What the card calls the data.

    Raises
    ------
    InputError
        If a setting does not fit the data, or the data are not those that the run was started with.
    DivergedError
        If the loss is no longer finite, naming the batch; the last state and the best weights stay.
    """
    get(name)
    folder = RunFolder(run)
    identity = {"restorer": name, "data_digest": pairs.digest}
    if resume:
        stored = folder.settings()
        _check_same_run(run, stored, identity)
        settings = TrainSettings(**stored["settings"])
    settings = settings or TrainSettings()
    trainer = _Trainer(name, pairs, folder, settings, device=device, quiet=quiet, data_name=data_name)
    if not resume and trainer.accelerator.is_main_process:
        folder.start({**identity, "settings": settings.model_dump()})
    trainer.accelerator.wait_for_everyone()
    if not trainer.accelerator.is_main_process:
        return trainer.run(resume=resume)
    with folder.locked():
        return trainer.run(resume=resume)


def _check_same_run(run: Path, stored: dict[str, Any], identity: dict[str, str]) -> None:
    if stored.get("restorer") != identity["restorer"]:
        raise InputError(f"{run}: trains '{stored.get('restorer')}', not '{identity['restorer']}': give its own name")
    if stored.get("data_digest") != identity["data_digest"]:
        raise InputError(
            f"{run}: the data set has changed since the run was started: give the same data, or start anew"
        )


class _Trainer:
    """State and steps of one run."""

    def __init__(
        self,
        name: str,
        pairs: PairSource,
        folder: RunFolder,
        settings: TrainSettings,
        *,
        device: str,
        quiet: bool,
        data_name: str,
    ) -> None:
        self.pairs, self.folder, self.settings, self.data_name = pairs, folder, settings, data_name
        self.accelerator = Accelerator(cpu=resolve_device(device).type == "cpu")
        self.device = self.accelerator.device
        self.quiet = quiet or not self.accelerator.is_main_process
        self.world = self.accelerator.num_processes
        train_indices = check_split(pairs, "train", at_least=settings.batch * self.world)
        self.order = Order(tuple(train_indices), settings.seed)
        physics = measure_physics(pairs, images=settings.spectrum_images, linked=get(name).uses_link)
        self.restorer = _fresh(name, physics, settings, self.device)
        self.held_out = check_split(pairs, "validation")[: settings.validate_images]
        self.links = (
            [TorchLink.sampled(setup.link, device=self.device) for setup in pairs.setups]
            if self.restorer.uses_link
            else None
        )
        self._operators: dict[int, Operator] = {}
        self.best: Scores | None = None

    def run(self, *, resume: bool) -> TrainResult:
        """Train to the last step and return what came of it."""
        began = time.monotonic()
        hr, lr = read_pairs(self.pairs, self.held_out)
        self.held_out_pairs, self.lr_scores = (hr, lr), score_lr(hr, lr)
        if not isinstance(self.restorer, LearnedRestorer):
            self.best = score(self._validators(self.restorer), hr, lr)
            self._save_weights({}, steps=0)
            return TrainResult(str(self.folder.path), 0, time.monotonic() - began, 0.0, self.best, self.lr_scores)
        optimising = Optimising(self.restorer, self.settings, self.accelerator)
        start = self._resumed(optimising) if resume else 0
        self._learn(optimising, start)
        seconds = time.monotonic() - began
        crops = (self.settings.steps - start) * self.settings.batch * self.settings.crops * self.world
        assert self.best is not None
        return TrainResult(
            str(self.folder.path), self.settings.steps, seconds, crops / seconds, self.best, self.lr_scores
        )

    def _learn(self, optimising: Optimising, start: int) -> None:
        settings = self.settings
        progress = Progress(settings.steps, start=start, quiet=self.quiet)
        with (
            Interruption() as interruption,
            Prefetch(self.read, iter(range(start, settings.steps))) as next_pairs,
            self.folder.log.open("a", encoding="utf-8") as log,
        ):
            for step in range(start, settings.steps):
                record = self._step(optimising, step, next_pairs)
                _write_line(log, record)
                done = step + 1
                last = done == settings.steps
                progress.step(done, f"loss {record['loss']:.4f}  {self._best_text()}")
                if done % settings.validate_every == 0 or last:
                    scores = self._validate(optimising.average, done)
                    _write_line(log, {"step": done, **{f"validation_{k}": v for k, v in asdict(scores).items()}})
                    progress.say(f"step {done}: validation PSNR {scores.psnr_dB:.2f} dB, SSIM {scores.ssim:.4f}")
                if done % settings.save_every == 0 or last or interruption.wanted:
                    self._save_state(optimising, done)
                if interruption.wanted and not last:
                    progress.say(f"stopped after step {done}, nothing is lost: go on with --resume")
                    interruption.leave()
        progress.close()

    def _step(self, optimising: Optimising, step: int, next_pairs: Prefetch) -> dict[str, Any]:
        """Take one step and return its line for the log."""
        began = time.monotonic()
        hr, lr = next_pairs()
        waited = time.monotonic() - began
        record = optimising.step(step, self.batch(step, hr, lr), lambda: f"samples {self.indices(step)}")
        return {"step": step + 1, **asdict(record), "seconds": time.monotonic() - began, "waited": waited}

    def _save_state(self, optimising: Optimising, step: int) -> None:
        if self.accelerator.is_main_process:
            best = [] if self.best is None else [self.best.psnr_dB, self.best.ssim]
            tensors = optimising.state() | {"best": torch.tensor(best, dtype=torch.float64)}
            self.folder.save_state(step, tensors)

    def _resumed(self, optimising: Optimising) -> int:
        """Go back to the newest sound state and return its step; 0 if there is none yet."""
        newest = self.folder.newest_state()
        step = newest[0] if newest else 0
        if self.accelerator.is_main_process:
            self.folder.trim_log(step)
        if newest is not None:
            optimising.load_state(newest[1])
            best = newest[1]["best"].tolist()
            self.best = Scores(*best) if best else None
        return step

    def read(self, step: int) -> tuple[Tensor, Tensor]:
        """Return HR and LR of one step's samples of this process."""
        return read_pairs(self.pairs, self.indices(step))

    def indices(self, step: int) -> list[int]:
        """Return where one step's samples of this process lie in the data."""
        return [self.order[sample] for sample in self.samples(step)]

    def samples(self, step: int) -> range:
        """Return the numbers, within the run, of one step's samples of this process."""
        batch = self.settings.batch
        first = (step * self.world + self.accelerator.process_index) * batch
        return range(first, first + batch)

    def batch(self, step: int, hr: Tensor, lr: Tensor) -> Batch:
        """Return one step's batch, with the physics of each sample's own set-up."""
        setups = [self.pairs.setup_of(index) for index in self.indices(step)]
        same = len(set(setups)) == 1
        return make_batch(
            hr,
            lr,
            samples=self.samples(step),
            seed=self.settings.seed,
            crops=self.settings.crops,
            patch=self.settings.patch,
            links=None if self.links is None else [self.links[setup] for setup in setups],
            operator=self._operator(setups[0]) if same else Operator.stack([self._operator(s) for s in setups]),
            device=self.device,
        )

    def _operator(self, setup: int) -> Operator:
        if setup not in self._operators:
            physics = Physics(self.pairs.setups[setup], self.restorer.physics.spectrum)
            grid = PaddedGrid.around(self.pairs.shape)
            self._operators[setup] = self.restorer.adapt(physics.operator(grid.padded, device=self.device))
        return self._operators[setup]

    def _validators(self, restorer: Restorer) -> list[Restorer]:
        """Return the restorer of each held-out pair, with the physics of its set-up."""
        spectrum = restorer.physics.spectrum
        of_setup = [restorer.with_physics(Physics(setup, spectrum)) for setup in self.pairs.setups]
        return [of_setup[self.pairs.setup_of(index)] for index in self.held_out]

    def _validate(self, restorer: LearnedRestorer, done: int) -> Scores:
        scores = score(self._validators(restorer), *self.held_out_pairs)
        if self.best is None or scores.psnr_dB > self.best.psnr_dB:
            self.best = scores
            self._save_weights(restorer.network.state_dict(), steps=done)
        return scores

    def _save_weights(self, tensors: dict[str, Tensor], *, steps: int) -> None:
        if not self.accelerator.is_main_process:
            return
        assert self.best is not None
        card = Card(
            restorer=self.restorer.name,
            options=self.restorer.options,
            physics=self.restorer.physics.to_dict(),
            training={"settings": self.settings.model_dump(), "steps": steps, "processes": self.world},
            data={"name": self.data_name, "digest": self.pairs.digest, "pairs": len(self.order.indices)},
            scores={"validation": asdict(self.best), "lr": asdict(self.lr_scores), "images": len(self.held_out)},
        )
        save_checkpoint(self.folder.weights, card, tensors)

    def _best_text(self) -> str:
        return "" if self.best is None else f"best {self.best.psnr_dB:.2f} dB"


def _fresh(name: str, physics: Physics, settings: TrainSettings, device: torch.device) -> Restorer:
    options: dict[str, Any] = {} if settings.prediction is None else {"prediction": settings.prediction}
    if get(name).learned:
        options["size"] = settings.size
    # torch initialises from its global generator: borrow it and put it back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(settings.seed, stage="weights"))
        return build(name, physics, device=device, **options)


def _write_line(log: Any, record: dict[str, Any]) -> None:
    log.write(json.dumps(record) + "\n")
    log.flush()
