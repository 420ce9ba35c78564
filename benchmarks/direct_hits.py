"""What X rays that hit the silicon leave of the gain at high frequencies, before and after finetuning on them.

    python benchmarks/direct_hits.py -o OUT
    python benchmarks/direct_hits.py -o OUT --quick    # a few boards, a few steps

The paper's two detectors are simulated three times: as they ship, without direct hits; with 5 um of silicon that X rays
reach; and with the same behind 3 mm of fibre-optic plate. The held-out boards, 24 of the headline's, are the same.
Judged are ``physics-sde`` as it ships, told nothing; told what lies between these very detectors; and finetuned on
pairs of them. The chain without hits is finetuned as well, or what more steps give would pass for what hits take.

Training pairs are 320 squares of 128 px of boards that no test set holds, and the steps take all sampling
steps together, as those of the shipped weights did. Power and coherent transfer are shares of the noise-free HR
image's power; intervals are 95 %, by bootstrap over boards. Written into OUT: ``direct_hits.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from headline_figures import lead_of, mean_of, power_of, rows_of, text_of
from headline_sets import SEED, TestSet, image_folder, save_pair

import xsim
from xsim import recipes
from xsim.files.whole import write_whole
from xsim.phantoms import random_board
from xsim.seeds import torch_seed
from xsim_zoo.evaluation import Competitor, Options, evaluate
from xsim_zoo.restorers.classical import LINKED_LR
from xsim_zoo.training.data import MemoryPairs
from xsim_zoo.training.finetune import FINETUNE_SETTINGS, finetune

if TYPE_CHECKING:
    from xsim.degradation.degradation import Degradation
    from xsim.imaging.setup import PairSetup
    from xsim_zoo.evaluation import Evaluation
    from xsim_zoo.training.settings import TrainSettings

CHAINS: Final[dict[str, tuple[float, float]]] = {
    "no direct hits": (0.0, 0.0),
    "5 um of silicon": (0.005, 0.0),
    "5 um behind 3 mm of plate": (0.005, 3.0),
}
"""Depth of active silicon [mm] and fibre-optic plate [mm] of both sensors."""

TRAINED: Final = ("no direct hits", "5 um of silicon")
"""Chains that are finetuned on: behind a plate next to no hits are left to learn."""

LP_MM: Final = (2.0, 4.0, 6.0)
_RESTORER: Final = "physics-sde"
_SHIPPED: Final = f"{_RESTORER}, told nothing"
_TOLD: Final = f"{_RESTORER}, told"
_LINKED: Final = "LR, linked"

_BOARD_PX: Final = 256
_PIECE_PX: Final = 128


@dataclass(frozen=True)
class Amounts:
    """How much is done: held-out boards, boards to learn from, those of them that validate, and steps."""

    boards: int
    learnt: int
    validated: int
    steps: int


# Small on purpose: the pairs of both chains and the training on each take a few minutes of one core.
AMOUNTS: Final = {False: Amounts(24, 80, 6, 300), True: Amounts(3, 6, 2, 10)}


@lru_cache(maxsize=len(CHAINS))
def chain(name: str) -> PairSetup:
    """Return the paper's set-up with the silicon and the plate of a chain."""
    silicon_mm, plate_mm = CHAINS[name]
    setup = recipes.paper()
    hr, lr = (
        replace(side, sensor=replace(side.sensor, active_silicon_mm=silicon_mm, fibre_plate_mm=plate_mm))
        for side in (setup.hr, setup.lr)
    )
    return replace(setup, hr=hr, lr=lr)


class HitSet(TestSet):
    """The headline's random boards, imaged by one of the chains."""

    def setup_of(self, sample: int) -> int:  # noqa: ARG002
        """Return the number of the chain."""
        return list(CHAINS).index(self.condition)

    def degradation_of(self, sample: int) -> Degradation:
        """Return what lies between the detectors."""
        return self.pair_setup_of(sample).degradation()

    def pair_setup_of(self, sample: int) -> PairSetup:  # noqa: ARG002
        """Return the set-up."""
        return chain(self.condition)

    def _make(self, sample: int, path: Path) -> None:  # noqa: ARG002
        """Image a board by all chains at once: drawing it takes longest."""
        board = self._phantom(sample)
        for name in CHAINS:
            one = replace(self, condition=name)
            save_pair(one.path_of(sample), board, one.pair_setup_of(sample), one.noise_seed_of(sample))


