"""Real pairs in the format of simulated ones: found in folders, corrected, registered, cropped to what both show.

A position is a file (its pages are frames), or a folder of frames; HR and LR are matched by name:
``hr/BOARD/POSITION.tif``, ``hr/BOARD/POSITION/FRAME.tif``, or ``hr/BOARD_12.tif``. All positions of a board are one
family.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, MissingFileError, check_range
from xsim.files.plain import IMAGE, digest_plain
from xsim.imaging.setup import PairSetup
from xsim.keywords import names_keywords
from xsim_datasets.images import suffixes
from xsim_datasets.real.correction import FlatField, image_files
from xsim_datasets.real.registration import Similarity, detail_ratio, register
from xsim_datasets.recipe.families import family_id, split_named_families
from xsim_datasets.recipe.imaging import setup_of, setup_record, setup_tables
from xsim_datasets.recipe.recipe import Recipe, Split
from xsim_datasets.store.shards import Plan, Sample

__all__ = ["Position", "RealMaker", "find_positions", "prepare_import"]

# Beyond this a pair teaches a restorer to move edges.
WORST_RESIDUAL_PX = 0.2
# HR over LR power at high frequencies: simulated pairs of all recipes show 2 to 30, swapped ones the inverse. A little
# below 1 leaves room for pairs of screens that hardly differ, which are useless but not swapped.
SWAPPED_DETAIL = 0.8
# What registration looks at: the middle of a large image says as much, and fits the memory.
_REGISTERED_PX = 1024


@dataclass(frozen=True)
class Position:
    """One view of one board: its name, its board, and the files of both detectors."""

    name: str
    board: str
    hr: tuple[Path, ...]
    lr: tuple[Path, ...]


@dataclass(frozen=True)
class RealMaker:
    """Makes the pairs of registered positions.

    Attributes
    ----------
    positions : tuple of Position
        What there is.
    similarities : tuple of Similarity
        How the LR image of each lies on its HR image.
    hr_flat_field, lr_flat_field : FlatField
        Corrections of the two detectors.
    pitch_mm : float
        Pixel pitch of both [mm].
    margin_px : int
        Border that is cut off, so that both images show everything that is left.
    sides : mapping of str to str
        The side of the split of each board.
    nominal : PairSetup or None
        The set-up that took them, as far as it is known.
    """

    positions: tuple[Position, ...]
    similarities: tuple[Similarity, ...]
    hr_flat_field: FlatField
    lr_flat_field: FlatField
    pitch_mm: float
    margin_px: int
    sides: dict[str, str]
    nominal: PairSetup | None = None

    def sample(self, index: int) -> Sample:
        """Return one position: the HR image moved onto the LR image, both cropped."""
        position, similarity = self.positions[index], self.similarities[index]
        inner = (slice(self.margin_px, -self.margin_px), slice(self.margin_px, -self.margin_px))
        return Sample(
            hr=similarity.move_hr(self.hr_flat_field.image(position.hr))[inner],
            lr=self.lr_flat_field.image(position.lr)[inner],
            seed=index,
            family=family_id(position.board),
            split=self.sides[position.board],
            design=position.board,
            numbers=asdict(similarity),
        )

    def attributes(self) -> dict[str, Any]:
        """Return the pitch, the nominal set-up and the names of the positions."""
        setups = [] if self.nominal is None else [setup_record(self.nominal)]
        names = [position.name for position in self.positions]
        return {"pitch_mm": self.pitch_mm, "setups": setups, "sources": [{"kind": "real", "positions": names}]}

    def tables(self) -> dict[str, NDArray[np.float64]]:
        """Return MTF and NNPS of the nominal set-up; nothing where none is known."""
        return {} if self.nominal is None else setup_tables([self.nominal])

    @cached_property
    def warnings(self) -> list[str]:
        """What people should know: pairs that do not fit, and splits that are empty."""
        found = [
            f"{position.name}: parts of it are {similarity.residual_px:.2f} px off after registration "
            f"(above {WORST_RESIDUAL_PX} px): check that it moved as a whole"
            for position, similarity in zip(self.positions, self.similarities, strict=True)
            if similarity.residual_px > WORST_RESIDUAL_PX
        ]
        if len(self.sides) < 3:
            found.append(f"{len(self.sides)} board(s): all pairs are for training; give 3 or more to validate and test")
        return found


@names_keywords
def find_positions(hr: Path, lr: Path, *, board: str = r"(.*?)[-_ ]?\d*") -> tuple[Position, ...]:
    """Return the positions of which both folders hold an image, sorted by name.

    Parameters
    ----------
    hr, lr : Path
        The folders of the two detectors.
    board : str
        Regular expression for the names of positions that lie in no board's folder; its first group is the board. By
        default the number at the end is the position.

    Raises
    ------
    MissingFileError, InputError
        If a folder is missing or empty, an image has no partner, or the expression is none.
    """
    try:
        pattern = re.compile(board)
    except re.error as error:
        raise InputError(f"board '{board}': is no regular expression: {error}") from error
    if hr.resolve() == lr.resolve():
        raise InputError(f"{hr}: is given for HR and for LR: give two folders")
    found = {"hr": _items(hr), "lr": _items(lr)}
    for side, other, folder in (("hr", "lr", lr), ("lr", "hr", hr)):
        if alone := sorted(set(found[side]) - set(found[other])):
            raise InputError(f"{found[side][alone[0]][0]}: has no partner '{alone[0]}' in {folder}: add or remove it")
    return tuple(
        Position(name, _board_of(name, pattern), found["hr"][name], found["lr"][name]) for name in sorted(found["hr"])
    )


def _items(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of each position in a folder, by name without suffix."""
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder: check the path")
    items: dict[str, tuple[Path, ...]] = {}
    for path in sorted(folder.rglob("*")):
        depth = len(path.relative_to(folder).parts)
        if path.is_dir() and depth == 2:
            items[path.relative_to(folder).as_posix()] = tuple(image_files(path))
        elif path.is_file() and depth <= 2 and path.suffix.lower() in suffixes():
            items[path.relative_to(folder).with_suffix("").as_posix()] = (path,)
    if not items:
        raise InputError(f"{folder}: holds no images: known are {', '.join(suffixes())}")
    return items


