"""Settings as TOML files: nested tables of numbers, texts and lists, written whole or not at all."""

from __future__ import annotations

import json
import math
import tomllib
from typing import TYPE_CHECKING, Any

from xsim.errors import InputError, MissingFileError
from xsim.files.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["read_toml", "toml_text", "write_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is no TOML; the message names the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file: check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is no TOML file: {error}") from None


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
    return "\n".join(_lines(tables, ())) + "\n"


def _lines(table: Mapping[str, Any], where: tuple[str, ...]) -> Iterator[str]:
    plain = {name: value for name, value in table.items() if not isinstance(value, dict)}
    if where and (plain or not table):
        yield f"[{'.'.join(where)}]"
    for name, value in plain.items():
        yield f"{_key(name)} = {_value(name, value)}"
    if plain:
        yield ""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _lines(value, (*where, _key(name)))


def _key(name: str) -> str:
    bare = name.replace("_", "").replace("-", "")
    return name if bare.isascii() and bare.isalnum() else _text(name)


def _text(text: str) -> str:
    """Return a TOML string; half characters, as in file names that are no UTF-8, become question marks."""
    whole = text.encode(errors="replace").decode()
    # JSON writes characters beyond 16 bits as two escapes, and DEL as it is: TOML forbids both.
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(name: str, value: Any) -> str:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(name, item) for item in value)}]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (bool, int, float)):
        # JSON's numbers and truth values are TOML's as well.
        return json.dumps(value)
    raise InputError(f"{name}: a {type(value).__name__} cannot stand in a TOML file: give numbers, texts or lists")
