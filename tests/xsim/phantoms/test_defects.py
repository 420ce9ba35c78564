"""Defects: each class appears where its label says, changes what it should, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.phantoms import BoardRecipe, Phantom, View, random_board
from xsim.phantoms.defects import KINDS, DefectLog
from xsim.phantoms.design.placement import FAMILIES
from xsim.phantoms.parts.grid_arrays import Bga
from xsim.phantoms.parts.leadframes import GullWing, Leadless
from xsim.phantoms.parts.others import Header
from xsim.phantoms.parts.part import BuildContext, Frame, Part
from xsim.phantoms.parts.passives import Chip
from xsim.phantoms.scene import Scene
from xsim.seeds import generator

NONE = dict.fromkeys(KINDS, 0.0)
GRID = Bga(1.0, 0.6, 5, 4)
CAPACITOR = Chip("mlcc", 1.6, 0.8, 0.8, 0.35)
# class -> the part that shows it best
BEARERS: dict[str, Part] = {
    "ball-void": GRID,
    "ball-bridge": GRID,
    "ball-missing": GRID,
    "ball-double": GRID,
    "head-in-pillow": GRID,
    "insufficient-solder": GullWing(3.9, 5.0, 1.45, 1.27, 0.42, 0, 4, "Cu"),
    "joint-void": Leadless(5.0, 0.5, 7, 4, 3.1),
    "wire-broken": Leadless(5.0, 0.5, 7, 4, 3.1),
    "wire-swept": Leadless(5.0, 0.5, 7, 4, 3.1),
    "tombstone": CAPACITOR,
    "crack": CAPACITOR,
    "solder-ball": CAPACITOR,
}
ETCHED = ("open", "short", "mouse-bite", "spur", "missing-plating", "misregistration")


def built(part: Part, rates: dict[str, float], *, below: bool = False) -> tuple[Scene, DefectLog]:
    scene = Scene()
    log = DefectLog({**NONE, **rates}, generator(3, stage="defects"))
    surface = 0.0 if below else 1.6
    part.draw(Frame(0.1, -0.2, 0.3, surface, below), BuildContext(scene, generator(3, stage="assembly"), "SAC305", log))
    return scene, log


def test_every_class_is_tried() -> None:
    assert set(BEARERS) | set(ETCHED) == set(KINDS)


@pytest.mark.parametrize("kind", BEARERS)
def test_part_defects_change_what_their_masks_mark(kind: str) -> None:
    view = View((400, 400), 0.016 if BEARERS[kind] is not CAPACITOR else 0.008)
    whole, _ = built(BEARERS[kind], {})
    scene, log = built(BEARERS[kind], {kind: 1.0})
    found = [d for d in log.defects(view) if d.kind == kind]
    assert found
    names, maps, _ = whole.render(view)
    other_names, other_maps, _ = scene.render(view)
    difference = np.zeros(view.shape)
    for name in {*names, *other_names}:
        one = maps[names.index(name)] if name in names else 0.0
        two = other_maps[other_names.index(name)] if name in other_names else 0.0
        difference = np.maximum(difference, abs(np.subtract(one, two)))
    for defect in found:
        row, column = defect.corner_px
        height, width = defect.mask.shape
        inside = difference[row : row + height, column : column + width][defect.mask]
        assert (inside > 0.0).mean() > 0.3, defect
        assert defect.size_mm <= 1.5 * view.pixel_mm * max(height, width)
        assert row <= defect.y_px <= row + height
        assert column <= defect.x_px <= column + width


def test_voids_take_the_area_that_they_are_graded_by() -> None:
    """One round bubble of r/R = 0.3 takes 9 % of the joint's area: mask pixels say the same as the label."""
    view = View((600, 600), 0.01)
    _, log = built(GRID, {"ball-void": 1.0})
    single = [m for m in log.marks if len(m.where) == 1]
    assert single
    for mark in single:
        radius = 0.5 * mark.where[0][7]
        # Balls differ by 2.5 %, so their areas by 5 % (one standard deviation).
        assert mark.value == pytest.approx(100.0 * (radius / 0.3) ** 2, rel=0.2)
    areas = sorted(d.mask.sum() * view.pixel_mm**2 for d in log.defects(view))
    assert areas[-1] < 0.5 * np.pi * 0.3**2


