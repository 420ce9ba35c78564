"""``xsim measure``: MTF, NNPS, CTF and resolution of images, the similarity of two, and whole detectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from xsim.errors import InputError
from xsim_cli.common import CsvOption, ForceOption, JsonOption, Outputs, PlotOption, numbers_of
from xsim_cli.corrections import DarkOption, FlatOption, RepairOption, corrections_of
from xsim_cli.measure.blind import blind
from xsim_cli.measure.e2597 import e2597
from xsim_cli.measure.e2737 import e2737
from xsim_cli.measure.inputs import (
    Greys,
    PitchOption,
    PolarityOption,
    RoiOption,
    blame,
    common_pitch,
    edges_of,
    image_files,
    region_of,
    regions_of,
    repairs_of,
)
from xsim_cli.scales import DensityOption, GradientOption, ScaleOption, density_of

if TYPE_CHECKING:
    from xsim.measure.checks import ROI
    from xsim.measure.edge import EdgeMTF
    from xsim_cli.measure.inputs import Polarity

GainOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE|FOLDER", help="What --flat is of other commands: frames that images are divided by."),
]

app = typer.Typer(
    no_args_is_help=True,
    help="Measure image quality by the standards' own methods.",
    epilog="Example: xsim measure compare restored.tif hr.tif --data-range 50000",
)


@app.command(epilog="Example: xsim measure mtf edge.tif --pitch-mm 0.048 --roi 100,80,400,300 --plot mtf.png")
def mtf(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Images of slanted edges; their MTFs are averaged.")
    ],
    pitch_mm: PitchOption = None,
    roi: RoiOption = None,
    frequencies: Annotated[
        str | None, typer.Option(metavar="F,F,...", help="Where to evaluate [lp/mm].  [default: 0 to Nyquist]")
    ] = None,
    oversampling: Annotated[int, typer.Option(help="Bins per pixel of the edge profile.")] = 4,
    half_width_mm: Annotated[
        float | None, typer.Option(help="How far from the edge its profile counts [mm].  [default: the whole region]")
    ] = None,
    smooth_tails: Annotated[
        bool, typer.Option(help="Smooth the profile far from the edge where noise cannot tell the difference.")
    ] = True,
    polarity: PolarityOption = None,
    scale: ScaleOption = "linear",
    density_white: DensityOption = None,
    film_gradient: GradientOption = None,
    dark: DarkOption = None,
    flat: FlatOption = None,
    bad_pixels: RepairOption = "none",
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure the presampled MTF from slanted edges. After IEC 62220-1-1 and ISO 12233."""
    from xsim.measure.edge import average_edges

    inputs = image_files(images)
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    greys = _greys(dark, flat, bad_pixels, scale, density_white, film_gradient, polarity)
    files = [greys.read(path) for path in inputs]
    mean = average_edges(
        edges_of(
            inputs,
            files,
            common_pitch(pitch_mm, inputs, files),
            regions_of(roi),
            greys,
            frequency_lp_mm=numbers_of(frequencies, "--frequencies") if frequencies else None,
            oversampling=oversampling,
            half_width_mm=half_width_mm,
            smooth_tails=smooth_tails,
        )
    )
    payload = _edge_document(mean) | {"oversampling": oversampling} | repairs_of(inputs, files)
    table = {name: payload[name] for name in ("frequency_lp_mm", "mtf", "noise")}
    lines = [f"{f:8.3g} lp/mm  MTF {m:.3f} +- {n:.3f}" for f, m, n in _some(table)]
    lines.append(
        f"edge tilt {mean.angle_deg:.2f} deg, f50 {mean.frequency_at(0.5):.3g} lp/mm, f10 {mean.frequency_at(0.1):.3g} "
        f"lp/mm, overshoot {100 * mean.overshoot:.1f} %, noise floor {mean.noise_floor:.4f}"
    )
    page = greys.linear(files[0])[0]
    outputs.write("measure.mtf", payload, lines, table=table, figure=lambda figures: figures.mtf_figure(mean, page))


