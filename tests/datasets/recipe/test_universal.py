"""A store of many set-ups: every sample has physics and a pitch of its own, and everything that reads it knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xsim.errors import InputError
from xsim_datasets.images import read_image
from xsim_datasets.pair_folder import export_pairs
from xsim_datasets.pictures import draw_preview
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import load_recipe
from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.verify import verify_store
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from pathlib import Path

    from xsim_datasets.recipe.imaging import Imaging

SEED = 11
SETUPS = 3


@pytest.fixture(scope="module")
def maker() -> SimulatedMaker:
    recipe = load_recipe("universal", n=8, size_px=48)
    return SimulatedMaker(
        recipe.model_copy(update={"imaging": recipe.imaging.model_copy(update={"setups": SETUPS})}), SEED
    )


@pytest.fixture(scope="module")
def store(maker: SimulatedMaker, tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    path = tmp_path_factory.mktemp("universal") / "u.zarr"
    make_store(maker, plan_of(maker.recipe, SEED), str(path), executor=Serial())
    return PairStore.open(path)


def test_the_store_is_whole(store: PairStore) -> None:
    assert verify_store(store.path, full=True).ok
    assert len(set(store.table["setup"])) == SETUPS


def test_every_sample_has_the_physics_that_made_it(store: PairStore, maker: SimulatedMaker) -> None:
    for index in range(store.n):
        setup = maker.setup(maker.setup_number(index))
        np.testing.assert_array_equal(store.degradation_of(index).B_1, setup.degradation().B_1)
        np.testing.assert_array_equal(store.degradation_of(index).Sigma_1_mm2, setup.degradation().Sigma_1_mm2)
        assert store.pitch_of(index) == store.degradation_of(index).pitch_mm == setup.pitch_mm
        assert store.table["kerma_uGy"][index] == setup.kerma_uGy
    assert len({store.pitch_of(index) for index in range(store.n)}) == SETUPS


def test_a_single_pitch_or_degradation_is_refused(store: PairStore) -> None:
    with pytest.raises(InputError, match="pitch of a sample"):
        _ = store.pitch_mm
    with pytest.raises(InputError, match="degradation of a sample"):
        _ = store.degradation


def test_pictures_and_tiffs_have_the_pitch_of_their_sample(store: PairStore, tmp_path: Path) -> None:
    draw_preview(store, tmp_path / "sheet.png", indices=range(store.n))
    export_pairs(store, tmp_path / "tiffs", indices=range(store.n))
    index = json.loads((tmp_path / "tiffs" / "pairs.json").read_text(encoding="utf-8"))
    assert index["pitch_mm"] is None
    for record in index["pairs"]:
        assert record["pitch_mm"] == store.pitch_of(record["index"])
        written = read_image(tmp_path / "tiffs" / record["lr"]).pitch_mm
        assert written == pytest.approx(record["pitch_mm"], rel=1e-4)


def test_no_set_up_saturates_its_sensors(maker: SimulatedMaker) -> None:
    def fullest(imaging: Imaging) -> float:
        setup = setup_of(imaging)
        return max(r.signal_electrons / r.sensor.full_well_e for r in (setup.hr_response, setup.lr_response))

    drawn = [maker.recipe.imaging.drawn(SEED, number) for number in range(5)]
    as_drawn = [imaging.model_copy(update={"max_full_well_share": None}) for imaging in drawn]
    assert max(map(fullest, as_drawn)) > 1.0
    for limited, free in zip(map(fullest, drawn), map(fullest, as_drawn), strict=True):
        assert limited == pytest.approx(min(free, 0.95))
