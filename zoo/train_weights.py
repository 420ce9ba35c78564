"""Train the weights that the package ships, from nothing: make the data, train every restorer, install the outcome.

Run: python zoo/train_weights.py -o FOLDER [NAME ...] [--install]
Data and runs stay in FOLDER; run again, it goes on where it stopped. The recipes, seeds and settings below are all
that decides the weights: on one machine the same command gives the same bytes.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from xsim_datasets.executors import ProcessPool
from xsim_datasets.reader import PairStore
from xsim_datasets.recipe import load_recipe
from xsim_datasets.simulated import SimulatedMaker, plan_of
from xsim_datasets.writer import make_store
from xsim_zoo.checkpoint import WEIGHTS_FOLDER
from xsim_zoo.pairs import StorePairs
from xsim_zoo.settings import TrainSettings
from xsim_zoo.training import train


@dataclass(frozen=True)
class Data:
    """A training set: its recipe and what is changed in it."""

    recipe: str
    n: int
    size_px: int
    seed: int


@dataclass(frozen=True)
class Weights:
    """One set of weights: the restorer, its data, and settings that differ from `SETTINGS`."""

    restorer: str
    data: str = "paper"
    changes: tuple[tuple[str, Any], ...] = ()


DATA: Final = {
    "paper": Data("paper", n=1024, size_px=256, seed=1),
    "universal": Data("universal", n=1024, size_px=256, seed=1),
}

# The same network, the same number of steps and images for all: what differs is the method.
SETTINGS: Final[dict[str, Any]] = {
    "size": "tiny",
    "steps": 2000,
    "precision": "bf16",
    "validate_every": 1000,
    "validate_images": 16,
    "save_every": 500,
}

SHIPPED: Final = {
    "physics-sde": Weights("physics-sde"),
    "unet-wiener": Weights("unet-wiener"),
    "unet": Weights("unet"),
    "cdm": Weights("cdm"),
    "physics-sde-paper": Weights("physics-sde-paper"),
    "universal": Weights("physics-sde", "universal", (("steps", 5000), ("validate_every", 2500))),
}


def make_data(name: str, folder: Path, workers: int) -> PairStore:
    """Make a training set, or open the one that stands."""
    data = DATA[name]
    settings = load_recipe(data.recipe, n=data.n, size_px=data.size_px)
    plan = plan_of(settings, data.seed)
    target = str(folder / f"{name}.zarr")
    make_store(SimulatedMaker(settings, plan.seed), plan, target, executor=ProcessPool(workers), resume=True)
    return PairStore.open(target)


def train_one(name: str, folder: Path, workers: int) -> Path:
    """Train one set of weights, or go on with it, and return the folder of its run."""
    weights = SHIPPED[name]
    run = folder / name
    pairs = StorePairs(make_data(weights.data, folder, workers))
    settings = TrainSettings(**(SETTINGS | dict(weights.changes)))
    result = train(weights.restorer, pairs, run, settings, resume=(run / "run.json").exists(), data_name=weights.data)
    print(f"{name}: {result.best.psnr_dB:.2f} dB, SSIM {result.best.ssim:.4f}; LR {result.lr.psnr_dB:.2f} dB")
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SHIPPED), metavar="NAME", help=f"of {', '.join(SHIPPED)}")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of data and runs")
    parser.add_argument("--workers", type=int, default=2, help="processes that make data")
    parser.add_argument("--install", action="store_true", help="copy the weights into the package")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(SHIPPED):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(SHIPPED)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        run = train_one(name, arguments.out, arguments.workers)
        if arguments.install:
            for suffix in (".safetensors", ".json"):
                shutil.copyfile(run / f"weights{suffix}", WEIGHTS_FOLDER / f"{name}{suffix}")


if __name__ == "__main__":
    main()
