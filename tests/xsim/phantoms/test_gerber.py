"""Real boards: small ones written here, the five of ../shared/data where they are present."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from xsim.errors import InputError, MissingFileError
from xsim.phantoms.design.rules import PLATING_MM
from xsim.phantoms.gerber import GerberBoard
from xsim.phantoms.gerber.files import sort_files
from xsim.phantoms.gerber.parse import read_gerber
from xsim.phantoms.parts.grid_arrays import Bga
from xsim.phantoms.scene import Layer
from xsim.phantoms.view import View

BOARDS = Path(__file__).parents[4] / "shared" / "data" / "boards"
needs_boards = pytest.mark.skipif(not BOARDS.is_dir(), reason=f"no real boards at {BOARDS}")

HEAD = "%FSLAX46Y46*%\n%MOMM*%\n%ADD10C,0.2*%\n%ADD11C,1.0*%\n%ADD12R,1.0X0.6*%\n%ADD13C,0.5*%\nG01*\n"


def at(x: float, y: float, code: str) -> str:
    return f"X{round(x * 1e6)}Y{round(y * 1e6)}{code}*\n"


def rectangle(width: float, height: float) -> str:
    corners = [(0, 0), (width, 0), (width, height), (0, height), (0, 0)]
    return HEAD + "D10*\n" + at(0, 0, "D02") + "".join(at(x, y, "D01") for x, y in corners[1:]) + "M02*\n"


def board(folder: Path, width: float = 20.0, height: float = 10.0, **changes: str) -> Path:
    """Write a two-layer board: a track, a land with a plated hole, a bare hole, a slot, a copper region."""
    region = "G36*\n" + at(12, 2, "D02") + "".join(at(x, y, "D01") for x, y in [(16, 2), (16, 5), (12, 5), (12, 2)])
    top = HEAD + "D10*\n" + at(2, 5, "D02") + at(8, 5, "D01") + "D11*\n" + at(8, 5, "D03") + region + "G37*\nM02*\n"
    bottom = HEAD + "D11*\n" + at(8, 5, "D03") + "M02*\n"
    drill = "M48\nMETRIC,TZ\nT1C0.5\nT2C2.0\n%\nG90\nT1\nX8.0Y5.0\nX4.0Y8.0G85X5.0Y8.0\nT2\nX18.0Y8.0\nM30\n"
    files = {
        "b.gtl": top,
        "b.gbl": bottom,
        "b.gko": rectangle(width, height),
        "b.drl": drill,
        "b.gts": HEAD + "D11*\n" + at(8, 5, "D03") + "M02*\n",
    }
    files.update(changes)
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        if text:
            (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_layers_become_thickness(tmp_path: Path) -> None:
    loaded = GerberBoard.load(board(tmp_path / "b"))
    assert loaded.size_mm == pytest.approx((20.0, 10.0))
    phantom = loaded.window(0.0, 0.0, shape=(1000, 2000), pixel_mm=0.01, parts=False)
    copper, laminate = phantom.thickness_of("Cu"), phantom.thickness_of("FR-4")
    outer = loaded.stackup.copper_mm[1]
    # y runs downwards from the upper left corner: Gerber's y = 5 is row 500.
    assert copper[500, 400] == pytest.approx(outer)
    assert copper[520, 400] == 0.0
    assert copper[650, 1400] == pytest.approx(outer)  # the region, 2 to 5 above the lower edge
    assert laminate[650, 1400] == pytest.approx(1.6)
    ring = copper[500, 800 + 40]
    assert ring == pytest.approx(2.0 * outer)
    assert copper[500, 800] == 0.0
    assert laminate[500, 800] == 0.0
    wall = copper[500, 800 + 26]
    assert wall > 1.6  # the barrel, seen along its wall
    assert laminate[200, 1800] == 0.0
    assert laminate[200, 450] == 0.0  # the slot
    track = copper[450:550, 400].astype(float).sum() * 0.01
    assert track == pytest.approx(0.2 * outer, rel=1e-2)


def test_plating_is_decided_by_copper_around_the_hole(tmp_path: Path) -> None:
    loaded = GerberBoard.load(board(tmp_path / "b"))
    round_holes = {d.diameter: d.plated for d in loaded.drills if (d.x0, d.y0) == (d.x1, d.y1)}
    assert round_holes == {0.5: True, 2.0: False}
    barrel = next(d for d in loaded.drills if d.diameter == 0.5 and d.x0 == d.x1)
    phantom = loaded.window(barrel.x0 - 1.0, barrel.y0 - 1.0, shape=(400, 400), pixel_mm=0.005, parts=False)
    height = loaded.stackup.z_mm[-1] - loaded.stackup.z_mm[0] + loaded.stackup.copper_mm[0]
    land = 2 * loaded.stackup.copper_mm[0] * math.pi * (0.5**2 - (0.25 + PLATING_MM) ** 2)
    wall = height * math.pi * ((0.25 + PLATING_MM) ** 2 - 0.25**2)
    middle = phantom.thickness_of("Cu")[90:310, 90:310].astype(float).sum() * 0.005**2
    track = loaded.stackup.copper_mm[1] * 0.2 * 0.05
    assert middle == pytest.approx(land + wall + track, rel=5e-3)


def test_roles_can_be_given(tmp_path: Path) -> None:
    folder = board(tmp_path / "b")
    (folder / "b.gtl").rename(folder / "art001")
    with_roles = sort_files(folder, {"art001": "copper:1"})
    assert [path.name for path in with_roles.copper] == ["art001", "b.gbl"]
    assert [path.name for path in sort_files(folder).copper] == ["b.gbl"]
    with pytest.raises(InputError, match="give one of"):
        sort_files(folder, {"art001": "cupper"})


def test_x2_attributes_win_over_names(tmp_path: Path) -> None:
    folder = board(tmp_path / "b")
    text = (folder / "b.gtl").read_text()
    (folder / "b.gtl").unlink()
    (folder / "odd.name").write_text("%TF.FileFunction,Copper,L1,Top*%\n" + text)
    assert [path.name for path in sort_files(folder).copper] == ["b.gbl", "odd.name"][::-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"b_gtl": "", "b_gbl": ""}, "no copper layer"),
        ({"b_gko": ""}, "no board outline"),
        ({"b_gtl": HEAD + "D11*\nX80000"}, "cut short"),
        ({"b_gtl": HEAD + "D77*\n" + at(1, 1, "D03") + "M02*\n"}, "cannot be read"),
        ({"b_gko": HEAD + "M02*\n"}, "no closed outline"),
    ],
)
def test_unusable_folders_are_one_line(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    folder = board(tmp_path / "b")
    for name, text in changes.items():
        path = folder / name.replace("_", ".")
        path.unlink()
        if text:
            path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        GerberBoard.load(folder)
    assert "\n" not in str(caught.value)


def test_empty_missing_and_huge_boards(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no Gerber"):
        GerberBoard.load(tmp_path / "empty")
    with pytest.raises(MissingFileError, match="no such folder"):
        GerberBoard.load(tmp_path / "none")
    # Coordinates of six decimals reach a kilometre: a board of 10 m is a mistake in units.
    board(tmp_path / "huge", 10000.0, 10000.0)
    with pytest.raises(InputError, match="1000 mm"):
        GerberBoard.load(tmp_path / "huge")


def test_windows_outside_name_the_boards_extent(tmp_path: Path) -> None:
    loaded = GerberBoard.load(board(tmp_path / "b"))
    with pytest.raises(InputError, match=r"0,0 to 20\.00,10\.00 mm"):
        loaded.window(50.0, 0.0)
    with pytest.raises(InputError, match="outside"):
        loaded.window(math.nan, 0.0)


def test_copper_outside_the_edge_is_cut_off(tmp_path: Path) -> None:
    text = HEAD + "D11*\n" + at(-3, 5, "D03") + at(8, 5, "D03") + "M02*\n"
    folder = board(tmp_path / "b")
    (folder / "b.gtl").write_text(text)
    phantom = GerberBoard.load(folder).window(-5.0, 0.0, shape=(400, 400), pixel_mm=0.05, parts=False)
    assert not phantom.thickness_of("Cu")[:, :99].any()
    assert not phantom.thickness_of("FR-4")[:, :99].any()
    assert phantom.thickness_of("FR-4")[150, 120] == pytest.approx(1.6)


def grid_board(folder: Path, *, columns: int, rows: int, in_one_land: bool) -> GerberBoard:
    """Write a board of round lands on a 1 mm grid, or of mask dots over one large land."""
    spots = [(30 + i, 30 + j) for i in range(columns) for j in range(rows)]
    flashes = "".join(at(x, y, "D03") for x, y in spots)
    land = "%ADD20R,40.0X40.0*%\nD20*\n" + at(30 + 0.5 * columns, 30 + 0.5 * rows, "D03")
    copper = HEAD + (land if in_one_land else "D13*\n" + flashes) + "M02*\n"
    board(folder, 80.0, 80.0)
    (folder / "b.gtl").write_text(copper)
    (folder / "b.gts").write_text(HEAD + "D13*\n" + flashes + "M02*\n")
    return GerberBoard.load(folder)


def test_regular_grids_become_ball_grids(tmp_path: Path) -> None:
    found = grid_board(tmp_path / "b", columns=10, rows=8, in_one_land=False).parts
    assert [type(f.part) for f, _ in found] == [Bga]
    part = found[0][0].part
    assert isinstance(part, Bga)
    assert (part.pitch, len(part.sites), found[0][1]) == (1.0, 80, False)


def test_thermal_dots_and_small_grids_do_not(tmp_path: Path) -> None:
    assert not grid_board(tmp_path / "a", columns=10, rows=8, in_one_land=True).parts
    assert not grid_board(tmp_path / "b", columns=5, rows=5, in_one_land=False).parts


@needs_boards
@pytest.mark.parametrize(
    ("name", "layers", "size"),
    [
        ("lasmo", 2, (123.0, 70.0)),
        ("arduino_uno", 2, (68.6, 53.3)),
        ("bus_pirate", 2, (60.0, 37.0)),
        ("mchck", 2, (36.6, 18.8)),
    ],
)
def test_real_boards_load(name: str, layers: int, size: tuple[float, float]) -> None:
    loaded = GerberBoard.load(BOARDS / name)
    assert len(loaded.copper) == layers
    assert loaded.size_mm == pytest.approx(size, abs=0.1)
    assert sum(bool(d.plated) for d in loaded.drills) > 20
    phantom = loaded.window(shape=(256, 256), pixel_mm=0.05)
    assert phantom.thickness_of("FR-4").max() <= 1.6 + 1e-4
    assert phantom.thickness_of("Cu").any()


@needs_boards
@pytest.mark.slow
def test_limesdr_has_its_balls_and_no_others() -> None:
    loaded = GerberBoard.load(BOARDS / "limesdr_qpcie")
    assert len(loaded.copper) == 14
    grids = [(found.part, below) for found, below in loaded.parts if isinstance(found.part, Bga)]
    assert max(len(part.sites) for part, _ in grids) == 896
    # One FPGA, one 0.8 mm part of 121 balls, four memories of 96; no grid below, where only vias lie open.
    assert sorted(len(part.sites) for part, _ in grids) == [96, 96, 96, 96, 121, 896]
    assert not any(below for _, below in grids)


@needs_boards
@pytest.mark.skipif(shutil.which("gerbv") is None, reason="gerbv is not installed")
def test_one_layer_agrees_with_gerbv(tmp_path: Path) -> None:
    from PIL import Image

    path = BOARDS / "mchck" / "mchck-F_Cu.pho"
    picture = tmp_path / "layer.png"
    look = ["-x", "png", "-D", "2540", "-a", "-B", "0", "-b", "#000000", "-f", "#ffffff"]
    subprocess.run(["gerbv", *look, "-o", str(picture), str(path)], check=True, timeout=120)
    theirs = np.asarray(Image.open(picture).convert("L")) > 127
    artwork = read_gerber(path)
    (x0, y0), (x1, y1) = artwork.boxes[:, :2].min(axis=0), artwork.boxes[:, 2:].max(axis=0)
    view = View(theirs.shape, 0.01, centre_mm=(0.5 * (x0 + x1), 0.5 * (y0 + y1)))
    mine = Layer("Cu", 1.0, 0.0, list(artwork.shapes)).coverage(view) > 0.5
    # gerbv's image may lie some pixels off.
    best = max(
        float((mine & shifted).sum() / (mine | shifted).sum())
        for dy in (-2, -1, 0, 1, 2)
        for dx in (-2, -1, 0, 1, 2)
        for shifted in [np.roll(theirs, (dy, dx), axis=(0, 1))]
    )
    assert best >= 0.98
