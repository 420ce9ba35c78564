"""``xsim calibrate``: two detectors measured from their edges and flats, and what lies between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim_cli.common import CsvOption, ForceOption, JsonOption, Outputs, PlotOption, check_output
from xsim_cli.measure.inputs import (
    PolarityOption,
    blame,
    common_pitch,
    edges_of,
    image_files,
    read,
    regions_of,
    signals,
)
from xsim_cli.spectrum import AngleOption, FilterOption, KvpOption, ModelOption, PresetOption, beam

if TYPE_CHECKING:
    from xsim.detector.detector import Screen
    from xsim.measure.calibration import Calibration, MeasuredDetector

app = typer.Typer()

_CURVES = ("frequency_lp_mm", "B_1", "B_1_sd", "Sigma_1_mm2", "Sigma_1_sd_mm2")
"""Columns of the table, and keys of the JSON document."""

Paths = list[Path]
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
    from xsim.measure.wedge import link_from_wedge

    sharp, blurred = hr_pair or [], lr_pair or []
    wedges = [path for path in (hr_wedge, lr_wedge) if path]
    _check_link_images(sharp, blurred, wedges)
    groups = [image_files(paths) for paths in (hr_edge, lr_edge, hr_flats, lr_flats, sharp, blurred, wedges)]
    inputs = tuple(path for group in groups for path in group)
    check_output(out, force=force, inputs=inputs)
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    spectrum = beam(kvp, filters, anode_angle_deg, model, preset)
    screens = Screen(hr_mass_thickness_mg_cm2), Screen(lr_mass_thickness_mg_cm2)
    shared: Any = {"pitch_mm": pitch_mm, "polarity": polarity, "kerma_uGy": kerma_uGy, "fill_factor": fill_factor}
    hr = _measured(groups[0], groups[2], screens[0], roi=hr_edge_roi, **shared)
    lr = _measured(groups[1], groups[3], screens[1], roi=lr_edge_roi, **shared)
    pairs = [(_linear(x, hr, polarity), _linear(y, lr, polarity)) for x, y in zip(*groups[4:6], strict=True)]
    link = None
    if wedges:
        steps = (_linear(path, detector, polarity) for path, detector in zip(wedges, (hr, lr), strict=True))
        link = blame(wedges[0], link_from_wedge, *steps)
    found = calibration.calibrate(hr, lr, spectrum, hr_frames=hr_frames, pairs=pairs, link=link)
    calibration.write_calibration(out, found)
    _write(outputs, out, found)


def _write(outputs: Outputs, out: Path, found: Calibration) -> None:
    """Write table and figure, and say what was found."""
    between = found.degradation
    curves = (between.frequency_lp_mm, between.B_1, found.B_1_sd, between.Sigma_1_mm2, found.Sigma_1_sd_mm2)
    table = dict(zip(_CURVES, curves, strict=True))
    outputs.write(
        "calibrate",
        {"path": out, **table, **_facts(found)},
        _lines(out, found),
        table=table,
        figure=lambda figures: figures.calibration_figure(found),
    )


def _check_link_images(sharp: Paths, blurred: Paths, wedges: Paths) -> None:
    if len(sharp) != len(blurred):
        raise InputError(f"{len(sharp)} HR and {len(blurred)} LR images of pairs: give one LR for each HR")
    if len(wedges) == 1 or (wedges and sharp):
        raise InputError("the grey-level link needs --hr-wedge and --lr-wedge, or pairs, or none of them")


def _linear(path: Path, detector: MeasuredDetector, polarity: str) -> Any:
    """Return an image with its open field at 1."""
    (signal,) = signals(read(path), polarity)
    return signal / detector.nnps.mean


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
) -> MeasuredDetector:
    """Return a detector measured from files."""
    from xsim.detector.detector import Sensor
    from xsim.measure.calibration import measure_detector

    images = [read(path) for path in edges]
    pitch = common_pitch(pitch_mm, edges, images)
    curves = edges_of(edges, images, pitch, regions_of([roi] if roi else None))
    files = [read(path, pages=True) for path in flats]
    frames = [page for file in files for page in signals(file, polarity)]
    sensor = Sensor(pitch_mm=pitch, fill_factor=fill_factor)
    measured: MeasuredDetector = blame(
        flats[0], measure_detector, curves, frames, kerma_uGy=kerma_uGy, screen=screen, sensor=sensor,
        full_scale=files[0].white,
    )  # fmt: skip
    return measured


def _facts(found: Calibration) -> dict[str, Any]:
    return {
        "link": found.degradation.link.to_dict(),
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


def _lines(out: Path, found: Calibration) -> Iterator[str]:
    import numpy as np

    table = found.degradation
    for f in np.arange(0.0, found.hr.frequency_lp_mm[-1] + 1e-9, 1.0):
        hr, lr = (np.interp(f, one.frequency_lp_mm, one.mtf_fit) for one in (found.hr, found.lr))
        B, sd, noise = (np.interp(f, table.frequency_lp_mm, y) for y in (table.B_1, found.B_1_sd, table.Sigma_1_mm2))
        yield f"{f:5.1f} lp/mm  MTF {hr:.3f} {lr:.3f}  B_1 {B:.3f} +- {sd:.3f}  Sigma_1 {noise:.3g} mm2"
    yield f"link from {table.link.source}, residual {table.link.residual:.2g}; written to {out}"
