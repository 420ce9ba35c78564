"""What a Gerber or Excellon file asks for, counted before it is parsed: a few lines can ask for the work of years.

Parsers do what a file says: step and repeat 10,000,000,000 times, corners by the billion, macros whose variables double
from line to line. The standards set bounds to some of it (Gerber layer format 2024.05, 4.4 and 4.11), boards to the
rest.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from xsim.errors import InputError

__all__ = ["MOST_SHAPES", "REACH_MM", "check_apertures", "check_text"]

MOST_SHAPES = 2_000_000
"""Shapes of a layer; dense boards have a few hundred thousand."""

REACH_MM = 1e4
"""How far a board may reach, and its apertures and arcs [mm]; panels are 0.6 m long."""

# Digits of a number: coordinates have 4 + 6 at most, and NC programs no more.
_MOST_DIGITS = 24
# Corners of a regular polygon (4.4.5 and 4.5.1.7 of the format).
_CORNERS = (3, 12)
# Rings of a moire; the standard's example has three.
_MOST_RINGS = 1000
# Terms of an expression, with those of the variables in it.
_MOST_TERMS = 10_000

_LONG_NUMBER = re.compile(rf"[XYIJ][-+]?[\d.]{{{_MOST_DIGITS + 1},}}")
_APERTURE = re.compile(r"%?ADD\d+([^,*%]+),?([^*%]*)\*")
_MODIFIER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")
_MACRO = re.compile(r"%AM([^*%]*)\*([^%]*)%")
_VARIABLE = re.compile(r"\$(\d+)")
_REPEAT = re.compile(r"(?:^|[%*])SRX(\d+)Y(\d+)", re.MULTILINE)
_REPEATED_HOLE = re.compile(r"^R(\d+)", re.MULTILINE)


def check_text(path: Path, text: str, kind: str) -> None:
    """Refuse a file that asks for more than boards have.

    Parameters
    ----------
    path : Path
        Where it is from, for the message.
    text : str
        What it says.
    kind : str
        "gerber" or "drill".

    Raises
    ------
    InputError
        Naming what it asks for.
    """
    if (long := _LONG_NUMBER.search(text)) is not None:
        raise _too_much(path, f"says a coordinate of {len(long[0]) - 1} digits")
    if kind == "drill":
        holes = sum(_count(number) for number in _REPEATED_HOLE.findall(text))
        if holes > MOST_SHAPES:
            raise _too_much(path, f"repeats {holes:.3g} holes")
        return
    for form, modifiers in _APERTURE.findall(text):
        _check_aperture(path, form, modifiers)
    for name, body in _MACRO.findall(text):
        _check_macro(path, name, body)
    _check_repeats(path, text)


def _too_much(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}, which no board has: export it again")


def _count(digits: str) -> float:
    # Python refuses whole numbers of thousands of digits.
    return float(digits[:300])


def _check_aperture(path: Path, form: str, modifiers: str) -> None:
    """Refuse sizes that are no lengths, or no board's; and polygons that have no or too many corners."""
    given = [part.strip() for part in re.split("[Xx]", modifiers) if part.strip()]
    for part in given:
        # NaN and exponents are no numbers of the format.
        if not _MODIFIER.fullmatch(part) or abs(float(part)) > REACH_MM:
            raise _too_much(path, f"has an aperture of size {part[:20]}")
    if form == "P" and len(given) > 1 and not _CORNERS[0] <= float(given[1]) <= _CORNERS[1]:
        raise _too_much(path, f"has a polygon of {given[1][:20]} corners")


def _check_macro(path: Path, name: str, body: str) -> None:
    """Refuse a macro whose expressions grow beyond reason as their variables are put in."""
    terms: dict[str, int] = {}
    for statement in body.split("*"):
        target, found, expression = statement.strip().partition("=")
        used = _VARIABLE.findall(expression if found else statement)
        size = 1 + sum(terms.get(variable, 1) for variable in used)
        if size > _MOST_TERMS:
            raise _too_much(path, f"has a macro ({name[:20]}) of more than {_MOST_TERMS} terms")
        if found:
            terms[target.strip().lstrip("$")] = size


def _check_repeats(path: Path, text: str) -> None:
    """Refuse steps and repeats that make more shapes than a board has; a block ends where the next one begins."""
    starts = list(_REPEAT.finditer(text))
    for match, following in zip(starts, [*starts[1:], None], strict=False):
        end = text.find("SR*", match.end())
        last = min(end if end >= 0 else len(text), following.start() if following else len(text))
        shapes = _count(match[1]) * _count(match[2]) * max(text.count("*", match.end(), last), 1)
        if shapes > MOST_SHAPES:
            raise _too_much(path, f"repeats {shapes:.3g} shapes")


def check_apertures(path: Path, objects: list[Any]) -> None:
    """Refuse macros that come to polygons or rings without bounds once their variables are known.

    Parameters
    ----------
    path : Path
        Where they are from, for the message.
    objects : list
        What gerbonara parsed.

    Raises
    ------
    InputError
        Naming what a macro asks for.
    """
    seen: set[int] = set()
    for item in objects:
        aperture: Any = getattr(item, "aperture", None)
        if id(aperture) in seen or type(aperture).__name__ != "ApertureMacroInstance":
            continue
        seen.add(id(aperture))
        binding = dict(enumerate(aperture.parameters, start=1))
        for primitive in aperture.macro.primitives:
            kind = type(primitive).__name__
            if kind not in {"Polygon", "Moire"}:
                continue
            with primitive.Calculator(primitive, binding, aperture.unit) as values:
                number = float(values.n_vertices if kind == "Polygon" else values.num_circles)
            low, high = _CORNERS if kind == "Polygon" else (0, _MOST_RINGS)
            if not (math.isfinite(number) and low <= number <= high):
                what = "corners" if kind == "Polygon" else "rings"
                raise _too_much(path, f"has a macro of {number:.4g} {what}")
