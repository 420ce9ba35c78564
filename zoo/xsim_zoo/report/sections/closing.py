"""The end of the page: where the numbers come from, what they do not say, and the files beside the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.report.section import Facts, Notes, Section
from xsim_zoo.report.tables import Column, Number, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.records import Contender, DataSource
    from xsim_zoo.evaluation.results import Evaluation
    from xsim_zoo.report.naming import Naming
    from xsim_zoo.report.tables import Cell

__all__ = ["files", "limits", "provenance"]


def provenance(evaluation: Evaluation, naming: Naming) -> Section:
    """Return data, restorers, settings and versions."""
    source = evaluation.provenance
    run: tuple[tuple[str, Cell], ...] = (
        ("made", Text(source.created)),
        ("device", Text(source.device)),
        ("time taken [s]", Number(source.seconds, ".0f")),
        ("data range of PSNR and SSIM [open field]", Number(source.data_range, "g")),
        ("border left out [px]", Number(source.border_px, "d")),
        *((name, _cell(value)) for name, value in source.settings.items()),
    )
    versions = tuple((name, Text(version)) for name, version in source.versions.items())
    blocks = (
        Facts("Data", _data(source.data)),
        _contenders(source.contenders, naming),
        Facts("Run", run),
        Facts("Versions", versions),
    )
    lead = "What is needed to get the same numbers again."
    return Section("provenance", "Provenance", lead, blocks)


def _cell(value: str | float | bool | None) -> Cell:
    if value is None:
        return Text("none")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, str):
        return Text(value)
    return Number(value, "d" if isinstance(value, int) else "g")


def _data(data: DataSource) -> tuple[tuple[str, Cell], ...]:
    return (
        ("store", Text(data.path)),
        ("digest", Text(data.digest)),
        ("origin", Text(data.origin)),
        ("recipe", Text(f"{data.recipe}, {data.recipe_hash}")),
        ("seed", _cell(data.seed)),
        ("split", Text(data.split)),
        ("images", Number(data.images, "d")),
        ("families of boards", Number(data.families, "d")),
        ("height [px]", Number(data.shape[0], "d")),
        ("width [px]", Number(data.shape[1], "d")),
        ("pixel pitch [mm]", Number(data.pitch_mm, "g")),
    )


def _contenders(contenders: Sequence[Contender], naming: Naming) -> Table:
    columns = (
        Column("label", numeric=False),
        Column("restorer", numeric=False),
        Column("weights", numeric=False),
        Column("digest", numeric=False),
        Column("parameters"),
        Column("steps"),
        Column("eta"),
        Column("sharpness"),
        Column("grey-level link", numeric=False),
        Column("trained on", numeric=False),
        Column("pairs"),
        Column("training steps"),
        Column("overlap with these boards", numeric=False),
    )
    rows = tuple(
        (
            naming.cell(one.label),
            Text(one.restorer),
            Text(one.weights),
            Text(one.digest),
            Number(one.parameters, "d"),
            Number(one.steps, "d"),
            Number(one.eta, "g"),
            Number(one.sharpness, "g"),
            _cell(one.linked),
            Text(one.trained_on),
            Number(one.trained_pairs, "d", "none"),
            Number(one.trained_steps, "d", "none"),
            Text(one.leak),
        )
        for one in contenders
    )
    return Table("Restorers as they took part", columns, rows)


def limits(evaluation: Evaluation) -> Section:
    """Return what the numbers do not say."""
    return Section("limits", "Limits", "", (Notes(evaluation.limits),))


def files(names: Sequence[str]) -> Section:
    """Return the list of the files beside the page."""
    lead = (
        "Every number of this page, as files beside it. The page also holds the JSON document itself, so it can be "
        "sent alone."
    )
    return Section("files", "Files", lead, (Notes(tuple(names)),))
