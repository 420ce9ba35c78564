"""Speed of the zoo: the backbone beside other networks of its size, and where a training step spends its time.

    OMP_NUM_THREADS=1 python benchmarks/zoo.py            # networks, restorers, training step
    python benchmarks/zoo.py --device cuda --large

CPU seconds (wall seconds on a GPU), the least of some runs. The rivals have the number of parameters of `small`: a
NAFNet-like stack of blocks at the same three scales, written here, and diffusers' UNet2DModel where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import xsim_zoo
from xsim.degradation import Degradation
from xsim.link import GreyLink
from xsim_zoo.batch import make_batch
from xsim_zoo.operator import CONDITIONS
from xsim_zoo.padding import PaddedGrid
from xsim_zoo.pairs import MemoryPairs
from xsim_zoo.physics import Physics
from xsim_zoo.restorer import LearnedRestorer
from xsim_zoo.settings import TrainSettings
from xsim_zoo.spectrum import RadialSpectrum
from xsim_zoo.training import train
from xsim_zoo.unet import SIZES, build_unet

if TYPE_CHECKING:
    from collections.abc import Callable


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the least time of some runs, the first one not counted."""
    times = []
    for _ in range(repeats + 1):
        start = now()
        work()
        times.append(now() - start)
    return min(times[1:])


def now() -> float:
    """Return CPU time, which neighbours do not change; with a GPU the wall time once it is idle."""
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


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
    """diffusers' UNet2DModel on the same unshuffled pixels, without attention."""

    def __init__(self) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        kinds = {"down_block_types": ("DownBlock2D",) * 3, "up_block_types": ("UpBlock2D",) * 3}
        self.model = UNet2DModel(
            in_channels=8,
            out_channels=4,
            block_out_channels=(16, 32, 64),
            layers_per_block=2,
            norm_num_groups=8,
            add_attention=False,
            **kinds,
        )

    def forward(self, features: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        x = functional.pixel_unshuffle(features, 2)
        return functional.pixel_shuffle(self.model(x, conditions[:, 0]).sample, 2)


def networks(*, large: bool) -> dict[str, nn.Module]:
    """Return the backbone in its sizes, then its rivals."""
    sizes = SIZES if large else ("tiny", "small")
    found: dict[str, nn.Module] = {f"U-Net {size}": build_unet(2, size) for size in sizes}
    found["gated blocks (NAFNet-like)"] = GatedUNet(32, (2, 3, 12))
    if importlib.util.find_spec("diffusers"):
        found["diffusers UNet2DModel"] = DiffusersUNet()
    return found


def timed(network: nn.Module, device: str, *, half: bool) -> tuple[float, float]:
    """Return the time of a forward pass at 512 x 512 and of a training pass on 16 patches of 96 x 96."""
    image, patches = (torch.randn(shape, device=device) for shape in ((1, 2, 512, 512), (16, 2, 96, 96)))

    def answer(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=half):
            return network(x, torch.zeros(len(x), CONDITIONS, device=device)).float()

    def look() -> None:
        with torch.no_grad():
            answer(image)

    return seconds(look, 2), seconds(lambda: answer(patches).square().mean().backward(), 2)


def show_networks(device: str, *, large: bool) -> None:
    """Time every network in fp32 and bf16."""
    print(f"{'network':28s} {'M':>6s} {'512^2 fp32':>11s} {'bf16':>7s} {'train fp32':>11s} {'bf16':>7s}   [s]")
    for name, network in networks(large=large).items():
        network.to(device, memory_format=torch.channels_last)
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        (look, learn), (look_half, learn_half) = (timed(network, device, half=half) for half in (False, True))
        print(f"{name:28s} {millions:6.2f} {look:11.3f} {look_half:7.3f} {learn:11.3f} {learn_half:7.3f}", flush=True)


def physics() -> Physics:
    f = np.linspace(0.0, 15.0, 301)
    degradation = Degradation(
        f, np.exp(-((f / 4.0) ** 1.2)).clip(1e-3), np.full(301, 2e-7), 0.048, GreyLink((0, 0.5, 1), (0, 0.57, 1))
    )
    rings = np.geomspace(0.05, 15.0, 60)
    return Physics(degradation, RadialSpectrum(rings, 2e-4 / (0.3 + rings) ** 3))


def show_restorers(device: str) -> None:
    """Time every restorer on one image, at its own number of steps."""
    image = np.random.default_rng(0).random((512, 512), dtype=np.float32)
    print(f"\n{'restorer (small), 512 x 512':28s} {'steps':>6s} {'seconds':>11s}")
    for name in xsim_zoo.names():
        options = {"size": "small"} if xsim_zoo.get(name).learned else {}
        restorer = xsim_zoo.build(name, physics(), device=device, **options)
        spent = seconds(lambda restorer=restorer: restorer.restore_array(image), 1)
        print(f"{name:28s} {restorer.default_steps:6d} {spent:11.3f}")


def show_training_step(device: str) -> None:
    """Time the parts of a training step, then a run of real steps with its share of waiting for data."""
    restorer = xsim_zoo.build("physics-sde", physics(), device=device, size="small")
    assert isinstance(restorer, LearnedRestorer)
    images = torch.rand((8, 256, 256))
    operator = restorer.operator(PaddedGrid.around((256, 256)).padded)
    options = {"samples": range(8), "seed": 0, "crops": 2, "patch": 96, "operator": operator, "device": device}

    def batch() -> object:
        return make_batch(images, images, links=[restorer.link] * 8, **options)

    made = batch()
    parts = {
        "batch (link, turn, pad, draw)": seconds(batch),
        "states on whole images": seconds(lambda: restorer.examples(made)),
        "loss and gradient": seconds(lambda: restorer.loss(made).backward()),
    }
    print("\ntraining step of physics-sde small, 8 images of 256 x 256, 16 crops of 96 x 96   [s]")
    for name, spent in parts.items():
        print(f"{name:36s} {spent:8.4f}")
    pairs = MemoryPairs(images.numpy(), images.numpy(), physics().degradation, held_out=1)
    settings = TrainSettings(steps=20, batch=4, validate_every=20, validate_images=1, save_every=20)
    with tempfile.TemporaryDirectory() as folder:
        result = train("physics-sde", pairs, Path(folder) / "run", settings, device=device, quiet=True)
        log = (Path(folder) / "run" / "log.jsonl").read_text()
    records = [record for record in map(json_line, log.splitlines()) if "loss" in record]
    waited, spent = (sum(record[key] for record in records) for key in ("waited", "seconds"))
    print(f"{'run: crops a second':36s} {result.images_per_s:8.1f}")
    print(f"{'run: share spent waiting for data':36s} {100 * waited / spent:7.2f} %")


def json_line(line: str) -> dict[str, float]:
    import json

    return json.loads(line)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--large", action="store_true", help="also the large sizes")
    options = parser.parse_args()
    device = options.device
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    show_networks(device, large=options.large)
    show_restorers(device)
    show_training_step(device)


if __name__ == "__main__":
    main()
