"""Restorers by name. A new one is a file with a ``@register`` class and one line in ``_BUILTIN``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, TypeVar

from xsim.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from xsim_zoo.restorer import Restorer

__all__ = ["get", "names", "register"]

_BUILTIN = (
    "xsim_zoo.cdm",
    "xsim_zoo.physics_sde",
    "xsim_zoo.physics_sde_paper",
    "xsim_zoo.regression",
    "xsim_zoo.richardson_lucy",
    "xsim_zoo.tv",
    "xsim_zoo.wiener",
)

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
        holder = _registry.setdefault(name, restorer)
        if holder is not restorer and holder.__qualname__ != restorer.__qualname__:
            raise InputError(f"restorer '{name}' is registered already by {holder.__qualname__}: take another name")
        _registry[name] = restorer
        restorer.name = name
        return restorer

    return add


def _fill() -> None:
    for module in _BUILTIN:
        importlib.import_module(module)


def names() -> list[str]:
    """Return the names of all restorers, sorted."""
    _fill()
    return sorted(_registry)


def get(name: str) -> type[Restorer]:
    """Return the restorer class called ``name``.

    Raises
    ------
    UnknownNameError
        If there is none; the nearest names are suggested.
    """
    _fill()
    if name not in _registry:
        raise UnknownNameError("restorer", name, _registry)
    return _registry[name]
