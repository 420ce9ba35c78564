"""What is written: the tables as markdown, every score as CSV, every figure as JSON, and the picture."""

from __future__ import annotations

import csv
import json
import platform
import shlex
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

import xsim
from versus import picture as pictures
from versus.detectors import rivalries, rivalry_table, rivalry_verdicts
from versus.figures import differences, samples, summaries
from versus.sets import SEED
from versus.tables import NOTE, contrast_table, detector_table, difference_table, sample_table, set_table, task_table
from versus.verdicts import verdict_table, verdicts
from xsim_zoo.evaluation.entrants import Ready

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from versus.figures import Summary
    from versus.running import Job, Results
    from versus.scoring import Score
    from versus.tables import Table

__all__ = ["write"]

SCHEMA = "xsim.headline/1"


def write(folder: Path, results: Results, absent: Mapping[str, str], *, job: Job, picture: Path | None = None) -> Path:
    """Write everything and return the path of the markdown.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    absent : mapping
        Who or what did not take part, and why.
    picture : Path, optional
        Where the picture goes; into the folder if not given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found, leads, drawn = summaries(results.scores), differences(results.scores), samples(results.spreads)
    contests = rivalries(results.scores)
    lines = verdicts(found, leads, drawn, results.tasks) + rivalry_verdicts(contests)
    parts = _tables(found)
    if leads:
        parts.insert(0, difference_table(leads, [name for name in ("random", "limesdr") if _has(leads, name)]))
    if contests:
        parts.append(rivalry_table(contests))
    if drawn:
        parts.append(sample_table(drawn))
    if results.tasks:
        parts += [contrast_table(results.tasks), task_table(results.tasks)]
    if lines:
        parts.insert(0, verdict_table(lines))
    identity = _identity(job)
    pictures.draw(picture or folder / "headline.png", results.scores, job)
    _write_csv(folder / "headline.csv", results.scores)
    document = {
        "schema": SCHEMA,
        **identity,
        "absent": dict(absent),
        **{
            name: [_plain(one) for one in rows]
            for name, rows in (
                ("verdicts", lines),
                ("sets", found),
                ("leads", leads),
                ("universal", contests),
                ("samples", drawn),
                ("tasks", results.tasks),
            )
        },
    }
    (folder / "headline.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = folder / "headline.md"
    text.write_text(_markdown(identity, absent, parts), encoding="utf-8")
    return text


def _has(rows: Sequence[Any], set_name: str) -> bool:
    return any(one.set_name == set_name for one in rows)


def _tables(found: Sequence[Summary]) -> list[Table]:
    """Return a table for each set, that of other detectors last."""
    paper = [one for one in found if one.condition == "paper"]
    others = [one for one in found if one.condition != "paper"]
    names = list(dict.fromkeys(one.set_name for one in paper))
    tables = [set_table(name, [one for one in paper if one.set_name == name]) for name in names]
    return tables + ([detector_table(others)] if others else [])


def _identity(job: Job) -> dict[str, Any]:
    """Return what the figures hold for: program, machine, seed, command, weights."""
    ready = [Ready.load(row, "cpu") for row in job.rows]
    return {
        "xsim": xsim.__version__,
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy")},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "command": shlex.join(["python", "benchmarks/headline.py", *sys.argv[1:]]),
        "seed": SEED,
        "weights": {
            one.entrant.label: {
                "digest": one.card.digest[:12] if one.restorer.learned else "",
                "parameters": one.card.parameters if one.restorer.learned else 0,
                "steps": one.steps,
                "linked": one.restorer.link is not None,
            }
            for one in ready
        },
    }


def _plain(row: Any) -> dict[str, Any]:
    """Return a row as JSON types."""
    return {key: _json(value) for key, value in vars(row).items()}


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_json(one) for one in value] if isinstance(value, tuple) else value


def _write_csv(path: Path, scores: Sequence[Score]) -> None:
    """Write one line for each row and image."""
    lines = [one.flat() for one in scores]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]) if lines else [])
        writer.writeheader()
        writer.writerows(lines)


def _markdown(identity: Mapping[str, Any], absent: Mapping[str, str], tables: Sequence[Table]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in identity["versions"].items())
    made = (
        f"Made by `{identity['command']}` with xsim {identity['xsim']}, Python {identity['python']}, {versions}, on "
        f"{identity['machine']}; test sets of seed {identity['seed']}."
    )
    head = ["# Restorers side by side", "", made, "", NOTE, ""]
    if absent:
        head += ["Absent:", "", *(f"- {name}: {why}" for name, why in absent.items()), ""]
    return "\n".join([*head, *(table.markdown() for table in tables)])
