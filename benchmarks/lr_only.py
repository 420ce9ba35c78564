"""What finetuning on LR images alone gains: on detectors that differ, and on those that the weights know.

Run: python benchmarks/lr_only.py -o FOLDER [--quick] [--steps N] [--seeds N]
The LR images show test targets, which no weights have seen; the simulated pairs that are mixed in show random boards
between the same detectors. HR images of further targets judge, and are used for nothing else.
PSNR [dB] on linear images, range 1, without a border of 16 px; intervals of 95 % by images, paired.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import xsim
import xsim_zoo
from xsim import recipes
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.files.whole import write_whole
from xsim.measure.similarity import psnr_dB
from xsim.phantoms import random_board
from xsim.phantoms.targets import target
from xsim.seeds import generator, torch_seed
from xsim_zoo.training.data import MemoryPairs
from xsim_zoo.training.lr_images import split
from xsim_zoo.training.lr_only import LR_ONLY_SETTINGS, finetune_lr_only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.imaging.setup import PairSetup
    from xsim.phantoms import Phantom

SEED: Final = 20_261_127
SIDE_PX: Final = 256
SHAPES: Final = ("bars", "discs", "star", "disc-array", "wedge-17", "spiral")
BORDER_PX: Final = 16
SIZES: Final = {False: (24, 16, 24), True: (8, 6, 6)}
"""LR images, simulated pairs and judges, in full and in the quick run."""


def setups() -> dict[str, PairSetup]:
    """Return the detectors that the shipped weights know, and others: f50 15 % lower, half the dose, a harder beam."""
    known = recipes.paper()
    screen = Detector(Screen(161.0), Sensor())
    other = replace(known, lr=screen, kerma_uGy=0.5 * known.kerma_uGy, spectrum=known.spectrum.filtered("Cu", 0.1))
    return {"known": known, "other": other}


def shape(number: int, stage: str, pixel_mm: float) -> Phantom:
    """Return a test target at an angle and a place of its own, on a plate as a board is."""
    random = generator(SEED, sample=number, stage=stage)
    centre = (float(random.uniform(-2, 2)), float(random.uniform(-2, 2)))
    return target(
        SHAPES[number % len(SHAPES)],
        (2 * SIDE_PX, 2 * SIDE_PX),
        pixel_mm,
        angle_deg=float(random.uniform(0, 90)),
        backing=("FR-4", 1.6),
        centre_mm=centre,
    )


def images(setup: PairSetup, count: int, stage: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return HR without noise and LR, each (count, H, W): targets, or boards for the stage "boards"."""
    hr, lr = [], []
    for number in range(count):
        if stage == "boards":
            phantom = random_board(torch_seed(SEED, sample=number, stage=stage), (2 * SIDE_PX, 2 * SIDE_PX))
        else:
            phantom = shape(number, stage, setup.pitch_mm / 2)
        seed = torch_seed(SEED, sample=number, stage=f"{stage} noise")
        pair = xsim.simulate_pair(phantom, setup, seed, clean=stage != "boards")
        hr.append(pair.hr if pair.hr_clean is None else pair.hr_clean)
        lr.append(pair.lr)
    return np.stack(hr).astype(np.float32), np.stack(lr).astype(np.float32)


def scores(restorer: xsim_zoo.Restorer, hr: NDArray[np.float32], lr: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the PSNR of each image [dB]."""
    inner = (slice(BORDER_PX, -BORDER_PX),) * 2
    return np.array([psnr_dB(restorer.restore_array(y)[inner], x[inner]) for x, y in zip(hr, lr, strict=True)])


def interval(gain: NDArray[np.float64]) -> list[float]:
    """Return the mean and its bootstrap interval of 95 %."""
    random = generator(SEED, stage="bootstrap")
    means = gain[random.integers(0, len(gain), (2000, len(gain)))].mean(1)
    return [float(gain.mean()), *(float(edge) for edge in np.percentile(means, [2.5, 97.5]))]


def main() -> None:
    """Read the command line, finetune, judge, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the table")
    parser.add_argument("--quick", action="store_true", help="few images, few steps")
    parser.add_argument("--steps", type=int, help="training steps; 30 in the quick run")
    parser.add_argument("--seeds", type=int, default=1, help="training seeds")
    parser.add_argument("--restorer", default="physics-sde")
    arguments = parser.parse_args()
    count_lr, count_pairs, count_judges = SIZES[arguments.quick]
    quick = {"steps": 30, "batch": 2, "validate_every": 10, "validate_images": 8} if arguments.quick else {}
    settings = LR_ONLY_SETTINGS.model_copy(update=quick | ({"steps": arguments.steps} if arguments.steps else {}))
    shipped = xsim_zoo.load(arguments.restorer, device="cpu")
    rows = []
    for condition, setup in setups().items():
        degradation = setup.degradation()
        windows = split([[y] for y in images(setup, count_lr, "lr")[1]])
        mix = MemoryPairs(*images(setup, count_pairs, "boards"), degradation, held_out=1)
        hr, lr = images(setup, count_judges, "judge")
        before = scores(shipped, hr, lr)
        told = shipped.with_physics(replace(shipped.physics, degradation=degradation))
        calibrated = scores(told, hr, lr)
        for mixed in (None, mix):
            for seed in range(arguments.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    result = finetune_lr_only(
                        arguments.restorer,
                        windows,
                        degradation,
                        Path(folder) / "run",
                        settings.model_copy(update={"seed": seed}),
                        mix=mixed,
                        device="cpu",
                        quiet=True,
                    )
                    after = scores(xsim_zoo.load(arguments.restorer, Path(folder) / "run", device="cpu"), hr, lr)
                rows.append(
                    {
                        "detectors": condition,
                        "mixed": mixed is not None,
                        "seed": seed,
                        "kept": result.kept,
                        "risk": [result.shipped.risk, result.calibrated.risk, result.trained.risk],
                        "psnr_dB": [float(each.mean()) for each in (before, calibrated, after)],
                        "gain_over_shipped_dB": interval(after - before),
                        "gain_over_calibrated_dB": interval(after - calibrated),
                        "seconds": result.seconds,
                    }
                )
                print(json.dumps(rows[-1]), flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    document = {"steps": settings.steps, "batch": settings.batch, "images": SIZES[arguments.quick], "rows": rows}
    write_whole(arguments.output / "lr_only.json", json.dumps(document, indent=1).encode())


if __name__ == "__main__":
    main()
