"""Settings as TOML files: nested tables of numbers, texts and lists, written whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from xsim.errors import InputError
from xsim.files.whole import write_whole

__all__ = ["toml_text", "write_toml"]


def write_toml(path: Path, tables: Mapping[str, Any]) -> None:
    """Write tables as a TOML file; readers see the whole file or the one before.

    Raises
    ------
    InputError
        If a value is not a number, a text, a truth value, a list of these, or a table.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    write_whole(path, toml_text(tables).encode())


def toml_text(tables: Mapping[str, Any]) -> str:
    """Return tables as TOML text; `tomllib` reads the same tables back."""
    text = tomli_w.dumps(_plain("", dict(tables)), indent=0)
    # tomli_w gives each number of an array a line of its own; tables of a hundred frequencies read better in one.
    # Texts hold no line breaks (they are escaped), so that these patterns meet arrays only.
    for in_lines, in_one in (("[\n", "["), (",\n]", "]"), (",\n", ", ")):
        text = text.replace(in_lines, in_one)
    return re.sub(r"^(\[.*\]\n)\n", r"\1", text, flags=re.MULTILINE) + "\n"


def _plain(name: str, value: Any) -> Any:
    """Return a value with nothing in it but what TOML has a word for; arrays become lists."""
    if isinstance(value, dict):
        return {_unicode(key): _plain(key, item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, (bool, int, float)):
        return value
    raise InputError(f"{name}: a {type(value).__name__} cannot stand in a TOML file: give numbers, texts or lists")


def _unicode(text: str) -> str:
    """Return a text whose half characters, as in file names that are no UTF-8, have become question marks."""
    return text.encode(errors="replace").decode()
