"""The probes: which section each fills, whom it asks, and about how much it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim_zoo.evaluation.entrants import INPUT, TRUTH
from xsim_zoo.evaluation.probes import bars, coverage, edges, features, mismatch, noise, opens, shapes, voids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.entrants import Ready
    from xsim_zoo.evaluation.records import Row
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["PROBES", "Probe"]


@dataclass(frozen=True)
class Probe:
    """How a section is filled.

    Parameters
    ----------
    measure : callable
        From the bench and whom it asks to the section's rows.
    beside : tuple of str
        Which of the two images are asked beside the restorers.
    cost : int
        About how many images of 512 x 512 pixels each restores.
    simulated : bool
        Whether it needs a set-up to simulate with.
    samplers_only : bool
        Whether it asks only restorers that draw posterior samples.
    """

    measure: Callable[[Bench, Subject], Sequence[Row]]
    beside: tuple[str, ...] = ()
    cost: int = 10
    simulated: bool = True
    samplers_only: bool = False

    def asks(self, ready: Ready) -> bool:
        """Say whether a restorer is asked."""
        return ready.restorer.samples or not self.samplers_only


PROBES = {
    "edges": Probe(edges.measure, (INPUT,), cost=48),
    "bars": Probe(bars.measure, (INPUT, TRUTH), cost=2),
    "noise": Probe(noise.measure_noise, (INPUT,), cost=4),
    "resolution": Probe(noise.measure_resolution, (INPUT, TRUTH), cost=2),
    "voids": Probe(voids.measure, (INPUT, TRUTH), cost=1),
    "opens": Probe(opens.measure, (INPUT, TRUTH), cost=3),
    "features": Probe(features.measure, (INPUT, TRUTH), cost=2),
    "coverage": Probe(coverage.measure, cost=50, simulated=False, samplers_only=True),
    "shapes": Probe(shapes.measure, cost=1),
    "mismatch": Probe(mismatch.measure, cost=12, simulated=False),
}
"""What each probed section is made of."""
