"""Names that are one file elsewhere: Windows and macOS take no notice of case, and Windows keeps some for devices.

What people name in xsim (detectors, rows of a study) has to mean the same file wherever its folder is copied, so such
names are refused on every system. Results of files that a person named are told apart as far as their folder does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["is_device", "name_key", "same_elsewhere", "tells_case"]

_DEVICES: Final = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
"""What Windows opens in place of a file of that name, whatever follows the first dot."""


def name_key(name: str) -> str:
    """Return what all spellings of a name share that are one file where case is ignored.

    macOS takes no notice either of how an accented letter is put together.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def same_elsewhere(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs from ``name`` by case alone; None where there is none."""
    return next((other for other in known if other != name and name_key(other) == name_key(name)), None)


def is_device(name: str) -> bool:
    """Return whether a name is a device's on Windows, so that no file can bear it there."""
    return name.partition(".")[0].rstrip().lower() in _DEVICES


def tells_case(folder: Path) -> bool:
    """Return whether a folder that exists keeps names apart that differ by case alone.

    Neither the system nor the folder above tells: disks of other systems are mounted anywhere. So a file is made, and
    looked for under its name in capitals.
    """
    import tempfile  # noqa: PLC0415  (3 ms that names of plugins do not need)

    try:
        with tempfile.NamedTemporaryFile(prefix=".xsim-case-", dir=folder) as file:
            path = Path(file.name)
            return not path.with_name(path.name.upper()).exists()
    except OSError:
        # Nothing can be written there, which others say in words of their own.
        return True
