"""A study carried out: every row trained with every seed, every set judged, and the tables written.

What is finished stays in the study's folder, so that the same command goes on where it was stopped: runs in ``runs/``,
the evaluation of each set with the findings so far beside it, and the tables at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from xsim.errors import DamageError, InputError
from xsim.files.documents import read_json
from xsim.files.whole import locked, write_whole
from xsim_datasets.store.reader import PairStore
from xsim_zoo.evaluation.competitor import Competitor
from xsim_zoo.evaluation.engine import evaluate
from xsim_zoo.evaluation.options import Options
from xsim_zoo.evaluation.records import ImageScore
from xsim_zoo.study.plan import Study, StudyRow, StudySet
from xsim_zoo.study.table import StudyTable, tabled
from xsim_zoo.training.data import StorePairs
from xsim_zoo.training.finetune import finetune
from xsim_zoo.training.train import train

__all__ = ["carry_out", "runs_of"]

_FILE = "study.json"
"""What the folder holds of the study, to know it again."""

INPUT_ROW = "lr"
"""The LR image as it is, the first row of every table."""


def runs_of(study: Study, folder: Path) -> dict[tuple[str, int], Path]:
    """Return the folder of every training, by row and seed, each after the one that it goes on from."""
    order: list[StudyRow] = []
    waiting = [row for row in study.rows if row.trained]
    while waiting:
        row = next(row for row in waiting if row.start is None or row.start in {done.name for done in order})
        waiting.remove(row)
        order.append(row)
    return {(row.name, seed): folder / "runs" / f"{row.name}-seed{seed}" for row in order for seed in study.seeds}


def carry_out(
    study: Study,
    folder: Path,
    *,
    device: str = "auto",
    workers: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> StudyTable:
    """Train, judge and table a study, or go on with it.

    Parameters
    ----------
    study : Study
        What to do.
    folder : Path
        Where it is kept; made if need be.
    device : str
        "auto", "cpu", "cuda", "mps".
    workers : int, optional
        Processes that judge; as many as there are cores if not given.
    say : callable
        What is told of the progress, line by line.

    Raises
    ------
    InputError
        If the folder holds another study or is in use, or the data cannot be used.
    XsimError
        What training and judging may raise.
    """
    stores = {each.data: PairStore.open(each.data) for each in study.sets}
    _begin(study, folder)
    with locked(folder, by="study"):
        runs = runs_of(study, folder)
        rows = {row.name: row for row in study.rows}
        if runs:
            pairs = StorePairs(PairStore.open(study.data))
            for number, (name, seed) in enumerate(runs, 1):
                say(f"training {number} of {len(runs)}: {name}, seed {seed}")
                _train(study, rows[name], seed, runs, pairs, device)
        scores = {}
        for each in study.sets:
            say(f"judging on {each.name}")
            scores[each.name] = _judge(study, each, stores[each.data], folder, runs, device, workers)
        table = tabled(study.name, scores, reference=study.reference, resamples=study.resamples)
        for name, text in (("csv", table.csv()), ("md", table.markdown()), ("tex", table.latex())):
            write_whole(folder / f"table.{name}", text.encode())
        write_whole(folder / "table.json", json.dumps(table.to_dict(), indent=1).encode())
    return table


def _begin(study: Study, folder: Path) -> None:
    """Write the study into its folder, or check that it is the one that is there."""
    content = study.model_dump(mode="json")
    path = folder / _FILE
    if path.is_file():
        try:
            before = read_json(path)
        except (ValueError, RecursionError) as error:
            raise DamageError(
                f"{path}: is damaged ({error}): remove it if the runs beside it are this study's"
            ) from error
        changed = sorted(key for key in content.keys() | before.keys() if content.get(key) != before.get(key))
        if changed:
            raise InputError(f"{folder}: holds a study with another {', '.join(changed)}: give another folder")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists and holds no study: give another folder")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"{folder}: its folder does not exist: make {folder.absolute().parent} first")
    folder.mkdir(exist_ok=True)
    write_whole(path, json.dumps(content, indent=1).encode())


def _train(
    study: Study, row: StudyRow, seed: int, runs: dict[tuple[str, int], Path], pairs: StorePairs, device: str
) -> None:
    run = runs[row.name, seed]
    settings = study.settings(row, seed)
    resume = (run / "run.json").exists()
    run.parent.mkdir(exist_ok=True)
    name = Path(study.data).name
    if row.start is None:
        train(row.restorer, pairs, run, settings, resume=resume, device=device, quiet=True, data_name=name)
    else:
        start = runs[row.start, seed] / "weights.safetensors"
        finetune(
            row.restorer, pairs, run, settings, weights=start, resume=resume, device=device, quiet=True, data_name=name
        )


def _judge(
    study: Study,
    each: StudySet,
    store: PairStore,
    folder: Path,
    runs: dict[tuple[str, int], Path],
    device: str,
    workers: int | None,
) -> dict[str, list[list[ImageScore]]]:
    """Return the scores of every row and seed on one set, the input's first."""
    asked: dict[str, list[str]] = {}
    competitors: list[Competitor] = []
    for row in study.rows:
        for seed in study.seeds if row.trained else (None,):
            label = row.name if seed is None else f"{row.name} seed {seed}"
            asked.setdefault(row.name, []).append(label)
            competitors.append(row.competitor(label, None if seed is None else runs[row.name, seed]))
    options = Options(split=each.split, images=each.images, sections=(), resamples=study.resamples)
    evaluation = evaluate(
        competitors, store, options, device=device, workers=workers, journal=folder / f".{each.name}.journal"
    )
    document = json.dumps(evaluation.to_dict(pictures=False), indent=1)
    write_whole(folder / f"{each.name}.evaluation.json", document.encode())
    found: dict[str, list[ImageScore]] = {}
    for score in evaluation.images:
        found.setdefault(score.restorer, []).append(score)
    by_sample = {label: sorted(scores, key=lambda score: score.sample) for label, scores in found.items()}
    return {INPUT_ROW: [by_sample[INPUT_ROW]]} | {
        name: [by_sample[label] for label in labels] for name, labels in asked.items()
    }
