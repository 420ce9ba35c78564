"""Every competitor is judged with the physics of the data, whatever detectors took them and at whatever pitch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xsim.degradation.link import GreyLink
from xsim.errors import InputError
from xsim.measure.similarity import psnr_dB
from xsim_datasets.recipe.recipe import Recipe
from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.writer import make_store
from xsim_zoo.evaluation import Competitor, Evaluation, Options, evaluate
from xsim_zoo.evaluation.scores import inner

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["wiener", "universal", "physics-sde"]
TABLES = Options(sections=("power", "chi2", "differences"), resamples=200)
OTHER = {"kvp": 90.0, "hr_mass_thickness_mg_cm2": 50.0, "lr_mass_thickness_mg_cm2": 220.0}


def _store(path: Path, n: int, **imaging: Any) -> PairStore:
    recipe = Recipe.model_validate(
        {
            "name": "other",
            "description": "detectors that are not the paper's",
            "n": n,
            "size_px": 160,
            "imaging": imaging,
            "boards": [{"kind": "random"}],
            "split": {"validation": 0.0, "test": 0.99},
        }
    )
    make_store(SimulatedMaker(recipe, 5), plan_of(recipe, 5), str(path), executor=Serial())
    return PairStore.open(path)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    return _store(tmp_path_factory.mktemp("foreign") / "pairs.zarr", 3, **OTHER)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    pitches = {"low": 0.048, "high": 0.06, "step": 0.012}
    store = _store(tmp_path_factory.mktemp("mixed") / "pairs.zarr", 4, pitch_mm=pitches, setups=4)
    assert {store.pitch_of(sample) for sample in range(4)} == {0.048, 0.06}
    return store


def _psnr(evaluation: Evaluation) -> dict[str, float]:
    return evaluation.means("psnr_dB")


def _told_by_hand(store: PairStore, name: str) -> float:
    """Return the mean PSNR of a restorer that is told the detectors of every sample."""
    loaded = Competitor.parse(name).load("cpu")
    found = []
    for sample in range(len(store)):
        physics = replace(loaded.restorer.physics, degradation=store.degradation_of(sample))
        told = replace(loaded, restorer=loaded.restorer.with_physics(physics))
        hr, lr = store.read(sample)
        found.append(psnr_dB(inner(told.answer(lr, number=sample)), inner(hr)))
    return float(np.mean(found))


@pytest.mark.slow
def test_each_is_as_good_as_told_by_hand_on_other_screens_whatever_the_order(foreign: PairStore) -> None:
    forth, back = (evaluate(names, foreign, TABLES, workers=1) for names in (NAMES, NAMES[::-1]))
    assert _psnr(forth) == _psnr(back)
    for name in ("wiener", "universal"):
        assert _psnr(forth)[name] == pytest.approx(_told_by_hand(foreign, name), abs=0.05)
    # Weights of one pair of detectors keep their own.
    own = evaluate([f"{name}:detectors=own" for name in NAMES], foreign, TABLES, workers=1)
    assert _psnr(own)["physics-sde (detectors=own)"] == _psnr(forth)["physics-sde"]
    assert _psnr(forth)["wiener"] > _psnr(own)["wiener (detectors=own)"] + 1
    assert _psnr(forth)["universal"] > own.means("psnr_dB")["physics-sde (weights=universal, detectors=own)"] + 1


@pytest.mark.slow
def test_pitches_that_differ_are_judged_each_with_its_own(mixed: PairStore) -> None:
    options = replace(TABLES, sections=("power", "chi2", "differences", "bars", "shown"), quick=True)
    forth = evaluate(["wiener", "universal"], mixed, options, workers=1)
    back = evaluate(["universal", "wiener"], mixed, options, workers=1)
    assert _psnr(forth) == _psnr(back)
    for name in ("wiener", "universal"):
        assert _psnr(forth)[name] == pytest.approx(_told_by_hand(mixed, name), abs=0.05)
    assert sorted(forth.bars, key=str) == sorted(back.bars, key=str)
    assert forth.provenance.data.pitch_mm is None
    bands = {mixed.pitch_of(score.sample): score.band_lp_mm[-1] for score in forth.images}
    assert len(set(bands.values())) == 2
    row = next(row for row in forth.chi2 if row.restorer == "wiener")
    assert set(bands.values()) <= set(row.band_lp_mm)
    curve = next(curve for curve in forth.power if curve.restorer == "wiener")
    assert len(curve.frequency_lp_mm) == max(len(score.reference_power) for score in forth.images)
    assert Evaluation.from_dict(forth.to_dict()) == forth


def test_weights_of_one_pitch_are_left_out_of_the_others_and_the_document_says_so(
    mixed: PairStore, tmp_path: Path
) -> None:
    judged = [sample for sample in range(4) if mixed.pitch_of(sample) == 0.048]
    found = evaluate(["wiener", "unet"], mixed, TABLES, workers=1)
    assert [score.sample for score in found.images if score.restorer == "unet"] == judged
    assert found.provenance.settings["left out for their pitch"] == f"unet on {4 - len(judged)} of 4 images"
    assert any("left out" in finding.text for line in found.verdicts for finding in line.findings)
    assert {row.images for row in found.differences} == {len(judged)}
    with pytest.raises(InputError, match=r"pixel pitch of 0\.06 mm"):
        evaluate(["unet"], _store(tmp_path / "other.zarr", 1, pitch_mm=0.06), TABLES, workers=1)


def test_a_competitor_without_the_link_is_told_the_rest(foreign: PairStore) -> None:
    told = Competitor.parse("wiener:link=off").load("cpu").between(foreign.degradation_of(0))
    assert told.restorer.physics.degradation.link == GreyLink.identity()
    np.testing.assert_array_equal(told.restorer.physics.degradation.B_1, foreign.degradation_of(0).B_1)


def test_the_same_detectors_change_nothing() -> None:
    loaded = Competitor.parse("wiener").load("cpu")
    assert loaded.between(loaded.restorer.physics.degradation) is loaded
    assert Competitor.parse("wiener:detectors=own").load("cpu").between(None).competitor.detectors == "own"
