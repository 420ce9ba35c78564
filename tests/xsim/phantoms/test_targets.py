"""Targets against their own definitions, and the weave's balance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xsim.errors import InputError, UnknownNameError
from xsim.phantoms import View, target
from xsim.phantoms.phantom import attenuation, picture
from xsim.phantoms.scene import GLASS_SHARE, Layer, Scene, draw_weave
from xsim.phantoms.targets import DUPLEX_WIRES_MM, HELD_OUT, TARGETS
from xsim.seeds import generator


@pytest.mark.parametrize("name", TARGETS)
def test_targets_show_their_material(name: str) -> None:
    phantom = target(name, (256, 256), 0.096)
    assert phantom.materials == (TARGETS[name][1],)
    assert phantom.thickness_mm.max() <= TARGETS[name][2] * 1.001
    assert phantom.family == "target"


def test_held_out_shapes_are_targets_not_boards() -> None:
    assert set(HELD_OUT) < set(TARGETS)


def test_edge_lies_at_its_angle() -> None:
    phantom = target("edge", (300, 200), 0.024, angle_deg=3.0, thickness_mm=0.5)
    crossing = phantom.thickness_mm[0].sum(axis=1) / 0.5  # columns of metal in each row: the edge's place
    slope = np.polyfit(np.arange(300), crossing, 1)[0]
    assert math.degrees(math.atan(abs(slope))) == pytest.approx(3.0, abs=0.01)
    assert crossing.mean() == pytest.approx(100.0, abs=0.02)


def test_bars_have_their_frequency() -> None:
    phantom = target("bars", (1000, 1000), 0.01)
    row = phantom.thickness_mm[0][int((0.5 - 0.36) * 1000)]
    starts = np.flatnonzero(np.diff((row > 0.05).astype(int)) > 0)[:5]
    assert np.diff(starts) == pytest.approx(100.0, abs=1.0)  # 1 lp/mm in 0.01 mm pixels


def test_duplex_wires_have_their_volume() -> None:
    phantom = target("duplex-wire", (1024, 1024), 0.024, angle_deg=0.0)
    row = phantom.thickness_mm[0][512].astype(float)
    area = sum(2.0 * math.pi * 0.25 * d * d for d in DUPLEX_WIRES_MM)
    assert row.sum() * 0.024 == pytest.approx(area, rel=1e-3)


def test_wedge_has_ten_equal_steps() -> None:
    row = target("wedge", (100, 1200), 0.01, thickness_mm=2.0).thickness_mm[0][50]
    levels = row[150:1100:100]
    assert levels == pytest.approx(0.2 * np.arange(1, 11), rel=1e-6)


def test_star_covers_half_its_disc() -> None:
    phantom = target("star", (500, 500), 0.02)
    radius = 0.46 * 10.0
    covered = phantom.thickness_mm.sum() / 0.1 * 0.02**2
    assert covered == pytest.approx(0.5 * math.pi * radius**2, rel=2e-3)


def test_backing_and_shift() -> None:
    backed = target("discs", (128, 128), 0.1, backing=("FR-4", 1.6))
    assert backed.thickness_of("FR-4").min() == pytest.approx(1.6)
    shifted = target("discs", (128, 128), 0.1, centre_mm=(1.0, -0.5))
    plain = target("discs", (128, 128), 0.1)
    # Discs that lie on a pixel's corner are drawn to the last bit, others to a few parts in a thousand.
    np.testing.assert_allclose(
        shifted.thickness_mm[0][10:-10, 15:-15],
        np.roll(plain.thickness_mm[0], (-5, 10), axis=(0, 1))[10:-10, 15:-15],
        atol=2e-3,
    )


def test_unknown_targets_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="duplex-wire"):
        target("duplexwire")
    with pytest.raises(InputError, match="thickness"):
        target("edge", thickness_mm=float("nan"))
    with pytest.raises(InputError, match="another material"):
        target("edge", backing=("W", 1.0))


def test_weave_moves_glass_and_keeps_the_path() -> None:
    scene = Scene()
    scene.layer(Layer("FR-4", 1.6, 0.8, list(scene.layers)))
    view = View((200, 200), 0.02)
    weave = draw_weave(generator(1, stage="weave"), "FR-4", 1.6)
    maps = {
        "FR-4": np.full(view.shape, 1.6, np.float32),
        "E-glass": np.zeros(view.shape, np.float32),
        "epoxy-Br": np.zeros(view.shape, np.float32),
    }
    weave.apply(maps, view)
    total = sum(maps.values())
    np.testing.assert_allclose(total, 1.6, atol=1e-5)
    glass = maps["E-glass"]
    assert glass.std() > 1e-3
    assert glass.mean() == pytest.approx(0.15 * 1.6 * GLASS_SHARE, rel=0.05)
    assert min(m.min() for m in maps.values()) >= 0.0


def test_pictures_show_metal_dark() -> None:
    phantom = target("edge", (64, 64), 0.1)
    image = picture(phantom)
    assert image.dtype == np.uint8
    assert image[32, 2] < 60
    assert image[32, 60] > 200
    assert attenuation(phantom)[32, 60] == 0.0
