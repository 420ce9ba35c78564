"""What giving power back costs: PSNR and power of `physics-sde` from none of it to all of it.

    OMP_NUM_THREADS=1 python benchmarks/returned_power.py                          # 48 boards, 4 minutes of a core
    OMP_NUM_THREADS=1 python benchmarks/returned_power.py --weights unet-wiener=RUN --images 8

Boards, scores and borders are those of `headline.py`; intervals are 95 %, by bootstrap over boards, of the difference
to the answers of least error.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from headline_rows import parse_weights
from headline_sets import TestSet, add_image_options, image_folder

import xsim_zoo
from xsim.measure.similarity import psnr_dB
from xsim_zoo.evaluation.scores import inner, ring_centres, ring_powers
from xsim_zoo.evaluation.statistics import Bootstrap

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
FREQUENCIES_LP_MM: Final = (2.0, 4.0, 6.0)


def scored(restorer: Restorer, test_set: TestSet, count: int) -> tuple[list[str], list[float], list[float]]:
    """Return families and PSNR [dB] of the images, and the power kept at the frequencies."""
    families, scores, powers = [], [], []
    for sample in range(count):
        pair = test_set.read(sample, clean=True)
        assert pair.clean is not None
        answer, pitch_mm = restorer.restore_array(pair.lr), restorer.physics.pitch_mm
        families.append(pair.family)
        scores.append(psnr_dB(inner(answer), inner(pair.hr)))
        powers.append(ring_powers(inner(answer), inner(pair.clean), pitch_mm)[:2])
    truth, kept = np.sum(powers, axis=0)
    return families, scores, [float(np.interp(f, ring_centres(pitch_mm), kept / truth)) for f in FREQUENCIES_LP_MM]


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--weights", default="physics-sde=physics-sde", metavar="NAME=PATH", help="restorer and weights"
    )
    parser.add_argument("--images", type=int, default=48)
    add_image_options(parser)
    words = parser.parse_args()
    torch.set_num_threads(1)
    test_set, *_ = TestSet.all_of("random", image_folder(words.cache, Path("OUT")), words.gerber, quick=False)
    ((name, weights),) = parse_weights([words.weights]).items()
    restorer = xsim_zoo.load(name, weights, device="cpu")
    first: list[float] = []
    print(f"{weights}, {words.images} boards, share of the filter's error {restorer.error_share}")
    print("| power returned | PSNR [dB] | to none of it | power at 2, 4, 6 lp/mm |\n| --- | --- | --- | --- |")
    for share in SHARES:
        restorer.returned_power = share
        families, scores, power = scored(restorer, test_set, words.images)
        first = first or scores
        less = Bootstrap(families).mean(np.subtract(scores, first))
        interval = f"{less.mean:.3f} [{less.low:.3f}, {less.high:.3f}]"
        print(
            f"| {share:g} | {np.mean(scores):.2f} | {interval} | {', '.join(f'{one:.3f}' for one in power)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
