"""Who takes part in an evaluation: a restorer as it was asked for, and the same one loaded and told its detectors."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim.errors import InputError, UnknownNameError, XsimWarning
from xsim.seeds import torch_seed
from xsim_zoo.evaluation.records import INPUT, TRUTH
from xsim_zoo.process.grid import Pixels
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.restorers.base import How, Restorer
from xsim_zoo.restorers.flips import averaged
from xsim_zoo.restorers.physics_sde import STARTS, PaperSDE
from xsim_zoo.restorers.registry import get, names
from xsim_zoo.weights.card import Card, shipped, suited, weights_path
from xsim_zoo.weights.checkpoint import load_checkpoint
from xsim_zoo.weights.loading import load

__all__ = ["Answering", "Competitor", "ImageItself", "LoadedCompetitor", "competitors_of"]

_PHYSICS_OF = "physics-sde"
"""Whose shipped physics, the paper's, stands for detectors that nobody has stated."""

_SAME_TABLES = 1e-6
"""Largest difference of two tables, over the table's largest value, that is rounding: a store and the weights of one
set-up differ by 1e-15, other set-ups by 1e-3 and more."""

_CHOICES = {
    "link": ("on", "off"),
    "flips": ("on", "off"),
    "detectors": ("data", "own", "told"),
    "grey": ("hr", "lr"),
    "start": ("", *STARTS),
}
"""Options of few values."""

_NUMBERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "steps": (int, "a whole number"),
    "eta": (float, "a number"),
    "sharpness": (float, "a number"),
}
"""Options that are numbers, and what messages call them."""


@dataclass(frozen=True)
class Competitor:
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
        Whether the grey-level link is used; without it the restorer takes LR grey for HR grey.
    detectors : str
        "data": restorers that work between any two detectors are told those that took the data, where the data say
        which, and weights of one pair of detectors keep their own. "own": all keep their own. "told": these too are
        told those of the data, as long as the pitch is theirs.
    grey : str
        Grey in which the answer is left: "hr", or "lr" to see what the link does.
    flips : bool
        Whether the answers to all eight orientations of an image are averaged, see `xsim_zoo.restorers.flips`; samples
        that are drawn with eta > 0 are single ones still.
    start : str
        What physics-sde-paper starts from, see `xsim_zoo.restorers.physics_sde.PaperSDE`; empty takes its weights' own.
    label : str
        What the tables call it; made from the rest if empty.
    """

    restorer: str
    weights: str | None = None
    steps: int | None = None
    eta: float = 0.0
    sharpness: float = 1.0
    link: bool = True
    detectors: str = "data"
    grey: str = "hr"
    flips: bool = False
    start: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        get(self.restorer)
        How(self.steps or get(self.restorer).default_steps, self.eta, self.sharpness)
        for option in ("detectors", "grey", "start"):
            if getattr(self, option) not in _CHOICES[option]:
                raise UnknownNameError(f"value of {option}", getattr(self, option), _CHOICES[option])
        if self.start and not issubclass(get(self.restorer), PaperSDE):
            raise InputError(f"'{self.restorer}' starts where it starts: give start= to physics-sde-paper only")
        if self.flips and self.eta > 0:
            raise InputError("flips average one answer, and eta > 0 draws another each time: give one of them")
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
    def parse(cls, text: str) -> Competitor:
        """Return the competitor that a text names.

        Parameters
        ----------
        text : str
            A restorer's name (``wiener``), shipped weights of another name (``universal``), weights on disk
            (``runs/mine``), or a name with options (``physics-sde:steps=1,link=off``); the options are the fields of
            this class.

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
        if name not in names() and name in shipped():
            restorer = load_checkpoint(name).card.restorer
            return cls(restorer, **{"weights": name, **({} if options else {"label": name}), **given})
        return cls(name, **given)

    def load(self, device: str) -> LoadedCompetitor:
        """Return it with its restorer and card; loaded once in each process.

        Raises
        ------
        XsimError
            See `xsim_zoo.load`.
        """
        return _load(self, device)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(key: str, value: str) -> Any:
    """Return an option's value in its type."""
    if value not in _CHOICES.get(key, (value,)):
        raise InputError(f"option {key}={value}: give {' or '.join(_CHOICES[key])}")
    kind, wanted = _NUMBERS.get(key, (str, ""))
    try:
        return value == "on" if key in {"link", "flips"} else kind(value)
    except ValueError:
        raise InputError(f"option {key}={value}: give {wanted}") from None


def competitors_of(wanted: Sequence[str | Competitor]) -> tuple[Competitor, ...]:
    """Return the competitors that texts name, in order.

    Raises
    ------
    InputError
        If there are none, or two carry one label.
    """
    found = tuple(item if isinstance(item, Competitor) else Competitor.parse(item) for item in wanted)
    labels = [competitor.label for competitor in found]
    if not labels:
        raise InputError("no restorers were named: give at least one, see `xsim zoo list`")
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"'{label}' was given twice: give one of them another label=")
    return found


@dataclass(frozen=True)
class ImageItself:
    """The LR image as it is, or the HR image: ``label`` says which."""

    label: str

    def answer(self, lr: NDArray[np.float32], hr: NDArray[np.float32], number: int) -> NDArray[np.float32]:  # noqa: ARG002
        """Return that image."""
        return lr if self.label == INPUT else hr


