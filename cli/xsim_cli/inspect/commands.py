"""``xsim inspect voids``: the solder balls of a radiograph and what their voids take of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError, check_range
from xsim_cli.common import CsvOption, DetectorsOption, ForceOption, JsonOption, Outputs, existing
from xsim_cli.measure.inputs import Greys, Polarity, PolarityOption, blame

if TYPE_CHECKING:
    from xsim.degradation.known import KnownDetector
    from xsim.inspect import JudgedBall, Optics, VoidReport

app = typer.Typer(
    no_args_is_help=True,
    help="Inspect radiographs: voids of solder balls.",
    epilog="Example: xsim inspect voids bga.tif --detectors panel --csv voids.csv --picture voids.png",
)


@app.callback()
def _group() -> None:
    """Inspect radiographs: voids of solder balls."""


@app.command(epilog="Example: xsim inspect voids bga.tif --detectors D.toml --csv voids.csv --picture voids.png")
def voids(
    image: Annotated[Path, typer.Argument(help="Radiograph of a board, taken straight through it; raw or restored.")],
    detectors: DetectorsOption = None,
    restored: Annotated[
        bool, typer.Option("--restored", help="The image was restored: to the HR of --detectors, or to --target.")
    ] = False,
    target: Annotated[
        str, typer.Option(metavar="auto|MG_CM2|CSV", help="The MTF that --restored means, of one detector.")
    ] = "auto",
    std: Annotated[
        Path | None, typer.Option(help="Spread of posterior samples, as `xsim zoo run --samples` writes it.")
    ] = None,
    product_class: Annotated[int, typer.Option("--class", help="Product class, 1 to 3, that decides the limit.")] = 2,
    limit_percent: Annotated[
        float | None, typer.Option(help="Limit of the void area in a ball's [%], in place of the class's.")
    ] = None,
    kvp: Annotated[float, typer.Option(help="Tube voltage [kV]: how solder hardens the beam.")] = 70.0,
    pitch_mm: Annotated[float | None, typer.Option(help="Pixel pitch [mm], in place of the file's.")] = None,
    magnification: Annotated[float, typer.Option(help="Size of the image over the object's, for areas in mm2.")] = 1.0,
    open_field: Annotated[float | None, typer.Option(help="Grey level of the open field.  [default: found]")] = None,
    polarity: PolarityOption = None,
    csv: CsvOption = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the balls outlined to this PNG, PDF or SVG file.")] = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Find solder balls and measure the share of each one's area that voids take, with a 95 % interval.

    A ball passes or fails where the whole interval lies on one side of the limit; else it is undecided.
    """
    from xsim.inspect import inspect_voids, limit_of
    from xsim_datasets.progress import Progress

    inputs = tuple(existing(path) for path in (image, std) if path is not None)
    outputs = Outputs(csv, picture, force=force, json_=json_, inputs=inputs)
    limit = limit_of(product_class, limit_percent)
    check_range("magnification", magnification, 0.1, 1e4)
    if restored and detectors is None:
        raise InputError("--restored: the image itself no longer shows its detector's noise: give --detectors")
    given = _given(image, std, detectors, pitch_mm, open_field, polarity)
    optics, source = _optics(given, restored=restored, target=target)
    with Progress(None, "balls", quiet=json_ or not sys.stderr.isatty(), keep=False) as progress:
        found: VoidReport = blame(
            image, inspect_voids, given.grey, optics, limit=limit, kvp=kvp, std=given.std,
            progress=lambda done, total: progress.step(done, f"of {total}"),
        )  # fmt: skip
    pixel_mm = None if given.pitch_mm is None else given.pitch_mm / magnification
    payload = _payload(found, pixel_mm) | {
        "input": str(image), "detector": source, "restored": restored, "open_field": given.open_field,
        "pitch_mm": given.pitch_mm, "magnification": magnification, "kvp": kvp,
        "assumptions": found.remarks, "warnings": given.remarks,
    }  # fmt: skip
    outputs.write(
        "inspect.voids",
        payload,
        _lines(found, source),
        table={key: [ball[key] for ball in payload["balls"]] for key in _COLUMNS},
        figure=lambda _: _figure(given.grey, found, image.name),
    )


