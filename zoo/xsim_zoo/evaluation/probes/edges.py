"""Signal response of a restorer to slanted edges: its MTF over contrast, dose, polarity, direction and angle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.grids import nyquist_lp_mm
from xsim.measure.edge import EdgeMTF, edge_mtf
from xsim_zoo.evaluation.probes.base import Probe, ProbeSetup, ProbeShot
from xsim_zoo.evaluation.records import INPUT, MaybeNumbers, Numbers, Row
from xsim_zoo.evaluation.report.figures import FREQUENCY, Axis, Chart, ReferenceLine, Series, numbers
from xsim_zoo.evaluation.report.tables import Block, Naming, Number, Table, Text, table_of
from xsim_zoo.evaluation.results import Chapter, Evaluation, register
from xsim_zoo.evaluation.scores import inner

if TYPE_CHECKING:
    from xsim_zoo.evaluation.competitor import Answering
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["Condition", "EdgeProbe", "Edges", "conditions", "edge_response"]

_DRAWS, _DRAWS_QUICK = 12, 4
"""Draws of the noise that are averaged: a twelfth of its power is left."""

_STEP_LP_MM = 0.5
"""Step of the MTF's frequencies: that of the rings of the power spectra."""

_LEAST_HR = 0.05
"""Below this MTF of the HR screen a ratio to it says nothing."""

_TABLED_LP_MM = (1.0, 2.0, 4.0, 6.0)
"""Frequencies of the table."""

_FIRST_STYLE = 2
"""Style of the first curve of a sweep; the two before it belong to LR and HR."""


class EdgeProbe(Row):
    """Signal response of a restorer to one slanted edge, the noise averaged away before the edge was fitted.

    ``transfer`` is its MTF over that of the HR screen, ``restorer`` "lr" the LR image's own. ``contrast`` is the step
    over the brighter side, ``dose`` relative to the set-up's. Overshoot and undershoot are shares of the step.
    """

    restorer: str
    contrast: float
    dose: float
    polarity: Literal["metal-left", "metal-right"]
    direction: Literal["vertical", "horizontal"]
    angle_deg: float
    draws: int
    frequency_lp_mm: Numbers
    transfer: MaybeNumbers
    noise_floor: float
    overshoot: float
    undershoot: float


@dataclass(frozen=True)
class Condition:
    """One edge: contrast in HR grey, dose relative to the set-up's, and how it lies."""

    contrast: float
    dose: float = 1.0
    polarity: Literal["metal-left", "metal-right"] = "metal-left"
    direction: Literal["vertical", "horizontal"] = "vertical"
    angle_deg: float = 3.0

    @property
    def turn_deg(self) -> float:
        """How far the target is turned."""
        return self.angle_deg + 90.0 * (self.direction == "horizontal") + 180.0 * (self.polarity == "metal-right")


def conditions(*, quick: bool) -> list[Condition]:
    """Return contrast x dose on one edge, and the other ways to lie at one contrast and dose."""
    if quick:
        return [Condition(0.1), Condition(0.8), Condition(0.3, direction="horizontal")]
    grid = [Condition(contrast, dose) for contrast in (0.02, 0.1, 0.3, 0.8) for dose in (0.25, 1.0, 4.0)]
    return [
        *grid,
        Condition(0.3, polarity="metal-right"),
        Condition(0.3, direction="horizontal"),
        Condition(0.3, angle_deg=2.0),
        Condition(0.3, angle_deg=5.0),
    ]


