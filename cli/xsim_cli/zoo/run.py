"""`xsim zoo run`: restore files and folders of radiographs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from xsim.errors import InputError, XsimError
from xsim_cli.common import (
    DeviceOption,
    ForceOption,
    JsonOption,
    RestorerName,
    WeightsOption,
    emit_json,
    report,
    say,
)
from xsim_cli.corrections import BadPixelsOption, DarkOption, FlatOption, corrections_of
from xsim_cli.scales import DensityOption, GradientOption, ScaleOption
from xsim_datasets.progress import Progress

if TYPE_CHECKING:
    from xsim_datasets.real.corrections import Corrections
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.run.files import FileRestorer
    from xsim_zoo.run.jobs import FileJob
    from xsim_zoo.run.settings import RunSettings

__all__ = ["register"]

_EPILOG = (
    "Example: xsim zoo run physics-sde board.tif -o restored.tif  ||  "
    "a folder: xsim zoo run physics-sde radiographs/ -o restored/ --samples 8"
)


_SETTINGS = (
    *("steps", "sharpness", "samples", "flips", "seed", "pitch_mm", "open_field", "polarity", "white", "precision"),
    *("target", "grey", "page", "scale", "density_white", "film_gradient"),
)
"""Options that are fields of `RunSettings` of the same name."""

Polarity = Literal["metal-dark", "metal-bright"]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="A file for one image, else a folder; beside the input if not given."),
]
StepsOption = Annotated[
    int | None,
    typer.Option(help="Sampling steps; 1 is the answer of highest fidelity. The restorer's own if not given."),
]

DetectorsChoice = Annotated[
    str | None,
    typer.Option(
        metavar="image|weights|NAME|FILE",
        help="Whose image it is: estimated from the image itself; those that the weights were made for; a name of "
        "`xsim detectors`; a file of `xsim calibrate` or `xsim detector --save`.  [default: image; weights where "
        "--weights is given]",
    ),
]
FlipsOption = Annotated[
    bool, typer.Option("--flips", help="Average over all eight orientations of the image: 8 times the work.")
]
GreyOption = Annotated[
    Literal["lr", "hr"] | None, typer.Option(help="Keep the image's own grey values, or give those of the HR one.")
]
ReportOption = Annotated[
    bool, typer.Option("--report", help="Write a page to look at, print and file beside each result; an index of many.")
]
AnonymiseOption = Annotated[
    bool, typer.Option("--anonymise", help="Leave out of results what a file says about people (DICOM PS3.15).")
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        metavar="X,Y,W,H", help="What --picture enlarges [px].  [default: where most has changed inside the object]"
    ),
]
TileOption = Annotated[int | None, typer.Option(help="Side of the tiles [px]; as free memory allows if not given.")]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Write only what the check vouches for; end with 3 where it does not.")
]
KeepOption = Annotated[bool, typer.Option("--keep", help="With --strict, write the others all the same.")]
TargetOption = Annotated[
    str | None,
    typer.Option(
        metavar="auto|MG_CM2|CSV", help="Sharpness to reach with one detector: a Gd2O2S screen, or an MTF's table."
    ),
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
    flips: FlipsOption = False,
    sharpness: Annotated[float, typer.Option(help="0 highest fidelity, 1 full sharpness.")] = 1.0,
    weights: WeightsOption = None,
    detectors: DetectorsChoice = None,
    target: TargetOption = None,
    grey: GreyOption = None,
    pitch_mm: Annotated[float | None, typer.Option(help="Pixel pitch [mm], in place of the file's.")] = None,
    open_field: Annotated[float | None, typer.Option(help="Grey level of the open field, as in the file.")] = None,
    polarity: Annotated[Polarity | None, typer.Option(help="How metal looks, in place of what the file says.")] = None,
    white: Annotated[float | None, typer.Option(help="Grey level of no signal, for metal-bright.")] = None,
    scale: ScaleOption = "linear",
    density_white: DensityOption = None,
    film_gradient: GradientOption = None,
    page: Annotated[int | None, typer.Option(help="Restore this page only, counted from 1.")] = None,
    anonymise: AnonymiseOption = False,
    dark: DarkOption = None,
    flat: FlatOption = None,
    bad_pixels: BadPixelsOption = "auto",
    device: DeviceOption = "auto",
    precision: Annotated[Literal["auto", "float32", "bfloat16"], typer.Option(help="Of the network only.")] = "auto",
    tile: TileOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    picture: Annotated[bool, typer.Option("--picture", help="Draw before, after, difference, profile.")] = False,
    roi: RegionOption = None,
    report_: ReportOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and leave.")] = False,
    strict: StrictOption = False,
    keep: KeepOption = False,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Restore radiographs. Size, kind and grey scale stay; each result is checked against the measurement."""
    given = locals()

    from xsim_zoo.run.jobs import plan
    from xsim_zoo.run.settings import RunSettings

    if keep and not strict:
        raise InputError("--keep goes with --strict: without it all images are written")
    region = _region(roi, picture=picture)
    told = {name: given[name] for name in _SETTINGS}
    settings = RunSettings(**told, tile_px=tile, detectors=_whose(detectors, weights), hand_over=weights is None)
    jobs = plan(images, output, std=samples > 0, picture=picture)
    index = _index_of(jobs, images, output, force=force) if report_ else None
    corrections = corrections_of(dark, flat, bad_pixels, open_field=open_field, polarity=polarity, scale=scale)
    restorer = _loaded(name, weights, device, settings)
    if dry_run:
        _forecast(restorer, jobs, settings, corrections, json_=json_)
        return
    outcome = _Report(len(jobs), quiet=json_, strict=strict)
    how: Any = {"force": force, "picture": picture, "report": report_, "anonymise": anonymise, "roi": region}
    how["strict"] = strict and not keep
    _restore_all(jobs, _by_file(restorer, jobs, settings, outcome, corrections=corrections, **how), outcome)
    outcome.conclude(index, jobs, force=force, json_=json_)


