"""Response to known targets: slanted edges, bars, flat fields, and the duplex wire gauge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.evaluation.report.axes import Axis
from xsim_zoo.evaluation.report.charts import Chart, Rule, Series, numbers
from xsim_zoo.evaluation.report.section import Absent, Section
from xsim_zoo.evaluation.report.sections.frequency import FREQUENCY
from xsim_zoo.evaluation.report.tables import Column, Number, Table, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xsim_zoo.evaluation.records import EdgeProbe
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.section import Block
    from xsim_zoo.evaluation.report.tables import Cell
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["bars", "edges", "noise"]

_TABLED_LP_MM = (1.0, 2.0, 4.0, 6.0)
_FIRST_STYLE = 2


def edges(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the edge response over contrast and dose, a pair of charts for each restorer."""
    if not evaluation.edges:
        return Section("edges", "Edges (MTF)", "", (Absent("Edge response", evaluation.absent["edges"]),))
    lead = (
        "MTF of system and restorer over that of the HR screen, read from slanted edges with the noise averaged away "
        "before the fit. A restorer is not linear: its MTF depends on contrast and dose, so there is one curve for "
        "each. This is not an MTF in the sense of IEC 62220-1, which asks for unprocessed data."
    )
    blocks: list[Block] = []
    for label in dict.fromkeys(probe.restorer for probe in evaluation.edges):
        probes = [probe for probe in evaluation.edges if probe.restorer == label]
        blocks += _sweeps(naming.name(label), probes)
    blocks.append(_edge_table(evaluation.edges, naming))
    return Section("edges", "Edges (MTF)", lead, tuple(blocks))


def _sweeps(name: str, probes: Sequence[EdgeProbe]) -> list[Chart]:
    """Return the charts over contrast, at the dose nearest the set-up's, and over dose, at the middle contrast."""
    dose = min((probe.dose for probe in probes), key=lambda value: abs(np.log(value)))
    contrasts = sorted({probe.contrast for probe in probes if probe.dose == dose})
    contrast = contrasts[len(contrasts) // 2]
    by_contrast = [probe for probe in probes if probe.dose == dose]
    by_dose = [probe for probe in probes if probe.contrast == contrast]
    charts = [
        _sweep(
            f"{name}: contrast, at dose x {dose:g}", by_contrast, lambda probe: f"{100 * probe.contrast:g} % contrast"
        )
    ]
    if len({probe.dose for probe in by_dose}) > 1:
        charts.append(
            _sweep(f"{name}: dose, at {100 * contrast:g} % contrast", by_dose, lambda probe: f"dose x {probe.dose:g}")
        )
    return charts


def _sweep(title: str, probes: Sequence[EdgeProbe], name: Callable[[EdgeProbe], str]) -> Chart:
    """Return a chart with the median over polarity, direction and angle, in a band of their range."""
    series, reach = [], []
    ordered = sorted(probes, key=lambda probe: (probe.contrast, probe.dose))
    for index, group in enumerate(dict.fromkeys(map(name, ordered))):
        members = [probe for probe in ordered if name(probe) == group]
        grid = np.array(members[0].frequency_lp_mm)
        values = np.array([np.interp(grid, member.frequency_lp_mm, numbers(member.transfer)) for member in members])
        middle, low, high = np.quantile(values, [0.5, 0.0, 1.0], axis=0)
        reach.append(high)
        series.append(Series(group, grid, middle, _FIRST_STYLE + index, low, high))
    return Chart(
        title,
        Axis.covering(FREQUENCY, [item.x for item in series], 0.0),
        Axis.covering("MTF over that of HR", reach, 0.0, 1.0),
        tuple(series),
        (Rule("HR screen", 1.0),),
        "Median over polarity, direction and angle of the edge, in a band of their range.",
    )


def _edge_table(probes: Sequence[EdgeProbe], naming: Naming) -> Table:
    grid = np.array(probes[0].frequency_lp_mm)
    picked = sorted({int(np.argmin(np.abs(grid - wanted))) for wanted in _TABLED_LP_MM})
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            naming.cell(probe.restorer),
            Number(probe.contrast, ".2g"),
            Number(probe.dose, ".3g"),
            Text(probe.polarity),
            Text(probe.direction),
            Number(probe.angle_deg, ".3g"),
            *(Number(probe.transfer[index] if index < len(probe.transfer) else None, ".3f") for index in picked),
            Number(probe.overshoot, ".3f"),
            Number(probe.undershoot, ".3f"),
            Number(probe.noise_floor, ".2g"),
            Number(probe.draws, "d"),
        )
        for probe in probes
    )
    columns = (
        Column("restorer", numeric=False),
        Column("contrast [of the brighter side]"),
        Column("dose [of the set-up's]"),
        Column("polarity", numeric=False),
        Column("direction", numeric=False),
        Column("angle [deg]"),
        *(Column(f"at {grid[index]:.3g} lp/mm") for index in picked),
        Column("overshoot [of the step]"),
        Column("undershoot [of the step]"),
        Column("noise floor"),
        Column("noise draws"),
    )
    return Table("Every edge: MTF over that of the HR screen, and ringing", columns, rows, tall=True)


