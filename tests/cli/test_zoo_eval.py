"""`xsim zoo eval`: one document on stdout, a report with its twins, one line for what cannot be used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.zoo.evaluation.boards import BoardMaker, board_store
from xsim_cli.app import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("eval") / "pairs.zarr"
    board_store(path, BoardMaker())
    return path


def _eval(*words: str | Path) -> list[str]:
    return ["zoo", "eval", *map(str, words), "--workers", "1", "--resamples", "200"]


def test_json_is_one_document_with_the_promised_keys(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(_eval("wiener", "--data", data, "--sections", "power,chi2,differences", "--json"))
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "xsim.zoo.eval/1"
    assert (document["images"], document["families"]) == (6, 3)
    assert set(document["restorers"]) == {"lr", "wiener"}
    assert set(document["restorers"]["wiener"]) >= {"psnr_dB", "ssim", "power_ratio", "chi2"}
    assert document["evaluation"]["absent"]["edges"] == "not asked for"


def test_report_and_table_appear_and_the_journal_goes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, table = tmp_path / "out.html", tmp_path / "images.csv"
    words = _eval("wiener", "--data", data, "-n", "2", "--sections", "power,chi2,shown", "--quick")
    main([*words, "-o", str(page), "--csv", str(table)])
    assert page.read_text().lstrip().lower().startswith("<!doctype html")
    assert json.loads(page.with_suffix(".json").read_text())["provenance"]["data"]["images"] == 2
    assert len(table.read_text().splitlines()) == 1 + 2 * 2
    assert not list(tmp_path.glob(".*"))
    assert "wiener" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main([*words, "-o", str(page)])
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("wienr", "--data", "DATA"), "did you mean wiener"),
        (("wiener", "--data", "nowhere.zarr"), "no such store"),
        (("wiener", "--data", "DATA", "--split", "exam"), "unknown split"),
        (("wiener", "--data", "DATA", "--sections", "powr"), "unknown section"),
        (("wiener", "--data", "DATA", "-o", "page.pdf"), "ends in .html"),
        (("wiener", "--data", "DATA", "-n", "0"), "number of images"),
        (("wiener", "wiener", "--data", "DATA"), "given twice"),
        (("unet:weights=runs/none", "--data", "DATA"), "has no card"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_2(
    words: tuple[str, ...], said: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(_eval(*(str(data) if word == "DATA" else word for word in words)))
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
