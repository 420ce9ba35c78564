"""The headline's two tables: restorers side by side on boards that none has seen, each table under equal conditions.

    python benchmarks/headline.py -o OUT                     # what ships
    python benchmarks/headline.py -o OUT --quick             # a few images of each set
    python benchmarks/headline.py -o OUT --trained FOLDER    # beside the runs of `zoo/train_weights.py -o FOLDER`
    python benchmarks/headline.py -o OUT --trained FOLDER --seeds 3    # leads of three training seeds
    python benchmarks/headline.py -o OUT --weights unet=runs/unet --weights mine=runs/mine
    python benchmarks/headline.py -o OUT --keep KEPT         # goes on where it was stopped, or with other weights

In one table nobody is told the grey-level link between the detectors, in training or after; in the other all are.
Weights are those that ship. Others come from FOLDER, whose runs are named as `zoo/train_weights.py` names them
(``untold``, ``controls`` and ``specialised``, and with ``--seed 1`` a suffix); rows whose weights are nowhere are named
with the command that makes them. ``--weights NAME=PATH`` replaces weights, or adds a row to the table whose conditions
it meets. ``--keep`` keeps each finding under the digest of the weights and settings it was made with: what has not
changed is not done again.

Test sets are made from seeds and kept in the cache folder; each is given to `xsim_zoo.evaluate`. LimeSDR windows need
the board's Gerber folder (``--gerber``). Written into OUT: ``headline.md``, ``headline.csv`` (one line for each row and
image), ``headline.json`` (every evaluation, claims, costs and samples) and ``headline.png``. PSNR and SSIM are against
HR with data range 1.0 (the open field) and without 16 pixels at the border; intervals are 95 %, by bootstrap over
boards. ``python docs/figures.py OUT`` then fills README and documentation in.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shlex
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headline_claims import claims
from headline_cost import Cost, Trial, costs_in, costs_of
from headline_figures import CHI2_BANDS, Outcome
from headline_picture import picture
from headline_rows import Cast, Weights, cast_of, parse_weights
from headline_samples import SAMPLED, posterior, truth_chi2
from headline_sets import SEED, SETS, TestSet, add_image_options, image_folder
from headline_tables import NOTE, tables
from pydantic import BaseModel

import xsim
from xsim.errors import XsimError, check_range
from xsim_zoo.evaluation import Competitor, Options, evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation import Evaluation

SCHEMA: Final = "xsim.headline/3"

_TABLES: Final = ("power", "chi2", "differences")
_TASKS: Final = ("bars", "voids", "opens")
_SEEDED_SETS: Final = ("random", "limesdr")
_TRIAL: Final = {False: Trial(), True: Trial(side_px=256, repeats=1)}
"""How costs are timed in the full and in the quick run."""


def outcome_of(
    cast: Cast,
    sets: Sequence[TestSet],
    *,
    quick: bool,
    workers: int,
    kept: Path | None = None,
    timed: dict[str, Cost] | None = None,
) -> Outcome:
    """Have everyone evaluated on every set, with findings kept in a folder, if one is given.

    ``timed`` are costs that were timed before; rows that they lack are timed.
    """

    def judged(who: Sequence[Competitor], test_set: TestSet, asked: Options) -> Evaluation:
        part = "tasks" if asked.sections == _TASKS else "images"
        journal = None if kept is None else kept / f"{test_set.name}-{test_set.condition.replace('/', ' of ')}-{part}"
        return evaluate(who, test_set, asked, workers=workers, journal=journal, quiet=False)

    options = Options(sections=_TABLES, quick=quick, seed=SEED)
    found, seeds, truth = {}, {}, {}
    for test_set in sets:
        print(f"{test_set.path}: {test_set.count} images", file=sys.stderr)
        found[test_set.name, test_set.condition] = judged(cast.on(test_set), test_set, options)
        if test_set.name in _SEEDED_SETS:
            for seed, rows in cast.seeds.items():
                print(f"{test_set.path}: training seed {seed}", file=sys.stderr)
                seeds[test_set.name, seed] = judged([row.competitor for row in rows], test_set, options)
            truth[test_set.name] = truth_chi2(test_set, test_set.count)
    first = next(iter(sets))
    tasks = None
    if first.condition == "paper":
        # Probes simulate all that they show: one image of one set is enough. Eight orientations take too long.
        few = [row.competitor for row in cast.rows if not row.competitor.flips]
        tasks = judged(few, first, Options(sections=_TASKS, quick=quick, seed=SEED, images=1))
    random = next((one for one in sets if one.name == "random"), None)
    samples = None
    if random is not None and cast.samples is not None:
        samples = posterior(random, cast.samples, SAMPLED[quick], workers)
    costs = {row.label: timed[row.label] for row in cast.rows if timed and row.label in timed}
    if new := [row.competitor for row in cast.rows if row.label not in costs]:
        print("costs, one restorer after another", file=sys.stderr)
        costs |= costs_of(new, first.read(0, clean=False).lr, _TRIAL[quick])
    labels = (tuple(cast.labels(told=told)) for told in (False, True))
    return Outcome(found, *labels, seeds, tasks, samples, truth, costs, _TRIAL[quick])


def write(folder: Path, outcome: Outcome, absent: dict[str, str]) -> Path:
    """Write markdown, CSV and JSON, and return the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = claims(outcome)
    versions = {name: version(name) for name in ("torch", "numpy", "scipy")}
    machine = f"{platform.system()} {platform.machine()}"
    command = shlex.join(["python", "benchmarks/headline.py", *sys.argv[1:]])
    evaluations = {f"{name}, {condition}": one for (name, condition), one in outcome.found.items()}
    evaluations |= {f"{name}, training seed {seed}": one for (name, seed), one in outcome.seeds.items()}
    evaluations |= {"tasks": outcome.tasks} if outcome.tasks else {}
    document = {
        "schema": SCHEMA,
        "xsim": xsim.__version__,
        "command": command,
        "machine": machine,
        "seed": SEED,
        "absent": absent,
        "claims": [asdict(line) for line in lines],
        "samples": None if outcome.samples is None else _json(vars(outcome.samples)),
        "chi2_of_truth": _json(outcome.truth),
        "costs": {"trial": asdict(outcome.trial), **{label: asdict(one) for label, one in outcome.costs.items()}},
        "evaluations": {name: one.to_dict(pictures=False) for name, one in evaluations.items()},
    }
    (folder / "headline.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _write_csv(folder / "headline.csv", outcome)
    said = ", ".join(f"{name} {number}" for name, number in versions.items())
    made = (
        f"Made by `{command}` with xsim {xsim.__version__}, Python {platform.python_version()}, {said}, on {machine}; "
        f"test sets of seed {SEED}."
    )
    head = ["# Restorers side by side", "", made, "", NOTE, ""]
    if absent:
        head += ["Absent:", "", *(f"- {name}: {why}" for name, why in absent.items()), ""]
    text = folder / "headline.md"
    text.write_text("\n".join([*head, *(one.markdown() for one in tables(outcome, lines))]), encoding="utf-8")
    return text


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: _json(one) for key, one in value.items()}
    return [_json(one) for one in value] if isinstance(value, tuple) else value


