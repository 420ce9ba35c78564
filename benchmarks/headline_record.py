"""The small record of a headline run that the documentation keeps: what its pages are filled in from.

    python docs/figures.py OUT    # takes the record of OUT/headline.json, and fills the pages in

A record holds no scores of single images. Numbers are rounded; an estimate is ``[mean, low, high]``.
"""

from __future__ import annotations

import json
import shlex
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headline_cost import Cost, Trial
from headline_figures import (
    CHAMPION,
    CHI2_BANDS,
    LEADS,
    PAPER,
    RAW,
    Outcome,
    Samples,
    chi2_of,
    leads,
    mean_of,
    power_of,
    rivalries,
    rows_of,
)

from xsim.errors import InputError
from xsim_zoo.evaluation import Evaluation
from xsim_zoo.evaluation.probes.bars import BarProbe
from xsim_zoo.evaluation.probes.opens import OpenScore
from xsim_zoo.evaluation.probes.voids import VoidScore
from xsim_zoo.evaluation.records import Estimate
from xsim_zoo.evaluation.statistics import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SCHEMA", "outcome_of", "read", "record_of", "updated"]

SCHEMA: Final = "xsim.headline-record/1"
_DOCUMENT: Final = "xsim.headline/3"
_POWER_LP_MM: Final = (2.0, 4.0, 6.0)
_DIGITS: Final = 5
"""Tables show four at most."""
_SEED: Final = ", training seed "
_PLACES: Final = {
    "-o": "OUT",
    "--output": "OUT",
    "--trained": "FOLDER",
    "--cache": "CACHE",
    "--keep": "KEPT",
    "--costs": "COSTS",
    "--gerber": "GERBER",
    "--picture": "PICTURE",
}
"""Options of the run that name a place of one machine, and what stands for it."""
_SAME_DB: Final = 0.005
"""What one row's mean may differ by between two runs on the same images [dB]: less than a table shows."""


def outcome_of(document: dict[str, Any]) -> Outcome:
    """Return what a run found from its ``headline.json``.

    Raises
    ------
    InputError
        If it is no such document.
    """
    if document.get("schema") != _DOCUMENT:
        raise InputError(f"schema {document.get('schema')!r} is no headline: give one of {_DOCUMENT!r}")
    evaluations = {name: Evaluation.from_dict(one) for name, one in document["evaluations"].items()}
    tasks = evaluations.pop("tasks", None)
    found, seeds = {}, {}
    for name, evaluation in evaluations.items():
        if _SEED in name:
            of, _, seed = name.partition(_SEED)
            seeds[of, int(seed)] = evaluation
        else:
            of, _, condition = name.partition(", ")
            found[of, condition] = evaluation
    known = {one.label: one.linked for (_, of), e in found.items() if of == "paper" for one in e.provenance.contenders}
    untold, told = (tuple(label for label, linked in known.items() if linked == asked) for asked in (False, True))
    costs = dict(document["costs"])
    trial = Trial(**costs.pop("trial"))
    samples = document["samples"]
    return Outcome(
        found=found,
        untold=untold,
        told=told,
        seeds=seeds,
        tasks=tasks,
        samples=None if samples is None else _samples_of(samples),
        truth={name: _estimates(values) for name, values in document["chi2_of_truth"].items()},
        costs={label: Cost(**one) for label, one in costs.items()},
        trial=trial,
    )


def _estimates(values: Sequence[dict[str, Any]]) -> tuple[Estimate, ...]:
    return tuple(Estimate.model_validate(one) for one in values)


def _samples_of(found: dict[str, Any]) -> Samples:
    estimates = {name: _estimates(found[name]) for name in ("chi2", "chi2_of_truth", "covered")}
    return Samples(**{**found, **estimates})


def record_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a run from its ``headline.json``.

    Raises
    ------
    InputError
        If it is no such document.
    """
    outcome = outcome_of(document)
    paper = {name: one for (name, condition), one in outcome.found.items() if condition == "paper"}
    seeds = {name: outcome.by_seed(name) for name in paper if len(outcome.by_seed(name)) > 1}
    contenders = {one.label: one for evaluation in paper.values() for one in evaluation.provenance.contenders}
    return {
        "schema": SCHEMA,
        **{name: document[name] for name in ("xsim", "machine", "seed", "claims")},
        **_without_places(document["command"], document["absent"]),
        "weights": {label: {"name": Path(one.weights).name, "digest": one.digest} for label, one in contenders.items()},
        "untold": list(outcome.untold),
        "told": list(outcome.told),
        "images": {name: one.provenance.data.images for name, one in paper.items()},
        "rows": {name: _rows(outcome, one) for name, one in paper.items()},
        "leads": {name: _leads(outcome, one) for name, one in paper.items()},
        "seeds": {name: {str(seed): _seeded(one) for seed, one in of.items()} for name, of in seeds.items()},
        "chi2_bands_lp_mm": list(CHI2_BANDS),
        "chi2_of_truth": {name: [_plain(one) for one in values] for name, values in outcome.truth.items()},
        "costs": {
            label: {"mflop_px": one.mflop_px, "s_mp": round(one.s_mp, 3)} for label, one in outcome.costs.items()
        },
        "detectors": {name: [_plain(one) for one in row] for name, row in rivalries(outcome.found).items()},
        "samples": None if outcome.samples is None else _plain(vars(outcome.samples)),
        **({} if outcome.tasks is None else _tasks(outcome.tasks)),
    }


def _without_places(command: str, absent: dict[str, str]) -> dict[str, Any]:
    """Return the command, and those that make what is absent, with names in place of one machine's folders."""
    words, names = shlex.split(command), _PLACES
    given = {word: names[option] for option, word in pairwise(words) if option in names}
    said = [given.get(word, word) for word in words]
    # Weights that were given by path: what they are called is enough.
    said = [f"{one.partition('=')[0]}=PATH" if before == "--weights" else one for before, one in pairwise(["", *said])]
    runs = next((place for place, name in given.items() if name == "FOLDER"), "FOLDER")
    return {
        "command": shlex.join(said),
        "absent": {label: why.replace(f" {runs}", " FOLDER") for label, why in absent.items()},
    }


