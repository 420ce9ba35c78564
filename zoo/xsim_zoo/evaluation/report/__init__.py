"""The evaluation's report: one HTML page for people, JSON and CSV twins for programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xsim.errors import InputError
from xsim_datasets.images import publish
from xsim_zoo.evaluation.report.page import html
from xsim_zoo.evaluation.report.twins import TABLES, csv_twins, json_twin

if TYPE_CHECKING:
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["report_paths", "write_report"]


def report_paths(path: str | Path) -> tuple[Path, ...]:
    """Return every file that a report may be made of: the page, its JSON twin, and a CSV twin for each section.

    Parameters
    ----------
    path : path-like
        The HTML file.

    Raises
    ------
    InputError
        If ``path`` does not end as HTML does.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: is no name of a page: give one that ends in .html")
    tables = (path.with_name(f"{path.stem}_{name}.csv") for name in TABLES)
    return (path, path.with_suffix(".json"), *tables)


def write_report(evaluation: Evaluation, path: str | Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write the report of an evaluation, and its twins beside it.

    The page works from a file URL, without a network and on its own. For ``out.html`` the twins are ``out.json`` and
    one ``out_SECTION.csv`` for each section that was measured.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    path : path-like
        The HTML file to make.
    force : bool
        Replace files that exist.

    Returns
    -------
    tuple of Path
        The files, the page first.

    Raises
    ------
    InputError
        If one of the files exists and ``force`` is off, or ``path`` does not end as HTML does; nothing is written.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    page, numbers, *tables = report_paths(path)
    existing = [name for name in (page, numbers, *tables) if name.exists()]
    if existing and not force:
        raise InputError(f"{existing[0]}: exists already: give another output or --force")
    texts = {numbers: json_twin(evaluation)}
    found = csv_twins(evaluation)
    texts |= {name: found[table] for table, name in zip(TABLES, tables, strict=True) if table in found}
    texts = {page: html(evaluation, texts[numbers], [name.name for name in texts]), **texts}
    for name, text in texts.items():
        publish(name, partial(_write, text), force=force)
    return tuple(texts)


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
