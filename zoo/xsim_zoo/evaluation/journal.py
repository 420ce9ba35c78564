"""What an evaluation has found so far, one line for each finding, so that an interrupted one goes on."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from xsim.errors import DamageError, InputError
from xsim.files.plain import JOURNAL, read_plain

__all__ = ["Journal"]

_SCHEMA = "xsim.evaluation.journal/1"


class Journal(AbstractContextManager["Journal"]):
    """Findings by key, kept in memory and, if a file is given, appended to it as they come.

    Parameters
    ----------
    path : Path, optional
        A file of JSON lines; what it holds already is taken over.
    identity : str
        What the findings hold for (data, settings, version); those of another identity are not mixed in.

    Raises
    ------
    InputError
        If the file is no journal, or belongs to another evaluation.
    DamageError
        If a line before the last cannot be read; a torn last line is what a killed run leaves and is dropped.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        self._path = path
        self._found: dict[str, Any] = {}
        if path is None:
            return
        header = {"schema": _SCHEMA, "identity": identity}
        kept = self._read(path, header) if path.exists() else 0
        self._file = path.open("r+b" if kept else "wb")
        self._file.truncate(kept)
        self._file.seek(kept)
        if not kept:
            self._append(header)

    def _read(self, path: Path, header: dict[str, str]) -> int:
        """Take over a file's findings and return the length of what is whole."""
        content = read_plain(path, JOURNAL)
        whole = content.rfind(b"\n") + 1
        lines = content[:whole].splitlines()
        if not lines:
            return 0
        try:
            entries = [json.loads(line) for line in lines]
        except (ValueError, RecursionError) as error:
            raise DamageError(f"{path}: holds a line that is no JSON ({error}): remove the file") from error
        if not isinstance(entries[0], dict) or entries[0].get("schema") != _SCHEMA:
            raise InputError(f"{path}: is no journal of an evaluation: give another file")
        if entries[0] != header:
            raise InputError(f"{path}: belongs to an evaluation of other data or settings: remove it, or give another")
        self._found = {entry["key"]: entry["found"] for entry in entries[1:]}
        return whole

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> Any:
        """Return a finding; JSON types."""
        return self._found[key]

    def __len__(self) -> int:
        return len(self._found)

    def add(self, key: str, found: Any) -> None:
        """Keep a finding, as the JSON types that a resumed run would read."""
        entry = {"key": key, "found": found}
        if self._path is not None:
            self._append(entry)
        self._found[key] = json.loads(json.dumps(found, allow_nan=False))

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._file.close()
