"""What boards that are used several times cost in quality, and what they save in time.

    OMP_NUM_THREADS=1 python benchmarks/reuse.py -o OUT [--pairs 256] [--steps 300] [--seeds 2] [--per-board 8]

The recipe `paper` makes two stores of as many pairs: one board a pair, and each board for several pairs, in windows of
a board half as wide again and turned. `physics-sde` (tiny) learns from scratch on either, the same steps with the same
seeds, and is judged on held-out boards of the headline. The difference is paired by board; its interval, 95 %, is by
bootstrap over boards and does not hold what another seed of the training changes, which the rows of seeds show.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Final

from headline_figures import lead_of, mean_of, rows_of, text_of
from headline_sets import SEED, TestSet, image_folder

from xsim.files.whole import write_whole
from xsim_datasets.recipe.recipe import load_recipe
from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.writer import make_store
from xsim_zoo.evaluation import Competitor, Options, evaluate
from xsim_zoo.training.data import StorePairs
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.train import train

SIZE_PX: Final = 128
ONCE: Final = "a board a pair"


def stores_of(per_board: int) -> dict[str, dict[str, Any]]:
    """Return what each store changes in the recipe."""
    return {
        ONCE: {},
        f"a board for {per_board} pairs": {"pairs_per_board": per_board, "board_side": 1.5, "turned": True},
    }


def made(folder: Path, pairs: int, per_board: int) -> dict[str, Path]:
    """Make the stores that are not there yet, and print what a pair of them takes."""
    found = {}
    for name, changes in stores_of(per_board).items():
        found[name] = path = folder / f"{name.replace(' ', '-')}.zarr"
        if not path.exists():
            recipe = load_recipe("paper", n=pairs, size_px=SIZE_PX, **changes)
            plan, start = plan_of(recipe, SEED), time.process_time()
            make_store(SimulatedMaker(recipe, plan.seed), plan, str(path), executor=Serial())
            took = (time.process_time() - start) / pairs
            print(f"{name}: {took:.2f} CPU s a pair of {SIZE_PX} px", flush=True)
    return found


def main() -> None:
    """Make the stores, train, judge, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for stores, runs and the table")
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--per-board", type=int, default=8, help="pairs that show a board, in one of the stores")
    parser.add_argument("--boards", type=int, default=24, help="held-out boards")
    words = parser.parse_args()
    words.output.mkdir(parents=True, exist_ok=True)
    stores = made(words.output, words.pairs, words.per_board)
    who = []
    for seed in range(words.seeds):
        for name, store in stores.items():
            run = words.output / f"{store.stem}-{seed}"
            settings = TrainSettings(
                size="tiny", steps=words.steps, seed=seed, validate_every=words.steps, save_every=words.steps
            )
            train(
                "physics-sde",
                StorePairs(PairStore.open(str(store))),
                run,
                settings,
                resume=run.is_dir(),
                device="cpu",
                quiet=True,
            )
            who.append(Competitor("physics-sde", weights=str(run), detectors="own", label=f"{name}, seed {seed}"))
    cache = image_folder(None, words.output)
    boards = TestSet("random", "paper", words.boards, cache)
    found = evaluate(who, boards, Options(sections=("power",), seed=SEED), device="cpu", workers=1, quiet=False)
    lines = ["| boards, training | PSNR [dB] | over a board a pair |", "|---|---|---|"]
    for label in found.labels:
        seed = label.rsplit(" ", 1)[1]
        against = f"{ONCE}, seed {seed}"
        lead = "" if label == against else text_of(lead_of(found, label, against), 2)
        lines.append(f"| {label} | {text_of(mean_of(rows_of(found, label), 'psnr_dB'), 2)} | {lead} |")
    text = "\n".join(lines) + "\n"
    write_whole(words.output / "reuse.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
