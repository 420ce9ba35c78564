"""Who takes part in the headline: the rows of its two tables, and where the weights of each come from.

Within a table all rows know the same. Nobody in the first is told the grey-level link, in training or after; all in the
second are told it. Weights are those that ship; the others are runs of `zoo/train_weights.py`, in folders of its names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headline_figures import CHAMPION, LR, PAPER, SPECIALISED, TOLD, UNIVERSAL

import xsim_zoo
from xsim.errors import InputError, UnknownNameError
from xsim_zoo.evaluation import Competitor
from xsim_zoo.restorers.classical import LINKED_LR
from xsim_zoo.weights.card import shipped
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headline_sets import TestSet

__all__ = ["Cast", "Row", "Weights", "cast_of", "parse_weights"]

_PHYSICS_OF: Final = "physics-sde"
_SAMPLES: Final = "physics-sde-samples"

SEEDED: Final = (
    *("physics-sde", "unet-wiener", "unet-wiener-small"),
    *("physics-sde-paper", "cdm-untold", "unet-untold"),
)
"""Weights that the leads are about, and that are trained from several seeds for that."""

# Where `zoo/train_weights.py -o FOLDER specialised` leaves the model of each condition.
_SPECIALISED: Final = {
    "dose x 1/4": "dose-quarter",
    "dose x 4": "dose-4",
    "80 mg/cm2": "screen-80",
    "220 mg/cm2": "screen-220",
}


@dataclass(frozen=True)
class _Entry:
    """One row as it is planned; ``weights`` is a name of `zoo/train_weights.py`, empty where nothing is learned."""

    label: str
    restorer: str
    weights: str = ""
    told: bool = True
    detectors: bool = False  # judged on other detectors as well
    options: tuple[tuple[str, Any], ...] = ()


_UNTOLD: Final = (
    _Entry(PAPER, "physics-sde-paper", "physics-sde-paper", told=False, options=(("steps", 3),)),
    _Entry("cdm-untold", "cdm", "cdm-untold", told=False),
    _Entry("unet-untold", "unet", "unet-untold", told=False),
    _Entry("paper-independent N=3", "physics-sde-paper", "paper-independent", told=False, options=(("steps", 3),)),
    _Entry(
        "paper-independent N=3, started at h^-1(y)",
        "physics-sde-paper",
        "paper-independent",
        told=False,
        options=(("steps", 3), ("start", "linked")),
    ),
)

_ONE_STEP: Final = "physics-sde-one-step"
_TOLD: Final = (
    _Entry(LR, LINKED_LR, detectors=True),
    _Entry("wiener", "wiener", detectors=True),
    _Entry("richardson-lucy", "richardson-lucy", detectors=True),
    _Entry("tv", "tv", detectors=True),
    _Entry("cdm", "cdm", "cdm", detectors=True),
    _Entry("unet", "unet", "unet", detectors=True),
    _Entry("unet-log", "unet-log", "unet-log", detectors=True),
    _Entry("unet-wiener", "unet-wiener", "unet-wiener", detectors=True),
    _Entry("unet-wiener-small", "unet-wiener", "unet-wiener-small"),
    _Entry("unet-wiener-whole", "unet-wiener", "unet-wiener-whole"),
    _Entry("unet-wiener, flips", "unet-wiener", "unet-wiener", options=(("flips", True),)),
    _Entry(f"{_ONE_STEP} N=1", "physics-sde", _ONE_STEP, options=(("steps", 1),)),
    _Entry(f"{_SAMPLES} N=3", "physics-sde", _SAMPLES, options=(("steps", 3),)),
    _Entry(UNIVERSAL, "physics-sde", "universal", detectors=True, options=(("steps", 3),)),
    _Entry(CHAMPION, "physics-sde", "physics-sde", detectors=True, options=(("steps", 3),)),
    _Entry(f"{CHAMPION}, flips", "physics-sde", "physics-sde", options=(("steps", 3), ("flips", True))),
)
_NAMED: Final = {entry.weights or entry.restorer for entry in (*_UNTOLD, *_TOLD)}


@dataclass(frozen=True)
class Row:
    """One row: who takes part, in which table, and whether it is judged on other detectors as well."""

    competitor: Competitor
    told: bool
    detectors: bool = False

    @property
    def label(self) -> str:
        """What the tables call it."""
        return self.competitor.label


@dataclass(frozen=True)
class Weights:
    """Where weights are looked for: where they were said to be, then what ships, then a folder of runs.

    Parameters
    ----------
    said : mapping
        Paths by name.
    trained : Path, optional
        Folder of `zoo/train_weights.py`; training seeds beside 0 have a suffix, as in ``unet-seed1``. Or the folder
        ``runs`` of the study `benchmarks/headline_study.toml`, where 0 has one, too.
    """

    said: Mapping[str, str]
    trained: Path | None = None

    def find(self, name: str, seed: int = 0) -> str | None:
        """Return the path of weights, None where there are none."""
        if not seed and name in self.said:
            return self.said[name]
        if not seed and name in shipped():
            return str(shipped()[name])
        if self.trained is None:
            return None
        runs = [self.trained / called for called in (f"{name}-seed{seed}", *(() if seed else (name,)))]
        return next((str(run) for run in runs if (run / "weights.safetensors").is_file()), None)

    def command(self, name: str, seed: int = 0) -> str:
        """Return the command that makes them, and what to do then."""
        other = f" --seed {seed}" if seed else ""
        folder = self.trained or "FOLDER"
        return f"python zoo/train_weights.py -o {folder} {name}{other}, then --trained {folder}"

    def seeds(self) -> list[int]:
        """Return the training seeds beside 0 that the folder holds runs of."""
        runs = [] if self.trained is None else [path.parent.name for path in self.trained.glob("*/weights.safetensors")]
        found = (re.fullmatch(r"(.+)-seed(\d+)", name) for name in runs)
        return sorted({int(one[2]) for one in found if one and one[1] in SEEDED} - {0})


@dataclass(frozen=True)
class Cast:
    """Everyone who takes part.

    Parameters
    ----------
    rows : tuple of Row
        Those of seed 0, table by table.
    seeds : dict
        For each other training seed the rows that the leads are about, under the same labels.
    absent : dict
        What does not take part, and the command that makes it.
    samples : Competitor or None
        Whose posterior samples are drawn.
    weights : Weights
        Where they were looked for.
    """

    rows: tuple[Row, ...]
    seeds: dict[int, tuple[Row, ...]]
    absent: dict[str, str]
    samples: Competitor | None
    weights: Weights

    def labels(self, *, told: bool) -> list[str]:
        """Return the labels of one of the tables."""
        return [row.label for row in self.rows if row.told == told]

    def only(self, labels: Sequence[str]) -> Cast:
        """Return the same with some rows only, those of other training seeds among them.

        Raises
        ------
        UnknownNameError
            If a row is not there.
        """
        known = [row.label for row in self.rows]
        for label in labels:
            if label not in known:
                raise UnknownNameError("row", label, known)
        seeds = {seed: tuple(row for row in rows if row.label in labels) for seed, rows in self.seeds.items()}
        return replace(
            self,
            rows=tuple(row for row in self.rows if row.label in labels),
            seeds={seed: rows for seed, rows in seeds.items() if rows},
        )

    def on(self, test_set: TestSet) -> list[Competitor]:
        """Return who is judged on a set.

        With the paper's detectors all are. With others those whose task it is are, as their weights know the
        detectors and told of the right ones, beside a model that was trained on these very detectors.
        """
        if test_set.condition == "paper":
            return [row.competitor for row in self.rows]
        plain = [row.competitor for row in self.rows if row.detectors]
        found = [replace(one, detectors="own") for one in plain]
        found += [replace(one, detectors="told", label=one.label + TOLD) for one in plain if one.label != LR]
        if (name := _SPECIALISED.get(test_set.condition)) and (path := self.weights.find(name)):
            found.append(Competitor("physics-sde", path, steps=3, detectors="told", label=SPECIALISED))
        return found


def cast_of(weights: Weights, seeds: int | None = None) -> Cast:
    """Return everyone who takes part.

    Parameters
    ----------
    weights : Weights
        Where weights are.
    seeds : int, optional
        How many training seeds are asked for; those that are there if not given.

    Raises
    ------
    InputError
        If weights were trained under the conditions of the other table.
    XsimError
        If weights are damaged.
    """
    absent: dict[str, str] = {}
    rows = [row for entry in (*_UNTOLD, *_TOLD) if (row := _row_of(entry, weights, absent))]
    rows += _others(weights, absent)
    others = range(1, seeds) if seeds is not None else weights.seeds()
    seeded = [entry for entry in (*_UNTOLD, *_TOLD) if entry.weights in SEEDED and "flips" not in dict(entry.options)]
    found = {seed: tuple(row for entry in seeded if (row := _row_of(entry, weights, absent, seed))) for seed in others}
    samples = next((name for name in (_SAMPLES, _PHYSICS_OF) if weights.find(name)), None)
    drawn = None if samples is None else Competitor(_PHYSICS_OF, weights.find(samples), label=samples)
    return Cast(tuple(rows), {seed: one for seed, one in found.items() if one}, absent, drawn, weights)


def _row_of(entry: _Entry, weights: Weights, absent: dict[str, str], seed: int = 0) -> Row | None:
    """Return a row, or None where its weights are not there, which is noted."""
    path = weights.find(entry.weights or _PHYSICS_OF, seed)
    if path is None and entry.weights:
        label = f"{entry.label}, seed {seed}" if seed else entry.label
        absent[label] = f"no weights: {weights.command(entry.weights, seed)}"
        return None
    asked = Competitor(entry.restorer, path, label=entry.label, **dict(entry.options))
    restorer = asked.load("cpu").restorer
    if restorer.uses_link != entry.told:
        trained, table = ("with", "without") if restorer.uses_link else ("without", "with")
        raise InputError(f"{path}: was trained {trained} the link, and '{entry.label}' is a row {table} it")
    return Row(asked, entry.told, entry.detectors)


def _others(weights: Weights, absent: dict[str, str]) -> list[Row]:
    """Return rows of weights and of restorers that no entry names, each in the table whose conditions it meets."""
    asked = []
    for label, path in {**{name: str(path) for name, path in shipped().items()}, **weights.said}.items():
        if label not in _NAMED:
            asked.append(Competitor(load_checkpoint(path).card.restorer, path, label=label))
    for name in xsim_zoo.names():
        if name in _NAMED or any(one.label == name for one in asked):
            continue
        if xsim_zoo.get(name).learned:
            absent[name] = f"no weights: give --weights {name}=PATH"
        else:
            asked.append(Competitor(name, weights.find(_PHYSICS_OF), label=name))
    return [Row(one, one.load("cpu").restorer.uses_link, detectors=True) for one in asked]


def parse_weights(words: list[str]) -> dict[str, str]:
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
