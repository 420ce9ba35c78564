"""The one backbone of every learned restorer: a U-Net whose answer does not depend on the size of the image.

No statistic is taken over space (no pooling to a vector, no attention, no batch, group or instance norm): features
are normalised over channels only, so the interior of a tile equals the same place of the whole image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from xsim.errors import InputError, UnknownNameError
from xsim_zoo.network.backbone import Backbone
from xsim_zoo.network.sizes import SIZES, UNetSize
from xsim_zoo.process.conditions import CONDITIONS, DETECTOR_CONDITIONS, LINK_CONDITIONS

__all__ = ["SIZES", "STRIDE_PX", "UNet", "UNetSize", "build_unet"]

STRIDE_PX = 8
"""Sides of the input must be multiples of this, and tiles must start at multiples of it [px]."""

_EMBEDDING = 64
"""Features that the conditions become; the networks on disk have as many."""

_WITH_LINK = CONDITIONS + LINK_CONDITIONS
_WITH_DETECTORS = _WITH_LINK + DETECTOR_CONDITIONS


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    # Replicated borders cost 5 % on a CPU, reflected ones 35 %; the state's own border is reflected already.
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")


class Embedding(nn.Module):
    """Turn the conditions into features (B, 64): sines and cosines of the first three, then a small perceptron.

    Link and detectors enter as they are: with sines of them a network could tell each detector it has met from the
    others, and learn them one by one.

    Parameters
    ----------
    link_conditioning : bool
        Take three conditions more, the shape of the grey-level link.
    detector_conditioning : bool
        Take five conditions more, where B_1 falls and the noise's colour.
    """

    frequency: Tensor

    def __init__(self, *, link_conditioning: bool = False, detector_conditioning: bool = False) -> None:
        super().__init__()
        self.register_buffer("frequency", 2.0 ** torch.arange(-3, 4), persistent=False)
        self.hidden = nn.Linear(CONDITIONS * 14, _EMBEDDING)
        self.out = nn.Linear(_EMBEDDING, _EMBEDDING)
        self.link = _silent(LINK_CONDITIONS) if link_conditioning else None
        self.detectors = _silent(DETECTOR_CONDITIONS) if detector_conditioning else None

    def forward(self, conditions: Tensor) -> Tensor:
        """Return the features (B, 64) of conditions (B, 3), (B, 6) with the link, or (B, 11) with the detectors.

        More of them are not looked at.
        """
        phase = (conditions[:, :CONDITIONS, None] * self.frequency).flatten(1)
        hidden = self.hidden(torch.cat([phase.sin(), phase.cos()], dim=1))
        if self.link is not None:
            hidden = hidden + self.link(conditions[:, CONDITIONS:_WITH_LINK])
        if self.detectors is not None:
            hidden = hidden + self.detectors(conditions[:, _WITH_LINK:_WITH_DETECTORS])
        return functional.silu(self.out(functional.silu(hidden)))


def _silent(inputs: int) -> nn.Linear:
    """Return a layer that says nothing at first: weights that were not told go on from where they are."""
    layer = nn.Linear(inputs, _EMBEDDING, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


class ResBlock(nn.Module):
    """Channel norm, FiLM by the conditions, two 3 x 3 convolutions, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.film = nn.Linear(_EMBEDDING, 2 * channels)
        self.first = _conv(channels, channels)
        self.second = _conv(channels, channels)
        # The block starts as the identity: training begins at the preconditioned answer.
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Return features of the shape of ``x`` (B, C, H, W)."""
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        # In channels_last the permuted view is contiguous: the norm runs without a copy.
        normed = functional.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],)).permute(0, 3, 1, 2)
        change: Tensor = self.second(functional.silu(self.first(torch.addcmul(shift, normed, 1 + scale))))
        return x + change


class UNet(Backbone):
    """Three levels at 1/2, 1/4 and 1/8 of the pixel grid, joined by sums.

    Parameters
    ----------
    inputs : int
        Input channels.
    size_name : str
        "tiny", "small", "base" or "large".
    link_conditioning : bool
        The network is told the shape of the grey-level link: three conditions more.
    detector_conditioning : bool
        The network is told where B_1 falls, and the colour of the noise: five conditions more.

    Raises
    ------
    UnknownNameError
        If there is no such size.
    """

    def __init__(
        self, inputs: int, size_name: str, *, link_conditioning: bool = False, detector_conditioning: bool = False
    ) -> None:
        super().__init__()
        if size_name not in SIZES:
            raise UnknownNameError("network size", size_name, SIZES)
        self.inputs, self.spec = inputs, "unet"
        self.size_name = size_name
        self.link_conditioning = link_conditioning
        self.detector_conditioning = detector_conditioning
        self.size = size = SIZES[size_name]
        self.memory_format = torch.channels_last
        widths = [size.channels * 2**level for level in range(3)]
        self.embedding = Embedding(link_conditioning=link_conditioning, detector_conditioning=detector_conditioning)
        self.stem = _conv(4 * inputs, widths[0])
        self.encoder = nn.ModuleList(_level(widths[i], size.blocks[i]) for i in range(2))
        self.down = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in range(2))
        self.bottom = _level(widths[2], size.blocks[2])
        self.up = nn.ModuleList(nn.Conv2d(widths[i + 1], 4 * widths[i], 1) for i in range(2))
        self.decoder = nn.ModuleList(_level(widths[i], size.blocks[i]) for i in range(2))
        self.out = _conv(widths[0], 4)
        # A fresh network says nothing: with a Wiener skip the restorer starts as the Wiener filter.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    @property
    def conditions(self) -> int:
        """How many conditions it must be given, 3, 6 or 11."""
        if self.detector_conditioning:
            return _WITH_DETECTORS
        return _WITH_LINK if self.link_conditioning else CONDITIONS

    @property
    def stride(self) -> int:
        """Sides and starts of tiles are multiples of it [px]."""
        return STRIDE_PX

    @property
    def channels(self) -> int:
        """Width of the first level."""
        return self.size.channels

    @property
    def options(self) -> dict[str, Any]:
        """Its size and what it is told."""
        return {"size": self.size_name, **self.told}

    def told_more(self, *, link_conditioning: bool = False, detector_conditioning: bool = False) -> UNet:
        """Return a copy that is told more, of link or detectors, and answers as this one does until it is trained."""
        other = build_unet(
            self.inputs,
            self.size_name,
            link_conditioning=self.link_conditioning or link_conditioning,
            detector_conditioning=self.detector_conditioning or detector_conditioning,
        )
        other.load_state_dict(other.state_dict() | self.state_dict())
        return other.train(self.training)

    @property
    def receptive_px(self) -> int:
        """How far [px] beyond a tile with sides at multiples of 8 px the image matters to its answer."""
        first, second, third = self.size.blocks
        # From the answer inwards, in cells of 2, 4 and 8 px: two 3 x 3 convolutions a block, and the head. A half cell
        # of the coarser grid counts as a whole one. Then outwards to the stem.
        halves = 1 + 2 * first
        quarters = -(-halves // 2) + 2 * second
        eighths = -(-quarters // 2) + 2 * third
        return 8 * eighths + 4 * 2 * second + 2 * (2 * first + 1)

    def forward(self, features: Tensor, conditions: Tensor) -> Tensor:
        """Return one channel (B, 1, H, W) from features (B, C, H, W) and conditions (B, 3, 6 or 11).

        Raises
        ------
        InputError
            If the sides are not multiples of 8.
        """
        if features.shape[-1] % STRIDE_PX or features.shape[-2] % STRIDE_PX:
            raise InputError(
                f"the network cannot take {features.shape[-2]} x {features.shape[-1]} pixels: "
                f"give sides that are multiples of {STRIDE_PX}"
            )
        embedding = self.embedding(conditions)
        x = functional.pixel_unshuffle(features, 2).contiguous(memory_format=self.memory_format)
        x = self.stem(x)
        skips = []
        for level, down in zip(self.encoder, self.down, strict=True):
            x = _through(level, x, embedding)
            skips.append(x)
            x = down(x)
        x = _through(self.bottom, x, embedding)
        for i in (1, 0):
            x = functional.pixel_shuffle(self.up[i](x), 2) + skips[i]
            x = _through(self.decoder[i], x, embedding)
        return functional.pixel_shuffle(self.out(x), 2)


def _level(channels: int, blocks: int) -> nn.ModuleList:
    return nn.ModuleList(ResBlock(channels) for _ in range(blocks))


def _through(blocks: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
    for block in blocks.children():
        x = block(x, embedding)
    return x


def build_unet(
    inputs: int, size: str = "small", *, link_conditioning: bool = False, detector_conditioning: bool = False
) -> UNet:
    """Return a fresh network of a named size: "tiny", "small", "base" or "large".

    Parameters
    ----------
    inputs, size, link_conditioning, detector_conditioning
        See `UNet`.

    Raises
    ------
    UnknownNameError
        For any other size.
    """
    network = UNet(inputs, size, link_conditioning=link_conditioning, detector_conditioning=detector_conditioning)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
