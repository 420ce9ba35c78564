"""Test images that no restorer has seen, made from seeds and kept in a cache folder; `evaluate` takes a set as data.

Random boards come from a seed stage of their own, so no training seed meets them; boards of ten layers are a class
that the usual population does not hold; the windows of a real board come from its Gerber files; shapes outside
training are test targets. Doses and other screens image the same boards once more.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import xsim
from xsim import recipes
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.errors import MissingFileError, UnknownNameError
from xsim.files.cache import cache_folder
from xsim.phantoms import BoardRecipe, random_board
from xsim.phantoms.targets import target
from xsim.seeds import generator, torch_seed
from xsim_zoo.evaluation.pairs import HeldOutPair
from xsim_zoo.evaluation.records import DataSource

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from xsim.degradation.degradation import Degradation
    from xsim.imaging.setup import PairSetup
    from xsim.phantoms import Phantom
    from xsim.phantoms.gerber import GerberBoard

__all__ = [
    "CONDITIONS",
    "SEED",
    "SETS",
    "TestSet",
    "add_image_options",
    "image_folder",
    "save_pair",
    "setup_of",
]

SEED: Final = 20_260_810
"""Seed of every test set; boards draw from stages that training never uses."""

_SIDE_PX: Final = 320
_OVERSAMPLING: Final = 2
_SHAPES: Final = ("bars", "discs", "star", "disc-array", "wedge-17", "spiral")
_LIMESDR: Final = Path(__file__).parents[2] / "shared" / "data" / "boards" / "limesdr_qpcie"
_BACKING: Final = ("FR-4", 1.6)

CONDITIONS: Final[dict[str, dict[str, float]]] = {
    "paper": {},
    "dose x 1/4": {"dose": 0.25},
    "dose x 1/2": {"dose": 0.5},
    "dose x 2": {"dose": 2.0},
    "dose x 4": {"dose": 4.0},
    "80 mg/cm2": {"screen": 80.0},
    "220 mg/cm2": {"screen": 220.0},
}
"""What differs from the paper's set-up: the dose's factor, or the LR screen [mg/cm2]."""


@dataclass(frozen=True)
class _Kind:
    """Which boards a set holds, under which conditions, how many in full and in the quick run."""

    boards: str
    conditions: tuple[str, ...]
    count: int
    quick: int


SETS: Final[dict[str, _Kind]] = {
    "random": _Kind("random", ("paper",), 48, 6),
    "limesdr": _Kind("limesdr", ("paper",), 24, 3),
    "ten-layer": _Kind("ten-layer", ("paper",), 12, 2),
    "shapes": _Kind("shapes", ("paper",), 12, 6),
    "detectors": _Kind("random", tuple(name for name in CONDITIONS if name != "paper"), 12, 2),
}


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a program that makes these images, and works on them in several processes."""
    parser.add_argument("--gerber", type=Path, default=_LIMESDR, help="folder of the real board's Gerber files")
    parser.add_argument("--cache", type=Path, help="folder of the test images")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)


def image_folder(given: Path | None, otherwise: Path) -> Path:
    """Return the folder of the test images: the one given, that of the cache, or one in another folder."""
    return given or (cache_folder() or otherwise) / "headline"


@lru_cache(maxsize=len(CONDITIONS))
def setup_of(condition: str) -> PairSetup:
    """Return the set-up of a condition."""
    changes = CONDITIONS[condition]
    setup = recipes.paper()
    if "screen" in changes:
        setup = replace(setup, lr=Detector(Screen(changes["screen"]), Sensor()))
    return replace(setup, kerma_uGy=setup.kerma_uGy * changes.get("dose", 1.0))


@lru_cache(maxsize=len(CONDITIONS))
def _degradation_of(condition: str) -> Degradation:
    return setup_of(condition).degradation()


