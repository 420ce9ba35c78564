"""Detectors by name: files of detectors in the user's config folder, and what a name or a path means.

Commands ask before anything heavy is imported, so nothing is computed here and no file is looked into;
`xsim.degradation.known_file.read_known` does that.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from xsim.errors import InputError, MissingFileError, nearest
from xsim.files.config import config_folder
from xsim.files.whole import disk_fault, write_whole
from xsim.names import is_device, same_elsewhere

__all__ = ["check_name", "keep", "named_detectors", "path_of", "remove", "resolve", "store_folder"]

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
"""A name is a file's on every system, and no option on a command line."""

_RESERVED: Final = frozenset({"image", "weights"})
"""Words of ``zoo run --detectors``: estimated from the image, and those that the weights were made for."""


def store_folder() -> Path:
    """Return the folder of the named detectors, whether it exists or not."""
    return config_folder() / "detectors"


def named_detectors() -> dict[str, Path]:
    """Return the files of the named detectors, by name in the order of the alphabet."""
    found = sorted(store_folder().glob("*.toml"))
    return {path.stem: path for path in found if _NAME.fullmatch(path.stem)}


def check_name(name: str) -> str:
    """Return a name that a detector may have.

    Raises
    ------
    InputError
        If it holds anything but letters, digits, - and _, begins with -, is empty, is longer than 64, is ``image``
        or ``weights``, a device of Windows, or differs from the name of another detector by case alone.
    """
    if name.lower() in _RESERVED:
        raise InputError(f"'{name}' means something else to --detectors: give another name")
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' is no name of a detector: give up to 64 letters, digits, - and _, not - first")
    if is_device(name):
        raise InputError(f"'{name}' is a device on Windows, and no file there can be called so: give another name")
    if (other := same_elsewhere(name, named_detectors())) is not None:
        raise InputError(f"'{name}' and '{other}' are one file on Windows and macOS: give '{other}', or another name")
    return name


def path_of(name: str) -> Path:
    """Return the file of a named detector.

    Raises
    ------
    MissingFileError
        If no detector has that name.
    """
    found = named_detectors()
    if name not in found:
        close = nearest(name, found)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(found) or 'none'}"
        raise MissingFileError(f"no detector is named '{name}': {hint}")
    return found[name]


def resolve(text: str | Path, folder: Path | None = None) -> Path:
    """Return the detector file that a text means: a path where a file stands, else the name of a detector.

    Parameters
    ----------
    text : str or Path
        What a person wrote.
    folder : Path, optional
        Where relative paths begin; the working folder if not given.

    Raises
    ------
    MissingFileError
        If it is neither.
    InputError
        If it is a folder and no name.
    """
    path = Path(text) if folder is None else folder / text
    try:
        there, is_folder = path.exists(), path.is_dir()
    except OSError:  # no text that could be a path, or a folder that may not be looked into
        there = is_folder = False
    # A folder that happens to be called like a detector does not hide it.
    if there and not is_folder:
        return path
    found = named_detectors()
    if str(text) in found:
        return found[str(text)]
    if is_folder:
        raise InputError(f"{text}: is a folder: give a detector file, or the name of a detector")
    raise MissingFileError(f"{text}: no such file, and no detector of that name: {_hint(str(text))}")


def keep(name: str, content: bytes, *, force: bool = False) -> Path:
    """Keep the content of a detector file under a name, whole, and return the file.

    Parameters
    ----------
    name : str
        See `check_name`.
    content : bytes
        What `xsim.degradation.known_file.read_known` reads; this is not checked here.
    force : bool
        Whether a detector of that name may be replaced.

    Raises
    ------
    InputError
        If the name cannot be one, or is taken.
    EnvironmentFaultError
        If the folder cannot be written.
    """
    path = store_folder() / f"{check_name(name)}.toml"
    if path.exists() and not force:
        raise InputError(f"a detector is named '{name}' already: give another name or --force")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_fault(path.parent, error, advice=", or set XSIM_CONFIG to another folder") from error
    write_whole(path, content, replace=force)
    return path


def remove(name: str) -> Path:
    """Remove a named detector, and return the file that it was.

    Raises
    ------
    MissingFileError
        If no detector has that name.
    EnvironmentFaultError
        If the file cannot be removed.
    """
    path = path_of(name)
    try:
        path.unlink()
    except OSError as error:
        raise disk_fault(path, error) from error
    return path


def _hint(text: str) -> str:
    """Return which name may have been meant, and how to give one."""
    known = named_detectors()
    close = nearest(text, known)
    name = text if _NAME.fullmatch(text) else "NAME"
    how = f"xsim detectors add {name} FILE"
    if close:
        return f"did you mean {' or '.join(close)}? A file gets a name by `{how}`"
    if known:
        return f"known: {', '.join(known)}; add one by `{how}`"
    return f"none is named yet, add one by `{how}`"
