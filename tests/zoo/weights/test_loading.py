"""A restorer between the user's own two detectors: who may be told of them, and who says no."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xsim.errors import InputError
from xsim_zoo.restorers.registry import get, names
from xsim_zoo.weights import card, loading
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.loading import build, weights_at_pitch, with_detectors

if TYPE_CHECKING:
    from xsim.degradation.degradation import Degradation
    from xsim_zoo.process.physics import Physics

NAMES = [name for name in names() if get(name).__module__.startswith("xsim_zoo.")]
"""Restorers of the package; tests and benchmarks of the same process register some of their own."""

ADAPTS = {"physics-sde", "unet-wiener", "wiener", "richardson-lucy", "tv"}
"""Those that learn in units of the physics, or not at all."""


@pytest.fixture
def other(physics: Physics, monkeypatch: pytest.MonkeyPatch) -> Degradation:
    """Return the detectors that any calibration file holds in these tests."""
    found = replace(physics.degradation, B_1=np.sqrt(physics.degradation.B_1))
    monkeypatch.setattr(loading, "degradation_of", lambda _: found)
    return found


def test_each_restorer_says_whether_it_adapts() -> None:
    assert {name for name in NAMES if get(name).adapts_to_detectors} == ADAPTS


@pytest.mark.parametrize("name", NAMES)
def test_who_has_learned_one_blur_takes_no_other_detectors(name: str, physics: Physics, other: Degradation) -> None:
    restorer = build(name, physics, size="tiny") if get(name).learned else build(name, physics)
    if name in ADAPTS:
        assert with_detectors(restorer, Path("any")).physics.degradation is other
        return
    with pytest.raises(InputError, match=f"'{name}' has learned one blur") as refused:
        with_detectors(restorer, Path("any"))
    assert "\n" not in str(refused.value)
    restorer.many_detectors = True
    assert with_detectors(restorer, Path("any")).physics.degradation is other


def test_a_network_of_one_pair_is_told_detectors_of_its_own_pitch(
    physics: Physics, monkeypatch: pytest.MonkeyPatch
) -> None:
    finer = replace(physics.degradation, pitch_mm=physics.pitch_mm / 2)
    monkeypatch.setattr(loading, "degradation_of", lambda _: finer)
    with pytest.raises(InputError, match="pixel pitch"):
        with_detectors(build("physics-sde", physics, size="tiny"), Path("any"))
    assert with_detectors(build("wiener", physics), Path("any")).physics.degradation is finer


def shipping(monkeypatch: pytest.MonkeyPatch, **options: dict[str, int]) -> None:
    """Let the package ship weights of physics-sde with these options; those called many learned many detectors."""
    cards = {
        name: Card("physics-sde", {}, given, data={"setups": 40 if name.startswith("many") else 1})
        for name, given in options.items()
    }
    monkeypatch.setattr(card, "shipped", lambda: {name: Path(name).with_suffix(".safetensors") for name in cards})
    monkeypatch.setattr(card, "read_card", lambda path: cards[path.stem])


def test_weights_suit_the_steps_and_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    shipping(monkeypatch, **{"physics-sde": {"steps": 3}, "one": {"steps": 1}, "any": {}})
    assert card.suited("physics-sde") == ("physics-sde", "3 steps")
    assert card.suited("physics-sde", steps=3) == ("physics-sde", "3 steps")
    assert card.suited("physics-sde", steps=1) == ("one", "one step")
    assert card.suited("physics-sde", steps=7) == ("any", "any number of steps")
    assert card.suited("physics-sde", steps=3, samples=8) == ("any", "posterior samples")
    assert card.suited("unet") is None


def test_weights_of_many_detectors_suit_the_steps_and_the_samples_too(monkeypatch: pytest.MonkeyPatch) -> None:
    shipping(monkeypatch, **{"physics-sde": {"steps": 3}, "any": {}, "many": {"steps": 3}, "many-any": {}})
    assert card.suited("physics-sde", samples=8) == ("any", "posterior samples")
    assert card.suited("physics-sde", samples=8, many_detectors=True) == ("many-any", "posterior samples")
    assert card.of_any_pitch("physics-sde") == "many"
    assert card.of_any_pitch("physics-sde", steps=3) == "many"
    assert card.of_any_pitch("physics-sde", steps=5) == "many-any"
    assert card.of_any_pitch("physics-sde", samples=8) == "many-any"
    assert card.of_any_pitch("unet") is None
    shipping(monkeypatch, **{"physics-sde": {"steps": 3}, "many": {}})
    assert card.of_any_pitch("physics-sde", samples=8) == "many"


def test_weights_of_one_kind_leave_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    shipping(monkeypatch, **{"physics-sde": {}})
    assert card.suited("physics-sde", samples=8) is None


def test_at_another_pitch_the_weights_of_many_detectors_serve() -> None:
    assert weights_at_pitch("physics-sde", 0.048) is None
    assert weights_at_pitch("physics-sde", None) is None
    for pitch_mm in (0.025, 0.127, 0.4):
        assert weights_at_pitch("physics-sde", pitch_mm) == "universal"
        assert weights_at_pitch("unet", pitch_mm) is None, "nothing else is shipped"
        assert weights_at_pitch("wiener", pitch_mm) is None, "it needs no weights"
