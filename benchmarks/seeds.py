"""How much of a lead is the training seed's: restorers trained from several seeds, on the test sets of the headline.

    python zoo/train_weights.py -o FOLDER physics-sde unet-wiener unet --seed 1   # and --seed 2, --seed 0
    python benchmarks/seeds.py FOLDER                                            # a minute on two cores

Every seed draws initial weights, order, crops, times and noise anew; the training images stay. A lead is that of
physics-sde over another restorer, paired by image and by seed; its spread is what other seeds make of it.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from headline_sets import SEED, TestSet, add_image_options, image_folder
from headline_tables import Table

from xsim.errors import XsimError
from xsim_zoo.evaluation import Competitor, Options, evaluate

RESTORERS: Final = ("physics-sde", "unet-wiener", "unet")
SETS: Final = ("random", "limesdr")


@dataclass(frozen=True)
class Run:
    """The outcome of one training."""

    restorer: str
    seed: int
    weights: Path


def runs_in(folder: Path) -> list[Run]:
    """Return the runs of `zoo/train_weights.py`, those of one restorer together, by seed."""
    found = []
    for restorer in RESTORERS:
        for path in folder.glob(f"{restorer}*/weights.safetensors"):
            if match := re.fullmatch(rf"{restorer}(?:-seed(\d+))?", path.parent.name):
                found.append(Run(restorer, int(match[1] or 0), path))
    return sorted(found, key=lambda run: (RESTORERS.index(run.restorer), run.seed))


def scores_of(name: str, runs: list[Run], cache: Path, gerber: Path, workers: int) -> np.ndarray:
    """Return mean PSNR [dB] and SSIM of a test set after each run's restorer, shape (runs, 2)."""
    (test_set,) = TestSet.all_of(name, cache, gerber)
    asked = [Competitor(run.restorer, str(run.weights), label=f"{run.restorer}, {run.seed}") for run in runs]
    found = evaluate(asked, test_set, Options(sections=(), seed=SEED), workers=workers)
    psnr, ssim = found.means("psnr_dB"), found.means("ssim")
    return np.array([[psnr[one.label], ssim[one.label]] for one in asked])


def table(name: str, runs: list[Run], scores: np.ndarray) -> Table:
    """Return PSNR and SSIM of every run, and the lead of physics-sde's of the same seed over it."""
    of_seed: dict[str, dict[int, np.ndarray]] = {restorer: {} for restorer in RESTORERS}
    for run, values in zip(runs, scores, strict=True):
        of_seed[run.restorer][run.seed] = values
    champion = of_seed[RESTORERS[0]]
    rows = []
    for restorer, own in of_seed.items():
        leads = [champion[seed][0] - own[seed][0] for seed in own if seed in champion]
        rows.append(
            (
                restorer,
                ", ".join(str(seed) for seed in own),
                ", ".join(f"{values[0]:.2f}" for values in own.values()),
                ", ".join(f"{values[1]:.4f}" for values in own.values()),
                "-" if restorer == RESTORERS[0] else ", ".join(f"{lead:+.2f}" for lead in leads),
            )
        )
    heads = ("restorer", "seeds", "PSNR [dB]", "SSIM", "lead of physics-sde [dB]")
    return Table(f"Seeds, {name}", heads, tuple(rows))


def main() -> int:
    """Score every run on both sets and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the runs")
    add_image_options(parser)
    words = parser.parse_args()
    start = time.monotonic()
    runs = runs_in(words.folder)
    if not runs:
        print(f"seeds: {words.folder}: holds no run of {', '.join(RESTORERS)}: train them first", file=sys.stderr)
        return 2
    cache = image_folder(words.cache, words.folder)
    try:
        for name in SETS:
            if name == "limesdr" and not words.gerber.is_dir():
                print(f"limesdr: no Gerber files at {words.gerber}: give --gerber", file=sys.stderr)
                continue
            print(table(name, runs, scores_of(name, runs, cache, words.gerber, words.workers)).markdown(), flush=True)
    except XsimError as error:
        print(f"seeds: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{time.monotonic() - start:.0f} s with {words.workers} workers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
