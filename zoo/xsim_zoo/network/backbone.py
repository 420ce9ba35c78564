"""What a backbone is: the network inside a learned restorer, the U-Net of xsim or one of another package.

A factory ``(inputs, conditions, **options)`` returns a `torch.nn.Module` with

- ``forward(features, conditions)``: (B, inputs, H, W) and (B, conditions) -> (B, 1, H, W), sides in multiples of 8;
- ``receptive_px``: how far [px] beyond a tile the image matters to its answer;
- ``stride``: the cell at which its answer may start, 1, 2, 4 or 8 px;
- ``options``: the keywords from which the factory makes the same network again, JSON types; the card records them;
- ``channels`` (optional): width of its widest full-resolution features, from which the size of tiles follows.
"""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final, Self, TypeVar

import torch
from torch import Tensor, nn

from xsim.errors import InputError
from xsim.keywords import names_keywords
from xsim_zoo.process.conditions import CONDITIONS, DETECTOR_CONDITIONS, LINK_CONDITIONS

__all__ = ["Backbone", "HostedBackbone", "backbone", "build_backbone", "check_backbone", "conditions_of"]

_MARK: Final = "__xsim_backbone__"

_CHANNELS: Final = 64
"""Width of the features of a network that does not say its own: on the safe side of the U-Nets that restore here."""

_STRIDES: Final = (1, 2, 4, 8)
"""Cells that fit the grid on which images are padded and cut into tiles [px]."""

_SAME: Final = 1e-4
"""Largest difference of a tile from the whole image, in units of the answer's spread: sums in another order differ by
less, and what lies outside the receptive field would do far more."""

F = TypeVar("F", bound=Callable[..., nn.Module])


@names_keywords
def backbone(factory: F) -> F:
    """Mark a class or function as one that makes backbones; a decorator.

    Cards of weights name factories. Only what is marked is ever called for a card, so that a card from elsewhere cannot
    call anything else that is installed.
    """
    setattr(factory, _MARK, True)
    return factory


def conditions_of(*, link: bool, detectors: bool) -> int:
    """Return how many conditions a network is given that is told of the link, or of link and detectors: 3, 6, 11."""
    return CONDITIONS + (LINK_CONDITIONS if link or detectors else 0) + (DETECTOR_CONDITIONS if detectors else 0)


class Backbone(nn.Module, ABC):
    """A network as restorers use it.

    Attributes
    ----------
    inputs : int
        Input channels.
    spec : str
        "unet", or ``module:factory``.
    size_name : str
        Its size.
    link_conditioning, detector_conditioning : bool
        What it is told.
    """

    inputs: int
    spec: str
    size_name: str
    link_conditioning: bool
    detector_conditioning: bool

    @property
    @abstractmethod
    def conditions(self) -> int:
        """How many conditions it must be given, 3, 6 or 11."""

    @property
    @abstractmethod
    def receptive_px(self) -> int:
        """How far [px] beyond a tile with sides at multiples of 8 px the image matters to its answer."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Width of its first level, from which the memory of a tile follows."""

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """What it was built from, for the card."""

    @abstractmethod
    def told_more(self, *, link_conditioning: bool = False, detector_conditioning: bool = False) -> Self:
        """Return a copy that is told more, and answers as this one does until it is trained."""

    @property
    def told(self) -> dict[str, Any]:
        """What it is told, as options of a card; what it is not told is not mentioned."""
        flags = {key: getattr(self, key) for key in ("link_conditioning", "detector_conditioning")}
        return {key: True for key, value in flags.items() if value}


class HostedBackbone(Backbone):
    """A network of another package, see the protocol in the module's own text.

    Parameters
    ----------
    spec : str
        ``module:factory``.
    network : torch.nn.Module
        What the factory returned.
    inputs : int
        Input channels.
    link_conditioning, detector_conditioning : bool
        What it is told.

    Raises
    ------
    InputError
        If the network lacks a part of the protocol.
    """

    def __init__(
        self, spec: str, network: nn.Module, inputs: int, *, link_conditioning: bool, detector_conditioning: bool
    ) -> None:
        super().__init__()
        self.spec, self.inputs = spec, inputs
        self.link_conditioning, self.detector_conditioning = link_conditioning, detector_conditioning
        self.network = network
        self._receptive_px, stride = _whole(spec, network, "receptive_px"), _whole(spec, network, "stride")
        if stride not in _STRIDES:
            raise InputError(f"backbone '{spec}' has a stride of {stride} px: give 1, 2, 4 or 8")
        self._options = _plain_options(spec, network)
        self.size_name = str(self._options.get("size", "its own"))
        self._channels = int(getattr(network, "channels", _CHANNELS))

    @property
    def conditions(self) -> int:
        """How many conditions it is given."""
        return conditions_of(link=self.link_conditioning, detectors=self.detector_conditioning)

    @property
    def receptive_px(self) -> int:
        """What the network says of itself [px]."""
        return self._receptive_px

    @property
    def channels(self) -> int:
        """What the network says of itself, 64 if it does not."""
        return self._channels

    @property
    def options(self) -> dict[str, Any]:
        """Factory, its keywords, and what it is told."""
        return {"backbone": self.spec, "backbone_options": self._options, **self.told}

    def told_more(self, *, link_conditioning: bool = False, detector_conditioning: bool = False) -> Self:
        """Return this network if it is told so already.

        Raises
        ------
        InputError
            If not: only its factory could widen it.
        """
        if link_conditioning > self.link_conditioning or detector_conditioning > self.detector_conditioning:
            raise InputError(f"backbone '{self.spec}' is told no more than it was built for: train it anew with that")
        return self

    def forward(self, features: Tensor, conditions: Tensor) -> Tensor:
        """Return one channel (B, 1, H, W) from features (B, C, H, W) and at least so many conditions as it is told."""
        answer: Tensor = self.network(features, conditions[:, : self.conditions])
        return answer


