"""The whole evaluation on a small store: same numbers always, leaks and swaps refused, nothing lost when killed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.zoo.evaluation.boards import BoardMaker, board_store
from xsim.errors import InputError, UnknownNameError
from xsim_zoo.evaluation import Competitor, Evaluation, Options, evaluate
from xsim_zoo.evaluation.competitor import LoadedCompetitor, competitors_of
from xsim_zoo.evaluation.context import check_leak
from xsim_zoo.evaluation.pairs import StoredPairs
from xsim_zoo.evaluation.records import INPUT, LEAK_UNKNOWN
from xsim_zoo.evaluation.report.exports import brief, image_table
from xsim_zoo.weights.families import packed

if TYPE_CHECKING:
    from pathlib import Path

    from xsim_datasets.store.reader import PairStore

TABLES = Options(sections=("power", "chi2", "differences"), resamples=200)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    return board_store(tmp_path_factory.mktemp("pairs") / "pairs.zarr", BoardMaker())


def _numbers(evaluation: Evaluation) -> dict[str, Any]:
    """Return all but the times."""
    document = evaluation.to_dict()
    for key in ("created", "seconds"):
        del document["provenance"][key]
    for image in document["images"]:
        del image["seconds"]
    return document


@pytest.fixture(scope="module")
def evaluation(store: PairStore) -> Evaluation:
    return evaluate(["wiener", "wiener:link=off", "tv"], store, TABLES, workers=1)


def test_scores_are_those_of_the_images(store: PairStore, evaluation: Evaluation) -> None:
    assert evaluation.provenance.data.images == 6
    assert evaluation.provenance.data.families == 3
    assert [len([s for s in evaluation.images if s.restorer == label]) for label in (INPUT, *evaluation.labels)] == [
        6
    ] * 4
    hr, lr = store.read(2)
    error = (lr - hr)[16:-16, 16:-16].astype(np.float64)
    score = next(s for s in evaluation.images if s.restorer == INPUT and s.sample == 2)
    assert score.rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-6)
    assert score.psnr_dB == pytest.approx(-20 * np.log10(score.rmse))
    assert score.bias == pytest.approx(error.mean(), abs=1e-7)


def test_restoring_helps_and_the_link_matters(evaluation: Evaluation) -> None:
    psnr = {row.restorer: row.estimate.mean for row in evaluation.summary if row.metric == "psnr_dB"}
    assert psnr["wiener"] > psnr[INPUT] + 1
    assert psnr["wiener"] > psnr["wiener (link=off)"] + 1
    difference = next(
        row for row in evaluation.differences if row.restorer == "tv" and row.against == "wiener" and row.unit == "dB"
    )
    assert difference.estimate.mean == pytest.approx(psnr["tv"] - psnr["wiener"])


def test_json_keys_that_scripts_rely_on(evaluation: Evaluation) -> None:
    document = brief(evaluation)
    found = document["restorers"]["wiener"]
    assert (document["images"], document["families"]) == (6, 3)
    assert set(found["psnr_dB"]) >= {"mean", "low", "high"}
    assert len(found["power_ratio"]["frequency_lp_mm"]) == len(found["power_ratio"]["ratio"]) > 10
    assert len(found["chi2"]["band_lp_mm"]) == len(found["chi2"]["value"]) > 2
    header, rows = image_table(evaluation)
    assert {len(row) for row in rows} == {len(header)}
    assert len(rows) == 24


def test_numbers_do_not_depend_on_order_or_interruption(
    store: PairStore, evaluation: Evaluation, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    evaluate(["wiener"], store, TABLES, workers=1, journal=journal)
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(whole[:5]))
    again = evaluate(["wiener", "wiener:link=off", "tv"], store, TABLES, workers=1, journal=journal)
    assert _numbers(again) == _numbers(evaluation)
    turned = evaluate(["tv", "wiener"], store, TABLES, workers=1)
    scores = {(s.restorer, s.sample): s.model_copy(update={"seconds": 0.0}) for s in evaluation.images}
    for score in turned.images:
        assert score.model_copy(update={"seconds": 0.0}) == scores[score.restorer, score.sample]


def test_finished_findings_are_not_done_again(
    store: PairStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal"
    evaluate(["wiener"], store, TABLES, workers=1, journal=journal)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("restored again")

    monkeypatch.setattr(LoadedCompetitor, "answer", fail)
    evaluate(["wiener"], store, TABLES, workers=1, journal=journal)
    with pytest.raises(InputError, match="other data or settings"):
        evaluate(["wiener"], store, replace(TABLES, seed=1), workers=1, journal=journal)


@pytest.mark.slow
def test_numbers_do_not_depend_on_the_number_of_workers(store: PairStore, evaluation: Evaluation) -> None:
    again = evaluate(["wiener", "wiener:link=off", "tv"], store, TABLES, workers=2)
    assert _numbers(again) == _numbers(evaluation)


@pytest.mark.slow
def test_probes_of_a_sampler_repeat_with_other_workers_and_other_company(store: PairStore) -> None:
    options = Options(sections=("voids", "opens", "features", "coverage"), quick=True, resamples=200, images=2)
    alone = evaluate(["physics-sde"], store, options, workers=1)
    beside = evaluate(["wiener", "physics-sde"], store, options, workers=2)
    for section in options.sections:
        first, second = (
            [row for row in getattr(found, section) if row.restorer != "wiener"] for found in (alone, beside)
        )
        assert first == second, section
        assert any(row.restorer == "physics-sde" for row in first)


def test_one_image_has_scores_and_no_interval(store: PairStore) -> None:
    found = evaluate(["wiener"], store, replace(TABLES, images=1), workers=1)
    estimate = next(row.estimate for row in found.summary if row.restorer == "wiener")
    assert (estimate.low, estimate.high) == (None, None)
    assert found.absent["differences"].startswith("one restorer")
    assert any("so few families" in finding.text for line in found.verdicts for finding in line.findings)


def test_probes_on_pairs_alone(store: PairStore) -> None:
    options = Options(sections=("mismatch", "coverage", "shown"), quick=True, resamples=200, images=3)
    found = evaluate(["wiener"], store, options, workers=1)
    change = {row.condition: row.change_dB.mean for row in found.mismatch}
    assert change["as stated"] == 0
    assert change["dose x 2"] > 0 > change["dose x 0.5"]
    assert change["0.5 px shift"] < 0
    assert "none of the restorers draws" in found.absent["coverage"]
    assert [item.role for item in found.shown] == ["typical", "worst", "worst", "worst"]
    worst = [item.ssim for item in found.shown[1:]]
    assert worst == sorted(worst)


def test_a_leaked_board_is_refused(store: PairStore) -> None:
    loaded = Competitor("unet").load("cpu")
    pairs = StoredPairs(store)
    samples = [int(index) for index in store.indices("test")]

    def with_data(**data: Any) -> LoadedCompetitor:
        return replace(loaded, card=replace(loaded.card, data=data))

    assert check_leak(with_data(families=packed([1, 2, 3])), pairs, "test", samples).startswith("no family")
    assert check_leak(with_data(digest="other"), pairs, "test", samples) == LEAK_UNKNOWN
    with pytest.raises(InputError, match=r"learnt from 1 of the 3 board families.*sample 4"):
        check_leak(with_data(families=packed([9, 502])), pairs, "test", samples)
    own = with_data(digest=store.manifest.digest)
    assert check_leak(own, pairs, "test", samples).startswith("held-out split")
    with pytest.raises(InputError, match="trained on this very store"):
        check_leak(own, pairs, "train", [0, 1])


def test_swapped_pairs_are_refused(tmp_path: Path) -> None:
    swapped = board_store(tmp_path / "swapped.zarr", BoardMaker(swapped=True))
    with pytest.raises(InputError, match="look swapped"):
        evaluate(["wiener"], swapped, TABLES, workers=1)


def test_what_cannot_be_evaluated_is_said(store: PairStore) -> None:
    with pytest.raises(InputError, match="split 'validation' is empty"):
        evaluate(["wiener"], store, replace(TABLES, split="validation"), workers=1)
    with pytest.raises(UnknownNameError, match="section"):
        Options(sections=("powder",))
    with pytest.raises(InputError, match="given twice"):
        competitors_of(["wiener", "wiener"])
    with pytest.raises(InputError, match="no restorers"):
        competitors_of([])


def test_competitors_by_text() -> None:
    found = Competitor.parse("physics-sde:steps=5,eta=1,link=off")
    assert (found.steps, found.eta, found.link) == (5, 1.0, False)
    assert found.label == "physics-sde (steps=5, eta=1, link=off)"
    assert Competitor.parse("physics-sde-paper:start=linked").load("cpu").restorer.options["start"] == "linked"
    assert Competitor.parse("unet:label=mine").label == "mine"
    for text, error in (
        ("unett", UnknownNameError),
        ("unet:stepz=3", UnknownNameError),
        ("unet:steps=many", InputError),
        ("unet:link=maybe", InputError),
        ("unet:eta=7", InputError),
        ("unet:detectors=mine", InputError),
        ("unet:flips=maybe", InputError),
        ("unet:start=linked", InputError),
        ("unet:label=lr", InputError),
    ):
        with pytest.raises(error):
            Competitor.parse(text)
