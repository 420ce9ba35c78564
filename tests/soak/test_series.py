"""The verdict of a soak says what it should of memory whose growth is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.soak.folder import fill
from tests.soak.series import Series

MIB = 2**20


def series(
    per_ten_minutes: float, noise: float = 0.0, minutes: float = 30.0, settles: float = 0.3, leaks: bool = False
) -> Series:
    """Return a process of 400 MiB that is looked at every ten seconds, and settles in the first minutes."""
    seconds = np.arange(0, 60 * minutes, 10)
    drawn = np.random.default_rng(1).normal(0, noise, seconds.size)
    memory = 400 * MIB * (1 + per_ten_minutes * seconds / 600 + drawn - settles * np.exp(-seconds / 60))
    held = [12 + (number // 40 if leaks else number % 3) for number in range(seconds.size)]
    return Series(list(seconds), [int(one) for one in memory], held, [3] * seconds.size)


def test_growth_is_found_and_what_settles_is_none() -> None:
    flat, grows = series(0.0, 0.002).growth(), series(0.02, 0.002).growth()
    assert flat is not None
    assert grows is not None
    assert (flat.holds, grows.holds) == ("yes", "no")
    assert grows.mean == pytest.approx(0.02, abs=0.003)
    assert series(0.02, 0.002).complaints("it")[0].startswith("it: memory grows by +")


def test_a_run_that_is_too_short_does_not_hold() -> None:
    noisy = series(0.0, 0.02, minutes=3, settles=0.0)
    found = noisy.growth()
    assert found is not None
    assert found.holds == "not shown"
    assert "run for longer" in noisy.complaints("it")[0]
    assert "say nothing" in Series().complaints("it")[0]


def test_descriptors_that_come_and_go_are_none_that_leak() -> None:
    assert series(0.0).more("descriptors") == 0
    assert series(0.0, leaks=True).more("descriptors") > 0
    assert series(0.0, leaks=True).complaints("it") == ["it: +2 descriptors"]
    fewer = series(0.0, leaks=True)
    fewer.descriptors.reverse()
    assert fewer.more("descriptors") < 0
    assert not fewer.complaints("it")


def test_the_folder_holds_good_and_bad_files(tmp_path) -> None:
    good, bad = fill(tmp_path / "files")
    assert (good, bad) == (4, 20)
    assert len([path for path in (tmp_path / "files").iterdir() if path.is_file()]) >= good + bad
