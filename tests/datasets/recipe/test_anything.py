"""The recipe for anything: detectors of free shape, objects beyond boards, several set-ups of one board."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from xsim.detector.detector import write_detectors
from xsim.errors import InputError, PhysicsRangeError, UnknownNameError
from xsim.imaging.projection import project
from xsim.phantoms import Phantom
from xsim_datasets.recipe.boards import OBJECT_KINDS, MeshBoards, ObjectBoards, RandomBoards
from xsim_datasets.recipe.families import Wanted, split_of_sample
from xsim_datasets.recipe.free_shape import free_mtf
from xsim_datasets.recipe.imaging import Imaging, setup_of
from xsim_datasets.recipe.object_sources import thickness_for
from xsim_datasets.recipe.recipe import Range, Recipe, load_recipe
from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
from xsim_datasets.recipe.sources import source_of
from xsim_datasets.recipe.tables import Choice
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.verify import verify_store
from xsim_datasets.store.writer import make_store

SEED = 5


def few(n: int = 8, setups: int = 4) -> Recipe:
    recipe = load_recipe("anything", n=n, size_px=32)
    return recipe.model_copy(update={"imaging": recipe.imaging.model_copy(update={"setups": setups})})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    path = tmp_path_factory.mktemp("anything") / "a.zarr"
    make_store(SimulatedMaker(few(), SEED), plan_of(few(), SEED), str(path), executor=Serial())
    return PairStore.open(path)


def test_a_board_is_seen_by_several_set_ups_and_stands_on_one_side(store: PairStore) -> None:
    assert verify_store(store.path, full=True).ok
    families = store.table["family"].reshape(2, 4)
    assert (families == families[:, :1]).all()
    assert families[0, 0] != families[1, 0]
    sides = np.asarray(store.table["split"]).reshape(2, 4)
    assert (sides == sides[:, :1]).all()
    assert len(set(store.table["setup"])) > 1
    hr, other = store.read(0)[0], store.read(1)[0]
    assert not np.array_equal(hr, other)


def test_every_side_of_the_split_has_boards_of_its_own() -> None:
    maker = SimulatedMaker(few(n=400), SEED)
    sides: dict[int, set[str]] = {}
    for index in range(400):
        number = maker.board_number(index)
        sides.setdefault(number, set()).add(split_of_sample(maker.recipe.split, SEED, number))
    assert len(sides) == 100
    assert {side for found in sides.values() for side in found} == {"train", "validation", "test"}


@pytest.mark.slow
def test_the_bytes_are_the_same_for_any_number_of_workers(store: PairStore, tmp_path: Path) -> None:
    recipe = few(n=8)
    recipe = recipe.model_copy(update={"storage": recipe.storage.model_copy(update={"pairs_per_shard": 2})})
    for name, executor in (("one", Serial()), ("two", ProcessPool(2))):
        make_store(SimulatedMaker(recipe, SEED), plan_of(recipe, SEED), str(tmp_path / name), executor=executor)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path / "two") for path in (tmp_path / "two").rglob("*") if path.is_file()
    )
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_set_ups_span_what_the_recipe_says() -> None:
    imaging = load_recipe("anything").imaging
    drawn = [imaging.drawn(SEED, number) for number in range(60)]
    assert {values.free_share for values in drawn} == {0.0, 1.0}
    assert {values.screen.phosphor for values in drawn} == {"Gd2O2S", "CsI"}
    pitches = [values.pitch_mm for values in drawn]
    assert min(pitches) < 0.03
    assert max(pitches) > 0.3
    assert {values.kvp for values in drawn} >= {30.0, 225.0}
    values, falls = np.array([0.1, 0.35]), []
    for each in drawn[:16]:
        between = setup_of(each).degradation()
        falls.append(np.interp(values / between.pitch_mm, between.frequency_lp_mm, between.B_1))
    falls_at = np.array(falls)
    # From a blur that leaves a tenth at .1 cycles/px to one that nobody sees at .35.
    assert falls_at[:, 0].min() < 0.3
    assert falls_at[:, 1].max() > 0.6


@pytest.mark.parametrize("exponent", [0.55, 1.0, 2.0])
def test_a_free_core_falls_to_a_half_where_it_says(exponent: float) -> None:
    blur = {"f50": 0.2, "exponent": exponent, "tail": 0.0, "tail_px": 5.0, "aperture": 0.0}
    f = np.array([0.0, 0.2, 0.4])
    assert free_mtf(f, **blur) == pytest.approx([1.0, 0.5, 0.5 ** (2.0**exponent)])
    assert free_mtf(f, **blur | {"tail": 0.3})[2] == pytest.approx(
        0.7 * 0.5 ** (2.0**exponent) + 0.3 * math.exp(-2.0 * math.pi * 5.0 * 0.4)
    )
    assert free_mtf(f, **blur | {"aperture": 1.0})[1] == pytest.approx(0.5 * np.sinc(0.2))


@pytest.mark.parametrize(("colour", "noise"), [(0.0, 0.08), (0.6, 0.02), (1.0, 0.004)])
def test_free_detectors_have_the_blur_and_the_noise_they_say(colour: float, noise: float) -> None:
    free = {"noise": noise, "noise_ratio": 0.3, "colour": colour, "f50_ratio": 0.4, "exponent": 1.4, "aperture": 0.8}
    imaging = Imaging.model_validate({"free_share": 1.0, "free": free, "pitch_mm": 0.1, "hr_frames": 25})
    setup = setup_of(imaging.drawn(SEED, 0))
    assert setup.lr_response.pixel_sigma == pytest.approx(noise, rel=0.03)
    assert setup.hr_response.pixel_sigma / 5.0 == pytest.approx(0.3 * noise, rel=0.03)
    f = np.array([0.05, 0.14, 0.3])
    for response, f50 in ((setup.hr_response, 0.35), (setup.lr_response, 0.14)):
        told = free_mtf(f, f50=f50, exponent=1.4, tail=0.0, tail_px=1.0, aperture=0.8)
        assert response.mtf(f / 0.1) == pytest.approx(told, rel=0.01)
    assert setup.lr_response.signal_electrons < setup.lr_response.sensor.full_well_e


@pytest.mark.parametrize(("material", "kvp", "grey"), [("Al", 60.0, 0.4), ("steel", 225.0, 0.05), ("PMMA", 30.0, 0.7)])
def test_an_object_lets_through_what_is_wanted(material: str, kvp: float, grey: float) -> None:
    response = setup_of(Imaging(kvp=kvp)).hr_response
    thickness = thickness_for(material, grey, response)
    plate = Phantom((material,), np.full((1, 2, 2), thickness, np.float32), 0.05)
    (beam,) = project(plate, [response])
    assert beam.grey == pytest.approx(grey, rel=1e-4)


def wanted(pixel_mm: float = 0.05, index: int = 3, side: int = 48) -> Wanted:
    return Wanted(SEED, index, side * pixel_mm, pixel_mm, setup_of(Imaging()).hr_response)


def test_a_stretched_board_is_the_same_board() -> None:
    recipe = Recipe(name="a", boards=(RandomBoards(window_mm=6.0),))
    small, large = (source_of(recipe, 0).board(wanted(pixel)).phantom for pixel in (0.001, 0.2))
    np.testing.assert_array_equal(small.thickness_mm, large.thickness_mm)
    assert (small.pixel_mm, large.pixel_mm) == (0.001, 0.2)
    assert [defect.kind for defect in small.defects] == [defect.kind for defect in large.defects]
    for one, other in zip(small.defects, large.defects, strict=True):
        assert other.size_mm == pytest.approx(200.0 * one.size_mm)


@pytest.mark.parametrize("kind", OBJECT_KINDS)
def test_objects_are_sources(kind: str) -> None:
    boards = ObjectBoards.model_validate({"kind": kind, "materials": ["Al"], "thickness_mm": 5.0})
    source = source_of(Recipe(name="a", boards=(boards,)), 0)
    one, again, other = (source.board(wanted(index=index)) for index in (1, 1, 2))
    np.testing.assert_array_equal(one.phantom.thickness_mm, again.phantom.thickness_mm)
    assert "Al" in one.phantom.materials
    assert one.family == one.seed != other.family
    assert source.record() == {"kind": kind}


def test_meshes_are_sources(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh", reason="the extra 'mesh' is not installed")
    for name in ("a", "b", "c"):
        trimesh.creation.box((2.0, 3.0, 4.0)).export(tmp_path / f"{name}.stl")
    recipe = Recipe(name="m", boards=(MeshBoards(kind="mesh", path=tmp_path, fill=Range(low=0.5, high=1.0)),))
    source = source_of(recipe, 0)
    views = [source.board(wanted(index=index)) for index in range(12)]
    sides = {view.phantom.family: view.split for view in views}
    assert all(view.split == sides[view.phantom.family] for view in views)
    assert set(sides.values()) <= {"train", "validation", "test"}
    assert len({view.family for view in views}) == len(sides) > 1
    assert all(view.phantom.thickness_mm.any() for view in views)
    again = source.board(wanted(index=4)).phantom
    np.testing.assert_array_equal(again.thickness_mm, views[4].phantom.thickness_mm)
    assert set(source.record()["files"]) == {"a.stl", "b.stl", "c.stl"}
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no meshes"):
        source_of(Recipe(name="m", boards=(MeshBoards(kind="mesh", path=empty),)), 0)


@pytest.mark.parametrize(
    ("boards", "error"),
    [
        ({"kind": "casting", "materials": ["Tx"]}, UnknownNameError),
        ({"kind": "weld", "flaw_rates": {"rust": 0.1}}, InputError),
        ({"kind": "wedge", "transmission": 1.5}, PhysicsRangeError),
        ({"kind": "texture", "thickness_mm": {"low": 0.0, "high": 1.0}}, PhysicsRangeError),
    ],
)
def test_objects_that_make_no_sense_are_said_before_the_work(boards: dict[str, object], error: type[Exception]) -> None:
    recipe = Recipe(name="a", boards=(ObjectBoards.model_validate(boards),))
    with pytest.raises(error):
        source_of(recipe, 0)


def test_choices_are_drawn_and_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    choice = Choice(choice=("a", "a", "b"))
    drawn = [choice.draw(rng) for _ in range(300)]
    assert drawn.count("a") == pytest.approx(200, abs=30)
    path = tmp_path / "r.toml"
    path.write_text('name = "a"\n[imaging.screen]\nphosphor = { chioce = ["CsI"] }\n', encoding="utf-8")
    with pytest.raises(InputError, match="choice"):
        load_recipe(str(path))
    path.write_text('name = "a"\n[imaging]\nfree_share = 0.5\nsetups = 3\n', encoding="utf-8")
    assert load_recipe(str(path)).imaging.has_ranges


def test_measured_detectors_take_the_place_of_free_ones(tmp_path: Path) -> None:
    setup = setup_of(Imaging())
    write_detectors(tmp_path / "D.toml", {"hr": setup.hr, "lr": setup.lr})
    recipe = load_recipe("anything", detectors=tmp_path / "D.toml")
    assert recipe.imaging.free_share == 0.0
    assert recipe.imaging.pitch_mm == 0.048
    path = tmp_path / "r.toml"
    path.write_text('name = "a"\n[imaging]\ndetectors = "D.toml"\nfree_share = 0.5\n', encoding="utf-8")
    with pytest.raises(InputError, match="bring their own free_share"):
        load_recipe(str(path))


def test_recipes_written_before_keep_their_hash() -> None:
    """The digests of stores that were made before there were objects, free shapes and several pairs a board."""
    assert load_recipe("paper").hash().startswith("93536a94ab3d4be0")
    assert load_recipe("universal").hash().startswith("c62a7cbf64fece71")