@dataclass(frozen=True)
class TestSet:
    """One test set under one condition, as `xsim_zoo.evaluation.pairs.EvaluationData`.

    Parameters
    ----------
    name : str
        One of `SETS`.
    condition : str
        One of `CONDITIONS`.
    count : int
        How many images.
    cache : Path
        Folder of the images.
    gerber : Path, optional
        Folder of the real board.
    """

    __test__ = False  # pytest takes it for tests by its name

    name: str
    condition: str
    count: int
    cache: Path
    gerber: Path | None = None

    @classmethod
    def all_of(cls, name: str, cache: Path, gerber: Path | None = None, *, quick: bool = False) -> list[TestSet]:
        """Return a set under each of its conditions.

        Raises
        ------
        UnknownNameError
            For a set that does not exist.
        """
        if name not in SETS:
            raise UnknownNameError("test set", name, SETS)
        kind = SETS[name]
        count = kind.quick if quick else kind.count
        return [cls(name, condition, count, cache, gerber) for condition in kind.conditions]

    @property
    def path(self) -> str:
        """What messages and tables call it."""
        return self.name if self.condition == "paper" else f"{self.name}: {self.condition}"

    @property
    def digest(self) -> str:
        """Digest of what makes the images, the program included."""
        key = f"{self.name}|{self.condition}|{self.count}|{SEED}|{_SIDE_PX}|{_program()}"
        return hashlib.sha256(key.encode()).hexdigest()

    def samples(self, split: str) -> list[int]:  # noqa: ARG002
        """Return the images; no restorer has seen any of them."""
        return list(range(self.count))

    def cluster(self, sample: int) -> str:
        """Return what images must share to count as one in the bootstrap: a board, a window, a shape."""
        boards = SETS[self.name].boards
        return f"{boards}-{_SHAPES[sample % len(_SHAPES)] if boards == 'shapes' else sample}"

    def family_of(self, sample: int) -> int:
        """Return a number below zero, which no training board has."""
        return -1 - (sample % len(_SHAPES) if SETS[self.name].boards == "shapes" else sample)

    def setup_of(self, sample: int) -> int:  # noqa: ARG002
        """Return the number of the condition."""
        return list(CONDITIONS).index(self.condition)

    def pitch_of(self, sample: int) -> float:
        """Return the pixel pitch [mm]."""
        return self.pair_setup_of(sample).pitch_mm

    def degradation_of(self, sample: int) -> Degradation:  # noqa: ARG002
        """Return what lies between the detectors."""
        return _degradation_of(self.condition)

    def pair_setup_of(self, sample: int) -> PairSetup:  # noqa: ARG002
        """Return the set-up."""
        return setup_of(self.condition)

    def no_clean(self, sample: int) -> str:  # noqa: ARG002
        """Return nothing: every image has its twin without noise."""
        return ""

    def read(self, sample: int, *, clean: bool) -> HeldOutPair:
        """Return a pair, from the cache folder if it was made before with the same program.

        Raises
        ------
        MissingFileError
            If it is a window of a real board and its folder is not there.
        """
        setup, path = self.pair_setup_of(sample), self.path_of(sample)
        if not path.is_file():
            self._make(sample, path)
        with np.load(path, allow_pickle=False) as arrays:
            return HeldOutPair(
                lr=arrays["lr"],
                hr=arrays["hr"],
                clean=arrays["hr_clean"] if clean else None,
                sample=sample,
                family=self.cluster(sample),
                design=SETS[self.name].boards,
                setup=self.setup_of(sample),
                kerma_uGy=setup.kerma_uGy,
                pitch_mm=setup.pitch_mm,
            )

    def describe(self, split: str, samples: Sequence[int]) -> DataSource:
        """Return what the document says of the set."""
        return DataSource(
            path=self.path,
            digest=self.digest,
            origin="simulated",
            recipe="headline",
            recipe_hash="",
            seed=SEED,
            split=split,
            images=len(samples),
            families=len({self.cluster(sample) for sample in samples}),
            shape=(_SIDE_PX, _SIDE_PX),
            pitch_mm=self.pair_setup_of(0).pitch_mm,
        )

    def path_of(self, sample: int) -> Path:
        """Return where a pair is kept, by all that decides it, the program included."""
        key = f"{self.name}|{self.condition}|{sample}|{SEED}|{_SIDE_PX}|{_program()}"
        return self.cache / f"{self.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"

    def noise_seed_of(self, sample: int) -> int:
        """Return the seed of a pair's noise."""
        return torch_seed(SEED, sample=sample, stage=f"headline-{self.name}-{self.condition}")

    def _make(self, sample: int, path: Path) -> None:
        save_pair(path, self._phantom(sample), self.pair_setup_of(sample), self.noise_seed_of(sample))

    def _phantom(self, sample: int) -> Phantom:
        boards, side = SETS[self.name].boards, _SIDE_PX * _OVERSAMPLING
        pixel_mm = self.pair_setup_of(sample).pitch_mm / _OVERSAMPLING
        rng = generator(SEED, sample=sample, stage=f"headline-{boards}")
        if boards == "limesdr":
            return _window(sample, self.gerber, side, pixel_mm, seed=int(rng.integers(2**63)))
        if boards == "shapes":
            return target(
                _SHAPES[sample % len(_SHAPES)],
                (side, side),
                pixel_mm,
                angle_deg=float(rng.uniform(-15.0, 15.0)),
                material="Cu",
                thickness_mm=float(rng.uniform(0.07, 0.3)),
                backing=_BACKING,
            )
        population = BoardRecipe(layers={10: 1.0}) if boards == "ten-layer" else BoardRecipe()
        return random_board(int(rng.integers(2**63)), (side, side), pixel_mm, recipe=population)


def save_pair(path: Path, phantom: Phantom, setup: PairSetup, noise_seed: int) -> None:
    """Image a phantom and keep the pair with its noise-free HR image, whole or not at all."""
    pair = xsim.simulate_pair(phantom, setup, noise_seed, clean=True)
    assert pair.hr_clean is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    with partial.open("wb") as file:
        np.savez(file, lr=pair.lr, hr=pair.hr, hr_clean=pair.hr_clean)
    partial.replace(path)


@lru_cache(maxsize=1)
def _program() -> str:
    """Return the digest of the imaging chain's source: images that another version made are not taken for its own."""
    digest = hashlib.sha256()
    folder = Path(xsim.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _window(number: int, gerber: Path | None, side: int, pixel_mm: float, *, seed: int) -> Phantom:
    """Return one of the windows that do not overlap, drawn without putting back, turned by quarters."""
    board = _load_board(gerber)
    field = side * pixel_mm
    columns, rows = (int(length // field) for length in board.size_mm)
    places = generator(SEED, stage="headline-windows").permutation(columns * rows)
    row, column = divmod(int(places[number % len(places)]), columns)
    return board.window(
        column * field, row * field, shape=(side, side), pixel_mm=pixel_mm, seed=seed, rotation_deg=90.0 * (number % 4)
    )


@lru_cache(maxsize=1)
def _load_board(folder: Path | None) -> GerberBoard:
    if folder is None or not folder.is_dir():
        raise MissingFileError(f"{folder}: no folder of Gerber files: give --gerber, or --sets without 'limesdr'")
    from xsim.phantoms.gerber import GerberBoard

    return GerberBoard.load(folder)
