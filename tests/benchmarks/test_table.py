"""The table of all benchmarks: ratios point the right way, and every figure stands under its command."""

from __future__ import annotations

import math

import pytest

areas = pytest.importorskip("suite.areas")
page = pytest.importorskip("suite.page")
rows = pytest.importorskip("suite.rows")


def test_ratios_of_times_and_of_rates():
    slow = rows.Row("work", 20.0, "ms CPU", "floor", 5.0, "peer", 60.0)
    assert (slow.times_floor, slow.times_faster) == (4.0, 3.0)
    rate = rows.Row("work", 20.0, "pairs/s", "floor", 80.0, "peer", 5.0, rate=True)
    assert (rate.times_floor, rate.times_faster) == (4.0, 4.0)


def test_a_peer_that_is_missing_has_a_reason_and_no_ratio():
    error = ModuleNotFoundError("No module named 'pysaber'", name="pysaber")
    row = rows.Row("work", 1.0, "ms CPU").with_peer(f"pySaber: {rows.missing(error)}", None, "slow")
    assert row.times_faster is None
    text = page.markdown({"deblurring": ([row], 100.0, "")}, ["a machine"])
    assert "pySaber: pysaber is not installed" in text
    assert rows.missing(RuntimeError("no GL\nat all")) == "cannot run: no GL"


def test_every_area_can_be_imported_and_shows_its_command():
    found = {name: ([rows.Row("work", 1.0, "ms CPU")], 100.0, "") for name in areas.AREAS}
    text = page.markdown(found, ["a machine"])
    for name, area in areas.AREAS.items():
        assert f"## {area.title}" in text
        assert f"--areas {name}`" in text
        __import__(area.module)


def test_an_area_that_fails_is_named_and_the_rest_stands():
    found = {"boards": ([], 0.0, "out of memory"), "measuring": ([rows.Row("MTF", 2.0, "ms CPU")], 1.0, "")}
    for text in (page.markdown(found, []), page.text(found, [])):
        assert "out of memory" in text
        assert "MTF" in text


def test_what_was_not_measured_leaves_its_cell_empty():
    text = page.text({"pairs": ([rows.Row("the same", math.nan, "s wall", peer="gecatsim: no build")], 1.0, "")}, [])
    assert "nan" not in text
    assert "gecatsim: no build" in text
