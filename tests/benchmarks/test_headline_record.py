"""The record of a headline run says what its tables say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.test_headline import judged, scored
from xsim.errors import InputError
from xsim_zoo.evaluation.records import Estimate

figures = pytest.importorskip("headline_figures")
headline = pytest.importorskip("headline")
kept = pytest.importorskip("headline_record")
tables = pytest.importorskip("headline_tables")

RECORD = Path(__file__).parents[2] / "docs" / "records" / "headline.json"


def run_of(folder, *argv, monkeypatch):
    """Write a run of two sets and two training seeds, and return its outcome."""

    def evaluation(lead):
        scores = [scored(figures.CHAMPION, n, psnr_dB=40.0 + n + lead * (1 + n), power=0.75) for n in range(4)]
        return judged(*scores, *(scored("unet-wiener", n, psnr_dB=40.0 + n) for n in range(4)))

    found = {("random", "paper"): evaluation(0.125), ("limesdr", "paper"): evaluation(0.25)}
    truth = {"random": tuple(Estimate(mean=1.0 + n / 8, low=None, high=None) for n in range(4))}
    cost = {figures.CHAMPION: headline_cost(0.125, 5.0)}
    labels = (figures.CHAMPION, "unet-wiener")
    outcome = figures.Outcome(found, (), labels, {("random", 1): evaluation(-0.5)}, truth=truth, costs=cost)
    monkeypatch.setattr("sys.argv", ["headline.py", "-o", str(folder), *argv])
    headline.write(folder, outcome, {"cdm": f"no weights: python zoo/train_weights.py -o {folder}/runs cdm, then"})
    return outcome


def headline_cost(mflop_px, s_mp):
    return pytest.importorskip("headline_cost").Cost(mflop_px, s_mp)


def text(estimate, digits=2):
    return figures.text_of(Estimate(mean=estimate[0], low=estimate[1], high=estimate[2]), digits)


def test_record_and_tables_say_the_same(tmp_path, monkeypatch):
    outcome = run_of(tmp_path, monkeypatch=monkeypatch)
    record = kept.read(tmp_path)
    shown = {one.title.partition(" (")[0]: one for one in tables.tables(outcome, [])}
    lead = record["leads"]["random"][figures.CHAMPION]["unet-wiener"]
    (row,) = shown[f"{figures.CHAMPION} less each other, paired by image"].rows
    assert row[:4] == ("unet-wiener", text(lead["psnr_dB"]), text(lead["ssim"], 4), text(lead["power"]))
    scores = record["rows"]["random"][figures.CHAMPION]
    table = shown["All are told the link: Random boards of other seeds"]
    assert next(row[1] for row in table.rows if row[0] == figures.CHAMPION) == text(scores["psnr_dB"])
    assert scores["power"]["4"][0] == pytest.approx(0.75)
    seeds = {seed: of[figures.CHAMPION]["unet-wiener"] for seed, of in record["seeds"]["random"].items()}
    assert [f"{seeds[seed]['psnr_dB'][0]:.2f}" for seed in "01"] == ["0.31", "-1.25"]
    assert "limesdr" not in record["seeds"]
    assert record["chi2_of_truth"]["random"][1] == [1.125, None, None]
    assert record["costs"][figures.CHAMPION] == {"mflop_px": 0.125, "s_mp": 5.0}
    assert record["images"]["random"] == outcome.found["random", "paper"].provenance.data.images


def test_folders_of_the_machine_stay_out_of_it(tmp_path, monkeypatch):
    run_of(
        *(tmp_path, "--trained", f"{tmp_path}/runs", "--weights", f"unet={tmp_path}/unet", "--seeds", "3"),
        monkeypatch=monkeypatch,
    )
    record = kept.read(tmp_path)
    assert str(tmp_path) not in json.dumps(record)
    assert record["command"].endswith("headline.py -o OUT --trained FOLDER --weights unet=PATH --seeds 3")
    assert record["absent"]["cdm"] == "no weights: python zoo/train_weights.py -o FOLDER cdm, then"


def test_another_document_is_refused():
    with pytest.raises(InputError, match="is no headline"):
        kept.record_of({"schema": "xsim.evaluation/1"})


def later_run(record, label, gain_dB):
    """Return the record of a run of two rows on the same images, one of them with other weights."""
    later = json.loads(json.dumps(record))
    rows = {"lr", figures.CHAMPION, label}
    for name in later["rows"]:
        later["rows"][name] = {key: row for key, row in later["rows"][name].items() if key in rows}
        later["rows"][name][label]["psnr_dB"] = [value + gain_dB for value in later["rows"][name][label]["psnr_dB"]]
        later["leads"][name] = {figures.CHAMPION: {label: {"psnr_dB": [-gain_dB, None, None]}}}
    later["weights"] = {key: later["weights"][key] for key in (figures.CHAMPION, label)}
    later["weights"][label] = {"name": "new", "digest": "00"}
    return later | {"told": [figures.CHAMPION, label], "untold": [], "command": "python again", "costs": {}}


def test_new_rows_take_the_place_of_their_own_alone():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    label = "universal N=3"
    both = kept.updated(record, later_run(record, label, 1.0))
    for name, rows in record["rows"].items():
        changed = {key for key, row in both["rows"][name].items() if row != rows[key]}
        assert changed == {label}
        assert both["rows"][name][label]["psnr_dB"][0] == rows[label]["psnr_dB"][0] + 1.0
        assert both["leads"][name][figures.CHAMPION][label]["psnr_dB"][0] == -1.0
    assert both["weights"][label]["digest"] == "00"
    assert both["command"] == f"{record['command']}; then python again"
    assert both["told"] == record["told"]


def test_rows_that_were_not_judged_alike_are_refused():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    later = later_run(record, "universal N=3", 1.0)
    with pytest.raises(InputError, match="another images: run all rows anew"):
        kept.updated(record, later | {"images": {"random": 3}})
    with pytest.raises(InputError, match="run it too"):
        kept.updated(record, later | {"weights": {"universal N=3": {"digest": "00"}}})
    later["rows"]["random"][figures.CHAMPION]["psnr_dB"][0] += 0.01
    with pytest.raises(InputError, match="in the record: run all rows anew"):
        kept.updated(record, later)