@register
class Edges(Probe):
    """The section ``edges``."""

    name = "edges"
    title = "Edge response"
    row = EdgeProbe
    order = 40
    chapter = Chapter(
        "edges",
        "Edges (MTF)",
        "MTF of system and restorer over that of the HR screen, read from slanted edges with the noise averaged away "
        "before the fit. A restorer is not linear: its MTF depends on contrast and dose, so there is one curve for "
        "each. This is not an MTF in the sense of IEC 62220-1, which asks for unprocessed data.",
        40,
    )
    side_by_side = True
    beside = (INPUT,)
    cost = 48

    def measure(self, context: EvaluationContext, asked: Answering) -> list[EdgeProbe]:
        """Ask for every edge: many draws of the noise, averaged before the edge is fitted."""
        pitch_mm = context.probe_setup.pitch_mm
        return [
            edge_response(asked.label, condition, [shot.answer_of(asked) for shot in shots], shots[0].clean, pitch_mm)
            for condition, shots in _shots(context).items()
        ]

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return the response over contrast and dose, a pair of charts for each restorer, and all edges."""
        rows = evaluation.rows(EdgeProbe)
        charts: list[Block] = []
        for label in dict.fromkeys(row.restorer for row in rows):
            charts += _sweeps(naming.name(label), [row for row in rows if row.restorer == label])
        return (*charts, _table(rows, naming))


@lru_cache(maxsize=1)
def _shots(context: EvaluationContext) -> dict[Condition, list[ProbeShot]]:
    """Return the shots of every edge; a process asks several restorers for the same."""
    setup = ProbeSetup.of(context, "edges")
    draws = _DRAWS_QUICK if context.options.quick else _DRAWS
    found = {}
    for place, condition in enumerate(conditions(quick=context.options.quick)):
        thickness = setup.thickness_for(condition.contrast)
        phantom = setup.target("edge", thickness_mm=thickness, angle_deg=condition.turn_deg)
        found[condition] = [setup.shoot(phantom, place * 1000 + draw, dose=condition.dose) for draw in range(draws)]
    return found


def edge_response(
    label: str,
    condition: Condition,
    answers: Sequence[NDArray[np.float32]],
    clean: NDArray[np.float32],
    pitch_mm: float,
) -> EdgeProbe:
    """Return the MTF of answers (H, W) to draws of one edge, over that of the noise-free HR image.

    It is None where it cannot be told from noise (below twice its own) or HR passes less than 5 %.
    """
    frequency = np.arange(_STEP_LP_MM, nyquist_lp_mm(pitch_mm) + 1e-9, _STEP_LP_MM)
    sharp = edge_mtf(inner(clean), pitch_mm, frequency_lp_mm=frequency)
    mean = np.asarray(np.mean(answers, axis=0, dtype=np.float64), dtype=np.float32)
    try:
        seen: EdgeMTF | None = edge_mtf(inner(mean), pitch_mm, frequency_lp_mm=frequency, any_shape=True)
    except InputError:
        # No edge is left: the answer drowned it in noise, or made more than one of it.
        seen = None
    return EdgeProbe(
        restorer=label,
        **asdict(condition),
        draws=len(answers),
        frequency_lp_mm=tuple(frequency.tolist()),
        transfer=(None,) * len(frequency) if seen is None else _ratio(seen, sharp),
        noise_floor=1.0 if seen is None else seen.noise_floor,
        overshoot=0.0 if seen is None else seen.overshoot,
        undershoot=0.0 if seen is None else seen.undershoot,
    )


def _ratio(seen: EdgeMTF, sharp: EdgeMTF) -> tuple[float | None, ...]:
    return tuple(
        float(own / ideal) if own >= 2 * noise and ideal >= _LEAST_HR else None
        for own, noise, ideal in zip(seen.mtf, seen.noise, sharp.mtf, strict=True)
    )


def _sweeps(name: str, probes: Sequence[EdgeProbe]) -> list[Chart]:
    """Return the charts over contrast, at the dose nearest the set-up's, and over dose, at the middle contrast."""
    dose = min((probe.dose for probe in probes), key=lambda value: abs(np.log(value)))
    by_contrast = [probe for probe in probes if probe.dose == dose]
    contrasts = sorted({probe.contrast for probe in by_contrast})
    contrast = contrasts[len(contrasts) // 2]
    by_dose = [probe for probe in probes if probe.contrast == contrast]
    charts = [
        _sweep(f"{name}: contrast, at dose x {dose:g}", by_contrast, lambda row: f"{100 * row.contrast:g} % contrast")
    ]
    if len({probe.dose for probe in by_dose}) > 1:
        charts.append(
            _sweep(f"{name}: dose, at {100 * contrast:g} % contrast", by_dose, lambda row: f"dose x {row.dose:g}")
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
        (ReferenceLine("HR screen", 1.0),),
        "Median over polarity, direction and angle of the edge, in a band of their range.",
    )


def _table(probes: Sequence[EdgeProbe], naming: Naming) -> Table:
    grid = np.array(probes[0].frequency_lp_mm)
    picked = sorted({int(np.argmin(np.abs(grid - wanted))) for wanted in _TABLED_LP_MM})
    return table_of(
        "Every edge: MTF over that of the HR screen, and ringing",
        probes,
        {
            "restorer": lambda row: naming.cell(row.restorer),
            "contrast [of the brighter side]": lambda row: Number(row.contrast, ".2g"),
            "dose [of the set-up's]": lambda row: Number(row.dose, ".3g"),
            "polarity": lambda row: Text(row.polarity),
            "direction": lambda row: Text(row.direction),
            "angle [deg]": lambda row: Number(row.angle_deg, ".3g"),
            **{f"at {grid[index]:.3g} lp/mm": _transfer_at(index) for index in picked},
            "overshoot [of the step]": lambda row: Number(row.overshoot, ".3f"),
            "undershoot [of the step]": lambda row: Number(row.undershoot, ".3f"),
            "noise floor": lambda row: Number(row.noise_floor, ".2g"),
            "noise draws": lambda row: Number(row.draws, "d"),
        },
        tall=True,
    )


def _transfer_at(index: int) -> Callable[[EdgeProbe], Number]:
    return lambda row: Number(row.transfer[index] if index < len(row.transfer) else None, ".3f")
