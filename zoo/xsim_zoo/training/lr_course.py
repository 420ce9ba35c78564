"""Training on LR images alone: what a step learns from, and who judges.

Every step restores LR windows with more noise than they have, and is judged by a second look at them whose noise is
independent (`xsim_zoo.training.recorruption`). Simulated pairs of the same detectors may be mixed in, with the loss of
the same steps against their HR images. They are what keeps, and adapts, the detail that LR does not hold; without them,
that is left to the old weights.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim.errors import InputError
from xsim.seeds import torch_seed
from xsim_zoo.process.preconditioning import Network
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.batch import Batch
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.batch import Batches, Order, turned
from xsim_zoo.training.course import Course, hardware
from xsim_zoo.training.data import PairSource, check_setups, check_split, read_pairs
from xsim_zoo.training.folder import RunFolder, RunLog
from xsim_zoo.training.lr_images import LrWindows
from xsim_zoo.training.optimiser import Optimiser
from xsim_zoo.training.recorruption import STRENGTH, Looks, LrModel
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.validation import DivergedError
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.checkpoint import save_checkpoint
from xsim_zoo.weights.packages import packages_of

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Judge", "LrCourse", "look_noise"]

_DRAWS = 4
"""Looks at each window in a validation: two noises, each with its opposite, so that what is odd in them drops out."""

_LEAST_PATCH = 16
"""Crops of the simulated pairs, which whole images do not use [px]: so that they fit any image."""

Data = tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]
"""Windows and their rms maps (B, H, W), and HR and LR of the pairs that are mixed in."""


class Judge:
    """Scores weights on held-out windows: by the second frame where there is one, else by recorruption.

    The noises are the same in every validation, so that weights are compared window by window.
    """

    def __init__(self, model: LrModel, windows: LrWindows, settings: TrainSettings) -> None:
        self.model, self.windows, self.seed = model, windows, settings.seed
        self.places = windows.held_out[: settings.validate_images]
        self.rms = model.rms_map(windows.y)
        self._looks = [self._looks_at(place) for place in self.places]

    def _looks_at(self, place: int) -> list[Looks]:
        y, rms = (torch.from_numpy(images[[place]]).to(self.model.device) for images in (self.windows.y, self.rms))
        if place in self.windows.again:
            other = torch.from_numpy(self.windows.again[place][None]).to(self.model.device)
            level = rms.square().mean(dim=(-2, -1))
            return [Looks(y, other, level), Looks(other, y, level)]
        noises = [look_noise(self.seed, place, draw, "judge", self.model) for draw in range(_DRAWS // 2)]
        return [self.model.looks(y, rms, noise, a) for noise in noises for a in (STRENGTH, -STRENGTH)]

    def risks(self, restorer: Restorer) -> NDArray[np.float64]:
        """Return the risk of each held-out window.

        Raises
        ------
        DivergedError
            If one is not finite.
        """
        found = np.array([np.mean([self.model.risk(restorer, look) for look in looks]) for looks in self._looks])
        if not np.isfinite(found).all():
            raise DivergedError("the restored held-out windows are not finite: lower lr, the best weights are kept")
        return found


def look_noise(seed: int, sample: int, draw: int, stage: str, model: LrModel) -> Tensor:
    """Return white noise (1, H', W') on the padded grid of a model, that of one draw of one sample."""
    random = torch.Generator().manual_seed(torch_seed(seed, sample=sample, stage=f"{stage} {draw}"))
    return torch.randn(1, *model.grid.padded, generator=random)


class LrCourse(Course[Data, int]):
    """Steps on LR windows, and on the pairs that are mixed in."""

    def __init__(
        self,
        restorer: LearnedRestorer,
        judge: Judge,
        folder: RunFolder,
        settings: TrainSettings,
        accelerator: Accelerator,
        *,
        mix: PairSource | None,
        mix_share: float,
        start: Card,
        quiet: bool = False,
        data_name: str = "",
    ) -> None:
        for key in ("loss", "augment", "accumulate"):
            if getattr(settings, key) != TrainSettings.model_fields[key].default:
                raise InputError(
                    f"learning from LR images alone has its own loss and images: leave out --set {key}=..."
                )
        super().__init__(folder, settings.model_copy(update={"rollout": None}), accelerator, quiet=quiet)
        self.restorer, self.judge, self.mix, self.start, self.data_name = restorer, judge, mix, start, data_name
        self.best: NDArray[np.float64] | None = None
        self._steps = restorer.default_steps
        if self._steps > 1:
            restorer.train_for(self._steps)
        batch = settings.batch
        self._mixed = 0 if mix is None else min(max(round(batch * mix_share), 1), batch - 1)
        self._own = batch - self._mixed
        if mix is not None:
            if batch == 1:
                raise InputError(
                    "a batch of 1 has no room for simulated pairs: give --set batch=2 or more, or no --mix"
                )
            check_setups(mix)
            self._mix_order = Order(tuple(check_split(mix, "train", self._mixed * self.world)), settings.seed)
            self._batches = Batches(mix, restorer, settings.model_copy(update={"patch": _LEAST_PATCH}), self.device)
        if len(judge.windows.train) < self._own * self.world:
            raise InputError(
                f"{len(judge.windows.train)} LR windows to learn from, {self._own * self.world} needed: give a smaller "
                "batch, or more images"
            )
        self._order = Order(judge.windows.train, settings.seed)

    def run(self, *, resume: bool = False) -> int:
        """Train, and return how many steps are done."""
        optimiser = Optimiser(self.restorer, self.settings, self.accelerator)
        return self.learn(optimiser, self.resumed(optimiser) if resume else 0)

    def _samples(self, step: int, batch: int) -> range:
        first = (step * self.world + self.accelerator.process_index) * batch
        return range(first, first + batch)

    def _places(self, step: int) -> list[int]:
        return [self._order[sample] for sample in self._samples(step, self._own)]

    def _pairs(self, step: int) -> list[int]:
        return [self._mix_order[sample] for sample in self._samples(step, self._mixed)]

    def _read(self, step: int) -> Data:
        places = self._places(step)
        both = torch.from_numpy(np.stack([self.judge.windows.y[places], self.judge.rms[places]], axis=1))
        # A window is seen in all eight orientations, as pairs are.
        turns = [torch_seed(self.settings.seed, sample=s, stage="turn") % 8 for s in self._samples(step, self._own)]
        y, rms = torch.stack([turned(window, turn) for window, turn in zip(both, turns, strict=True)]).unbind(1)
        return y, rms, None if self.mix is None else read_pairs(self.mix, self._pairs(step))

    def _take(self, optimiser: Optimiser, step: int, data: Data) -> dict[str, float]:
        y, rms, pairs = data
        model, samples = self.judge.model, self._samples(step, self._own)
        white = torch.cat([look_noise(self.settings.seed, sample, 0, "recorrupt", model) for sample in samples])
        looks = model.looks(y.to(self.device), rms.to(self.device), white)
        batch: Batch | None = None
        if pairs is not None:
            batch = self._batches.of(self._samples(step, self._mixed), self._pairs(step), *pairs)

        def loss(network: Network) -> Tensor:
            own = model.loss(self.restorer, looks, self._steps, network) - looks.noise_judge
            if batch is None:
                return own
            supervised = self.restorer.rollout_loss(batch, self._steps, network)
            return (self._own * own + self._mixed * supervised) / (self._own + self._mixed)

        return optimiser.descend(step, [loss], lambda: f"windows {self._places(step)}")

    def _validate(self, log: RunLog, restorer: LearnedRestorer, done: int) -> str:
        risks = self.judge.risks(restorer)
        self._since_best += 1
        if self.best is None or risks.mean() < self.best.mean():
            self.best, self._since_best = risks, 0
            self.save(restorer, {"trained": {"risk": float(risks.mean())}}, done)
        log.write(done, {"validation_risk": float(risks.mean())})
        return f"validation risk {risks.mean():.4f}"

    @property
    def _best(self) -> list[float]:
        return [] if self.best is None else self.best.tolist()

    @_best.setter
    def _best(self, figures: list[float]) -> None:
        self.best = np.array(figures)

    def _best_text(self) -> str:
        return "" if self.best is None else f"risk {self.best.mean():.4f}"

    def save(self, restorer: LearnedRestorer, risks: dict[str, Any], steps: int) -> None:
        """Write a restorer's weights and their card, with what held-out windows say, as the run's outcome."""
        if not self.accelerator.is_main_process:
            return
        windows = self.judge.windows
        card = Card(
            restorer=restorer.name,
            options=restorer.options,
            packages=packages_of(restorer),
            physics=restorer.physics.to_dict(),
            training={
                "lr_only": True,
                "settings": self.settings.model_dump(),
                "steps": steps,
                "processes": self.world,
                "seconds": round(time.monotonic() - self._began, 1),
                "hardware": hardware(self.device),
                "started_from": self.start.digest,
            },
            data={
                "name": self.data_name,
                "digest": windows.digest,
                "pairs": 0 if self.mix is None else len(set(self._mix_order.indices)),
                "lr_windows": len(windows.train),
                "families": self.start.data.get("families", ""),
                "setups": 1,
            },
            scores={"lr_risk": risks, "images": len(self.judge.places)},
        )
        save_checkpoint(self.folder.weights, card, restorer.network.state_dict())
