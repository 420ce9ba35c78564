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


@pytest.mark.parametrize("kind", ["casting", "weld", "machined", "wedge", "texture"])
def test_objects_are_written_with_their_flaws(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o.npz"
    call = ["phantom", kind, "--seed", "2", "--size", "64", "--pixel-um", "400", "-o", str(out), "--mark-defects"]
    main([*call, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == f"xsim.phantom-{kind}/1"
    assert said["family"].startswith(f"{kind}-")
    assert sum(said["defects"].values()) == len(Phantom.load(out).defects)
    assert "--force" in refused(call[1:], capsys)


def test_an_object_is_made_of_what_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o.npz"
    main(["phantom", "casting", "--size", "64", "--material", "Ti", "--thickness-mm", "4", "-o", str(out)])
    assert "Ti" in Phantom.load(out).materials
    capsys.readouterr()
    assert "material" in refused(["casting", "--material", "Tx", "-o", str(tmp_path / "p.npz")], capsys)
    assert not (tmp_path / "p.npz").exists()


def cube(tmp_path: Path) -> Path:
    trimesh = pytest.importorskip("trimesh", reason="the extra 'mesh' is not installed")
    path = tmp_path / "cube.stl"
    trimesh.creation.box((4.0, 4.0, 4.0)).export(path)
    return path


def test_a_mesh_is_drawn_from_any_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, path = tmp_path / "m.npz", cube(tmp_path)
    call = ["phantom", "mesh", str(path), "--material", "Al", "--pose", "45,0,0", "--size", "64", "-o", str(out)]
    main(call)
    assert "1 part, 12 triangles, 4 x 5.657 x 5.657 mm at 1 mm to a unit" in capsys.readouterr().err
    phantom = Phantom.load(out)
    assert phantom.materials == ("Al",)
    assert float(phantom.thickness_mm.max()) == pytest.approx(4.0 * 2.0**0.5, rel=0.03)
    main([*call, "--force", "--json", "--scale", "2", "--source-mm", "100", "--tilt-deg", "10"])
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "xsim.phantom-mesh/1"
    assert (said["parts"], said["mm_per_unit"]) == ([{"name": "1", "volume_mm3": pytest.approx(512.0)}], 2.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--material", "Al", "--pose", "1,2"], "pose"),
        (["--material", "=Al"], "material"),
        (["--material", "Tx"], "material"),
        (["--material", "2=Al"], "part"),
        (["--material", "Al", "--scale", "0"], "scale"),
        (["--material", "Al", "--pixel-um", "nan"], "pixel"),
        (["--material", "Al", "--source-mm", "-5"], "source"),
        (["--material", "Al", "--tilt-deg", "60"], "tilt"),
    ],
)
def test_a_mesh_that_makes_no_sense_is_refused(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cube(tmp_path)
    assert words in refused(["mesh", str(path), *options, "--size", "32", "-o", str(tmp_path / "m.npz")], capsys)
    assert [item.name for item in tmp_path.iterdir()] == ["cube.stl"]


def test_an_open_mesh_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cube(tmp_path)
    facets = bytearray(path.read_bytes())
    facets[80:84] = (11).to_bytes(4, "little")  # one of twelve triangles is gone
    path.write_bytes(facets[: 84 + 11 * 50])
    assert "3 of its 18 edges are open" in refused(
        ["mesh", str(path), "--material", "Al", "-o", str(tmp_path / "m.npz")], capsys
    )
