"""``xsim detector``: what screens and detectors do, from their thickness or from their measured curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from xsim.errors import InputError, UnknownNameError
from xsim_cli.common import (
    CsvOption,
    DetectorFilesOption,
    ForceOption,
    JsonOption,
    Outputs,
    PlotOption,
    check_output,
    existing,
    numbers_of,
)
from xsim_cli.spectrum import AngleOption, FilterOption, KvpOption, ModelOption, PresetOption, beam

if TYPE_CHECKING:
    from xsim.detector.detector import Detector, Screen, Sensor
    from xsim.detector.optics_fit import FittedOptics
    from xsim.detector.performance import Performance
    from xsim.detector.response import DetectorResponse
    from xsim.measure.sheet import Sheet
    from xsim.spectrum import Spectrum

app = typer.Typer()

CURVES = ("frequency_lp_mm", "mtf_screen", "mtf", "nnps_mm2", "dqe", "lubberts")
PAPER_SCREENS = (33.91, 134.55)
"""The paper's two screens [mg/cm2]."""

ThicknessOption = Annotated[
    list[float] | None,
    typer.Option(help="Mass thickness of a screen [mg/cm2]; repeat for more.  [default: 33.91 and 134.55]"),
]
ProductsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--product",
        help="Screen of a class instead: fine, fine-dyed, regular, standard-plus, fast, columnar-thin, columnar-thick.",
    ),
]
PackingOption = Annotated[float | None, typer.Option(help="Volume share of phosphor; the usual if not given.")]
OpticsOption = Annotated[
    str | None,
    typer.Option(help="Optical constants: generic, dyed, fine-grain or columnar.  [default: the phosphor's usual]"),
]
IrradiationOption = Annotated[str, typer.Option(help="X rays enter by the backing (front) or the sensor (back).")]
IncidenceOption = Annotated[float, typer.Option(help="Angle between rays and the screen's normal [degree], to 60.")]
SiliconOption = Annotated[
    float,
    typer.Option(help="Depth of silicon that X rays behind the screen hit [mm], some 0.002 to 0.010; 0 counts none."),
]
PlateOption = Annotated[float, typer.Option(help="Fibre-optic plate between screen and silicon [mm].")]
GlassOption = Annotated[str, typer.Option(help="Material of the plate: FOP-glass, FOP-core or another.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change any other key of sensor, screen or screen.optics, e.g. sensor.binning=2; repeat for more.",
    ),
]
FitOption = Annotated[
    Path | None,
    typer.Option(
        help="Fit the optical constants to measured MTFs first: a CSV file with the columns "
        "mass_thickness_mg_cm2, frequency_lp_mm, mtf (presampled, with the pixel of --pitch-mm). For NNPS and DQE: "
        "value, quantity, kerma_uGy. Where they differ: beam, irradiation, pitch_mm, error."
    ),
]
SheetOption = Annotated[
    bool,
    typer.Option("--sheet", help="Add the data sheet that xsim measure e2597 would measure, in closed form."),
]
WedgeMaterialOption = Annotated[str, typer.Option(help="Material of the sheet's step wedge.")]
WedgeMmOption = Annotated[
    str | None, typer.Option("--wedge-mm", metavar="T,T,...", help="Thickness of its steps [mm].  [default: no wedge]")
]
GridOption = Annotated[
    str | None, typer.Option(metavar="F,F,...", help="Frequencies of the tables [lp/mm].  [default: 0 to Nyquist]")
]


