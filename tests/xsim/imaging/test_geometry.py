"""Geometry: magnification, focal spot, kerma across the field, averaging onto the detector's cells."""

from __future__ import annotations

from math import cos, pi, radians, sin, tan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.errors import InputError, PhysicsRangeError, UnknownNameError
from xsim.grids import frequency_axes
from xsim.imaging.geometry import DetectorPlane, Geometry, resample
from xsim.imaging.pair import simulate_pair
from xsim.materials import linear_attenuation_per_mm
from xsim.phantoms import BoardRecipe, Phantom
from xsim.phantoms.flat import disc
from xsim.phantoms.scene import Layer, Scene
from xsim.phantoms.view import View
from xsim.recipes import paper
from xsim.spectrum import Spectrum, tungsten_spectrum


def beam(energy_keV: float = 50.0, anode_angle_deg: float = 12.0) -> Spectrum:
    one = np.ones(1)
    return Spectrum(np.array([energy_keV]), one, one, 70.0, (), anode_angle_deg, "kqp")


def test_magnification_is_the_ratio_of_distances() -> None:
    assert Geometry(600.0, 400.0).magnification == pytest.approx(1.5)
    assert Geometry().magnification == 1.0


def test_magnification_below_one_names_both_distances() -> None:
    with pytest.raises(PhysicsRangeError, match=r"magnification 0\.857 is below 1.*700 mm.*600 mm"):
        Geometry(600.0, 700.0)


@pytest.mark.parametrize("bad", [float("nan"), -1.0, 0.0, float("inf")])
def test_distances_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(PhysicsRangeError, match="source-detector distance"):
        Geometry(bad)


def test_unknown_focal_spot_shape_suggests() -> None:
    with pytest.raises(UnknownNameError, match="did you mean gaussian"):
        Geometry(focal_spot_shape="gausian")  # type: ignore[arg-type]


def test_plane_counts_whole_pixels_and_enough_cells() -> None:
    contact = Geometry().plane((101, 64), 0.024, 0.048)
    assert contact == DetectorPlane((50, 32), 2, 0.048)
    assert contact.cell_mm == pytest.approx(0.024)
    assert Geometry(600.0, 500.0).plane((100, 100), 0.04, 0.048) == DetectorPlane((100, 100), 1, 0.048)
    assert Geometry(600.0, 500.0).plane((100, 100), 0.024, 0.048) == DetectorPlane((60, 60), 2, 0.048)


def test_phantom_coarser_than_the_pixel_says_what_would_do() -> None:
    with pytest.raises(InputError, match=r"0\.06 mm on the detector is coarser.*0\.032 mm or finer"):
        Geometry(600.0, 400.0).plane((100, 100), 0.04, 0.048)
    with pytest.raises(InputError, match="smaller than one detector pixel"):
        Geometry().plane((1, 100), 0.024, 0.048)


def test_boards_are_drawn_with_the_same_distances() -> None:
    geometry = Geometry(600.0, 300.0, tilt_deg=30.0)
    view = View((64, 96), 0.02, source_mm=geometry.source_mm, tilt_deg=geometry.tilt_deg)
    assert (view.source_mm, view.tilt_deg) == (300.0, 30.0)
    assert Geometry().source_mm == 600.0


