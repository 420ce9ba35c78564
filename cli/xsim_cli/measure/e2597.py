"""``xsim measure e2597``: a detector's data sheet from images, in the manner of ASTM E2597."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim_cli.common import CsvOption, ForceOption, JsonOption, Outputs, PlotOption, check_output
from xsim_cli.measure.inputs import PitchOption, PolarityOption
from xsim_cli.measure.shots import (
    BadOption,
    DarkOption,
    DuplexOption,
    DuplexRoiOption,
    FlatsOption,
    FullScaleOption,
    IsrMmOption,
    IsrOption,
    KermaOption,
    LagOption,
    Shots,
    SrbOption,
    WedgeMmOption,
    WedgeOption,
    measured_sheet,
)

if TYPE_CHECKING:
    from xsim.measure.sheet import Sheet

SheetFileOption = Annotated[Path | None, typer.Option("-o", "--output", help="Write the sheet to this TOML file.")]


def e2597(
    pitch_mm: PitchOption = None,
    duplex_wire: DuplexOption = None,
    duplex_roi: DuplexRoiOption = None,
    srb_mm: SrbOption = None,
    flats: FlatsOption = None,
    kerma_uGy: KermaOption = None,
    wedge: WedgeOption = None,
    wedge_mm: WedgeMmOption = None,
    full_scale: FullScaleOption = None,
    lag: LagOption = None,
    dark: DarkOption = None,
    bad_pixels: BadOption = None,
    isr: IsrOption = None,
    isr_mm: IsrMmOption = 1.0,
    polarity: PolarityOption = None,
    output: SheetFileOption = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure a detector's data sheet from images. In the manner of ASTM E2597/E2597M.

    iSRb, SNRn at 1 mGy, contrast sensitivity and thickness range, lag, internal scatter, bad pixels: each from its own
    shots. What is not given is not on the sheet.
    """
    shots = Shots(
        pitch_mm, duplex_wire or [], duplex_roi or [], srb_mm, flats or [], kerma_uGy or [], wedge or [], wedge_mm,
        full_scale, lag, dark, bad_pixels, isr, isr_mm, polarity,
    )  # fmt: skip
    inputs = shots.files()
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    if output is not None:
        check_output(output, force=force, inputs=inputs)
    sheet = measured_sheet(shots)
    payload = sheet_payload(sheet)
    if output is not None:
        write_file(output, sheet, shots)
    outputs.write(
        "measure.e2597", payload, sheet_lines(sheet), table=figures_table(sheet), figure=lambda _: sheet_plot(sheet)
    )


def sheet_payload(sheet: Sheet) -> dict[str, Any]:
    """Return the JSON document of a sheet."""
    return {**sheet.document(), "warnings": sheet.warnings}


def figures_table(sheet: Sheet) -> dict[str, list[Any]]:
    """Return the figures of a sheet as columns."""
    from xsim.measure.sheet import FIGURES

    found = sheet.figures()
    return {
        "figure": list(found),
        "value": list(found.values()),
        "unit": [FIGURES[name][1] for name in found],
        "what": [FIGURES[name][0] for name in found],
    }


def sheet_plot(sheet: Sheet) -> Any:
    """Return the figure of a sheet; matplotlib is imported only here."""
    from xsim_cli.measure.sheet_figure import sheet_figure

    return sheet_figure(sheet)


def write_file(path: Path, sheet: Sheet, shots: Shots, *, limits: dict[str, float] | None = None) -> None:
    """Write a sheet's TOML file, with the time and the shots."""
    from xsim.measure.sheet import write_sheet

    made = datetime.now().astimezone().isoformat(timespec="seconds")
    write_sheet(path, {"made": made, **sheet.document()}, shots=shots.named(), limits=limits)


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """Yield the lines of a sheet for people."""
    from xsim.measure.sheet.sheet import FIGURES, MANNER

    yield f"data sheet {MANNER}, {sheet.pitch_mm:g} mm pixels"
    for name, value in sheet.figures().items():
        what, unit = FIGURES[name]
        yield f"  {what:<48} {value:>9.4g} {unit}".rstrip()
    if sheet.srb_mm is not None:
        yield f"  SRb, the first wire pair not resolved: {sheet.srb_mm:g} mm"
    for index, one in enumerate(sheet.doses):
        law = sheet.efficiency
        normalised = f", dSNRn {law.dsnrn[index]:.4g}" if law is not None and law.dsnrn is not None else ""
        frames = f" ({one.frames} frames)" if one.frames else ""
        yield f"  at {one.kerma_uGy:g} uGy: dSNR {one.dsnr:.4g}{normalised}{frames}"
    if sheet.wedge is not None:
        for name, (thin, thick) in sheet.wedge.range_mm.items():
            if thick is not None:
                yield f"  thickness range at {name} %: {'?' if thin is None else f'{thin:.3g}'} to {thick:.3g} mm"
    if sheet.bad is not None:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sheet.bad.kinds.items())
        yield f"  bad pixels: {kinds}; {sheet.bad.singles} single"
        names = [one.name for one in sheet.bad.clusters]
        yield f"  clusters: {', '.join(names[:12]) or 'none'}{', ...' if len(names) > 12 else ''}"
