"""Pairs as 16-bit TIFFs, for programs that read no zarr."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from xsim.errors import InputError
from xsim.files.whole import sync_folder
from xsim_datasets.images import Radiograph, write_image
from xsim_datasets.pair_folder import OPEN_FIELD, codes_from_grey
from xsim_datasets.store.folder import LocalFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from xsim_datasets.store.reader import PairStore

__all__ = ["export_pairs"]

_INDEX = "pairs.json"
_SCHEMA = "xsim.pairs/1"


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
    _check_target(target, force=force)
    work = target.with_name(f"{target.name}.partial")
    with LocalFolder(work).locked():
        for side in ("hr", "lr"):
            shutil.rmtree(work / side, ignore_errors=True)
            (work / side).mkdir()
        records = []
        for done, index in enumerate(indices, start=1):
            records.append(_write_pair(store, work, int(index)))
            if progress:
                progress(done, done, len(indices))
        document = {
            "schema": _SCHEMA,
            "source": store.path,
            "source_digest": store.manifest.digest,
            "pitch_mm": store.attributes["pitch_mm"],
            "open_field": OPEN_FIELD,
            "pairs": records,
        }
        LocalFolder(work).write(_INDEX, json.dumps(document, indent=1, allow_nan=False).encode())
        if target.exists():
            shutil.rmtree(target)
        work.rename(target)
        sync_folder(target.absolute().parent)
    return document


def _check_target(target: Path, *, force: bool) -> None:
    if target.is_symlink() or (target.exists() and not (target / _INDEX).is_file()):
        raise InputError(f"{target}: exists and is no export of xsim, it is never replaced: give another output")
    if target.exists() and not force:
        raise InputError(f"{target}: exists already: give another output or --force")
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: its folder does not exist: make {target.absolute().parent} first")


def _write_pair(store: PairStore, work: Path, index: int) -> dict[str, Any]:
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
