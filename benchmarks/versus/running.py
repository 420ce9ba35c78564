"""The work of the comparison, image by image, on a pool of processes with one thread each."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from versus.contenders import CHAMPION, plain_rows
from versus.posterior import Spread, spread_of
from versus.probing import Tasks, subjects, tasks_of
from versus.scoring import Score, score_all
from versus.sets import cases, image_of
from xsim_zoo.evaluation.entrants import Entrant, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from versus.sets import Case, Imaged

__all__ = ["Job", "Results", "parallel", "run"]

_SAMPLED = {False: 6, True: 1}
"""Images that posterior samples are drawn of, in the full and in the quick run."""


@dataclass(frozen=True)
class Job:
    """What every process has to know.

    Parameters
    ----------
    rows : tuple of Entrant
        Who takes part.
    cache : Path
        Folder of the test images.
    gerber : Path
        Folder of the real board.
    quick : bool
        Few images.
    specialised : dict of condition to Entrant
        Models trained on the very detectors of a condition.
    """

    rows: tuple[Entrant, ...]
    cache: Path
    gerber: Path
    quick: bool = False
    specialised: dict[str, Entrant] = field(default_factory=dict)

    def image(self, case: Case) -> Imaged:
        """Return a test image."""
        return image_of(case, self.cache, self.gerber)


@dataclass
class Results:
    """What was found."""

    scores: list[Score] = field(default_factory=list)
    spreads: list[Spread] = field(default_factory=list)
    tasks: list[Tasks] = field(default_factory=list)


def score_case(job: Job, case: Case) -> list[Score]:
    """Make one image, restore it in every way, score the answers."""
    rows = list(job.rows) if case.condition == "paper" else plain_rows(job.rows)
    if case.condition in job.specialised:
        rows.append(job.specialised[case.condition])
    return score_all(case, job.image(case), rows)


def sample_case(job: Job, case: Case, row: Entrant) -> Spread:
    """Make one image and judge posterior samples of it."""
    return spread_of(case, job.image(case), Ready.load(row, "cpu"))


def probe_subject(job: Job, label: str) -> Tasks:
    """Put the probes to one subject."""
    return tasks_of(label, job.rows, quick=job.quick)


def run(job: Job, names: Sequence[str], *, workers: int = 1) -> Results:
    """Do all the work; progress goes to stderr.

    Parameters
    ----------
    names : sequence of str
        Test sets.
    workers : int
        Processes.
    """
    results = Results()
    sampled = cases(["random"], quick=job.quick)[: _SAMPLED[job.quick]] if "random" in names else []
    tasks: list[tuple[Callable[..., object], tuple[object, ...]]] = []
    # The longest tasks first, so that no process waits for another at the end.
    for row in job.rows:
        if row.label == CHAMPION:
            tasks += [(sample_case, (job, case, row)) for case in sampled]
    order = subjects(job.rows)
    tasks += [(probe_subject, (job, label)) for label in order]
    tasks += [(score_case, (job, case)) for case in cases(names, quick=job.quick)]
    started = time.monotonic()
    for done, found in enumerate(parallel(tasks, workers), start=1):
        if isinstance(found, Spread):
            results.spreads.append(found)
        elif isinstance(found, Tasks):
            results.tasks.append(found)
        else:
            results.scores += found
        if sys.stderr.isatty() or done % 10 == 0 or done == len(tasks):
            print(f"{done} of {len(tasks)} done, {time.monotonic() - started:.0f} s", file=sys.stderr)
    results.scores.sort(key=lambda one: (one.set_name, one.condition, one.image.sample))
    results.spreads.sort(key=lambda one: (one.row, one.number))
    results.tasks.sort(key=lambda one: order.index(one.row))
    return results


def parallel(tasks: Sequence[tuple[Callable[..., object], tuple[object, ...]]], workers: int) -> Iterable[object]:
    """Yield the results of calls (function, arguments) as they come, from processes with one thread each."""
    # Children read these before numpy is imported; torch asks for them too.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(function, *arguments) for function, arguments in tasks]
        for future in as_completed(futures):
            yield future.result()
