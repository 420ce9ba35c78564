"""The report as one HTML page that needs nothing but itself, and the files beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from xsim.errors import InputError
from xsim_datasets.images import publish
from xsim_zoo.evaluation.probes.shown import Pictures
from xsim_zoo.evaluation.records import INPUT, TRUTH, CompetitorRecord
from xsim_zoo.evaluation.report.exports import csv_texts, json_text, tables
from xsim_zoo.evaluation.report.figures import tick_label
from xsim_zoo.evaluation.report.tables import (
    METRICS,
    Absent,
    Block,
    Cell,
    Column,
    Facts,
    Interval,
    Naming,
    Notes,
    Number,
    PageSection,
    Table,
    Text,
    VerdictList,
    table_of,
)
from xsim_zoo.evaluation.results import Chapter, Evaluation, Section, sections
from xsim_zoo.pages.page import embedded, environment, inline, policy

__all__ = ["html", "report_paths", "write_report"]


def report_paths(path: str | Path) -> tuple[Path, ...]:
    """Return every file that a report may be made of: the page, its JSON document, and a CSV file for each section.

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
    csv = (path.with_name(f"{path.stem}_{name}.csv") for name in tables())
    return (path, path.with_suffix(".json"), *csv)


def write_report(evaluation: Evaluation, path: str | Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write the report of an evaluation, and its numbers beside it.

    The page works from a file URL, without a network and on its own. For ``out.html`` these are ``out.json`` and
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
    page, numbers, *csv = report_paths(path)
    existing = [name for name in (page, numbers, *csv) if name.exists()]
    if existing and not force:
        raise InputError(f"{existing[0]}: exists already: give another output or --force")
    texts = {numbers: json_text(evaluation)}
    found = csv_texts(evaluation)
    texts |= {name: found[table] for table, name in zip(tables(), csv, strict=True) if table in found}
    texts = {page: html(evaluation, texts[numbers], [name.name for name in texts]), **texts}
    for name, text in texts.items():
        publish(name, partial(_write, text), force=force)
    return tuple(texts)


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def html(evaluation: Evaluation, numbers: str, names: Sequence[str]) -> str:
    """Return the report of an evaluation as an HTML document.

    Everything that is shown passes Jinja's escaping; nothing is loaded from elsewhere, which a content security
    policy in the page enforces besides.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    numbers : str
        Its JSON document, embedded in the page.
    names : sequence of str
        The files beside the page.
    """
    templates = environment("xsim_zoo.evaluation.report")
    templates.globals["label"] = tick_label
    styles = (inline("base.css"), inline("report.css", "xsim_zoo.evaluation.report"))
    scripts = (inline("table.js"), inline("report.js", "xsim_zoo.evaluation.report"))
    naming = Naming(evaluation.labels)
    source = evaluation.provenance
    return templates.get_template("report.html").render(
        title=f"Evaluation of {', '.join(naming.labels)}",
        subtitle=f"on {source.data.path} ({source.data.split}), {source.created}",
        sections=_sections(evaluation, naming, names),
        styles=styles,
        scripts=scripts,
        policy=policy(styles, scripts),
        numbers=embedded(numbers),
    )


def _sections(evaluation: Evaluation, naming: Naming, names: Sequence[str]) -> tuple[PageSection, ...]:
    """Return every section of the page, in the order in which a sceptic would ask; ``names`` are the files beside."""
    chapters: dict[Chapter, list[Section]] = {}
    for section in sorted(sections().values(), key=lambda section: (section.chapter.order, section.order)):
        chapters.setdefault(section.chapter, []).append(section)
    lead = (
        "Every number of this page, as files beside it. The page also holds the JSON document itself, so it can be "
        "sent alone."
    )
    return (
        _verdict(evaluation, naming),
        _looks(evaluation, naming),
        _scores(evaluation, naming),
        *(_chapter(evaluation, naming, chapter, held) for chapter, held in chapters.items()),
        _provenance(evaluation, naming),
        PageSection("limits", "Limits", "", (Notes(evaluation.limits),)),
        PageSection("files", "Files", lead, (Notes(tuple(names)),)),
    )


def _chapter(evaluation: Evaluation, naming: Naming, chapter: Chapter, held: Sequence[Section]) -> PageSection:
    blocks: list[Block] = []
    for section in held:
        found = section.blocks(evaluation, naming) if evaluation.sections[section.name] else ()
        why = evaluation.absent.get(section.name, "nothing was kept to show")
        blocks += found or (Absent(section.title, why),)
    # Charts first: they stand side by side.
    blocks.sort(key=lambda block: block.kind != "chart")
    there = any(block.kind != "absent" for block in blocks)
    return PageSection(chapter.key, chapter.title, chapter.lead if there else "", tuple(blocks))


def _verdict(evaluation: Evaluation, naming: Naming) -> PageSection:
    """Return the verdict and the scores at a glance."""
    levels = Counter(check.level for check in evaluation.verdicts)
    data = evaluation.provenance.data
    lead = (
        f"Of {levels.total()} checks {levels['fail']} failed, {levels['warn']} ended with a caution and "
        f"{levels['pass']} passed. Judged on {data.images} images of {data.families} families of boards; "
        "intervals come from drawing families anew. Scores do not replace a look at the images below."
    )
    return PageSection("verdict", "Verdict", lead, (VerdictList(evaluation.verdicts), _glance(evaluation, naming)))


def _glance(evaluation: Evaluation, naming: Naming) -> Table:
    """Return LR, HR and every restorer in the figures that decide; those not measured at all have no column."""
    figures: dict[str, dict[str, Cell]] = {}
    for metric in ("psnr_dB", "ssim"):
        rows = [row for row in evaluation.summary if row.metric == metric]
        figures[METRICS[metric].label] = {row.restorer: Interval(row.estimate, METRICS[metric].spec) for row in rows}
    for name, section in sections().items():
        for label, cell in section.glanced.items():
            figures[label] = {row.restorer: cell(row) for row in evaluation.sections[name]}
    figures = {label: cells for label, cells in figures.items() if cells}
    reference = [TRUTH] if any(TRUTH in cells for cells in figures.values()) else []

    def cells_of(label: str) -> tuple[Cell, ...]:
        missing = Number(None, missing="reference" if label == TRUTH else "not measured")
        return naming.cell(label), *(cells.get(label, missing) for cells in figures.values())

    columns = (Column("restorer", numeric=False), *(Column(label) for label in figures))
    caption = f"At a glance: against HR over a data range of {evaluation.provenance.data_range:g}, with 95 % intervals"
    return Table(caption, columns, tuple(map(cells_of, [INPUT, *naming.labels, *reference])))


def _looks(evaluation: Evaluation, naming: Naming) -> PageSection:
    """Return the slider and the typical images."""
    if not evaluation.sections[Pictures.name]:
        return PageSection("images", "Images", "", (Absent("Images", evaluation.absent[Pictures.name]),))
    pitch_mm = evaluation.provenance.data.pitch_mm
    pixel = "" if pitch_mm is None else f" One pixel is {pitch_mm:g} mm."
    lead = (
        f"What lies between the two dividers is restored: drag them, or move them by the arrow keys.{pixel} Below it "
        "is a typical image, whose LR is of median SSIM; the worst have a section of their own, and can be chosen "
        "here as well."
    )
    return PageSection("images", "Images", lead, Pictures().typical(evaluation, naming))


def _scores(evaluation: Evaluation, naming: Naming) -> PageSection:
    lead = (
        "Similarity to the HR image, in units of the open field, nothing clipped. PSNR and SSIM reward an answer that "
        "is right on average, and so one that is a little soft: read them beside the power kept at high frequencies."
    )
    metrics = table_of(
        "Every metric of every restorer",
        [(row, naming.metric(row.metric, row.unit)) for row in evaluation.summary],
        {
            "restorer": lambda pair: naming.cell(pair[0].restorer),
            "metric": lambda pair: Text(pair[1].label),
            "mean, 95 % interval": lambda pair: Interval(pair[0].estimate, pair[1].spec),
            "median": lambda pair: Number(pair[0].median, pair[1].spec),
            "images": lambda pair: Number(pair[0].images, "d"),
            "families": lambda pair: Number(pair[0].families, "d"),
            "left out as infinite": lambda pair: Number(pair[0].infinite, "d"),
            "how to read it": lambda pair: Text(pair[1].better),
        },
    )
    images = table_of(
        "Every image",
        evaluation.images,
        {
            "image": lambda row: Number(row.sample, "d"),
            "restorer": lambda row: naming.cell(row.restorer),
            "family": lambda row: Text(row.family),
            "design": lambda row: Text(row.design),
            "set-up": lambda row: Number(row.setup, "d"),
            "air kerma [uGy]": lambda row: Number(row.kerma_uGy, ".4g", "not stated"),
            "PSNR [dB]": lambda row: Number(row.psnr_dB, ".2f", "infinite"),
            "SSIM": lambda row: Number(row.ssim, ".4f"),
            "RMSE [open field]": lambda row: Number(row.rmse, ".5f"),
            "bias [open field]": lambda row: Number(row.bias, "+.5f"),
            "unsupported power": lambda row: Number(row.unsupported, ".4f"),
            "pixels out of range": lambda row: Number(row.outside, ".2g"),
        },
        tall=True,
    )
    return PageSection("scores", "Scores", lead, (metrics, images))


def _provenance(evaluation: Evaluation, naming: Naming) -> PageSection:
    source, data = evaluation.provenance, evaluation.provenance.data
    store = {
        "store": data.path,
        "digest": data.digest,
        "origin": data.origin,
        "recipe": f"{data.recipe}, {data.recipe_hash}",
        "seed": data.seed,
        "split": data.split,
        "images": data.images,
        "families of boards": data.families,
        "height [px]": data.shape[0],
        "width [px]": data.shape[1],
        "pixel pitch [mm]": Number(data.pitch_mm, "g", "differs"),
    }
    run = {
        "made": source.created,
        "device": source.device,
        "time taken [s]": Number(source.seconds, ".0f"),
        "data range of PSNR and SSIM [open field]": source.data_range,
        "border left out [px]": source.border_px,
    }
    blocks = (
        _facts("Data", store),
        *(_competitor(one, naming) for one in source.contenders),
        _facts("Run", run | source.settings),
        _facts("Versions", source.versions),
    )
    lead = "What is needed to get the same numbers again."
    return PageSection("provenance", "Provenance", lead, blocks)


def _competitor(one: CompetitorRecord, naming: Naming) -> Facts:
    facts = {
        "restorer": naming.cell(one.label),
        "kind": one.restorer,
        "weights": one.weights,
        "digest": one.digest,
        "parameters": Number(one.parameters, ",d"),
        "steps of sampling": one.steps,
        "eta, noise added on the way": one.eta,
        "sharpness": one.sharpness,
        "average over eight orientations": one.flips,
        "grey-level link": one.linked,
        "trained on": one.trained_on,
        "training pairs": Number(one.trained_pairs, ",d", "none"),
        "training steps": Number(one.trained_steps, ",d", "none"),
        "overlap with these boards": one.leak,
    }
    return _facts(one.label, facts)


def _facts(caption: str, facts: Mapping[str, Any]) -> Facts:
    return Facts(caption, tuple((name, _cell(value)) for name, value in facts.items()))


def _cell(value: Any) -> Cell:
    """Return a cell as it is, and a plain value as one."""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, (int, float)):
        return Number(value, "d" if isinstance(value, int) else "g")
    if value is None:
        return Text("none")
    return Text(value) if isinstance(value, str) else value
