"""A pair's folder: whole or not there, 16 bit with the open field where it says."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from xsim.errors import EnvironmentFaultError, InputError, PhysicsRangeError
from xsim.imaging.pair import Pair
from xsim_datasets.pair_folder import codes_from_grey, write_pair

if TYPE_CHECKING:
    from pathlib import Path


def pair(level: float = 0.5) -> Pair:
    image = np.full((40, 50), level, np.float32)
    image[10:20, 10:30] *= np.float32(0.3)
    return Pair(image, image, None, None, 0.048, {"seed": 1}, {"lr_saturated": 0})


def test_codes_are_rounded_and_what_does_not_fit_is_counted() -> None:
    image = np.array([[0.0, 1.0, 0.500004, -0.2, 1.4]], np.float32)
    codes, clipped = codes_from_grey(image, 50_000)
    np.testing.assert_array_equal(codes, [[0, 50_000, 25_000, 0, 65_535]])
    assert codes.dtype == np.uint16
    assert clipped == 2
    for level in (0, 65_536, -1):
        with pytest.raises(PhysicsRangeError, match="open-field level"):
            codes_from_grey(image, level)


@pytest.mark.parametrize("stage", ["xsim_datasets.pair_folder.draw_comparison", "tifffile.imwrite"])
def test_a_full_disk_leaves_nothing_behind(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stage, full)
    with pytest.raises(EnvironmentFaultError, match="no space left"):
        write_pair(pair(), tmp_path / "out", recipe="paper")
    assert not list(tmp_path.iterdir())


def test_a_failed_replacement_keeps_the_old_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out"
    write_pair(pair(), target, recipe="paper")
    before = (target / "hr.tif").read_bytes()

    def broken(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("xsim_datasets.pair_folder.draw_comparison", broken)
    with pytest.raises(EnvironmentFaultError):
        write_pair(pair(0.9), target, recipe="paper", force=True)
    assert (target / "hr.tif").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_index_names_what_is_there(tmp_path: Path) -> None:
    index = write_pair(pair(1.5), tmp_path / "out", recipe="mine.toml", open_field=60_000)
    assert json.loads((tmp_path / "out" / "pair.json").read_text()) == index
    assert index["counts"]["hr_clipped"] == 40 * 50 - 10 * 20
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"hr.tif", "lr.tif", "pair.png", "pair.json"}


def test_files_are_no_folders(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="exists already"):
        write_pair(pair(), tmp_path / "out", recipe="paper")
    with pytest.raises(InputError, match="no pair"):
        write_pair(pair(), tmp_path / "out", recipe="paper", force=True)
