"""Objects beyond boards, drawn from a seed: castings, welds, machined and assembled parts, wedges, textures."""

from __future__ import annotations

from xsim.phantoms.objects.castings import random_casting
from xsim.phantoms.objects.machined import random_machined
from xsim.phantoms.objects.textures import random_texture
from xsim.phantoms.objects.wedges import random_wedge
from xsim.phantoms.objects.welds import random_weld
from xsim.phantoms.objects.workpiece import DrawObject

__all__ = [
    "OBJECTS",
    "random_casting",
    "random_machined",
    "random_texture",
    "random_wedge",
    "random_weld",
]

OBJECTS: dict[str, DrawObject] = {
    "casting": random_casting,
    "weld": random_weld,
    "machined": random_machined,
    "wedge": random_wedge,
    "texture": random_texture,
}
"""Kinds of objects by the names that the program and the recipes use."""
