"""The families that weights have seen: nothing seen is missed, nothing unseen accused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from xsim_zoo.training.data import MixedPairs
from xsim_zoo.training.train import train
from xsim_zoo.weights.families import merged, packed, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    from xsim_zoo.training.data import MemoryPairs

_FAMILIES = st.sets(st.integers(0, 2**64 - 1), max_size=40)


@given(_FAMILIES, _FAMILIES)
def test_seen_families_are_found_and_no_others(trained: set[int], judged: set[int]) -> None:
    assert seen(packed(trained), sorted(judged)) == sorted(trained & judged)


@given(_FAMILIES, _FAMILIES)
def test_merging_is_union(one: set[int], other: set[int]) -> None:
    assert merged(packed(one), packed(other)) == packed(one | other)


def test_mixed_pairs_name_the_families_of_both(
    make_pairs: Callable[..., MemoryPairs], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synthetic = make_pairs(4, 1), make_pairs(6, 1)
    base = {id(real): 100, id(synthetic): 200}
    monkeypatch.setattr(
        type(real), "families", lambda self, indices: [base[id(self)] + index for index in indices], raising=True
    )
    mixed = MixedPairs(real, synthetic, 0.5)
    found = mixed.families([int(index) for index in mixed.indices("train")])
    assert found == [100, 101, 102, *range(200, 205)]


def test_a_trained_card_carries_them(
    make_pairs: Callable[..., MemoryPairs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = make_pairs(12, 2)

    def families(_: MemoryPairs, indices: Sequence[int]) -> list[int]:
        return [1000 + int(index) for index in indices]

    monkeypatch.setattr(type(pairs), "families", families)
    train("wiener", pairs, tmp_path / "run", quiet=True, device="cpu")
    card = json.loads((tmp_path / "run" / "weights.json").read_text())
    assert seen(card["data"]["families"], range(990, 1020)) == list(range(1000, 1012))
