"""Folders of a scan: a 16-bit TIFF stack of each detector, and where tube and detector stood in every view."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xsim.errors import check_range
from xsim.files.whole import whole_folder
from xsim.phantoms.pose import Pose
from xsim_datasets.images.tiff import StackWriter
from xsim_datasets.pair_folder import OPEN_FIELD, codes_from_grey
from xsim_datasets.pictures import draw_comparison
from xsim_datasets.store.folder import check_target

if TYPE_CHECKING:
    from xsim.imaging.pair import Pair

__all__ = ["check_scan_folder", "geometry_document", "write_scan"]

_FORMAT = "xsim.scan/1"
_INDEX = "geometry.json"
_FRAME = (
    "right-handed, in mm, at rest in the object; u leads to the next column, v to the next row, each of the length of "
    "a pixel; the matrix takes (x, y, z, 1) to (a, b, c), seen at column a/c and row b/c, the middle of the first "
    "pixel at (0.5, 0.5)"
)


def check_scan_folder(folder: Path, *, force: bool = False) -> None:
    """Refuse a folder in which no scan may be written, see `xsim_datasets.store.folder.check_target`.

    Raises
    ------
    InputError
        If something is there and ``force`` is off or it is no scan that xsim wrote, or if its parent does not exist.
    """
    check_target(folder, _INDEX, "scan", force=force)


def geometry_document(
    poses: Sequence[Pose], angles_deg: Sequence[float] | None, shape: tuple[int, int], pitch_mm: float
) -> dict[str, Any]:
    """Return where tube and detector stand in every view, as JSON types.

    ``views`` holds positions, vectors and projection matrices; ``vectors`` the same as rows of twelve numbers, source,
    detector, u, v: what the ASTRA toolbox calls a geometry of the kind ``cone_vec``.
    """
    views = []
    for number, pose in enumerate(poses):
        u, v = (pitch_mm * np.asarray(axis) for axis in (pose.u, pose.v))
        view: dict[str, Any] = {
            "source_mm": list(pose.source_mm),
            "detector_mm": list(pose.detector_mm),
            "u_mm": u.tolist(),
            "v_mm": v.tolist(),
            "matrix": pose.matrix(shape, pitch_mm).tolist(),
        }
        views.append(view if angles_deg is None else {"angle_deg": angles_deg[number], **view})
    names = ("source_mm", "detector_mm", "u_mm", "v_mm")
    vectors = [[number for name in names for number in view[name]] for view in views]
    return {"frame": _FRAME, "rows": shape[0], "columns": shape[1], "views": views, "vectors": vectors}


def write_scan(
    pairs: Iterable[Pair],
    poses: Sequence[Pose],
    folder: Path,
    *,
    shape: tuple[int, int],
    pitch_mm: float,
    about: dict[str, Any],
    angles_deg: Sequence[float] | None = None,
    scenario: dict[str, Any] | None = None,
    open_field: int = OPEN_FIELD,
    force: bool = False,
) -> dict[str, Any]:
    """Write a scan as a folder, which appears whole or not at all; views are held one at a time.

    Parameters
    ----------
    pairs : iterable of Pair
        The views, in the order of the poses.
    poses : sequence of Pose
        Where tube and detector stood.
    folder : Path
        Folder to make.
    shape : (H, W)
        Pixels of a view.
    pitch_mm : float
        Pixel pitch [mm].
    about : dict
        What else the record says, as JSON types.
    angles_deg : sequence of float, optional
        Angle of each view [deg].
    scenario : dict, optional
        The same scan as a scenario of CTSimU, written to ``scenario.json``.
    open_field : int
        Grey level of the open field in the TIFFs.
    force : bool
        Whether a scan that is there already is replaced.

    Returns
    -------
    dict
        What ``geometry.json`` holds.

    Raises
    ------
    InputError
        If the folder may not be written (see `check_scan_folder`), or an object cannot be seen from a pose.
    EnvironmentFaultError
        If the disk is full or fails; nothing is left then.
    """
    check_scan_folder(folder, force=force)
    check_range("open-field level", open_field, 1, 65535)
    with whole_folder(folder, replace=force) as partial:
        counts = _write_stacks(pairs, len(poses), partial, pitch_mm, open_field)
        index = {
            "schema": _FORMAT,
            "hr": "hr.tif",
            "lr": "lr.tif",
            "picture": "scan.png",
            "pitch_mm": pitch_mm,
            "open_field_hr": open_field,
            "open_field_lr": open_field,
            **({"scenario": "scenario.json"} if scenario else {}),
            "counts": counts,
            **about,
            **geometry_document(poses, angles_deg, shape, pitch_mm),
        }
        (partial / _INDEX).write_text(json.dumps(index, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        if scenario:
            text = json.dumps(scenario, indent=1, allow_nan=False) + "\n"
            (partial / "scenario.json").write_text(text, encoding="utf-8")
    return index


def _write_stacks(
    pairs: Iterable[Pair],
    count: int,
    partial: Path,
    pitch_mm: float,
    open_field: int,
) -> dict[str, int]:
    """Write both stacks and a picture of the first, a middle and a last view; return the counts of all views."""
    counts: dict[str, int] = {}
    shown: dict[str, NDArray[np.float32]] = {}
    with ExitStack() as open_stacks:
        stacks = {
            side: open_stacks.enter_context(
                StackWriter(partial / f"{side}.tif", count, name=side, open_field=open_field, pitch_mm=pitch_mm)
            )
            for side in ("hr", "lr")
        }
        for number, pair in enumerate(pairs):
            found = dict(pair.counts)
            for side, stack in stacks.items():
                image = pair.hr if side == "hr" else pair.lr
                codes, found[f"{side}_clipped"] = codes_from_grey(image, open_field)
                stack.add(codes)
            counts = {name: counts.get(name, 0) + value for name, value in found.items()}
            if number in {0, count // 3, 2 * count // 3}:
                shown[f"LR, view {number + 1} of {count}"] = pair.lr
    draw_comparison(shown, pitch_mm, partial / "scan.png")
    return counts
