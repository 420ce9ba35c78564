"""Folders of 16-bit TIFFs: one pair with a picture and every setting, or pairs of a store for programs without zarr."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xsim.errors import check_range
from xsim.files.whole import whole_folder
from xsim.keywords import names_keywords
from xsim_datasets.images import Radiograph, write_image, write_simulated
from xsim_datasets.pictures import draw_comparison
from xsim_datasets.store.folder import check_target

if TYPE_CHECKING:
    from xsim.imaging.pair import Pair
    from xsim_datasets.store.reader import PairStore

__all__ = ["OPEN_FIELD", "check_pair_folder", "codes_from_grey", "export_pairs", "write_pair"]

# Grey level of the open field in a 16-bit file: room for noise and for a third more exposure above it.
OPEN_FIELD = 50_000
_FORMAT = "xsim.simulate/1"
_INDEX = "pair.json"
_EXPORT_FORMAT = "xsim.pairs/1"
_EXPORT_INDEX = "pairs.json"


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


def check_pair_folder(folder: Path, *, force: bool = False) -> None:
    """Refuse a folder in which no pair may be written, see `xsim_datasets.store.folder.check_target`.

    Raises
    ------
    InputError
        If something is there and ``force`` is off or it is no pair that xsim wrote, or if its parent does not exist.
    """
    check_target(folder, _INDEX, "pair", force=force)


@names_keywords
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


@names_keywords
def export_pairs(
    store: PairStore,
    target: Path,
    *,
    indices: Sequence[int],
    force: bool = False,
    progress: Callable[[int, int, int], None] | None = None,
) -> dict[str, Any]:
    """Write pairs as ``hr/NAME.tif`` and ``lr/NAME.tif`` with their rows of the table in ``pairs.json``.

    Parameters
    ----------
    store : PairStore
        The store.
    target : Path
        Folder to make; it appears whole or not at all.
    indices : sequence of int
        Which pairs.
    force : bool
        Replace an export that exists.
    progress : callable, optional
        Is told the pairs written (twice) and the pairs in all.

    Returns
    -------
    dict
        What ``pairs.json`` holds: open-field grey level, pitch (None where it differs), and a record for each pair.

    Raises
    ------
    InputError
        If the folder exists and is no export of xsim, or ``force`` is off.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    check_target(target, _EXPORT_INDEX, "export", force=force)
    with whole_folder(target, replace=force) as work:
        for side in ("hr", "lr"):
            (work / side).mkdir()
        records = []
        for done, index in enumerate(indices, start=1):
            records.append(_export_pair(store, work, int(index)))
            if progress:
                progress(done, done, len(indices))
        document = {
            "schema": _EXPORT_FORMAT,
            "source": store.path,
            "source_digest": store.manifest.digest,
            "pitch_mm": store.attributes["pitch_mm"],
            "open_field": OPEN_FIELD,
            "pairs": records,
        }
        (work / _EXPORT_INDEX).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
    return document


def _export_pair(store: PairStore, work: Path, index: int) -> dict[str, Any]:
    name = f"{index:07d}.tif"
    table, defects = store.table, store.defects
    pitch_mm = store.pitch_of(index)
    record: dict[str, Any] = {"index": index, "hr": f"hr/{name}", "lr": f"lr/{name}", "pitch_mm": pitch_mm}
    record |= {column: values[index].item() for column, values in table.items()}
    mine = defects["sample"] == index
    rows = zip(*(values[mine].tolist() for values in defects.values()), strict=True)
    record["defects"] = [dict(zip(defects, row, strict=True)) for row in rows]
    for side, image in zip(("hr", "lr"), store.read(index), strict=True):
        codes, record[f"{side}_clipped_in_file"] = codes_from_grey(image, OPEN_FIELD)
        radiograph = Radiograph(codes, "tiff", pitch_mm=pitch_mm, white=65535.0)
        write_image(work / side / name, radiograph, stamp={"open_field": OPEN_FIELD, "sample": index, "side": side})
    return record
