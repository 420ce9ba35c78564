"""The physics of every set-up of a training set on the device, from which a batch takes its own by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from xsim_zoo.process.links import LinkTables
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import link_on

if TYPE_CHECKING:
    from xsim.degradation.degradation import Degradation
    from xsim_zoo.restorers.base import Restorer

__all__ = ["SetupTables"]


class SetupTables:
    """Operators and links of set-ups on one padded grid; 576 of them on 320 x 320 take .5 GB.

    Parameters
    ----------
    setups : sequence of Degradation
        The set-ups.
    restorer : Restorer
        Says how it understands an operator, where the link acts, and whether it uses one.
    shape : (H, W)
        Shape of the padded grid [px].
    device : torch device
        Where they lie.
    """

    def __init__(
        self, setups: Sequence[Degradation], restorer: Restorer, shape: tuple[int, int], device: torch.device
    ) -> None:
        physics = restorer.physics
        operators = (Operator.between(setup, physics.spectrum, shape, device=device) for setup in setups)
        self._operator = Operator.stack([restorer.adapt(operator) for operator in operators])
        self._several = len(setups) > 1
        self._links: LinkTables | None = None
        if restorer.uses_link:
            links = [link_on(setup, shape, device, first=physics.link_first) for setup in setups]
            self._links = LinkTables.stack(links)

    def operator(self, which: Tensor, level: Tensor | None) -> Operator:
        """Return the operator of images of set-ups ``which`` (B,), at their noise levels (B,) if these are given."""
        own = self._operator
        if self._several:  # one for all is not copied
            process = own.process
            process = replace(process, theta=process.theta[which], Sigma_1=process.Sigma_1[which])
            own = Operator(process, own.S[which], own.detectors[which])
        return own if level is None else own.at_noise_level(level)

    def linked(self, hr: Tensor, which: Tensor) -> Tensor:
        """Return images (B, 1, H, W) on the padded grid in LR grey, each by its set-up's link, if one is used."""
        return hr if self._links is None else self._links.forward(hr, which)
