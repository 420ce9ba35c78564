"""What the form can be told, checked before anything is started; a job for the process that restores."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from xsim.detector.named import named_detectors
from xsim.errors import InputError, UnknownNameError
from xsim_zoo.restorers.registry import check_name, names

__all__ = ["DEFAULT_RESTORER", "SUFFIXES", "check_options", "choices", "safe_name"]

DEFAULT_RESTORER: Final = "physics-sde"

SUFFIXES: Final = (".tif", ".tiff", ".btf", ".png", ".jpg", ".jpeg", ".bmp", ".npy", ".dcm", ".dic", ".dicom")
"""Files that can be dropped: all that `xsim zoo run` takes but RAW, which needs a second file to describe it."""

_LONGEST_NAME: Final = 120
"""Characters of a name: with what results add it stays below the 255 bytes that file systems take."""

_NUMBERS: Final[Mapping[str, Callable[[str], float | int]]] = {
    "pitch_mm": float,
    "open_field": float,
    "steps": int,
    "samples": int,
}
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {"polarity": ("metal-dark", "metal-bright"), "grey": ("lr", "hr")}
_OWN: Final = {"name", "restorer", "detectors", "discard", "target"}


def choices() -> dict[str, list[str]]:
    """Return what the form offers: restorers, and whose detectors an image may be from."""
    restorers = sorted(names(), key=lambda name: (name != DEFAULT_RESTORER, name))
    return {"restorers": restorers, "detectors": ["image", "weights", *named_detectors()]}


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
    unknown = given.keys() - _NUMBERS.keys() - _WORDS.keys() - _OWN
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
