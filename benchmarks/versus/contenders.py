"""Who takes part: every restorer with its weights, and the ways in which the physics-informed one can be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import xsim_zoo
from xsim.errors import InputError, MissingFileError
from xsim_zoo.evaluation.entrants import Entrant, Ready
from xsim_zoo.weights.card import shipped
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xsim.degradation.degradation import Degradation

__all__ = ["CHAMPION", "contenders", "parse_weights", "plain_rows", "with_degradation"]

CHAMPION: Final = "physics-sde N=3"
"""The row that the others are compared with: physics-sde at its default number of steps."""

# From the simplest to the one that this table is about.
_ORDER: Final = (
    "wiener",
    "richardson-lucy",
    "tv",
    "unet",
    "unet-log",
    "unet-wiener",
    "cdm",
    "physics-sde-paper",
    "physics-sde",
)
_BRIDGE: Final = "physics-sde"
_STEPS: Final = (1, 3, 5)
_KNOB: Final = 0.5


def parse_weights(words: Sequence[str]) -> dict[str, str]:
    """Return label -> path of ``NAME=PATH`` words.

    Raises
    ------
    InputError
        If a word is not of that form.
    """
    found = {}
    for word in words:
        label, sign, path = word.rpartition("=")
        if not (label and sign and path):
            raise InputError(f"--weights {word}: is not NAME=PATH: write for example --weights unet=runs/unet")
        found[label] = path
    return found


def contenders(weights: Mapping[str, str]) -> tuple[tuple[Entrant, ...], dict[str, str]]:
    """Return everyone who takes part, and for each absent restorer the reason.

    Weights whose label is a restorer's name replace the shipped ones; any other label is a row of its own, and so
    are weights that are shipped under another name than their restorer's.

    Parameters
    ----------
    weights : mapping of label to path
        As `parse_weights` returns them.
    """
    names = [*_ORDER, *(name for name in xsim_zoo.names() if name not in _ORDER)]
    found: list[Entrant] = []
    absent: dict[str, str] = {}
    for name in names:
        # What learns nothing takes the physics that the restorer of this table knows.
        physics = None if xsim_zoo.get(name).learned else weights.get(_BRIDGE)
        entrant = Entrant(name, weights.get(name, physics), label=name)
        try:
            Ready.load(entrant, "cpu")
        except MissingFileError as error:
            absent[name] = str(error)
        else:
            found += _rows(entrant)
    others = {**{label: str(path) for label, path in shipped().items()}, **weights}
    for label, path in others.items():
        if label not in names:
            found += _rows(Entrant(load_checkpoint(path).card.restorer, path, label=label))
    return tuple(found), absent


def _rows(entrant: Entrant) -> list[Entrant]:
    """Return the rows of a restorer: one, or for a bridge its steps and its knob between fidelity and sharpness."""
    if entrant.restorer != _BRIDGE:
        return [entrant]
    name = entrant.label
    rows = [replace(entrant, steps=steps, label=f"{name} N={steps}") for steps in _STEPS]
    if name == _BRIDGE:
        last = _STEPS[-1]
        rows.append(replace(entrant, steps=last, sharpness=_KNOB, label=f"{name} N={last}, sharpness {_KNOB:g}"))
    return rows


def plain_rows(rows: Sequence[Entrant]) -> list[Entrant]:
    """Return the rows of restorers at their own number of steps."""
    return [row for row in rows if row.steps in {None, xsim_zoo.get(row.restorer).default_steps}]


def with_degradation(ready: Ready, degradation: Degradation) -> Ready:
    """Return a restorer told of the detectors that really took the images; its network and prior stay."""
    physics = replace(ready.restorer.physics, degradation=degradation)
    return replace(ready, restorer=ready.restorer.with_physics(physics))
