"""Speed of the zoo: the backbone beside other networks of its size, restorers, and training from a store.

    python benchmarks/zoo.py                              # all of it, a few minutes on two cores
    python benchmarks/zoo.py --only networks
    python benchmarks/zoo.py --data D.zarr --steps 40     # training from a store of yours
    python benchmarks/zoo.py --device cuda --large

Times are the least of some runs: CPU seconds of one thread, which neighbours do not change, and wall seconds of two
threads, which they do (on a GPU wall seconds only). Training runs are real ones of `physics-sde`, by the wall clock.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from rival_networks import rivals

import xsim_zoo
from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim_datasets.recipe.recipe import load_recipe
from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.writer import make_store
from xsim_zoo.network.unet import SIZES, build_unet
from xsim_zoo.process.conditions import CONDITIONS
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.batch import make_batch
from xsim_zoo.training.data import StorePairs
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.training.loop import Trainer
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.train import measure_physics, run_in_folder, start_accelerator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

WALL_THREADS = 2
WARM_UP_STEPS = 3


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute on this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def seconds(work: Callable[[], object], repeats: int = 3, *, clock: Callable[[], float] | None = None) -> float:
    """Return the least time of some runs, the first one not counted."""
    clock = clock or now
    times = []
    for _ in range(repeats + 1):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times[1:])


def now() -> float:
    """Return CPU time; with a GPU the wall time once it is idle."""
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def forward(network: nn.Module, device: str, *, half: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what evaluates a network on features (B, 2, H, W), in fp32 or in bf16."""

    def answer(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=half):
            return network(x, torch.zeros(len(x), CONDITIONS, device=device)).float()

    return answer


def show_networks(device: str, *, large: bool) -> None:
    """Time every network: a forward pass at 512 x 512, and loss and gradient of 16 patches of 96 x 96."""
    image, patches = (torch.randn(shape, device=device) for shape in ((1, 2, 512, 512), (16, 2, 96, 96)))
    found = {f"U-Net {size}": build_unet(2, size) for size in (SIZES if large else ("tiny", "small"))} | rivals()
    print(f"\n{'':28s} {'':>6s} {'forward of 512 x 512 [s]':^35s} {'gradient, 16 of 96 x 96 [s]':>28s}")
    wall = f"{WALL_THREADS} threads"
    print(
        f"{'network':28s} {'M':>6s} {'fp32 CPU':>11s} {wall:>11s} {'bf16 CPU':>11s} {'fp32 CPU':>16s} {'bf16 CPU':>11s}"
    )
    for name, network in found.items():
        network.to(device, memory_format=torch.channels_last)
        full, half = (forward(network, device, half=half) for half in (False, True))
        with torch.no_grad():
            spent = [seconds(lambda: full(image))]  # noqa: B023  (called at once)
            with threads(WALL_THREADS):
                spent.append(seconds(lambda: full(image), 7, clock=time.perf_counter))  # noqa: B023
            spent.append(seconds(lambda: half(image)))  # noqa: B023
        spent += [seconds(lambda f=f: f(patches).square().mean().backward(), 2) for f in (full, half)]
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        columns = zip(spent, (11, 11, 11, 16, 11), strict=True)
        print(f"{name:28s} {millions:6.2f} " + " ".join(f"{value:{width}.3f}" for value, width in columns), flush=True)


def physics() -> Physics:
    """Return two detectors in closed form."""
    f = np.linspace(0.0, 15.0, 301)
    degradation = Degradation(
        f, np.exp(-((f / 4.0) ** 1.2)).clip(1e-3), np.full(301, 2e-7), 0.048, GreyLink((0, 0.5, 1), (0, 0.57, 1))
    )
    rings = np.geomspace(0.05, 15.0, 60)
    return Physics(degradation, RadialSpectrum(rings, 2e-4 / (0.3 + rings) ** 3))


