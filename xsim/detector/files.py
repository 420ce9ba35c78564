"""Detectors as TOML files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim.detector.detector import Detector
from xsim.errors import InputError
from xsim.files.toml import read_toml, write_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read_detectors", "write_detectors"]


def read_detectors(path: Path) -> dict[str, Detector]:
    """Return the detectors of a TOML file by name.

    Either the file itself is one detector (tables ``screen``, ``sensor``, ``measured``; it gets the file's name), or
    every table that holds a ``screen`` is one, e.g. ``[hr.screen]``; other tables are left alone.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it holds no usable detector.
    """
    tables = read_toml(path)
    parts = {path.stem: tables} if "screen" in tables else tables
    found = {name: table for name, table in parts.items() if isinstance(table, dict) and "screen" in table}
    if not found:
        raise InputError(f"{path}: holds no detector: give a table [screen], or several [NAME.screen]")
    detectors = {}
    for name, table in found.items():
        try:
            detectors[name] = Detector.from_dict(table)
        except InputError as error:
            raise InputError(f"{path}: {name}: {error}") from None
    return detectors


def write_detectors(path: Path, detectors: Mapping[str, Detector]) -> None:
    """Write detectors as a TOML file that `read_detectors` reads."""
    write_toml(path, {name: detector.to_dict() for name, detector in detectors.items()})
