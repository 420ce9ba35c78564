"""``xsim detector``: what screens and detectors do, from their thickness or from their measured curves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from xsim_cli.common import (
    CsvOption,
    ForceOption,
    JsonOption,
    PlotOption,
    check_output,
    check_outputs,
    emit_json,
    existing,
    numbers_of,
    write_csv,
    write_figure,
)
from xsim_cli.spectrum import AngleOption, FilterOption, KvpOption, ModelOption, PresetOption, beam

if TYPE_CHECKING:
    from xsim.detector.optics_fit import FittedOptics
    from xsim.detector.performance import Performance

app = typer.Typer(pretty_exceptions_enable=False)

CURVES = ("mtf_screen", "mtf", "nnps_mm2", "dqe", "lubberts")


ThicknessOption = Annotated[
    list[float] | None,
    typer.Option(help="Mass thickness of a screen [mg/cm2]; repeat for more.  [default: 33.91 and 134.55]"),
]
FilesOption = Annotated[
    list[Path] | None, typer.Option("--detector", help="TOML file of detectors instead; repeat for more.")
]
ProductsOption = Annotated[
    list[str] | None,
    typer.Option("--product", help="Screen of a class instead: fine, fine-dyed, regular, standard-plus, fast."),
]
PackingOption = Annotated[float | None, typer.Option(help="Volume share of phosphor; the usual if not given.")]
IrradiationOption = Annotated[str, typer.Option(help="X rays enter by the backing (front) or the sensor (back).")]
FitOption = Annotated[
    Path | None,
    typer.Option(
        help="Fit the optical constants to measured MTFs first: a CSV file with the columns "
        "mass_thickness_mg_cm2, frequency_lp_mm, mtf (presampled, with the pixel of --pitch-mm)."
    ),
]
GridOption = Annotated[
    str | None, typer.Option(metavar="F,F,...", help="Frequencies of the tables [lp/mm].  [default: 0 to Nyquist]")
]


@app.command(
    epilog="Example: xsim detector --mass-thickness-mg-cm2 33.91 --mass-thickness-mg-cm2 134.55 --plot detectors.png"
)
def detector(
    mass_thickness_mg_cm2: ThicknessOption = None,
    files: FilesOption = None,
    products: ProductsOption = None,
    pitch_mm: Annotated[float, typer.Option(help="Pixel pitch [mm].")] = 0.048,
    fill_factor: Annotated[float, typer.Option(help="Share of the pixel that is photodiode.")] = 0.85,
    phosphor: Annotated[str, typer.Option(help="Gd2O2S, CaWO4 or CsI.")] = "Gd2O2S",
    packing: PackingOption = None,
    irradiation: IrradiationOption = "front",
    optics: Annotated[str, typer.Option(help="Optical constants: generic, dyed or fine-grain.")] = "generic",
    fit_mtf: FitOption = None,
    kvp: KvpOption = None,
    filters: FilterOption = None,
    anode_angle_deg: AngleOption = 12.0,
    model: ModelOption = "kqp",
    preset: PresetOption = None,
    kerma_uGy: Annotated[float, typer.Option("--kerma-uGy", help="Air kerma of a frame [uGy].")] = 42.56,
    frequencies: GridOption = None,
    save: Annotated[Path | None, typer.Option(help="Write the detectors to this TOML file, for --detector.")] = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Compute absorption, Swank factor, light, MTF, NNPS, DQE, SRb and SNRn of detectors in a beam."""
    from xsim.detector.detector import Screen, Sensor
    from xsim.detector.performance import performance
    from xsim_cli.detector_choice import choose, named_optics

    inputs = tuple(existing(path) for path in (*(files or ()), *([fit_mtf] if fit_mtf else ())))
    check_outputs(csv, plot, force=force, inputs=inputs)
    if save is not None:
        check_output(save, force=force, inputs=inputs)
    spectrum = beam(kvp, filters, anode_angle_deg, model, preset)
    sensor = Sensor(pitch_mm=pitch_mm, fill_factor=fill_factor)
    screen = Screen(100.0, phosphor, named_optics(optics), cast("Any", irradiation), packing)
    chosen, fit = choose(
        files, products, mass_thickness_mg_cm2, screen=screen, sensor=sensor, beam=spectrum, measured=fit_mtf
    )
    table = {
        name: performance(item.response(spectrum, kerma_uGy), _grid(frequencies, item.sensor.pitch_mm))
        for name, item in chosen.items()
    }
    if save is not None:
        from xsim.detector.detector import write_detectors

        write_detectors(save, chosen)
    write_csv(csv, ("detector", "frequency_lp_mm", *CURVES), _rows(table))
    write_figure(plot, lambda figures: figures.detector_figure(table))
    if json_:
        emit_json("detector", {**_fit_report(fit), "beam": spectrum.settings(), "detectors": _documents(table)})
    else:
        _print(table, fit)


