"""The tables of a study: means over images and seeds with intervals over boards, and what separates each row from one.

Scores of an image are averaged over the seeds first; intervals come from drawing whole boards anew, so that neither
windows of one board nor repeated trainings count as more boards than there are. How far seeds lie apart stands beside.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsim_zoo.evaluation.records import Estimate, ImageScore
from xsim_zoo.evaluation.statistics import Bootstrap

__all__ = ["METRICS", "Cell", "Scores", "StudyTable", "joined", "tabled"]

METRICS = {"psnr_dB": "PSNR [dB]", "ssim": "SSIM"}
"""Metrics of the tables, and their headings."""

_DIGITS = {"psnr_dB": 2, "ssim": 4}

_PLAIN, _TEX = ("[", ", ", "]"), (r"\,[", r",\,", "]")


@dataclass(frozen=True)
class Cell:
    """One metric of one row on one set.

    Parameters
    ----------
    set, row, metric : str
        Where it stands.
    mean : Estimate
        Mean with its 95 % interval.
    lead : Estimate or None
        Mean difference from the reference on the same images, with its 95 % interval; None without a reference.
    over_seeds : float or None
        Standard deviation of the seeds' means; None for fewer than two seeds.
    seeds, images, families : int
        How many there are.
    table : str
        Which of the study's tables it stands in; empty where there is one.
    reference : str or None
        Row that the lead is from.
    """

    set: str
    row: str
    metric: str
    mean: Estimate
    lead: Estimate | None
    over_seeds: float | None
    seeds: int
    images: int
    families: int
    table: str = ""
    reference: str | None = None


@dataclass(frozen=True)
class StudyTable:
    """All cells of a study, and the same as text.

    Parameters
    ----------
    name : str
        The study's.
    reference : str or None
        Row that the others are compared with, where all tables have the same.
    cells : tuple of Cell
        Tables, sets, rows, metrics, in their order.
    """

    name: str
    reference: str | None
    cells: tuple[Cell, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        estimates = [
            {"mean": cell.mean.model_dump(), "lead": None if cell.lead is None else cell.lead.model_dump()}
            for cell in self.cells
        ]
        cells = [asdict(cell) | estimate for cell, estimate in zip(self.cells, estimates, strict=True)]
        return {"name": self.name, "reference": self.reference, "cells": cells}

    def csv(self) -> str:
        """Return one line for each cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        ends = ("", "_low", "_high")
        heads = [f"{what}{end}" for what in ("mean", "lead") for end in ends]
        writer.writerow(["set", "row", "metric", *heads, "over_seeds", "seeds", "images", "families", "table"])
        for cell in self.cells:
            numbers = [value for each in (cell.mean, cell.lead) for value in _ends(each)]
            counts = [cell.over_seeds, cell.seeds, cell.images, cell.families]
            shown = ["" if value is None else value for value in (*numbers, *counts)]
            writer.writerow([cell.set, cell.row, cell.metric, *shown, cell.table])
        return text.getvalue()

    def markdown(self) -> str:
        """Return a table for each set, for people and web pages."""
        blocks = []
        for title, head, rows in self._grids(_PLAIN):
            lines = [head, ["---"] * len(head), *rows]
            blocks.append("\n".join([f"### {title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""]))
        return "\n".join(blocks)

    def latex(self) -> str:
        """Return a ``tabular`` for each set, with rules of booktabs."""
        blocks = []
        for title, head, rows in self._grids(_TEX):
            body = [
                " & ".join(map(_escaped, row[:1])) + "".join(f" & ${cell}$" if cell else " &" for cell in row[1:])
                for row in rows
            ]
            blocks.append(
                "\n".join(
                    [
                        f"% {self.name}: {title}",
                        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
                        r"\toprule",
                        " & ".join(map(_escaped, head)) + r" \\",
                        r"\midrule",
                        *(f"{line} \\\\" for line in body),
                        r"\bottomrule",
                        r"\end{tabular}",
                        "",
                    ]
                )
            )
        return "\n".join(blocks)

    def _grids(self, marks: tuple[str, str, str]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Yield title, heading and rows of the table of each set."""
        for (table, name), cells in groupby(self.cells, key=lambda cell: (cell.table, cell.set)):
            head, rows = _grid(list(cells), marks)
            yield f"{table}: {name}" if table else name, head, rows


def _grid(cells: Sequence[Cell], marks: tuple[str, str, str]) -> tuple[list[str], list[list[str]]]:
    """Return heading and rows of the table of one set."""
    against = cells[0].reference
    head = [""]
    for title in METRICS.values():
        head += [title, *([] if against is None else [f"{title.split()[0]} - {against}"])]
    rows: dict[str, list[str]] = {}
    for cell in cells:
        line = rows.setdefault(cell.row, [cell.row])
        line.append(_shown(cell.mean, _DIGITS[cell.metric], marks, signed=False))
        if against is not None:
            same = cell.lead is None or cell.row == against
            line.append("" if same else _shown(cell.lead, _DIGITS[cell.metric], marks, signed=True))
    return head, list(rows.values())


def _ends(estimate: Estimate | None) -> tuple[float | None, ...]:
    return (None, None, None) if estimate is None else (estimate.mean, estimate.low, estimate.high)


def _shown(estimate: Estimate | None, digits: int, marks: tuple[str, str, str], *, signed: bool) -> str:
    if estimate is None:
        return ""
    sign = "+" if signed else ""
    text = f"{estimate.mean:{sign}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    opened, between, closed = marks
    space = " " if opened == "[" else ""
    return f"{text}{space}{opened}{estimate.low:{sign}.{digits}f}{between}{estimate.high:{sign}.{digits}f}{closed}"


def _escaped(text: str) -> str:
    for mark in "&%$#_{}":
        text = text.replace(mark, f"\\{mark}")
    return text


Scores = Mapping[int | None, Sequence[ImageScore]]
"""Of one row, for each of its seeds (None where nothing was trained), its scores on the same images in one order."""


def tabled(
    name: str,
    scores: Mapping[str, Mapping[str, Scores]],
    *,
    reference: str | None,
    resamples: int,
    part: str = "",
) -> StudyTable:
    """Return the table of a study, or one of its tables.

    Parameters
    ----------
    name : str
        The study's.
    scores : mapping of set to mapping of row to scores
        What the evaluations found.
    reference : str, optional
        Row that all others are compared with, by those seeds that both have.
    resamples : int
        Resamples of the bootstrap.
    part : str
        What the table is called where there are several.
    """
    cells = []
    for set_name, rows in scores.items():
        first = next(iter(next(iter(rows.values())).values()))
        bootstrap = Bootstrap([score.family for score in first], resamples)
        for row, found in rows.items():
            for metric in METRICS:
                value = _values(found, metric)
                against = None
                if reference is not None:
                    own, other = _alike(found, rows[reference])
                    against = _values(own, metric).mean(axis=0) - _values(other, metric).mean(axis=0)
                cells.append(
                    Cell(
                        set=set_name,
                        row=row,
                        metric=metric,
                        mean=bootstrap.mean(value.mean(axis=0)),
                        lead=None if against is None else bootstrap.mean(against),
                        over_seeds=float(value.mean(axis=1).std(ddof=1)) if len(value) > 1 else None,
                        seeds=len(value),
                        images=value.shape[1],
                        families=bootstrap.count,
                        table=part,
                        reference=reference,
                    )
                )
    return StudyTable(name, reference, tuple(cells))


def joined(name: str, reference: str | None, tables: Sequence[StudyTable]) -> StudyTable:
    """Return several tables of a study as one."""
    return StudyTable(name, reference, tuple(cell for table in tables for cell in table.cells))


def _alike(one: Scores, other: Scores) -> tuple[Scores, Scores]:
    """Return the scores of the seeds that two rows share; of all where they share none, or one learns nothing."""
    both = [seed for seed in one if seed in other]
    if not both or None in both:
        return one, other
    return {seed: one[seed] for seed in both}, {seed: other[seed] for seed in both}


def _values(found: Scores, metric: str) -> NDArray[np.float64]:
    """Return a metric by seed and image, (S, n); equal images have an infinite PSNR, which no mean survives."""
    return np.array([[getattr(score, metric) for score in scores] for scores in found.values()], dtype=np.float64)
