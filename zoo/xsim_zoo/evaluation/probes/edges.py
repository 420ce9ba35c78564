"""Signal response of a restorer to slanted edges: its MTF over contrast, dose, polarity, direction and angle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from xsim.errors import InputError
from xsim.grids import nyquist_lp_mm
from xsim.measure.edge import EdgeMTF, edge_mtf
from xsim_zoo.evaluation.judging import inner
from xsim_zoo.evaluation.laboratory import Laboratory, Shot
from xsim_zoo.evaluation.records import EdgeProbe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["Condition", "conditions", "edge_response", "measure"]

_DRAWS, _DRAWS_QUICK = 12, 4
_STEP_LP_MM = 0.5
_LEAST_HR = 0.05
"""Below this MTF of the HR screen a ratio to it says nothing."""


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


def measure(bench: Bench, subject: Subject) -> list[EdgeProbe]:
    """Ask a subject for every edge: many draws of the noise, averaged before the edge is fitted."""
    shots = _shots(bench)
    return [
        edge_response(
            subject.label,
            condition,
            [subject.answer(shot.lr, shot.hr, shot.number) for shot in shots[condition]],
            shots[condition][0].clean,
            bench.store.pitch_mm,
        )
        for condition in conditions(quick=bench.options.quick)
    ]


@lru_cache(maxsize=1)
def _shots(bench: Bench) -> dict[Condition, list[Shot]]:
    """Return the shots of every edge; a process asks several restorers for the same."""
    laboratory = Laboratory.of(bench, "edges")
    draws = _DRAWS_QUICK if bench.options.quick else _DRAWS
    found: dict[Condition, list[Shot]] = {}
    for place, condition in enumerate(conditions(quick=bench.options.quick)):
        thickness = laboratory.thickness_for(condition.contrast)
        phantom = laboratory.target("edge", thickness_mm=thickness, angle_deg=condition.turn_deg)
        found[condition] = [
            laboratory.shoot(phantom, place * 1000 + draw, dose=condition.dose) for draw in range(draws)
        ]
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
        seen: EdgeMTF | None = edge_mtf(inner(mean), pitch_mm, frequency_lp_mm=frequency)
    except InputError:
        # No edge is left: the answer drowned it in noise, or made more than one of it.
        seen = None
    return EdgeProbe(
        restorer=label,
        contrast=condition.contrast,
        dose=condition.dose,
        polarity=condition.polarity,
        direction=condition.direction,
        angle_deg=condition.angle_deg,
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
