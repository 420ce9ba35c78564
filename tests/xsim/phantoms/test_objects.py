"""Objects beyond boards against closed forms: thickness, projection, labels, seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from xsim.errors import InputError, PhysicsRangeError, UnknownNameError
from xsim.phantoms import Phantom, View, random_casting, random_texture, solids
from xsim.phantoms.defects import DefectLog
from xsim.phantoms.objects import OBJECTS, flaws, gauges
from xsim.phantoms.objects.machined import hexagon
from xsim.phantoms.objects.texture import draw_relief, roughen
from xsim.phantoms.objects.workpiece import Workpiece, finish
from xsim.phantoms.phantom import attenuation, picture
from xsim.seeds import generator

SHAPE = (96, 96)


def piece_of(shape: tuple[int, int] = SHAPE, pixel_mm: float = 0.1, path_mm: float = 10.0, seed: int = 1) -> Workpiece:
    """Return an empty piece of aluminium under parallel rays, every flaw certain."""
    kinds = ("pore", "pore-cluster", "shrinkage", "inclusion", "crack")
    log = DefectLog(dict.fromkeys(kinds, 1.0), generator(seed, stage="flaws"))
    return Workpiece(View(shape, pixel_mm), generator(seed), log, "Al", path_mm)


def plate(piece: Workpiece) -> Workpiece:
    piece.solids.append(solids.prism(0.0, 0.0, 0.0, piece.path_mm, 100.0, 100.0))
    return piece


def volume(phantom: Phantom, material: str) -> float:
    return float(phantom.thickness_of(material).sum(dtype=np.float64)) * phantom.pixel_mm**2


@pytest.mark.parametrize("kind", OBJECTS)
def test_the_same_seed_is_the_same_object(kind: str) -> None:
    one, two, other = (OBJECTS[kind](seed, SHAPE, 0.4) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.thickness_mm, two.thickness_mm)
    assert one.defects == two.defects
    assert one.family.startswith(f"{kind}-")
    assert one.shape == SHAPE
    assert attenuation(one).shape == attenuation(other).shape
    assert not np.array_equal(attenuation(one), attenuation(other))


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_labels_are_where_flaws_change_the_thickness(kind: str, seed: int) -> None:
    draw = OBJECTS[kind]
    flawed = draw(seed, SHAPE, 0.4)
    sound = draw(seed, SHAPE, 0.4, flaw_rates=dict.fromkeys(_rates(kind), 0.0))
    assert not sound.defects
    changed = np.zeros(SHAPE, dtype=bool)
    for material in {*flawed.materials, *sound.materials}:
        difference = np.abs(flawed.thickness_of(material) - sound.thickness_of(material))
        changed |= difference > 5e-3 * float(sound.thickness_mm.max())
    labelled = np.zeros(SHAPE, dtype=bool)
    for defect in flawed.defects:
        labelled |= defect.full_mask(SHAPE)
    # A mask holds the pixels whose centres the flaw covers: its rim reaches one further.
    assert not (changed & ~binary_dilation(labelled, np.ones((3, 3)))).any()
    if labelled.any():
        # A hollow in a honeycomb is mostly where none was missing.
        assert (labelled & binary_dilation(changed)).sum() > 0.4 * labelled.sum()


def _rates(kind: str) -> list[str]:
    module = __import__(OBJECTS[kind].__module__, fromlist=["FLAWS"])  # type: ignore[attr-defined]
    return list(module.FLAWS)


def test_a_view_with_parallel_rays_is_symmetric() -> None:
    """Turned by half a turn, the same object gives the same image turned; its volume stays."""
    sound = dict.fromkeys(_rates("casting"), 0.0)
    views = [
        random_casting(8, SHAPE, 0.4, flaw_rates=sound, rotation_deg=turn, tilt_deg=0.0)
        for turn in (20.0, 110.0, 200.0)
    ]
    for quarters, view in enumerate(views[1:], start=1):
        for material in views[0].materials:
            turned = np.rot90(view.thickness_of(material), -quarters)
            np.testing.assert_allclose(turned, views[0].thickness_of(material), atol=2e-3 * views[0].thickness_mm.max())


@pytest.mark.parametrize("tilt_deg", [0.0, 20.0])
def test_pores_take_their_chords_away(tilt_deg: float) -> None:
    piece = plate(piece_of())
    piece.view = View(SHAPE, 0.1, tilt_deg=tilt_deg, azimuth_deg=33.0)
    radius = 1.3
    pore = solids.sphere(0.2, -0.1, 5.0, 2.0 * radius)
    piece.voids.append(pore)
    phantom = finish(piece, "piece", "plate", 0)
    path = 10.0 / math.cos(math.radians(tilt_deg))
    deficit = float((path - phantom.thickness_mm[0]).sum(dtype=np.float64)) * 0.01
    # Rays through a window in z = 0 at an angle cross less than its area, by the cosine.
    assert deficit * math.cos(math.radians(tilt_deg)) == pytest.approx(4.0 / 3.0 * math.pi * radius**3, rel=3e-3)
    u, v = piece.view.pixel_of(0.2, -0.1, 5.0)
    assert path - phantom.thickness_mm[0][int(v), int(u)] == pytest.approx(2.0 * radius, rel=2e-2)


def test_flaws_lie_inside_and_weigh_what_they_are() -> None:
    piece = plate(piece_of(seed=4))
    flaws.pores(piece, 6)
    flaws.pore_clusters(piece, 1)
    flaws.inclusions(piece, 4, ("W",))
    voids = sum(4.0 / 3.0 * math.pi * row[11] * row[12] * row[13] for row in piece.voids)
    low, high = min(row[5] for row in piece.voids), max(row[6] for row in piece.voids)
    assert 0.0 <= low < high <= 10.0
    phantom = finish(piece, "piece", "plate", 0)
    missing = 10.0 * 9.6**2 - volume(phantom, "Al") - volume(phantom, "W")
    # Pores that cross are counted once, and the rim of a pore may leave the window.
    assert missing == pytest.approx(voids, rel=0.05)
    assert {defect.kind for defect in phantom.defects} == {"pore", "pore-cluster", "inclusion"}


@pytest.mark.parametrize("width", [0.02, 0.4])
def test_a_crack_takes_away_its_width_whatever_the_pixel(width: float) -> None:
    piece = plate(piece_of(seed=2))
    flaws.crack(piece, (-2.0, 0.1), 0.2, 4.0, (2.0, 8.0), width=width, wander=0.0)
    phantom = finish(piece, "piece", "plate", 0)
    missing = 10.0 * 9.6**2 - volume(phantom, "Al")
    # 4 mm long and 6 mm deep at the most, closing towards its tips as the square root of a sine.
    assert 0.5 * 4.0 * 6.0 * width < missing < 1.15 * 4.0 * 6.0 * width
    (defect,) = phantom.defects
    assert defect.kind == "crack"
    assert defect.value == width


def test_holds_agrees_with_the_solids() -> None:
    piece = plate(piece_of())
    piece.voids.append(solids.cone(0.0, 0.0, 4.0, 20.0, 2.0, 2.0))
    assert piece.column(0.0, 0.0) == [(0.0, 4.0)]
    assert piece.column(3.0, 0.0) == [(0.0, 10.0)]
    assert piece.holds((0.0, 0.0, 2.0), 1.0)
    assert not piece.holds((0.0, 0.0, 3.5), 1.0)
    assert not piece.holds((1.5, 0.0, 7.0), 1.0)
    assert piece.holds((2.5, 0.0, 7.0), 1.0)
    at = piece.place(np.random.default_rng(3), 0.5)
    assert at is not None
    assert piece.holds(at, 0.5)


def test_a_hexagon_has_its_area() -> None:
    piece = piece_of((200, 200), 0.02, 1.0)
    piece.solids += hexagon(0.1, -0.05, 0.0, 1.0, 2.0, 0.3)
    phantom = finish(piece, "piece", "nut", 0)
    assert volume(phantom, "Al") == pytest.approx(2.0**2 * math.sqrt(3.0) / 2.0, rel=1e-3)


def test_a_cap_is_what_rises_above_the_plate() -> None:
    """One ripple of a bead: half an ellipsoid more than the plate, the half inside it counted once."""
    piece = plate(piece_of((200, 200), 0.05, 4.0))
    piece.solids.append(solids.ellipsoid(0.3, 0.1, 4.0, 2.5, 1.5, 0.8, angle=0.4))
    phantom = finish(piece, "piece", "cap", 0)
    more = volume(phantom, "Al") - 4.0 * 10.0**2
    assert more == pytest.approx(2.0 / 3.0 * math.pi * 2.5 * 1.5 * 0.8, rel=3e-3)


def test_parts_of_a_bearing_do_not_overlap() -> None:
    """No ray through a bearing is longer than through the higher of its rings and its balls."""
    for seed in range(60):
        phantom = OBJECTS["machined"](seed, (64, 64), 0.5, thickness_mm=8.0, tilt_deg=0.0, material="Al")
        if phantom.family == "machined-bearing":
            break
    balls = phantom.thickness_of("steel") + phantom.thickness_of("Al2O3")
    ring = phantom.thickness_of("Al")
    both = (balls > 0.1) & (ring > 0.1)
    # Cone-beam views let a ball's rim and a ring share some rays, never two full thicknesses.
    assert (balls > 0.1).sum() > 20
    assert float((balls + ring)[both].max(initial=0.0)) < 8.0 * 1.02


def test_a_wire_gauge_weighs_its_wires() -> None:
    piece = piece_of((400, 400), 0.1, 10.0)
    first = gauges.wire_gauge(piece, 0.0, 0.0, 10.0, 0.0, room_mm=30.0)
    wires = gauges.WIRES_MM[first - 1 : first + 6]
    rows = piece.scene.bodies[0].solids
    assert [row[14 - 7] for row in rows] == pytest.approx(wires)
    length = math.dist(rows[0][8:11], rows[0][11:14])
    phantom = finish(piece, "piece", "gauge", 0)
    assert volume(phantom, "Al") == pytest.approx(sum(0.25 * math.pi * d * d * length for d in wires), rel=0.02)


def test_letters_read_from_the_tube() -> None:
    piece = piece_of((64, 64), 0.1, 10.0)
    gauges.lead_letters(piece, "L", 0.0, 0.0, 0.0, 0.0, height_mm=4.0)
    lead = finish(piece, "piece", "letter", 0).thickness_of("Pb") > 0.0
    rows, columns = np.nonzero(lead)
    # An L has its foot at the bottom, to the right of its stem.
    assert lead[rows.max() - 2].sum() > 2 * lead[(rows.min() + rows.max()) // 2].sum()
    assert columns[rows < rows.mean() - 5].max() < columns.mean()


def test_a_relief_has_its_spread_and_no_mean() -> None:
    view = View((160, 160), 0.1)
    relief = draw_relief(generator(1), "Al", 0.0, rms_mm=0.2, longest_mm=4.0, shortest_mm=1.0, slope=0.5)
    path = np.full(view.shape, 10.0, np.float32)
    roughen(path, relief, view)
    assert float(path.std()) == pytest.approx(0.2, rel=0.15)
    assert float(path.mean()) == pytest.approx(10.0, abs=0.02)
    # The mean over 4 x 4 small pixels is the large pixel's.
    fine = np.full((640, 640), 10.0, np.float32)
    roughen(fine, relief, View((640, 640), 0.025))
    np.testing.assert_allclose(fine.reshape(160, 4, 160, 4).mean(axis=(1, 3)), path, atol=2e-5)


def test_a_relief_leaves_the_air_alone() -> None:
    path: NDArray[np.float32] = np.zeros((20, 20), np.float32)
    path[5:] = 0.1
    relief = draw_relief(generator(1), "Al", 0.0, rms_mm=5.0, longest_mm=4.0, shortest_mm=1.0)
    roughen(path, relief, View((20, 20), 0.1))
    assert not path[:5].any()
    assert path[5:].min() >= 0.049


def test_thickness_and_material_are_taken_as_given() -> None:
    phantom = random_texture(1, SHAPE, 0.1, material="titanium", thickness_mm=3.0)
    assert "Ti" in phantom.materials or "titanium" in phantom.materials
    assert picture(phantom, defects=True).shape == (*SHAPE, 3)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"material": "unobtainium"}, UnknownNameError),
        ({"thickness_mm": -1.0}, PhysicsRangeError),
        ({"thickness_mm": math.nan}, PhysicsRangeError),
        ({"flaw_rates": {"mouse-bite": 0.1}}, InputError),
        ({"flaw_rates": {"pore": 2.0}}, InputError),
        ({"tilt_deg": 80.0}, PhysicsRangeError),
        ({"seed": -1}, InputError),
        ({"pixel_mm": 9.0, "shape": (500, 500)}, InputError),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        random_casting(**{"seed": 1, "shape": SHAPE, "pixel_mm": 0.1, **settings})  # type: ignore[arg-type]
