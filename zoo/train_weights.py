"""Train the weights that the package ships from scratch: make the data, train every restorer, install the results.

Run: python zoo/train_weights.py -o FOLDER [NAME ...] [--install]
    python zoo/train_weights.py -o FOLDER untold controls    # the other rows of the tables, see benchmarks/headline.py
    python zoo/train_weights.py -o FOLDER specialised        # models of one detector each, to compare with
    python zoo/train_weights.py -o FOLDER experiments        # sizes and link conditioning in docs/experiments.md
`benchmarks/headline_study.toml` says the same for `xsim zoo study`, with seeds and test sets.
Data and runs stay in FOLDER; run again, it goes on where it stopped. The recipes, seeds and settings below are all
that decides the weights: on one machine the same command gives the same bytes.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xsim_datasets.store.executors import ProcessPool
from xsim_datasets.store.reader import PairStore
from xsim_zoo.study.stores import StudyStore, noise_free
from xsim_zoo.training.finetune import finetune
from xsim_zoo.training.finishing.power import set_error_share
from xsim_zoo.training.finishing.temperature import set_temperature
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.sources.joined import in_equal_shares
from xsim_zoo.training.train import train
from xsim_zoo.weights.card import WEIGHTS_FOLDER

if TYPE_CHECKING:
    from xsim_zoo.training.finetune import FinetuneResult
    from xsim_zoo.training.loop import TrainResult


# Restorers asked for the image of least error in grey; `unet-log` is asked for that in line integrals.
_OF_LEAST_ERROR: Final = ("physics-sde", "unet", "unet-wiener")


@dataclass(frozen=True)
class Weights:
    """One set of weights: the restorer, its data, settings that differ from `SETTINGS`, the weights it starts from.

    Of several data sets it sees equally many pairs. ``samples`` says that posterior samples are drawn with it, so that
    their temperature is to be measured; ``on_the_way`` that others go on from it, and nobody runs it.
    """

    restorer: str
    data: str | tuple[str, ...] = "paper"
    changes: tuple[tuple[str, Any], ...] = ()
    start: str | None = None
    samples: bool = False
    on_the_way: bool = False

    @property
    def stores(self) -> tuple[str, ...]:
        """The data sets."""
        return (self.data,) if isinstance(self.data, str) else self.data

    @property
    def means(self) -> bool:
        """Whether answers are of least error between greys that are linked, so that what power they lack is known."""
        judged = not (self.samples or self.on_the_way)
        return judged and self.restorer in _OF_LEAST_ERROR and ("link", False) not in self.changes


# The detectors that one model each is specialised on, of the same boards: a dose or an LR screen of its own.
_KERMA_UGY: Final = 42.56  # that of the recipe `paper`
_OTHERS: Final = {
    "dose-quarter": {"kerma_uGy": _KERMA_UGY / 4},
    "dose-4": {"kerma_uGy": _KERMA_UGY * 4},
    "screen-80": {"lr_mass_thickness_mg_cm2": 80.0},
    "screen-220": {"lr_mass_thickness_mg_cm2": 220.0},
}


def _store(recipe: str = "paper", n: int = 1024, **imaging: float) -> StudyStore:
    """Return a training set of images of 256 px: a recipe, and what is changed in its imaging."""
    return StudyStore(recipe=recipe, n=n, size_px=256, seed=1, imaging=imaging)


DATA: Final = {
    "paper": _store(),
    "quarter": _store(n=256),
    # Four times the set-ups of the recipe, and no more boards for each: what counts is detectors (docs/experiments.md).
    "universal": _store("universal", n=3072, setups=256),
    # The same set-ups with half the pairs, beside as many and more of everything else: four pairs a set-up and four a
    # board, what two cores make in a quarter of an hour.
    "half": _store("universal", n=1536, setups=256),
    "anything": _store("anything", n=2048, setups=512),
    **{name: _store(**changes) for name, changes in _OTHERS.items()},
}

# The same network, the same number of steps and images for all: what differs is the method, and the learning rate where
# twice the usual one gave the better validation score (docs/experiments.md): 8 to 20 minutes of two cores each.
SETTINGS: Final[dict[str, Any]] = {
    "size": "tiny",
    "steps": 2000,
    "precision": "fp32",
    "validate_every": 1000,
    "validate_images": 16,
    "save_every": 500,
}

_FASTER: Final = (("lr", 4e-3),)
_ROLLOUT: Final = (("steps", 300), ("validate_every", 100), ("save_every", 100))
# Three quarters of the usual rate, as these go on from `physics-sde` (not tuned); S(f) is a mean over many detectors.
_OF_MANY: Final = (("lr", 1.5e-3), ("spectrum_images", 256))

_WIDE: Final = ("half", "anything")

# Weights of any number of steps; those that are trained to take a number of them together go on from these.
_BASE: Final = "physics-sde-samples"

SHIPPED: Final = {
    _BASE: Weights("physics-sde", samples=True),
    "physics-sde": Weights("physics-sde", changes=(*_ROLLOUT, ("rollout", 3)), start=_BASE),
    "physics-sde-one-step": Weights("physics-sde", changes=(*_ROLLOUT, ("rollout", 1)), start=_BASE),
    "unet-wiener": Weights("unet-wiener"),
    "unet": Weights("unet", changes=_FASTER),
    "unet-log": Weights("unet-log", changes=_FASTER),
    "cdm": Weights("cdm", changes=_FASTER),
    "physics-sde-paper": Weights("physics-sde-paper"),
    # Detectors and objects of every kind, boards of many screens for one half; told where B_1 falls.
    "universal-samples": Weights(
        "physics-sde",
        _WIDE,
        (
            *(("lr", 1e-3), ("spectrum_images", 256)),
            *(("steps", 3000), ("validate_every", 1000), ("validate_images", 64), ("save_every", 250)),
            *(("link_conditioning", True), ("detector_conditioning", True)),
        ),
        start="universal-boards",
        samples=True,
    ),
    # More than three times the steps of `_ROLLOUT`, as there are many detectors.
    "universal": Weights(
        "physics-sde",
        _WIDE,
        (
            *(("steps", 1000), ("rollout", 3), ("rollout_steps", 1000), ("spectrum_images", 256)),
            *(("validate_every", 500), ("validate_images", 64), ("save_every", 250)),
        ),
        start="universal-samples",
    ),
}

ON_THE_WAY: Final = {
    # Boards between many screens and beams, at pixels of .04 to .08 mm.
    "universal-boards": Weights(
        "physics-sde",
        "universal",
        (*_OF_MANY, ("steps", 20000), ("validate_every", 2000), ("link_conditioning", True)),
        start=_BASE,
        on_the_way=True,
    ),
}

# What nobody tells the grey-level link, and other readings of the paper (docs/experiments.md).
UNTOLD: Final = {
    "unet-untold": Weights("unet", changes=(*_FASTER, ("link", False))),
    "cdm-untold": Weights("cdm", changes=(*_FASTER, ("link", False))),
    "paper-independent": Weights("physics-sde-paper", changes=(("coupling", "independent"),)),
}

# Regression given what rollout has more than it: passes through the network, or time in training.
CONTROLS: Final = {
    "unet-wiener-small": Weights("unet-wiener", changes=(("size", "small"),)),
    "unet-wiener-whole": Weights("unet-wiener", changes=(*_ROLLOUT, ("rollout", 1)), start="unet-wiener"),
}

SPECIALISED: Final = {
    name: Weights("physics-sde", name, (("steps", 1000), ("lr", 1e-3), ("validate_every", 500)), start=_BASE)
    for name in _OTHERS
}

_SHORT: Final = (("steps", 600), ("validate_every", 600))
_SHORT_OF_MANY: Final = (*_OF_MANY, ("steps", 3000), ("validate_every", 3000), ("validate_images", 256))

# One thing is changed in each, against `patch-96`, against `physics-sde-samples` (quarter), or between the last two.
EXPERIMENTS: Final = {
    "patch-96": Weights("physics-sde", changes=_SHORT),
    "patch-64": Weights("physics-sde", changes=(*_SHORT, ("patch", 64))),
    "patch-128": Weights("physics-sde", changes=(*_SHORT, ("patch", 128))),
    "small": Weights("physics-sde", changes=(*_SHORT, ("size", "small"))),
    "quarter": Weights("physics-sde", "quarter"),
    "link-told": Weights("physics-sde", "universal", (*_SHORT_OF_MANY, ("link_conditioning", True)), start=_BASE),
    "link-untold": Weights("physics-sde", "universal", _SHORT_OF_MANY, start=_BASE),
}

GROUPS: Final = {
    "untold": UNTOLD,
    "controls": CONTROLS,
    "specialised": SPECIALISED,
    "experiments": EXPERIMENTS,
}
KNOWN: Final = SHIPPED | ON_THE_WAY | UNTOLD | CONTROLS | SPECIALISED | EXPERIMENTS


def make_data(name: str, folder: Path, workers: int) -> PairStore:
    """Make a training set, or open it where it is complete."""
    target = folder / f"{name}.zarr"
    DATA[name].make(target, ProcessPool(workers))
    return PairStore.open(str(target))


def train_one(name: str, folder: Path, workers: int, seed: int = 0) -> Path:
    """Train one set of weights, or go on with it, and return the folder of its run; the data's seed stays."""
    weights = KNOWN[name]
    run = folder / (f"{name}-seed{seed}" if seed else name)
    pairs = in_equal_shares([make_data(data, folder, workers) for data in weights.stores])
    settings = TrainSettings(**(SETTINGS | dict(weights.changes) | {"seed": seed}))
    how: Any = {"resume": (run / "run.json").exists(), "data_name": ", ".join(weights.stores)}
    result: TrainResult | FinetuneResult
    if weights.start is None:
        result = train(weights.restorer, pairs, run, settings, **how)
    else:
        start = train_one(weights.start, folder, workers, seed) / "weights.safetensors"
        result = finetune(weights.restorer, pairs, run, settings, weights=start, **how)
    if weights.samples:
        set_temperature(run, pairs)
    elif weights.means:
        set_error_share(run, pairs, noise_free(pairs, [DATA[data] for data in weights.stores]))
    print(f"{name}: {result.best.psnr_dB:.2f} dB, SSIM {result.best.ssim:.4f}; LR {result.lr.psnr_dB:.2f} dB")
    return run


def main() -> None:
    """Read the command line, then make, train and perhaps install, in the order of the names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names",
        nargs="*",
        default=list(SHIPPED),
        metavar="NAME",
        help=f"of {', '.join(KNOWN)}; or {' or '.join(GROUPS)}, for all of those",
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of data and runs")
    parser.add_argument("--workers", type=int, default=2, help="processes that make data")
    parser.add_argument("--seed", type=int, default=0, help="another training seed, in a folder of its own")
    parser.add_argument("--install", action="store_true", help="copy the shipped weights into the package")
    arguments = parser.parse_args()
    names = [one for name in arguments.names for one in GROUPS.get(name, (name,))]
    if arguments.install and arguments.seed:
        parser.error("the weights that ship are those of seed 0: leave out --seed or --install")
    if unknown := set(names) - set(KNOWN):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join([*KNOWN, *GROUPS])}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in names:
        run = train_one(name, arguments.out, arguments.workers, arguments.seed)
        if arguments.install and name in SHIPPED:
            for suffix in (".safetensors", ".json"):
                shutil.copyfile(run / f"weights{suffix}", WEIGHTS_FOLDER / f"{name}{suffix}")


if __name__ == "__main__":
    main()
