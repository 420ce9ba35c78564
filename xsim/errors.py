"""What can go wrong, as one small tree.

Each class also refines the builtin that Python code would expect to catch, and carries the exit code that the
program ``xsim`` ends with. Messages say what is wrong, what was given, and what is allowed or to be done.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from operator import index
from typing import ClassVar

from xsim._version import DISTRIBUTION

__all__ = [
    "DamageError",
    "EnvironmentFaultError",
    "ExtraMissingError",
    "InputError",
    "MissingFileError",
    "NoSuchSampleError",
    "NotCertifiedError",
    "PhysicsRangeError",
    "UnknownNameError",
    "XsimError",
    "XsimWarning",
    "check_range",
    "check_shape",
    "nearest",
    "ran_out_of_memory",
]

# What torch, oneDNN and the allocator of Linux say when memory runs out.
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "could not create a primitive", "cannot allocate memory")


class XsimError(Exception):
    """Base of every error that xsim raises on purpose."""

    exit_code: ClassVar[int] = 1
    _made_of: tuple[object, ...] | None = None

    def __reduce__(self) -> tuple[type[XsimError], tuple[object, ...]]:
        # Errors cross process borders. Those that are also an OSError cannot be rebuilt by way of __new__, as
        # clusters' picklers try without this. Where the constructor's arguments are not the message, they are kept.
        return type(self), self.args if self._made_of is None else self._made_of


class XsimWarning(UserWarning):
    """A result stands but carries a caveat that the user should read."""


class InputError(XsimError, ValueError):
    """The input cannot be used: wrong kind, shape, content or option."""

    exit_code = 2


class NotCertifiedError(XsimError):
    """A result was made, and what was asked for is one that its evidence vouches for."""

    exit_code = 3


class PhysicsRangeError(InputError):
    """A physical quantity lies outside the range in which the model holds."""


class MissingFileError(InputError, FileNotFoundError):
    """A named file or folder does not exist."""


class NoSuchSampleError(InputError, IndexError):
    """A store has no sample of this number."""


class UnknownNameError(InputError, LookupError):
    """A name is not in its registry.

    Parameters
    ----------
    kind : str
        What the name should have named, e.g. ``"restorer"``.
    name : str
        The name that was given.
    known : iterable of str
        The names that exist; the nearest ones are suggested.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        name, known = str(name), sorted(known)  # names come from files too, where they may be anything
        close = nearest(name, known)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
        super().__init__(f"unknown {kind} '{name}': {hint}")
        self._made_of = (kind, name, known)


class ExtraMissingError(InputError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    package : str
        The package that is missing.
    extra : str
        The extra of xsim that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install '{DISTRIBUTION}[{extra}]'")
        self._made_of = (package, extra)


class DamageError(XsimError):
    """Stored data are damaged, incomplete or altered."""


class EnvironmentFaultError(XsimError, OSError):
    """The machine failed the work: disk full, no permission, out of memory, device lost."""


def nearest(name: str, known: Iterable[str], count: int = 2) -> list[str]:
    """Return up to ``count`` of the ``known`` names that look most like ``name``."""
    by_lower = {item.lower(): item for item in known}
    return [by_lower[key] for key in get_close_matches(name.lower(), list(by_lower), n=count, cutoff=0.55)]


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out; torch and its libraries say it in words only."""
    said = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in said for words in _MEMORY_WORDS)
    )


def check_range(what: str, value: float, low: float, high: float, unit: str = "") -> float:
    """Return ``value`` if ``low <= value <= high``; NaN and truth values never pass.

    Raises
    ------
    PhysicsRangeError
        Naming the quantity, the value given and the range allowed.
    """
    try:
        # Files say true where they mean a switch; as a length it would be 1 mm.
        number = float("truth" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        allowed = f"{low:g} to {high:g} {unit}".rstrip()
        raise PhysicsRangeError(f"{what} {str(value)[:40]} is no number: give {allowed}") from None
    if not low <= number <= high:
        space = f" {unit}" if unit else ""
        raise PhysicsRangeError(f"{what} {number:g}{space} is out of range: give {low:g} to {high:g}{space}")
    return number


def check_shape(shape: object) -> tuple[int, int]:
    """Return ``shape`` if it is a height and a width in whole pixels.

    Raises
    ------
    InputError
        Saying what was given.
    """
    try:
        height, width = (index(side) for side in shape)  # type: ignore[attr-defined]  # whatever was given
    except (TypeError, ValueError):
        raise InputError(
            f"shape {str(shape)[:40]} is no (height, width) in pixels: give for example (512, 512)"
        ) from None
    return height, width