def _board_of(name: str, pattern: re.Pattern[str]) -> str:
    if folder := name.rpartition("/")[0]:
        return folder
    match = pattern.fullmatch(name)
    groups = match.groups() if match else ()
    return str(groups[0]) if groups and groups[0] else name


@names_keywords
def prepare_import(
    positions: tuple[Position, ...],
    hr_flat_field: FlatField,
    lr_flat_field: FlatField,
    *,
    pitch_mm: float,
    nominal: Recipe | None = None,
    progress: Callable[[int, int, int], None] | None = None,
) -> tuple[RealMaker, Plan]:
    """Register all positions, and return the maker and the plan of their store.

    Parameters
    ----------
    positions : tuple of Position
        What `find_positions` found.
    hr_flat_field, lr_flat_field : FlatField
        Corrections of the two detectors.
    pitch_mm : float
        Pixel pitch of both [mm].
    nominal : Recipe, optional
        The recipe whose physics the pairs nominally have; its pitch gives way to ``pitch_mm``.
    progress : callable, optional
        Is told the positions registered, twice, and the positions in all.

    Raises
    ------
    InputError
        If images differ in shape, show nothing to register, do not overlap, or LR shows more detail than HR.
    """
    check_range("pitch", pitch_mm, 1e-3, 2.0, "mm")
    similarities: list[Similarity] = []
    details: list[float] = []
    shape: tuple[int, ...] | None = None
    for done, position in enumerate(positions, start=1):
        hr, lr = hr_flat_field.image(position.hr), lr_flat_field.image(position.lr)
        shape = shape or hr.shape
        if hr.shape != shape or lr.shape != shape:
            raise InputError(f"{position.name}: HR is {hr.shape}, LR {lr.shape}, the first {shape}: give one size")
        try:
            similarities.append(register(_middle(hr), _middle(lr)))
            details.append(detail_ratio(similarities[-1].move_hr(_middle(hr)), _middle(lr)))
        except InputError as error:
            raise InputError(f"{position.name}: {error}") from error
        if progress:
            progress(done, done, len(positions))
    assert shape is not None
    # Most positions have to say so: one may show hardly any detail.
    if (ratio := float(np.median(details))) < SWAPPED_DETAIL:
        raise InputError(
            f"HR holds {ratio:.2f} times the power of LR at high frequencies, and sharper images hold more: "
            "exchange --hr and --lr"
        )
    height, width = shape
    margin = max(similarity.margin_px((height, width)) for similarity in similarities)
    if min(height, width) - 2 * margin < min(height, width) // 2:
        raise InputError(f"HR and LR are up to {margin} px apart: align them roughly before the import")
    setup = None if nominal is None else setup_of(nominal.imaging.model_copy(update={"pitch_mm": pitch_mm}))
    sides = split_named_families(Split(), [position.board for position in positions])
    maker = RealMaker(positions, tuple(similarities), hr_flat_field, lr_flat_field, pitch_mm, margin, sides, setup)
    return maker, _plan_of(maker, (height - 2 * margin, width - 2 * margin), nominal)


def _plan_of(maker: RealMaker, shape: tuple[int, int], nominal: Recipe | None) -> Plan:
    files = {path for position in maker.positions for path in (*position.hr, *position.lr)}
    recipe = {
        "name": "import",
        "pitch_mm": maker.pitch_mm,
        "nominal": None if nominal is None else nominal.name,
        "cameras": {"hr": _about(maker.hr_flat_field), "lr": _about(maker.lr_flat_field)},
        "files": {str(path): digest_plain(path, IMAGE) for path in sorted(files)},
    }
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    return Plan(len(maker.positions), *shape, 0, recipe, digest, origin="real", pairs_per_shard=16)


def _about(correction: FlatField) -> dict[str, Any]:
    """Return what a detector's correction was; its frames by digest."""
    about: dict[str, Any] = {one.name: getattr(correction, one.name) for one in fields(correction)}
    for name in ("dark", "flat"):
        if about[name] is not None:
            about[name] = hashlib.sha256(about[name].tobytes()).hexdigest()
    return {**about, "defective_pixels": 0 if correction.flat is None else int(correction.defective.sum())}


def _middle(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the middle of a large image; its centre is the image's own."""
    cuts = (max(0, -(-(side - _REGISTERED_PX) // 2)) for side in image.shape)
    return image[tuple(slice(cut, side - cut) for cut, side in zip(cuts, image.shape, strict=True))]
