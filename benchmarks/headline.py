"""The headline table: physics-sde against every other restorer, on boards that none has seen.

    python benchmarks/headline.py -o OUT                        # everything, about 15 minutes on two cores
    python benchmarks/headline.py -o OUT --quick                # a few images of each set
    python benchmarks/headline.py -o OUT --weights unet=runs/unet --weights "unet, no link=runs/unet-plain"
    python benchmarks/headline.py -o OUT --specialised FOLDER   # beside models of `zoo/train_weights.py specialised`

Test sets are made from seeds and kept in the cache folder. Weights are those that are shipped; ``--weights NAME=PATH``
replaces them, or adds a row where NAME is no restorer. Restorers without weights are named as absent. LimeSDR windows
need the board's Gerber folder (``--gerber``).

Written into OUT: ``headline.md``, ``headline.csv`` (one line for each row and image), ``headline.json`` (every figure
of the tables) and ``headline.png``. PSNR and SSIM are against HR with data range 1.0 (the open field) and without 24
pixels at the border; intervals are 95 %, by bootstrap over boards.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from versus import report
from versus.contenders import contenders, parse_weights
from versus.detectors import specialised
from versus.running import Job, run
from versus.sets import SETS, add_image_options, image_folder

from xsim.errors import XsimError


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for tables and picture")
    parser.add_argument("--quick", action="store_true", help="few images of each set")
    parser.add_argument("--sets", nargs="+", default=list(SETS), metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--specialised", type=Path, help="folder of `zoo/train_weights.py -o FOLDER specialised`")
    add_image_options(parser)
    parser.add_argument("--picture", type=Path, help="where the picture goes; OUT/headline.png if not given")
    return parser.parse_args()


def main() -> int:
    """Make the sets, restore, score, write."""
    words = options()
    start = time.monotonic()
    folder = image_folder(words.cache, words.output)
    try:
        rows, absent = contenders(parse_weights(words.weights))
        names = list(words.sets)
        if "limesdr" in names and not words.gerber.is_dir():
            absent["limesdr windows"] = f"no Gerber files at {words.gerber}: give --gerber"
            names.remove("limesdr")
        experts = specialised(words.specialised)
        job = Job(rows, folder, words.gerber, quick=words.quick, specialised=experts)
        results = run(job, names, workers=words.workers)
        written = report.write(words.output, results, absent, picture=words.picture, job=job)
    except XsimError as error:
        print(f"headline: {error}", file=sys.stderr)
        return error.exit_code
    print(written.read_text(encoding="utf-8"))
    print(f"{time.monotonic() - start:.0f} s with {words.workers} workers; written to {words.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
