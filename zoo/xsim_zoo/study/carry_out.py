"""A study carried out: every row trained with every seed, every set judged, and the tables written.

What is finished stays in the study's folder, so that the same command goes on where it was stopped: runs in ``runs/``,
stores of its own in ``data/``, the evaluation of each set with the findings so far beside it, the tables at the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from xsim.errors import DamageError, InputError
from xsim.files.documents import read_json
from xsim.files.whole import locked, write_whole
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_datasets.store.reader import PairStore
from xsim_zoo.evaluation.competitor import Competitor
from xsim_zoo.evaluation.engine import evaluate
from xsim_zoo.evaluation.options import Options
from xsim_zoo.evaluation.records import ImageScore
from xsim_zoo.study.plan import Study, StudyRow, StudySet
from xsim_zoo.study.stores import noise_free
from xsim_zoo.study.table import Scores, StudyTable, joined, tabled
from xsim_zoo.training.finetune import finetune
from xsim_zoo.training.finishing.power import set_error_share
from xsim_zoo.training.finishing.temperature import set_temperature
from xsim_zoo.training.sources.joined import in_equal_shares
from xsim_zoo.training.train import train
from xsim_zoo.weights.checkpoint import load_checkpoint

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
    runs = folder / "runs"
    return {(row.name, seed): runs / f"{row.name}-seed{seed}" for row in order for seed in study.seeds_of(row)}


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
    for place in _places(study) - study.stores.keys():
        PairStore.open(place)  # what cannot be read is said before anything is made
    _begin(study, folder)
    with locked(folder, by="study"):
        _make_stores(study, folder, workers, say)
        opened = cache(lambda place: PairStore.open(_path_of(study, folder, place)))
        runs = runs_of(study, folder)
        for number, (name, seed) in enumerate(runs, 1):
            say(f"training {number} of {len(runs)}: {name}, seed {seed}")
            row = study.by_name[name]
            _train(study, row, seed, runs, [opened(place) for place in study.places_of(row)], device)
        scores = {}
        for each in study.sets:
            say(f"judging on {each.name}")
            scores[each.name] = _judge(study, each, opened(each.data), folder, runs, device, workers)
        table = _table_of(study, scores)
        for ending, text in (("csv", table.csv()), ("md", table.markdown()), ("tex", table.latex())):
            write_whole(folder / f"table.{ending}", text.encode())
        write_whole(folder / "table.json", json.dumps(table.to_dict(), indent=1).encode())
    return table


def _places(study: Study) -> set[str]:
    """Return all data that a study needs: names of its own stores, and paths."""
    trained = {place for row in study.rows if row.trained for place in study.places_of(row)}
    return trained | {each.data for each in study.sets}


def _path_of(study: Study, folder: Path, place: str) -> str:
    return str(folder / "data" / f"{place}.zarr") if place in study.stores else place


def _make_stores(study: Study, folder: Path, workers: int | None, say: Callable[[str], None]) -> None:
    """Make the study's own stores that are needed, or go on with them."""
    count = workers or os.cpu_count() or 1
    for name in [name for name in study.stores if name in _places(study)]:
        say(f"data: {name}, {study.stores[name].n} pairs")
        path = Path(_path_of(study, folder, name))
        path.parent.mkdir(exist_ok=True)
        study.stores[name].make(path, ProcessPool(count) if count > 1 else Serial())


def _table_of(study: Study, scores: dict[str, dict[str, Scores]]) -> StudyTable:
    """Return all tables of a study as one."""
    found = []
    for part in study.parts:
        of_part = {
            each: {row: by_row[row] for row in (INPUT_ROW, *part.rows)}
            for each, by_row in scores.items()
            if part.sets is None or each in part.sets
        }
        found.append(tabled(study.name, of_part, reference=part.reference, resamples=study.resamples, part=part.name))
    return joined(study.name, study.reference, found)


def _begin(study: Study, folder: Path) -> None:
    """Write the study into its folder, or check that it is the one that is there."""
    content = study.model_dump(mode="json")
    path = folder / _FILE
    if path.is_file():
        try:
            # As it is read today: a key that came later has its default in what was written before.
            before = Study.model_validate(read_json(path)).model_dump(mode="json")
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
    study: Study,
    row: StudyRow,
    seed: int,
    runs: dict[tuple[str, int], Path],
    stores: list[PairStore],
    device: str,
) -> None:
    run, pairs, settings = runs[row.name, seed], in_equal_shares(stores), study.settings(row, seed)
    resume = (run / "run.json").exists()
    run.parent.mkdir(exist_ok=True)
    name = ", ".join(Path(place).name for place in study.places_of(row))
    if row.start is None:
        train(row.restorer, pairs, run, settings, resume=resume, device=device, quiet=True, data_name=name)
    else:
        start = runs[row.start, seed] / "weights.safetensors"
        finetune(
            row.restorer, pairs, run, settings, weights=start, resume=resume, device=device, quiet=True, data_name=name
        )
    options = load_checkpoint(run).card.options
    if row.finish == "temperature" and "temperature" not in options:
        set_temperature(run, pairs)
    if row.finish == "power" and "error_share" not in options:
        set_error_share(run, pairs, noise_free(pairs, [study.stores[place] for place in study.places_of(row)]))


def _judge(
    study: Study,
    each: StudySet,
    store: PairStore,
    folder: Path,
    runs: dict[tuple[str, int], Path],
    device: str,
    workers: int | None,
) -> dict[str, Scores]:
    """Return the scores of every row and seed on one set, the input's first."""
    asked: dict[str, dict[int | None, str]] = {}
    competitors: list[Competitor] = []
    for row in study.judged_on(each.name):
        source = study.trained_as(row)
        for seed in (None,) if source is None else study.seeds_of(source):
            label = row.name if seed is None else f"{row.name} seed {seed}"
            asked.setdefault(row.name, {})[seed] = label
            run = None if source is None or seed is None else runs[source.name, seed]
            competitors.append(row.competitor(label, run))
    options = Options(split=each.split, images=each.images, sections=study.sections, resamples=study.resamples)
    evaluation = evaluate(
        competitors, store, options, device=device, workers=workers, journal=folder / f".{each.name}.journal"
    )
    document = json.dumps(evaluation.to_dict(pictures=False), indent=1)
    write_whole(folder / f"{each.name}.evaluation.json", document.encode())
    found: dict[str, list[ImageScore]] = {}
    for score in evaluation.images:
        found.setdefault(score.restorer, []).append(score)
    by_sample = {label: sorted(scores, key=lambda score: score.sample) for label, scores in found.items()}
    scores: dict[str, Scores] = {INPUT_ROW: {None: by_sample[INPUT_ROW]}}
    for name, labels in asked.items():
        scores[name] = {seed: by_sample[label] for seed, label in labels.items()}
    return scores