def _write_csv(path: Path, outcome: Outcome) -> None:
    """Write one line for each row and image; chi2 has a column for each band."""
    kept = ("family", "sample", "restorer", "psnr_dB", "ssim", "rmse", "bias", "unsupported", "seconds")
    found = {(*key, 0): one for key, one in outcome.found.items()}
    found |= {(name, "paper", seed): one for (name, seed), one in outcome.seeds.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "condition", "training_seed", *kept, *(f"chi2_{band}" for band in CHI2_BANDS)])
        for key, evaluation in found.items():
            for row in evaluation.images:
                writer.writerow([*key, *(getattr(row, name) for name in kept), *row.chi2[: len(CHI2_BANDS)]])


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for tables and picture")
    parser.add_argument("--quick", action="store_true", help="few images of each set")
    parser.add_argument("--sets", nargs="+", default=list(SETS), metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--trained", type=Path, metavar="FOLDER", help="runs of `zoo/train_weights.py -o FOLDER`")
    parser.add_argument(
        "--seeds", type=int, help="training seeds that leads are asked of; those in FOLDER if not given"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep findings there, and take over those that are there"
    )
    parser.add_argument("--costs", type=Path, metavar="JSON", help="costs that an earlier run on this machine timed")
    parser.add_argument("--rows", nargs="+", metavar="LABEL", help="only these rows, by the tables' labels")
    add_image_options(parser)
    parser.add_argument("--picture", type=Path, help="where the picture goes; OUT/headline.png if not given")
    return parser.parse_args()


def run(words: argparse.Namespace) -> Path:
    """Make the sets, have them evaluated, write; return the path of the markdown."""
    if words.seeds is not None:
        check_range("number of training seeds", words.seeds, 1, 100)
    cast = cast_of(Weights(parse_weights(words.weights), words.trained), words.seeds)
    if words.rows is not None:
        cast = cast.only(words.rows)
    absent, names = dict(cast.absent), list(words.sets)
    if "limesdr" in names and not words.gerber.is_dir():
        absent["limesdr windows"] = f"no Gerber files at {words.gerber}: give --gerber"
        names.remove("limesdr")
    cache = image_folder(words.cache, words.output)
    sets = [one for name in names for one in TestSet.all_of(name, cache, words.gerber, quick=words.quick)]
    timed = None if words.costs is None else costs_in(words.costs)
    if words.keep is not None:
        words.keep.mkdir(parents=True, exist_ok=True)
    outcome = outcome_of(cast, sets, quick=words.quick, workers=words.workers, kept=words.keep, timed=timed)
    rows = [row.competitor for row in cast.rows]
    picture(words.picture or words.output / "headline.png", outcome.found, sets, rows)
    return write(words.output, outcome, absent)


def main() -> int:
    """Run, and print the tables."""
    words = options()
    start = time.monotonic()
    try:
        written = run(words)
    except XsimError as error:
        print(f"headline: {error}", file=sys.stderr)
        return error.exit_code
    print(written.read_text(encoding="utf-8"))
    print(f"{time.monotonic() - start:.0f} s with {words.workers} workers; written to {words.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
