"""``xsim spectrum``: X-ray spectra of tubes behind filters, and the options by which commands name a beam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xsim.errors import InputError
from xsim_cli.common import CsvOption, ForceOption, JsonOption, Outputs, PlotOption

if TYPE_CHECKING:
    from xsim.spectrum import Spectrum

app = typer.Typer()

KvpOption = Annotated[float | None, typer.Option("--kvp", help="Tube voltage [kV], 30 to 300.  [default: 70]")]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="MATERIAL:MM",
        help="A filter, e.g. Cu:0.1 or FR-4:1.6; repeat for more; 'none' for the bare tube.  [default: Al:2.5]",
    ),
]
AngleOption = Annotated[float, typer.Option("--anode-angle-deg", help="Anode angle [degrees], 5 to 45.")]
ModelOption = Annotated[str, typer.Option("--model", help="SpekPy's physics model: kqp, casim, spekpy-v1, ...")]
TargetOption = Annotated[str, typer.Option("--target", help="What electrons hit: W, or Mo to 50 kV.")]
TransmissionOption = Annotated[
    float | None,
    typer.Option("--transmission-um", help="Thickness of a target that the beam passes [um].  [default: it reflects]"),
]
PresetOption = Annotated[
    str | None, typer.Option("--preset", help="A beam by name: RQA3, RQA5, RQA7, RQA9 (IEC 61267) or paper.")
]


def beam(
    kvp: float | None,
    filters: list[str] | None,
    anode_angle_deg: float,
    model: str,
    preset: str | None,
    *,
    target: str = "W",
    transmission_um: float | None = None,
) -> Spectrum:
    """Return the beam that the options name.

    Raises
    ------
    InputError
        If a preset stands beside a voltage or filters, or a filter is not MATERIAL:MM.
    """
    from xsim.spectrum import parse_filter, preset_spectrum, tungsten_spectrum

    if preset is not None:
        if kvp is not None or filters:
            raise InputError("--preset sets voltage and filters: leave out --kvp and --filter")
        if target != "W" or transmission_um is not None:
            raise InputError("--preset is of a tungsten anode: leave out --target and --transmission-um")
        return preset_spectrum(preset, anode_angle_deg, model)
    words = ["Al:2.5"] if filters is None else [word for word in filters if word != "none"]
    sheets = tuple(parse_filter(word) for word in words)
    return tungsten_spectrum(
        70.0 if kvp is None else kvp, sheets, anode_angle_deg, model, target=target, transmission_um=transmission_um
    )


@app.command(epilog="Example: xsim spectrum --kvp 70 --filter Al:2.5 --filter Cu:0.1 --plot spectrum.png")
def spectrum(
    kvp: KvpOption = None,
    filters: FilterOption = None,
    anode_angle_deg: AngleOption = 12.0,
    model: ModelOption = "kqp",
    target: TargetOption = "W",
    transmission_um: TransmissionOption = None,
    preset: PresetOption = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Compute the fluence per keV and uGy of a tube, its mean energy and half-value layers."""
    from xsim.spectrum import half_value_layer_mm

    outputs = Outputs(csv, plot, force=force, json_=json_)
    chosen = beam(kvp, filters, anode_angle_deg, model, preset, target=target, transmission_um=transmission_um)
    hvl1, hvl2 = half_value_layer_mm(chosen, "Al", layers=2)
    table = {"energy_keV": chosen.energy_keV, "fluence_per_mm2_uGy": chosen.fluence_per_mm2_uGy}
    facts = {
        "total_fluence_per_mm2_uGy": chosen.total_fluence_per_mm2_uGy,
        "mean_energy_keV": chosen.mean_energy_keV,
        "kerma_uGy_per_mAs": chosen.kerma_uGy_per_mAs,
        "hvl1_mm_Al": hvl1,
        "hvl2_mm_Al": hvl2,
    }
    lines = (
        _name(chosen),
        f"fluence      {chosen.total_fluence_per_mm2_uGy:10.0f} photons/(mm2 uGy)",
        f"mean energy  {chosen.mean_energy_keV:10.2f} keV",
        f"kerma at 1 m {chosen.kerma_uGy_per_mAs:10.2f} uGy/mAs",
        f"HVL 1, 2     {hvl1:10.3f} {hvl2:.3f} mm Al",
    )
    payload = {**chosen.settings(), **table, **facts}
    outputs.write(
        "spectrum", payload, lines, table=table, figure=lambda figures: figures.spectrum_figure(chosen, _name(chosen))
    )


def _name(chosen: Spectrum) -> str:
    filters = " + ".join(f"{thickness:g} mm {name}" for name, thickness in chosen.filters) or "no filter"
    through = chosen.transmission_um
    anode = f"{chosen.anode_angle_deg:g} deg" if through is None else f"through {through:g} um"
    return f"{chosen.kvp:g} kV {chosen.target}, {anode}, {filters} ({chosen.model})"
