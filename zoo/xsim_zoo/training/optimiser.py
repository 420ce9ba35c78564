"""One training step, and the state that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from xsim.errors import DamageError
from xsim_zoo.network.backbone import Backbone
from xsim_zoo.process.preconditioning import Network
from xsim_zoo.restorers.batch import Batch
from xsim_zoo.training.settings import TrainSettings, learning_rate
from xsim_zoo.training.validation import DivergedError

if TYPE_CHECKING:
    from accelerate import Accelerator

    from xsim_zoo.restorers.base import LearnedRestorer

__all__ = ["Optimiser"]

_BETAS = (0.9, 0.99)
"""Memories of AdamW: 0.99 keeps 100 squared gradients; torch's own 0.999 keeps 1000, half of a short run. Not tuned."""


class Optimiser:
    """Network, optimiser and moving average of a restorer.

    Parameters
    ----------
    restorer : LearnedRestorer
        Its network is trained in place.
    settings : TrainSettings
        Rates, decay, clipping, precision.
    accelerator : Accelerator
        Knows devices and processes.

    Attributes
    ----------
    average : LearnedRestorer
        The restorer with the moving average of the weights: the one to validate and to keep.
    """

    def __init__(self, restorer: LearnedRestorer, settings: TrainSettings, accelerator: Accelerator) -> None:
        self.restorer, self.settings, self.accelerator = restorer, settings, accelerator
        optimizer = torch.optim.AdamW(
            restorer.network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, betas=_BETAS
        )
        self._network, self._optimizer = accelerator.prepare(restorer.network, optimizer)
        self.average = deepcopy(restorer)
        self._ema = AveragedModel(self.average.network, multi_avg_fn=_average(settings.ema))
        self.average.network = cast("Backbone", self._ema.module)
        self.average.network.eval()

    def step(self, step: int, batch: Batch, batch_name: Callable[[], str]) -> dict[str, float]:
        """Take step number ``step`` on a batch, which ``batch_name`` names if it fails.

        Return loss, learning rate (lr), and norm of the gradient before clipping.

        Raises
        ------
        DivergedError
            If loss or gradient is not finite; the weights stay as they were.
        """
        together = self.settings.rollout if step >= self.settings.first_rollout else None

        def loss(network: Network) -> Tensor:
            if together is None:
                return self.restorer.loss(batch, network)
            return self.restorer.rollout_loss(batch, together, network)

        return self.descend(step, loss, batch_name)

    def descend(
        self, step: int, loss_of: Callable[[Network], Tensor], batch_name: Callable[[], str]
    ) -> dict[str, float]:
        """Take step number ``step`` on any loss (a scalar) of the network, as `step` does."""
        rate = learning_rate(step, self.settings)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        device = self.accelerator.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            loss = loss_of(self._network)
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self._network.parameters(), self.settings.clip)
        record = {"loss": float(loss.detach()), "lr": rate, "gradient": float(norm)}
        # Checked before the optimiser moves, so that the weights stay as they were.
        if not (math.isfinite(record["loss"]) and math.isfinite(record["gradient"])):
            raise DivergedError(
                f"the loss is not finite at step {step + 1} ({batch_name()}): start anew with a lower lr (now "
                f"{self.settings.lr:g})"
            )
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._ema.update_parameters(self.accelerator.unwrap_model(self._network))
        return record

    def begin_rollout(self, steps: int) -> None:
        """Go on from the average weights, as a new run would, with weights that are for so many sampling steps."""
        self.restorer.network.load_state_dict(self.average.network.state_dict())
        self._ema.n_averaged.zero_()
        self._optimizer.state.clear()
        self.train_for(steps)

    def train_for(self, steps: int) -> None:
        """Say of the weights and of their average that they are for so many sampling steps."""
        for restorer in (self.restorer, self.average):
            restorer.train_for(steps)

    def state(self) -> dict[str, Tensor]:
        """Return all that the next step depends on."""
        tensors = {f"network.{name}": tensor for name, tensor in self.restorer.network.state_dict().items()}
        tensors |= {f"ema.{name}": tensor for name, tensor in self._ema.state_dict().items()}
        for index, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": tensor for name, tensor in moments.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go back to what `state` returned.

        Raises
        ------
        DamageError
            If it does not fit the network.
        """
        count = len(list(self.restorer.network.parameters()))
        try:
            self.restorer.network.load_state_dict(_under("network.", tensors))
            self._ema.load_state_dict(_under("ema.", tensors))
            adam: dict[str, Any] = self._optimizer.state_dict()
            adam["state"] = {index: _under(f"adam.{index}.", tensors) for index in range(count)}
            self._optimizer.load_state_dict(adam)
        except (RuntimeError, KeyError) as error:
            raise DamageError("the state does not fit the run's network: start the run anew") from error


def _average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Return an in-place update of moving averages.

    Step k uses at most (1 + k) / (10 + k) of the average, the usual warm-up of an EMA: a young one would otherwise
    hold the initial weights for 1 / (1 - decay) steps.
    """

    @torch.no_grad()
    def update(averages: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        done = int(count)
        weight = 1 - min(decay, (1 + done) / (10 + done))
        for average, new in zip(averages, current, strict=True):
            average.lerp_(new, weight)

    return update


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
