"""One training step, and the state that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn import Module
from torch.optim.swa_utils import AveragedModel

from xsim.errors import DamageError
from xsim_zoo.network.backbone import Backbone
from xsim_zoo.process.preconditioning import Network
from xsim_zoo.restorers.batch import Batch
from xsim_zoo.training.parts.losses import criterion_of
from xsim_zoo.training.parts.optimisers import optimiser_of
from xsim_zoo.training.settings import TrainSettings, learning_rate
from xsim_zoo.training.validation import DivergedError

if TYPE_CHECKING:
    from accelerate import Accelerator

    from xsim_zoo.restorers.learned import LearnedRestorer

__all__ = ["Optimiser"]


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
    waits : bool
        Whether each step waits for its loss, and changes nothing where that is not finite. Else loss and gradient are
        returned as tensors that the device still works on, and whoever reads them has to look.

    Attributes
    ----------
    average : LearnedRestorer
        The restorer with the moving average of the weights: the one to validate and to keep.
    """

    def __init__(
        self, restorer: LearnedRestorer, settings: TrainSettings, accelerator: Accelerator, *, waits: bool = True
    ) -> None:
        self.restorer, self.settings, self.accelerator, self._waits = restorer, settings, accelerator, waits
        _lay_out(restorer.network, settings.memory_format)
        optimizer = optimiser_of(settings, restorer.network.parameters(), accelerator.device)
        self._criterion = criterion_of(settings.loss)
        self._network, self._optimizer = accelerator.prepare(restorer.network, optimizer)
        self._fast = _compiled(self._network, settings.compile)
        self.average = deepcopy(restorer)
        self._ema = _Average(self.average.network, settings.ema)
        self.average.network = cast("Backbone", self._ema.module)
        self.average.network.eval()

    def step(self, step: int, batches: Sequence[Callable[[], Batch]], batch_name: Callable[[], str]) -> dict[str, Any]:
        """Take step number ``step`` on batches that are made in turn, which ``batch_name`` names if it fails.

        Return loss, learning rate (lr), and norm of the gradient before clipping; loss and norm are tensors where
        nobody waits for them.

        Raises
        ------
        DivergedError
            If loss or gradient is not finite; the weights stay as they were.
        """
        together = self.settings.rollout if step >= self.settings.first_rollout else None

        # Restorers of other packages may not know of criteria: they are told of one only where one is chosen.
        criterion = () if self._criterion is None else (self._criterion,)

        def loss(make: Callable[[], Batch], network: Network) -> Tensor:
            with torch.autocast(self.accelerator.device.type, enabled=False):
                batch = make()
            if together is None:
                return self.restorer.loss(batch, self._fast, *criterion)
            return self.restorer.rollout_loss(batch, together, network, *criterion)

        return self.descend(step, [partial(loss, make) for make in batches], batch_name)

    def descend(
        self, step: int, losses: Sequence[Callable[[Network], Tensor]], batch_name: Callable[[], str]
    ) -> dict[str, Any]:
        """Take step number ``step`` on the mean of any losses (scalars) of the network, as `step` does."""
        rate = learning_rate(step, self.settings)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = self._backward(losses)
        norm = self.accelerator.clip_grad_norm_(self._network.parameters(), self.settings.clip)
        record: dict[str, Any] = {"loss": loss.detach(), "lr": rate, "gradient": norm.detach()}
        if self._waits:
            record |= {key: float(record[key]) for key in ("loss", "gradient")}
            # Checked before the optimiser moves, so that the weights stay as they were.
            if not (math.isfinite(record["loss"]) and math.isfinite(record["gradient"])):
                others = math.isfinite(record["loss"]) and self.accelerator.num_processes > 1
                where = "in the batch of another process" if others else batch_name()
                raise DivergedError(
                    f"the loss is not finite at step {step + 1} ({where}): start anew with a lower lr (now "
                    f"{self.settings.lr:g})"
                )
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._ema.update_parameters(self.accelerator.unwrap_model(self._network))
        return record

    def _backward(self, losses: Sequence[Callable[[Network], Tensor]]) -> Tensor:
        """Add up the gradients of losses and return their mean; only the last of them talks to other processes."""
        device, half = self.accelerator.device.type, self.settings.precision == "bf16"
        total: Tensor | None = None
        for number, loss_of in enumerate(losses):
            alone = number + 1 < len(losses)
            with self.accelerator.no_sync(self._network) if alone else nullcontext():
                with torch.autocast(device, torch.bfloat16, enabled=half):
                    loss = loss_of(self._network)
                loss = loss / len(losses) if len(losses) > 1 else loss
                self.accelerator.backward(loss)
            total = loss if total is None else total.detach() + loss.detach()
        assert total is not None
        return total

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
            # Numbers, such as a count of steps, go as tensors, which every optimiser of torch takes for them.
            known = {name: torch.as_tensor(value) for name, value in moments.items() if value is not None}
            tensors |= {f"adam.{index}.{name}": tensor for name, tensor in known.items()}
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
            states = {index: _under(f"adam.{index}.", tensors) for index in range(count)}
            adam["state"] = {index: state for index, state in states.items() if state}
            self._optimizer.load_state_dict(adam)
        except (RuntimeError, KeyError) as error:
            raise DamageError("the state does not fit the run's network: start the run anew") from error


class _Average(AveragedModel):
    """A moving average of a network's weights, of all tensors at once, which never waits for the device.

    Step k uses at most (1 + k) / (10 + k) of the average, the usual warm-up of an EMA: a young one would otherwise
    hold the initial weights for 1 / (1 - decay) steps.

    Parameters
    ----------
    network : Module
        What it starts as.
    decay : float
        What it keeps of itself at each step.
    """

    n_averaged: Tensor  # on the CPU, so that it can be read at any time

    def __init__(self, network: Module, decay: float) -> None:
        super().__init__(network)
        self._decay = decay

    @torch.no_grad()
    def update_parameters(self, model: Module) -> None:
        """Move towards the weights of a network."""
        averages: list[Tensor] = list(self.module.parameters())
        current: list[Tensor] = list(model.parameters())
        done = int(self.n_averaged)
        weight = 1 - min(self._decay, (1 + done) / (10 + done)) if done else 1.0
        torch._foreach_lerp_(averages, current, weight)
        for own, new in zip(self.module.buffers(), model.buffers(), strict=True):
            own.copy_(new)
        self.n_averaged += 1


def _lay_out(network: Module, memory_format: str) -> None:
    """Let a network hold weights and features in a memory format, by its name."""
    found = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}[memory_format]
    if hasattr(network, "memory_format"):  # others say themselves how they compute
        network.to(memory_format=found)  # type: ignore[call-overload]
        network.memory_format = found  # type: ignore[assignment]


def _compiled(network: Module, how: str) -> Network:
    if how == "no":
        return network
    compiled: Network = torch.compile(network, mode="reduce-overhead" if how == "graphs" else "default")
    return compiled


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
