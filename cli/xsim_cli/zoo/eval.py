"""`xsim zoo eval`: judge restorers on held-out pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xsim_cli.common import CsvOption, ForceOption, JsonOption, check_output, check_outputs, emit_json, say, write_csv

__all__ = ["register"]

_EPILOG = (
    "Example: xsim zoo eval wiener unet physics-sde --data pairs.zarr -o report.html  ||  options of a restorer: "
    "physics-sde:steps=1  wiener:link=off  universal:detectors=own  "
    "unet:weights=runs/mine,label=mine"
)


NamesArgument = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Restorers, weights on disk, or NAME:KEY=VALUE,...")
]
ReportOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", "--report", help="HTML report; its numbers as JSON and CSV lie beside it."),
]
SectionsOption = Annotated[
    str | None, typer.Option(help="Only these sections, e.g. power,chi2,edges; all if not given.")
]
JournalOption = Annotated[
    Path | None, typer.Option(help="Findings as they come, to go on after an interruption; beside the report.")
]


def register(app: typer.Typer) -> None:
    """Add the command ``eval`` to the group ``zoo``."""
    app.command("eval", epilog=_EPILOG)(evaluate)


def evaluate(
    names: NamesArgument,
    data: Annotated[Path, typer.Option(help="Store of pairs.")],
    output: ReportOption = None,
    csv: CsvOption = None,
    split: Annotated[str, typer.Option(help="Which pairs: test, validation or train.")] = "test",
    images: Annotated[int | None, typer.Option("-n", "--images", help="Only the first so many of them.")] = None,
    sections: SectionsOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer conditions and draws in every probe.")] = False,
    samples: Annotated[int, typer.Option(help="Posterior samples of an image, for their coverage.")] = 8,
    resamples: Annotated[int, typer.Option(help="Resamples of the bootstrap over board families.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of probes, samples and resamples.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; as many as there are cores if not given.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    journal: JournalOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Judge restorers on held-out pairs. Scores with intervals, sharpness, noise, tasks, uncertainty, worst cases.

    A run that was interrupted goes on where it ended if it is given the same report or journal again.
    """
    from xsim_zoo.evaluation.options import Options

    options = Options(
        split=split,
        images=images,
        sections=None if sections is None else tuple(sections.split(",")),
        quick=quick,
        samples=samples,
        resamples=resamples,
        seed=seed,
    )
    if output is not None:
        from xsim_zoo.evaluation.report.page import report_paths, write_report

        for path in report_paths(output):
            check_output(path, force=force, inputs=(data,))
        journal = journal or output.with_name(f".{output.name}.journal")
    check_outputs(csv, None, force=force, inputs=(data,))

    from xsim_zoo.evaluation.engine import evaluate as run
    from xsim_zoo.evaluation.report.exports import brief, image_table, lines

    try:
        evaluation = run(names, data, options, device=device, workers=workers, journal=journal, quiet=json_)
    except KeyboardInterrupt:
        if journal is not None:
            say(f"{journal}: holds what is finished; run the same command again to go on")
        raise
    if output is not None:
        for path in write_report(evaluation, output, force=force):
            say(f"{path}: written")
    if csv is not None:
        write_csv(csv, *image_table(evaluation))
    if journal is not None:
        journal.unlink(missing_ok=True)
    if json_:
        emit_json("zoo.eval", brief(evaluation) | {"evaluation": evaluation.to_dict(pictures=False)})
        return
    for line in lines(evaluation):
        typer.echo(line)
