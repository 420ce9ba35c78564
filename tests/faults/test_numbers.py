"""Numbers that are none, or nobody's: one line each, before anything is begun."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xsim.errors import InputError, PhysicsRangeError, XsimError, check_range
from xsim.files.documents import parse_toml, read_json
from xsim_datasets.recipe.recipe import load_recipe
from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.shards import Plan
from xsim_datasets.store.writer import make_store
from xsim_zoo.training.settings import settings_from

RECIPES = {
    "imaging.lr_frames = 1" + "0" * 39: "lr_frames is a whole number beyond 64 bits",
    "imaging.lr_frames = 1" + "0" * 5000: "no TOML file",
    "imaging.lr_frames = 1000000000000": "out of range",
    'imaging.hr_frames = {low = "' + "9" * 400 + '", high = 200}': "less than or equal",
    "imaging.lr_frames = true": "truth value",
    "imaging.lr_mass_thickness_mg_cm2 = true": "truth value",
    "imaging.registration_px = [true, 0.0]": "truth value",
    "imaging.kvp = {low = true, high = 70.0}": "truth value",
    "imaging.sensor.read_noise_e = true": "truth value",
    "imaging.kerma_uGy = 1e308": "out of range",
    "imaging.kerma_uGy = inf": "finite",
    "storage.offset = 1e308": "codes hold",
    "storage.scale = 1e308": "codes hold",
    "storage.scale = 1e-308": "codes hold",
    "storage.offset = true": "truth value",
    "n = true": "truth value",
    "size_px = 1e308": "size_px",
}


def checked(path: Path) -> None:
    recipe = load_recipe(str(path))
    SimulatedMaker(recipe, plan_of(recipe, 0).seed).check()


@pytest.mark.parametrize("line", RECIPES, ids=lambda line: line[:40])
def test_a_recipe_says_numbers_that_can_be(tmp_path: Path, line: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "a"\n{line}\n')
    with pytest.raises(InputError) as refused:
        checked(path)
    said = str(refused.value)
    assert RECIPES[line] in said, said
    assert "\n" not in said
    assert len(said) < 600


@pytest.mark.parametrize("line", ["steps = true", "learning_rate = inf", "batch = 1" + "0" * 30])
def test_training_says_numbers_that_can_be(tmp_path: Path, line: str) -> None:
    path = tmp_path / "training.toml"
    path.write_text(line)
    with pytest.raises(InputError):
        settings_from(path, [])


@pytest.mark.parametrize("key", ["steps", "warmup", "rollout", "validate_images"])
def test_a_text_of_many_digits_is_no_number_of_steps(key: str) -> None:
    with pytest.raises(InputError, match="less than or equal"):
        settings_from(None, [f"{key}=" + "9" * 400])


class Refused:
    """A maker that finds out at the first pair that it cannot."""

    def __getattr__(self, name: str) -> Any:
        raise PhysicsRangeError("kerma 1e308 uGy is out of range")


@pytest.mark.parametrize("resume", [False, True])
def test_a_refused_start_leaves_nothing(tmp_path: Path, resume: bool) -> None:
    plan = Plan(4, 32, 32, 0, {"name": "a"}, "digest")
    with pytest.raises(PhysicsRangeError):
        make_store(Refused(), plan, str(tmp_path / "a.zarr"), executor=Serial(), resume=resume)  # type: ignore[arg-type]
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("value", [True, False, "x", None, [1.0], 10**400, 1j])
def test_a_range_holds_numbers_only(value: Any) -> None:
    with pytest.raises(PhysicsRangeError, match="thickness"):
        check_range("thickness", value, 0.0, 10.0, "mm")


def test_documents_hold_64_bits(tmp_path: Path) -> None:
    assert parse_toml(b"a = 18446744073709551615", "x") == {"a": 2**64 - 1}
    for text in ("a = 18446744073709551616", "[b]\na = [1, -9223372036854775809]", "a = 1" + "0" * 5000):
        with pytest.raises(InputError, match="x: is no TOML file"):
            parse_toml(text.encode(), "x")
    (tmp_path / "a.json").write_text('{"a": [1' + "0" * 50 + "]}")
    with pytest.raises(ValueError, match="a is a whole number beyond 64 bits"):
        read_json(tmp_path / "a.json")


PLACES = [
    ("degradation", "Sigma_1_mm2", 0), ("degradation", "B_1", 3), ("degradation", "pitch_mm"), ("spectrum", "S_mm2", 0),
    ("degradation", "link", "lr_grey", 2),
]  # fmt: skip


@pytest.mark.parametrize("path", PLACES, ids=str)
def test_cards_say_numbers_that_can_be(tmp_path: Path, path: tuple[Any, ...]) -> None:
    from xsim_zoo import load
    from xsim_zoo.weights.card import shipped

    source = shipped()["physics-sde"]
    shutil.copy(source, tmp_path / "a.safetensors")
    card = json.loads(source.with_suffix(".json").read_text())
    image = (0.7 + np.random.default_rng(0).normal(0, 0.01, (32, 32))).astype(np.float32)
    for value in (10**50, float("inf"), 1e308, True, 0.0):
        place: Any = card["physics"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        (tmp_path / "a.json").write_text(json.dumps(card))
        try:
            restorer = load("physics-sde", tmp_path / "a.safetensors", device="cpu")
            answer = restorer.restore_array(image, steps=1)
        except XsimError as error:
            said = str(error)
            continue
        # What is taken gives an answer that is one.
        assert value in {1e308, 0.0}, (path, value)
        assert np.isfinite(answer).all(), (path, value)
    assert "\n" not in said
