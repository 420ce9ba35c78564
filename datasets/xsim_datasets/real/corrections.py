"""The one place where a radiograph is corrected: dark and flat field, and bad pixels, told or found.

`xsim zoo run`, `xsim measure` and `xsim calibrate` correct with it what they have just read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim_datasets.images import Radiograph, read_image
from xsim_datasets.images.tiff import invert
from xsim_datasets.real.bad_pixels import find_bad_pixels
from xsim_datasets.real.correction import FlatField, as_stored, frame_files, mean_of
from xsim_datasets.real.repair import check_holes, repaired

__all__ = ["BadPixels", "Corrected", "Corrections", "corrected"]

_MOST_FOUND: Final = 0.01
"""Share of the pixels beyond which what looks bad is taken for structure, and left: panels are sold with far less."""

_LISTED: Final = 200
"""Places that are listed, at most."""

_SATURATED: Final = 1e-3
"""Share of saturated pixels from which on it is said."""

_ROWS: Final = 256
"""Rows that are converted at a time, to hold few copies of a large image."""


@dataclass(frozen=True, eq=False)
class Corrections:
    """What is done to every radiograph after it is read.

    Parameters
    ----------
    flat_field : FlatField, optional
        Its dark and flat; None divides by nothing.
    known : (H, W) bool array, optional
        Pixels that are known to be bad.
    find : bool
        Whether bad pixels are looked for in the image itself.
    """

    flat_field: FlatField | None = None
    known: NDArray[np.bool_] | None = None
    find: bool = True

    @classmethod
    def of_files(cls, dark: Path | None = None, flat: Path | None = None, bad_pixels: str = "auto") -> Corrections:
        """Read the corrections.

        Parameters
        ----------
        dark, flat : Path, optional
            A frame, or a folder of frames that are averaged: without beam, and without object.
        bad_pixels : str
            "auto" looks for them in each image, "none" leaves them, else a map of them: an image whose bad pixels are
            not zero, or a folder of open frames in which they are looked for.

        Raises
        ------
        MissingFileError, InputError
            If a file is missing or cannot be used; the message names it.
        """
        flat_field = None
        if dark is not None or flat is not None:
            try:
                whole = FlatField.of_folders(dark, flat)
                check_holes(whole.defective)
            except InputError as error:
                what = f"{flat or dark}: "
                raise type(error)(what + str(error).removeprefix(what)) from error
            # Half of the memory; a mean of frames is not known to seven digits.
            dark_mean, flat_mean = (None if one is None else one.astype(np.float32) for one in (whole.dark, whole.flat))
            flat_field = FlatField(dark_mean, flat_mean)
        known = None if bad_pixels in {"auto", "none"} else _read_map(Path(bad_pixels))
        return cls(flat_field, known, bad_pixels == "auto")

    @property
    def nothing(self) -> bool:
        """Whether nothing is corrected."""
        return self.flat_field is None and self.known is None and not self.find

    @property
    def bytes_per_px(self) -> int:
        """Memory that the frames and the map take for each pixel of a page [bytes]."""
        frames = () if self.flat_field is None else (self.flat_field.dark, self.flat_field.flat)
        return sum(one.itemsize for one in (*frames, self.known) if one is not None)

    def identity(self) -> dict[str, Any]:
        """Return what was corrected with, frames and map by their SHA-256, as JSON types."""
        frames = (None, None) if self.flat_field is None else (self.flat_field.dark, self.flat_field.flat)
        digests = [None if one is None else hashlib.sha256(one.tobytes()).hexdigest() for one in (*frames, self.known)]
        return {"dark": digests[0], "flat": digests[1], "bad_pixels": digests[2] or ("auto" if self.find else "none")}


@dataclass(frozen=True, eq=False)
class BadPixels:
    """Pixels of a radiograph that were repaired.

    Parameters
    ----------
    shape : tuple of int
        Pages, height and width of the radiograph [px].
    hot, dead : (n, 3) arrays
        Page, y and x of those above, and of those not above, what took their place.
    told : bool
        Whether a map or the flats said where they are, rather than the image itself.
    """

    shape: tuple[int, int, int] = (0, 0, 0)
    hot: NDArray[np.intp] = field(default_factory=lambda: np.zeros((0, 3), np.intp))
    dead: NDArray[np.intp] = field(default_factory=lambda: np.zeros((0, 3), np.intp))
    told: bool = False

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.hot) + len(self.dead)

    def of_page(self, page: int) -> NDArray[np.intp]:
        """Return y and x (n, 2) of those of a page."""
        places = np.concatenate([self.hot, self.dead])
        return places[places[:, 0] == page, 1:]

    def lines(self, axis: int) -> list[int]:
        """Return the columns (axis 0), or the rows (axis 1), of the first page more than half of which is bad."""
        if not self.count:
            return []
        other = 2 - axis
        lines, counts = np.unique(self.of_page(0)[:, other - 1], return_counts=True)
        return [int(line) for line in lines[counts > self.shape[1 + axis] / 2]]

    def to_dict(self) -> dict[str, Any]:
        """Return count, share and places, the first 200 of them, as JSON types."""
        places = np.concatenate([self.hot, self.dead])
        kinds = ["hot"] * len(self.hot) + ["dead"] * len(self.dead)
        order = np.lexsort((places[:, 2], places[:, 1], places[:, 0]))[:_LISTED]
        return {
            "count": self.count,
            "share": self.count / max(int(np.prod(self.shape)), 1),
            "hot": len(self.hot),
            "dead": len(self.dead),
            "rows": self.lines(1),
            "columns": self.lines(0),
            "places": [
                {"page": int(page), "x": int(x), "y": int(y), "kind": kinds[number]}
                for number, (page, y, x) in zip(order, places[order], strict=True)
            ],
        }


@dataclass(frozen=True)
class Corrected(Radiograph):
    """A radiograph that was corrected.

    Parameters
    ----------
    bad_pixels : BadPixels
        What was repaired.
    flat_fielded : bool
        Whether dark and flat were applied: then the flats say the open field.
    """

    bad_pixels: BadPixels = field(default_factory=BadPixels)
    flat_fielded: bool = False


def corrected(radiograph: Radiograph, corrections: Corrections | None = None) -> Corrected:
    """Return a radiograph with its dark and flat field and its bad pixels corrected; one that was is left alone.

    After a flat-field correction the mean of the flats is the grey level of the open field. Pixels that nothing is done
    to stay as they are, bit by bit.

    Raises
    ------
    InputError
        If frames or map differ in shape from it, or it is no raw image.
    """
    if isinstance(radiograph, Corrected):
        return radiograph
    corrections = Corrections() if corrections is None else corrections
    facts = {one.name: getattr(radiograph, one.name) for one in fields(radiograph)}
    if corrections.flat_field is not None:
        facts |= _flat_fielded(radiograph, corrections.flat_field)
    if corrections.nothing:
        return Corrected(**facts)
    pixels, bad, notes = _repaired(facts["pixels"], radiograph.shape, corrections)
    facts |= {"pixels": pixels, "notes": (*facts["notes"], *notes), "bad_pixels": bad}
    return Corrected(**facts)


def _flat_fielded(radiograph: Radiograph, flat_field: FlatField) -> dict[str, Any]:
    """Return what changes where dark and flat are applied."""
    assert flat_field.flat is not None
    # What is only shown inverted is corrected as it is stored, and turned again: it stays a radiograph of its file.
    shown, radiograph = radiograph, as_stored(radiograph)
    turned = shown is not radiograph
    if radiograph.polarity == "metal-bright":
        raise InputError("says that metal is bright: flats need raw data, whose metal is dark")
    if radiograph.shape != flat_field.flat.shape:
        raise InputError(f"is {radiograph.shape}, the flats are {flat_field.flat.shape}: give frames of one size")
    good = ~flat_field.defective
    dark = 0.0 if flat_field.dark is None else float(np.mean(flat_field.dark[good], dtype=np.float64))
    level = float(np.mean(flat_field.flat[good], dtype=np.float64)) - dark
    pixels = np.empty_like(radiograph.pixels)
    for page, frame in zip(pixels.reshape(-1, *radiograph.shape), radiograph.images(), strict=True):
        for first in range(0, len(frame), _ROWS):
            rows = slice(first, first + _ROWS)
            page[rows] = _in_type(flat_field.applied(frame, rows) * level, pixels.dtype, radiograph.white)
            # What is defective is going to be repaired; until then it says whether it is hot or dead.
            np.copyto(page[rows], frame[rows], where=flat_field.defective[rows])
    by = "flat; no dark was given, so its offset is taken for 0" if flat_field.dark is None else "dark and flat"
    notes = [f"open field at grey level {level:.6g}, the mean of the flats: corrected by {by}"]
    if radiograph.white is not None:
        share = float(np.mean(radiograph.pixels >= radiograph.white))
        if share > _SATURATED:
            notes.append(f"{share:.1%} of the pixels were saturated before the correction: nothing is known there")
    facts = {"flat_fielded": True, "notes": (*radiograph.notes, *notes)}
    if turned:
        assert shown.white is not None
        return facts | {"pixels": invert(pixels, shown.white), "open_field": shown.turned(level), "zero": shown.white}
    return facts | {"pixels": pixels, "open_field": level, "polarity": "metal-dark"}


def _in_type(grey: NDArray[np.float64], dtype: np.dtype[Any], white: float | None) -> NDArray[np.float64]:
    """Return grey levels as a type of pixels can hold them."""
    if dtype.kind == "f":
        return grey
    limits = np.iinfo(dtype)
    high = float(limits.max) if white is None else min(float(limits.max), white)
    return np.clip(np.rint(grey), float(limits.min), high)


def _repaired(
    pixels: NDArray[Any], shape: tuple[int, int], corrections: Corrections
) -> tuple[NDArray[Any], BadPixels, tuple[str, ...]]:
    """Return pixels with the bad ones repaired, themselves where there are none, and what to say."""
    told = _told(shape, corrections)
    pages = pixels.reshape(-1, *shape)
    result, notes = pixels, list[str]()
    places: dict[str, list[NDArray[np.intp]]] = {"hot": [], "dead": []}
    for number, page in enumerate(pages):
        bad = told
        if corrections.find:
            found = find_bad_pixels(page if told is None else repaired(page, told))
            if (share := float(np.mean(found))) > _MOST_FOUND:
                notes.append(f"{share:.1%} of the pixels look bad: too many, so they are taken for structure and left")
            elif found.any():
                bad = found if told is None else told | found
        if bad is None or not bad.any():
            continue
        mended = repaired(page, bad)
        at = np.argwhere(bad)
        hot = page[bad] > mended[bad]
        for kind, part in (("hot", at[hot]), ("dead", at[~hot])):
            places[kind].append(np.insert(part, 0, number, axis=1))
        result = pixels.copy() if result is pixels else result
        result.reshape(-1, *shape)[number] = mended
    if result is pixels:
        return pixels, BadPixels(told=told is not None), tuple(notes)
    kinds = {kind: np.concatenate(parts) for kind, parts in places.items()}
    found_all = BadPixels((len(pages), *shape), **kinds, told=told is not None)
    return result, found_all, (*notes, _said(found_all, find=corrections.find and told is None))


def _told(shape: tuple[int, int], corrections: Corrections) -> NDArray[np.bool_] | None:
    """Return the pixels that map and flats say to be bad; None where they say nothing."""
    defective = None if corrections.flat_field is None else corrections.flat_field.defective
    for known in (corrections.known, defective):
        if known is not None and known.shape != shape:
            raise InputError(f"is {shape}, the map of bad pixels {known.shape}: give the map of this detector")
    told = [one for one in (corrections.known, defective) if one is not None and one.any()]
    return None if not told else np.asarray(np.logical_or.reduce(told))


def _said(bad: BadPixels, *, find: bool) -> str:
    """Say what was repaired, in one line."""
    one = bad.count == 1
    page, y, x = np.concatenate([bad.hot, bad.dead])[0]
    where = f"{'at' if one else 'one at'} x={x} y={y}" + (f" of page {page}" if bad.shape[0] > 1 else "")
    both = {"row": bad.lines(1), "column": bad.lines(0)}
    lines = [f"{kind} {', '.join(map(str, some[:5]))}" for kind, some in both.items() if some]
    return (
        f"{bad.count} bad pixel{'' if one else 's'} repaired ({len(bad.hot)} hot, {len(bad.dead)} dead; "
        f"{'; '.join([where, *lines])})" + (": --bad-pixels none leaves them as they are" if find else "")
    )


def _read_map(path: Path) -> NDArray[np.bool_]:
    """Return the bad pixels that a file marks, or that a folder of open frames shows."""
    if path.is_dir():
        mean = mean_of(frame_files(path), uniform=True)
        return np.asarray(FlatField(flat=mean).defective | find_bad_pixels(mean.astype(np.float32)))
    try:
        radiograph = read_image(path, uniform=True)
    except InputError as error:
        raise type(error)(f"{error}; as a map of bad pixels") from error
    # Of a file that holds white at zero the grey levels were turned when it was read.
    zero = radiograph.turned(0.0)
    known = np.asarray(radiograph.pixels != zero)
    if (share := float(np.mean(known))) > 0.5:
        raise InputError(f"{path}: marks {share:.0%} of the pixels as bad: in a map of bad pixels good ones are zero")
    check_holes(known)
    return known