@dataclass(frozen=True)
class Lessons:
    """Pairs to learn from, of every chain that is finetuned on; boards and seeds of noise are the same in each.

    They are kept in a folder, where a run that is started again finds them.
    """

    amounts: Amounts
    folder: Path

    @cached_property
    def boards(self) -> list[tuple[Any, ...]]:
        """Images of each board: HR and LR of each of `TRAINED`, (256, 256)."""
        return [self._board(number) for number in range(self.amounts.learnt)]

    def _board(self, number: int) -> tuple[Any, ...]:
        path = self.folder / f"{number:03d}.npz"
        if not path.is_file():
            side, seed = 2 * _BOARD_PX, torch_seed(SEED, sample=number, stage="direct-hits-boards")
            board = random_board(seed, (side, side), chain(TRAINED[0]).pitch_mm / 2)
            noise = torch_seed(SEED, sample=number, stage="direct-hits-noise")
            pairs = [xsim.simulate_pair(board, chain(name), noise) for name in TRAINED]
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, *[image for pair in pairs for image in (pair.hr, pair.lr)])
            partial.replace(path)
        with np.load(path, allow_pickle=False) as arrays:
            return tuple(arrays[f"arr_{index}"] for index in range(2 * len(TRAINED)))

    def of(self, name: str) -> MemoryPairs:
        """Return the pairs of a chain, cut into squares; those of the last boards validate."""
        first = 2 * TRAINED.index(name)
        hr, lr = (
            np.concatenate([_pieces(board[first + side]) for board in self.boards]).astype(np.float32)
            for side in (0, 1)
        )
        held_out = self.amounts.validated * (_BOARD_PX // _PIECE_PX) ** 2
        return MemoryPairs(hr, lr, chain(name).degradation(), held_out=held_out)


def _pieces(image: Any) -> Any:
    """Return an image's squares, (4, 128, 128)."""
    count = _BOARD_PX // _PIECE_PX
    squares = image.reshape(count, _PIECE_PX, count, _PIECE_PX).swapaxes(1, 2)
    return squares.reshape(-1, _PIECE_PX, _PIECE_PX)


def settings_of(amounts: Amounts) -> TrainSettings:
    """Return how the weights are finetuned: by rollout on whole squares, twice as many as the shipped ones' area."""
    steps, every = amounts.steps, max(amounts.steps // 8, 1)
    rollout = {"rollout": 3, "rollout_steps": steps, "rollout_batch": 4, "rollout_lr": FINETUNE_SETTINGS.lr}
    return FINETUNE_SETTINGS.model_copy(
        update={"steps": steps, "validate_every": every, "save_every": every, "patience": None} | rollout
    )


def finetuned(folder: Path, lessons: Lessons) -> dict[str, dict[str, Any]]:
    """Finetune on each of `TRAINED`, and return paths of the runs, validation scores and CPU times [s]."""
    found = {}
    for name in TRAINED:
        run = folder / name.replace(" ", "-")
        pairs, start = lessons.of(name), time.process_time()
        print(f"finetuning on {name}: {len(pairs.hr)} pairs", file=sys.stderr)
        result = finetune(_RESTORER, pairs, run, settings_of(lessons.amounts), device="cpu", resume=run.is_dir())
        found[name] = {
            "run": str(run),
            "kept": result.kept,
            "psnr_dB": {key: getattr(result, key).psnr_dB for key in ("shipped", "calibrated", "trained")},
            "cpu_s": time.process_time() - start,
        }
    return found


def judged(name: str, runs: dict[str, dict[str, Any]], boards: int, cache: Path) -> Evaluation:
    """Have everyone judged on a chain."""
    who = [
        Competitor(LINKED_LR, label=_LINKED),
        Competitor("wiener", detectors="own", label="wiener, told nothing"),
        Competitor("wiener", label="wiener, told"),
        Competitor(_RESTORER, detectors="own", label=_SHIPPED),
        Competitor(_RESTORER, detectors="told", label=_TOLD),
        *(
            Competitor(_RESTORER, weights=run["run"], detectors="own", label=f"{_RESTORER}, finetuned on {of}")
            for of, run in runs.items()
        ),
    ]
    options = Options(sections=("power",), seed=SEED)
    return evaluate(who, HitSet("random", name, boards, cache), options, device="cpu", workers=1, quiet=False)


def noise_of(name: str) -> dict[str, Any]:
    """Return what hits do in the open field: share of the signal, and NNPS over that without, at `LP_MM`."""
    found: dict[str, Any] = {}
    for side in ("hr", "lr"):
        own, without = (getattr(chain(one), f"{side}_response") for one in (name, TRAINED[0]))
        frequency = np.array(LP_MM)
        found[side] = {
            "share_of_signal": own.hit_share,
            "nnps_over": (own.nnps(frequency) / without.nnps(frequency)).tolist(),
        }
    return found


def markdown(found: dict[str, Evaluation]) -> str:
    """Return the table: PSNR, the lead over the shipped weights, power and transfer."""
    at = [f"{quantity} {lp_mm:g}" for quantity in ("power", "transfer") for lp_mm in LP_MM]
    lines = [f"| chain | restorer | PSNR [dB] | over shipped | {' | '.join(at)} |", "|---" * (4 + len(at)) + "|"]
    for name, evaluation in found.items():
        for label in evaluation.labels:
            rows = rows_of(evaluation, label)
            lead = None if label == _SHIPPED else lead_of(evaluation, label, _SHIPPED)
            cells = [text_of(mean_of(rows, "psnr_dB"), 2), "" if lead is None else text_of(lead, 2)]
            for quantity in ("power_ratio", "transfer"):
                cells += [text_of(power_of(rows, quantity, lp_mm), 2) for lp_mm in LP_MM]
            lines.append(f"| {name} | {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the command line, make the pairs, finetune, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for runs and tables")
    parser.add_argument("--cache", type=Path, help="folder of the images")
    parser.add_argument("--quick", action="store_true", help="a few boards and steps")
    arguments = parser.parse_args()
    amounts, cache = AMOUNTS[arguments.quick], image_folder(arguments.cache, arguments.output)
    runs = finetuned(arguments.output, Lessons(amounts, arguments.output / "pairs"))
    found = {name: judged(name, runs, amounts.boards, cache) for name in CHAINS}
    document = {
        "amounts": vars(amounts),
        "open_field": {name: noise_of(name) for name in CHAINS},
        "runs": runs,
        "evaluations": {name: one.to_dict(pictures=False) for name, one in found.items()},
    }
    write_whole(arguments.output / "direct_hits.json", json.dumps(document, indent=1).encode())
    write_whole(arguments.output / "direct_hits.md", markdown(found).encode())
    print(markdown(found))


if __name__ == "__main__":
    main()
