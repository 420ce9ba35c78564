"""The headline as a study says what `zoo/train_weights.py` and the headline's own tables say, and runs whole."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from xsim_zoo.study.carry_out import carry_out, runs_of
from xsim_zoo.study.plan import Study, load_study
from xsim_zoo.training.finishing import power, temperature
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    pass

ROOT = Path(__file__).parents[2]
FILE = ROOT / "benchmarks" / "headline_study.toml"

rows = pytest.importorskip("headline_rows")


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(FILE)


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "zoo" / "train_weights.py"))


def test_what_is_trained_is_what_the_weights_are_trained_by(study: Study, program: dict[str, Any]) -> None:
    weights = {
        name: program["KNOWN"][name]
        for group in ("SHIPPED", "ON_THE_WAY", "UNTOLD", "CONTROLS")
        for name in program[group]
    }
    trained = {row.name: row for row in study.rows if row.trained}
    assert trained.keys() == weights.keys()
    for name, known in weights.items():
        row = trained[name]
        assert (row.restorer, study.places_of(row), row.start) == (known.restorer, known.stores, known.start), name
        assert row.finish == ("temperature" if known.samples else "power" if known.means else None), name
        for seed in study.seeds_of(row):
            expected = TrainSettings(**(program["SETTINGS"] | dict(known.changes) | {"seed": seed}))
            assert study.settings(row, seed) == expected, name


def test_its_data_are_the_same_bytes(study: Study, program: dict[str, Any]) -> None:
    for name in {place for row in study.rows if row.trained for place in study.places_of(row)}:
        store, data = study.stores[name], program["DATA"][name]
        assert store.maker() == data.maker(), name
        assert store.whole_recipe().hash() == data.whole_recipe().hash(), name
        assert (store.n, store.seed) == (data.n, data.seed), name


def test_its_tables_hold_the_headlines_rows(study: Study) -> None:
    tables = {part.name: part for part in study.tables}
    for name, entries in (("untold", rows._UNTOLD), ("told", rows._TOLD)):
        expected = {run_of(entry.restorer, entry.weights, dict(entry.options)) for entry in entries}
        found = [study.by_name[row] for row in tables[name].rows]
        assert {run_of(row.restorer, source_of(study, row), dict(row.run)) for row in found} == expected
    several = {row.name for row in study.rows if row.trained and len(study.seeds_of(row)) > 1}
    assert several >= set(rows.SEEDED)


def run_of(restorer: str, weights: str, options: dict[str, Any]) -> tuple[str, ...]:
    return restorer, weights, *(f"{key}={options[key]}" for key in sorted(options))


def source_of(study: Study, row: Any) -> str:
    source = study.trained_as(row)
    return "" if source is None else str(source.name)


def test_its_test_sets_are_of_other_seeds_than_its_training(study: Study) -> None:
    trained = {study.stores[place].seed for row in study.rows if row.trained for place in study.places_of(row)}
    assert not trained & {study.stores[each.data].seed for each in study.sets}


@pytest.mark.slow  # fifteen trainings of a few steps, two sets, everything twice: two minutes
def test_a_shrunken_copy_runs_whole_and_goes_on(
    study: Study, program: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temperature, "measure_temperature", lambda *images, **how: 1.1)  # of nothing: images are small
    monkeypatch.setattr(power, "measure_error_share", lambda *images: 0.25)  # of nothing: networks are not trained
    small = shrunken(study)
    said: list[str] = []
    interrupted = tmp_path / "out"

    def dies(line: str) -> None:
        said.append(line)
        if line.startswith("training 9 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(small, interrupted, device="cpu", workers=1, say=dies)
    runs = runs_of(small, interrupted)
    made = [path / "weights.safetensors" for path in list(runs.values())[:8]]
    before = [path.stat().st_mtime_ns for path in made]
    table = carry_out(small, interrupted, device="cpu", workers=1, say=said.append)
    assert [path.stat().st_mtime_ns for path in made] == before
    assert [cell.row for cell in table.cells if (cell.table, cell.set, cell.metric) == ("told", "random", "ssim")] == [
        "lr",
        *next(part.rows for part in study.tables if part.name == "told"),
    ]
    cells = {(cell.table, cell.set, cell.row): cell for cell in table.cells if cell.metric == "psnr_dB"}
    assert cells["told", "random", "unet-wiener"].seeds == 2
    assert cells["told", "random", "unet-wiener-flips"].seeds == 2
    assert cells["untold", "random", "unet-untold"].reference == "physics-sde-paper"
    # Told the right detectors the same weights answer otherwise; the LR image of HR grey is nearer to HR.
    others = [cells["other-detectors", "dose-quarter", f"wiener-{what}"].mean.mean for what in ("own", "right")]
    assert others[1] > others[0]
    assert cells["told", "random", "lr-linked"].mean.mean > cells["told", "random", "lr"].mean.mean
    assert load_checkpoint(runs["physics-sde-samples", 0]).card.options["temperature"] == 1.1
    assert load_checkpoint(runs["unet-wiener", 1]).card.options["error_share"] == 0.25
    evaluation = json.loads((interrupted / "random.evaluation.json").read_text())
    assert evaluation["power"]
    for ending in ("csv", "md", "tex", "json"):
        assert "other-detectors" in (interrupted / f"table.{ending}").read_text()
    # The same trainings by `zoo/train_weights.py` give the same bytes.
    shrink(program, small)
    (tmp_path / "program").mkdir()
    for name in ("unet-wiener", "physics-sde", "universal"):
        run = program["train_one"](name, tmp_path / "program", 1, 0)
        assert load_checkpoint(run).card.digest == load_checkpoint(runs[name, 0]).card.digest, name
    # And the headline's own program finds them.
    cast = rows.Weights({}, interrupted / "runs")
    assert cast.find("unet-untold") == str(runs["unet-untold", 0])
    assert cast.seeds() == [1]


LITTLE = {"steps": 2, "validate_every": 2, "save_every": 2, "validate_images": 1, "spectrum_images": 2}
FEW = {"batch": 1, "crops": 1, "patch": 32, "size": "tiny"}


def shrunken(study: Study) -> Study:
    """Return the study with a few steps, pairs and pixels, two seeds, and two of the sets."""

    def few(row: Any) -> Any:
        train = row.train | {key: value for key, value in LITTLE.items() if key in row.train}
        train |= {"size": "tiny"} if "size" in train else {}
        seeds = None if row.seeds is None else row.seeds[:2]
        return row.model_copy(update={"train": train, "seeds": seeds})

    def less(name: str, store: Any) -> Any:
        setups = {"setups": 2} if "setups" in store.imaging else {}
        small = {"n": 12 if store.split is None else 2, "size_px": 64, "imaging": store.imaging | setups}
        return store.model_copy(update=small)

    kept = [each for each in study.sets if each.name in {"random", "dose-quarter"}]
    names = {each.name for each in kept}
    tables = [part.model_copy(update={"sets": tuple(names & set(part.sets or ()))}) for part in study.tables]
    return Study.model_validate(
        study.model_copy(
            update={
                "train": study.train | LITTLE | FEW,
                "stores": {name: less(name, store) for name, store in study.stores.items()},
                "rows": tuple(map(few, study.rows)),
                "sets": tuple(kept),
                "tables": tuple(tables),
                "resamples": 100,
            }
        ).model_dump()
    )


def shrink(program: dict[str, Any], small: Study) -> None:
    """Give `zoo/train_weights.py` the shrunken data and settings."""
    scope = program["train_one"].__globals__
    scope["SETTINGS"] = dict(small.train)
    for name, known in program["KNOWN"].items():
        if name in small.by_name:
            changes = tuple(small.by_name[name].train.items())
            scope["KNOWN"][name] = replace(known, changes=changes)
    for name in ("paper", "universal", "half", "anything"):
        scope["DATA"][name] = small.stores[name]
