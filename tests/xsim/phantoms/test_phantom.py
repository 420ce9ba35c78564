"""Phantoms as files and values: round trips, damage, labels, and what a seed promises."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

import xsim
from xsim.errors import InputError, MissingFileError, PhysicsRangeError, UnknownNameError
from xsim.phantoms import BoardRecipe, Defect, Phantom, View, random_board
from xsim.phantoms.assembly import assemble
from xsim.phantoms.board import ROOM, draw_layout, draw_view
from xsim.phantoms.defects import KINDS, DefectLog, check_rates
from xsim.seeds import generator

if TYPE_CHECKING:
    from pathlib import Path

SMALL = (192, 192)


def digest(phantom: Phantom) -> str:
    return hashlib.sha256(phantom.thickness_mm.tobytes() + repr(phantom.defects).encode()).hexdigest()


def sample() -> Phantom:
    maps = np.linspace(0.0, 1.0, 2 * 8 * 9, dtype=np.float32).reshape(2, 8, 9)
    defect = Defect("open", 4.5, 3.5, 0.1, 0.05, (2, 3), np.ones((3, 3), dtype=bool))
    return Phantom(("Cu", "FR-4"), maps, 0.02, "p", "f", 7, (defect,), (0.1, 0.2))


@pytest.mark.parametrize("shape", [64, (64.5, 64), (64, 64, 3), "64x64", None])
def test_a_shape_that_is_none_is_said_in_one_line(shape: object) -> None:
    with pytest.raises(InputError, match="in pixels: give for example"):
        random_board(1, shape)  # type: ignore[arg-type]


def test_a_pair_of_no_phantom_is_said_in_one_line() -> None:
    with pytest.raises(InputError, match="takes a Phantom, then a PairSetup; PairSetup and Phantom were given"):
        xsim.simulate_pair(xsim.recipes.paper(), sample(), 1)  # type: ignore[arg-type]


def test_round_trip_keeps_everything(tmp_path: Path) -> None:
    phantom = sample()
    again = Phantom.load(phantom.save(tmp_path / "p.npz"))
    assert (again.materials, again.pixel_mm, again.name, again.family, again.seed, again.height_mm) == (
        phantom.materials,
        phantom.pixel_mm,
        phantom.name,
        phantom.family,
        phantom.seed,
        phantom.height_mm,
    )
    np.testing.assert_array_equal(again.thickness_mm, phantom.thickness_mm)
    assert again.defects == phantom.defects
    np.testing.assert_array_equal(again.defects[0].mask, phantom.defects[0].mask)
    assert list(tmp_path.iterdir()) == [tmp_path / "p.npz"]


def test_masks_fall_into_place() -> None:
    full = sample().defects[0].full_mask((8, 9))
    assert full.sum() == 9
    assert full[2:5, 3:6].all()


def test_absent_material_is_zero() -> None:
    assert not sample().thickness_of("Au").any()
    assert sample().thickness_of("FR-4")[0, 0] > 0.0


@pytest.mark.parametrize("damage", ["short", "text", "empty", "foreign", "pickle"])
def test_damaged_files_are_one_error(tmp_path: Path, damage: str) -> None:
    path = sample().save(tmp_path / "p.npz")
    if damage == "short":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "text":
        path.write_text("not a phantom")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "foreign":
        np.savez(path, other=np.zeros(3))
    else:
        np.savez(path, header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"not a (phantom|sound archive)"):
        Phantom.load(path)


def test_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sample().save(tmp_path / "p.npz")
    monkeypatch.setattr("xsim.files.npz.MAX_BYTES", 2**20)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big", bytes(2**21))
    with pytest.raises(InputError, match="unpacks to"):
        Phantom.load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"absent\.npz"):
        Phantom.load(tmp_path / "absent.npz")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_impossible_thickness_is_refused(bad: float) -> None:
    maps = np.full((1, 4, 4), bad, np.float32)
    with pytest.raises(InputError, match="below zero or not finite"):
        Phantom(("Cu",), maps, 0.02)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="materials"):
        Phantom(("Cu", "Sn"), np.zeros((1, 4, 4), np.float32), 0.02)
    with pytest.raises(InputError, match="pixel"):
        Phantom(("Cu",), np.zeros((1, 4, 4), np.float32), float("nan"))


def test_same_seed_same_phantom_whatever_came_before() -> None:
    first = digest(random_board(11, SMALL))
    random_board(12, SMALL)
    assert digest(random_board(11, SMALL)) == first
    assert digest(random_board(12, SMALL)) != first
    code = (
        "import hashlib; from xsim.phantoms import random_board; p = random_board(11, (192, 192));"
        "print(hashlib.sha256(p.thickness_mm.tobytes() + repr(p.defects).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == first


@pytest.mark.parametrize("seed", range(6))
def test_random_boards_are_whole(seed: int) -> None:
    phantom = random_board(seed, (256, 256))
    assert phantom.thickness_mm.dtype == np.float32
    assert phantom.thickness_mm.min() >= 0.0
    assert "Cu" in phantom.materials
    assert len(phantom.height_mm) == len(phantom.materials)
    for defect in phantom.defects:
        assert defect.kind in KINDS
        assert defect.mask.any()
        assert 0.0 <= defect.x_px <= 256.0
        assert 0.0 <= defect.y_px <= 256.0
        assert defect.size_mm > 0.0
        assert defect.full_mask(phantom.shape).sum() == defect.mask.sum()


def test_boards_differ_in_kind() -> None:
    families = {random_board(seed, (64, 64)).family for seed in range(20)}
    assert len(families) > 6


def test_materials_are_known_to_xsim() -> None:
    from xsim.materials import material

    for seed in range(4):
        for name in random_board(seed, (256, 256)).materials:
            assert material(name).density_g_cm3 > 0.0


def test_bad_arguments_name_what_is_allowed() -> None:
    with pytest.raises(InputError, match="seed"):
        random_board(-1)
    with pytest.raises(PhysicsRangeError, match="tilt"):
        random_board(1, tilt_deg=46.0)
    with pytest.raises(InputError, match="120 mm"):
        random_board(1, (6000, 64))
    with pytest.raises(InputError, match="pixels"):
        View((0, 10), 0.02)
    with pytest.raises(PhysicsRangeError, match="source distance"):
        View((10, 10), 0.02, source_mm=1.0)
    with pytest.raises(UnknownNameError, match="did you mean"):
        check_rates({"ball-viod": 0.1})
    with pytest.raises(InputError, match="give 0 to 1"):
        check_rates({"open": float("nan")})


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": {3: 1.0}},
        {"rules": {"sloppy": 1.0}},
        {"layers": {}},
        {"tilt_share": 1.5},
        {"most_tilt_deg": 60.0},
        {"small": (9, 3)},
        {"defect_rates": {"open": 2.0}},
    ],
)
def test_bad_recipes_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        BoardRecipe(**changes)  # type: ignore[arg-type]


def test_pixel_of_inverts_plane() -> None:
    view = View((100, 80), 0.05, (3.0, -2.0), 33.0, 25.0, 70.0, 200.0)
    a, b, ox, oy = view.plane(1.3)
    x, y = ox + a * 12.5 - b * 61.0, oy + b * 12.5 + a * 61.0
    assert view.pixel_of(x, y, 1.3) == pytest.approx((12.5, 61.0))


def test_no_part_stands_where_the_tube_is() -> None:
    """A low source takes tall parts away, and nothing else of the design moves."""
    shape, pixel, empty, whole = (48, 48), 0.1, 0, 0
    for seed in range(12):
        low, far = (BoardRecipe(source_mm=source_mm, tilt_share=0.0) for source_mm in (4.0, 500.0))
        view = draw_view(seed, shape, pixel, far)
        layout = draw_layout(seed, view, far)
        scenes = []
        for recipe in (low, far):
            log = DefectLog(check_rates({}), generator(seed, stage="defects"))
            rng = generator(seed, stage="assembly")
            scenes.append(assemble(layout, rng, log, weave_share=0.0, room_mm=ROOM * recipe.source_mm))
        assert scenes[0].top_mm() <= ROOM * 4.0
        assert len(scenes[0].bodies) <= len(scenes[1].bodies)
        assert [layer.z_mm for layer in scenes[0].layers] == [layer.z_mm for layer in scenes[1].layers]
        empty += len(scenes[0].bodies) < len(scenes[1].bodies)
        whole += len(scenes[0].bodies) == len(scenes[1].bodies)
    assert empty
    assert whole
    close = BoardRecipe(source_mm=3.0, layers={2: 1.0}, anchors=(0, 0), small=(0, 0))
    view = draw_view(0, (8, 8), pixel, close)
    thick = next(seed for seed in range(100) if draw_layout(seed, view, close).stackup.height_mm > 2.1)
    with pytest.raises(InputError, match="no room under a source"):
        random_board(thick, (8, 8), pixel, recipe=close)
    with pytest.raises(PhysicsRangeError, match="source distance"):
        BoardRecipe(source_mm=1.0)
