"""Checks against a baseline: limits each way, a log that shows what was changed, drifts that are none by chance."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from xsim.errors import InputError
from xsim.measure.sheet import (
    FIGURES,
    LIMITS,
    Sheet,
    append_check,
    compare,
    read_figures,
    read_log,
    trends,
    write_sheet,
)
from xsim.measure.sheet.dose import DoseSNR, efficiency

BASE = {"isrb_mm": 0.1, "dsnr_1mGy": 500.0, "offset": 1000.0, "relevant_clusters": 0.0}
START = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_figure_has_a_limit():
    assert set(LIMITS) == set(FIGURES)


@pytest.mark.parametrize(
    ("name", "value", "within"),
    [
        ("isrb_mm", 0.11, True),
        ("isrb_mm", 0.1101, False),
        ("isrb_mm", 0.01, True),  # sharper is no fault
        ("dsnr_1mGy", 450.0, True),
        ("dsnr_1mGy", 449.0, False),
        ("dsnr_1mGy", 5000.0, True),
        ("offset", 899.0, False),
        ("offset", 1101.0, False),
        ("relevant_clusters", 1.0, False),
        ("relevant_clusters", 0.0, True),
    ],
)
def test_limits_hold_the_way_that_is_worse(name, value, within):
    (check,) = (one for one in compare(BASE, {name: value}) if one.name == name)
    assert check.within is within


def test_own_limits_and_what_was_not_measured():
    checks = compare(BASE, {"isrb_mm": 0.115}, {"isrb_mm": 20})
    assert [one.within for one in checks] == [True, None, None, None]
    assert checks[0].change_percent == pytest.approx(15)
    with pytest.raises(InputError, match="nothing of the baseline"):
        compare(BASE, {"lag_percent": 1.0})
    with pytest.raises(InputError, match="no such figure"):
        compare(BASE, BASE, {"sharpness": 3})
    with pytest.raises(InputError, match="0 or above"):
        compare(BASE, BASE, {"isrb_mm": -1})


def add(path, day: int, isrb: float):
    return append_check(path, START + timedelta(days=day), compare(BASE, {"isrb_mm": isrb}))


def test_the_log_grows_line_by_line_and_keeps_what_was(tmp_path):
    log = tmp_path / "panel.jsonl"
    assert read_log(log) == []
    add(log, 0, 0.1)
    first = log.read_text()
    assert [entry["figures"]["isrb_mm"] for entry in add(log, 30, 0.12)] == [0.1, 0.12]
    assert log.read_text().startswith(first)
    assert read_log(log)[1]["beyond"] == ["isrb_mm"]


@pytest.mark.parametrize("harm", ["changed", "taken out", "swapped", "no json", "torn"])
def test_a_log_that_was_changed_is_not_added_to(tmp_path, harm):
    log = tmp_path / "panel.jsonl"
    for day in range(4):
        add(log, day, 0.1 + 0.001 * day)
    lines = log.read_text().splitlines()
    if harm == "changed":
        lines[1] = lines[1].replace("0.101", "0.100")
    elif harm == "taken out":
        del lines[1]
    elif harm == "swapped":
        lines[1], lines[2] = lines[2], lines[1]
    elif harm == "no json":
        lines[2] = "checked, fine"
    else:
        lines[3] = lines[3][:40]
    log.write_text("\n".join(lines) + "\n")
    before = log.read_bytes()
    with pytest.raises(InputError, match="line"):
        add(log, 9, 0.1)
    assert log.read_bytes() == before


def test_a_drift_is_told_with_the_day_of_its_limit_and_noise_is_none(tmp_path):
    rng = np.random.default_rng(0)
    days = np.arange(12) * 30
    log = tmp_path / "drift.jsonl"
    for day in days:
        entries = add(log, int(day), 0.1 * (1 + 0.04 * day / 365.25 + rng.normal(0, 0.0005)))
    (found,) = trends(entries, compare(BASE, {"isrb_mm": 0.1036}))
    assert found.drifts
    assert found.percent_per_year == pytest.approx(4, rel=0.1)
    # 10 % at 4 % a year: two and a half years on.
    assert abs((datetime.fromisoformat(found.limit_on) - datetime(2028, 7, 1)).days) < 90
    steady = tmp_path / "steady.jsonl"
    for day in days:
        entries = add(steady, int(day), 0.1 * (1 + rng.normal(0, 0.01)))
    (still,) = trends(entries, compare(BASE, {"isrb_mm": 0.1}))
    assert not still.drifts
    assert still.limit_on is None


def test_few_checks_make_no_trend(tmp_path):
    log = tmp_path / "few.jsonl"
    for day in range(4):
        entries = add(log, day, 0.1 + 0.001 * day)
    assert trends(entries, compare(BASE, {"isrb_mm": 0.104}))[0].percent_per_year is None


def test_a_sheet_comes_back_from_its_file(tmp_path):
    doses = (DoseSNR(300.0, 900.0, 120.0, 3, 25),)
    sheet = Sheet(0.1, srb_given_mm=0.2, doses=doses, efficiency=efficiency(doses, 0.2), offset=3.0, dark_noise=1.0)
    path = tmp_path / "sheet.toml"
    write_sheet(path, sheet.document(), limits={"offset": 5.0})
    figures, tables = read_figures(path)
    assert figures == pytest.approx(sheet.figures())
    assert tables["limits"] == {"offset": 5.0}
    assert json.loads(json.dumps(tables))["snr"]["dsnr"] == [120.0]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("pitch_mm = 0.1\n", "no data sheet"),
        ("[figures]\nsharpness = 3.0\n", "unknown"),
        ("[figures]\nisrb_mm = 'sharp'\n", "no number"),
        ("[figures]\nisrb_mm = nan\n", "no number"),
        ("[figures\n", "no TOML"),
    ],
)
def test_files_that_are_no_sheets_are_refused(tmp_path, text, cause):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=cause):
        read_figures(path)
