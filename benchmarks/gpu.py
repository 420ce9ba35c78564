"""What training and restoring do on a GPU, measured in one go; without a GPU, what counting predicts of one.

    python benchmarks/gpu.py                       # on a card: all of it, under 5 minutes, no network, no data needed
    python benchmarks/gpu.py --only training curve
    python benchmarks/gpu.py --device cpu --quick  # the same code on a CPU, small: that it runs
    python benchmarks/gpu.py --only prediction     # by counting kernels and bytes; marked as prediction

Pairs are rectangles of many greys between detectors in closed form, made here: what is learned from them does not
matter to speed. Crops a second and the share of waiting for data are those of the real training loop, by its own log.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gpu_predicted import CARDS, Counted, Counting, predicted_ms
from torch import nn

from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim_datasets.store.schema import Encoding
from xsim_zoo.network.sizes import SIZES
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.run.restore import restore
from xsim_zoo.training.data import Codes
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.training.loop import Trainer
from xsim_zoo.training.resident.batches import DeviceFeed
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.train import run_in_folder, start_accelerator
from xsim_zoo.weights.loading import build, load, resolve_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

PARTS = ("training", "curve", "padding", "restoring", "samples", "prediction")
WARM_UP = 10
LINE = Encoding(1 / 50000, -0.1)


@dataclass(frozen=True)
class Scale:
    """How large everything is."""

    pairs: int = 256
    side: int = 512
    batch: int = 64
    steps: int = 60
    sizes: tuple[str, ...] = ("tiny", "small", "base")
    compiled: tuple[tuple[str, str], ...] = (("tiny", "graphs"), ("base", "yes"), ("base", "graphs"))
    restored: tuple[int, ...] = (1024, 2048, 4096, 8192)
    curve_steps: int = 40
    samples: int = 8


QUICK = Scale(8, 96, 2, WARM_UP + 2, ("tiny",), (), (96,), 4, 2)


def degradation(width: float = 4.0) -> Degradation:
    """Return two detectors in closed form."""
    f = np.linspace(0.0, 15.0, 301)
    link = GreyLink((0, 0.5, 1), (0, 0.57, 1))
    return Degradation(f, np.exp(-((f / width) ** 1.2)).clip(1e-3), np.full(301, 2e-7), 0.048, link)


def spectrum() -> RadialSpectrum:
    rings = np.geomspace(0.05, 15.0, 60)
    return RadialSpectrum(rings, 2e-4 / (0.3 + rings) ** 3)


class MadePairs:
    """Codes of rectangles, of eight set-ups; the last pair is held out."""

    def __init__(self, count: int, side: int) -> None:
        random = np.random.default_rng(0)
        images = np.ones((count, side, side), np.float32)
        for image in images:
            for _ in range(side // 4):
                top, left = random.integers(0, side, 2)
                height, width = random.integers(3, side // 4, 2)
                image[top : top + height, left : left + width] *= random.uniform(0.7, 0.95)
        noisy = images + random.normal(0, 0.01, images.shape).astype(np.float32)
        codes = np.stack([LINE.encode(images)[0], LINE.encode(noisy)[0]], axis=1)
        self.codes = Codes(lambda indices: codes[list(indices)], lambda _: (LINE.scale, LINE.offset))
        self.shape, self.pitch_mm, self.digest = (side, side), 0.048, f"made {count} {side}"
        self.setups = [degradation(width) for width in np.linspace(3.0, 5.0, 8)]
        self._count = count

    def setup_of(self, index: int, /) -> int:
        return index % len(self.setups)

    def indices(self, split: str, /) -> NDArray[np.integer]:
        cut = self._count - 1
        return {"train": np.arange(cut), "validation": np.arange(cut, self._count)}.get(split, np.arange(0))

    def families(self, indices: Sequence[int], /) -> list[int]:  # noqa: ARG002
        return []

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        both = LINE.decode(self.codes.read(indices))
        return both[:, 0], both[:, 1]


def log_of(pairs: MadePairs, name: str, device: str, **changes: Any) -> list[dict[str, float]]:
    """Train from scratch and return the lines of the log that are steps."""
    settings = TrainSettings(**{"validate_images": 1, "log_every": 10, "loop": "device", **changes})
    settings = settings.model_copy(update={"validate_every": settings.steps, "save_every": settings.steps})
    accelerator = start_accelerator(device)
    torch.manual_seed(0)
    restorer = build(name, Physics(pairs.setups[0], spectrum()), device=accelerator.device, size=settings.size)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        run_in_folder(Trainer(restorer, pairs, run, settings, accelerator, quiet=True), {"command": "benchmark"})
        lines = [json.loads(line) for line in run.log.read_text().splitlines()]
    return [line for line in lines if "loss" in line]


def show_training(device: str, scale: Scale) -> None:
    """Train each size, eager and compiled, in both memory formats."""
    pairs = MadePairs(scale.pairs, scale.side)
    print(f"\ntraining physics-sde, {scale.batch} x 2 crops of 96 px a step, {scale.pairs} pairs of {scale.side} px")
    print(
        f"{'size':8s} {'memory format':16s} {'compile':8s} {'ms a step':>10s} {'crops/s':>9s} {'waits':>7s} {'GiB':>6s}"
    )
    variants = [(size, how, "no") for how in ("channels_last", "contiguous") for size in scale.sizes]
    variants += [(size, "channels_last", how) for size, how in scale.compiled]
    for size, memory_format, compiled in variants:
        forget_memory()
        settings = {"size": size, "memory_format": memory_format, "compile": compiled, "batch": scale.batch}
        lines = log_of(pairs, "physics-sde", device, steps=scale.steps, patch=min(96, scale.side), **settings)
        spent, waited = (np.mean([line[key] for line in lines[WARM_UP:]]) for key in ("seconds", "waited"))
        rate = scale.batch * 2 / spent
        row = f"{size:8s} {memory_format:16s} {compiled:8s} {1e3 * spent:10.1f} {rate:9.0f} {waited / spent:7.1%}"
        print(f"{row} {peak_GiB():6.1f}", flush=True)


def show_curve(device: str, scale: Scale) -> None:
    """Train the same steps on the CPU and on the device: without noise the same numbers, with noise the same law."""
    pairs = MadePairs(min(scale.pairs, 16), min(scale.side, 128))
    how = {"size": "tiny", "batch": 4, "patch": 64, "steps": scale.curve_steps, "warmup": 5, "log_every": 1}
    print(
        f"\nloss curves of {scale.curve_steps} steps, tiny: the loop on the host of a CPU against the one on {device}"
    )
    for name in ("unet-wiener", "physics-sde"):
        host, other = (
            np.array([line["loss"] for line in log_of(pairs, name, place, loop=loop, **how)])
            for place, loop in (("cpu", "host"), (device, "device"))
        )
        apart = other / host - 1
        error = apart.std() / math.sqrt(len(apart))
        print(
            f"{name:14s} last {host[-1]:.4f} {other[-1]:.4f}, apart {apart.mean():+.2%} +- {error:.2%} in the mean",
            end="",
        )
        print(f", {np.abs(apart).max():.2%} at most, first step {apart[0]:+.1e}", flush=True)


def show_padding(device: str, scale: Scale) -> None:
    """Time a 3 x 3 convolution of 64 channels, forward and back, by its padding and memory format."""
    side, count = (48, 2 * scale.batch) if scale.batch > 8 else (16, 2)
    print(f"\n3 x 3 convolution of 64 channels on {count} x {side} x {side}, forward and back [ms]")
    for memory_format in (torch.channels_last, torch.contiguous_format):
        x = torch.randn((count, 64, side, side), device=device).to(memory_format=memory_format).requires_grad_()
        for padding in ("replicate", "zeros"):
            layer = nn.Conv2d(64, 64, 3, padding=1, padding_mode=padding, device=device).to(memory_format=memory_format)
            padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
            kept = padded.is_contiguous(memory_format=memory_format)
            spent = seconds(lambda layer=layer, x=x: layer(x).square().mean().backward(), device)
            note = f", replicate pad keeps the format: {kept}" if padding == "replicate" else ""
            print(f"{str(memory_format)[6:]:18s} {padding:10s} {1e3 * spent:8.3f}{note}", flush=True)


def show_restoring(device: str, scale: Scale) -> None:
    """Time restoring by the shipped weights, alone and with its check, and the memory that it takes."""
    restorer = load("physics-sde", device=device)
    heads = f"{'alone [s]':>10s} {'with check [s]':>15s} {'GiB':>6s} {'GiB, tiles of 1024':>19s}"
    print(f"\n{'physics-sde, N = 3':20s} {heads}")
    for side in scale.restored:
        image = np.tile(LINE.decode(MadePairs(1, min(side, 512)).codes.read([0]))[0, 1], (-(-side // 512),) * 2)
        image = np.ascontiguousarray(image[:side, :side])
        repeats = 1 if side > 2048 else 3
        forget_memory()
        alone = seconds(lambda image=image: restorer.restore_array(image), device, repeats)
        taken = peak_GiB()
        checked = seconds(lambda image=image: restore(restorer, image), device, repeats)
        forget_memory()
        restore(restorer, image, tile_px=1024)
        print(f"{side:6d} x {side:<11d} {alone:10.3f} {checked:15.3f} {taken:6.2f} {peak_GiB():19.2f}", flush=True)


def show_samples(device: str, scale: Scale) -> None:
    """Time posterior samples: one by one as `xsim zoo run` draws them, and as a batch of tensors."""
    sampler = load("physics-sde", "physics-sde-samples", device=device)
    side = scale.restored[0]
    y = torch.from_numpy(LINE.decode(MadePairs(1, min(side, 512)).codes.read([0]))[:, 1]).to(device)[None]
    image = y[0, 0].cpu().numpy()
    alone = seconds(lambda: restore(sampler, image, samples=scale.samples, detectors="weights"), device, 1)
    with torch.no_grad():
        together = seconds(lambda: sampler(y, samples=scale.samples), device, 1)
        batch = y.expand(scale.samples, -1, -1, -1).contiguous()
        stacked = seconds(lambda: sampler(batch, samples=1), device, 1)
    print(f"\n{scale.samples} posterior samples of {side} x {side} [s]: zoo run, with its check {alone:.3f}", end="")
    print(f", restorer(y, samples=...) {together:.3f}, as one batch {stacked:.3f}", flush=True)


def counted_step(size: str, batch: int, side: int) -> tuple[Counted, Counted, Counted]:
    """Return what a step launches: to make states, to learn, and to update the weights; from a small one of the CPU."""
    pairs, few, small = MadePairs(3, 96), 2, 96
    restorer = build("physics-sde", Physics(pairs.setups[0], spectrum()), size=size)
    assert isinstance(restorer, LearnedRestorer)
    settings = TrainSettings(batch=few, crops=1, patch=96, loop="device")
    feed = DeviceFeed(pairs, restorer, settings, torch.device("cpu"), lambda _: [0, 1], range(1))
    with feed.shelf:
        plan = feed.read(0, [0, 1], [0, 1])
        with Counting() as making, torch.no_grad():
            made = feed.make(plan)
            examples = restorer.examples(made)
            features, target = made.cut(examples.features), made.cut(examples.target)
    with Counting() as learning:
        (restorer.network(features, examples.conditions) - target).square().mean().backward()
    pixels = [math.prod(PaddedGrid.around((n, n)).padded) for n in (side, small)]
    # Fused AdamW reads and writes weights, gradients and both moments; the norm reads the gradients; the average moves.
    weights = 4.0 * sum(parameter.numel() for parameter in restorer.network.parameters())
    update = Counted([(12 * weights / 30, 0.0, False)] * 30)
    noise = Counted([(4.0 * pixels[0], 0.0, False)] * (batch - few))  # a kernel an image
    return making.found.scaled(batch * pixels[0] / (few * pixels[1])) + noise, learning.found.scaled(batch), update


def show_prediction(scale: Scale) -> None:
    """Print what counting predicts."""
    batch, side = (64, 512) if scale.batch > 8 else (scale.batch, scale.side)
    print(f"\nPREDICTION by counting, not measured: a step of {batch} x 2 crops of 96 px from pairs of {side} px, TF32")
    print("eager: every kernel as counted; floor: batches and convolutions alone, which compiling cannot pass")
    print(f"{'size':8s} {'kernels':>8s} {'GB':>7s} {'TFLOP':>7s}  " + "  ".join(f"{name:>20s}" for name in CARDS))
    print(" " * 33 + "  ".join(f"{'eager':>9s} {'floor':>10s}" for _ in CARDS) + "   [crops/s]")
    for size in scale.sizes:
        make, learn, update = counted_step(size, batch, side)
        whole, columns = make + learn + update, []
        for card in CARDS.values():
            eager = sum(predicted_ms(part, card) for part in (make, learn, update))
            floor = predicted_ms(make, card) + predicted_ms(learn, card, heavy_only=True) + predicted_ms(update, card)
            columns.append(f"{2e3 * batch / eager:9.0f} {2e3 * batch / floor:10.0f}")
        counts = f"{len(whole.kernels):8d} {whole.bytes / 1e9:7.1f} {whole.operations / 1e12:7.2f}"
        print(f"{size:8s} {counts}  " + "  ".join(columns), flush=True)


def seconds(work: Callable[[], object], device: str, repeats: int = 5) -> float:
    """Return the least time of some runs, the first not counted, each until the device is idle."""
    times = []
    for _ in range(repeats + 1):
        idle(device)
        began = time.perf_counter()
        work()
        idle(device)
        times.append(time.perf_counter() - began)
    return min(times[1:])


def idle(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def forget_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_GiB() -> float:
    """Return the most memory of the device that tensors took since it was last asked to forget; none of a CPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="as small as it goes: whether it runs")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    options = parser.parse_args()
    device, scale = str(resolve_device(options.device)), QUICK if options.quick else Scale()
    on_card = device.startswith("cuda")
    parts = options.only or (PARTS if on_card or options.quick else ("prediction",))
    name = torch.cuda.get_device_name(device) if on_card else f"no GPU: {device}, {torch.get_num_threads()} threads"
    assert set(scale.sizes) <= SIZES.keys()
    print(f"torch {torch.__version__}, {name}")
    shows = {"training": show_training, "curve": show_curve, "padding": show_padding}
    shows |= {"restoring": show_restoring, "samples": show_samples}
    for part in parts:
        began = time.perf_counter()
        if part == "prediction":
            show_prediction(scale)
        else:
            shows[part](device, scale)
        print(f"({part}: {time.perf_counter() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
