"""Restorers by name. A new one is a file with a ``@register`` class and one line in ``_BUILTIN``.

The table lets a name be looked up, and a wrong one refused, before torch is imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, TypeVar

from xsim.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from xsim_zoo.restorers.base import Restorer

__all__ = ["check_name", "get", "names", "register"]

# name -> module that registers it
_BUILTIN: Final = {
    "cdm": "xsim_zoo.restorers.cdm",
    "physics-sde": "xsim_zoo.restorers.physics_sde",
    "physics-sde-paper": "xsim_zoo.restorers.physics_sde",
    "richardson-lucy": "xsim_zoo.restorers.classical",
    "tv": "xsim_zoo.restorers.classical",
    "unet": "xsim_zoo.restorers.regression",
    "unet-log": "xsim_zoo.restorers.regression",
    "unet-wiener": "xsim_zoo.restorers.regression",
    "wiener": "xsim_zoo.restorers.classical",
}

_registry: dict[str, type[Restorer]] = {}

R = TypeVar("R", bound="type[Restorer]")


def register(name: str) -> Callable[[R], R]:
    """Register a restorer class under a kebab-case name.

    Raises
    ------
    InputError
        If another class holds the name.
    """

    def add(restorer: R) -> R:
        holder = _registry.get(name)
        owner = _BUILTIN.get(name, restorer.__module__) if holder is None else holder.__module__
        if owner != restorer.__module__ or (holder and holder.__qualname__ != restorer.__qualname__):
            raise InputError(f"restorer '{name}' is registered already by {owner}: take another name")
        _registry[name] = restorer
        restorer.name = name
        return restorer

    return add


def names() -> list[str]:
    """Return the names of all restorers, sorted."""
    return sorted({*_BUILTIN, *_registry})


def check_name(name: str) -> str:
    """Return ``name`` if a restorer is called so; nothing is imported for it.

    Raises
    ------
    UnknownNameError
        If there is none; the nearest names are suggested.
    """
    known = names()
    if name not in known:
        raise UnknownNameError("restorer", name, known)
    return name


def get(name: str) -> type[Restorer]:
    """Return the restorer class called ``name``.

    Raises
    ------
    UnknownNameError
        If there is none; the nearest names are suggested.
    """
    if check_name(name) not in _registry:
        importlib.import_module(_BUILTIN[name])
    return _registry[name]
