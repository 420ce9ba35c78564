"""Every benchmark in small form, in one table: figure, floor, peer, ratio.

    python benchmarks/run_all.py                              # the whole table, under 20 minutes on two cores
    python benchmarks/run_all.py --areas pairs boards         # some of it
    python benchmarks/run_all.py --write docs/benchmarks.md   # and the page

Each area runs in a process of its own with one thread, so that its peak memory is its own. Times are CPU times, the
least of some runs, except where workers or another process's time count. Peers that are not installed are named:
``pip install -r benchmarks/peers.txt``. The longer benchmarks are the other programs of this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from suite.areas import AREAS
from suite.page import identity, markdown, text
from suite.rows import Row

ROOT = Path(__file__).parents[1]


def run_area(name: str) -> tuple[list[Row], float, str]:
    """Run one area in a process of its own; return its rows, its peak memory [MB], and what went wrong if it did."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, __file__, "--area", name],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return [], 0.0, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    # Peers write to standard output as they like; the last line is ours.
    document = json.loads(done.stdout.strip().splitlines()[-1])
    return [Row(**row) for row in document["rows"]], document["memory_MB"], ""


def print_area(name: str) -> None:
    """Measure one area here and print it as one line of JSON."""
    rows = [row.to_dict() for row in AREAS[name].rows()]
    scale = 1024.0 if sys.platform != "darwin" else 2.0**20
    memory_MB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    print()
    print(json.dumps({"rows": rows, "memory_MB": memory_MB}), flush=True)


def main() -> int:
    """Run the areas and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--areas", nargs="+", choices=list(AREAS), default=list(AREAS))
    parser.add_argument("--write", type=Path, help="write the page, as markdown")
    parser.add_argument("--area", choices=list(AREAS), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.area:
        print_area(words.area)
        return 0
    start = time.monotonic()
    found = {}
    for name in words.areas:
        began = time.monotonic()
        found[name] = run_area(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    made = identity(time.monotonic() - start)
    print(text(found, made))
    if words.write:
        words.write.write_text(markdown(found, made), encoding="utf-8")
    failed = [f"{name}: {why}" for name, (_, _, why) in found.items() if why]
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
