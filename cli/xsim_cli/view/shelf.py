"""The reports of a folder and of those below it: which there are, and which file an address means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from xsim_zoo.run.jobs import read_record
from xsim_zoo.run.report.index import Row, rows_of

__all__ = ["Shelf", "report_at", "shelf_of"]

_MOST: Final = 50_000
"""Files and folders that are looked at: somebody may have meant a folder of radiographs and given the whole disk."""


@dataclass(frozen=True)
class Shelf:
    """Reports of a folder.

    Parameters
    ----------
    rows : list of Row
        The worst first.
    whole : bool
        Whether the folder was looked through to its end.
    """

    rows: list[Row]
    whole: bool


def shelf_of(folder: Path) -> Shelf:
    """Return the reports that lie in a folder and in those below it; hidden ones and links are not followed."""
    found, seen = [], 0
    for path in _files(folder):
        seen += 1
        if path.suffix == ".html" and (record := _record(path)).is_file():
            found.append(record)
        if seen > _MOST:
            break
    return Shelf(rows_of(found, folder), seen <= _MOST)


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files))


def _record(page: Path) -> Path:
    return page.with_suffix(".json")


def report_at(folder: Path, address: str) -> Path | None:
    """Return the report that an address below ``/reports/`` means; None for whatever is no report of the folder.

    Parameters
    ----------
    folder : Path
        The folder, resolved.
    address : str
        As it arrived, which may be anything.
    """
    try:
        path = (folder / unquote(address, errors="strict")).resolve()
        inside = path.is_relative_to(folder) and path.suffix == ".html" and path.is_file()
    except (OSError, ValueError, UnicodeDecodeError):
        return None
    # A page of somebody else is none of ours to serve.
    return path if inside and read_record(_record(path)) is not None else None
