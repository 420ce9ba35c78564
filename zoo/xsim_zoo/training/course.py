"""The course of a training run, whatever it learns from: steps, validations, states, and what stops it.

Everything random in step ``k`` comes from (seed, k), and the learning rate from k alone. So a run that was killed
and resumed takes the very same steps on the CPU.
"""

from __future__ import annotations

import math
import platform
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

from xsim_datasets.progress import Progress
from xsim_zoo.training.batch import prefetch
from xsim_zoo.training.folder import RunFolder, RunLog
from xsim_zoo.training.optimiser import Optimiser
from xsim_zoo.training.parts.callbacks import Callbacks
from xsim_zoo.training.parts.losses import criterion_of
from xsim_zoo.training.parts.named import part_of
from xsim_zoo.training.parts.optimisers import optimiser_of
from xsim_zoo.training.parts.schedules import fall_of
from xsim_zoo.training.resident.ledger import Ledger
from xsim_zoo.training.settings import TrainSettings

if TYPE_CHECKING:
    from accelerate import Accelerator

    from xsim_zoo.restorers.learned import LearnedRestorer

__all__ = ["Course", "hardware", "interruption"]

Data = TypeVar("Data")
Result = TypeVar("Result")


class Course(ABC, Generic[Data, Result]):
    """Takes the steps of one run; what they learn from, and what is best, is a subclass's.

    Parameters
    ----------
    folder : RunFolder
        Where log, states and weights go.
    settings : TrainSettings
        How to train.
    accelerator : Accelerator
        Knows devices and processes.
    quiet : bool
        Say nothing on stderr.

    Attributes
    ----------
    extended_from : int or None
        How many steps the run was to take before more were asked for.

    Raises
    ------
    InputError
        If a part of another package cannot be had; nothing of the run is written before.
    """

    def __init__(
        self, folder: RunFolder, settings: TrainSettings, accelerator: Accelerator, *, quiet: bool = False
    ) -> None:
        _check_parts(settings)
        self.folder, self.settings = folder, settings
        self.accelerator, self.device = accelerator, accelerator.device
        self.quiet = quiet or not accelerator.is_main_process
        self.world = accelerator.num_processes
        self.extended_from: int | None = None
        self._since_best = 0
        self._began = time.monotonic()

    @abstractmethod
    def run(self, *, resume: bool = False) -> Result:
        """Train to the last step, or go on from the newest state, and return what came of it."""

    @abstractmethod
    def _read(self, step: int) -> Data:
        """Return the data of a step; on a thread of its own."""

    @abstractmethod
    def _take(self, optimiser: Optimiser, step: int, data: Data) -> dict[str, Any]:
        """Take one step and return its figures for the log, numbers or tensors that the device still works on."""

    @abstractmethod
    def _validate(self, log: RunLog, restorer: LearnedRestorer, done: int) -> str:
        """Validate, log it, keep the weights if none were better (`_since_best` is then 0), say it in words."""

    @property
    @abstractmethod
    def _best(self) -> list[float]:
        """The figures of the best weights so far, for the state; none before the first validation."""

    @_best.setter
    def _best(self, figures: list[float]) -> None: ...

    @abstractmethod
    def _best_text(self) -> str:
        """Return the best so far in words, for the progress line; empty before the first validation."""

    def learn(self, optimiser: Optimiser, start: int) -> int:
        """Take steps until the last, until validation gains no more or a signal comes; return how many are done."""
        settings, done = self.settings, start
        ledger = Ledger(self._log_every, self.accelerator)
        if settings.rollout is not None and start > settings.first_rollout:
            optimiser.train_for(settings.rollout)
        with (
            Progress(settings.steps, "steps", start=start, quiet=self.quiet) as progress,
            interruption() as caught,
            prefetch(self._read, range(start, settings.steps)) as data,
            self._log(start) as log,
        ):
            if start:
                more = f", which were {self.extended_from}" if self.extended_from else ""
                progress.say(f"goes on after step {start} of {settings.steps}{more}")
            while done < settings.steps and self._since_best < (settings.patience or math.inf):
                if done == settings.first_rollout and settings.rollout is not None:
                    optimiser.begin_rollout(settings.rollout)
                self._step(optimiser, done, data, ledger)
                done += 1
                last = done == settings.steps
                validates, saves = (
                    last or done % every == 0 for every in (settings.validate_every, settings.save_every)
                )
                # Processes get a signal between different steps: they agree where all of them read their figures.
                if ledger.due or validates or saves or (caught and self.world == 1):
                    for line in ledger.lines(caught[0] if caught else 0):
                        log.write(*line)
                best = self._best_text()
                progress.step(done, f"loss {ledger.loss:.4f}{best and f', best {best}'}")
                if validates:
                    progress.say(f"step {done}: {self._validate(log, optimiser.average, done)}")
                if saves or ledger.signal:
                    self._save_state(optimiser, done)
                if ledger.signal and not last:
                    # A launcher ends all processes as soon as one has ended: not before the state is on disk.
                    self.accelerator.wait_for_everyone()
                    progress.say(f"stopped after step {done}, nothing is lost: go on with --resume")
                    raise SystemExit(128 + ledger.signal)  # as the signal would: 130 or 143
        return done

    def _log(self, start: int) -> RunLog:
        """Open the log of a run that goes on after ``start`` steps."""
        active, content = self.accelerator.is_main_process, self.settings.model_dump(mode="json")
        return RunLog(
            self.folder,
            active=active,
            tensorboard=self.settings.tensorboard,
            start=start,
            settings=content,
            callbacks=Callbacks(self.settings.callbacks, self.folder.path, content) if active else None,
        )

    @property
    def _log_every(self) -> int:
        """Steps after which their figures are read."""
        return 1

    def _step(self, optimiser: Optimiser, step: int, data: Iterator[Data], ledger: Ledger) -> None:
        """Take one step and write it down."""
        began = time.monotonic()
        own = next(data)
        waited = time.monotonic() - began
        record = self._take(optimiser, step, own)
        ledger.add(step + 1, began, {**record, "seconds": time.monotonic() - began, "waited": waited})

    def _save_state(self, optimiser: Optimiser, step: int) -> None:
        if self.accelerator.is_main_process:
            best = self._best and [*self._best, self._since_best]
            tensors = optimiser.state() | {"best": torch.tensor(best, dtype=torch.float64)}
            self.folder.save_state(step, tensors)

    def resumed(self, optimiser: Optimiser) -> int:
        """Go back to the newest sound state and return its step; 0 if there is none yet."""
        newest = self.folder.newest_state()
        step = newest[0] if newest else 0
        if self.accelerator.is_main_process:
            self.folder.trim_log(step)
        if newest is not None:
            optimiser.load_state(newest[1])
            if best := newest[1]["best"].tolist():
                *self._best, since = best
                self._since_best = int(since)
        return step


def _check_parts(settings: TrainSettings) -> None:
    """Refuse parts of other packages that cannot be had, before anything of the run is written.

    Raises
    ------
    InputError
        Naming the part and what is wrong with it.
    """
    criterion_of(settings.loss)
    fall_of(settings.schedule)
    optimiser_of(settings, [torch.nn.Parameter(torch.zeros(1))], torch.device("cpu"))
    for name in settings.callbacks:
        part_of("callback", name)


def hardware(device: torch.device) -> str:
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
