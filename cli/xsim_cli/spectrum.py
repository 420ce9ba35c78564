"""``xsim spectrum``: X-ray spectra of tungsten tubes behind filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from xsim_cli.beam import AngleOption, FilterOption, KvpOption, ModelOption, PresetOption, beam
from xsim_cli.common import DebugOption, ForceOption, JsonOption, emit_json
from xsim_cli.outputs import CsvOption, PlotOption, check_outputs, write_csv, write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xsim.spectrum import Spectrum

app = typer.Typer(pretty_exceptions_enable=False)


@app.command(epilog="Example: xsim spectrum --kvp 70 --filter Al:2.5 --filter Cu:0.1 --plot spectrum.png")
def spectrum(
    kvp: KvpOption = None,
    filters: FilterOption = None,
    anode_angle_deg: AngleOption = 12.0,
    model: ModelOption = "kqp",
    preset: PresetOption = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Compute the fluence per keV and uGy of a tungsten tube, its mean energy and half-value layers."""
    from xsim.spectrum import half_value_layer_mm

    check_outputs(csv, plot, force=force)
    chosen = beam(kvp, filters, anode_angle_deg, model, preset)
    hvl1, hvl2 = half_value_layer_mm(chosen, "Al", layers=2)
    if csv is not None:
        rows = zip(chosen.energy_keV.tolist(), chosen.fluence_per_mm2_uGy.tolist(), strict=True)
        write_csv(csv, ("energy_keV", "fluence_per_mm2_uGy"), rows)
    if plot is not None:
        write_figure(plot, _figure(chosen))
    if json_:
        emit_json(
            "spectrum",
            {
                **chosen.settings(),
                "energy_keV": chosen.energy_keV,
                "fluence_per_mm2_uGy": chosen.fluence_per_mm2_uGy,
                "total_fluence_per_mm2_uGy": chosen.total_fluence_per_mm2_uGy,
                "mean_energy_keV": chosen.mean_energy_keV,
                "kerma_uGy_per_mAs": chosen.kerma_uGy_per_mAs,
                "hvl1_mm_Al": hvl1,
                "hvl2_mm_Al": hvl2,
            },
        )
        return
    typer.echo(_name(chosen))
    typer.echo(f"fluence      {chosen.total_fluence_per_mm2_uGy:10.0f} photons/(mm2 uGy)")
    typer.echo(f"mean energy  {chosen.mean_energy_keV:10.2f} keV")
    typer.echo(f"kerma at 1 m {chosen.kerma_uGy_per_mAs:10.2f} uGy/mAs")
    typer.echo(f"HVL 1, 2     {hvl1:10.3f} {hvl2:.3f} mm Al")


def _name(chosen: Spectrum) -> str:
    filters = " + ".join(f"{thickness:g} mm {name}" for name, thickness in chosen.filters) or "no filter"
    return f"{chosen.kvp:g} kV W, {chosen.anode_angle_deg:g} deg, {filters} ({chosen.model})"


def _figure(chosen: Spectrum) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    width = float(chosen.energy_keV[1] - chosen.energy_keV[0])
    axes.stairs(
        chosen.fluence_per_mm2_uGy / width,
        [*(chosen.energy_keV - width / 2), chosen.energy_keV[-1] + width / 2],
        fill=True,
        alpha=0.4,
        color="tab:blue",
    )
    axes.axvline(chosen.mean_energy_keV, color="black", linestyle="--", linewidth=1)
    axes.text(chosen.mean_energy_keV, axes.get_ylim()[1] * 0.95, f"  mean {chosen.mean_energy_keV:.1f} keV", va="top")
    axes.set(
        xlabel="photon energy [keV]",
        ylabel="photons / (mm² µGy keV)",
        title=_name(chosen),
        xlim=(0, chosen.kvp),
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    return figure
