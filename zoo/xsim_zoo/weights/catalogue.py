"""What the zoo holds, for people and programs: names, shipped weights, cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xsim_zoo.restorers.registry import get, names
from xsim_zoo.weights.card import Card, shipped
from xsim_zoo.weights.checkpoint import load_checkpoint
from xsim_zoo.weights.loading import load

if TYPE_CHECKING:
    from pathlib import Path

    from xsim_zoo.restorers.base import Restorer

__all__ = ["describe", "limits_of", "list_restorers"]


def list_restorers() -> list[dict[str, Any]]:
    """Return every restorer with the weights that are shipped for it, checked as they are read."""
    of_restorer: dict[str, list[dict[str, Any]]] = {name: [] for name in names()}
    for weights, path in shipped().items():
        card = load_checkpoint(path).card
        of_restorer.setdefault(card.restorer, []).append(
            {
                "name": weights,
                "parameters": card.parameters,
                "bytes": path.stat().st_size if card.digest else 0,
                "digest": card.digest,
                "pitch_mm": card.physics["degradation"]["pitch_mm"],
            }
        )
    return [{"name": name, **_facts(get(name)), "weights": of_restorer[name]} for name in names()]


def _facts(cls: type[Restorer]) -> dict[str, bool]:
    return {"learned": cls.learned, "samples_posterior": cls.samples, "adapts_to_detectors": cls.adapts_to_detectors}


def describe(name: str, weights: str | Path | None = None) -> dict[str, Any]:
    """Return what a restorer is, and the card of its weights (None where none are shipped).

    The weights are loaded whole, so that a card is shown only of what would run.

    Raises
    ------
    UnknownNameError
        If there is no such restorer.
    XsimError
        See `xsim_zoo.weights.loading.load`.
    """
    cls = get(name)
    source = shipped().get(name) if weights is None else weights
    card: Card | None = None
    if source is not None:
        load(name, source, device="cpu")
        card = load_checkpoint(source).card
    return {
        "name": name,
        **_facts(cls),
        "default_steps": cls.default_steps,
        "about": (cls.__doc__ or "").strip().splitlines()[0],
        "card": None if card is None else card.to_dict(),
        "limits": [] if card is None else limits_of(card),
    }


def limits_of(card: Card) -> list[str]:
    """Return what weights are not proven for, one sentence each."""
    pitch_mm = card.physics["degradation"]["pitch_mm"]
    setups, pairs = card.data.get("setups", 1), card.data.get("pairs", 0)
    if setups > 1:
        said = [f"learned {setups} pairs of detectors: tell it yours with --detectors"]
    elif get(card.restorer).adapts_to_detectors:
        said = [f"pixels of {pitch_mm:g} mm and the detectors of its card; others at this pitch with --detectors"]
    else:
        said = [f"pixels of {pitch_mm:g} mm and the detectors of its card, no others: its network has learned one blur"]
    if card.digest:
        data = card.data.get("name") or "unnamed data"
        said += [
            f"learned from {pairs} pairs of {data}: on other objects look at the consistency verdict",
            "scores are of held-out pairs of the same data: a closed loop until pairs of your own confirm them",
        ]
    return said