def _region(text: str | None, *, picture: bool) -> tuple[int, int, int, int] | None:
    """Return the region that is enlarged in pictures."""
    from xsim_cli.measure.inputs import region_of

    if text is not None and not picture:
        raise InputError(f"--roi {text} is what --picture enlarges: give that as well")
    return None if text is None else region_of(text)


def _by_file(
    restorer: Restorer,
    jobs: list[FileJob],
    settings: RunSettings,
    outcome: _Report,
    *,
    corrections: Corrections,
    **how: Any,
) -> FileRestorer:
    """Return what restores file by file; ``how`` are fields of `FileRestorer`."""
    from xsim_zoo.run.estimates import Estimates
    from xsim_zoo.run.files import FileRestorer

    estimates = Estimates([job.input for job in jobs], corrections)
    return FileRestorer(restorer, settings, on_tile=outcome.tile, estimates=estimates, corrections=corrections, **how)


def _index_of(jobs: list[FileJob], images: list[Path], output: Path | None, *, force: bool) -> Path | None:
    """Return where the table of the reports goes, if there is to be one: of several files, or of a folder."""
    from xsim_zoo.run.report.index import check_index, index_path

    if len(jobs) == 1 and not images[0].is_dir():
        return None
    path = index_path(jobs, output)
    check_index(path, force=force)
    return path


def _whose(detectors: str | None, weights: Path | None) -> str:
    """Return whose image it is: a file, or a word; weights that somebody chose were made for detectors of theirs."""
    from xsim.detector.named import resolve

    if detectors is None:
        return "image" if weights is None else "weights"
    return detectors if detectors in {"image", "weights"} else str(resolve(detectors))


def _loaded(name: str, weights: Path | None, device: str, settings: RunSettings) -> Restorer:
    """Return the restorer; where no weights are named, with those that suit the steps and samples best."""
    from xsim_zoo.weights.card import suited
    from xsim_zoo.weights.loading import load

    if weights is None and (found := suited(name, steps=settings.steps, samples=settings.samples)) is not None:
        weights = Path(found[0])
        if found[0] != name:
            say(f"weights {found[0]}, for {found[1]}")
    return load(name, weights, device=device)


def _restore_all(jobs: list[FileJob], restore: FileRestorer, outcome: _Report) -> None:
    """Restore file by file; one that fails does not stop the rest."""
    try:
        with outcome.progress:
            for job in jobs:
                outcome.begin(job)
                try:
                    outcome.end(job, restore(job))
                except XsimError as error:
                    outcome.fail(job, error)
    except KeyboardInterrupt:
        say(f"{len(outcome.files)} of {len(jobs)} files are finished and stay; run the same command again to go on")
        raise


