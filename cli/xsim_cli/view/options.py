"""What the form can be told, checked before anything is started; a job for the process that restores."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from xsim.detector.named import named_detectors
from xsim.errors import InputError, UnknownNameError
from xsim_datasets.images.bare import RAW_ORDERS, RAW_TYPES
from xsim_zoo.restorers.registry import check_name, names

__all__ = ["DEFAULT_RESTORER", "RAW", "SUFFIXES", "check_options", "choices", "safe_name", "sidecar_of"]

DEFAULT_RESTORER: Final = "physics-sde"

RAW: Final = ".raw"
"""Files that say nothing of their pixels: the form asks for what `xsim zoo run` reads in a second file."""

SUFFIXES: Final = (".tif", ".tiff", ".btf", ".png", ".jpg", ".jpeg", ".bmp", ".npy", ".dcm", ".dic", ".dicom", RAW)
"""Files that can be dropped: all that `xsim zoo run` takes."""

_LONGEST_NUMBER: Final = 12
"""Digits of a size of RAW pixels: more there are none."""

_LONGEST_NAME: Final = 120
"""Characters of a name: with what results add it stays below the 255 bytes that file systems take."""

_NUMBERS: Final[Mapping[str, Callable[[str], float | int]]] = {
    "pitch_mm": float,
    "open_field": float,
    "steps": int,
    "samples": int,
    "density_white": float,
    "film_gradient": float,
}
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "polarity": ("metal-dark", "metal-bright"),
    "grey": ("lr", "hr"),
    "scale": ("linear", "density"),
}
_RAW: Final[Mapping[str, int]] = {"raw_width": 2, "raw_height": 2, "raw_offset": 0}
"""Numbers that describe the pixels of a RAW file, and the least of each."""
_OWN: Final = {"name", "restorer", "detectors", "discard", "target", "dark", "flat", "bad_pixels"}
_OWN_RAW: Final = {*_RAW, "raw_dtype", "raw_byteorder"}


def choices() -> dict[str, list[str]]:
    """Return what the form offers: restorers, whose detectors an image may be from, what RAW pixels may be."""
    restorers = sorted(names(), key=lambda name: (name != DEFAULT_RESTORER, name))
    return {
        "restorers": restorers,
        "detectors": ["image", "weights", *named_detectors()],
        "raw_types": list(RAW_TYPES),
        "raw_orders": list(RAW_ORDERS),
    }


def check_options(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a job, each of its own type.

    Parameters
    ----------
    given : mapping
        What the form sent; empty values were left out.

    Raises
    ------
    InputError
        If a name or number is none, or an option is unknown.
    """
    given = {key: value.strip() for key, value in given.items() if value.strip()}
    unknown = given.keys() - _NUMBERS.keys() - _WORDS.keys() - _OWN - _OWN_RAW
    if unknown:
        raise InputError(f"unknown options {', '.join(sorted(unknown))}: load the page anew")
    detectors = given.get("detectors", "image")
    if detectors not in (known := choices()["detectors"]):
        raise UnknownNameError("detector", detectors, known)
    settings: dict[str, Any] = {"detectors": detectors}
    for key, kind in _NUMBERS.items():
        if key in given:
            try:
                settings[key] = kind(given[key])
            except ValueError:
                raise InputError(f"{key.replace('_', ' ')} '{given[key]}': is no number: give one") from None
    for key, known_words in _WORDS.items():
        if key in given and given[key] not in known_words:
            raise UnknownNameError(key, given[key], known_words)
        if key in given:
            settings[key] = given[key]
    if "target" in given:
        settings["target"] = _target(given["target"])
    return {"restorer": check_name(given.get("restorer", DEFAULT_RESTORER)), "settings": settings}


def _target(text: str) -> str:
    """Return the sharpness that is aimed at: a table of its own is a file, which a page may not name."""
    if text == "auto":
        return text
    try:
        return f"{float(text):g}"
    except ValueError:
        raise InputError(f"target '{text}': give auto, or the mass thickness of a screen [mg/cm2]") from None


def sidecar_of(given: Mapping[str, str]) -> str | None:
    """Return the TOML file that describes a RAW file, from what the form says of it; None for other files.

    Raises
    ------
    InputError
        If something is missing or no number.
    """
    if PurePosixPath(given.get("name", "")).suffix.lower() != RAW:
        return None
    numbers = {}
    for key, least in _RAW.items():
        text = given.get(key, "").strip() or ("0" if least == 0 else "")
        if not (text.isdecimal() and len(text) <= _LONGEST_NUMBER and int(text) >= least):
            what = key.removeprefix("raw_")
            raise InputError(f"the {what} of the RAW file is '{text}': say it as a whole number of at least {least}")
        numbers[key] = int(text)
    dtype, order = given.get("raw_dtype") or "uint16", given.get("raw_byteorder") or "little"
    for word, known in ((dtype, RAW_TYPES), (order, RAW_ORDERS)):
        if word not in known:
            raise UnknownNameError("kind of RAW pixels", word, list(known))
    return (
        f'shape = [{numbers["raw_height"]}, {numbers["raw_width"]}]\ndtype = "{dtype}"\nbyteorder = "{order}"\n'
        f"offset = {numbers['raw_offset']}\n"
    )


def safe_name(text: str) -> str:
    """Return the name under which a file that was dropped is kept: its own, but for what leads elsewhere or is unseen.

    Raises
    ------
    InputError
        If nothing is left of it, or it is no image that can be dropped.
    """
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    # Characters of control, and those that turn the direction of what follows, hide what a name is.
    shown = "".join(sign for sign in last if unicodedata.category(sign) not in {"Cc", "Cf", "Cs", "Co", "Cn"})
    path = PurePosixPath(shown.strip().lstrip("."))
    if not path.stem or path.suffix.lower() not in SUFFIXES:
        raise InputError(f"'{last[:_LONGEST_NAME]}': is no image that can be dropped: known are {', '.join(SUFFIXES)}")
    stem = path.stem
    while len(stem.encode()) > _LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem}{path.suffix}"
