"""Several stores in one run: every share is kept exactly, every pair comes round, nothing is mixed up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xsim.errors import InputError
from xsim_zoo.training.data import Codes, MemoryPairs, codes_of
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.sources.joined import JoinedPairs, order_of
from xsim_zoo.training.train import train
from xsim_zoo.weights.loading import describe

if TYPE_CHECKING:
    from pathlib import Path
    from types import SimpleNamespace

SHORT = TrainSettings(size="tiny", steps=2, batch=2, crops=1, patch=32, validate_every=2, save_every=2, loop="device")


@pytest.fixture(scope="module")
def two(pairs: MemoryPairs, toys: SimpleNamespace) -> tuple[MemoryPairs, MemoryPairs]:
    other = replace(pairs, hr=pairs.hr[:3] * 0.5, lr=pairs.lr[:3] * 0.5, held_out=1)
    return pairs, replace(other, degradation=toys.closed_form(width=3.0))


def test_shares_hold_in_every_epoch_and_every_pair_comes_round(two: tuple[MemoryPairs, MemoryPairs]) -> None:
    joined = JoinedPairs(two, [1, 3])
    order = joined.order(5)
    assert joined.counts == [6, 18]
    for epoch in range(3):
        seen = Counter(order[24 * epoch + place] for place in range(24))
        assert all(seen[index] == 1 for index in range(6))
        assert all(seen[index] == 9 for index in (6, 7))
    assert [order[k] for k in range(24)] != [order[24 + k] for k in range(24)]
    alike = JoinedPairs(two)
    assert alike.counts == [6, 2]
    assert sorted(alike.order(0)[k] for k in range(8)) == list(range(8))
    assert order_of(two[0], tuple(range(6)), 3)[4] in range(6)


def test_a_sample_keeps_its_image_its_detectors_and_its_code(two: tuple[MemoryPairs, MemoryPairs]) -> None:
    joined = JoinedPairs(two, [1, 1])
    hr, lr = joined.read_batch([7, 0, 6, 5])
    for place, (source, own) in enumerate(((1, 1), (0, 0), (1, 0), (0, 5))):
        assert np.array_equal(hr[place], two[source].hr[own])
        assert np.array_equal(lr[place], two[source].lr[own])
    assert [joined.setup_of(index) for index in (5, 6, 7)] == [0, 1, 1]
    assert joined.setups == [two[0].degradation, two[1].degradation]
    assert joined.indices("train").tolist() == list(range(8))
    held_out = joined.indices("validation").tolist()
    assert [joined.setup_of(index) for index in held_out] == [0, 1, 0], "by turns"
    assert codes_of(joined) is None
    assert [joined.origin(index) for index in (7, 0, held_out[1])] == [(1, 1), (0, 0), (1, 2)]


def test_codes_of_sources_keep_their_lines(two: tuple[MemoryPairs, MemoryPairs]) -> None:
    sources = []
    for number, source in enumerate(two):
        codes = np.full((len(source.hr), 2, *source.shape), number, np.uint16) + np.arange(len(source.hr))[
            :, None, None, None
        ].astype(np.uint16)
        line = (0.5 + number, 0.0)
        kind = type("Coded", (MemoryPairs,), {"codes": Codes(lambda own, c=codes: c[list(own)], lambda i, v=line: v)})
        sources.append(kind(source.hr, source.lr, source.degradation, source.held_out))
    found = codes_of(JoinedPairs(sources))
    assert found is not None
    assert found.read([7, 2, 6])[:, 0, 0, 0].tolist() == [2, 2, 1]
    assert [found.line_of(index)[0] for index in (7, 2)] == [1.5, 0.5]


def test_what_does_not_fit_is_one_line(two: tuple[MemoryPairs, MemoryPairs]) -> None:
    small = replace(two[1], hr=two[1].hr[:, :64, :64], lr=two[1].lr[:, :64, :64])
    for sources, shares, message in (
        ([two[0], small], None, "64 x 64 px cannot be mixed with 96 x 96"),
        (two, [1.0], "1 shares for 2 stores"),
        (two, [1.0, 0.0], "give numbers above 0"),
        (two, [1.0, float("nan")], "give numbers above 0"),
        (two, [1.0, 1e9], "too unequal"),
    ):
        with pytest.raises(InputError, match=message):
            JoinedPairs(sources, shares)


def test_a_run_learns_from_both(two: tuple[MemoryPairs, MemoryPairs], tmp_path: Path) -> None:
    joined = JoinedPairs(two, [1, 1])
    train("unet-wiener", joined, tmp_path / "run", SHORT, device="cpu", quiet=True)
    data = describe("unet-wiener", tmp_path / "run")["card"]["data"]
    assert data["pairs"] == 8
    assert data["setups"] == 2
    again = JoinedPairs(two, [1, 2])
    with pytest.raises(InputError, match="data set has changed"):
        train("unet-wiener", again, tmp_path / "run", SHORT, resume=True, device="cpu", quiet=True)
