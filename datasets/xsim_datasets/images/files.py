"""The one door for image files: which kind they are, reading them safely, writing them whole."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xsim.errors import InputError, MissingFileError, XsimError
from xsim.files.plain import IMAGE, check_plain
from xsim.files.whole import whole_file
from xsim.keywords import names_keywords
from xsim_datasets.images.bare import describe_raw, read_npy, read_raw, sidecar_path, write_npy, write_raw
from xsim_datasets.images.dicom import read_dicom, write_dicom
from xsim_datasets.images.formats import format_of, format_suffixes
from xsim_datasets.images.png import read_png, write_png
from xsim_datasets.images.radiograph import MAX_PIXELS, Radiograph, check_pixels
from xsim_datasets.images.tiff import read_tiff, write_tiff

__all__ = ["SUFFIXES", "kind_of_name", "publish", "read_image", "rehearse", "suffixes", "write_image", "written_kind"]

SUFFIXES: dict[str, str] = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".btf": "tiff",
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".bmp": "bmp",
    ".npy": "npy",
    ".dcm": "dicom",
    ".dic": "dicom",
    ".dicom": "dicom",
    ".raw": "raw",
}
"""Suffix of a file name, in lower case -> kind of image; other packages add theirs, see `suffixes`."""


_READERS: dict[str, Callable[..., Radiograph]] = {
    "tiff": read_tiff,
    "png": read_png,
    "jpeg": read_png,
    "bmp": read_png,
    "npy": read_npy,
    "dicom": read_dicom,
    "raw": read_raw,
}
_WRITERS: dict[str, Callable[[Path, Radiograph, Mapping[str, Any]], None]] = {
    "tiff": write_tiff,
    "png": write_png,
    "npy": write_npy,
    "dicom": write_dicom,
    "raw": write_raw,
}
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"BM", "bmp"),
    (0, b"\x93NUMPY", "npy"),
    (128, b"DICM", "dicom"),
)
# DICOM may lack its preamble, and RAW is anything: for these the name decides.
_NAME_DECIDES = frozenset({"dicom", "raw"})
# A step of 1/255 of the range is coarser than the noise of any detector that is measured with.
_EIGHT_BITS = 255
# Tiles of TIFF are whole multiples of 16; what is written of a corner is written of an image.
_CORNER_PX = 16


def kind_of_name(path: Path) -> str:
    """Return the kind of image that a file name stands for.

    Raises
    ------
    InputError
        If the suffix is unknown.
    """
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix and suffix in suffixes():
        return suffix[1:]
    raise InputError(f"{path}: '{path.suffix}' is no kind of image known here: known are {', '.join(suffixes())}")


def suffixes() -> tuple[str, ...]:
    """Return the suffixes of all files that are read, those of other packages last."""
    return (*SUFFIXES, *format_suffixes(SUFFIXES))


def _reader(kind: str) -> Callable[..., Radiograph]:
    if kind in _READERS:
        return _READERS[kind]
    own = format_of(kind, SUFFIXES)
    assert own is not None
    return own.read


def _writer(kind: str) -> Callable[[Path, Radiograph, Mapping[str, Any]], None] | None:
    if kind in _READERS:
        return _WRITERS.get(kind)
    own = format_of(kind, SUFFIXES)
    return None if own is None else own.write


@names_keywords
def read_image(
    path: Path | str, *, pages: bool = False, log: bool = False, uniform: bool = False, max_pixels: int = MAX_PIXELS
) -> Radiograph:
    """Read a radiograph at its own depth.

    Parameters
    ----------
    path : path
        A TIFF, PNG, BMP, JPEG, NPY, DICOM or RAW file (with its sidecar).
    pages : bool
        Whether several pages are welcome; one of many is never taken in silence.
    log : bool
        Whether the logarithm of the exposure is welcome; it is never taken for the exposure in silence.
    uniform : bool
        Whether one grey level alone is welcome, as of darks, ideal flats and maps without a bad pixel.
    max_pixels : int
        Most pixels that the file may claim.

    Returns
    -------
    Radiograph
        With ``pixels`` (H, W), or (pages, H, W) where there are several.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it cannot be used; the message names the file, the cause and the remedy.
    """
    path = Path(path)
    try:
        check_plain(path, IMAGE)
        radiograph = _reader(_kind_of_content(path))(path, max_pixels=max_pixels)
        pixels = check_pixels(radiograph.pixels, uniform=uniform)
    except MissingFileError as error:
        raise MissingFileError(_named(path, error)) from error
    except XsimError as error:
        raise InputError(_named(path, error)) from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise almost anything on damaged files
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(_named(path, f"cannot be decoded ({reason}): copy or write it anew")) from error
    if radiograph.pages > 1 and not pages:
        raise InputError(_named(path, f"holds {radiograph.pages} pages: give files of one image"))
    if radiograph.intensity == "log" and not log:
        what = "holds the logarithm of the exposure: export it linear, or give xsim dataset import --scale log"
        raise InputError(_named(path, what))
    doubts = radiograph.doubts
    if radiograph.white is not None and radiograph.white <= _EIGHT_BITS:
        doubts += ("8-bit grey levels",)
    return replace(radiograph, pixels=pixels, doubts=doubts)


def _named(path: Path, what: object) -> str:
    # What names the file already, or the one that describes it, stays.
    return str(what) if str(what).startswith(str(path)) else f"{path}: {what}"


def _kind_of_content(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(132)
    if not head:
        raise InputError("is empty: copy it again")
    found = [kind for at, magic, kind in _MAGIC if head[at : at + len(magic)] == magic]
    if "dicom" in found and path.suffix.lower() not in SUFFIXES:
        return "dicom"  # on media of the standard its files have no suffix (PS3.10 8.2)
    named = kind_of_name(path)
    own = None if named in _READERS else format_of(named, SUFFIXES)
    if own is not None and (head.startswith(own.magic) if own.magic else not found):
        return named
    # The preamble of a DICOM file may make it a TIFF as well: it is read as what it is named.
    if named in {*found, "raw"} or (not found and named in _NAME_DECIDES):
        return named
    if not found:
        raise InputError(f"is named {path.suffix} but does not begin like one: check what wrote it")
    raise InputError(f"is named {path.suffix} but holds {found[-1].upper()}: rename it")


@names_keywords
def write_image(
    path: Path | str, radiograph: Radiograph, *, force: bool = False, stamp: Mapping[str, Any] | None = None
) -> Path:
    """Write a radiograph, whole or not at all, as the kind that the name stands for.

    Parameters
    ----------
    path : path
        Where to; its suffix decides the kind. Tags come back where it is the kind that was read.
    radiograph : Radiograph
        What to write.
    force : bool
        Replace a file that exists.
    stamp : mapping, optional
        How the image was made, stored in the file where its kind takes it (TIFF, PNG, DICOM).

    Raises
    ------
    InputError
        If the file exists, or its kind cannot hold the pixels.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    path = Path(path)
    kind = written_kind(path)
    write = _writer(kind)
    assert write is not None
    if kind == "raw":
        publish(sidecar_path(path), lambda part: part.write_text(describe_raw(radiograph), "utf-8"), force=force)
    publish(path, lambda part: write(part, radiograph, stamp or {}), force=force)
    return path


