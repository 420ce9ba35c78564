"""Who takes part in an evaluation: a restorer with its weights, and how it is run."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from xsim.degradation.link import GreyLink
from xsim.errors import InputError, UnknownNameError, XsimWarning
from xsim.seeds import torch_seed
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.restorers.base import How
from xsim_zoo.restorers.registry import get, names
from xsim_zoo.weights.card import Card, shipped, weights_path
from xsim_zoo.weights.checkpoint import load_checkpoint
from xsim_zoo.weights.loading import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xsim_zoo.restorers.base import Restorer

__all__ = ["INPUT", "TRUTH", "Entrant", "Ready", "entrants_of"]

INPUT, TRUTH = "lr", "hr"
"""Labels of the LR image as it is and of the HR image, which stand beside the restorers in every table."""

_PHYSICS_OF = "physics-sde"


@dataclass(frozen=True)
class Entrant:
    """A restorer as it is to take part.

    Parameters
    ----------
    restorer : str
        A registered name.
    weights : str, optional
        A shipped name, a run folder or a tensor file; None takes the shipped ones.
    steps : int, optional
        Sampling steps; None takes the restorer's own.
    eta, sharpness : float
        See `xsim_zoo.restorers.base.How`.
    link : bool
        Whether the grey-level link of the weights is used; without it the restorer takes LR grey for HR grey.
    label : str
        What the tables call it; made from the rest if empty.
    """

    restorer: str
    weights: str | None = None
    steps: int | None = None
    eta: float = 0.0
    sharpness: float = 1.0
    link: bool = True
    label: str = ""

    def __post_init__(self) -> None:
        get(self.restorer)
        How(self.steps or get(self.restorer).default_steps, self.eta, self.sharpness)
        object.__setattr__(self, "label", self.label or self._usual_label())
        if self.label in {INPUT, TRUTH}:
            raise InputError(f"label '{self.label}' is taken by the image itself: give another label=")

    def _usual_label(self) -> str:
        said = [
            f"{item.name}={Path(value).name if item.name == 'weights' else _text(value)}"
            for item in fields(self)
            if item.name not in {"restorer", "label"} and (value := getattr(self, item.name)) != item.default
        ]
        return self.restorer + (f" ({', '.join(said)})" if said else "")

    @classmethod
    def parse(cls, text: str) -> Entrant:
        """Return the entrant that a text names.

        Parameters
        ----------
        text : str
            A restorer's name (``wiener``), weights on disk (``runs/mine``), or a name with options
            (``physics-sde:steps=1,link=off``); the options are the fields of this class.

        Raises
        ------
        UnknownNameError
            If there is no such restorer or option.
        InputError
            If an option's value cannot be used.
        """
        if text not in names() and Path(text).exists():
            return cls(load_checkpoint(text).card.restorer, weights=text)
        name, _, options = text.partition(":")
        known = {item.name for item in fields(cls)} - {"restorer"}
        given: dict[str, Any] = {}
        for part in filter(None, options.split(",")):
            key, _, value = part.partition("=")
            if key not in known:
                raise UnknownNameError("option of a restorer", key, known)
            given[key] = _value(key, value)
        return cls(name, **given)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(key: str, value: str) -> Any:
    """Return an option's value in its type."""
    try:
        if key == "link":
            return {"on": True, "off": False}[value]
        return {"steps": int, "eta": float, "sharpness": float}.get(key, str)(value)
    except (KeyError, ValueError):
        allowed = {"link": "on or off", "steps": "a whole number"}.get(key, "a number")
        raise InputError(f"option {key}={value}: give {allowed}") from None


def entrants_of(wanted: Sequence[str | Entrant]) -> tuple[Entrant, ...]:
    """Return the entrants that texts name, in order.

    Raises
    ------
    InputError
        If there are none, or two carry one label.
    """
    entrants = tuple(item if isinstance(item, Entrant) else Entrant.parse(item) for item in wanted)
    labels = [entrant.label for entrant in entrants]
    if not labels:
        raise InputError("no restorers were named: give at least one, see `xsim zoo list`")
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"'{label}' was given twice: give one of them another label=")
    return entrants


@dataclass(frozen=True)
class Ready:
    """An entrant with its loaded restorer and the card of its weights."""

    entrant: Entrant
    restorer: Restorer
    card: Card
    path: Path

    @classmethod
    @lru_cache(maxsize=16)
    def load(cls, entrant: Entrant, device: str) -> Ready:
        """Load the restorer, once in each process.

        Raises
        ------
        XsimError
            See `xsim_zoo.load`.
        """
        restorer = load(entrant.restorer, entrant.weights, device=device)
        path = weights_path(entrant.weights or _shipped_name(entrant.restorer))
        if restorer.awaits_detectors:
            # Weights of many detectors are told those of the shipped physics-sde, the paper's.
            paper = load_checkpoint(weights_path(_PHYSICS_OF)).physics.degradation
            restorer = restorer.with_physics(replace(restorer.physics, degradation=paper))
        if not entrant.link:
            degradation = replace(restorer.physics.degradation, link=GreyLink.identity())
            restorer = restorer.with_physics(Physics(degradation, restorer.physics.spectrum))
        return cls(entrant, restorer, load_checkpoint(path).card, path)

    @property
    def steps(self) -> int:
        """Sampling steps that are taken."""
        return self.entrant.steps or self.restorer.default_steps

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides this entrant's answers: weights, physics, options and how it is run."""
        card = self.card
        parts = [card.digest, card.physics, card.options, self.entrant.restorer, self.steps]
        parts += [self.entrant.eta, self.entrant.sharpness, self.entrant.link]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def answer(
        self, y: NDArray[np.float32], *, seed: int, sample: int, steps: int | None = None, eta: float | None = None
    ) -> NDArray[np.float32]:
        """Restore an LR image (H, W); what is random in it comes from (seed, sample) and the restorer alone."""
        generator = torch.Generator().manual_seed(
            torch_seed(seed, sample=sample, stage=f"evaluate-{self.entrant.restorer}")
        )
        with warnings.catch_warnings():
            # What a missing link does is what such an entrant is here to show.
            warnings.simplefilter("ignore", XsimWarning)
            return self.restorer.restore_array(
                y,
                steps=self.steps if steps is None else steps,
                eta=self.entrant.eta if eta is None else eta,
                sharpness=self.entrant.sharpness,
                noise=white_noise(generator, self.restorer.device),
            )


def _shipped_name(restorer: str) -> str:
    return restorer if restorer in shipped() else _PHYSICS_OF