def show_restorers(device: str) -> None:
    """Time every restorer on one image, at its own number of steps."""
    image = np.random.default_rng(0).random((512, 512), dtype=np.float32)
    print(f"\n{'restorer (small), 512 x 512':28s} {'steps':>6s} {'CPU [s]':>11s}")
    for name in xsim_zoo.names():
        options = {"size": "small"} if xsim_zoo.get(name).learned else {}
        restorer = xsim_zoo.build(name, physics(), device=device, **options)
        spent = seconds(lambda restorer=restorer: restorer.restore_array(image), 1)
        print(f"{name:28s} {restorer.default_steps:6d} {spent:11.3f}", flush=True)


def show_step(device: str) -> None:
    """Time the parts of a training step."""
    restorer = xsim_zoo.build("physics-sde", physics(), device=device, size="small")
    assert isinstance(restorer, LearnedRestorer)
    images = torch.rand((8, 256, 256))
    grid = PaddedGrid.around((256, 256)).padded
    operator = restorer.operator(grid)
    options = {"samples": range(8), "seed": 0, "crops": 2, "patch": 96, "operator": operator, "device": device}

    def batch() -> object:
        return make_batch(images, images, links=[restorer.link_on(grid)] * 8, **options)

    made = batch()
    parts = {
        "batch (link, turn, pad, draw)": seconds(batch),
        "states on whole images": seconds(lambda: restorer.examples(made)),
        "loss and gradient": seconds(lambda: restorer.loss(made).backward()),
    }
    print("\nstep of physics-sde small, 8 images of 256 x 256, 16 crops of 96 x 96, CPU [s]")
    for name, spent in parts.items():
        print(f"{name:36s} {spent:8.4f}")


def show_training(device: str, data: str | None, steps: int) -> None:
    """Train each network from a store, and say how fast it goes and how long it waits for data."""
    with tempfile.TemporaryDirectory() as folder, threads(WALL_THREADS):
        pairs = StorePairs(PairStore.open(data or _made_store(Path(folder))))
        print(f"\ntraining physics-sde from a store of {pairs.shape[0]} x {pairs.shape[1]}, {WALL_THREADS} threads")
        print(f"{'network':28s} {'steps/s':>9s} {'crops/s':>9s} {'wait for data':>14s} {'worst step':>11s}")
        for number, (name, network) in enumerate(({"U-Net small": build_unet(2, "small")} | rivals()).items()):
            run = RunFolder(Path(folder) / f"run-{number}")
            settings = TrainSettings(steps=steps, validate_every=steps, validate_images=1, save_every=steps)
            _train(network, pairs, run, settings, device)
            records = [record for record in map(json.loads, run.log.read_text().splitlines()) if "loss" in record]
            spent, waited = (
                np.array([record[key] for record in records[WARM_UP_STEPS:]]) for key in ("seconds", "waited")
            )
            crops = settings.batch * settings.crops / spent.mean()
            share, worst = waited.sum() / spent.sum(), (waited / spent).max()
            print(f"{name:28s} {1 / spent.mean():9.3f} {crops:9.1f} {share:14.2%} {worst:11.2%}", flush=True)


def _train(network: nn.Module, pairs: StorePairs, run: RunFolder, settings: TrainSettings, device: str) -> None:
    accelerator = start_accelerator(device)
    restorer = xsim_zoo.build("physics-sde", measure_physics(pairs, images=8), device=accelerator.device)
    assert isinstance(restorer, LearnedRestorer)
    restorer.network = network.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[assignment]
    run_in_folder(Trainer(restorer, pairs, run, settings, accelerator, quiet=True), {"command": "benchmark"})


def _made_store(folder: Path) -> str:
    recipe = load_recipe("tiny", n=24)
    plan = plan_of(recipe, 0)
    make_store(SimulatedMaker(recipe, plan.seed), plan, str(folder / "tiny.zarr"), executor=Serial())
    return str(folder / "tiny.zarr")


def main() -> None:
    parts = ("networks", "restorers", "step", "training")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--large", action="store_true", help="also the large sizes")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--data", help="store to train from; by default `tiny` pairs are made")
    parser.add_argument("--steps", type=int, default=20, help="of each training run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {options.device}")
    if "networks" in options.only:
        show_networks(options.device, large=options.large)
    if "restorers" in options.only:
        show_restorers(options.device)
    if "step" in options.only:
        show_step(options.device)
    if "training" in options.only:
        show_training(options.device, options.data, options.steps)


if __name__ == "__main__":
    main()
