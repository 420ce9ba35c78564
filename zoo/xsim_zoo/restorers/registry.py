"""Restorers by name. A new one is a file with a ``@register`` class and one line in ``_BUILTIN``.

The table lets a name be looked up, and a wrong one refused, before torch is imported. Other packages add theirs by
entry points of the group ``xsim.restorers``, see `xsim.plugins`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, TypeVar

from xsim.errors import InputError, UnknownNameError
from xsim.keywords import names_keywords
from xsim.plugins import Plugin, plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from xsim_zoo.restorers.base import Restorer

__all__ = ["check_name", "get", "names", "plugin_of", "register"]

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

# Found by name, and never offered: what tables compare with, and nobody restores with.
_UNLISTED: Final = {"lr-linked": "xsim_zoo.restorers.classical"}
_OWN: Final = _BUILTIN | _UNLISTED

_GROUP: Final = "xsim.restorers"

_registry: dict[str, type[Restorer]] = {}

R = TypeVar("R", bound="type[Restorer]")


@names_keywords
def register(name: str) -> Callable[[R], R]:
    """Register a restorer class under a kebab-case name.

    Raises
    ------
    InputError
        If another class holds the name.
    """

    def add(restorer: R) -> R:
        holder = _registry.get(name)
        owner = _OWN.get(name, restorer.__module__) if holder is None else holder.__module__
        if owner != restorer.__module__ or (holder and holder.__qualname__ != restorer.__qualname__):
            raise InputError(f"restorer '{name}' is registered already by {owner}: take another name")
        _registry[name] = restorer
        restorer.name = name
        return restorer

    return add


def names() -> list[str]:
    """Return the names of all restorers, sorted; those of other packages too, which are not imported for it."""
    return sorted({*_BUILTIN, *_registry, *plugins(_GROUP, _OWN)} - _UNLISTED.keys())


def plugin_of(name: str) -> Plugin | None:
    """Return the plugin that adds a restorer, None of xsim's own."""
    return plugins(_GROUP, _OWN).get(name)


def check_name(name: str) -> str:
    """Return ``name`` if a restorer is called so; nothing is imported for it.

    Raises
    ------
    UnknownNameError
        If there is none; the nearest names are suggested.
    """
    known = names()
    if name not in known and name not in _UNLISTED:
        raise UnknownNameError("restorer", name, known)
    return name


@names_keywords
def get(name: str) -> type[Restorer]:
    """Return the restorer class called ``name``.

    Raises
    ------
    UnknownNameError
        If there is none; the nearest names are suggested.
    InputError
        If it belongs to another package that cannot be imported.
    """
    if check_name(name) not in _registry:
        if name in _OWN:
            importlib.import_module(_OWN[name])
        else:
            _load(plugins(_GROUP, _OWN)[name])
    return _registry[name]


def _load(plugin: Plugin) -> None:
    """Import a restorer of another package and register it, unless its module has done so."""
    from xsim_zoo.restorers.base import Restorer  # noqa: PLC0415  (torch, only when a restorer is used)

    found = plugin.load()
    if not (isinstance(found, type) and issubclass(found, Restorer)):
        raise plugin.broken(f"{plugin.value} is no class of xsim_zoo.Restorer")
    own = found.__dict__.get("name", plugin.name)  # not one that it inherits
    if own != plugin.name:
        raise plugin.broken(f"{plugin.value} calls itself '{own}'")
    try:
        register(plugin.name)(found)
    except InputError as error:
        raise plugin.broken(str(error)) from error
