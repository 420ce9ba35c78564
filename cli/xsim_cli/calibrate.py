"""``xsim calibrate``: two detectors measured from their edges and flats, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim_cli.common import (
    CsvOption,
    ForceOption,
    JsonOption,
    PlotOption,
    check_output,
    check_outputs,
    emit_json,
    say,
    write_csv,
    write_figure,
)
from xsim_cli.measure_inputs import (
    PolarityOption,
    blame,
    common_pitch,
    image_files,
    read,
    region_of,
    signals,
)
from xsim_cli.spectrum import AngleOption, FilterOption, KvpOption, ModelOption, PresetOption, beam

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim.degradation.link import GreyLink
    from xsim.detector.detector import Screen
    from xsim.measure.calibration import Calibration, MeasuredDetector
    from xsim_datasets.images import Radiograph

app = typer.Typer(pretty_exceptions_enable=False)

Paths = list[Path]
Both = tuple[tuple[Path, ...], tuple[Path, ...]]


PitchOption = Annotated[float | None, typer.Option(help="Pixel pitch of both [mm]; needed unless the files say it.")]
PairsOption = Annotated[
    Paths | None, typer.Option(help="HR image of a board or step wedge, registered with --lr-pair; repeat for more.")
]


@app.command(
    epilog="Example: xsim calibrate --hr-edge hr_edge.tif --lr-edge lr_edge.tif --hr-flats hr_flats/ "
    "--lr-flats lr_flats/ --pitch-mm 0.048 --hr-pair hr_board.tif --lr-pair lr_board.tif -o DETECTORS.toml"
)
def calibrate(
    hr_edge: Annotated[Paths, typer.Option(help="Image of a slanted edge on the sharp (HR) screen; repeat for more.")],
    lr_edge: Annotated[Paths, typer.Option(help="The same on the dose-efficient (LR) screen.")],
    hr_flats: Annotated[Paths, typer.Option(help="HR open-field frames, or a folder of them; repeat for more.")],
    lr_flats: Annotated[Paths, typer.Option(help="LR open-field frames, or a folder of them; repeat for more.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="TOML file of the two detectors and what lies between.")],
    pitch_mm: PitchOption = None,
    hr_edge_roi: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Region of the HR edges.")] = None,
    lr_edge_roi: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Region of the LR edges.")] = None,
    hr_pair: PairsOption = None,
    lr_pair: Annotated[Paths | None, typer.Option(help="LR image of the same object.")] = None,
    hr_wedge: Annotated[Path | None, typer.Option(help="HR image of a step wedge, instead of pairs.")] = None,
    lr_wedge: Annotated[Path | None, typer.Option(help="LR image of the same wedge; it may lie elsewhere.")] = None,
    hr_frames: Annotated[int, typer.Option(min=1, help="Frames averaged in the HR images that will be used.")] = 20,
    kerma_uGy: Annotated[float, typer.Option("--kerma-uGy", help="Air kerma of one flat frame [uGy].")] = 42.56,
    hr_mass_thickness_mg_cm2: Annotated[float, typer.Option(help="Nominal HR screen [mg/cm2].")] = 33.91,
    lr_mass_thickness_mg_cm2: Annotated[float, typer.Option(help="Nominal LR screen [mg/cm2].")] = 134.55,
    fill_factor: Annotated[float, typer.Option(help="Share of the pixel that is photodiode.")] = 0.85,
    polarity: PolarityOption = "metal-dark",
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
    """Measure your own two detectors: MTF, NNPS, B_1 and Sigma_1 with uncertainties, and the grey-level link.

    Images of a step wedge, or registered pairs of any object, give the link; without them it comes from the physics
    of the nominal screens.
    """
    from xsim.detector.detector import Screen
    from xsim.measure import calibration

    files = _Files.of((hr_edge, lr_edge), (hr_flats, lr_flats), (hr_pair or [], lr_pair or []), (hr_wedge, lr_wedge))
    check_output(out, force=force, inputs=files.all)
    check_outputs(csv, plot, force=force, inputs=files.all)
    spectrum = beam(kvp, filters, anode_angle_deg, model, preset)
    screens = Screen(hr_mass_thickness_mg_cm2), Screen(lr_mass_thickness_mg_cm2)
    shared: Any = {"pitch_mm": pitch_mm, "polarity": polarity, "kerma_uGy": kerma_uGy, "fill_factor": fill_factor}
    hr, hr_open = _measured(files.edges[0], files.flats[0], screens[0], roi=hr_edge_roi, **shared)
    lr, lr_open = _measured(files.edges[1], files.flats[1], screens[1], roi=lr_edge_roi, **shared)
    pairs = [
        (_linear(sharp, hr_open, polarity), _linear(blurred, lr_open, polarity))
        for sharp, blurred in zip(*files.pairs, strict=True)
    ]
    link = _wedge_link(files.wedges, (hr_open, lr_open), polarity) if files.wedges else None
    found = calibration.calibrate(hr, lr, spectrum, hr_frames=hr_frames, pairs=pairs, link=link)
    calibration.write_calibration(out, found)
    write_csv(csv, *_table(found))
    write_figure(plot, lambda figures: figures.calibration_figure(found))
    if json_:
        emit_json("calibrate", {"path": out, **_document(found)})
    else:
        _print(out, found)


@dataclass(frozen=True)
class _Files:
    """The images of a calibration; of edges, flats and pairs those of HR first, then those of LR."""

    edges: Both
    flats: Both
    pairs: Both
    wedges: tuple[Path, ...]

    @classmethod
    def of(
        cls,
        edges: tuple[Paths, Paths],
        flats: tuple[Paths, Paths],
        pairs: tuple[Paths, Paths],
        wedges: tuple[Path | None, Path | None],
    ) -> _Files:
        """Return the files that the options name, folders opened up."""
        hr_pairs, lr_pairs = pairs
        if len(hr_pairs) != len(lr_pairs):
            raise InputError(f"{len(hr_pairs)} HR and {len(lr_pairs)} LR images of pairs: give one LR for each HR")
        given = [path for path in wedges if path]
        if len(given) == 1 or (given and hr_pairs):
            raise InputError("the grey-level link needs --hr-wedge and --lr-wedge, or pairs, or none of them")
        found = [(image_files(hr), image_files(lr)) for hr, lr in (edges, flats, pairs)]
        return cls(edges=found[0], flats=found[1], pairs=found[2], wedges=image_files(given))

    @property
    def all(self) -> tuple[Path, ...]:
        """Every one of them."""
        return (*sum((*self.edges, *self.flats, *self.pairs), ()), *self.wedges)


def _measured(
    edges: Sequence[Path],
    flats: Sequence[Path],
    screen: Screen,
    *,
    roi: str | None,
    pitch_mm: float | None,
    polarity: str,
    kerma_uGy: float,
    fill_factor: float,
) -> tuple[MeasuredDetector, float]:
    """Return a detector measured from files, and the grey level of its open field."""
    from xsim.detector.detector import Sensor
    from xsim.measure.calibration import measure_detector
    from xsim.measure.edge import edge_mtf

    images = [read(path) for path in edges]
    pitch = common_pitch(pitch_mm, edges, images)
    region = region_of(roi) if roi else None
    curves = [
        blame(path, edge_mtf, image.pixels, pitch, roi=region, full_scale=image.white)
        for path, image in zip(edges, images, strict=True)
    ]
    files: list[Radiograph] = [read(path, pages=True) for path in flats]
    frames = [page for file in files for page in signals(file, polarity)]
    sensor = Sensor(pitch_mm=pitch, fill_factor=fill_factor)
    measured: MeasuredDetector = blame(
        flats[0], measure_detector, curves, frames, kerma_uGy=kerma_uGy, screen=screen, sensor=sensor,
        full_scale=files[0].white,
    )  # fmt: skip
    return measured, measured.nnps.mean


def _linear(path: Path, open_field: float, polarity: str) -> Any:
    """Return an image with its open field at 1."""
    (signal,) = signals(read(path), polarity)
    return signal / open_field


def _wedge_link(wedges: Sequence[Path], open_fields: tuple[float, float], polarity: str) -> GreyLink:
    from xsim.measure.wedge import link_from_wedge

    hr, lr = (_linear(path, level, polarity) for path, level in zip(wedges, open_fields, strict=True))
    link: GreyLink = blame(wedges[0], link_from_wedge, hr, lr)
    return link


def _table(found: Calibration) -> tuple[tuple[str, ...], Any]:
    """Return header and rows of the CSV file."""
    table = found.degradation
    columns = (table.frequency_lp_mm, table.B_1, found.B_1_sd, table.Sigma_1_mm2, found.Sigma_1_sd_mm2)
    return ("frequency_lp_mm", "B_1", "B_1_sd", "Sigma_1_mm2", "Sigma_1_sd_mm2"), zip(*columns, strict=True)


def _document(found: Calibration) -> dict[str, Any]:
    table = found.degradation
    return {
        "frequency_lp_mm": table.frequency_lp_mm,
        "B_1": table.B_1,
        "B_1_sd": found.B_1_sd,
        "Sigma_1_mm2": table.Sigma_1_mm2,
        "Sigma_1_sd_mm2": found.Sigma_1_sd_mm2,
        "link": table.link.to_dict(),
        "hr_frames": found.hr_frames,
        "detectors": {
            name: {
                "frequency_lp_mm": one.frequency_lp_mm,
                "mtf": one.mtf_fit,
                "nnps_mm2": one.nnps_fit_mm2,
                "angle_deg": one.mtf.angle_deg,
                "noise_floor": one.mtf.noise_floor,
                "flats": one.nnps.frames,
                "open_field": one.nnps.mean,
            }
            for name, one in (("hr", found.hr), ("lr", found.lr))
        },
        "warnings": found.warnings,
    }


def _print(out: Path, found: Calibration) -> None:
    import numpy as np

    table = found.degradation
    for f in np.arange(0.0, found.hr.frequency_lp_mm[-1] + 1e-9, 1.0):
        hr, lr = (np.interp(f, one.frequency_lp_mm, one.mtf_fit) for one in (found.hr, found.lr))
        B, sd, noise = (np.interp(f, table.frequency_lp_mm, y) for y in (table.B_1, found.B_1_sd, table.Sigma_1_mm2))
        typer.echo(f"{f:5.1f} lp/mm  MTF {hr:.3f} {lr:.3f}  B_1 {B:.3f} +- {sd:.3f}  Sigma_1 {noise:.3g} mm2")
    typer.echo(f"link from {table.link.source}, residual {table.link.residual:.2g}; written to {out}")
    for text in found.warnings:
        say(f"warning: {text}")