_COLUMNS = (
    "ball", "grid", "x_px", "y_px", "diameter_px", "diameter_mm", "area_px", "area_mm2", "void_percent",
    "void_percent_low", "void_percent_high", "void_percent_seen", "smallest_void_percent", "void_area_mm2",
    "verdict", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class _Given:
    """The image and what is known of it: grey values with the open field at 1, detector, pitch [mm]."""

    grey: Any
    std: Any
    known: KnownDetector
    sharper: KnownDetector | None
    pitch_mm: float | None
    open_field: float
    remarks: tuple[str, ...]


def _given(
    image: Path,
    std: Path | None,
    detectors: str | None,
    pitch_mm: float | None,
    open_field: float | None,
    polarity: Polarity | None,
) -> _Given:
    """Read the image, its spread and its detector; without a file the image tells its blur and noise."""
    from xsim.degradation.known_file import read_known
    from xsim.measure.blind import measure_blind

    greys = Greys(polarity)
    file = greys.read(image)
    greys, remarks = greys.decided(file)
    (signal,) = greys.signals(file)
    if open_field is not None and not open_field > 0:
        raise InputError(f"--open-field {open_field:g}: give a grey level above zero")
    told = file.turned(file.open_field) if open_field is None and file.open_field is not None else open_field
    level, seen = greys.open_signal(image, file, signal, told)
    if not seen:
        remarks += (f"no flat open field: its brightest part, {greys.level_of(file, level):.6g}, stands for it",)
    grey, spread, sharper = signal.astype(float) / level, None, None
    pitch = file.pitch_mm if pitch_mm is None else pitch_mm
    if std is not None:
        spread = Greys(polarity).read(std).pixels.astype(float) / level
        if spread.shape != grey.shape:
            raise InputError(
                f"{std}: its shape {spread.shape} is not the image's, {grey.shape}: give the spread of this one"
            )
    if detectors is None:
        most = greys.full_scale(file)
        full = None if most is None else most / level
        known = blame(image, measure_blind, grey, pitch, full_scale=full).known()
        remarks += known.remarks
    else:
        found = read_known(Path(detectors))
        known, sharper = found.lr, found.hr
    return _Given(grey, spread, known, sharper, pitch, float(greys.level_of(file, level) or level), remarks)


def _optics(given: _Given, *, restored: bool, target: str) -> tuple[Optics, str]:
    """Return blur and noise of the image, and what they are from."""
    from xsim.degradation.target import of_text
    from xsim.inspect import Optics

    if not restored:
        return Optics.of_image(given.known), given.known.summary or f"detector: {given.known.source}"
    if given.sharper is not None:
        sharp = given.sharper
        return Optics.of_restored(given.known, sharp.frequency, sharp.mtf), "restored to the HR detector of the file"
    aim = of_text(target, given.pitch_mm)
    return Optics.of_restored(given.known, aim.frequency, aim.mtf), f"restored to {aim.name}"


def _payload(found: VoidReport, pixel_mm: float | None) -> dict[str, Any]:
    """Return the report, for JSON."""
    return {
        "balls": [ball.to_dict(pixel_mm) for ball in found.balls],
        "counts": found.counts(),
        "limit_percent": 100.0 * found.limit.share,
        "product_class": found.limit.product_class,
        "limit_source": found.limit.source,
        "pixel_mm": pixel_mm,
    }


def _lines(found: VoidReport, source: str) -> list[str]:
    """Return the report, for people."""
    if not found.balls:
        return [source, "no solder balls found"]
    counts = ", ".join(f"{number} {verdict}" for verdict, number in found.counts().items() if number)
    return [
        source,
        *(_line(ball) for ball in found.balls),
        f"{len(found.balls)} balls: {counts}; limit {100 * found.limit.share:g} %, {found.limit.source}",
        f"assumed: {'; '.join(found.remarks)}",
    ]


def _line(ball: JudgedBall) -> str:
    place = f"ball {ball.number:3d}  x {ball.x_px:7.1f}  y {ball.y_px:7.1f}  {ball.diameter_px:5.1f} px"
    if ball.void_share is None or ball.low is None or ball.high is None:
        return f"{place}  {ball.verdict}: {ball.reason}"
    return (
        f"{place}  voids {100 * ball.void_share:5.1f} % ({100 * ball.low:.1f} to {100 * ball.high:.1f})  {ball.verdict}"
    )


def _figure(grey: Any, found: VoidReport, title: str) -> Any:
    from xsim_cli.inspect.figure import voids_figure

    return voids_figure(grey, found, title)
