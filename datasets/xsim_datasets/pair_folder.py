"""A pair as a folder: two 16-bit TIFFs, a picture to look at, and every setting as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.errors import InputError, check_range
from xsim.files.whole import whole_folder
from xsim_datasets.images import write_simulated
from xsim_datasets.pictures import draw_comparison

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xsim.imaging.pair import Pair

__all__ = ["OPEN_FIELD", "check_pair_folder", "codes_from_grey", "write_pair"]

# Grey level of the open field in a 16-bit file: room for noise and for a third more exposure above it.
OPEN_FIELD = 50_000
_FORMAT = "xsim.simulate/1"
_INDEX = "pair.json"


def codes_from_grey(image: NDArray[np.float32], open_field: int) -> tuple[NDArray[np.uint16], int]:
    """Return an image as 16-bit codes, and how many pixels did not fit.

    Parameters
    ----------
    image : (H, W) float32 array
        In units of the open field.
    open_field : int
        Code of the open field, 1 to 65535.

    Raises
    ------
    PhysicsRangeError
        If the level is out of range.
    """
    check_range("open-field level", open_field, 1, 65535)
    codes = np.rint(image.astype(float) * open_field)
    clipped = int(((codes < 0) | (codes > 65535)).sum())
    return np.clip(codes, 0, 65535).astype(np.uint16), clipped


def check_pair_folder(folder: Path, *, force: bool = False) -> Path:
    """Return ``folder`` if a pair may be written there.

    Raises
    ------
    InputError
        If something is there and ``force`` is off or it is no pair that xsim wrote, or if its parent does not exist.
    """
    if folder.is_symlink():
        raise InputError(f"{folder}: is a link: give a folder of its own")
    if folder.exists():
        if not force:
            raise InputError(f"{folder}: exists already: give another output or --force")
        if not (folder / _INDEX).is_file():
            raise InputError(f"{folder}: is no pair that xsim wrote: it is not replaced, give another output")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"{folder}: its folder does not exist: make {folder.absolute().parent} first")
    return folder


def write_pair(
    pair: Pair, folder: Path, *, recipe: str, open_field: int = OPEN_FIELD, force: bool = False
) -> dict[str, Any]:
    """Write a pair as a folder, which appears whole or not at all.

    Parameters
    ----------
    pair : Pair
        The pair; its noise-free images are written too where it has them.
    folder : Path
        Folder to make.
    recipe : str
        Name of the recipe, for the record.
    open_field : int
        Grey level of the open field in the TIFFs.
    force : bool
        Whether a pair that is there already is replaced.

    Returns
    -------
    dict
        What ``pair.json`` holds.

    Raises
    ------
    InputError
        If the folder may not be written (see `check_pair_folder`).
    EnvironmentFaultError
        If the disk is full or fails; nothing is left then.
    """
    check_pair_folder(folder, force=force)
    check_range("open-field level", open_field, 1, 65535)
    with whole_folder(folder, replace=force) as partial:
        return _write_files(pair, partial, recipe, open_field)


def _write_files(pair: Pair, partial: Path, recipe: str, open_field: int) -> dict[str, Any]:
    images = {"hr": pair.hr, "lr": pair.lr, "hr_clean": pair.hr_clean, "lr_clean": pair.lr_clean}
    files: dict[str, str] = {}
    clipped: dict[str, int] = {}
    for name, image in images.items():
        if image is None:
            continue
        codes, clipped[f"{name}_clipped"] = codes_from_grey(image, open_field)
        files[name] = f"{name}.tif"
        write_simulated(partial / files[name], codes, name=name, open_field=open_field, pitch_mm=pair.pitch_mm)
    draw_comparison({"LR": pair.lr, "HR": pair.hr}, pair.pitch_mm, partial / "pair.png")
    index = {
        "schema": _FORMAT,
        **files,
        "picture": "pair.png",
        "pitch_mm": pair.pitch_mm,
        "seed": pair.settings["seed"],
        "recipe": recipe,
        "open_field_hr": open_field,
        "open_field_lr": open_field,
        "counts": {**pair.counts, **clipped},
        "labels": pair.labels,
        "settings": pair.settings,
    }
    (partial / _INDEX).write_text(json.dumps(index, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return index