def _grid(text: str | None, pitch_mm: float) -> list[float]:
    if text is None:
        nyquist = 0.5 / pitch_mm
        return [nyquist * step / 100 for step in range(101)]
    return numbers_of(text, "--frequencies")


def _rows(table: dict[str, Performance]) -> Any:
    for name, item in table.items():
        columns = (item.frequency_lp_mm.tolist(), *(getattr(item, curve).tolist() for curve in CURVES))
        for row in zip(*columns, strict=True):
            yield (name, *row)


def _documents(table: dict[str, Performance]) -> list[dict[str, Any]]:
    return [{"name": name, **asdict(item)} for name, item in table.items()]


def _fit_report(fit: FittedOptics | None) -> dict[str, Any]:
    return {"fit": {"optics": asdict(fit.optics), "relative_sd": fit.relative_sd, "rms": fit.rms}} if fit else {}


def _print(table: dict[str, Performance], fit: FittedOptics | None) -> None:
    if fit is not None:
        for name, deviation in fit.relative_sd.items():
            typer.echo(f"fitted {name:<26} {getattr(fit.optics, name):.4g} +- {100 * deviation:.0f} %")
        typer.echo(f"fitted to RMS {fit.rms:.4f} in MTF\n")
    for name, item in table.items():
        caveat = f"; {item.caveat}" if item.caveat else ""
        typer.echo(f"{name}, {item.phosphor}, {item.pitch_mm:g} mm pixels, {item.kerma_uGy:g} uGy{caveat}")
        typer.echo(
            f"  absorbs {item.absorption_quantum:.3f} of the photons, {item.absorption_energy:.3f} of the energy; "
            f"Swank {item.swank:.3f}; DQE(0) {item.dqe0:.3f}; light out {item.light_escape:.3f}"
        )
        typer.echo(
            f"  screen MTF 50 % at {item.f50_lp_mm:.2f}, 10 % at {item.f10_lp_mm:.2f} lp/mm; SRb {item.srb_mm:.3f} mm; "
            f"SNRn {item.snrn:.0f}"
        )
        saturated = " (the open field saturates: lower the kerma)" if item.full_well_share > 1 else ""
        typer.echo(
            f"  signal {item.signal_electrons:.3g} e-, {100 * item.full_well_share:.0f} % of full well{saturated}; "
            f"pixel noise {100 * item.pixel_sigma:.2f} %"
        )
        typer.echo("  lp/mm   MTF screen     MTF   NNPS [mm2]     DQE")
        rows = (item.frequency_lp_mm, item.mtf_screen, item.mtf, item.nnps_mm2, item.dqe)
        # A screenful for people; --json and --csv have every row.
        step = max(1, len(item.frequency_lp_mm) // 20)
        for f, screen, mtf, nnps, dqe in zip(*(row[::step].tolist() for row in rows), strict=True):
            typer.echo(f"  {f:5.2f}       {screen:6.4f}  {mtf:6.4f}    {nnps:9.3e}  {dqe:6.4f}")
