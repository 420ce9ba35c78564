"""Which file of a folder is which layer: by X2 attributes where there are any, else by the names that tools give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xsim.errors import InputError, MissingFileError
from xsim.files.plain import GERBER

__all__ = ["ROLES", "BoardFiles", "sort_files"]

# What a file can be said to be.
ROLES = ("copper", "mask-top", "mask-bottom", "paste-top", "paste-bottom", "outline", "drill", "ignore")
# Patterns on the lower-case file name. Protel and Altium name by extension, Eagle by other extensions, KiCad and
# Siemens by words. Copper patterns come with the order from the top; 1000 is the bottom.
_INNER = r"\.g(?:l|p)?(\d+)$|[-_.]in(\d+)[-_.]cu|inner[-_ ]?(?:layer)?[-_ ]?(\d+)|etchlayer(\d+)"
_NAMES: tuple[tuple[str, str], ...] = (
    ("copper-top", r"\.gtl$|\.cmp$|[-_.]f[-_.]cu\b|f_cu\.|etch.*top|top.*copper|copper.*top"),
    ("copper-bottom", r"\.gbl$|\.sol$|b_cu\.|etch.*bottom|bottom.*copper|copper.*bottom"),
    ("mask-top", r"\.gts$|\.stc$|f_mask\.|mask.*top|top.*mask"),
    ("mask-bottom", r"\.gbs$|\.sts$|b_mask\.|mask.*bottom|bottom.*mask"),
    ("paste-top", r"\.gtp$|\.crc$|f_paste\.|paste.*top|top.*paste"),
    ("paste-bottom", r"\.gbp$|\.crs$|b_paste\.|paste.*bottom|bottom.*paste"),
    ("outline", r"\.gko$|\.gm1$|edge_cuts\.|outl|profile"),
    ("ignore", r"\.g[tb]o$|\.pl[cs]$|silk|\.gp[tb]$|\.gm\d+$|drawing|drillmap|courtyard|\.gd\d*$|\.gg\d*$"),
)
_FUNCTION = re.compile(r"%TF\.FileFunction,([^*]*)\*%")


@dataclass(frozen=True)
class BoardFiles:
    """The files of a board, sorted.

    Attributes
    ----------
    copper : tuple of Path
        From top to bottom.
    masks, pastes : tuple of (Path or None)
        Top and bottom.
    outline : Path
        The board's edge.
    drills : tuple of Path
        Excellon files.
    """

    copper: tuple[Path, ...]
    masks: tuple[Path | None, Path | None]
    pastes: tuple[Path | None, Path | None]
    outline: Path
    drills: tuple[Path, ...]


def sort_files(folder: Path, roles: Mapping[str, str] | None = None) -> BoardFiles:
    """Find the layers in a folder and its subfolders.

    Parameters
    ----------
    folder : Path
        Where the files lie.
    roles : mapping of file name to role, optional
        What is known better than the names say: a role of ``ROLES``, ``"copper:1"`` for the topmost copper and so on.

    Raises
    ------
    MissingFileError
        If there is no such folder.
    InputError
        If it holds no Gerber, no copper or no outline, naming what was found.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder: give the folder that holds the Gerber files")
    found: dict[str, list[tuple[float, Path]]] = {}
    seen = 0
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        kind = _kind(path)
        if kind is None:
            continue
        seen += 1
        role, order = _given(path, roles) or (("drill", 0.0) if kind == "drill" else _role(path))
        found.setdefault(role, []).append((order, path))
    if not seen:
        raise InputError(f"{folder}: holds no Gerber file: give the folder that holds the board's layers")
    copper = tuple(path for _, path in sorted(found.get("copper", [])))
    if not copper:
        raise InputError(f"{folder}: no copper layer among its {seen} Gerber files: name them with roles")
    if not found.get("outline"):
        raise InputError(f"{folder}: no board outline (.gko, .gm1, Edge_Cuts): add the file or name it with roles")

    def first(role: str) -> Path | None:
        return found[role][0][1] if found.get(role) else None

    return BoardFiles(
        copper=copper,
        masks=(first("mask-top"), first("mask-bottom")),
        pastes=(first("paste-top"), first("paste-bottom")),
        outline=found["outline"][0][1],
        drills=tuple(path for _, path in found.get("drill", [])),
    )


def _kind(path: Path) -> str | None:
    """Return "gerber", "drill" or None from the beginning of a file."""
    if path.stat().st_size > GERBER.most_bytes:
        return None
    with path.open("rb") as file:
        head = file.read(8192)
    if b"\x00" in head:
        return None
    text = head.decode("latin-1")
    if "%FS" in text or "%ADD" in text:
        return "gerber"
    lines = [line.strip() for line in text.splitlines()[:40]]
    if "M48" in lines or (lines and lines[0] == "%" and any(re.match(r"T\d+C", line) for line in lines)):
        return "drill"
    return None


def _given(path: Path, roles: Mapping[str, str] | None) -> tuple[str, float] | None:
    if not roles or path.name not in roles:
        return None
    role, _, order = roles[path.name].partition(":")
    if role not in ROLES or (order and not order.isdigit()):
        raise InputError(f"role '{roles[path.name]}' of {path.name}: give one of {', '.join(ROLES)}, or copper:1 ...")
    return role, float(order or 0)


def _role(path: Path) -> tuple[str, float]:
    """Return a Gerber file's role, and for copper its order from the top."""
    with path.open("r", encoding="latin-1") as file:
        function = _FUNCTION.search(file.read(8192))
    if function:
        return _role_x2(function.group(1).lower())
    name = path.name.lower()
    if inner := re.search(_INNER, name):
        return "copper", float(next(group for group in inner.groups() if group))
    for role, pattern in _NAMES:
        if re.search(pattern, name):
            if role.startswith("copper"):
                return "copper", 0.0 if role.endswith("top") else 1000.0
            return role, 0.0
    return "ignore", 0.0


def _role_x2(function: str) -> tuple[str, float]:
    """Return the role that an X2 file function states, e.g. ``copper,l1,top`` or ``soldermask,bot``."""
    words = function.split(",")
    if words[0] == "copper":
        return "copper", float(re.sub(r"\D", "", words[1]) or 0)
    side = "bottom" if "bot" in words else "top"
    table = {"soldermask": f"mask-{side}", "paste": f"paste-{side}", "profile": "outline"}
    return table.get(words[0], "ignore"), 0.0
