"""Documents that a person, or another program, wrote: TOML and JSON, read through the door of plain files."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from xsim.errors import InputError
from xsim.files.plain import CARD, TOML, FileKind, read_plain

__all__ = ["check_numbers", "parse_toml", "read_json", "read_text", "read_toml"]

# What names of quantities end in (docs/reference); those of switches do not.
_UNIT = re.compile(r"_(mm|mm2|mm3|um|px|lp_mm|cycles_px|mg_cm2|g_cm3|keV|kV|uGy|deg|dB|e|s)$|^kvp$|\.kvp$")
# What 64 bits hold. A whole number beyond is a count of nothing, and arrays of such numbers are arrays of objects.
_LEAST, _MOST = -(2**63), 2**64 - 1


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is no plain file (see `xsim.files.plain`), no TOML, or a whole number in it needs more than 64 bits; the
        message names the line or the key.
    """
    return parse_toml(read_plain(path, TOML), str(path))


def parse_toml(content: bytes, name: str) -> dict[str, Any]:
    """Return the tables of TOML text; ``name`` says in messages where it is from.

    Raises
    ------
    InputError
        See `read_toml`.
    """
    try:
        tables = tomllib.loads(content.decode("utf-8"))
        check_numbers(tables)
    # Python itself refuses whole numbers of more than 4,300 digits, with a plain ValueError.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: is no TOML file: {' '.join(str(error).split())[:200]}") from None
    return tables


def read_json(path: Path, kind: FileKind = CARD) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is no plain file.
    ValueError, RecursionError
        If it is no JSON, or a whole number in it needs more than 64 bits: what that means depends on what it is.
    """
    document = json.loads(read_plain(path, kind).decode("utf-8"))
    check_numbers(document)
    return document


def read_text(path: Path, kind: FileKind) -> str:
    """Return the text of a file in UTF-8, with or without a mark of its byte order.

    Raises
    ------
    MissingFileError, InputError
        See `xsim.files.plain.read_plain`; or if it is no text.
    """
    try:
        return read_plain(path, kind).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text: give {kind.what}") from None


def check_numbers(document: Any, where: str = "") -> None:
    """Refuse whole numbers that 64 bits do not hold, and truth values where a number must stand.

    That is where the key ends in a unit, as every quantity does that crosses a door, and among the numbers of a list:
    ``true`` would be taken for 1 mm.

    Raises
    ------
    ValueError
        Naming the key.
    RecursionError
        If the document is nested beyond what Python follows.
    """
    if isinstance(document, bool):
        if _UNIT.search(where):
            raise ValueError(f"{where} is a truth value, where a number is wanted")
        return
    if isinstance(document, int) and not _LEAST <= document <= _MOST:
        raise ValueError(f"{where or 'a value'} is a whole number beyond 64 bits")
    if isinstance(document, dict):
        for key, value in document.items():
            check_numbers(value, f"{where}.{key}" if where else str(key))
    elif isinstance(document, list):
        kinds = {type(value) for value in document}
        if bool in kinds and kinds & {int, float}:
            raise ValueError(f"{where or 'a list'} holds truth values among its numbers")
        for value in document:
            check_numbers(value, where)
