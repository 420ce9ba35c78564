"""``xsim phantom``: what it writes, what it says, and how it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from xsim.phantoms import Phantom
from xsim_cli.app import main

if TYPE_CHECKING:
    from pathlib import Path


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line on stderr of a call that must end with exit code 2."""
    with pytest.raises(SystemExit) as end:
        main(["phantom", *arguments])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("xsim: ")
    assert err.count("\n") == 1
    return err


def test_random_writes_phantom_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "b.npz"
    main(["phantom", "random", "--seed", "3", "--size", "96", "-o", str(out), "--mark-defects", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "xsim.phantom-random/1"
    phantom = Phantom.load(out)
    assert phantom.seed == said["seed"] == 3
    assert said["shape"] == [96, 96]
    assert Image.open(tmp_path / "b.png").size == (96, 96)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.npz", "b.png"]


def test_target_is_drawn_at_its_angle(tmp_path: Path) -> None:
    out = tmp_path / "e.npz"
    main(["phantom", "target", "edge", "--size", "64", "--angle-deg", "5", "--material", "Cu", "-o", str(out)])
    assert Phantom.load(out).materials == ("Cu",)


def test_outputs_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "e.npz"
    call = ["target", "flat", "--size", "32", "-o", str(out)]
    main(["phantom", *call])
    before = out.read_bytes()
    capsys.readouterr()
    assert "--force" in refused(call, capsys)
    assert out.read_bytes() == before
    main(["phantom", *call, "--force"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["random", "--seed", "-1"], "seed -1"),
        (["random", "--tilt-deg", "60"], "0 to 45"),
        (["random", "--size", "100000"], "pixels"),
        (["random", "--size", "0"], "pixels"),
        (["random", "--pixel-um", "nan"], "nan"),
        (["target", "edg"], "edge"),
        (["target", "edge", "--material", "Unobtanium"], "Unobtanium"),
        (["target", "edge", "--thickness-mm", "-1"], "thickness"),
        (["gerber", "/nowhere/at/all"], "no such folder"),
    ],
)
def test_bad_calls_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in refused([*arguments, "-o", str(tmp_path / "x.npz")], capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("window", ["1,2,3", "a,b,c,d", "1,1,nan,4", "0,0,-3,4"])
def test_bad_windows_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], window: str) -> None:
    assert "X,Y,W,H" in refused(["gerber", str(tmp_path), "--window", window, "-o", str(tmp_path / "x.npz")], capsys)


def test_an_empty_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "holds no Gerber" in refused(["gerber", str(tmp_path), "-o", str(tmp_path / "x.npz")], capsys)
    assert "FILE.npz" in refused(["random", "-o", str(tmp_path / "x.tif")], capsys)
