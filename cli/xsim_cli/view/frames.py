"""Frames that correct radiographs: dropped beside them, and kept for all that are dropped until the session ends."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Final

from xsim.errors import InputError
from xsim_cli.view.options import SUFFIXES, safe_name, sidecar_of
from xsim_datasets.images.bare import sidecar_path

__all__ = ["KINDS", "Frames", "receive"]

KINDS: Final[Mapping[str, str]] = {"dark": "dark frames", "flat": "flat frames", "map": "a map of bad pixels"}

_MOST: Final = 200
"""Frames of one kind: their mean is then better than any radiograph that it corrects."""

_PIECE_BYTES: Final = 2**20
"""Bytes of a dropped file that are held in memory at a time."""


def receive(path: Path, body: BufferedIOBase, length: int) -> None:
    """Write a file that arrives.

    Raises
    ------
    InputError
        If less of it arrives than was announced.
    """
    with path.open("wb") as file:
        left = length
        while left:
            piece = body.read(min(left, _PIECE_BYTES))
            if not piece:
                raise InputError(f"{path.name}: only {length - left} of {length} bytes arrived: drop it again")
            file.write(piece)
            left -= len(piece)


class Frames:
    """Frames by their kind, each kind in a folder of its own.

    Parameters
    ----------
    folder : Path
        Where they are kept; it is made when the first one arrives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, given: Mapping[str, str], body: BufferedIOBase, length: int) -> int:
        """Receive a frame, and return how many of its kind there are; ``number`` 0 takes the place of those before.

        Raises
        ------
        InputError
            If kind, number or name are none, or it does not arrive whole; then no frame of the kind is left.
        """
        kind, number = given.get("kind", ""), given.get("number", "")
        if kind not in KINDS or not (number.isdecimal() and len(number) <= len(str(_MOST)) and int(number) < _MOST):
            raise InputError(f"frame {number} of kind '{kind}': load the page anew; at most {_MOST} are taken")
        name = safe_name(given.get("name", ""))
        place = self.folder / kind
        if int(number) == 0:
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True)
        try:
            receive(place / f"{int(number):03d}_{name}", body, length)
        except (InputError, OSError) as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, InputError | ConnectionError):
                raise
            raise InputError(f"{name}: could not be received ({error.strerror or error})") from error
        return len(self._held(kind))

    def chosen(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what corrects a radiograph, as options of `xsim_cli.corrections.corrections_of`.

        Raises
        ------
        InputError
            If frames are asked for that are not there, or dark ones without flat ones.
        """
        bad = given.get("bad_pixels") or "auto"
        if bad not in {"auto", "none", "map"}:
            raise InputError(f"bad pixels '{bad}': give auto, none or map")
        asked = {"dark": bool(given.get("dark")), "flat": bool(given.get("flat")), "map": bad == "map"}
        if asked["dark"] and not asked["flat"]:
            raise InputError("dark frames need flat frames: choose both")
        for kind, wanted in asked.items():
            if wanted and not self._held(kind):
                raise InputError(f"{KINDS[kind]} are asked for, and none were chosen: choose some")
            for path in self._held(kind) if wanted else ():
                # RAW frames are of the detector that the image is of: what the form says of its pixels holds for them.
                if (text := sidecar_of({**given, "name": path.name})) is not None:
                    sidecar_path(path).write_text(text, encoding="utf-8")
        found = {kind: str(self.folder / kind) for kind in ("dark", "flat") if asked[kind]}
        return {**found, "bad_pixels": str(self._held("map")[0]) if asked["map"] else bad}

    def _held(self, kind: str) -> list[Path]:
        place = self.folder / kind
        return sorted(path for path in place.glob("*") if path.suffix.lower() in SUFFIXES)
