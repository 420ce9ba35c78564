"""The pieces of work of an evaluation, each a pure function of the bench: they run in any order and process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from threadpoolctl import threadpool_limits

from xsim_zoo.evaluation.judging import judge
from xsim_zoo.evaluation.probes.registry import PROBES
from xsim_zoo.evaluation.showing import show
from xsim_zoo.evaluation.subjects import subject_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.records import Row
    from xsim_zoo.evaluation.showing import Role

__all__ = ["IMAGES", "Found", "Job", "Task", "run_job"]

IMAGES = "images"

Found = dict[str, list[dict[str, Any]]]
"""Rows by label, as JSON types."""


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Parameters
    ----------
    section : str
        Which section it fills.
    labels : tuple of str
        The restorers it asks.
    sample : int
        Which image; -1 for probes, which make their own.
    role : str
        Why an image is shown.
    cost : int
        About how many images are restored, for the time left.
    """

    section: str
    labels: tuple[str, ...]
    sample: int = -1
    role: Role = "typical"
    cost: int = 1


@dataclass(frozen=True)
class Task:
    """A job with its bench: what is sent to a worker."""

    bench: Bench
    job: Job


def run_job(task: Task) -> tuple[Job, Found]:
    """Do a job on one thread, so that its numbers do not depend on how many there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # Sums of a linear algebra library depend on its threads in the last digit.
        with threadpool_limits(limits=1):
            found = _images(task) if task.job.section == IMAGES else _probe(task)
    finally:
        torch.set_num_threads(threads)
    return task.job, {label: [row.model_dump(mode="json") for row in rows] for label, rows in found.items()}


def _images(task: Task) -> dict[str, Sequence[Row]]:
    """Score every asked restorer on one image."""
    bench, sample = task.bench, task.job.sample
    pair = bench.pair(sample)
    found: dict[str, Sequence[Row]] = {}
    for label in task.job.labels:
        subject = subject_of(bench, label)
        restore = partial(subject.answer, hr=pair.hr, number=sample)
        found[label] = [judge(label, pair, restore, bench.physics_for(sample, subject.ready))]
    return found


def _probe(task: Task) -> dict[str, Sequence[Row]]:
    """Ask one restorer for one section."""
    (label,) = task.job.labels
    if task.job.section == "shown":
        return {label: [show(task.bench, label, task.job.sample, task.job.role)]}
    return {label: PROBES[task.job.section].measure(task.bench, subject_of(task.bench, label))}
