"""``xsim calibrate``: its options, and which of them may stand together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim_cli.calibrate.one import Shots, Told, calibrate_artist, calibrate_one
from xsim_cli.calibrate.two import Pair, calibrate_two
from xsim_cli.common import CsvOption, ForceOption, JsonOption, Outputs, PlotOption, check_output
from xsim_cli.corrections import DarkOption, FlatOption, RepairOption, corrections_of
from xsim_cli.measure.inputs import Greys, PolarityOption, image_files
from xsim_cli.scales import DensityOption, GradientOption, ScaleOption, density_of
from xsim_cli.spectrum import AngleOption, FilterOption, KvpOption, ModelOption, PresetOption, beam

if TYPE_CHECKING:
    from collections.abc import Sequence

_TWO = ("hr_edge", "lr_edge", "hr_flats", "lr_flats", "hr_pair", "lr_pair")
"""Options of two detectors that name images; the first four cannot be missing."""

_TOLD = ("srb_mm", "mtf_csv", "snrn", "dqe0", "mass_thickness_mg_cm2")
"""Options of a data sheet, but for --mtf-at."""

app = typer.Typer()

Paths = list[Path]
PitchOption = Annotated[float | None, typer.Option(help="Pixel pitch [mm]; needed unless the files say it.")]
PairsOption = Annotated[
    Paths | None, typer.Option(help="HR image of a board or step wedge, registered with --lr-pair; repeat for more.")
]
EdgesOption = Annotated[
    Paths | None, typer.Option("--edge", help="One detector: image of a slanted edge; repeat for more.")
]
FlatsOption = Annotated[
    Paths | None, typer.Option("--flats", help="One detector: open-field frames, or a folder; repeat for more.")
]
ImagesOption = Annotated[
    Paths | None, typer.Option("--image", help="One detector: an ordinary radiograph, or a folder; repeat for more.")
]
PointsOption = Annotated[
    list[str] | None, typer.Option(metavar="F:VALUE", help="One detector: MTF at F [lp/mm], told; repeat for more.")
]
CurveOption = Annotated[
    Path | None, typer.Option(help="One detector: CSV file of its MTF, frequency [lp/mm] and value, told.")
]
SrbOption = Annotated[float | None, typer.Option(help="One detector: basic spatial resolution [mm], told.")]
SnrnOption = Annotated[float | None, typer.Option(help="One detector: normalised SNR at --kerma-uGy, told.")]
DqeOption = Annotated[float | None, typer.Option(help="One detector: DQE at zero frequency, told.")]
ThicknessOption = Annotated[
    float | None, typer.Option(help="One detector: its screen [mg/cm2].  [default: fitted to the blur]")
]
ArtistOption = Annotated[
    Path | None, typer.Option("--artdet", metavar="FILE", help="One detector: a file of aRTist (.aRTdet).")
]
RoiOption = Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Region of the edges of one detector.")]
PhosphorOption = Annotated[str, typer.Option(help="One detector: Gd2O2S, CaWO4, CsI (a powder) or CsI-columnar.")]
LevelOption = Annotated[
    float | None, typer.Option(help="Open field of --image, as in the file [grey].  [default: found]")
]
DarksOption = Annotated[Path | None, typer.Option(metavar="FILE|FOLDER", help="Two: --dark of this one.")]
GainsOption = Annotated[Path | None, typer.Option(metavar="FILE|FOLDER", help="Two: --flat of this one.")]
KermaOption = Annotated[
    float | None, typer.Option("--kerma-uGy", help="Air kerma of one flat frame [uGy].  [default: 42.56]")
]


@app.command(
    epilog="Examples: xsim calibrate --edge plate.tif --flats open/ --pitch-mm 0.139 -o panel.toml; xsim calibrate "
    "--pitch-mm 0.139 --srb-mm 0.16 --snrn 120 --kerma-uGy 20 -o panel.toml; xsim calibrate --hr-edge hr_edge.tif "
    "--lr-edge lr_edge.tif --hr-flats hr_flats/ --lr-flats lr_flats/ --pitch-mm 0.048 -o DETECTORS.toml"
)
def calibrate(
    out: Annotated[Path, typer.Option("-o", "--out", help="TOML file of the detector, or of two and their link.")],
    edge: EdgesOption = None,
    flats: FlatsOption = None,
    edge_roi: RoiOption = None,
    image: ImagesOption = None,
    open_field: LevelOption = None,
    srb_mm: SrbOption = None,
    mtf_at: PointsOption = None,
    mtf_csv: CurveOption = None,
    snrn: SnrnOption = None,
    dqe0: DqeOption = None,
    phosphor: PhosphorOption = "Gd2O2S",
    mass_thickness_mg_cm2: ThicknessOption = None,
    artdet: ArtistOption = None,
    hr_edge: Annotated[Paths | None, typer.Option(help="Two: slanted edge on the sharp (HR) screen; repeat.")] = None,
    lr_edge: Annotated[Paths | None, typer.Option(help="The same on the dose-efficient (LR) screen.")] = None,
    hr_flats: Annotated[Paths | None, typer.Option(help="Two: HR open-field frames, or a folder; repeat.")] = None,
    lr_flats: Annotated[Paths | None, typer.Option(help="LR open-field frames, or a folder; repeat.")] = None,
    hr_edge_roi: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Region of the HR edges.")] = None,
    lr_edge_roi: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Region of the LR edges.")] = None,
    hr_pair: PairsOption = None,
    lr_pair: Annotated[Paths | None, typer.Option(help="LR image of the same object.")] = None,
    hr_wedge: Annotated[Path | None, typer.Option(help="HR image of a step wedge, instead of pairs.")] = None,
    lr_wedge: Annotated[Path | None, typer.Option(help="LR image of the same wedge; it may lie elsewhere.")] = None,
    hr_frames: Annotated[int, typer.Option(min=1, help="Frames averaged in the HR images that will be used.")] = 20,
    hr_mass_thickness_mg_cm2: Annotated[float, typer.Option(help="Nominal HR screen [mg/cm2].")] = 33.91,
    lr_mass_thickness_mg_cm2: Annotated[float, typer.Option(help="Nominal LR screen [mg/cm2].")] = 134.55,
    pitch_mm: PitchOption = None,
    kerma_uGy: KermaOption = None,
    fill_factor: Annotated[float, typer.Option(help="Share of the pixel that is photodiode.")] = 0.85,
    polarity: PolarityOption = None,
    scale: ScaleOption = "linear",
    density_white: DensityOption = None,
    film_gradient: GradientOption = None,
    dark: DarkOption = None,
    flat: FlatOption = None,
    hr_dark: DarksOption = None,
    hr_flat: GainsOption = None,
    lr_dark: DarksOption = None,
    lr_flat: GainsOption = None,
    bad_pixels: RepairOption = "none",
    kvp: KvpOption = None,
    filters: FilterOption = None,
    anode_angle_deg: AngleOption = 12.0,
    model: ModelOption = "kqp",
    preset: PresetOption = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Make a file of your own detector, or of two and what lies between them.

    One detector: from a tilted plate and open frames (--edge, --flats), from ordinary radiographs (--image), or from a
    data sheet (--pitch-mm with --srb-mm, --mtf-at, --snrn, ...). Two: edges and flats of each; images of a step wedge
    or registered pairs give the grey-level link, which else comes from the physics of the nominal screens.
    """
    _run(SimpleNamespace(**locals()))