def bars(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the modulation of bar groups, one chart for each contrast."""
    if not evaluation.bars:
        return Section("bars", "Bars (CTF)", "", (Absent("Bar groups", evaluation.absent["bars"]),))
    lead = (
        "Modulation of bar groups over that of very wide bars. Bars are square waves: their CTF reads up to 27 % above "
        "an MTF of the same system. Bands are two standard errors."
    )
    charts = []
    for contrast in sorted({probe.contrast for probe in evaluation.bars}):
        series = []
        for probe in evaluation.bars:
            if probe.contrast == contrast:
                ctf, error = numbers(probe.ctf), numbers(probe.standard_error)
                series.append(
                    Series(
                        naming.name(probe.restorer),
                        np.array(probe.frequency_lp_mm),
                        ctf,
                        naming.style(probe.restorer),
                        ctf - 2 * error,
                        ctf + 2 * error,
                    )
                )
        charts.append(
            Chart(
                f"CTF at {100 * contrast:g} % contrast",
                Axis.covering("bar frequency [lp/mm]", [item.x for item in series], 0.0),
                Axis.covering("CTF", [item.y for item in series], 0.0, 1.0),
                tuple(series),
                (Rule("full modulation", 1.0),),
            )
        )
    return Section("bars", "Bars (CTF)", lead, tuple(charts))


def noise(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the noise of flat fields, and the resolution that signal to noise is referred to."""
    lead = (
        "Noise over repeated exposures of one flat field. A gain far below 1 at high frequencies looks like success "
        "and may be mere smoothing: read it beside the edge response. SNR of block means shows what is left at low "
        "frequencies. "
        "SNRn refers SNR to a resolution of 88.6 um, so that blur gains nothing."
    )
    blocks: tuple[Block, ...] = (*_noise_blocks(evaluation, naming), *_resolution_blocks(evaluation, naming))
    return Section("noise", "Noise and resolution", lead, blocks)


def _noise_blocks(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.noise:
        return (Absent("Noise of flat fields", evaluation.absent["noise"]),)
    nnps, gain = (
        tuple(
            Series(
                naming.name(probe.restorer),
                np.array(probe.frequency_lp_mm),
                numbers(getattr(probe, quantity)),
                naming.style(probe.restorer),
            )
            for probe in evaluation.noise
        )
        for quantity in ("nnps_mm2", "gain")
    )
    frequency = Axis.covering(FREQUENCY, [item.x for item in nnps], 0.0)
    levels = Axis.covering("NNPS [mm\N{SUPERSCRIPT TWO}]", [item.y for item in nnps], log=True)
    gains = Axis.covering("NNPS, restored over LR", [item.y for item in gain], 1.0, log=True)
    columns = (
        Column("restorer", numeric=False),
        Column("SNR"),
        Column("SNR of block means"),
        Column("frames"),
    )
    rows = tuple(
        (
            naming.cell(probe.restorer),
            Number(probe.snr, ".1f"),
            Number(probe.snr_blocks, ".1f"),
            Number(probe.frames, "d"),
        )
        for probe in evaluation.noise
    )
    return (
        Chart("Noise power", frequency, levels, nnps, (), "Logarithmic scale."),
        Chart("Noise gain", frequency, gains, gain, (Rule("noise of LR", 1.0),), "Logarithmic scale."),
        Table("Signal to noise of the flat field", columns, rows),
    )


def _resolution_blocks(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.resolution:
        return (Absent("Duplex wire gauge", evaluation.absent["resolution"]),)
    columns = (
        Column("restorer", numeric=False),
        Column("SRb [mm]"),
        Column("SNR"),
        Column("SNRn"),
        Column("note", numeric=False),
    )
    rows = tuple(
        (
            naming.cell(row.restorer),
            Number(row.srb_mm, ".4f", "not reached"),
            Number(row.snr, ".1f"),
            Number(row.snr_n, ".1f", "needs SRb"),
            Text(row.note),
        )
        for row in evaluation.resolution
    )
    return (Table("Basic spatial resolution of the duplex wire gauge, and SNR normalised to it", columns, rows),)
