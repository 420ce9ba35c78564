"""What the tensor door of restorers takes, and the noise that its samples are drawn with."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim.errors import InputError
from xsim_zoo.process.grid import WHOLE_PX, PaddedGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.sampling import NoiseSource, PlacedNoise

__all__ = ["check_level", "check_operator", "check_tensor", "device_of", "image_noise"]


def device_of(name: torch.device | str) -> torch.device:
    """Return a device by its name.

    Raises
    ------
    InputError
        If torch knows none that is called so.
    """
    try:
        return torch.device(name)
    except RuntimeError:
        raise InputError(f"device '{name}' is none: give cpu, cuda, cuda:1 or mps") from None


def check_tensor(y: Tensor, device: torch.device) -> PaddedGrid:
    """Return the padded grid of a batch (B, 1, H, W) that can be restored on a device.

    Raises
    ------
    InputError
        If it is none, is not float32, is empty or not finite, lies elsewhere, or is too large to be filtered whole.
    """
    if not isinstance(y, Tensor):
        raise InputError(f"a {type(y).__name__} was given: give a tensor (B, 1, H, W); arrays go to restore_array")
    if y.ndim != 4 or y.shape[1] != 1:
        raise InputError(f"a tensor of shape {tuple(y.shape)} was given: give (B, 1, H, W){_meant(y)}")
    if not y.is_floating_point():
        raise InputError(f"a tensor of {y.dtype} was given: divide its codes by that of the open field, as float32")
    if y.dtype != torch.float32:
        raise InputError(f"a tensor of {y.dtype} was given: the filters need float32, give y.float()")
    if not y.numel():
        raise InputError(f"a tensor of shape {tuple(y.shape)} holds no pixels: give some")
    if y.shape[-2] * y.shape[-1] > WHOLE_PX:
        raise InputError("images of more than 64 megapixels are restored in blocks: give them to restore_array")
    place = torch.empty(0, device=device).device  # "cuda" is "cuda:0"
    if y.device != place:
        raise InputError(f"the tensor is on {y.device} and the restorer on {place}: restorer.to('{y.device}')")
    if not torch.isfinite(y).all():
        raise InputError("the tensor holds NaN or infinite pixels: mask or repair them first")
    return PaddedGrid.around((y.shape[-2], y.shape[-1]))


def _meant(y: Tensor) -> str:
    if y.ndim == 2:
        return ", here y[None, None]"
    if y.ndim == 3:
        return ", here y[..., 0][None, None]" if y.shape[-1] == 1 else ", here y[:, None] if it is (B, H, W)"
    return ", here y.movedim(-1, 1)" if y.ndim == 4 and y.shape[-1] == 1 else ""


def check_operator(operator: Operator, grid: PaddedGrid, count: int) -> None:
    """Refuse an operator of another grid, or of another number of images.

    Raises
    ------
    InputError
        Naming both.
    """
    if not isinstance(operator, Operator):
        raise InputError(f"a {type(operator).__name__} was given as operator: give restorer.operator({grid.padded})")
    if operator.shape != grid.padded:
        raise InputError(
            f"the operator is one on {operator.shape}, images of {grid.shape} are restored on {grid.padded}: "
            f"give restorer.operator({grid.padded})"
        )
    for maps in (operator.S, operator.process.theta, operator.process.Sigma_1):
        if len(maps) not in {1, count}:
            raise InputError(f"{count} images and an operator of {len(maps)} were given: give one for all or for each")


def check_level(level: float | Tensor | NDArray[np.float64], count: int, like: Tensor) -> Tensor:
    """Return noise levels (1,) or (B,) beside a batch.

    Raises
    ------
    InputError
        If there are others.
    """
    levels = torch.as_tensor(level, dtype=like.dtype, device=like.device).reshape(-1)
    if len(levels) not in {1, count}:
        raise InputError(f"{count} images and {len(levels)} noise levels were given: give one for all or for each")
    if not (torch.isfinite(levels) & (levels > 0)).all():
        raise InputError(f"noise levels {levels.tolist()} were given: give powers above 0, 1 is that of the open field")
    return levels


def image_noise(seed: int, sample: int, grid: PaddedGrid, device: torch.device) -> NoiseSource:
    """Return the noise of a sample of every image of a batch: image ``b`` has that of seed ``seed + b``.

    It belongs to places, as in `xsim_zoo.run.restore`: image 0 of a batch gets the sample that it gets alone.
    """
    top, left = grid.offset
    sources: list[PlacedNoise] = []

    def draw(shape: tuple[int, ...], /) -> Tensor:
        while len(sources) < shape[0]:
            sources.append(PlacedNoise(seed + len(sources), sample, device, (-top, -left)))
        return torch.cat([source((1, *shape[1:])) for source in sources])

    return draw