def _forecast(
    restorer: Restorer, jobs: list[FileJob], settings: RunSettings, corrections: Corrections, *, json_: bool
) -> None:
    """Say what would be done."""
    from xsim_zoo.run.estimates import Estimates
    from xsim_zoo.run.files import forecast

    estimates = Estimates([job.input for job in jobs], corrections)
    files = [forecast(restorer, job, settings, estimates, corrections) for job in jobs]
    lines = [
        f"{file['input']} -> {file['output']}: {file['shape'][0]} x {file['shape'][1]} {file['dtype']}, "
        f"{file['pages']} page(s), open field {file['open_field']:.6g}, {_pitch(file['pitch_mm'])}, "
        f"{file['blocks']} block(s), {file['tiles']} tile(s), {file['memory_bytes'] / 2**20:.0f} MiB, "
        f"about {file['seconds']:.0f} s"
        for file in files
    ]
    report("zoo.run", {"dry_run": True, "files": files, "failed": []}, lines, json_=json_)


def _pitch(pitch_mm: float | None) -> str:
    return "pitch not known" if pitch_mm is None else f"pitch {pitch_mm:g} mm"


class _Report:
    """What became of the files, and how the run goes on: a line for each file, the network's tiles as progress."""

    def __init__(self, count: int, *, quiet: bool, strict: bool = False) -> None:
        self.progress = Progress(None, "tiles", quiet=quiet, keep=False)
        self.files: list[dict[str, Any]] = []
        self._failed: list[dict[str, str]] = []
        self._error: XsimError | None = None
        self._count, self._quiet, self._strict = count, quiet, strict
        self._began = time.monotonic()
        self._file = ""
        self._tiles = 0

    def begin(self, job: FileJob) -> None:
        """Note which file is being restored."""
        before, done = len(self.files) + len(self._failed), len(self.files)
        each_s = (time.monotonic() - self._began) / max(done, 1)
        left = f", {each_s * (self._count - before):.0f} s left" if done else ""
        self._file = f"{before + 1}/{self._count} {job.input.name}{left}"

    def tile(self) -> None:
        """Count a tile that is done."""
        self._tiles += 1
        self.progress.step(self._tiles, self._file)

    def end(self, job: FileJob, entry: dict[str, Any]) -> None:
        """Print what came out."""
        self.files.append(entry)
        if self._quiet:
            return
        for note in entry["notes"]:
            self.progress.say(f"{job.input}: {note}")
        clipped = f", {entry['clipped_pixels']} pixels clipped" if entry["clipped_pixels"] else ""
        how = "finished already" if entry["skipped"] else f"{entry['seconds']:.1f} s"
        self.progress.say(
            f"{job.output}: {how}, open field {entry['open_field']:.6g}, {_pitch(entry['pitch_mm'])}{clipped}"
        )
        self.progress.say(f"{job.output}: {entry['consistency']['verdict']}")
        if "report" in entry:
            self.progress.say(f"{entry['report']}: the page about it")

    def fail(self, job: FileJob, error: XsimError) -> None:
        """Print what failed, with --json too; one file alone is the program's own error."""
        self._failed.append({"input": str(job.input), "error": str(error)})
        self._error = self._error or error
        self.progress.close()
        if self._count > 1:
            say(f"xsim: {' '.join(str(error).split())}")

    def _write_index(self, path: Path, jobs: list[FileJob], *, force: bool) -> dict[str, Any]:
        """Write the table of the reports, also of those that failed, and return what JSON says of it."""
        from xsim_zoo.run.report.index import write_index

        write_index(path, jobs, self._failed, force=force)
        self.progress.say(f"{path}: {len(self.files)} reports, the worst first")
        return {"index": str(path)}

    def conclude(self, index: Path | None, jobs: list[FileJob], *, force: bool, json_: bool) -> None:
        """Say what became of the files, and end with 3 where some failed, with the first error's code where all did.

        With ``--strict`` one that its check does not vouch for counts as failed, though it was kept. ``index`` is where
        the table of the reports goes.
        """
        more = {} if index is None else self._write_index(index, jobs, force=force)
        if self._count == 1 and self._error is not None:
            raise self._error
        if json_:
            emit_json("zoo.run", {"files": self.files, "failed": self._failed, **more})
        elif self._count > 1:
            say(f"{len(self.files)} restored, {len(self._failed)} failed")
        if self._error is not None:
            raise typer.Exit(3 if self.files else self._error.exit_code)
        if self._strict and not all(file["consistency"]["consistent"] for file in self.files):
            raise typer.Exit(3)
