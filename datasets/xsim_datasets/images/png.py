"""PNG of 8 or 16 bit grey, and 8-bit JPEG (read only); their text and pixel pitch come back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from xsim.errors import InputError
from xsim_datasets.images.radiograph import PRINT_DPI, Radiograph, check_claim, pitch_from_spacing

__all__ = ["read_png", "write_png"]

_MODES: dict[str, np.dtype[Any]] = {"L": np.dtype(np.uint8), "I;16": np.dtype(np.uint16), "I;16B": np.dtype(np.uint16)}
# Keyword of the text chunk that holds how xsim made an image.
_STAMP_KEY = "xsim"


def read_png(path: Path, *, max_pixels: int) -> Radiograph:
    """Read a grey PNG at its own depth, never through 8 bit, or a grey JPEG, which is lossy: a note says it.

    Raises
    ------
    InputError
        If it is not 8 or 16 bit grey, animated, or damaged.
    """
    with warnings.catch_warnings():
        # Pillow warns of sizes that the claim check below decides on.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            if image.mode not in _MODES:
                raise InputError(f"holds {image.mode} pixels: give one grey channel of 8 or 16 bit")
            if getattr(image, "n_frames", 1) > 1:
                raise InputError("is animated: give one image")
            dtype = _MODES[image.mode]
            check_claim((image.height, image.width), dtype, path.stat().st_size, max_pixels)
            image.load()
            pixels = np.asarray(image).astype(dtype)
            info, kind = dict(image.info), "png" if image.format == "PNG" else "jpeg"
    pitch_mm, notes = _pitch(info)
    doubts: tuple[str, ...] = ()
    if kind == "jpeg":
        doubts += ("lossy compression (JPEG)",)
        notes += ("JPEG has 8 bits and artefacts of its own: the result is as coarse",)
    white = float(np.iinfo(dtype).max)
    return Radiograph(pixels, kind, pitch_mm, white, notes=notes, header={"info": info}, doubts=doubts)


def _pitch(info: dict[Any, Any]) -> tuple[float | None, tuple[str, ...]]:
    dpi = info.get("dpi")
    if not dpi or min(dpi) <= 0:
        return None, ()
    # PNG counts whole pixels per metre, which turns 300 dpi into 299.9994.
    if any(abs(float(dpi[0]) - common) < 0.02 for common in PRINT_DPI) or float(dpi[0]) < 2:
        return None, (f"{float(dpi[0]):g} dpi is a printing default, not a pixel pitch",)
    return pitch_from_spacing(25.4 / float(dpi[0]), 25.4 / float(dpi[1])), ()


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
