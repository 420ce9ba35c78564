"""Kinds of objects by name: xsim's own, and those of other packages (entry points of the group ``xsim.phantoms``).

An entry is a function that draws as `DrawObject` says; its attribute ``materials``, if it has one, names what the kind
is usually made of.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from xsim.errors import UnknownNameError
from xsim.phantoms.objects import MATERIALS, OBJECTS
from xsim.phantoms.objects.workpiece import DrawObject
from xsim.plugins import plugins

__all__ = ["RESERVED", "drawer", "object_names", "usual_materials"]

RESERVED = ("random", "gerber", "target", "mesh", "phantoms", "plugin")
"""Other sources of phantoms, which recipes and the program know by these names."""

_USUAL = ("Al",)
"""What an object of another package is made of that does not say it: what most castings are made of."""


def _taken() -> Collection[str]:
    return {*OBJECTS, *RESERVED}


def object_names() -> list[str]:
    """Return the names of all kinds, xsim's own first; nothing of another package is imported."""
    return [*OBJECTS, *plugins("xsim.phantoms", _taken())]


def drawer(name: str) -> DrawObject:
    """Return what draws a kind of object.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    InputError
        If it belongs to another package that cannot be used.
    """
    if name in OBJECTS:
        return OBJECTS[name]
    plugin = plugins("xsim.phantoms", _taken()).get(name)
    if plugin is None:
        raise UnknownNameError("kind of object", name, object_names())
    draw = plugin.load()
    if not callable(draw):
        raise plugin.broken(f"{plugin.value} is no function")
    return cast("DrawObject", draw)


def usual_materials(name: str) -> tuple[str, ...]:
    """Return what a kind of object is usually made of."""
    return MATERIALS[name] if name in MATERIALS else tuple(getattr(drawer(name), "materials", _USUAL))
