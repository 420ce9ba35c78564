"""Where boards come from: drawn at random, windows of real ones, or of phantoms that were saved to files.

A board's family decides which side of the split it stands on, never the crop or the noise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import xsim
from xsim.errors import InputError, MissingFileError
from xsim.phantoms import BoardRecipe, Phantom
from xsim.seeds import generator

if TYPE_CHECKING:
    from xsim.phantoms.gerber import GerberBoard
    from xsim_datasets.recipe.recipe import RandomBoards, Recipe, Split

__all__ = ["Board", "BoardSource", "family_id", "source_of", "split_named_families", "split_of_sample"]

# The number whose multiples modulo 1 are spread most evenly: see `split_of_sample`.
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class Board:
    """A phantom with its seed, its family and the side of the split that the family stands on."""

    phantom: Phantom
    seed: int
    family: int
    split: str


class BoardSource(Protocol):
    """Gives the board of any sample."""

    def board(self, seed: int, index: int, field_mm: float, pixel_mm: float) -> Board:
        """Return a square view of ``field_mm`` for sample ``index``, on pixels of ``pixel_mm`` or finer."""

    def record(self) -> dict[str, Any]:
        """Return where the boards come from, for the store; JSON types."""


@dataclass(frozen=True)
class RandomSource:
    """Every sample is a board of its own, and a family of its own."""

    settings: RandomBoards
    split: Split

    def board(self, seed: int, index: int, field_mm: float, pixel_mm: float) -> Board:
        """Draw a board."""
        board_seed = int(generator(seed, sample=index, stage="board-seed").integers(2**63))
        side = round(field_mm / pixel_mm)
        population = BoardRecipe(**self.settings.population())
        phantom = xsim.phantoms.random_board(board_seed, (side, side), pixel_mm, recipe=population)
        return Board(phantom, board_seed, board_seed, split_of_sample(self.split, seed, index))

    def record(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": "random"}


@dataclass(frozen=True)
class GerberSource:
    """Random windows of real boards, turned by quarters and a little more; a board is a family."""

    folders: tuple[Path, ...]
    sides: dict[str, str]
    height_mm: float
    defect_rates: dict[str, float] | None

    def board(self, seed: int, index: int, field_mm: float, pixel_mm: float) -> Board:
        """Draw a window of a board, with its parts, solder and defects."""
        rng = generator(seed, sample=index, stage="window")
        folder = self.folders[int(rng.integers(len(self.folders)))]
        whole = _load_gerber(folder, self.height_mm)
        # A board that is smaller than the field stands in its middle.
        room = [side - field_mm for side in whole.size_mm]
        x, y = (float(rng.uniform(0.0, free)) if free > 0 else 0.5 * free for free in room)
        board_seed = int(rng.integers(2**63))
        side = round(field_mm / pixel_mm)
        phantom = whole.window(
            x,
            y,
            shape=(side, side),
            pixel_mm=pixel_mm,
            seed=board_seed,
            defect_rates=self.defect_rates,
            rotation_deg=float(90.0 * rng.integers(4) + rng.normal(0.0, 3.0)),
        )
        return Board(phantom, board_seed, family_id(folder.name), self.sides[folder.name])

    def record(self) -> dict[str, Any]:
        """Return the boards with one digest of all files of each."""
        boards = {}
        for folder in self.folders:
            digest = hashlib.sha256()
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
            boards[folder.name] = digest.hexdigest()
        return {"kind": "gerber", "boards": boards}


@dataclass(frozen=True)
class PhantomSource:
    """Random windows of saved phantoms; phantoms of one family stand on one side of the split."""

    files: tuple[Path, ...]
    digests: tuple[str, ...]
    sides: dict[str, str]

    def board(self, seed: int, index: int, field_mm: float, pixel_mm: float) -> Board:
        """Cut a window of a phantom.

        Raises
        ------
        InputError
            If the phantom is coarser than ``pixel_mm`` or smaller than the field.
        """
        rng = generator(seed, sample=index, stage="window")
        file = self.files[int(rng.integers(len(self.files)))]
        whole = _load(file)
        if whole.pixel_mm > pixel_mm * 2.001:
            raise InputError(f"{file}: its pixel of {whole.pixel_mm:g} mm is too coarse: draw it finer")
        side = math.ceil(field_mm / whole.pixel_mm - 1e-6)
        if side > min(whole.shape):
            raise InputError(
                f"{file}: {min(whole.shape) * whole.pixel_mm:.4g} mm wide, the images need "
                f"{field_mm:.4g} mm: give larger phantoms or a smaller --size"
            )
        top, left = (int(rng.integers(0, have - side + 1)) for have in whole.shape)
        return Board(
            _window(whole, top, left, side), whole.seed or 0, family_id(whole.family), self.sides[whole.family]
        )

    def record(self) -> dict[str, Any]:
        """Return the files with their digests."""
        return {"kind": "phantoms", "files": dict(zip((file.name for file in self.files), self.digests, strict=True))}


def source_of(recipe: Recipe, number: int) -> BoardSource:
    """Return one of a recipe's sources of boards.

    Raises
    ------
    MissingFileError, InputError
        If a folder does not exist or holds nothing that can be used.
    """
    settings, split = recipe.boards[number], recipe.split
    if settings.kind == "random":
        return RandomSource(settings, split)
    what = "boards" if settings.kind == "gerber" else "phantoms"
    if not settings.path.is_dir():
        raise MissingFileError(f"{settings.path}: no such folder of {what}: check 'path' in the recipe")
    if settings.kind == "gerber":
        folders = tuple(sorted(path for path in settings.path.iterdir() if path.is_dir()))
        if not folders:
            raise InputError(f"{settings.path}: holds no folders: give a folder with a folder of Gerber files a board")
        for folder in folders:
            _load_gerber(folder, settings.height_mm)
        sides = split_named_families(split, [folder.name for folder in folders])
        return GerberSource(folders, sides, settings.height_mm, settings.defect_rates)
    files = tuple(sorted(settings.path.glob("*.npz")))
    if not files:
        raise InputError(f"{settings.path}: holds no phantoms (*.npz): make some with xsim phantom")
    digests = tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return PhantomSource(files, digests, split_named_families(split, [_load(file).family for file in files]))


@lru_cache(maxsize=32)
def _load_gerber(folder: Path, height_mm: float) -> GerberBoard:
    # Imported here: its parser is an extra that other sources do not need.
    from xsim.phantoms.gerber import GerberBoard  # noqa: PLC0415

    return GerberBoard.load(folder, height_mm=height_mm)


_load = lru_cache(maxsize=8)(Phantom.load)


def _window(whole: Phantom, top: int, left: int, side: int) -> Phantom:
    """Return a square part of a phantom, with the defects whose centres lie in it."""
    defects = tuple(
        replace(defect, y_px=defect.y_px - top, x_px=defect.x_px - left)
        for defect in whole.defects
        if top <= defect.y_px < top + side and left <= defect.x_px < left + side
    )
    maps = np.ascontiguousarray(whole.thickness_mm[:, top : top + side, left : left + side])
    return replace(whole, thickness_mm=maps, defects=defects)


def family_id(name: str) -> int:
    """Return the number, 0 to 2**64 - 1, by which the table knows a family."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def split_of_sample(split: Split, seed: int, index: int) -> str:
    """Return the side of a sample that is a family of its own.

    Multiples of the golden ratio modulo 1 fill the unit interval as evenly as any sequence can, so every stretch of
    samples, a short one too, holds each side in its share, and sample ``index`` has its side whatever ``n`` is.
    """
    offset = float(generator(seed, stage="split").random())
    position = (index * _GOLDEN + offset) % 1.0
    if position < split.validation:
        return "validation"
    return "test" if position < split.validation + split.test else "train"


def split_named_families(split: Split, names: Iterable[str]) -> dict[str, str]:
    """Return the side of each of a set of families, e.g. the boards of a folder.

    With three families or more, every side that the recipe wants gets at least one.
    """
    order = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    least = 1 if len(order) >= 3 else 0
    validation = max(least, round(split.validation * len(order))) if split.validation else 0
    test = max(least, round(split.test * len(order))) if split.test else 0
    sides = ["validation"] * validation + ["test"] * test
    sides += ["train"] * (len(order) - len(sides))
    return dict(zip(order, sides, strict=False))
