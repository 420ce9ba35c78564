"""Test images that no restorer has seen, made from seeds and kept in a cache folder.

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

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from xsim.imaging.setup import PairSetup
    from xsim.phantoms import Phantom
    from xsim.phantoms.gerber import GerberBoard

__all__ = [
    "CONDITIONS",
    "SEED",
    "SETS",
    "Case",
    "Imaged",
    "add_image_options",
    "cases",
    "image_folder",
    "image_of",
    "setup_of",
]

SEED: Final = 20_260_810
"""Seed of every test set; boards draw from stages that training never uses."""

_SIDE_PX: Final = 320
_OVERSAMPLING: Final = 2
_SHAPES: Final = ("bars", "discs", "star", "disc-array", "wedge-17", "spiral")
_LIMESDR: Final = Path(__file__).parents[3] / "shared" / "data" / "boards" / "limesdr_qpcie"
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
class ImageSet:
    """One test set: which boards, under which conditions, how many in full and in the quick run."""

    boards: str
    conditions: tuple[str, ...]
    count: int
    quick: int


_OTHERS: Final = tuple(name for name in CONDITIONS if name != "paper")

SETS: Final[dict[str, ImageSet]] = {
    "random": ImageSet("random", ("paper",), 48, 6),
    "limesdr": ImageSet("limesdr", ("paper",), 24, 3),
    "ten-layer": ImageSet("ten-layer", ("paper",), 12, 2),
    "shapes": ImageSet("shapes", ("paper",), 12, 6),
    "detectors": ImageSet("random", _OTHERS, 12, 2),
}


@dataclass(frozen=True)
class Case:
    """One test image before it is made.

    Parameters
    ----------
    set_name : str
        One of `SETS`.
    condition : str
        One of `CONDITIONS`.
    number : int
        Which board, window or shape.
    """

    set_name: str
    condition: str
    number: int

    @property
    def boards(self) -> str:
        """Return the kind of boards."""
        return SETS[self.set_name].boards

    @property
    def cluster(self) -> str:
        """Return what images must share to count as one in the bootstrap: a board, a window, a shape."""
        kind = _SHAPES[self.number % len(_SHAPES)] if self.boards == "shapes" else str(self.number)
        return f"{self.boards}-{kind}"


@dataclass(frozen=True, eq=False)
class Imaged:
    """One pair with its noise-free HR image, (H, W) float32 each, open field 1."""

    lr: NDArray[np.float32]
    hr: NDArray[np.float32]
    hr_clean: NDArray[np.float32]


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a program that makes these images, and works on them in several processes."""
    parser.add_argument("--gerber", type=Path, default=_LIMESDR, help="folder of the real board's Gerber files")
    parser.add_argument("--cache", type=Path, help="folder of the test images")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)


def image_folder(given: Path | None, otherwise: Path) -> Path:
    """Return the folder of the test images: the one given, that of the cache, or one in another folder."""
    return given or (cache_folder() or otherwise) / "headline"


def cases(names: Iterable[str], *, quick: bool = False) -> list[Case]:
    """Return the images of test sets, in a fixed order.

    Raises
    ------
    UnknownNameError
        For a set that does not exist.
    """
    found = []
    for name in names:
        if name not in SETS:
            raise UnknownNameError("test set", name, SETS)
        chosen = SETS[name]
        count = chosen.quick if quick else chosen.count
        found += [Case(name, condition, number) for condition in chosen.conditions for number in range(count)]
    return found


@lru_cache(maxsize=len(CONDITIONS))
def setup_of(condition: str) -> PairSetup:
    """Return the set-up of a condition."""
    changes = CONDITIONS[condition]
    setup = recipes.paper()
    if "screen" in changes:
        setup = replace(setup, lr=Detector(Screen(changes["screen"]), Sensor()))
    return replace(setup, kerma_uGy=setup.kerma_uGy * changes.get("dose", 1.0))


def image_of(case: Case, cache: Path, gerber: Path | None = None) -> Imaged:
    """Return a test image, from the cache folder if it was made before with the same program.

    Raises
    ------
    MissingFileError
        If the case is a window of a real board and its folder is not there.
    """
    key = hashlib.sha256(f"{case}|{SEED}|{_SIDE_PX}|{_program()}".encode()).hexdigest()[:16]
    path = cache / f"{case.set_name}-{key}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as arrays:
            return Imaged(arrays["lr"], arrays["hr"], arrays["hr_clean"])
    phantom = _phantom(case, gerber)
    noise_seed = torch_seed(SEED, sample=case.number, stage=f"headline-{case.set_name}-{case.condition}")
    pair = xsim.simulate_pair(phantom, setup_of(case.condition), noise_seed, clean=True)
    assert pair.hr_clean is not None
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    with partial.open("wb") as file:
        np.savez(file, lr=pair.lr, hr=pair.hr, hr_clean=pair.hr_clean)
    partial.replace(path)
    return Imaged(pair.lr, pair.hr, pair.hr_clean)


@lru_cache(maxsize=1)
def _program() -> str:
    """Return the digest of the imaging chain's source: images that another version made are not taken for its own."""
    digest = hashlib.sha256()
    folder = Path(xsim.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _phantom(case: Case, gerber: Path | None) -> Phantom:
    side = _SIDE_PX * _OVERSAMPLING
    pixel_mm = setup_of(case.condition).pitch_mm / _OVERSAMPLING
    rng = generator(SEED, sample=case.number, stage=f"headline-{case.boards}")
    if case.boards == "limesdr":
        return _window(case.number, gerber, side, pixel_mm, seed=int(rng.integers(2**63)))
    if case.boards == "shapes":
        return target(
            _SHAPES[case.number % len(_SHAPES)],
            (side, side),
            pixel_mm,
            angle_deg=float(rng.uniform(-15.0, 15.0)),
            material="Cu",
            thickness_mm=float(rng.uniform(0.07, 0.3)),
            backing=_BACKING,
        )
    population = BoardRecipe(layers={10: 1.0}) if case.boards == "ten-layer" else BoardRecipe()
    return random_board(int(rng.integers(2**63)), (side, side), pixel_mm, recipe=population)


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
