"""Screens by product class, each with optical constants of its own.

The mass thicknesses are those of the product classes; the optical constants are fits to remembered reference curves,
good to some 15 % in MTF. Fit them to your own measurements (`xsim.detector.optics_fit`) before trusting them further.
"""

from __future__ import annotations

from typing import Final

from xsim.detector.light_transport import OPTICS
from xsim.detector.screen import Screen
from xsim.errors import UnknownNameError

__all__ = ["PRODUCTS", "screen_product"]

PRODUCTS: Final[dict[str, Screen]] = {
    # Thin screens of fine grain measure sharper than one set of constants for all thicknesses says.
    "fine": Screen(34.0, optics=OPTICS["fine-grain"]),
    "fine-dyed": Screen(34.0, optics=OPTICS["dyed"]),
    "regular": Screen(70.0),
    "standard-plus": Screen(100.0),
    "fast": Screen(134.0),
    # The two screens of the seed paper, with the constants that fit all thicknesses at once.
    "paper-hr": Screen(33.91),
    "paper-lr": Screen(134.55),
}


def screen_product(name: str) -> Screen:
    """Return a screen by product class.

    Raises
    ------
    UnknownNameError
        Naming the nearest names.
    """
    if name not in PRODUCTS:
        raise UnknownNameError("screen", name, PRODUCTS)
    return PRODUCTS[name]
