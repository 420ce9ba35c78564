"""``xsim measure``: MTF, NNPS, CTF and resolution of images, and the similarity of two."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from xsim.errors import InputError
from xsim_cli.common import (
    CsvOption,
    ForceOption,
    JsonOption,
    PlotOption,
    check_outputs,
    emit_json,
    numbers_of,
    say,
    write_csv,
    write_figure,
)
from xsim_cli.measure_inputs import (
    FrequenciesOption,
    PitchOption,
    PolarityOption,
    RoiOption,
    blame,
    common_pitch,
    cut,
    image_files,
    read,
    region_of,
    regions_of,
    signals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim.measure.edge import EdgeMTF

app = typer.Typer(
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog="Example: xsim measure compare restored.tif hr.tif --data-range 50000",
)


@app.callback()
def _group() -> None:
    """Measure image quality by the standards' own methods."""


@app.command(epilog="Example: xsim measure mtf edge.tif --pitch-mm 0.048 --roi 100,80,400,300 --plot mtf.png")
def mtf(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Images of slanted edges; their MTFs are averaged.")
    ],
    pitch_mm: PitchOption = None,
    roi: RoiOption = None,
    frequencies: FrequenciesOption = None,
    oversampling: Annotated[int, typer.Option(help="Bins per pixel of the edge profile.")] = 4,
    half_width_mm: Annotated[
        float | None, typer.Option(help="How far from the edge its profile counts [mm].  [default: the whole region]")
    ] = None,
    smooth_tails: Annotated[
        bool, typer.Option(help="Smooth the profile far from the edge where noise cannot tell the difference.")
    ] = True,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure the presampled MTF from slanted edges. After IEC 62220-1-1 and ISO 12233."""
    from xsim.measure.edge import average_edges, edge_mtf

    inputs = image_files(images)
    check_outputs(csv, plot, force=force, inputs=inputs)
    grid = numbers_of(frequencies, "--frequencies") if frequencies else None
    files = [read(path) for path in inputs]
    pitch = common_pitch(pitch_mm, inputs, files)
    options = {
        "frequency_lp_mm": grid,
        "oversampling": oversampling,
        "half_width_mm": half_width_mm,
        "smooth_tails": smooth_tails,
    }
    regions: list[Any] = [*regions_of(roi)] or [None]
    mean = average_edges(
        [
            blame(path, edge_mtf, file.pixels, pitch, roi=region, full_scale=file.white, **options)
            for path, file in zip(inputs, files, strict=True)
            for region in regions
        ]
    )
    rows = list(zip(mean.frequency_lp_mm, mean.mtf, mean.noise, strict=True))
    write_csv(csv, ("frequency_lp_mm", "mtf", "noise"), rows)
    write_figure(plot, lambda figures: figures.mtf_figure(mean, files[0].pixels))
    lines = [f"{f:8.3g} lp/mm  MTF {m:.3f} +- {n:.3f}" for f, m, n in _some(rows)]
    lines.append(
        f"edge tilt {mean.angle_deg:.2f} deg, f50 {mean.frequency_at(0.5):.3g} lp/mm, f10 {mean.frequency_at(0.1):.3g} "
        f"lp/mm, overshoot {100 * mean.overshoot:.1f} %, noise floor {mean.noise_floor:.4f}"
    )
    _report("measure.mtf", _edge_document(mean) | {"oversampling": oversampling}, json_, lines)


@app.command(epilog="Example: xsim measure nnps flats/*.tif --pitch-mm 0.048 --mode difference --csv nnps.csv")
def nnps(
    flats: Annotated[list[Path], typer.Argument(metavar="FLATS...", help="Flat-field images, or folders of them.")],
    pitch_mm: PitchOption = None,
    mode: Annotated[
        Literal["single", "difference"], typer.Option(help="single keeps the fixed pattern, difference removes it.")
    ] = "single",
    region_px: Annotated[int, typer.Option(help="Side of the regions [px].")] = 256,
    roi: RoiOption = None,
    polarity: PolarityOption = "metal-dark",
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure the normalised noise power spectrum of flat fields. After IEC 62220-1."""
    from xsim.measure import noise

    inputs = image_files(flats)
    check_outputs(csv, plot, force=force, inputs=inputs)
    files = [read(path, pages=True) for path in inputs]
    pitch = common_pitch(pitch_mm, inputs, files)
    regions = regions_of(roi)
    if len(regions) > 1:
        raise InputError("several --roi for one noise spectrum: give one")
    frames = [cut(page, regions) for file in files for page in signals(file, polarity)]
    found = noise.nnps(frames, pitch, mode=mode, region_px=region_px, full_scale=files[0].white)
    columns = ("frequency_lp_mm", "nnps_mm2", "standard_error_mm2", "x_mm2", "y_mm2", "axis_x_mm2", "axis_y_mm2")
    rows = list(zip(*(getattr(found, name) for name in columns), strict=True))
    write_csv(csv, columns, rows)
    write_figure(plot, lambda figures: figures.nnps_figure(found))
    facts = ("pitch_mm", "mode", "mean", "relative_variance", "frames", "regions", "effective_regions", "warnings")
    lines = [f"{f:8.3g} lp/mm  NNPS {n:.4g} +- {e:.2g} mm2" for f, n, e, *_ in _some(rows)]
    lines.append(
        f"{found.frames} frames, {found.regions} regions, mean {found.mean:.6g}, "
        f"pixel noise {100 * found.relative_variance**0.5:.3g} % of it"
    )
    _report("measure.nnps", {name: getattr(found, name) for name in (*columns, *facts)}, json_, lines)


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
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure the contrast transfer of bar groups. The MTF follows by Coltman's series.

    Give one --roi a group, or none to have a line-pair chart searched.
    """
    from xsim.measure.bar_chart import bar_ctf
    from xsim.measure.edge import average_edges, edge_mtf

    inputs = image_files([image])
    check_outputs(csv, plot, force=force, inputs=inputs)
    file = read(image)
    pitch = common_pitch(pitch_mm, inputs, [file])
    found = blame(image, bar_ctf, file.pixels, pitch, rois=regions_of(roi), contrast=contrast)
    beside = [
        blame(image, edge_mtf, file.pixels, pitch, roi=region, full_scale=file.white) for region in regions_of(edge)
    ]
    mean = average_edges(beside) if beside else None
    columns = ("frequency_lp_mm", "ctf", "standard_error", "mtf", "mtf_fundamental")
    write_csv(csv, columns, zip(*(getattr(found, name) for name in columns), strict=True))
    write_figure(plot, lambda figures: figures.ctf_figure(found, file.pixels, mean))
    payload = {name: getattr(found, name) for name in columns} | {
        "contrast": found.contrast, "pitch_mm": pitch, "warnings": found.warnings,
        "groups": [{"roi": group.roi, "bars": group.bars, "vertical": group.vertical} for group in found.groups],
    }  # fmt: skip
    lines = [
        f"{f:8.3g} lp/mm  CTF {c:.3f} +- {e:.3f}  MTF {m:.3f}"
        for f, c, e, m in zip(found.frequency_lp_mm, found.ctf, found.standard_error, found.mtf, strict=True)
    ]
    if mean is not None:
        payload["edge_mtf"] = mean.at(found.frequency_lp_mm)
        payload["warnings"] = (*found.warnings, *mean.warnings)
        lines = [f"{line}  edge {m:.3f}" for line, m in zip(lines, payload["edge_mtf"], strict=True)]
    _report("measure.ctf", payload, json_, lines)


@app.command(epilog="Example: xsim measure resolution wires.tif --pitch-mm 0.048 --flat open.tif")
def resolution(
    image: Annotated[Path, typer.Argument(help="Image of a duplex wire gauge.")],
    pitch_mm: PitchOption = None,
    roi: RoiOption = None,
    flat: Annotated[Path | None, typer.Option(help="Flat image for the SNR, and so the normalised SNR.")] = None,
    flat_roi: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="Flat region, in --flat or in IMAGE.")] = None,
    polarity: PolarityOption = "metal-dark",
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Read SRb from a duplex wire gauge. After ISO 19232-5; with a flat region SNR and normalised SNR (ISO 17636-2)."""
    from xsim.measure.resolution import duplex_wire, flat_snr, normalised_snr

    inputs = image_files([image, *([flat] if flat else [])])
    check_outputs(csv, plot, force=force, inputs=inputs)
    file = read(image)
    pitch = common_pitch(pitch_mm, inputs[:1], [file])
    regions = regions_of(roi)
    if len(regions) > 1:
        raise InputError("several --roi for one gauge: give one")
    (signal,) = signals(file, polarity)
    wires = blame(image, duplex_wire, signal, pitch, roi=regions[0] if regions else None)
    payload: dict[str, Any] = {
        "diameter_mm": wires.diameter_mm, "dip": wires.dip, "srb_mm": wires.srb_mm, "isrb_mm": wires.isrb_mm,
        "pitch_mm": pitch, "warnings": wires.warnings,
    }  # fmt: skip
    lines = [f"{d:7.3g} mm  dip {100 * v:5.1f} %" for d, v in zip(wires.diameter_mm, wires.dip, strict=True)]
    lines.append(f"SRb {wires.srb_mm:.3g} mm, interpolated {wires.isrb_mm:.3g} mm")
    if flat or flat_roi:
        (open_field,) = signals(read(flat), polarity) if flat else (signal,)
        noise = blame(flat or image, flat_snr, open_field, roi=region_of(flat_roi) if flat_roi else None)
        best = wires.srb_mm if math.isnan(wires.isrb_mm) else wires.isrb_mm
        snrn = math.nan if math.isnan(best) else normalised_snr(noise.snr, best)
        payload |= {"snr": noise.snr, "snr_blocks": noise.snr_blocks, "snrn": snrn}
        payload["warnings"] = (*wires.warnings, *noise.warnings)
        lines.append(f"SNR {noise.snr:.4g} (over areas {noise.snr_blocks:.4g}), normalised {snrn:.4g}")
    write_csv(csv, ("diameter_mm", "dip"), zip(wires.diameter_mm, wires.dip, strict=True))
    write_figure(plot, lambda figures: figures.wires_figure(wires))
    _report("measure.resolution", payload, json_, lines)


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
    check_outputs(csv, plot, force=force, inputs=inputs)
    files = [read(path) for path in inputs]
    found = compare_images(files[0].pixels, files[1].pixels, data_range=data_range, full_scale=files[1].white)
    names = ("psnr_dB", "ssim", "rmse", "data_range")
    write_csv(csv, names, [[getattr(found, name) for name in names]])
    write_figure(plot, lambda figures: figures.comparison_figure(files[0].pixels, files[1].pixels, found))
    payload = {name: getattr(found, name) for name in (*names, "bias", "identical", "warnings")}
    psnr = "infinite (the images are identical)" if found.identical else f"{found.psnr_dB:.2f} dB"
    line = f"PSNR {psnr}, SSIM {found.ssim:.4f}, RMSE {found.rmse:.4g}, for a data range of {found.data_range:g}"
    _report("measure.compare", payload, json_, [line])


def _edge_document(mean: EdgeMTF) -> dict[str, Any]:
    """Return the JSON document of an edge MTF."""
    return {
        "frequency_lp_mm": mean.frequency_lp_mm,
        "mtf": mean.mtf,
        "angle_deg": mean.angle_deg,
        "noise_floor": mean.noise_floor,
        "noise": mean.noise,
        "pitch_mm": mean.pitch_mm,
        "f50_lp_mm": mean.frequency_at(0.5),
        "f20_lp_mm": mean.frequency_at(0.2),
        "f10_lp_mm": mean.frequency_at(0.1),
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


def _some(rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """Return about twelve rows of a long table."""
    return rows[:: max(1, len(rows) // 12)]


def _report(command: str, payload: dict[str, Any], json_: bool, lines: Sequence[str]) -> None:
    """Print a result as JSON, or as lines with its warnings on stderr."""
    if json_:
        emit_json(command, payload)
        return
    for line in lines:
        typer.echo(line)
    for text in payload["warnings"]:
        say(f"warning: {text}")
