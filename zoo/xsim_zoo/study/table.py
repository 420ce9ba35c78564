"""The tables of a study: means over images and seeds with intervals over boards, and what separates each row from one.

Scores of an image are averaged over the seeds first; intervals come from drawing whole boards anew, so that neither
windows of one board nor repeated trainings count as more boards than there are. How far seeds lie apart stands beside.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsim_zoo.evaluation.records import Estimate, ImageScore
from xsim_zoo.evaluation.statistics import Bootstrap

__all__ = ["METRICS", "Cell", "StudyTable", "tabled"]

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


@dataclass(frozen=True)
class StudyTable:
    """All cells of a study, and the same as text.

    Parameters
    ----------
    name : str
        The study's.
    reference : str or None
        Row that the others are compared with.
    cells : tuple of Cell
        Sets, rows, metrics, in their order.
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
        writer.writerow(["set", "row", "metric", *heads, "over_seeds", "seeds", "images", "families"])
        for cell in self.cells:
            numbers = [value for each in (cell.mean, cell.lead) for value in _ends(each)]
            counts = [cell.over_seeds, cell.seeds, cell.images, cell.families]
            shown = ["" if value is None else value for value in (*numbers, *counts)]
            writer.writerow([cell.set, cell.row, cell.metric, *shown])
        return text.getvalue()

    def markdown(self) -> str:
        """Return a table for each set, for people and web pages."""
        blocks = []
        for name in self._sets():
            head, rows = self._grid(name, _PLAIN)
            lines = [head, ["---"] * len(head), *rows]
            blocks.append("\n".join([f"### {name}", "", *(f"| {' | '.join(line)} |" for line in lines), ""]))
        return "\n".join(blocks)

    def latex(self) -> str:
        """Return a ``tabular`` for each set, with rules of booktabs."""
        blocks = []
        for name in self._sets():
            head, rows = self._grid(name, _TEX)
            body = [
                " & ".join(map(_escaped, row[:1])) + "".join(f" & ${cell}$" if cell else " &" for cell in row[1:])
                for row in rows
            ]
            blocks.append(
                "\n".join(
                    [
                        f"% {self.name}: {name}",
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

    def _sets(self) -> list[str]:
        return list(dict.fromkeys(cell.set for cell in self.cells))

    def _grid(self, name: str, marks: tuple[str, str, str]) -> tuple[list[str], list[list[str]]]:
        """Return heading and rows of the table of one set."""
        against = self.reference is not None
        head = [""]
        for title in METRICS.values():
            head += [title, *([f"{title.split()[0]} - {self.reference}"] if against else [])]
        rows: dict[str, list[str]] = {}
        for cell in (cell for cell in self.cells if cell.set == name):
            line = rows.setdefault(cell.row, [cell.row])
            line.append(_shown(cell.mean, _DIGITS[cell.metric], marks, signed=False))
            if against:
                same = cell.lead is None or cell.row == self.reference
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


Scores = Mapping[str, Sequence[Sequence[ImageScore]]]
"""Of each row, for each of its seeds (one where nothing was trained), its scores on the same images in one order."""


def tabled(name: str, scores: Mapping[str, Scores], *, reference: str | None, resamples: int) -> StudyTable:
    """Return the table of a study.

    Parameters
    ----------
    name : str
        The study's.
    scores : mapping of set to mapping of row to scores
        What the evaluations found.
    reference : str, optional
        Row that all others are compared with.
    resamples : int
        Resamples of the bootstrap.
    """
    cells = []
    for set_name, rows in scores.items():
        first = next(iter(rows.values()))[0]
        bootstrap = Bootstrap([score.family for score in first], resamples)
        for metric in METRICS:
            values = {row: _values(found, metric) for row, found in rows.items()}
            for row, value in values.items():
                against = None if reference is None else value.mean(axis=0) - values[reference].mean(axis=0)
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
                    )
                )
    order = {row: index for rows in scores.values() for index, row in enumerate(rows)}
    sets = list(scores)
    cells.sort(key=lambda cell: (sets.index(cell.set), order[cell.row], list(METRICS).index(cell.metric)))
    return StudyTable(name, reference, tuple(cells))


def _values(found: Sequence[Sequence[ImageScore]], metric: str) -> NDArray[np.float64]:
    """Return a metric by seed and image, (S, n); equal images have an infinite PSNR, which no mean survives."""
    return np.array([[getattr(score, metric) for score in scores] for scores in found], dtype=np.float64)
