"""LR images without HR: files of a folder or the LR side of a store, as whole windows of one size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim_datasets.images import read_image
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.run.grey import grey_scale, no_pitch, pitch_of
from xsim_zoo.run.jobs import FileJob, images_of
from xsim_zoo.run.settings import RunSettings

if TYPE_CHECKING:
    from xsim_zoo.training.data import PairSource

__all__ = ["WINDOW_PX", "LrWindows", "read_folder", "read_store", "split"]

WINDOW_PX = 256
"""Side of the windows [px]: that of the boards of the shipped weights; several of them fit memory."""

_SMALLEST_PX = 64
"""Least side of an image [px]: the border that the risk leaves out takes half of it."""

_MOST = 64
"""Most windows of one image: of a radiograph of 4096 x 4096 px a quarter, which is 16 MiB."""

_FRAME_DEPTH = 3
"""Files as deep below the folder as board/position/frame are frames of one position, as for `xsim dataset import`."""

_HELD_OUT = 4
"""Every fourth image is held out; of fewer images, every fourth window."""


@dataclass(frozen=True)
class LrWindows:
    """Windows of LR images, open field 1.0.

    Parameters
    ----------
    y : (N, H, W) array
        Windows.
    again : mapping of int to (H, W) array
        A second frame of the same window, for those that have one.
    train, held_out : tuples of int
        Which windows are learned from, and which judge.
    digest : str
        Digest of the whole content.
    notes : tuple of str
        What was assumed about the files, for people.
    """

    y: NDArray[np.float32]
    again: dict[int, NDArray[np.float32]]
    train: tuple[int, ...]
    held_out: tuple[int, ...]
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (H, W) of the windows [px]."""
        return int(self.y.shape[1]), int(self.y.shape[2])


def read_folder(data: Path, restorer: Restorer, settings: RunSettings | None = None) -> LrWindows:
    """Read LR radiographs as `xsim zoo run` would restore them, and cut them into windows.

    Parameters
    ----------
    data : Path
        A file, or a folder with all that lies below it. Files in ``board/position/`` are frames of one object at one
        position: the second of them judges on held-out objects, the further ones are left out.
    restorer : Restorer
        Stands between the detectors; knows their pixel pitch.
    settings : RunSettings, optional
        Pitch, open field and polarity, where the files do not say them.

    Raises
    ------
    MissingFileError
        If there is no image.
    InputError
        If one cannot be used, frames of one position differ in shape, or there are too few.
    """
    settings = settings or RunSettings()
    objects: dict[Path, list[NDArray[np.float32]]] = {}
    notes: list[str] = []
    for path, inside in images_of(data):
        frames = len(inside.parts) >= _FRAME_DEPTH
        with FileJob(path, path).named_errors():
            source = read_image(path, pages=True)
            pitch_mm, pitch_notes = pitch_of(source, settings)
            # The detectors are told: an image of other pixels is not theirs, whatever it looks like.
            restorer.physics.check_pitch(pitch_mm)
            if pitch_mm is None:
                own = restorer.physics.pitch_mm
                pitch_notes = (f"{no_pitch(source)}: {own:g} mm of the detectors assumed",)
            scale, scale_notes = grey_scale(source, settings)
            for page, grey in enumerate(source.images()):
                image = scale.linear(grey)
                if not np.isfinite(image).all():
                    raise InputError("holds NaN or infinite pixels: mask or repair them first")
                objects.setdefault(inside.parent if frames else inside / str(page), []).append(image)
        notes += [f"{path}: {note}" for note in (*source.notes, *pitch_notes, *scale_notes)]
    for name, images in objects.items():
        if len({image.shape for image in images}) > 1:
            raise InputError(f"{data / name}: holds frames of different sizes: put other positions into other folders")
    return split([images[:2] for images in objects.values()], tuple(notes))


def read_store(pairs: PairSource) -> LrWindows:
    """Return the LR images of a store as whole windows, in the store's own split.

    Raises
    ------
    InputError
        If a split is empty.
    """
    train, held_out = (tuple(int(index) for index in pairs.indices(name)) for name in ("train", "validation"))
    _, lr = pairs.read_batch([*train, *held_out])
    places = tuple(range(len(lr)))
    return _checked(LrWindows(lr, {}, places[: len(train)], places[len(train) :], _digest(lr)))


def split(objects: Sequence[Sequence[NDArray[np.float32]]], notes: tuple[str, ...] = ()) -> LrWindows:
    """Cut images into whole windows of one size, and hold every fourth image out.

    Parameters
    ----------
    objects : sequence of sequences of (H, W) arrays
        For each object one frame, or two.
    notes : tuple of str
        What was assumed about the files.

    Raises
    ------
    InputError
        If an image is too small, or there are too few windows.
    """
    side = min((min(frames[0].shape) for frames in objects), default=0)
    if side < _SMALLEST_PX:
        raise InputError(f"images with a side of {side} px are too small to learn from: give {_SMALLEST_PX} px or more")
    side = min(WINDOW_PX, side // 8 * 8)
    y: list[NDArray[np.float32]] = []
    again: dict[int, NDArray[np.float32]] = {}
    owner: list[int] = []
    for number, frames in enumerate(objects):
        for window in _windows(frames[0].shape, side):
            if len(frames) > 1:
                again[len(y)] = frames[1][window]
            y.append(frames[0][window])
            owner.append(number)
    unit = owner if len(objects) >= _HELD_OUT else range(len(y))
    out = [number % _HELD_OUT == _HELD_OUT - 1 for number in unit]
    windows = np.stack(y)
    train, held_out = (tuple(place for place, is_out in enumerate(out) if is_out is wanted) for wanted in (False, True))
    return _checked(LrWindows(windows, again, train, held_out, _digest(windows, *again.values()), notes))


def _windows(shape: tuple[int, ...], side: int) -> Iterator[tuple[slice, slice]]:
    """Yield windows that lie evenly over an image and do not overlap, at most `_MOST` of them."""
    # One window lies in the middle, several reach from edge to edge.
    spare = [(length - side, length // side) for length in shape]
    starts = [np.linspace(0, left, n).round().astype(int) if n > 1 else [left // 2] for left, n in spare]
    corners = [(int(top), int(left)) for top in starts[0] for left in starts[1]]
    for place in np.unique(np.linspace(0, len(corners) - 1, min(len(corners), _MOST)).round().astype(int)):
        top, left = corners[place]
        yield slice(top, top + side), slice(left, left + side)


def _checked(windows: LrWindows) -> LrWindows:
    for what, places in (("to learn from", windows.train), ("held out", windows.held_out)):
        # One window alone has no spread, so nothing would tell a gain from chance.
        if len(places) < 2:
            height, width = windows.shape
            raise InputError(
                f"{len(places)} LR window(s) of {height} x {width} px {what}, 2 needed: give more or larger images"
            )
    return windows


def _digest(*arrays: NDArray[np.float32]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