@pytest.mark.parametrize("shape", ["gaussian", "square", "disc"])
def test_focal_spot_transfer_is_the_transform_of_its_profile(shape: str) -> None:
    # Oracle: the profile drawn on a fine grid and transformed; unity magnification minus one makes the width 0.6 mm.
    geometry = Geometry(600.0, 300.0, focal_spot_mm=0.6, focal_spot_shape=shape)  # type: ignore[arg-type]
    cell, size = 0.01, 300
    at = (np.arange(size) - size // 2) * cell
    y, x = at[:, None], at[None, :]
    profile = {
        "gaussian": np.exp(-4 * np.log(2) * (x**2 + y**2) / 0.6**2),
        "square": np.clip(0.3 + cell / 2 - abs(x), 0, cell) * np.clip(0.3 + cell / 2 - abs(y), 0, cell),
        "disc": np.clip((0.3 - np.hypot(x, y)) / cell + 0.5, 0, 1),
    }[shape]
    spectrum = np.fft.rfft2(np.fft.ifftshift(profile / profile.sum()))
    v, u = frequency_axes((size, size), cell)
    low = np.hypot(v, u) < 6
    assert np.abs(spectrum - geometry.focal_spot_mtf((size, size), cell))[low].max() < 5e-3


def test_point_source_in_contact_does_not_blur() -> None:
    np.testing.assert_array_equal(Geometry(focal_spot_mm=1.0).focal_spot_mtf((8, 8), 0.048), 1.0)


def test_kerma_falls_with_the_cube_of_the_cosine() -> None:
    kerma = Geometry(100.0, falloff=True).kerma_map((101, 201), 1.0, beam())
    assert kerma[50, 100] == 1.0
    assert kerma[50, 200] == pytest.approx(cos(radians(45)) ** 3)
    assert kerma[0, 100] == pytest.approx((1 + 0.25) ** -1.5)


def test_tilted_tube_brightens_the_side_it_stands_on() -> None:
    kerma = Geometry(100.0, falloff=True, tilt_deg=30.0).kerma_map((3, 201), 0.5, beam())
    assert kerma[1, 100] == pytest.approx(1.0)
    angle = np.arctan(tan(radians(30)) + 0.5)
    assert kerma[1, 200] == pytest.approx((cos(angle) / cos(radians(30))) ** 3)
    assert kerma[1, 0] > 1 > kerma[1, 200]


def test_heel_effect_is_absorption_in_the_anode() -> None:
    depth, angle = 0.003, np.arctan(40 / 600)
    kerma = Geometry(heel_depth_mm=depth).kerma_map((801, 3), 0.1, beam())
    mu = linear_attenuation_per_mm("W", np.array([50.0]))[0]
    towards = np.exp(-mu * depth * (1 / sin(12 * pi / 180 - angle) - 1 / sin(12 * pi / 180)))
    assert kerma[0, 1] == pytest.approx(towards)
    assert kerma[400, 1] == pytest.approx(1.0)
    assert kerma[0, 1] < 1 < kerma[-1, 1]


def test_field_in_the_anodes_shadow_is_refused() -> None:
    with pytest.raises(InputError, match="shadow of an anode of 12 degree"):
        Geometry(heel_depth_mm=0.002).kerma_map((3001, 3), 0.1, beam())


def test_resampling_to_the_same_cells_only_crops() -> None:
    image = np.random.default_rng(1).random((11, 8), dtype=np.float32)
    np.testing.assert_array_equal(resample(image, DetectorPlane((5, 4), 2, 0.048), 0.024), image[:10])


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.floats(0.012, 0.0479), st.integers(30, 60), st.integers(0, 99))
def test_resampling_averages_by_area(side_mm: float, size: int, seed: int) -> None:
    # Oracle: one dimension at a time, the integral of the piecewise constant image between the cell's edges.
    image = np.random.default_rng(seed).random((size, size), dtype=np.float32)
    plane = Geometry().plane(image.shape, side_mm, 0.048)
    result = resample(image, plane, side_mm)
    edges = (
        np.arange(plane.shape[0] * plane.oversampling + 1) - plane.shape[0] * plane.oversampling / 2
    ) * plane.cell_mm
    fine = (np.arange(size + 1) - size / 2) * side_mm
    rows = np.array([np.interp(edges, fine, np.append(0, np.cumsum(column))) for column in image.T.astype(float)]).T
    rows = np.diff(rows, axis=0) * side_mm / plane.cell_mm
    both = np.array([np.interp(edges, fine, np.append(0, np.cumsum(row))) for row in rows])
    np.testing.assert_allclose(result, np.diff(both, axis=1) * side_mm / plane.cell_mm, atol=2e-5)


