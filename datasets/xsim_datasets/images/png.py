"""PNG of 8 or 16 bit grey; BMP and JPEG of 8 bit, read only; the text and pixel pitch of PNG come back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from xsim.errors import InputError
from xsim_datasets.images.codec import check_codestream
from xsim_datasets.images.pitch import MM_PER_INCH, Pitch, check_aspect, pitch_from_dpi, pitch_from_metric
from xsim_datasets.images.radiograph import Radiograph, check_claim

__all__ = ["read_png", "write_png"]

_MODES: dict[str, np.dtype[Any]] = {"L": np.dtype(np.uint8), "I;16": np.dtype(np.uint16), "I;16B": np.dtype(np.uint16)}
_SAID = {"P": "palette", "PA": "palette", "LA": "transparent", "La": "transparent", "1": "one-bit"}
"""What people call the modes of Pillow."""
_KINDS = {"PNG": "png", "JPEG": "jpeg", "BMP": "bmp"}
"""Name of a format in Pillow -> kind of image."""
# Kinds whose colour has 8 bits, so that grey in three channels is read without loss; Pillow halves PNG of 48 bits.
_GREY_IN_COLOUR = frozenset({"jpeg", "bmp"})
# Keyword of the text chunk that holds how xsim made an image.
_STAMP_KEY = "xsim"
_ROUNDED = 2e-3
"""How far rounding to whole pixels a metre moves a pitch."""
_ORIENTATION = 0x0112
"""Tag of EXIF that says how an image is to be turned; 1 is as it is stored."""


def read_png(path: Path, *, max_pixels: int) -> Radiograph:
    """Read a grey PNG at its own depth, never through 8 bit; or a grey BMP or JPEG, which say what they lack.

    Raises
    ------
    InputError
        If it is not 8 or 16 bit grey, animated, or damaged.
    """
    with warnings.catch_warnings():
        # Pillow warns of sizes that the claim check below decides on.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=[*_KINDS]) as image:
            kind = _KINDS[str(image.format)]
            mode = "L" if image.mode == "RGB" and kind in _GREY_IN_COLOUR else image.mode
            if mode not in _MODES:
                raise InputError(
                    f"holds {_SAID.get(image.mode, image.mode)} pixels: give one grey channel of 8 or 16 bit"
                )
            if getattr(image, "n_frames", 1) > 1:
                raise InputError("is animated: give one image")
            dtype = _MODES[mode]
            if kind == "jpeg":
                check_codestream(path.read_bytes(), (image.height, image.width))
            check_claim((image.height, image.width), dtype, path.stat().st_size, max_pixels)
            image.load()
            pixels = _grey(np.asarray(image)).astype(dtype)
            info = dict(image.info)
            turned = _turned(image)
    pitch = _pitch(info, kind)
    notes = pitch.said
    if kind == "jpeg":
        notes += ("JPEG has 8 bits and artefacts of its own: the result is as coarse",)
    notes += turned
    doubts = ("lossy compression (JPEG)",) if kind == "jpeg" else ()
    white = float(np.iinfo(dtype).max)
    header = {"info": info}
    return Radiograph(pixels, kind, pitch.mm, white, notes=notes, header=header, doubts=doubts, pitch_doubt=pitch.doubt)


def _grey(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return grey pixels, also where three equal channels hold them.

    Raises
    ------
    InputError
        If there is colour in them.
    """
    if pixels.ndim == 2:
        return pixels
    first = pixels[..., 0]
    if any((first != pixels[..., other]).any() for other in (1, 2)):
        raise InputError("holds RGB pixels: give one grey channel of 8 or 16 bit")
    return first


def _turned(image: Image.Image) -> tuple[str, ...]:
    """Say what of EXIF does not move along, above all that it asks to be shown turned."""
    if "exif" not in image.info:
        return ()
    notes: tuple[str, ...] = ("tags that do not move along (dropped): EXIF",)
    orientation = 1
    with suppress(Exception), warnings.catch_warnings():  # damage of EXIF is none of the pixels'
        warnings.simplefilter("ignore")
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    if orientation != 1:
        what = f"its EXIF asks to be shown turned or mirrored (orientation {orientation})"
        notes += (f"{what}: pixels are taken, and written, as they are stored",)
    return notes


def _pitch(info: Mapping[Any, Any], kind: str) -> Pitch:
    dpi = info.get("dpi")
    ratio = info.get("aspect") or (info.get("jfif_density") if info.get("jfif_unit") == 0 else None)
    if ratio:
        # Both are pixels a length, and the sides of a pixel are as their inverses.
        check_aspect(float(ratio[1]), float(ratio[0]), "its resolution, without a unit")
    if not dpi or min(dpi) <= 0:
        return Pitch()
    x, y = (float(value) for value in dpi[:2])
    if kind == "png" and _STAMP_KEY in info and _agrees(str(info[_STAMP_KEY]), MM_PER_INCH / x):
        # What this program wrote is the pitch, whatever it comes to in inches.
        return pitch_from_metric(MM_PER_INCH / x, MM_PER_INCH / y, "a resolution")
    # PNG and BMP count whole pixels per metre, which programs fill from their dpi: what is round in inches is theirs.
    return pitch_from_dpi(x, y)


def _agrees(stamp: str, pitch_mm: float) -> bool:
    """Whether what this program wrote into a file does not say another pitch than its resolution.

    A resolution that was doubted moves along with the file, and must not come back as a pitch.
    """
    try:
        said = json.loads(stamp).get("pitch_mm")
        return said is None or abs(float(said) / pitch_mm - 1) < _ROUNDED
    except (ValueError, TypeError, AttributeError, RecursionError):
        return True


def write_png(path: Path, radiograph: Radiograph, stamp: Mapping[str, Any]) -> None:
    """Write an 8 or 16 bit grey PNG with the text and the pitch of the file that was read.

    Raises
    ------
    InputError
        If the pixels are of another type, or there are several pages.
    """
    if radiograph.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)} or radiograph.pages > 1:
        raise InputError(f"PNG cannot hold {radiograph.pages} page(s) of {radiograph.dtype}: write TIFF")
    info: dict[Any, Any] = radiograph.header.get("info", {}) if radiograph.kind == "png" else {}
    text = PngInfo()
    for key, value in info.items():
        if isinstance(key, str) and isinstance(value, str) and key != _STAMP_KEY:
            text.add_itxt(key, value) if not value.isascii() else text.add_text(key, value)
    if stamp:
        text.add_text(_STAMP_KEY, json.dumps(stamp, sort_keys=True))
    options: dict[str, Any] = {"icc_profile": info["icc_profile"]} if info.get("icc_profile") else {}
    if "dpi" in info:
        options["dpi"] = info["dpi"]
    elif radiograph.pitch_mm is not None:
        options["dpi"] = (25.4 / radiograph.pitch_mm,) * 2
    Image.fromarray(next(radiograph.images())).save(path, format="PNG", pnginfo=text, **options)
