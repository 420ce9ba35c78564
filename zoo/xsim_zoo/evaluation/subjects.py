"""What a probe asks: a restorer, or one of the two images themselves, which frame its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim_zoo.evaluation.entrants import INPUT, TRUTH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.entrants import Ready

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True)
class Subject:
    """Who answers.

    Parameters
    ----------
    label : str
        "lr", "hr" or an entrant's label.
    ready : Ready or None
        The entrant; None for the two images.
    seed : int
        Seed of the restorer's own noise.
    """

    label: str
    ready: Ready | None
    seed: int = 0

    def answer(self, lr: NDArray[np.float32], hr: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        """Return the answer to image number ``number`` of a probe, (H, W): restored, or ``lr`` or ``hr`` as it is."""
        if self.ready is None:
            return lr if self.label == INPUT else hr
        return self.ready.answer(lr, seed=self.seed, sample=number)


def subject_of(bench: Bench, label: str) -> Subject:
    """Return the subject that a label names."""
    ready = None if label in {INPUT, TRUTH} else bench.ready(label)
    return Subject(label, ready, bench.options.seed)
