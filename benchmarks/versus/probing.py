"""The tasks of an inspector and a bar pattern, by the probes of `xsim_zoo.evaluation`: voids, open tracks, contrast."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from versus.sets import SEED, setup_of
from xsim_zoo.evaluation.bench import Bench
from xsim_zoo.evaluation.entrants import INPUT, TRUTH
from xsim_zoo.evaluation.options import Options
from xsim_zoo.evaluation.probes.registry import bars as bar_probe
from xsim_zoo.evaluation.probes.registry import opens as open_probe
from xsim_zoo.evaluation.probes.registry import voids as void_probe
from xsim_zoo.evaluation.subjects import subject_of

if TYPE_CHECKING:
    from xsim_datasets.store.reader import PairStore
    from xsim_zoo.evaluation.entrants import Entrant
    from xsim_zoo.evaluation.records import BarProbe
    from xsim_zoo.evaluation.task_records import OpenScore, VoidScore

__all__ = ["Tasks", "subjects", "tasks_of"]


@dataclass(frozen=True)
class Tasks:
    """What one subject made of the probes; the subjects "lr" and "hr" are the two images themselves.

    Parameters
    ----------
    row : str
        The subject.
    bars : BarProbe
        Contrast transfer of bar groups.
    voids : VoidScore
        Void areas of solder balls, measured against labelled.
    opens : tuple of OpenScore
        Detectability of open tracks, one for each gap.
    """

    row: str
    bars: BarProbe
    voids: VoidScore
    opens: tuple[OpenScore, ...]


@dataclass(frozen=True)
class _NoPairs:
    """Stands where a bench has its data: these probes simulate all that they show."""

    pitch_mm: float


def subjects(rows: tuple[Entrant, ...]) -> list[str]:
    """Return the labels of all subjects, between LR and HR."""
    return [INPUT, *(row.label for row in rows), TRUTH]


def tasks_of(label: str, rows: tuple[Entrant, ...], *, quick: bool) -> Tasks:
    """Put all probes to a subject."""
    bench = _bench(rows, quick)
    subject = subject_of(bench, label)
    (bars,), (voids,) = bar_probe.measure(bench, subject), void_probe.measure(bench, subject)
    return Tasks(label, bars, voids, tuple(open_probe.measure(bench, subject)))


@lru_cache(maxsize=1)
def _bench(rows: tuple[Entrant, ...], quick: bool) -> Bench:
    """Return the bench of a process; its probes keep their shots as long as it lives."""
    setup = setup_of("paper")
    return Bench(
        store=cast("PairStore", _NoPairs(setup.pitch_mm)),
        entrants=rows,
        options=Options(quick=quick, seed=SEED),
        device="cpu",
        spectrum=None,
        clean=False,
        setup=setup,
        samples=(),
        identity="headline",
    )
