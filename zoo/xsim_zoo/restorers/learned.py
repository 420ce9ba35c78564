"""The base of restorers that learn: a backbone, what it is shown in training, and rollouts of its own steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from xsim.errors import check_range
from xsim_zoo.network.backbone import Backbone
from xsim_zoo.network.tiles import tiled
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.preconditioning import Network
from xsim_zoo.process.sampling import time_grid
from xsim_zoo.restorers.base import How, Restorer
from xsim_zoo.restorers.batch import Batch, Examples

__all__ = ["Criterion", "LearnedRestorer"]

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes answers and targets (B, 1, H, W) in units of the expected error, returns a number."""

_REMEMBERED = 2**26
"""Pixels x channels x steps of a rollout up to which all steps are held in memory, for a third less time: about
2 GiB."""


class LearnedRestorer(Restorer):
    """A restorer around a backbone, see `xsim_zoo.network.backbone`.

    Parameters
    ----------
    physics : Physics
        Degradation and prior spectrum.
    network : Backbone
        The backbone, with ``inputs`` input channels.
    device : torch device or str
        Where it computes.
    link : bool, optional
        Whether it works in LR grey through the grey-level link; None takes the restorer's default.
    steps : int, optional
        Number of sampling steps that the weights were trained to take together, see `rollout_loss`; None where each
        step was trained by itself, so that any number will do.
    error_share : float
        Error of the answers over that of the Wiener filter, see `xsim_zoo.training.finishing.power`: half of the power
        that they lack is given back (`xsim_zoo.process.power`). 0 leaves them as they are; samples lack none.

    Raises
    ------
    PhysicsRangeError
        If steps or error share are out of range.
    """

    learned: ClassVar[bool] = True
    adapts_to_detectors: ClassVar[bool] = False
    """Whether its network learns in units of the physics and so serves other detectors; else it has learned one blur.

    Weights of many detectors (`many_detectors`) take any, whatever this says.
    """
    inputs: ClassVar[int]
    """Input channels of the network."""

    def __init__(
        self,
        physics: Physics,
        network: Backbone,
        *,
        device: torch.device | str = "cpu",
        link: bool | None = None,
        steps: int | None = None,
        error_share: float = 0.0,
    ) -> None:
        super().__init__(physics, device=device)
        check_range("error_share", error_share, 0, 0.95)
        self.error_share = error_share
        self.network = network.to(self.device)
        self.trained_steps: int | None = None
        self.default_steps = type(self).default_steps
        if steps is not None:
            self.train_for(steps)
        self.uses_link = type(self).uses_link if link is None else link

    @property
    def options(self) -> dict[str, Any]:
        """What else the constructor was told, for the card: what network it is."""
        found = dict(self.network.options)
        if self.uses_link != type(self).uses_link:
            found["link"] = self.uses_link
        if self.trained_steps is not None:
            found["steps"] = self.trained_steps
        if self.error_share:
            found["error_share"] = self.error_share
        return found

    def train_for(self, steps: int) -> None:
        """Say that the weights are for sampling in this many steps from now on."""
        time_grid(steps)
        self.trained_steps = self.default_steps = steps

    @property
    def _own_network(self) -> Network:
        return tiled(self.network, device=self.device)

    def to(self, device: torch.device | str) -> Self:
        """Move to another device, network and all, and return this restorer, as torch's modules do."""
        self.network.to(device)
        return super().to(device)

    def with_network(self, network: Backbone) -> Self:
        """Return this restorer around another network."""
        other = copy(self)
        other.network = network.to(self.device)
        return other

    @abstractmethod
    def examples(self, batch: Batch) -> Examples:
        """Return what the network should learn from a batch of whole images."""

    def loss(self, batch: Batch, network: Network | None = None, criterion: Criterion | None = None) -> Tensor:
        """Return the mean squared error of the network's answers on the batch's crops, or another criterion, a scalar.

        States are made on whole images and cropped afterwards: a blur computed on a crop would wrap around.
        """
        with torch.no_grad():
            examples = self.examples(batch)
            features, target = batch.cut(examples.features), batch.cut(examples.target)
            conditions = examples.conditions.repeat_interleave(batch.crops, dim=0)
        answer = (network or self.network)(features, conditions)
        return (answer.float() - target).square().mean() if criterion is None else criterion(answer.float(), target)

    def rollout_loss(
        self, batch: Batch, steps: int, network: Network | None = None, criterion: Criterion | None = None
    ) -> Tensor:
        """Return the mean squared error of the answer after all sampling steps, in units of c(1), a scalar.

        The network is trained on the states that its own steps lead to, with the gradient through all of them: an
        unrolled network with tied weights, whatever was right for each step by itself. On whole images, as the filters
        between the steps see all of one.

        Parameters
        ----------
        batch : Batch
            Whole images; their crops are not used.
        steps : int
            Sampling steps, eta 0.
        network : Network, optional
            In place of the restorer's own.
        criterion : Criterion, optional
            In place of the mean square.
        """
        answer = self.unrolled(batch.y, batch.operator, steps, network).float()
        _, c = batch.operator.wiener(1.0)
        if criterion is not None:
            return criterion(batch.grid.crop(answer) / c, batch.grid.crop(batch.x_0) / c)
        return (batch.grid.crop(answer - batch.x_0) / c).square().mean()

    def unrolled(self, y: Tensor, operator: Operator, steps: int, network: Network | None = None) -> Tensor:
        """Return `solve` of whole padded images with its gradient, all steps in memory only where they fit."""
        net = network or self.network

        def forgetful(features: Tensor, conditions: Tensor, /) -> Tensor:
            # Each step is computed anew on the way back, so that the memory of one step serves all.
            answer: Tensor = checkpoint(net, features, conditions, use_reentrant=False)
            return answer

        remembered = steps * y.numel() * self.network.channels <= _REMEMBERED
        return self.solve(y, operator, How(steps), net if remembered else forgetful)