@dataclass(frozen=True)
class LoadedCompetitor:
    """A competitor with its restorer and the card of its weights.

    Parameters
    ----------
    competitor : Competitor
        As it was asked for.
    restorer : Restorer
        Told the detectors that it believes in.
    card : Card
        Of its weights.
    path : Path
        Where these are.
    seed : int
        Seed of the restorer's own noise.
    """

    competitor: Competitor
    restorer: Restorer
    card: Card
    path: Path
    seed: int = 0

    @property
    def label(self) -> str:
        """What the tables call it."""
        return self.competitor.label

    @property
    def steps(self) -> int:
        """Sampling steps that are taken."""
        return self.competitor.steps or self.restorer.default_steps

    @property
    def any_pitch(self) -> bool:
        """Whether it works between any two detectors, at any pitch: what learns nothing, or has learned many pairs."""
        able = bool(getattr(type(self.restorer), "adapts_to_detectors", True))
        return able and (self.restorer.many_detectors or not self.restorer.learned)

    @property
    def adapts(self) -> bool:
        """Whether it is to be told the detectors of the data."""
        kind = self.competitor.detectors
        return kind == "told" or (kind == "data" and self.any_pitch)

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides its answers besides the data: weights, physics, options and how it is run."""
        card, asked = self.card, self.competitor
        parts = [card.digest, card.physics, card.options, asked.restorer, self.steps]
        parts += [asked.eta, asked.sharpness, asked.link, asked.detectors, asked.grey, asked.flips, asked.start]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def between(self, detectors: Degradation | None) -> LoadedCompetitor:
        """Return it told what lies between the data's detectors; itself where it keeps its own or knows the same."""
        if detectors is None or not self.adapts:
            return self
        if not self.competitor.link:
            detectors = replace(detectors, link=GreyLink.identity())
        own = self.restorer.physics
        if _alike(own.degradation, detectors):
            return self
        return replace(self, restorer=self.restorer.with_physics(replace(own, degradation=detectors)))

    def answer(
        self,
        lr: NDArray[np.float32],
        hr: NDArray[np.float32] | None = None,  # noqa: ARG002
        number: int = 0,
        *,
        steps: int | None = None,
        eta: float | None = None,
    ) -> NDArray[np.float32]:
        """Restore LR image number ``number`` of a probe or of the data, (H, W).

        What is random in it comes from seed, number and restorer alone.
        """
        stage = f"evaluate-{self.competitor.restorer}"
        generator = torch.Generator().manual_seed(torch_seed(self.seed, sample=number, stage=stage))
        with warnings.catch_warnings():
            # What a missing link does is what such a competitor is here to show.
            warnings.simplefilter("ignore", XsimWarning)
            restore = partial(
                self.restorer.restore_array,
                steps=self.steps if steps is None else steps,
                eta=self.competitor.eta if eta is None else eta,
                sharpness=self.competitor.sharpness,
                noise=white_noise(generator, self.restorer.device),
            )
            x = averaged(Pixels.of(lr), restore) if self.competitor.flips and not eta else restore(lr)
        if self.competitor.grey == "hr":
            return x
        return np.asarray(self.restorer.physics.in_lr_grey(torch.from_numpy(x)))


Answering: TypeAlias = ImageItself | LoadedCompetitor
"""What a probe asks: a loaded competitor, or one of the two images, which frame its answers."""


@lru_cache(maxsize=16)
def _load(competitor: Competitor, device: str) -> LoadedCompetitor:
    weights = competitor.weights
    if weights is None:
        # As `xsim zoo run` does: some weights are for a number of steps only.
        found = suited(competitor.restorer, steps=competitor.steps, samples=competitor.eta > 0)
        weights = None if found is None else found[0]
    restorer = load(competitor.restorer, weights, device=device)
    usual = competitor.restorer if competitor.restorer in shipped() else _PHYSICS_OF
    path = weights_path(weights or usual)
    if restorer.awaits_detectors:
        # Weights of many detectors are told the paper's until the data say which they are.
        paper = load_checkpoint(weights_path(_PHYSICS_OF)).physics.degradation
        restorer = restorer.with_physics(replace(restorer.physics, degradation=paper))
    if isinstance(restorer, PaperSDE) and competitor.start:
        restorer = restorer.starting_at(competitor.start)
    if not competitor.link:
        degradation = replace(restorer.physics.degradation, link=GreyLink.identity())
        restorer = restorer.with_physics(replace(restorer.physics, degradation=degradation))
    return LoadedCompetitor(competitor, restorer, load_checkpoint(path).card, path)


def _alike(own: Degradation, told: Degradation) -> bool:
    """Say whether two degradations are one, up to rounding, in all that both of them state."""
    pairs: list[tuple[Any, Any]] = [(own.pitch_mm, told.pitch_mm), (own.excess_noise, told.excess_noise)]
    pairs += [(getattr(own, name), getattr(told, name)) for name in ("frequency_lp_mm", "B_1", "Sigma_1_mm2")]
    pairs += [(own.link.hr_grey, told.link.hr_grey), (own.link.lr_grey, told.link.lr_grey)]
    if own.mtf_hr is not None and told.mtf_hr is not None:
        pairs.append((own.mtf_hr, told.mtf_hr))
    return own.mode == told.mode and all(_close(np.asarray(a), np.asarray(b)) for a, b in pairs)


def _close(one: NDArray[np.float64], two: NDArray[np.float64]) -> bool:
    return one.shape == two.shape and float(np.abs(one - two).max()) <= _SAME_TABLES * float(np.abs(two).max() or 1.0)