def _plain(value: Any) -> Any:
    """Return JSON types, estimates as ``[mean, low, high]``."""
    if isinstance(value, Estimate):
        return [_plain(one) for one in (value.mean, value.low, value.high)]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return round(value, _DIGITS) if isinstance(value, float) else value


def _rows(outcome: Outcome, evaluation: Evaluation) -> dict[str, Any]:
    """Return the row of every label on one set."""
    lines = {}
    for label in (RAW, *outcome.untold, *outcome.told):
        if rows := rows_of(evaluation, label):
            power = {f"{lp_mm:g}": power_of(rows, "power_ratio", lp_mm) for lp_mm in _POWER_LP_MM}
            scores = {metric: mean_of(rows, metric) for metric in ("psnr_dB", "ssim")}
            lines[label] = _plain({**scores, "power": power, "chi2": chi2_of(rows)})
    return lines


def _leads(outcome: Outcome, evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return by champion, then by the other row, what it leads by."""
    asked = {PAPER: (RAW, *outcome.untold), CHAMPION: outcome.told}
    if "cdm-untold" in outcome.untold:
        asked["cdm-untold"] = (RAW,)
    for near, far in pairwise(("unet-log", "unet", "unet-wiener")):
        asked[far] = (near,)
    found = {champion: leads(evaluation, champion, labels) for champion, labels in asked.items()}
    return {champion: {label: _plain(vars(one)) for label, one in of.items()} for champion, of in found.items() if of}


def _seeded(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return the leads that are asked of every training seed, and the scores of the rows."""
    found: dict[str, dict[str, Any]] = {}
    for champion, other in LEADS:
        for label, one in leads(evaluation, champion, (other,)).items():
            found.setdefault(champion, {})[label] = _plain(vars(one))
    return found


def _tasks(evaluation: Evaluation) -> dict[str, Any]:
    """Return contrast of bars by frequency, error of void areas, and AUC of open tracks by gap and copper [um]."""
    bars, voids, opens = {}, {}, {}
    for row in evaluation.rows(BarProbe):
        frequencies = (f"{lp_mm:g}" for lp_mm in row.frequency_lp_mm)
        bars[row.restorer] = dict(zip(frequencies, _plain(row.ctf), strict=True))
    for row in evaluation.rows(VoidScore):
        errors = [abs(measured - labelled) for measured, labelled in zip(row.measured, row.labelled, strict=True)]
        voids[row.restorer] = _plain(Bootstrap(range(row.balls)).mean(errors))
    for row in evaluation.rows(OpenScore):
        gap = f"{1e3 * row.gap_mm:g} in {1e3 * row.copper_mm:g}"
        opens.setdefault(row.restorer, {})[gap] = _plain(row.auc)
    return {"bars": bars, "voids": voids, "opens": opens}


def read(folder: Path) -> dict[str, Any]:
    """Return the record of the run that was written into a folder."""
    return record_of(json.loads((folder / "headline.json").read_text(encoding="utf-8")))


def updated(record: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return a record with those rows of a later run whose weights are others; the rest stays as it was.

    So do all costs: seconds of two runs are not for one table.

    Raises
    ------
    InputError
        If the runs were not judged alike: by other images, by none of the same rows, or with another champion, whose
        leads over all others would have to be found anew.
    """
    new = _new_rows(record, later)
    both = deepcopy(record)
    for label in new:
        both["weights"][label] = later["weights"][label]
        for kind in ("told", "untold"):
            both[kind] += [label] if label in later[kind] and label not in both[kind] else []
        for name in later["rows"]:
            both["rows"][name][label] = later["rows"][name][label]
            for champion, leads_of in later["leads"][name].items():
                if label in leads_of:
                    both["leads"][name].setdefault(champion, {})[label] = leads_of[label]
        for kind in ("bars", "voids", "opens"):
            if label in later.get(kind, {}):
                both.setdefault(kind, {})[label] = later[kind][label]
    both["detectors"] |= later["detectors"]
    both["command"] = f"{record['command']}; then {later['command']}"
    return both


def _new_rows(record: dict[str, Any], later: dict[str, Any]) -> list[str]:
    """Return the rows of a later run that have other weights, after a check that both runs were judged alike."""
    for key in ("schema", "seed", "images"):
        if record[key] != later[key]:
            raise InputError(f"the runs have another {key}: run all rows anew")
    before, after = record["weights"], later["weights"]
    new = [label for label in after if before.get(label, {}).get("digest") != after[label]["digest"]]
    if CHAMPION in new or CHAMPION not in after:
        raise InputError(f"every row is compared with {CHAMPION}: run it too, with the weights of the record")
    for name, rows in later["rows"].items():
        for label in rows.keys() - set(new):
            ours, theirs = record["rows"][name][label]["psnr_dB"][0], rows[label]["psnr_dB"][0]
            if abs(ours - theirs) > _SAME_DB:
                raise InputError(f"{label} has {theirs} dB on {name}, {ours} dB in the record: run all rows anew")
    return new