def _run(given: SimpleNamespace) -> None:
    """Calibrate one detector or two, as the options say."""
    two = [getattr(given, name) or [] for name in _TWO]
    wedges = [path for path in (given.hr_wedge, given.lr_wedge) if path]
    told = Told(**{name: getattr(given, name) for name in _TOLD}, mtf_at=given.mtf_at or [])
    one = [given.edge or [], given.flats or [], given.image or []]
    pair = any([*two, wedges, given.hr_edge_roi, given.lr_edge_roi])
    if given.artdet:
        _run_artist(given, told, others=[*two, *one, given.edge_roi, wedges])
        return
    missing = [name for name in _TWO[:4] if not getattr(given, name)]
    _check_kinds(given, told, pair=pair, missing=missing)
    groups: list[Any] = [image_files(paths) for paths in ([*two, wedges] if pair else one)]
    inputs: tuple[Path, ...] = (
        *(path for group in groups for path in group),
        *([given.mtf_csv] if given.mtf_csv else []),
    )
    check_output(given.out, force=given.force, inputs=inputs)
    outputs = Outputs(given.csv, given.plot, force=given.force, json_=given.json_, inputs=inputs)
    spectrum = beam(given.kvp, given.filters, given.anode_angle_deg, given.model, given.preset)
    shared = {name: getattr(given, name) for name in ("pitch_mm", "kerma_uGy", "fill_factor")}
    first, second = _greys(given, pair=pair, flats=groups[2:4] if pair else groups[1:2])
    if not pair:
        shots = Shots(groups[0], groups[1], groups[2], given.edge_roi, given.open_field, first)
        calibrate_one(shots, told, given.out, outputs, spectrum, phosphor=given.phosphor, **shared)
        return
    screens = (given.hr_mass_thickness_mg_cm2, given.lr_mass_thickness_mg_cm2)
    about: list[Any] = [(given.hr_edge_roi, given.lr_edge_roi), screens, given.hr_frames, (first, second)]
    files = Pair(*groups, *about)
    calibrate_two(files, given.out, outputs, spectrum, **shared)


