"""The evaluation itself: which jobs there are, who does them, and how their findings become one document."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from threadpoolctl import threadpool_limits

from xsim.keywords import names_keywords
from xsim_datasets.progress import Progress
from xsim_datasets.store.executors import Executor, ProcessPool, Serial
from xsim_datasets.store.reader import PairStore
from xsim_zoo.evaluation.competitor import Competitor, competitors_of
from xsim_zoo.evaluation.context import EvaluationContext, prepare, provenance_of
from xsim_zoo.evaluation.journal import Journal
from xsim_zoo.evaluation.options import Options
from xsim_zoo.evaluation.pairs import EvaluationData, StoredPairs
from xsim_zoo.evaluation.probes.base import Derived, Probe
from xsim_zoo.evaluation.probes.shown import Role, chosen, show
from xsim_zoo.evaluation.records import INPUT, ImageScore, Row
from xsim_zoo.evaluation.results import Evaluation, sections
from xsim_zoo.evaluation.scores import Scoreboard, judge
from xsim_zoo.evaluation.verdicts import limits_of, verdicts_of

__all__ = ["EvaluationJob", "evaluate", "run_job"]

_IMAGES, _SHOWN = "images", "shown"
"""Sections whose jobs are about one image of the data."""

Found = dict[str, list[dict[str, Any]]]
"""Rows by label, as JSON types."""


@names_keywords
def evaluate(
    restorers: Sequence[str | Competitor],
    data: PairStore | EvaluationData | str | Path,
    options: Options | None = None,
    *,
    device: str = "auto",
    workers: int | None = None,
    journal: Path | None = None,
    quiet: bool = True,
) -> Evaluation:
    """Judge restorers on held-out pairs.

    The numbers depend on the data, the weights and the options alone: not on the number of workers, on the order of
    the restorers, or on whether the run was interrupted. Restorers that work between any two detectors are told those
    that took each image, where the data say which (see `Competitor`).

    Parameters
    ----------
    restorers : sequence of str or Competitor
        Names, weights on disk, or names with options, see `Competitor.parse`.
    data : PairStore, EvaluationData, str or path
        A store of pairs, or anything else that answers as `EvaluationData` says.
    options : Options, optional
        What to judge on, and how much.
    device : str
        "auto", "cpu", "cuda", "mps".
    workers : int, optional
        Processes of one thread each; as many as there are cores if not given. One works in this process, and so does
        every device but the CPU.
    journal : Path, optional
        A file in which findings are kept as they come: a run that finds it goes on where the last one ended.
    quiet : bool
        Say nothing on stderr.

    Raises
    ------
    InputError
        If a competitor, the data or an option cannot be used, or a restorer has seen a board that it is judged on.
    XsimError
        If weights or data are damaged, or a worker dies.
    """
    began = time.monotonic()
    context = prepare(_source_of(data), competitors_of(restorers), options or Options(), device)
    count = workers or psutil.cpu_count(logical=True) or 1
    executor = ProcessPool(count) if count > 1 and context.device == "cpu" else Serial()
    with Journal(journal, context.identity) as found:
        run = _Run(context, found, executor, quiet=quiet)
        for jobs in (run.image_jobs, run.probe_jobs, run.shown_jobs):
            run.do(jobs())
        run.progress.close()
        return run.evaluation(time.monotonic() - began)


def _source_of(data: PairStore | EvaluationData | str | Path) -> EvaluationData:
    if isinstance(data, PairStore):
        return StoredPairs(data)
    return StoredPairs(PairStore.open(data)) if isinstance(data, (str, Path)) else data


@dataclass(frozen=True)
class EvaluationJob:
    """One piece of work.

    Parameters
    ----------
    section : str
        Which section it fills.
    labels : tuple of str
        Whom it asks.
    sample : int
        Which image; -1 for probes, which make their own.
    role : str
        Why an image is shown, where one is.
    cost : int
        About how many images are restored, for the time left.
    """

    section: str
    labels: tuple[str, ...]
    sample: int = -1
    role: Role | None = None
    cost: int = 1


def run_job(task: tuple[EvaluationContext, EvaluationJob]) -> tuple[EvaluationJob, Found]:
    """Do a job on one thread, so that its numbers do not depend on how many there are.

    A pure function of its argument, which is what is sent to a worker: jobs run in any order and process.
    """
    context, job = task
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # Sums of a linear algebra library depend on its threads in the last digit.
        with threadpool_limits(limits=1):
            found = {label: _rows_of(context, job, label) for label in job.labels}
    finally:
        torch.set_num_threads(threads)
    return job, {label: [row.model_dump(mode="json") for row in rows] for label, rows in found.items()}


def _rows_of(context: EvaluationContext, job: EvaluationJob, label: str) -> Sequence[Row]:
    if job.section == _IMAGES:
        pair = context.pair(job.sample)
        restore = partial(context.answering(label, job.sample).answer, hr=pair.hr, number=job.sample)
        return [judge(label, pair, restore, context.judge_of(job.sample, label))]
    if job.section == _SHOWN:
        assert job.role is not None, "a picture is shown for a reason"
        return [show(context, label, job.sample, job.role)]
    probe = sections()[job.section]
    assert isinstance(probe, Probe), "derived sections have no jobs"
    return probe.measure(context, context.answering(label))


class _Run:
    """One evaluation under way."""

    def __init__(self, context: EvaluationContext, journal: Journal, executor: Executor, *, quiet: bool) -> None:
        self.context, self.options = context, context.options
        self.labels = [competitor.label for competitor in context.competitors]
        self._fingerprints = {label: context.loaded(label).fingerprint for label in self.labels}
        self._fitting = {label: set(context.samples_of(label)) for label in [INPUT, *self.labels]}
        self._journal, self._executor = journal, executor
        self._done = 0
        shown = (min(len(context.samples), 3 if self.options.quick else 10) + 1) * len(self.labels)
        total = sum(job.cost for job in [*self.image_jobs(), *self.probe_jobs()])
        self.progress = Progress(total + (shown if _SHOWN in self.options.asked else 0), quiet=quiet)

    def _key(self, section: str, label: str, sample: int = -1, role: Role | None = None) -> str:
        return "|".join([section, label, self._fingerprints.get(label, label), str(sample), role or ""])

    def image_jobs(self) -> list[EvaluationJob]:
        """Return the images that are not scored yet by all whom they fit."""
        jobs = []
        for sample in self.context.samples:
            fitting = (label for label in [INPUT, *self.labels] if sample in self._fitting[label])
            if labels := tuple(label for label in fitting if self._key(_IMAGES, label, sample) not in self._journal):
                jobs.append(EvaluationJob(_IMAGES, labels, sample, cost=len(labels)))
        return jobs

    def probe_jobs(self) -> list[EvaluationJob]:
        """Return the probes that are not done yet, the longest first."""
        jobs = [
            EvaluationJob(name, (label,), cost=section.cost)
            for name, section in sections().items()
            if isinstance(section, Probe) and name in self.options.asked
            for label in self._asked_by(section)
            if self._key(name, label) not in self._journal
        ]
        return sorted(jobs, key=lambda job: -job.cost)

    def _asked_by(self, probe: Probe) -> list[str]:
        """Return whom a probe asks; nobody where it cannot be done."""
        if probe.simulated and self.context.setup is None:
            return []
        able = [
            label
            for label in self.labels
            if (self.context.loaded(label).restorer.samples or not probe.samplers_only)
            and (self.context.fits_probes(label) or not probe.simulated)
        ]
        return [*probe.beside, *able] if able else []

    def _chosen(self) -> list[tuple[str, Role, int]]:
        """Return (label, role, sample) of every picture."""
        scores = self.scores()
        return [
            (label, role, sample)
            for label in self.labels
            for role, sample in chosen(scores, label, quick=self.options.quick)
        ]

    def shown_jobs(self) -> list[EvaluationJob]:
        """Return the pictures that are not drawn yet."""
        if _SHOWN not in self.options.asked:
            return []
        return [
            EvaluationJob(_SHOWN, (label,), sample, role)
            for label, role, sample in self._chosen()
            if self._key(_SHOWN, label, sample, role) not in self._journal
        ]

    def do(self, jobs: Sequence[EvaluationJob]) -> None:
        """Do jobs and keep what they find."""
        for job, found in self._executor.run(run_job, ((self.context, job) for job in jobs)):
            for label, rows in found.items():
                self._journal.add(self._key(job.section, label, job.sample, job.role), rows)
            self._done += job.cost
            self.progress.step(self._done, f"{job.section} {', '.join(job.labels)}")

    def scores(self) -> dict[str, list[ImageScore]]:
        """Return every restorer's scores, image by image."""
        return {
            label: [
                ImageScore.model_validate(self._journal[self._key(_IMAGES, label, sample)][0])
                for sample in self.context.samples
                if sample in self._fitting[label]
            ]
            for label in [INPUT, *self.labels]
        }

    def _section(self, name: str, board: Scoreboard) -> tuple[Any, ...]:
        """Return the rows of a section; none where it was not asked for or nobody can be asked."""
        section = sections()[name]
        if name not in self.options.asked:
            return ()
        if isinstance(section, Derived):
            return section.derive(board)
        if isinstance(section, Probe):
            keys = [self._key(name, label) for label in self._asked_by(section)]
        else:
            keys = [self._key(name, label, sample, role) for label, role, sample in self._chosen()]
        return tuple(row for key in keys for row in self._journal[key])

    def _reason(self, name: str) -> str:
        """Return why a section is empty."""
        section = sections()[name]
        if name not in self.options.asked:
            return "not asked for"
        if isinstance(section, Derived):
            return "one restorer has no other to be compared with"
        if isinstance(section, Probe) and section.simulated and self.context.setup is None:
            return self.context.notes["physics of probes"].removeprefix("none: ")
        if isinstance(section, Probe) and section.samplers_only:
            return "none of the restorers draws posterior samples"
        return "no restorer could be measured"

    def evaluation(self, seconds: float) -> Evaluation:
        """Return the document."""
        scores = self.scores()
        board = Scoreboard(scores, self.options.resamples, self.options.seed)
        found = {name: self._section(name, board) for name in sections()}
        provenance = provenance_of(self.context, seconds)
        evaluation = Evaluation(
            provenance=provenance,
            verdicts=(),
            images=tuple(score for rows in scores.values() for score in rows),
            summary=board.summary(),
            sections=found,
            limits=limits_of(provenance),
            absent={name: self._reason(name) for name, rows in found.items() if not rows},
        )
        return evaluation.model_copy(update={"verdicts": verdicts_of(evaluation)})
