"""Parts of a training by name: xsim's own, or ``MODULE:CALLABLE`` of an installed package; torch is not imported.

Recipes and the folders of runs name them, and may come from anybody: so only what its package has marked with
`training_part` is called, and what torch itself offers for the purpose.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

from xsim.errors import InputError, UnknownNameError
from xsim.keywords import names_keywords

__all__ = ["check_part", "part_of", "training_part"]

_MARK: Final = "__xsim_training_part__"

_OF_TORCH: Final = ("torch.nn.functional", "torch.optim")
"""Modules whose functions and classes are losses and optimisers as they are."""

F = TypeVar("F", bound=Callable[..., Any])


@names_keywords
def training_part(part: F) -> F:
    """Mark a function or class as a part of trainings, which ``--set loss=MODULE:NAME`` may call; a decorator."""
    setattr(part, _MARK, True)
    return part


def check_part(what: str, name: str, own: Collection[str]) -> str:
    """Return the name of a part if it may be one; nothing is imported for it.

    Parameters
    ----------
    what : str
        What it is, for the message.
    name : str
        One of ``own``, or MODULE:CALLABLE.
    own : collection of str
        Names of xsim's own.

    Raises
    ------
    ValueError
        If it is neither; the nearest names are suggested.
    """
    module, colon, part = name.partition(":")
    if name in own:
        return name
    if not colon:
        raise ValueError(str(UnknownNameError(what, name, own)) + ", or MODULE:CALLABLE")
    if not all(piece.isidentifier() for piece in module.split(".")) or not part.isidentifier():
        raise ValueError(f"{what} '{name}': give MODULE:CALLABLE of an installed package")
    return name


def part_of(what: str, name: str) -> Callable[..., Any]:
    """Return the callable that MODULE:CALLABLE names.

    Raises
    ------
    InputError
        If its package is not installed or broken, or has not marked it.
    """
    module, _, part = name.partition(":")
    try:
        found: Callable[..., Any] | None = getattr(importlib.import_module(module), part, None)
    except ModuleNotFoundError as error:
        raise InputError(f"{what} '{name}': '{error.name}' is not installed here: pip install its package") from error
    except Exception as error:
        raise InputError(f"{what} '{name}' cannot be imported ({error!r:.200}): repair its package") from error
    if found is None or not (getattr(found, _MARK, False) or (module in _OF_TORCH and callable(found))):
        raise InputError(f"{what} '{name}' is none: put @xsim_zoo.training_part above its function or class")
    return found
