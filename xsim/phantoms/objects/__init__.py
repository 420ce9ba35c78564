"""Objects beyond boards, drawn from a seed: castings, welds, machined and assembled parts, wedges, textures."""

from __future__ import annotations

from xsim.phantoms.objects import castings, machined, textures, wedges, welds
from xsim.phantoms.objects.castings import random_casting
from xsim.phantoms.objects.machined import random_machined
from xsim.phantoms.objects.textures import random_texture
from xsim.phantoms.objects.wedges import random_wedge
from xsim.phantoms.objects.welds import random_weld
from xsim.phantoms.objects.workpiece import DrawObject

__all__ = [
    "MATERIALS",
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
MATERIALS: dict[str, tuple[str, ...]] = {
    "casting": castings.MATERIALS,
    "weld": welds.MATERIALS,
    "machined": machined.MATERIALS,
    "wedge": wedges.MATERIALS,
    "texture": textures.MATERIALS,
}
"""What each kind is usually made of; a name that stands twice is drawn twice as often."""
