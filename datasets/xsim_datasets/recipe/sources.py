"""Where boards come from: drawn at random, windows of real ones, or of phantoms that were saved to files."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import xsim
from xsim.errors import InputError, MissingFileError
from xsim.files.plain import ARCHIVE, GERBER, digest_plain, read_plain
from xsim.phantoms import BoardRecipe, Phantom
from xsim_datasets.recipe.boards import MeshBoards, ObjectBoards, PluginBoards
from xsim_datasets.recipe.families import (
    Board,
    BoardSource,
    Wanted,
    family_id,
    number_of,
    split_named_families,
    split_of_sample,
)
from xsim_datasets.recipe.object_sources import ObjectSource, check_object, mesh_source

if TYPE_CHECKING:
    from xsim.phantoms.gerber import GerberBoard
    from xsim_datasets.recipe.boards import RandomBoards
    from xsim_datasets.recipe.recipe import Recipe, Split

__all__ = ["source_of"]


@dataclass(frozen=True)
class RandomSource:
    """Every sample is a board of its own, and a family of its own."""

    settings: RandomBoards
    split: Split

    def board(self, wanted: Wanted) -> Board:
        """Draw a board, as large as the field, or as the recipe's window and stretched to the field.

        One that is stretched is not shot as it is drawn: it keeps the usual distance of the source.
        """
        board_seed = int(wanted.rng("board-seed").integers(2**63))
        shape = (wanted.side_px, wanted.side_px)
        window_mm = number_of(self.settings.window_mm, wanted.rng("board-window"))
        population = BoardRecipe(**self.settings.population())
        if window_mm is None:
            population = replace(population, source_mm=wanted.source_mm)
        scale = 1.0 if window_mm is None else wanted.field_mm / window_mm
        phantom = xsim.phantoms.random_board(board_seed, shape, wanted.pixel_mm / scale, recipe=population)
        if window_mm is not None:
            phantom = _stretched(phantom, wanted.pixel_mm, scale)
        return Board(phantom, board_seed, board_seed, split_of_sample(self.split, wanted.seed, wanted.index))

    def record(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": "random"}


def _stretched(phantom: Phantom, pixel_mm: float, scale: float) -> Phantom:
    """Return a phantom on pixels of another size: stretched across the rays, as thick as before."""
    defects = tuple(replace(defect, size_mm=defect.size_mm * scale) for defect in phantom.defects)
    balls = tuple(
        replace(ball, area_mm2=ball.area_mm2 * scale**2, void_area_mm2=ball.void_area_mm2 * scale**2)
        for ball in phantom.balls
    )
    return replace(phantom, pixel_mm=pixel_mm, defects=defects, balls=balls)


@dataclass(frozen=True)
class GerberSource:
    """Random windows of real boards, turned by quarters and a little more; a board is a family."""

    folders: tuple[Path, ...]
    sides: dict[str, str]
    height_mm: float
    defect_rates: dict[str, float] | None

    def board(self, wanted: Wanted) -> Board:
        """Draw a window of a board, with its parts, solder and defects."""
        rng = wanted.rng("window")
        folder = self.folders[int(rng.integers(len(self.folders)))]
        whole = _load_gerber(folder, self.height_mm)
        # A board that is smaller than the field stands in its middle.
        room = [side - wanted.field_mm for side in whole.size_mm]
        x, y = (float(rng.uniform(0.0, free)) if free > 0 else 0.5 * free for free in room)
        board_seed = int(rng.integers(2**63))
        phantom = whole.window(
            x,
            y,
            shape=(wanted.side_px, wanted.side_px),
            pixel_mm=wanted.pixel_mm,
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
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
                # What is too long to be a layer is not read as one either: its name and its length stand for it.
                long = path.stat().st_size > GERBER.most_bytes
                digest.update(str(path.stat().st_size).encode() if long else read_plain(path, GERBER))
            boards[folder.name] = digest.hexdigest()
        return {"kind": "gerber", "boards": boards}


@dataclass(frozen=True)
class PhantomSource:
    """Random windows of saved phantoms; phantoms of one family stand on one side of the split."""

    files: tuple[Path, ...]
    digests: tuple[str, ...]
    sides: dict[str, str]

    def board(self, wanted: Wanted) -> Board:
        """Cut a window of a phantom.

        Raises
        ------
        InputError
            If the phantom is coarser than is wanted, or smaller than the field.
        """
        rng = wanted.rng("window")
        file = self.files[int(rng.integers(len(self.files)))]
        whole = _load(file)
        if whole.pixel_mm > wanted.pixel_mm * 2.001:
            raise InputError(f"{file}: its pixel of {whole.pixel_mm:g} mm is too coarse: draw it finer")
        side = math.ceil(wanted.field_mm / whole.pixel_mm - 1e-6)
        if side > min(whole.shape):
            raise InputError(
                f"{file}: {min(whole.shape) * whole.pixel_mm:.4g} mm wide, the images need "
                f"{wanted.field_mm:.4g} mm: give larger phantoms or a smaller --size"
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
    if isinstance(settings, ObjectBoards | PluginBoards):
        check_object(settings)
        return ObjectSource(settings, split)
    what = {"gerber": "boards", "mesh": "meshes"}.get(settings.kind, "phantoms")
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
    if isinstance(settings, MeshBoards):
        return mesh_source(settings, split)
    files = tuple(sorted(settings.path.glob("*.npz")))
    if not files:
        raise InputError(f"{settings.path}: holds no phantoms (*.npz): make some with xsim phantom")
    digests = tuple(digest_plain(file, ARCHIVE) for file in files)
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
