"""The end of the page: where the numbers come from, what they do not say, and the files beside the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.evaluation.report.section import Facts, Notes, Section
from xsim_zoo.evaluation.report.tables import Number, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.records import Contender, DataSource
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.tables import Cell
    from xsim_zoo.evaluation.results import Evaluation

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
        *(_contender(one, naming) for one in source.contenders),
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


def _contender(one: Contender, naming: Naming) -> Facts:
    pairs: tuple[tuple[str, Cell], ...] = (
        ("restorer", naming.cell(one.label)),
        ("kind", Text(one.restorer)),
        ("weights", Text(one.weights)),
        ("digest", Text(one.digest)),
        ("parameters", Number(one.parameters, ",d")),
        ("steps of sampling", Number(one.steps, "d")),
        ("eta, noise added on the way", Number(one.eta, "g")),
        ("sharpness", Number(one.sharpness, "g")),
        ("grey-level link", _cell(one.linked)),
        ("trained on", Text(one.trained_on)),
        ("training pairs", Number(one.trained_pairs, ",d", "none")),
        ("training steps", Number(one.trained_steps, ",d", "none")),
        ("overlap with these boards", Text(one.leak)),
    )
    return Facts(one.label, pairs)


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