def _run_artist(given: SimpleNamespace, told: Told, *, others: Sequence[Any]) -> None:
    """Calibrate from a file of aRTist, beside which nothing of the detector is told."""
    numbers = [name for name in (*_TOLD, "mtf_at") if getattr(told, name) not in (None, [])]
    if any(others) or numbers or given.pitch_mm is not None:
        extra = _option(numbers[0]) if numbers else "--pitch-mm" if given.pitch_mm is not None else "images"
        raise InputError(f"--artdet tells blur, noise and pixels by itself: leave out {extra}")
    check_output(given.out, force=given.force, inputs=(given.artdet,))
    outputs = Outputs(given.csv, given.plot, force=given.force, json_=given.json_, inputs=(given.artdet,))
    spectrum = beam(given.kvp, given.filters, given.anode_angle_deg, given.model, given.preset)
    how: Any = {"kerma_uGy": given.kerma_uGy, "fill_factor": given.fill_factor}
    calibrate_artist(given.artdet, given.out, outputs, spectrum, **how)


def _greys(given: SimpleNamespace, *, pair: bool, flats: Sequence[Sequence[Path]]) -> tuple[Greys, Greys]:
    """Return how images of two detectors are read, or of one, twice; ``flats`` are frames whose noise is measured."""
    one, two = ("dark", "flat"), ("hr_dark", "hr_flat", "lr_dark", "lr_flat")
    if wrong := [name for name in (one if pair else two) if getattr(given, name)]:
        kind = "one detector: give --hr-... and --lr-..." if pair else "two detectors: give --dark and --flat"
        raise InputError(f"{_option(wrong[0])} is of {kind}")
    density = density_of(given.scale, given.density_white, given.polarity, given.film_gradient)
    found = []
    for names, frames in zip((two[:2], two[2:]) if pair else (one,), flats, strict=True):
        dark, flat = (getattr(given, name) for name in names)
        level, options = (None if pair else given.open_field), (_option(names[0]), _option(names[1]))
        how: Any = {"open_field": level, "polarity": given.polarity, "names": options, "noise_of": frames}
        corrections = corrections_of(dark, flat, given.bad_pixels, scale=given.scale, **how)
        found.append(Greys(given.polarity, corrections, density))
    return found[0], found[-1]


def _check_kinds(given: SimpleNamespace, told: Told, *, pair: bool, missing: Sequence[str]) -> None:
    """Refuse options of several kinds, and nothing at all, in one line."""
    shots = [name for name in ("edge", "flats", "edge_roi") if getattr(given, name)]
    numbers = [name for name in (*_TOLD, "mtf_at") if getattr(told, name) not in (None, [])]
    if pair and (shots or given.image or numbers):
        one = (shots or (["image"] if given.image else numbers))[0]
        raise InputError(f"{_option(one)} is of one detector, --hr-... and --lr-... of two: give one kind")
    if pair and missing:
        raise InputError(f"{_option(missing[0])} is missing: two detectors need edges and flats of both")
    other = [name for name in numbers if name != "mass_thickness_mg_cm2"]
    if given.image and (shots or other):
        raise InputError(f"--image tells blur and noise by itself: leave out {_option((shots or other)[0])}")
    if not (pair or shots or given.image or numbers):
        raise InputError(
            "nothing to make a detector of: give --edge and --flats, or --image, or numbers of a data sheet such as "
            "--srb-mm and --snrn, or edges and flats of two detectors"
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
