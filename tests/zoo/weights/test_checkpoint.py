"""Weights on disk: sound ones come back bit for bit, every other kind is refused in one line."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import xsim_zoo
from xsim.errors import DamageError, InputError, MissingFileError, UnknownNameError, XsimError
from xsim_zoo.weights.card import Card, shipped
from xsim_zoo.weights.checkpoint import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import SimpleNamespace

    from xsim_zoo.process.physics import Physics
    from xsim_zoo.restorers.learned import LearnedRestorer


@pytest.fixture
def restorer(physics: Physics) -> LearnedRestorer:
    restorer = xsim_zoo.build("physics-sde", physics, size="tiny")
    generator = torch.Generator().manual_seed(0)
    for parameter in restorer.network.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    return restorer


@pytest.fixture
def weights(restorer: LearnedRestorer, tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    card = Card(restorer=restorer.name, options=restorer.options, physics=restorer.physics.to_dict())
    save_checkpoint(path, card, restorer.network.state_dict())
    return path


def test_what_was_saved_restores_the_same(weights: Path, restorer: LearnedRestorer, toys: SimpleNamespace) -> None:
    loaded = xsim_zoo.load("physics-sde", weights, device="cpu")
    y = toys.degrade(toys.board(3), restorer.physics, 3)
    np.testing.assert_array_equal(loaded.restore_array(y), restorer.restore_array(y))
    card = load_checkpoint(weights).card
    assert card.parameters == sum(parameter.numel() for parameter in restorer.network.parameters())
    assert json.loads(json.dumps(card.to_dict())) == json.loads(weights.with_suffix(".json").read_text())


def test_a_card_or_a_run_folder_names_the_weights_too(weights: Path) -> None:
    digest = load_checkpoint(weights).card.digest
    assert load_checkpoint(weights.with_suffix(".json")).card.digest == digest
    for suffix in (".safetensors", ".json"):
        weights.with_suffix(suffix).rename(weights.with_name(f"weights{suffix}"))
    assert load_checkpoint(weights.parent).card.digest == digest


def test_a_classical_restorer_takes_the_physics_of_any_card(weights: Path, physics: Physics) -> None:
    wiener = xsim_zoo.load("wiener", weights, device="cpu")
    np.testing.assert_allclose(wiener.physics.spectrum.S_mm2, physics.spectrum.S_mm2)


def reseal(path: Path, **changes: object) -> None:
    """Write a card anew, with the digest that the file has now."""
    import hashlib

    card_path = path.with_suffix(".json")
    card = json.loads(card_path.read_text())
    card |= {"digest": hashlib.sha256(path.read_bytes()).hexdigest()} | changes
    card_path.write_text(json.dumps(card))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_and_resealed(path: Path) -> None:
    cut(path)
    reseal(path)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(bytes(content))


def renamed_tensor(path: Path) -> None:
    tensors = load_file(path)
    tensors["foreign"] = tensors.pop("out.bias")
    save_file(tensors, path)
    reseal(path, tensors={name: list(tensor.shape) for name, tensor in tensors.items()})


def wrong_shape(path: Path) -> None:
    tensors = load_file(path)
    tensors["out.bias"] = torch.zeros(7)
    save_file(tensors, path)
    reseal(path, tensors={name: list(tensor.shape) for name, tensor in tensors.items()})


def not_a_number(path: Path) -> None:
    tensors = load_file(path)
    tensors["out.bias"][0] = float("nan")
    save_file(tensors, path)
    reseal(path)


def whole_numbers(path: Path) -> None:
    save_file({name: (100 * tensor).to(torch.int8) for name, tensor in load_file(path).items()}, path)
    reseal(path)


def card_of_a_network_told_of_the_link(path: Path) -> None:
    reseal(path, options={"size": "tiny", "link_conditioning": True})


def other_tensors_than_the_card(path: Path) -> None:
    reseal(path, tensors={})


def card_of_another_restorer(path: Path) -> None:
    reseal(path, restorer="unet")


def card_is_no_json(path: Path) -> None:
    path.with_suffix(".json").write_text("{")


def card_of_another_kind(path: Path) -> None:
    path.with_suffix(".json").write_text('{"schema": "other/1"}')


def card_with_a_foreign_key(path: Path) -> None:
    reseal(path, surprise=1)


def card_without_physics(path: Path) -> None:
    reseal(path, physics={})


def card_with_no_table(path: Path) -> None:
    reseal(path, data=None)


def card_with_no_count(path: Path) -> None:
    reseal(path, data={"setups": "x"})


def card_with_a_link_of_no_materials(path: Path) -> None:
    physics = json.loads(path.with_suffix(".json").read_text())["physics"]
    physics["degradation"]["link"]["residual_by_material"] = None
    reseal(path, physics=physics)


def card_with_no_link(path: Path) -> None:
    physics = json.loads(path.with_suffix(".json").read_text())["physics"]
    physics["degradation"]["link"] = None
    reseal(path, physics=physics)


def card_with_options_that_are_given_anyway(path: Path) -> None:
    reseal(path, options={"device": "cpu"})


def card_of_a_network_without_size(path: Path) -> None:
    reseal(path, options={"size": None})


def no_card(path: Path) -> None:
    path.with_suffix(".json").unlink()


def no_tensors(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (cut, DamageError),
        (cut_and_resealed, DamageError),
        (flipped, DamageError),
        (renamed_tensor, InputError),
        (wrong_shape, InputError),
        (not_a_number, DamageError),
        (whole_numbers, DamageError),
        (card_of_a_network_told_of_the_link, InputError),
        (other_tensors_than_the_card, DamageError),
        (card_of_another_restorer, InputError),
        (card_is_no_json, DamageError),
        (card_of_another_kind, InputError),
        (card_with_a_foreign_key, DamageError),
        (card_without_physics, DamageError),
        (card_with_no_table, DamageError),
        (card_with_no_count, DamageError),
        (card_with_a_link_of_no_materials, DamageError),
        (card_with_no_link, DamageError),
        (card_with_options_that_are_given_anyway, DamageError),
        (card_of_a_network_without_size, DamageError),
        (no_card, MissingFileError),
        (no_tensors, MissingFileError),
    ],
)
def test_bad_weights_are_refused_in_one_line(
    harm: Callable[[Path], None], error: type[XsimError], weights: Path
) -> None:
    harm(weights)
    with pytest.raises(error) as caught:
        xsim_zoo.load("physics-sde", weights, device="cpu")
    assert "\n" not in str(caught.value)
    assert weights.stem in str(caught.value)


def test_foreign_options_of_a_classical_restorer_are_refused(weights: Path) -> None:
    reseal(weights, restorer="wiener", options={"surprise": 1})
    with pytest.raises(DamageError, match="unknown option of restorer 'wiener' 'surprise'"):
        xsim_zoo.load("wiener", weights, device="cpu")


def test_a_pickle_is_refused_without_being_read(tmp_path: Path) -> None:
    trap = tmp_path / "model.pt"
    trap.write_bytes(pickle.dumps(print))
    trap.with_suffix(".json").write_text("{}")
    with pytest.raises(InputError, match="pickle"):
        xsim_zoo.load("physics-sde", trap, device="cpu")


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        load_checkpoint(tmp_path / "none.safetensors")
    with pytest.raises(UnknownNameError, match="weights"):
        load_checkpoint("no-such-weights")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_weights_load(name: str) -> None:
    checkpoint = load_checkpoint(name)
    assert xsim_zoo.load(checkpoint.card.restorer, name, device="cpu").physics.pitch_mm > 0


def test_an_absent_device_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(InputError, match="'cuda' is not available"):
        xsim_zoo.load("wiener", device="cuda")


def test_a_card_that_is_nested_without_end_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "weights.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(DamageError, match="is not a card"):
        load_checkpoint(tmp_path / "weights.safetensors")