def _whole(spec: str, network: nn.Module, key: str) -> int:
    value = getattr(network, key, None)
    if not isinstance(value, int) or value < 0:
        raise InputError(f"backbone '{spec}' says {key}={value!r:.40}: give it a whole number of pixels")
    return value


def _plain_options(spec: str, network: nn.Module) -> dict[str, Any]:
    try:
        options = json.loads(json.dumps(dict(network.options)))  # type: ignore[arg-type]
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"backbone '{spec}' has no options of JSON types ({error}): give it a dict of them") from error
    assert isinstance(options, dict)
    return options


def build_backbone(
    spec: str,
    inputs: int,
    options: Mapping[str, Any],
    *,
    link_conditioning: bool = False,
    detector_conditioning: bool = False,
) -> HostedBackbone:
    """Return a fresh network of another package.

    Parameters
    ----------
    spec : str
        ``module:factory``; the factory is marked with `backbone`.
    inputs : int
        Input channels.
    options : mapping
        Keywords of the factory.
    link_conditioning, detector_conditioning : bool
        What it is told; so many conditions it is given.

    Raises
    ------
    InputError
        If there is no such factory, it does not take the options, or the network lacks a part of the protocol.
    """
    factory = _factory(spec)
    conditions = conditions_of(link=link_conditioning, detectors=detector_conditioning)
    try:
        network = factory(inputs, conditions, **options)
    except TypeError as error:
        raise InputError(f"backbone '{spec}' does not take {dict(options)}: {error}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"backbone '{spec}' made a {type(network).__name__}: make a torch.nn.Module")
    return HostedBackbone(
        spec, network, inputs, link_conditioning=link_conditioning, detector_conditioning=detector_conditioning
    )


def _factory(spec: str) -> Callable[..., nn.Module]:
    module, _, name = spec.partition(":")
    if not all(part.isidentifier() for part in module.split(".")) or not name.isidentifier():
        raise InputError(f"backbone '{spec}': give unet, or MODULE:FACTORY of an installed package")
    try:
        factory: Callable[..., nn.Module] | None = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise InputError(f"backbone '{spec}': '{error.name}' is not installed here: pip install its package") from error
    except Exception as error:
        raise InputError(f"backbone '{spec}' cannot be imported ({error!r:.200}): repair its package") from error
    if factory is None or not getattr(factory, _MARK, False):
        raise InputError(f"backbone '{spec}' is none: put @xsim_zoo.backbone above its class or function")
    return factory


@torch.no_grad()
def check_backbone(network: Backbone) -> None:
    """Refuse a network that does not do what it says of itself; tried on a copy with random weights.

    A network that looks further than ``receptive_px``, by a pooling, an attention or a norm over space, would leave
    seams where tiles meet, and answer otherwise to a larger image.

    Raises
    ------
    InputError
        If its answer has another shape, is not finite, or depends on more than it says.
    """
    trial = deepcopy(network).cpu().eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in trial.parameters():
        # A fresh network often ends in zeros, and zeros depend on nothing.
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
        parameter.add_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
    margin = -(-network.receptive_px // 8) * 8
    length, beyond = 2 * margin + 8, 32
    strip = torch.randn((2, network.inputs, 16, length + 2 * beyond), generator=generator)
    conditions = torch.rand((2, network.conditions), generator=generator) - 0.5
    for features in (strip, strip.mT.contiguous()):
        whole = trial(features, conditions)
        if whole.shape != (2, 1, *features.shape[-2:]):
            raise InputError(
                f"backbone '{network.spec}' makes {tuple(whole.shape)} of {tuple(features.shape)}: make (B, 1, H, W)"
            )
        long = -1 if features is strip else -2
        tile = trial(features.narrow(long, beyond, length), conditions).narrow(long, margin, 8)
        difference = (tile - whole.narrow(long, beyond + margin, 8)).abs().max()
        if not difference <= _SAME * whole.std():
            raise InputError(
                f"backbone '{network.spec}' answers otherwise to a tile with {margin} px around it than to the whole "
                "image: say a larger receptive_px, and take no statistic over space"
            )
