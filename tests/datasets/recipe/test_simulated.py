"""Stores of simulated pairs: real physics, small images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import xsim
from xsim.errors import InputError, MissingFileError
from xsim.phantoms.view import View
from xsim_cli.app import main
from xsim_datasets.recipe.imaging import Imaging
from xsim_datasets.recipe.recipe import GerberBoards, PhantomBoards, RandomBoards, Range, Recipe, load_recipe
from xsim_datasets.recipe.simulated import SimulatedMaker
from xsim_datasets.store.reader import PairStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    """Ten pairs made by the program itself, by two processes."""
    path = tmp_path_factory.mktemp("simulated") / "a.zarr"
    main(["dataset", "make", "tiny", "-o", str(path), "-n", "10", "--seed", "4", "--size", "64", "--workers", "2"])
    return PairStore.open(path)


def test_pairs_are_those_of_simulate_pair(store: PairStore) -> None:
    setup = xsim.recipes.paper()
    for index in (0, 9):
        seed = int(store.table["seed"][index])
        # As workers compute: sums over threads end in other last bits, and a few pixels in another step of the sensor.
        with threadpool_limits(1):
            pair = xsim.simulate_pair(xsim.phantoms.random_board(seed, (128, 128), 0.024), setup, 4, sample=index)
        for stored, made in zip(store.read(index), (pair.hr, pair.lr), strict=True):
            # An open field of 1 that is one step of the code off would show here.
            np.testing.assert_allclose(stored, made, atol=2.0**-16 + 1e-6)


def test_a_store_says_what_its_physics_was(store: PairStore) -> None:
    degradation = xsim.recipes.paper().degradation()
    np.testing.assert_array_equal(store.degradation.B_1, degradation.B_1)
    np.testing.assert_array_equal(store.degradation.Sigma_1_mm2, degradation.Sigma_1_mm2)
    assert store.degradation_of(3).pitch_mm == store.pitch_mm == 0.048
    assert store.attributes["setups"][0]["settings"]["kerma_uGy"] == 42.56
    physics = store.physics
    response = xsim.recipes.paper().lr_response
    np.testing.assert_array_equal(physics["mtf_lr"][0], response.mtf(physics["frequency_lp_mm"]))
    assert (physics["mtf_lr"][0, 1:] < physics["mtf_hr"][0, 1:]).mean() > 0.9
    assert len(set(store.table["seed"])) == 10
    assert set(store.table["kerma_uGy"]) == {42.56}


def test_labels_lie_in_their_images(store: PairStore) -> None:
    defects = store.defects
    assert len(defects["sample"]) > 10
    assert defects["sample"].max() < store.n
    assert (defects["size_mm"] > 0).all()


def test_the_maker_gives_the_same_sample_whatever_came_before(store: PairStore) -> None:
    recipe = load_recipe("tiny", size_px=64)
    fresh = SimulatedMaker(recipe, 4).sample(7)
    maker = SimulatedMaker(recipe, 4)
    maker.sample(2)
    again = maker.sample(7)
    np.testing.assert_array_equal(fresh.hr, again.hr)
    np.testing.assert_array_equal(fresh.lr, again.lr)
    np.testing.assert_array_equal(store.encoding.encode(fresh.hr)[0], store.read_codes([7])[0, 0])


def test_set_ups_are_drawn_from_ranges_and_belong_to_samples() -> None:
    imaging = Imaging(
        setups=2,
        lr_mass_thickness_mg_cm2=Range(low=100, high=300),
        pitch_mm=Range(low=0.04, high=0.08),
        magnification=Range(low=1.1, high=1.4),
    )
    maker = SimulatedMaker(Recipe(name="two", size_px=48, imaging=imaging), 3)
    samples = [maker.sample(index) for index in range(4)]
    assert {sample.hr.shape for sample in samples} == {(48, 48)}
    assert {sample.setup for sample in samples} == {0, 1}
    about = maker.attributes()
    assert about["pitch_mm"] is None
    pitches = [setup["degradation"]["pitch_mm"] for setup in about["setups"]]
    assert len(set(pitches)) == 2
    assert maker.tables()["mtf_hr"].shape[0] == 2


def test_phantoms_of_a_folder_are_cut_into_windows(tmp_path: Path) -> None:
    board = xsim.phantoms.random_board(5, (160, 160), 0.024)
    board.save(tmp_path / "one.npz")
    boards = (PhantomBoards(kind="phantoms", path=tmp_path), RandomBoards(weight=0.5))
    maker = SimulatedMaker(Recipe(name="mixed", size_px=48, boards=boards), 3)
    samples = [maker.sample(index) for index in range(6)]
    assert {sample.source for sample in samples} == {0, 1}
    windows = [sample for sample in samples if sample.source == 0]
    assert len({sample.family for sample in windows}) == len({sample.split for sample in windows}) == 1
    assert not np.array_equal(windows[0].hr, windows[1].hr)
    assert list(maker.attributes()["sources"][0]["files"]) == ["one.npz"]
    with pytest.raises(InputError, match="smaller --size"):
        SimulatedMaker(Recipe(name="large", size_px=100, boards=boards[:1]), 3).sample(0)


BOARDS = Path(__file__).parents[4] / "shared" / "data" / "boards"


@pytest.mark.skipif(not BOARDS.is_dir(), reason="the real boards of ../shared/data are not here")
def test_windows_of_real_boards(tmp_path: Path) -> None:
    pytest.importorskip("gerbonara", reason="the extra 'gerber' is not installed")
    (tmp_path / "mchck").symlink_to(BOARDS / "mchck")
    boards = (GerberBoards(kind="gerber", path=tmp_path),)
    maker = SimulatedMaker(Recipe(name="real boards", size_px=48, boards=boards), 3)
    first, second = maker.sample(0), maker.sample(1)
    assert first.design == second.design == "mchck"
    assert first.family == second.family
    assert not np.array_equal(first.hr, second.hr)
    np.testing.assert_array_equal(SimulatedMaker(maker.recipe, 3).sample(1).hr, second.hr)
    assert list(maker.attributes()["sources"][0]["boards"]) == ["mchck"]


def test_a_missing_or_empty_folder_of_phantoms_is_said_before_the_work(tmp_path: Path) -> None:
    for path, error in ((tmp_path / "none", MissingFileError), (tmp_path, InputError)):
        boards = (PhantomBoards(kind="phantoms", path=path),)
        with pytest.raises(error, match="phantom"):
            SimulatedMaker(Recipe(name="a", size_px=48, boards=boards), 3).check()


def test_impossible_physics_is_said_before_the_work(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "a"\n[imaging]\nkvp = { low = 50, high = 5000 }\nsetups = 2\n', encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main(["dataset", "make", str(recipe), "-o", str(tmp_path / "a.zarr")])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.toml"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    main(["dataset", *arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_the_programs_documents(store: PairStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = run(capsys, "info", store.path)
    assert {"path", "n", "size", "families", "splits", "recipe_hash"} <= set(info)
    assert (info["n"], info["size"], info["families"]) == (10, 64, 10)
    verify = run(capsys, "verify", store.path, "--full")
    assert (verify["ok"], verify["problems"]) == (True, [])
    dry = run(capsys, "make", "paper", "-o", str(tmp_path / "x.zarr"), "-n", "1000000", "--size", "64", "--dry-run")
    assert dry["n"] == 1_000_000
    assert not list(tmp_path.iterdir())
    run(capsys, "preview", store.path, "-o", str(tmp_path / "sheet.png"), "--samples", "0,3-4")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    export = run(capsys, "export", store.path, "-o", str(tmp_path / "tiffs"), "--samples", "1-2")
    assert export["pairs"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["make", "tini", "-o", "x.zarr"], 2, "did you mean tiny"),
        (["make", "tiny", "-o", "no/such/folder/x.zarr"], 2, "does not exist"),
        (["make", "tiny", "-o", "x.zarr", "--seed", "-1"], 2, "seed"),
        (["make", "tiny", "-o", "x.zarr", "-n", "0"], 2, "'n'"),
        (["make", "tiny", "-o", "x.zarr", "--size", "3"], 2, "'size_px'"),
        (["info", "nothing.zarr"], 2, "no such store"),
        (["verify", "nothing.zarr"], 2, "no such store"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["dataset", *arguments])
    lines = capsys.readouterr().err.splitlines()
    assert (end.value.code, len(lines)) == (code, 1)
    assert said in lines[0]
    assert not list(tmp_path.iterdir())


def test_verify_ends_with_one_when_it_finds_damage(
    store: PairStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    copy = shutil.copytree(store.path, tmp_path / "copy.zarr")
    (copy / "pairs/c.0.0.0.0").unlink()
    with pytest.raises(SystemExit) as end:
        main(["dataset", "verify", str(copy)])
    assert end.value.code == 1
    assert "pairs/c.0.0.0.0: is missing" in capsys.readouterr().out


def test_noise_free_pair_is_what_noise_was_added_to() -> None:
    maker = SimulatedMaker(load_recipe("tiny", n=1), seed=3)
    hr, lr = maker.noise_free(0)
    sample = maker.sample(0)
    for clean, noisy, most in ((hr, sample.hr, 0.004), (lr, sample.lr, 0.01)):
        assert clean.shape == noisy.shape
        assert 0 < float(np.std(noisy - clean)) < most


def test_a_board_that_is_shown_several_times_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("tiny", size_px=32).model_copy(
        update={"pairs_per_board": 4, "board_side": 1.5, "turned": True}
    )
    maker = SimulatedMaker(recipe, 3)
    drawn: list[int] = []
    for source in maker._sources:
        usual = source.board
        monkeypatch.setattr(
            type(source), "board", lambda _, wanted, usual=usual: (drawn.append(wanted.index), usual(wanted))[1]
        )
    samples = [maker.sample(index) for index in range(8)]
    assert drawn == [0, 1]
    assert [sample.seed for sample in samples] == [samples[0].seed] * 4 + [samples[4].seed] * 4
    assert len({sample.split for sample in samples[:4]}) == 1
    assert len({sample.hr.tobytes() for sample in samples}) == 8
    # Any pair alone, in whatever order.
    again = SimulatedMaker(recipe, 3).sample(6)
    np.testing.assert_array_equal(again.lr, samples[6].lr)
    assert again.labels == samples[6].labels
    assert all(0 <= label.x_px < 32 and 0 <= label.y_px < 32 for sample in samples for label in sample.labels)


def test_keys_that_change_nothing_leave_the_recipe_its_hash() -> None:
    recipe = load_recipe("tiny")
    assert {"pairs_per_board", "board_side", "turned"}.isdisjoint(recipe.model_dump(mode="json"))
    assert recipe.hash() != recipe.model_copy(update={"turned": True}).hash()


@pytest.mark.parametrize(("imaging", "height_mm"), [({}, 500.0), ({"source_detector_mm": 500.0}, 500.0),
    ({"source_detector_mm": 900.0}, 900.0), ({"magnification": 50.0}, 12.0)])  # fmt: skip
def test_random_boards_are_drawn_for_the_distance_of_their_set_up(
    imaging: dict[str, float], height_mm: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    draw = xsim.phantoms.board.draw_view

    def noted(*args: Any, **options: Any) -> View:
        view = draw(*args, **options)
        seen.append(view.source_mm)
        return view

    monkeypatch.setattr(xsim.phantoms.board, "draw_view", noted)
    sample = SimulatedMaker(load_recipe("tiny", imaging=imaging, size_px=32), 3).sample(1)
    assert seen == [pytest.approx(height_mm)]
    assert np.isfinite(sample.hr).all()
    assert 0.0 < sample.hr.mean() < 1.0