@app.command(epilog="Example: xsim measure nnps flats/*.tif --pitch-mm 0.048 --mode difference --csv nnps.csv")
def nnps(
    flats: Annotated[list[Path], typer.Argument(metavar="FLATS...", help="Flat-field images, or folders of them.")],
    pitch_mm: PitchOption = None,
    mode: Annotated[
        Literal["single", "difference"], typer.Option(help="single keeps the fixed pattern, difference removes it.")
    ] = "single",
    region_px: Annotated[int, typer.Option(help="Side of the regions [px].")] = 256,
    roi: RoiOption = None,
    polarity: PolarityOption = None,
    scale: ScaleOption = "linear",
    density_white: DensityOption = None,
    film_gradient: GradientOption = None,
    dark: DarkOption = None,
    flat: FlatOption = None,
    bad_pixels: RepairOption = "none",
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure the normalised noise power spectrum of flat fields. After IEC 62220-1."""
    from xsim.measure import noise
    from xsim.measure.checks import grey_image

    inputs = image_files(flats)
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    greys = _greys(dark, flat, bad_pixels, scale, density_white, film_gradient, polarity, noise_of=inputs)
    files = [greys.read(path, pages=True) for path in inputs]
    pitch = common_pitch(pitch_mm, inputs, files)
    region = _one_region(roi, "noise spectrum")
    frames = [page for file in files for page in greys.signals(file)]
    if region is not None:
        frames = [grey_image(page, roi=region) for page in frames]
    found = noise.nnps(frames, pitch, mode=mode, region_px=region_px, full_scale=greys.full_scale(files[0]))
    columns = ("frequency_lp_mm", "nnps_mm2", "standard_error_mm2", "x_mm2", "y_mm2", "axis_x_mm2", "axis_y_mm2")
    facts = ("pitch_mm", "mode", "mean", "relative_variance", "frames", "regions", "effective_regions", "warnings")
    payload = {name: getattr(found, name) for name in (*columns, *facts)} | repairs_of(inputs, files)
    table = {name: payload[name] for name in columns}
    lines = [f"{f:8.3g} lp/mm  NNPS {n:.4g} +- {e:.2g} mm2" for f, n, e, *_ in _some(table)]
    lines.append(
        f"{found.frames} frames, {found.regions} regions, mean {found.mean:.6g}, "
        f"pixel noise {100 * found.relative_variance**0.5:.3g} % of it"
    )
    outputs.write("measure.nnps", payload, lines, table=table, figure=lambda figures: figures.nnps_figure(found))


@app.command(epilog="Example: xsim measure ctf chart.dcm --plot ctf.png")
def ctf(
    image: Annotated[Path, typer.Argument(help="Image of a bar pattern or line-pair chart.")],
    pitch_mm: PitchOption = None,
    roi: RoiOption = None,
    contrast: Annotated[
        float | None, typer.Option(help="Grey-level difference of very wide bars.  [default: of the chart's plate]")
    ] = None,
    edge: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y,W,H", help="Region of a plate edge, to set its MTF beside the bars'; repeat."),
    ] = None,
    polarity: PolarityOption = None,
    scale: ScaleOption = "linear",
    density_white: DensityOption = None,
    film_gradient: GradientOption = None,
    dark: DarkOption = None,
    flat: FlatOption = None,
    bad_pixels: RepairOption = "none",
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure the contrast transfer of bar groups. The MTF follows by Coltman's series.

    Give one --roi a group, or none to have a line-pair chart searched.
    """
    from xsim.measure.bar_chart import bar_ctf
    from xsim.measure.edge import average_edges

    inputs = image_files([image])
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    greys = _greys(dark, flat, bad_pixels, scale, density_white, film_gradient, polarity)
    file = greys.read(image)
    pitch = common_pitch(pitch_mm, inputs, [file])
    (grey,) = greys.linear(file)
    found = blame(image, bar_ctf, grey, pitch, rois=regions_of(roi), contrast=contrast)
    beside = edges_of(inputs, [file], pitch, regions_of(edge), greys) if edge else []
    mean = average_edges(beside) if beside else None
    names = ("frequency_lp_mm", "ctf", "standard_error", "mtf", "mtf_fundamental")
    table = {name: getattr(found, name) for name in names}
    payload: dict[str, Any] = table | {
        "contrast": found.contrast, "pitch_mm": pitch, "warnings": found.warnings,
        "groups": [{"roi": group.roi, "bars": group.bars, "vertical": group.vertical} for group in found.groups],
        **repairs_of(inputs, [file]),
    }  # fmt: skip
    lines = [
        f"{f:8.3g} lp/mm  CTF {c:.3f} +- {e:.3f}  MTF {m:.3f}" for f, c, e, m, _ in zip(*table.values(), strict=True)
    ]
    if mean is not None:
        payload["edge_mtf"] = mean.at(found.frequency_lp_mm)
        payload["warnings"] = (*found.warnings, *mean.warnings)
        lines = [f"{line}  edge {m:.3f}" for line, m in zip(lines, payload["edge_mtf"], strict=True)]
    outputs.write(
        "measure.ctf", payload, lines, table=table, figure=lambda figures: figures.ctf_figure(found, grey, mean)
    )


@app.command(epilog="Example: xsim measure resolution wires.tif --pitch-mm 0.048 --flat open.tif")
def resolution(
    image: Annotated[Path, typer.Argument(help="Image of a duplex wire gauge.")],
    pitch_mm: PitchOption = None,
    roi: RoiOption = None,
    flat: Annotated[Path | None, typer.Option(help="Flat image for the SNR, and so the normalised SNR.")] = None,
    flat_roi: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Flat region, in --flat or in IMAGE.")] = None,
    polarity: PolarityOption = None,
    scale: ScaleOption = "linear",
    density_white: DensityOption = None,
    film_gradient: GradientOption = None,
    dark: DarkOption = None,
    flat_field: GainOption = None,
    bad_pixels: RepairOption = "none",
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Read SRb from a duplex wire gauge. After ISO 19232-5; with a flat region SNR and normalised SNR (ISO 17636-2)."""
    from xsim.measure.resolution import duplex_wire, flat_snr, normalised_snr

    inputs = image_files([image, *([flat] if flat else [])])
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    names = ("--dark", "--flat-field")
    how: Any = {"names": names, "noise_of": inputs}
    greys = _greys(dark, flat_field, bad_pixels, scale, density_white, film_gradient, polarity, **how)
    file = greys.read(image)
    pitch = common_pitch(pitch_mm, inputs[:1], [file])
    (signal,) = greys.signals(file)
    wires = blame(image, duplex_wire, signal, pitch, roi=_one_region(roi, "gauge"))
    table = {"diameter_mm": wires.diameter_mm, "dip": wires.dip}
    payload: dict[str, Any] = table | {
        "srb_mm": wires.srb_mm, "isrb_mm": wires.isrb_mm, "pitch_mm": pitch, "warnings": wires.warnings,
        **repairs_of(inputs[:1], [file]),
    }  # fmt: skip
    lines = [f"{d:7.3g} mm  dip {100 * v:5.1f} %" for d, v in zip(wires.diameter_mm, wires.dip, strict=True)]
    lines.append(f"SRb {wires.srb_mm:.3g} mm, interpolated {wires.isrb_mm:.3g} mm")
    if flat or flat_roi:
        (open_field,) = greys.signals(greys.read(flat)) if flat else (signal,)
        noise = blame(flat or image, flat_snr, open_field, roi=region_of(flat_roi) if flat_roi else None)
        best = wires.srb_mm if math.isnan(wires.isrb_mm) else wires.isrb_mm
        snrn = math.nan if math.isnan(best) else normalised_snr(noise.snr, best)
        payload |= {"snr": noise.snr, "snr_blocks": noise.snr_blocks, "snrn": snrn}
        payload["warnings"] = (*wires.warnings, *noise.warnings)
        lines.append(f"SNR {noise.snr:.4g} (over areas {noise.snr_blocks:.4g}), normalised {snrn:.4g}")
    outputs.write("measure.resolution", payload, lines, table=table, figure=lambda figures: figures.wires_figure(wires))


@app.command(epilog="Example: xsim measure compare restored.tif hr.tif --data-range 52000 --plot similarity.png")
def compare(
    image: Annotated[Path, typer.Argument(help="The image.")],
    reference: Annotated[Path, typer.Argument(help="What it should look like.")],
    data_range: Annotated[
        float | None,
        typer.Option(help="Grey level of the open field.  [default: 1 for floating point, else the format's white]"),
    ] = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Compare two images: PSNR, SSIM and RMSE. SSIM after Wang (2004); all for a stated data range."""
    from xsim.measure.similarity import compare_images

    inputs = image_files([image, reference])
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    files = [Greys().read(path) for path in inputs]
    found = compare_images(files[0].pixels, files[1].pixels, data_range=data_range, full_scale=files[1].white)
    names = ("psnr_dB", "ssim", "rmse", "data_range", "bias", "identical", "warnings")
    payload = {name: getattr(found, name) for name in names}
    psnr = "infinite (the images are identical)" if found.identical else f"{found.psnr_dB:.2f} dB"
    outputs.write(
        "measure.compare",
        payload,
        [f"PSNR {psnr}, SSIM {found.ssim:.4f}, RMSE {found.rmse:.4g}, for a data range of {found.data_range:g}"],
        table={name: [payload[name]] for name in names[:4]},
        figure=lambda figures: figures.comparison_figure(files[0].pixels, files[1].pixels, found),
    )


app.command(epilog="Example: xsim measure blind board.tif --pitch-mm 0.048 --plot detector.png")(blind)
app.command(epilog="Example: xsim measure e2597 --duplex-wire wires.tif --pitch-mm 0.1 --flats flats --kerma-uGy 400")(
    e2597
)
app.command(epilog="Example: xsim measure e2737 --baseline panel.toml --duplex-wire wires.tif --log panel.jsonl")(e2737)


def _greys(
    dark: Path | None,
    flat: Path | None,
    bad_pixels: str,
    scale: str,
    density_white: float | None,
    film_gradient: float | None,
    polarity: Polarity | None,
    **how: Any,
) -> Greys:
    """Return how the files' grey levels are read, by the options; ``how`` is more for `corrections_of`."""
    density = density_of(scale, density_white, polarity, film_gradient)
    return Greys(polarity, corrections_of(dark, flat, bad_pixels, polarity=polarity, scale=scale, **how), density)


def _edge_document(mean: EdgeMTF) -> dict[str, Any]:
    """Return the JSON document of an edge MTF."""
    facts = ("frequency_lp_mm", "mtf", "angle_deg", "noise_floor", "noise", "pitch_mm")
    return {
        **{name: getattr(mean, name) for name in facts},
        **{f"f{percent}_lp_mm": mean.frequency_at(percent / 100) for percent in (50, 20, 10)},
        "overshoot": mean.overshoot,
        "undershoot": mean.undershoot,
        "edges": [
            {
                "roi": edge.roi,
                "angle_deg": edge.line.angle_deg,
                "along": "y" if edge.line.transposed else "x",
                "step": edge.step,
                "contrast": edge.contrast,
                "pixel_noise": edge.pixel_noise,
                "window_mm": [edge.distance_px[0] * mean.pitch_mm, edge.distance_px[-1] * mean.pitch_mm],
            }
            for edge in mean.edges
        ],
        "warnings": mean.warnings,
    }


def _some(table: dict[str, Any]) -> Sequence[tuple[Any, ...]]:
    """Return about twelve rows of a long table."""
    rows = list(zip(*table.values(), strict=True))
    return rows[:: max(1, len(rows) // 12)]


def _one_region(texts: list[str] | None, what: str) -> ROI | None:
    """Return the region of ``--roi`` for what has one; None if none was given."""
    if len(texts or ()) > 1:
        raise InputError(f"several --roi for one {what}: give one")
    return region_of(texts[0]) if texts else None
