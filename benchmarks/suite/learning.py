"""Rows of the networks: the backbone's passes beside their arithmetic, and beside diffusers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from rival_networks import DiffusersUNet
from torch.utils.flop_counter import FlopCounterMode

from suite.rows import Row, cpu_ms, missing
from xsim_zoo.network.unet import build_unet
from xsim_zoo.process.conditions import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["floor_ms", "flops_of", "network_rows"]

_PATCHES = (16, 2, 96, 96)


@lru_cache(maxsize=1)
def flops_per_ms() -> float:
    """Return the speed of this machine's matrix product, float32, one thread."""
    side = 1024
    a, b = torch.randn(side, side), torch.randn(side, side)
    return 2 * side**3 / cpu_ms(lambda: a @ b, 5)


def flops_of(work: Callable[[], object]) -> float:
    """Return the floating-point operations of convolutions and products in a piece of work."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def floor_ms(work: Callable[[], object]) -> float:
    """Return what its convolutions and products would take at the speed of one large matrix product [ms]."""
    return flops_of(work) / flops_per_ms()


def network_rows() -> Iterator[Row]:
    """Time a training pass of the backbone and of diffusers' network of about as many parameters."""
    torch.set_num_threads(1)
    network = build_unet(2, "tiny").to(memory_format=torch.channels_last)
    patches = torch.randn(_PATCHES)
    conditions = torch.zeros(len(patches), CONDITIONS)

    def learn(model: torch.nn.Module) -> Callable[[], object]:
        return lambda: model(patches, conditions).square().mean().backward()

    row = Row(
        f"training pass, {_PATCHES[0]} patches of {_PATCHES[2]} x {_PATCHES[3]}, tiny U-Net",
        cpu_ms(learn(network), 2),
        "ms CPU",
        "its convolutions at the speed of a matrix product",
        floor_ms(learn(network)),
        note=f"{sum(one.numel() for one in network.parameters()) / 1e6:.2f} M parameters",
    )
    try:
        peer = DiffusersUNet(width=12)
    except (ImportError, RuntimeError) as error:
        yield row.with_peer(f"diffusers UNet2DModel: {missing(error)}", None)
        return
    millions = sum(one.numel() for one in peer.parameters()) / 1e6
    yield row.with_peer(f"diffusers UNet2DModel, {millions:.2f} M parameters", cpu_ms(learn(peer), 2))