def test_missing_balls_take_their_solder_away() -> None:
    view = View((400, 400), 0.016)
    solder = built(GRID, {})[0].render(view)
    missing = built(GRID, {"ball-missing": 1.0})[0].render(view)
    full, empty = (float(s[1][s[0].index("SAC305")].sum()) for s in (solder, missing))
    assert empty < 0.2 * full


def test_bridge_joins_neighbours_in_one_body() -> None:
    scene, log = built(GRID, {"ball-bridge": 1.0})
    view = View((400, 400), 0.016)
    maps = scene.render(view)
    solder = maps[1][maps[0].index("SAC305")]
    assert log.marks
    # Nowhere thicker than the standoff: the neck does not count twice where it lies in the balls.
    assert solder.max() <= GRID.standoff * 1.001


def board(seed: int, rates: dict[str, float], layers: int) -> Phantom:
    recipe = BoardRecipe(defect_rates={**NONE, **rates}, layers={layers: 1.0}, tilt_share=0.0, edge_share=0.0)
    return random_board(seed, (320, 320), recipe=recipe)


@pytest.mark.parametrize("kind", ETCHED)
def test_board_defects_stay_inside_their_masks(kind: str) -> None:
    layers = 4 if kind == "misregistration" else 2
    # Boards of few tracks may have no candidate: look for one that has.
    for seed in range(6):
        sound, bad = board(seed, {}, layers), board(seed, {kind: 1.0}, layers)
        if bad.defects:
            break
    assert {d.kind for d in bad.defects} == {kind}
    difference = abs(sound.thickness_of("Cu") - bad.thickness_of("Cu"))
    marked = np.zeros(bad.shape, dtype=bool)
    for defect in bad.defects:
        marked |= defect.full_mask(bad.shape)
    grown = marked.copy()
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            grown |= np.roll(marked, step, axis=axis)
    assert difference[~grown].max(initial=0.0) < 0.01
    assert difference[marked].max() > 0.01


def test_rates_do_not_move_the_board() -> None:
    none, voids = board(5, {}, 2), board(5, {"ball-void": 1.0}, 2)
    np.testing.assert_array_equal(none.thickness_of("FR-4"), voids.thickness_of("FR-4"))
    assert not none.defects


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("below", [False, True])
def test_parts_stand_on_their_side(family: str, below: bool) -> None:
    """What is drawn on the upper side lies above the board; pins and screws alone reach through."""
    part = FAMILIES[family](generator(4, stage=family))
    scene, _ = built(part, {}, below=below)
    rows = np.array([solid for body in scene.bodies for solid in body.solids])
    if isinstance(part, Header) or family == "screw":
        return
    if below:
        assert rows[:, 6].max() < 0.05
    else:
        assert rows[:, 5].min() > 1.6 - 0.05
    assert part.pads
    width, height = part.courtyard_mm
    for pad in part.pads:
        assert abs(pad.x) + 0.5 * pad.width <= 0.5 * width + 1e-9
        assert abs(pad.y) + 0.5 * pad.height <= 0.5 * height + 1e-9


@pytest.mark.parametrize("family", FAMILIES)
def test_both_sides_look_the_same_mirrored(family: str) -> None:
    part = FAMILIES[family](generator(4, stage=family))
    maps = []
    for below in (False, True):
        scene = Scene()
        log = DefectLog(NONE, generator(3, stage="defects"))
        frame = Frame(0.0, 0.0, 0.0, 0.0, below)
        part.draw(frame, BuildContext(scene, generator(3, stage="assembly"), "SAC305", log))
        size = max(part.courtyard_mm) + 1.0
        names, paths, _ = scene.render(View((128, 128), size / 128))
        maps.append(dict(zip(names, paths, strict=True)))
    assert set(maps[0]) == set(maps[1])
    for name, path in maps[0].items():
        np.testing.assert_allclose(maps[1][name][:, ::-1], path, atol=0.02 * float(path.max()) + 1e-6)