def written_kind(path: Path) -> str:
    """Return the kind of image that is written under a name.

    Raises
    ------
    InputError
        If the suffix is unknown, or the kind loses what it is given.
    """
    kind = kind_of_name(path)
    if kind not in _READERS and _writer(kind) is None:
        raise InputError(f"{path}: {kind.upper()} is only read: write PNG or TIFF")
    if _writer(kind) is None:
        raise InputError(f"{path}: {kind.upper()} holds 8 bits and would lose what was restored: write PNG or TIFF")
    return kind


def rehearse(path: Path, radiograph: Radiograph) -> None:
    """Write a corner of a radiograph, with all that its file says, and throw it away.

    What is found out so before anything is computed cannot fail afterwards: a type that a kind of file does not hold,
    more pages than it takes, tags that cannot be packed.

    Raises
    ------
    InputError
        If it cannot be written as the kind of ``path``.
    """
    kind = written_kind(path)
    write = _writer(kind)
    assert write is not None
    corner = replace(radiograph, pixels=radiograph.pixels[..., :_CORNER_PX, :_CORNER_PX])
    with tempfile.TemporaryDirectory() as folder:
        try:
            write(Path(folder) / path.name, corner, {"restorer": "rehearsed"})
        except XsimError as error:
            raise InputError(_named(path, error)) from error
        except OSError:
            return  # of the temporary folder: where the image goes may have room, and says so if not
        except Exception as error:  # writers raise almost anything on what they cannot pack
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise InputError(_named(path, f"cannot be written as {kind.upper()} ({reason}): write TIFF")) from error


def publish(path: Path, write: Callable[[Path], object], *, force: bool = False) -> None:
    """Let ``write`` make a file beside ``path``, flush it to the disk, and only then give it its name.

    Raises
    ------
    InputError
        If ``path`` exists and ``force`` is off, or cannot hold what is written.
    EnvironmentFaultError
        If the disk is full or fails; nothing is left behind.
    """
    try:
        with whole_file(path, replace=force) as partial:
            write(partial)
    except XsimError as error:
        raise type(error)(_named(path, error)) from error