def test_resampling_keeps_the_open_field() -> None:
    plane = Geometry().plane((77, 77), 0.031, 0.048)
    np.testing.assert_allclose(resample(np.ones((77, 77), np.float32), plane, 0.031), 1.0, rtol=1e-6)


@pytest.mark.parametrize("magnification", [1.1, 2.0, 10.0, 50.0])
def test_parallax_of_a_raised_layer_is_that_of_straight_rays(magnification: float) -> None:
    """Centroids of discs 1.6 mm up in clean images, against rays from the focal spot, over the field."""
    geometry = Geometry(600.0, 600.0 / magnification)
    setup = paper(geometry=geometry)
    pitch, size, h, z = setup.pitch_mm, 256, geometry.source_mm, 1.6
    pixel = pitch / magnification / 2
    view = View((2 * size, 2 * size), pixel, source_mm=geometry.board_source_mm)
    # Discs of 12 pixels on the detector, over the middle of the board as the field of the raised layer shows it.
    at = np.array([-0.4, 0.0, 0.4]) * size * pitch / magnification * (1 - z / h)
    spots = [(x, y) for y in at for x in at]
    diameter = 12 * pitch / magnification * (1 - z / h)
    scene = Scene()
    scene.layer(Layer("Cu", 0.05, z, [disc(x, y, diameter) for x, y in spots]))
    names, maps, _ = scene.render(view)
    pair = simulate_pair(Phantom(names, maps, pixel), setup, 1, clean=True)
    assert pair.hr_clean is not None
    dark = 1.0 - pair.hr_clean.astype(float)
    for x, y in spots:
        # A ray from (0, 0, h) through (x, y, z) meets the detector at magnification h / (h - z) of the board's own.
        column, row = (side / pitch * magnification * h / (h - z) + size / 2 for side in (x, y))
        j, i = int(column), int(row)
        part = dark[i - 14 : i + 15, j - 14 : j + 15]
        v, u = np.mgrid[i - 14 : i + 15, j - 14 : j + 15] + 0.5
        assert (part * u).sum() / part.sum() == pytest.approx(column, abs=0.2)
        assert (part * v).sum() / part.sum() == pytest.approx(row, abs=0.2)


def test_boards_of_a_set_up_that_says_nothing_are_drawn_as_ever() -> None:
    assert Geometry().board_source_mm == BoardRecipe().source_mm == 500.0
    assert Geometry(500.0).board_source_mm == 500.0
    assert Geometry(800.0).board_source_mm == 800.0
    assert Geometry(600.0, 300.0).board_source_mm == 300.0


@pytest.mark.parametrize(("kvp", "depth_mm"), [(70.0, 0.0013), (150.0, 0.0036)])
def test_the_heel_is_that_of_spekpys_own_spectra_off_the_axis(kvp: float, depth_mm: float) -> None:
    spekpy = pytest.importorskip("spekpy")
    beam = tungsten_spectrum(kvp, (("Al", 2.5),), 12.0)
    kerma = Geometry(source_detector_mm=1000.0, heel_depth_mm=depth_mm).kerma_map((201, 1), 1.0, beam)[:, 0]
    # Without longer ways through the filter and without falloff, which are not the anode's.
    tube = spekpy.Spek(kvp=kvp, th=12.0, physics="casim", z=100.0, obli=False).filter("Al", 2.5)
    seen = []
    places_cm = (-10.0, -5.0, 0.0, 5.0, 10.0)
    for x_cm in places_cm:
        seen.append(tube.set(x=x_cm).get_kerma() * (1.0 + (x_cm / 100.0) ** 2))
    own = np.interp(np.array(places_cm) * 10.0, np.arange(201) - 100.0, kerma)
    np.testing.assert_allclose(own, np.array(seen) / seen[2], rtol=0.02)


def test_thin_targets_have_no_heel() -> None:
    beam = tungsten_spectrum(60.0, (), model="casim", transmission_um=5.0)
    with pytest.raises(InputError, match="no heel"):
        Geometry(heel_depth_mm=0.001).kerma_map((4, 4), 1.0, beam)
