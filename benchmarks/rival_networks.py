"""Networks to compare the backbone with, of the number of parameters of its size `small`.

A NAFNet-like stack of gated blocks at the same three scales, written here, and diffusers' UNet2DModel where it is
installed (``pip install --no-deps diffusers``). Both take what the backbone takes: two channels and three conditions.
"""

from __future__ import annotations

import importlib.util

import torch
from torch import nn
from torch.nn import functional

__all__ = ["rivals"]


def rivals() -> dict[str, nn.Module]:
    """Return the rivals that can be built here, by name."""
    found: dict[str, nn.Module] = {"gated blocks (NAFNet-like)": GatedUNet(32, (2, 3, 12))}
    if importlib.util.find_spec("diffusers"):
        found["diffusers UNet2DModel"] = DiffusersUNet()
    return found


class GatedBlock(nn.Module):
    """A block of NAFNet (Chen et al. 2022) without its global channel attention, which would see the image's size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(1, width) for _ in range(2))
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.narrow = nn.Conv2d(width, width, 1)
        self.feed = nn.ModuleList([nn.Conv2d(width, 2 * width, 1), nn.Conv2d(width, width, 1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.depthwise(self.widen(self.norms[0](x))).chunk(2, 1)
        x = x + self.narrow(first * second)
        first, second = self.feed[0](self.norms[1](x)).chunk(2, 1)
        return x + self.feed[1](first * second)


class GatedUNet(nn.Module):
    """Gated blocks at 1/2, 1/4 and 1/8 of the pixel grid."""

    size_name = "gated"

    def __init__(self, width: int, blocks: tuple[int, int, int]) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(3)]
        levels = [nn.Sequential(*(GatedBlock(widths[i]) for _ in range(blocks[i]))) for i in (0, 1, 2, 1, 0)]
        self.levels = nn.ModuleList(levels)
        self.stem = nn.Conv2d(8, width, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in range(2))
        self.up = nn.ModuleList(nn.Conv2d(widths[i + 1], 4 * widths[i], 1) for i in (1, 0))
        self.out = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, features: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        x = self.stem(functional.pixel_unshuffle(features, 2))
        fine = self.levels[0](x)
        middle = self.levels[1](self.down[0](fine))
        x = self.levels[2](self.down[1](middle))
        x = self.levels[3](functional.pixel_shuffle(self.up[0](x), 2) + middle)
        x = self.levels[4](functional.pixel_shuffle(self.up[1](x), 2) + fine)
        return functional.pixel_shuffle(self.out(x), 2)


class DiffusersUNet(nn.Module):
    """diffusers' UNet2DModel on the same unshuffled pixels, without attention; a width of 12 makes it one of `tiny`."""

    size_name = "diffusers"

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        kinds = {"down_block_types": ("DownBlock2D",) * 3, "up_block_types": ("UpBlock2D",) * 3}
        self.model = UNet2DModel(
            in_channels=8,
            out_channels=4,
            block_out_channels=(width, 2 * width, 4 * width),
            layers_per_block=2,
            norm_num_groups=4,
            add_attention=False,
            **kinds,
        )

    def forward(self, features: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        x = functional.pixel_unshuffle(features, 2)
        return functional.pixel_shuffle(self.model(x, conditions[:, 0]).sample, 2)
