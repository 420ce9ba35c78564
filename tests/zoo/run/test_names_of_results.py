"""Two results are never one file: neither by their names nor where their folder takes no notice of case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.folded import ignore_case
from xsim.errors import InputError
from xsim_zoo.run.jobs import plan

if TYPE_CHECKING:
    from pathlib import Path


def files(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return [folder / name for name in names]


def test_results_that_only_case_tells_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # BMP comes out as PNG, so that names differ in case that were told apart by their suffixes.
    given = files(tmp_path / "in", "A.bmp", "a.png", "b.tif")
    (tmp_path / "out").mkdir()
    jobs = plan(given, tmp_path / "out")
    assert [job.output.name for job in jobs] == ["A.png", "a.png", "b.tif"]
    ignore_case(monkeypatch, tmp_path / "out")
    with pytest.raises(InputError, match=r"a\.png: would be written to .*a\.png, like .*A\.bmp, as that folder"):
        plan(given, tmp_path / "out")
    with pytest.raises(InputError, match="rename one"):  # nor in a folder that is yet to be made
        plan(given, tmp_path / "out" / "new")
    assert not list((tmp_path / "out").iterdir())
    assert len(plan(given[1:], tmp_path / "out")) == 2


def test_a_result_is_no_input_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path / "in", "a.tif", "B.tif")
    ignore_case(monkeypatch, tmp_path)
    with pytest.raises(InputError, match="is also an input"):
        plan([tmp_path / "in"], tmp_path / "IN")
    with pytest.raises(InputError, match="is also an input"):
        plan([tmp_path / "in" / "a.tif"], tmp_path / "in" / "A.TIF")


def test_maps_and_pictures_of_two_results_are_two_files(tmp_path: Path) -> None:
    given = files(tmp_path / "in", "a.tif", "a.png")
    assert len(plan(given, tmp_path / "out")) == 2
    with pytest.raises(InputError, match=r"a\.png: would be written to .*a_std\.tif, like .*a\.tif: rename one"):
        plan(given, tmp_path / "out", std=True)
    with pytest.raises(InputError, match=r"a_picture\.png, like"):
        plan(given, tmp_path / "out", picture=True)
    with pytest.raises(InputError, match=r"a_std\.tif, like"):
        plan(files(tmp_path / "other", "a.tif", "a_std.tif"), tmp_path / "out", std=True)
