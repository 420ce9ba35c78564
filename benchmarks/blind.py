"""Blind measurement of detectors on foreign radiographs: truth, estimate, errors, coverage, seconds.

    OMP_NUM_THREADS=1 python benchmarks/blind.py                    # both sets of seeds, 768 px
    OMP_NUM_THREADS=1 python benchmarks/blind.py --px 1024 --sets held-out

Images are those of `tests/xsim/measure/blind/foreign.py`, made without any model of this project. The measurement was
developed on the seeds ``tuned``; of ``held-out`` only the coverage was seen, before the curve's band was widened.
Seconds are CPU seconds of the measurement alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "xsim" / "measure" / "blind"))
import foreign as made

from xsim.errors import InputError
from xsim.measure.blind import measure_blind


def judge(name: str, seeds: list[int], px: int) -> None:
    """Print a line for each seed, and what they are together."""
    rows = []
    print(f"{name}: {len(seeds)} images of {px} px\n")
    print("seed  image                                              f50  found  |MTF err|   noise  found   edges  s")
    for seed in seeds:
        one = made.foreign(seed, px)
        start = time.process_time()
        try:
            found = measure_blind(one.image, one.pitch_mm)
        except InputError as error:
            print(f"{seed:5d} {one.name:48s} refused: {error}", flush=True)
            continue
        seconds = time.process_time() - start
        verdict = made.judge(one, found)
        rows.append((verdict.mtf_error, verdict.noise_error, *verdict.held, seconds))
        print(
            f"{seed:5d} {one.name:48s} {verdict.f50:.3f}  {found.f50:.3f}   {verdict.mtf_error:.3f}{'':6s}"
            f"{100 * one.noise:5.2f}%  {100 * found.noise.rms:5.2f}%  {found.edges:3d}  {seconds:.1f}  "
            f"{'' if all(verdict.held) else 'outside: ' + ', '.join(verdict.missed)}",
            flush=True,
        )
    table = np.array(rows, dtype=float)
    off = 100 * np.abs(table[:, 1])
    held = 100 * table[:, 2:5].mean(axis=0)
    print(
        f"\n{len(rows)} of {len(seeds)} measured; |MTF error| where MTF > .2: median {np.median(table[:, 0]):.3f}, "
        f"worst {table[:, 0].max():.3f}; noise error: median {np.median(off):.1f} %, worst {off.max():.1f} %\n"
        f"intervals that hold the truth: f50 {held[0]:.0f} %, noise {held[1]:.0f} %, 9 in 10 points of the curve "
        f"{held[2]:.0f} %; seconds: median {np.median(table[:, 5]):.2f}, most {table[:, 5].max():.2f}\n"
    )


def main() -> int:
    """Measure the sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--px", type=int, default=768, help="side of the images [px]")
    parser.add_argument("--sets", nargs="+", choices=("tuned", "held-out"), default=["tuned", "held-out"])
    words = parser.parse_args()
    for name in words.sets:
        judge(name, list(made.TUNED if name == "tuned" else made.HELD_OUT), words.px)
    return 0


if __name__ == "__main__":
    sys.exit(main())
