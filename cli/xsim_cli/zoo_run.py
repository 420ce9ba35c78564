"""`xsim zoo run`: restore files and folders of radiographs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from xsim_cli.common import (
    DeviceOption,
    ForceOption,
    JsonOption,
    OwnDetectorsOption,
    RestorerName,
    WeightsOption,
    emit_json,
    report,
    say,
)
from xsim_datasets.progress import Progress

if TYPE_CHECKING:
    from xsim.errors import XsimError
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.run.files import RunReport
    from xsim_zoo.run.jobs import FileJob
    from xsim_zoo.run.settings import RunSettings

__all__ = ["register"]

_EPILOG = (
    "Example: xsim zoo run physics-sde board.tif --pitch-mm 0.048 -o restored.tif  ||  "
    "a folder: xsim zoo run physics-sde radiographs/ -o restored/ --samples 8"
)


Polarity = Literal["metal-dark", "metal-bright"]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="A file for one image, else a folder; beside the input if not given."),
]
StepsOption = Annotated[
    int | None,
    typer.Option(help="Sampling steps; 1 is the answer of highest fidelity. The restorer's own if not given."),
]


def register(app: typer.Typer) -> None:
    """Add the command ``run`` to the group ``zoo``."""
    app.command("run", epilog=_EPILOG)(run)


def run(
    name: RestorerName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="TIFF, PNG, NPY, DICOM, RAW; folders.")],
    output: OutputOption = None,
    steps: StepsOption = None,
    samples: Annotated[int, typer.Option(help="Posterior samples: their mean, and a map of their spread.")] = 0,
    sharpness: Annotated[float, typer.Option(help="0 highest fidelity, 1 full sharpness.")] = 1.0,
    weights: WeightsOption = None,
    detectors: OwnDetectorsOption = None,
    pitch_mm: Annotated[float | None, typer.Option(help="Pixel pitch [mm], in place of the file's.")] = None,
    open_field: Annotated[float | None, typer.Option(help="Grey level of the open field, as in the file.")] = None,
    polarity: Annotated[Polarity | None, typer.Option(help="How metal looks, in place of what the file says.")] = None,
    white: Annotated[float | None, typer.Option(help="Grey level of no signal, for metal-bright.")] = None,
    device: DeviceOption = "auto",
    precision: Annotated[Literal["auto", "float32", "bfloat16"], typer.Option(help="Of the network only.")] = "auto",
    tile: Annotated[
        int | None, typer.Option(help="Side of the tiles [px]; as free memory allows if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    picture: Annotated[bool, typer.Option("--picture", help="Draw before, after, difference, profile.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and leave.")] = False,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Restore radiographs. Size, kind and grey scale stay; each result is checked against the measurement."""
    from xsim_zoo.run.jobs import plan
    from xsim_zoo.run.settings import RunSettings

    settings = RunSettings(
        steps=steps,
        sharpness=sharpness,
        samples=samples,
        seed=seed,
        pitch_mm=pitch_mm,
        open_field=open_field,
        polarity=polarity,
        white=white,
        tile_px=tile,
        precision=precision,
    )
    jobs = plan(images, output)

    from xsim_zoo.run.files import run as run_jobs
    from xsim_zoo.weights.loading import load, with_detectors

    restorer = load(name, weights, device=device)
    if detectors is not None:
        restorer = with_detectors(restorer, detectors)
    if dry_run:
        _forecast(restorer, jobs, settings, json_=json_)
        return
    progress = Progress(None, "tiles", quiet=json_, keep=False)
    reporter = _Reporter(progress, quiet=json_, single=len(jobs) == 1)
    try:
        with progress:
            outcome = run_jobs(restorer, jobs, settings, reporter, force=force, picture=picture)
    except KeyboardInterrupt:
        say(f"{reporter.done} of {len(jobs)} files are finished and stay; run the same command again to go on")
        raise
    _conclude(outcome, single=len(jobs) == 1, json_=json_)


def _conclude(outcome: RunReport, *, single: bool, json_: bool) -> None:
    """Say what became of the files, and end with the exit code of that."""
    if single and outcome.error is not None:
        raise outcome.error
    if json_:
        emit_json("zoo.run", {"files": outcome.files, "failed": outcome.failed})
    elif not single:
        say(f"{len(outcome.files)} restored, {len(outcome.failed)} failed")
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


def _forecast(restorer: Restorer, jobs: list[FileJob], settings: RunSettings, *, json_: bool) -> None:
    """Say what would be done."""
    from xsim_zoo.run.forecast import forecast

    files = [forecast(restorer, job, settings) for job in jobs]
    lines = [
        f"{file['input']} -> {file['output']}: {file['shape'][0]} x {file['shape'][1]} {file['dtype']}, "
        f"{file['pages']} page(s), open field {file['open_field']:.6g}, pitch {file['pitch_mm']:g} mm, "
        f"{file['blocks']} block(s), {file['tiles']} tile(s), {file['memory_bytes'] / 2**20:.0f} MiB, "
        f"about {file['seconds']:.0f} s"
        for file in files
    ]
    report("zoo.run", {"dry_run": True, "files": files, "failed": []}, lines, json_=json_)


class _Reporter:
    """Reports how the run goes on: a line for each file, and the tiles of the network as progress."""

    def __init__(self, progress: Progress, *, quiet: bool, single: bool) -> None:
        self._progress, self._quiet, self._single = progress, quiet, single
        self._began = time.monotonic()
        self._file = ""
        self._tiles = self.done = 0

    def begin(self, job: FileJob, number: int, count: int) -> None:
        """Note which file is being restored."""
        each_s = (time.monotonic() - self._began) / max(self.done, 1)
        left = f", {each_s * (count - number):.0f} s left" if self.done else ""
        self._file = f"{number + 1}/{count} {job.input.name}{left}"

    def tile(self) -> None:
        """Count a tile that is done."""
        self._tiles += 1
        self._progress.step(self._tiles, self._file)

    def end(self, job: FileJob, entry: dict[str, Any]) -> None:
        """Print what came out."""
        self.done += 1
        if self._quiet:
            return
        for note in entry["notes"]:
            self._progress.say(f"{job.input}: {note}")
        clipped = f", {entry['clipped_pixels']} pixels clipped" if entry["clipped_pixels"] else ""
        how = "finished already" if entry["skipped"] else f"{entry['seconds']:.1f} s"
        self._progress.say(
            f"{job.output}: {how}, open field {entry['open_field']:.6g}, pitch {entry['pitch_mm']:g} mm{clipped}"
        )
        self._progress.say(f"{job.output}: {entry['consistency']['verdict']}")

    def fail(self, job: FileJob, error: XsimError) -> None:  # noqa: ARG002  (the error names the file)
        """Print what failed, with --json too; one file alone is the program's own error."""
        self._progress.close()
        if not self._single:
            say(f"xsim: {' '.join(str(error).split())}")
