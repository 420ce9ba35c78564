"""The evaluation itself: which jobs there are, who does them, and how their findings become one document."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from xsim_datasets.progress import Progress
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_datasets.store.reader import PairStore
from xsim_zoo.evaluation import records, task_records
from xsim_zoo.evaluation.entrants import INPUT, Entrant, entrants_of
from xsim_zoo.evaluation.jobs import IMAGES, Job, Task, run_job
from xsim_zoo.evaluation.journal import Journal
from xsim_zoo.evaluation.limits import limits_of
from xsim_zoo.evaluation.options import Options
from xsim_zoo.evaluation.preparing import Prepared, prepare
from xsim_zoo.evaluation.probes.registry import PROBES
from xsim_zoo.evaluation.provenance import provenance_of
from xsim_zoo.evaluation.results import SECTIONS, Evaluation
from xsim_zoo.evaluation.showing import chosen
from xsim_zoo.evaluation.summarising import Scoreboard
from xsim_zoo.evaluation.verdicts import verdicts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xsim_datasets.store.executors import Executor
    from xsim_zoo.evaluation.records import ImageScore, Row

__all__ = ["evaluate"]

_ROWS: dict[str, type[Row]] = {
    IMAGES: records.ImageScore,
    "edges": records.EdgeProbe,
    "bars": records.BarProbe,
    "noise": records.NoiseProbe,
    "resolution": records.Resolution,
    "voids": task_records.VoidScore,
    "opens": task_records.OpenScore,
    "features": task_records.FeatureScore,
    "coverage": records.Coverage,
    "shapes": records.ShapeScore,
    "mismatch": records.MismatchScore,
    "shown": records.Shown,
}


def evaluate(
    restorers: Sequence[str | Entrant],
    data: PairStore | str | Path,
    options: Options | None = None,
    *,
    device: str = "auto",
    workers: int | None = None,
    journal: Path | None = None,
    quiet: bool = True,
) -> Evaluation:
    """Judge restorers on held-out pairs.

    The numbers depend on the data, the weights and the options alone: not on the number of workers, on the order of
    the restorers, or on whether the run was interrupted.

    Parameters
    ----------
    restorers : sequence of str or Entrant
        Names, weights on disk, or names with options, see `Entrant.parse`.
    data : PairStore, str or path
        A store of pairs.
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
        If an entrant, the data or an option cannot be used, or a restorer has seen a board that it is judged on.
    XsimError
        If weights or data are damaged, or a worker dies.
    """
    began = time.monotonic()
    store = data if isinstance(data, PairStore) else PairStore.open(data)
    prepared = prepare(store, entrants_of(restorers), options or Options(), device)
    with Journal(journal, prepared.bench.identity) as found:
        run = _Run(prepared, found, _executor(prepared.bench.device, workers), quiet=quiet)
        run.do(run.image_jobs())
        run.do(run.probe_jobs())
        run.do(run.shown_jobs())
        run.progress.close()
        return run.evaluation(time.monotonic() - began)


def _executor(device: str, workers: int | None) -> Executor:
    count = workers or psutil.cpu_count(logical=True) or 1
    return ProcessPool(count) if count > 1 and device == "cpu" else Serial()


@dataclass(frozen=True)
class _Asked:
    """One finding that is wanted: a section of a restorer, for probes as a whole."""

    section: str
    label: str
    sample: int = -1
    role: str = ""


class _Run:
    """One evaluation under way."""

    def __init__(self, prepared: Prepared, journal: Journal, executor: Executor, *, quiet: bool) -> None:
        self.prepared, self.bench, self.options = prepared, prepared.bench, prepared.bench.options
        self.labels = [entrant.label for entrant in self.bench.entrants]
        self._fingerprints = {label: self.bench.ready(label).fingerprint for label in self.labels}
        self._journal, self._executor = journal, executor
        self._done = 0
        shown = (min(len(self.bench.samples), 3 if self.options.quick else 10) + 1) * len(self.labels)
        jobs = [*self.image_jobs(), *self.probe_jobs()]
        total = sum(job.cost for job in jobs) + (shown if "shown" in self.options.sections else 0)
        self.progress = Progress(total, quiet=quiet)

    def _key(self, asked: _Asked) -> str:
        who = self._fingerprints.get(asked.label, asked.label)
        return "|".join([asked.section, asked.label, who, str(asked.sample), asked.role])

    def _missing(self, section: str, labels: Sequence[str], sample: int = -1, role: str = "") -> tuple[str, ...]:
        return tuple(label for label in labels if self._key(_Asked(section, label, sample, role)) not in self._journal)

    def image_jobs(self) -> list[Job]:
        """Return the images that are not scored yet by all."""
        everyone = [INPUT, *self.labels]
        missing = {sample: self._missing(IMAGES, everyone, sample) for sample in self.bench.samples}
        return [Job(IMAGES, labels, sample, cost=len(labels)) for sample, labels in missing.items() if labels]

    def probe_jobs(self) -> list[Job]:
        """Return the probes that are not done yet, the longest first."""
        jobs = []
        for section in self.options.sections:
            for label in self._asked_by_probe(section):
                if self._missing(section, [label]):
                    jobs.append(Job(section, (label,), cost=PROBES[section].cost))
        return sorted(jobs, key=lambda job: -job.cost)

    def _asked_by_probe(self, section: str) -> list[str]:
        """Return whom a probe asks; nobody where it cannot be done."""
        probe = PROBES.get(section)
        if probe is None or (probe.simulated and self.bench.setup is None):
            return []
        able = [label for label in self.labels if probe.asks(self.bench.ready(label))]
        return [*probe.beside, *able] if able else []

    def shown_jobs(self) -> list[Job]:
        """Return the pictures that are not drawn yet."""
        if "shown" not in self.options.sections:
            return []
        return [
            Job("shown", (label,), sample, role)
            for label in self.labels
            for role, sample in chosen(self.scores(), label, quick=self.options.quick)
            if self._missing("shown", [label], sample, role)
        ]

    def do(self, jobs: Sequence[Job]) -> None:
        """Do jobs and keep what they find."""
        tasks = (Task(self.bench, job) for job in jobs)
        for job, found in self._executor.run(run_job, tasks):
            for label, rows in found.items():
                role = job.role if job.section == "shown" else ""
                self._journal.add(self._key(_Asked(job.section, label, job.sample, role)), rows)
            self._done += job.cost
            self.progress.step(self._done, f"{job.section} {', '.join(job.labels)}")

    def _rows(self, asked: _Asked) -> list[Any]:
        return [_ROWS[asked.section].model_validate(row) for row in self._journal[self._key(asked)]]

    def scores(self) -> dict[str, list[ImageScore]]:
        """Return every restorer's scores, image by image."""
        return {
            label: [self._rows(_Asked(IMAGES, label, sample))[0] for sample in self.bench.samples]
            for label in [INPUT, *self.labels]
        }

    def _section(self, section: str) -> tuple[Row, ...]:
        """Return the rows of a probe's section."""
        if section == "shown":
            asked = [
                _Asked(section, label, sample, role)
                for label in self.labels
                for role, sample in chosen(self.scores(), label, quick=self.options.quick)
            ]
        else:
            asked = [_Asked(section, label) for label in self._asked_by_probe(section)]
        return tuple(row for item in asked for row in self._rows(item))

    def _reason(self, section: str) -> str:
        """Return why a section is empty."""
        if section not in self.options.sections:
            return "not asked for"
        if section == "differences":
            return "one restorer has no other to be compared with"
        if self.bench.setup is None:
            return self.prepared.notes["physics of probes"].removeprefix("none: ")
        if PROBES[section].samplers_only:
            return "none of the restorers draws posterior samples"
        return "no restorer could be measured"

    def evaluation(self, seconds: float) -> Evaluation:
        """Return the document."""
        scores = self.scores()
        board = Scoreboard(scores, self.options.resamples, self.options.seed)
        tables: dict[str, Any] = {
            "differences": board.differences,
            "power": lambda: board.power(self.bench.store.pitch_mm),
            "chi2": board.chi2,
        }
        sections = {
            name: () if name not in self.options.sections else tables[name]() if name in tables else self._section(name)
            for name in SECTIONS
        }
        provenance = provenance_of(self.prepared, seconds)
        evaluation = Evaluation.model_validate(
            {
                "provenance": provenance,
                "verdicts": (),
                "images": tuple(score for rows in scores.values() for score in rows),
                "summary": board.summary(),
                "limits": limits_of(provenance),
                "absent": {name: self._reason(name) for name, rows in sections.items() if not rows},
                **sections,
            }
        )
        return evaluation.model_copy(update={"verdicts": verdicts_of(evaluation)})