@app.command(
    epilog="Example: xsim detector --mass-thickness-mg-cm2 33.91 --mass-thickness-mg-cm2 134.55 --plot detectors.png"
)
def detector(
    mass_thickness_mg_cm2: ThicknessOption = None,
    files: DetectorFilesOption = None,
    products: ProductsOption = None,
    pitch_mm: Annotated[float, typer.Option(help="Pixel pitch [mm].")] = 0.048,
    fill_factor: Annotated[float, typer.Option(help="Share of the pixel that is photodiode.")] = 0.85,
    active_silicon_mm: SiliconOption = 0.0,
    fibre_plate_mm: PlateOption = 0.0,
    fibre_plate_glass: GlassOption = "FOP-glass",
    phosphor: Annotated[str, typer.Option(help="Gd2O2S, CaWO4, CsI (a powder) or CsI-columnar.")] = "Gd2O2S",
    packing: PackingOption = None,
    irradiation: IrradiationOption = "front",
    incidence_deg: IncidenceOption = 0.0,
    optics: OpticsOption = None,
    set_: SetOption = None,
    fit_mtf: FitOption = None,
    kvp: KvpOption = None,
    filters: FilterOption = None,
    anode_angle_deg: AngleOption = 12.0,
    model: ModelOption = "kqp",
    preset: PresetOption = None,
    kerma_uGy: Annotated[float, typer.Option("--kerma-uGy", help="Air kerma of a frame [uGy].")] = 42.56,
    frequencies: GridOption = None,
    sheet: SheetOption = False,
    wedge_material: WedgeMaterialOption = "Al",
    wedge_mm: WedgeMmOption = None,
    save: Annotated[Path | None, typer.Option(help="Write the detectors to this TOML file, for --detector.")] = None,
    save_fit: Annotated[Path | None, typer.Option(help="Write the fit to this TOML file, for recipes.")] = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Compute absorption, Swank factor, light, MTF, NNPS, DQE, SRb and SNRn of detectors in a beam."""
    from xsim.detector.performance import performance

    stored = [Path(file) for file in files or ()]
    inputs = (*stored, *([existing(fit_mtf)] if fit_mtf else ()))
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    _check_options((save, save_fit), fit_mtf, wedge_mm if not sheet else None, force=force, inputs=inputs)
    spectrum = beam(kvp, filters, anode_angle_deg, model, preset)
    sensor = _sensor(pitch_mm, fill_factor, active_silicon_mm, fibre_plate_mm, fibre_plate_glass)
    screen = replace(_screen(phosphor, optics, irradiation, packing), incidence_deg=incidence_deg)
    if set_:
        screen, sensor = _changed(screen, sensor, set_, modelled=not stored and not products)
    chosen, fit = _choose(
        stored, products, mass_thickness_mg_cm2, screen=screen, sensor=sensor, beam=spectrum, measured=fit_mtf
    )
    responses = {name: item.response(spectrum, kerma_uGy) for name, item in chosen.items()}
    found = {name: performance(item, _grid(frequencies, item.pitch_mm)) for name, item in responses.items()}
    sheets = _sheets(responses, wedge_material, wedge_mm) if sheet else {}
    bands = _bands(fit, chosen, spectrum, kerma_uGy, found)
    _save(save, chosen, save_fit, fit)
    columns = {name: [one for item in found.values() for one in getattr(item, name)] for name in _curves(incidence_deg)}
    outputs.write(
        "detector",
        _payload(found, fit, spectrum, sheets, bands),
        _lines(found, fit, sheets, bands),
        table={"detector": [name for name, item in found.items() for _ in item.frequency_lp_mm], **columns},
        figure=lambda figures: figures.detector_figure(found, bands),
    )


def _check_options(
    outputs: tuple[Path | None, Path | None],
    fit_mtf: Path | None,
    lonely_wedge: str | None,
    *,
    force: bool,
    inputs: tuple[Path, ...],
) -> None:
    """Refuse files that must not be written, and options that need another one."""
    for path in filter(None, outputs):
        check_output(path, force=force, inputs=inputs)
    if outputs[1] is not None and fit_mtf is None:
        raise InputError("--save-fit writes a fit: give --fit-mtf too")
    if lonely_wedge is not None:
        raise InputError("--wedge-mm belongs to a sheet: give --sheet too")


def _sensor(pitch_mm: float, fill_factor: float, silicon_mm: float, plate_mm: float, glass: str) -> Sensor:
    """Return the sensor that the options describe."""
    from xsim.detector.detector import Sensor

    return Sensor(
        pitch_mm=pitch_mm,
        fill_factor=fill_factor,
        active_silicon_mm=silicon_mm,
        fibre_plate_mm=plate_mm,
        fibre_plate_glass=glass,
    )


def _screen(phosphor: str, optics: str | None, irradiation: str, packing: float | None) -> Screen:
    """Return a screen of any mass thickness that the options describe."""
    from xsim.detector.detector import Screen
    from xsim.detector.phosphors import OPTICS

    if optics is not None and optics not in OPTICS:
        raise UnknownNameError("optics", optics, OPTICS)
    screen = Screen(100.0, phosphor, irradiation=cast("Any", irradiation), packing=packing)
    return screen if optics is None else replace(screen, optics=OPTICS[optics])


def _curves(incidence_deg: float) -> tuple[str, ...]:
    """Return the columns of the table: of rays that come obliquely the MTF along and across their plane, too."""
    return (*CURVES, "mtf_along", "mtf_across") if incidence_deg else CURVES


def _changed(screen: Screen, sensor: Sensor, assignments: Sequence[str], *, modelled: bool) -> tuple[Screen, Sensor]:
    """Return screen and sensor with keys changed, as a file of detectors has them."""
    if not modelled:
        raise InputError("--set changes screens that are modelled: give it without --detector and --product")
    from xsim.detector.detector import Detector
    from xsim.detector.phosphors import phosphor
    from xsim_datasets.recipe.recipe import imaging_settings

    tables = Detector(screen, sensor).to_dict()
    # What follows from others, which may be among the keys: the full well from the pitch, optics from the phosphor.
    del tables["sensor"]["full_well_e"]
    if screen.optics == phosphor(screen.phosphor).optics:
        tables["screen"]["optics"] = {}
    for key, value in imaging_settings(assignments).items():
        *place, name = key.split(".")
        if place not in (["sensor"], ["screen"], ["screen", "optics"]):
            raise InputError(f"--set {key}: is no key of a detector: give sensor.KEY, screen.KEY or screen.optics.KEY")
        table = tables[place[0]] if len(place) == 1 else tables["screen"]["optics"]
        table[name] = value
    changed = Detector.from_dict(tables)
    return changed.screen, changed.sensor


def _payload(
    table: dict[str, Performance],
    fit: FittedOptics | None,
    beam: Spectrum,
    sheets: dict[str, Sheet],
    bands: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Return the JSON document of detectors."""
    payload: dict[str, Any] = {}
    if fit is not None:
        payload["fit"] = fit.to_dict()
    payload["beam"] = beam.settings()
    payload["detectors"] = [
        {
            "name": name,
            **_figures(item),
            **bands.get(name, {}),
            **({"sheet": sheets[name].document()} if sheets else {}),
        }
        for name, item in table.items()
    ]
    return payload


def _figures(item: Performance) -> dict[str, Any]:
    """Return the figures of a detector; those of a tilt where there is one."""
    figures = asdict(item)
    if not item.incidence_deg:
        for name in ("incidence_deg", "mtf_along", "mtf_across"):
            del figures[name]
    return figures


def _choose(
    files: Sequence[Path],
    products: Sequence[str] | None,
    thicknesses: Sequence[float] | None,
    *,
    screen: Screen,
    sensor: Sensor,
    beam: Spectrum,
    measured: Path | None,
) -> tuple[dict[str, Detector], FittedOptics | None]:
    """Return the detectors that the options name, and the fit of their optics if there was one.

    Files or product classes alone decide where they are given; else thicknesses are given to ``screen``, whose optics
    are first fitted to the MTFs of the file ``measured``, in ``beam``, if there is one.
    """
    from xsim.detector.detector import Detector, read_detectors
    from xsim.detector.screen import screen_product

    if sum(map(bool, (thicknesses, files, products))) > 1 or (measured and (files or products)):
        raise InputError("--detector and --product name whole screens: give them alone")
    if files:
        stored: dict[str, Detector] = {}
        for path in files:
            for name, item in read_detectors(path).items():
                stored[name if name not in stored else f"{path.stem}-{name}"] = item
        return stored, None
    if products:
        return {
            name: Detector(replace(screen_product(name), incidence_deg=screen.incidence_deg), sensor)
            for name in products
        }, None
    fitted = None
    if measured is not None:
        # scipy's optimizers take longer to import than the rest of the command to run.
        from xsim.detector.measured_curves import read_curves
        from xsim.detector.optics_fit import fit_optics

        fitted = fit_optics(read_curves(measured, sensor), beam, screen=screen)
        screen = replace(screen, optics=fitted.optics)
    found = {
        f"{value:g} mg/cm2": Detector(replace(screen, mass_thickness_mg_cm2=value), sensor)
        for value in thicknesses or PAPER_SCREENS
    }
    return found, fitted


def _grid(text: str | None, pitch_mm: float) -> list[float]:
    if text is None:
        nyquist = 0.5 / pitch_mm
        return [nyquist * step / 100 for step in range(101)]
    return numbers_of(text, "--frequencies")


def _sheets(responses: dict[str, DetectorResponse], material: str, wedge_mm: str | None) -> dict[str, Sheet]:
    """Return the data sheets of detectors, with a step wedge if its thicknesses are told."""
    from xsim.measure.sheet.model import sheet_of_model

    wedge = None if wedge_mm is None else (material, numbers_of(wedge_mm, "--wedge-mm"))
    return {name: sheet_of_model(response, wedge=wedge) for name, response in responses.items()}


def _bands(
    fit: FittedOptics | None,
    detectors: dict[str, Detector],
    beam: Spectrum,
    kerma_uGy: float,
    table: dict[str, Performance],
) -> dict[str, dict[str, Any]]:
    """Return the bands that a fit leaves of each detector's curves; none without a fit."""
    if fit is None:
        return {}
    from xsim.detector.optics_fit import posterior_bands

    return {
        name: posterior_bands(fit, item, beam, kerma_uGy, table[name].frequency_lp_mm)
        for name, item in detectors.items()
    }


def _save(path: Path | None, detectors: dict[str, Detector], fit_path: Path | None, fit: FittedOptics | None) -> None:
    from xsim.detector.detector import write_detectors

    if path is not None:
        write_detectors(path, detectors)
    if fit_path is not None and fit is not None:
        from xsim.detector.optics_fit import write_fit

        write_fit(fit_path, fit)


def _lines(
    table: dict[str, Performance],
    fit: FittedOptics | None,
    sheets: dict[str, Sheet],
    bands: dict[str, dict[str, Any]],
) -> Iterator[str]:
    if fit is not None:
        for name, deviation in fit.relative_sd.items():
            yield f"fitted {name:<26} {getattr(fit.optics, name):.4g} +- {100 * deviation:.0f} %"
        yield f"fitted to RMS {fit.rms:.4f} in MTF\n"
    for name, item in table.items():
        caveat = f"; {item.caveat}" if item.caveat else ""
        yield f"{name}, {item.phosphor}, {item.pitch_mm:g} mm pixels, {item.kerma_uGy:g} uGy{caveat}"
        yield (
            f"  absorbs {item.absorption_quantum:.3f} of the photons, {item.absorption_energy:.3f} of the energy; "
            f"Swank {item.swank:.3f}; DQE(0) {item.dqe0:.3f}; light out {item.light_escape:.3f}"
        )
        yield (
            f"  screen MTF 50 % at {item.f50_lp_mm:.2f}, 10 % at {item.f10_lp_mm:.2f} lp/mm; SRb {item.srb_mm:.3f} mm; "
            f"SNRn {item.snrn:.0f}"
        )
        saturated = " (the open field saturates: lower the kerma)" if item.full_well_share > 1 else ""
        yield (
            f"  signal {item.signal_electrons:.3g} e-, {100 * item.full_well_share:.0f} % of full well{saturated}; "
            f"pixel noise {100 * item.pixel_sigma:.2f} %"
        )
        if item.hits_per_pixel:
            yield (
                f"  direct hits {item.hits_per_pixel:.3g} a pixel: {100 * item.hit_share:.2g} % of the signal, "
                f"{100 * item.hit_variance_share:.2g} % of the variance of a pixel"
            )
        yield from _table(item, bands.get(name, {}))
        if name in sheets:
            from xsim_cli.measure.e2597 import sheet_lines

            yield from sheet_lines(sheets[name])


def _table(item: Performance, bands: dict[str, Any]) -> Iterator[str]:
    """Return the rows of a detector's curves, as text."""
    tilted = bool(item.incidence_deg)
    heading = "  lp/mm   MTF screen     MTF   NNPS [mm2]     DQE"
    heading += "   MTF along  across" if tilted else ""
    yield heading + ("    MTF at 95 %      DQE at 95 %" if bands else "")
    rows = (item.frequency_lp_mm, item.mtf_screen, item.mtf, item.nnps_mm2, item.dqe, item.mtf_along, item.mtf_across)
    # A screenful for people; --json and --csv have every row.
    step = max(1, len(item.frequency_lp_mm) // 20)
    band = [bands[key] for key in ("mtf_low", "mtf_high", "dqe_low", "dqe_high")] if bands else []
    few = (row[::step].tolist() for row in (*rows, *band))
    for f, screen, mtf, nnps, dqe, along, across, *ends in zip(*few, strict=True):
        directions = f"      {along:6.4f}  {across:6.4f}" if tilted else ""
        within = "  {:.4f} - {:.4f}  {:.4f} - {:.4f}".format(*ends) if ends else ""
        yield f"  {f:5.2f}       {screen:6.4f}  {mtf:6.4f}    {nnps:9.3e}  {dqe:6.4f}{directions}{within}"
