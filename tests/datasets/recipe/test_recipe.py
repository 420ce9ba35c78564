"""Recipes: what is shipped loads, what is wrong is said in one line that names the key."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.errors import InputError, MissingFileError, UnknownNameError
from xsim.seeds import generator
from xsim_datasets.recipe.families import split_named_families, split_of_sample
from xsim_datasets.recipe.imaging import Imaging
from xsim_datasets.recipe.recipe import Range, Recipe, Split, load_recipe, recipe_names

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def recipe_file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_every_shipped_recipe_loads_under_its_own_name() -> None:
    assert {"paper", "tiny", "universal"} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_paper_is_the_papers_setup() -> None:
    imaging = load_recipe("paper").imaging
    assert (imaging.hr_mass_thickness_mg_cm2, imaging.lr_mass_thickness_mg_cm2) == (33.91, 134.55)
    assert (imaging.kvp, imaging.kerma_uGy, imaging.hr_frames, imaging.pitch_mm) == (70.0, 42.56, 20, 0.048)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "a"\nsize = 3', "unknown key 'size': did you mean size_px?"),
        ('name = "a"\n[imaging]\nkvpp = 3', "unknown key 'imaging.kvpp': did you mean kvp?"),
        ('name = "a"\n[imaging]\nkvp = {low = 3, hihg = 4}', "unknown key 'imaging.kvp.hihg': did you mean high?"),
        ('name = "a"\n[[boards]]\nkind = "phantoms"\npth = "x"', "did you mean path?"),
        ('name = "a"\n[[boards]]\nkind = "rndom"', "'boards.0'.*'random'"),
        ('name = "a"\n[imaging]\nkvp = {low = 9, high = 1}', "'imaging.kvp'.*low 9 is above high 1"),
        ('name = "a"\n[imaging]\nkvp = {low = 1, high = 9, log = true, step = 2}', "'imaging.kvp'.*give log or step"),
        ('name = "a"\n[imaging]\nkvp = nan', "'imaging.kvp'.*finite"),
        ('name = "a"\n[imaging]\nkvp = "70"x', "is no TOML file"),
        ('name = "a"\n[imaging]\nhr_frames = 0', "'imaging.hr_frames'"),
        ('name = "a"\n[imaging]\nsetups = 3', "nothing is a range"),
        ('name = "a"\nn = 0', "'n'"),
        ('name = "a"\n[split]\nvalidation = 0.6\ntest = 0.6', "below 1"),
        ("n = 3", "'name' field required"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(recipe_file: Callable[[str], str], text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_recipe(recipe_file(text))
    assert "\n" not in str(caught.value)


def test_unknown_and_missing_recipes() -> None:
    with pytest.raises(UnknownNameError, match="did you mean paper"):
        load_recipe("papr")
    with pytest.raises(MissingFileError, match=r"nowhere\.toml"):
        load_recipe("nowhere.toml")


def test_the_hash_is_of_what_decides_a_pair() -> None:
    tiny = load_recipe("tiny")
    assert tiny.hash() == load_recipe("tiny", n=3).hash()
    assert tiny.hash() != load_recipe("tiny", size_px=128).hash()


def test_paths_are_taken_from_the_recipes_own_folder(recipe_file: Callable[[str], str]) -> None:
    path = recipe_file('name = "a"\n[[boards]]\nkind = "phantoms"\npath = "boards"')
    boards = load_recipe(path).boards[0]
    assert boards.kind == "phantoms"
    assert boards.path == Path(path).parent / "boards"


@settings(deadline=None, derandomize=True, max_examples=50)
@given(low=st.floats(0.01, 100), factor=st.floats(1, 50), log=st.booleans(), seed=st.integers(0, 2**32))
def test_draws_stay_in_their_range(low: float, factor: float, log: bool, seed: int) -> None:
    drawn = Range(low=low, high=low * factor, log=log).draw(generator(seed))
    assert low * (1 - 1e-12) <= drawn <= low * factor * (1 + 1e-12)


@pytest.mark.parametrize(("high", "values"), [(0.3, [0.0, 0.1, 0.2, 0.3]), (0.25, [0.0, 0.1, 0.2]), (0.0, [0.0])])
def test_a_range_in_steps_draws_each_of_them_equally_often(high: float, values: list[float]) -> None:
    steps, rng = Range(low=0.0, high=high, step=0.1), generator(1)
    drawn = np.array([steps.draw(rng) for _ in range(400)])
    assert drawn.max() <= high
    np.testing.assert_allclose(np.unique(drawn), values)
    assert np.unique(drawn, return_counts=True)[1].min() > 0.8 * 400 / len(values)


def test_a_range_that_is_added_leaves_the_other_draws_alone() -> None:
    one = Imaging(kvp=Range(low=50, high=100), setups=2).drawn(7, 1)
    two = Imaging(kvp=Range(low=50, high=100), kerma_uGy=Range(low=1, high=9), setups=2).drawn(7, 1)
    assert one.kvp == two.kvp
    assert not two.has_ranges
    assert two != Imaging(kvp=Range(low=50, high=100), kerma_uGy=Range(low=1, high=9), setups=2).drawn(7, 0)


@pytest.mark.parametrize("seed", range(20))
def test_every_stretch_of_64_samples_has_all_sides(seed: int) -> None:
    for first in (0, 64, 10_000_000):
        count = Counter(split_of_sample(Split(), seed, first + index) for index in range(64))
        assert 5 <= count["validation"] <= 8
        assert 5 <= count["test"] <= 8


def test_shares_of_the_split_are_met() -> None:
    count = Counter(split_of_sample(Split(validation=0.2, test=0.05), 3, index) for index in range(2000))
    np.testing.assert_allclose([count["validation"], count["test"]], [400, 100], atol=3)


@pytest.mark.parametrize("families", [3, 5, 20])
def test_named_families_are_shared_out(families: int) -> None:
    names = [f"board-{number}" for number in range(families)]
    sides = split_named_families(Split(), names)
    assert set(sides) == set(names)
    assert set(sides.values()) == {"train", "validation", "test"}
    assert sides == split_named_families(Split(), reversed(names))


def test_a_recipe_survives_its_own_json() -> None:
    for name in recipe_names():
        recipe = load_recipe(name)
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
