"""The record of a headline run says what its tables say."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.test_headline import judged, scored
from xsim.errors import InputError
from xsim_zoo.evaluation.records import Estimate

figures = pytest.importorskip("headline_figures")
headline = pytest.importorskip("headline")
kept = pytest.importorskip("headline_record")
tables = pytest.importorskip("headline_tables")


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
