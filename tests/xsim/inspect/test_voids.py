"""Voids: closed forms, symmetries, refusals to judge, and labelled boards of the whole imaging chain."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.xsim.inspect.scenes import RADIUS, detector, grid, image, optics
from xsim.errors import InputError, PhysicsRangeError
from xsim.inspect import Optics, inspect_voids, limit_of
from xsim.inspect.candidates import find_spots, optical_density
from xsim.inspect.grids import find_grids
from xsim.inspect.limits import verdict_of
from xsim.inspect.shape import depth_of, hole_light, transmission, union_share
from xsim.inspect.share import Share, rate_of

ROOT = Path(__file__).parents[3]
GERBER = ROOT.parent / "shared" / "data" / "boards" / "limesdr_qpcie"


@pytest.fixture(scope="module")
def four():
    """Return four balls: without void, with one of 9 %, with one of 25 %, with two that overlap."""
    voids = [
        (30.0, 77.0, 0.3 * RADIUS),
        (75.0, 31.0, 0.5 * RADIUS),
        (72.0, 73.0, 0.3 * RADIUS),
        (76.0, 77.0, 0.35 * RADIUS),
    ]
    pixels = image(grid(2, 2), voids, shape=(106, 106))
    return pixels, inspect_voids(pixels, optics())


def by_place(report, y, x):
    return min(report.balls, key=lambda ball: np.hypot(ball.y_px - y, ball.x_px - x))


def test_four_balls_and_no_more_are_found_where_they_are(four):
    _, report = four
    assert len(report.balls) == 4
    for y, x, radius in grid(2, 2):
        ball = by_place(report, y, x)
        assert np.hypot(ball.y_px - y, ball.x_px - x) < 0.3
        assert ball.diameter_px == pytest.approx(2 * radius, rel=0.03)


def test_a_ball_without_voids_has_none(four):
    ball = by_place(four[1], 30, 30)
    assert ball.low == 0.0
    assert ball.void_share < 0.01
    assert ball.verdict == "pass"


@pytest.mark.parametrize(("place", "share"), [((30, 75), 0.09), ((75, 30), 0.25)])
def test_one_void_has_the_area_of_its_disc(four, place, share):
    ball = by_place(four[1], *place)
    assert ball.void_share == pytest.approx(share, abs=0.02)
    assert ball.low <= share <= ball.high


def test_voids_that_overlap_count_once(four):
    ball = by_place(four[1], 75, 75)
    r, s, d = 0.3, 0.35, np.hypot(4.0, 4.0) / RADIUS
    lens = (
        r**2 * np.arccos((d**2 + r**2 - s**2) / (2 * d * r))
        + s**2 * np.arccos((d**2 + s**2 - r**2) / (2 * d * s))
        - 0.5 * np.sqrt((-d + r + s) * (d + r - s) * (d - r + s) * (d + r + s))
    )
    truth = r**2 + s**2 - lens / np.pi
    assert ball.void_share == pytest.approx(truth, abs=0.03)
    assert ball.low <= truth <= ball.high


def test_a_limit_inside_the_interval_decides_nothing(four):
    assert by_place(four[1], 75, 30).verdict == "undecided"
    assert verdict_of(0.26, 0.4, limit_of(2)) == "fail"
    assert verdict_of(0.1, 0.25, limit_of(3)) == "pass"
    assert verdict_of(0.1, 0.12, limit_of(percent=5.0)) == "fail"


@pytest.mark.parametrize("turn", [np.flipud, np.rot90])
def test_a_turned_image_gives_the_same_shares(four, turn):
    pixels, report = four
    turned = inspect_voids(np.ascontiguousarray(turn(pixels)), optics())
    shares, same = (sorted(ball.void_share for ball in one.balls) for one in (report, turned))
    assert shares == pytest.approx(same, abs=0.01)


def test_brighter_open_field_and_a_plane_of_laminate_change_nothing(four):
    pixels, report = four
    slope = np.linspace(0.9, 1.1, pixels.shape[1])[None, :]
    shares = [b.void_share for b in report.balls]
    assert [b.void_share for b in inspect_voids(pixels * slope, optics()).balls] == pytest.approx(shares, abs=0.02)


def test_a_ball_at_the_border_or_too_small_is_not_judged():
    balls = grid(2, 2)
    pixels = image(balls, shape=(106, 106))[20:, :]
    report = inspect_voids(pixels, optics())
    cut = [ball for ball in report.balls if ball.y_px < 15]
    assert cut
    assert all(b.verdict == "not judged" and b.void_share is None and "border" in b.reason for b in cut)
    small = [(20.0 + 16 * i, 20.0 + 16 * j, 5.0) for i in range(3) for j in range(3)]
    report = inspect_voids(image(small, shape=(72, 72)), optics())
    assert len(report.balls) == 9
    assert all("pixels across" in ball.reason for ball in report.balls)


def test_one_ball_alone_is_found():
    report = inspect_voids(image([(40.0, 41.0, RADIUS)], [(42.0, 41.0, 5.6)], shape=(82, 82)), optics())
    (ball,) = report.balls
    assert ball.grid == 0
    assert ball.low <= 0.16 <= ball.high


@pytest.fixture(scope="module")
def holed():
    """Return four balls: a hole behind, a hole at the rim, a hole behind and a void of 16 %, a hole beside."""
    holes = [(28.0, 33.0, 5.0), (20.0, 85.0, 4.0), (79.0, 26.0, 4.0), (75.0, 96.0, 4.0)]
    return inspect_voids(image(grid(2, 2), [(71.0, 33.0, 0.4 * RADIUS)], shape=(106, 112), holes=holes), optics())


@pytest.mark.parametrize("place", [(30, 30), (30, 75), (75, 75)])
def test_a_plated_hole_is_no_void(holed, place):
    ball = by_place(holed, *place)
    assert ball.verdict == "pass"
    assert ball.low < 0.01
    assert ball.void_share < 0.03


def test_a_void_beside_a_hole_keeps_its_area(holed):
    ball = by_place(holed, 75, 30)
    assert ball.low <= 0.16 <= ball.high
    assert ball.void_share == pytest.approx(0.16, abs=0.04)


def test_a_hole_lights_its_disc_and_darkens_its_wall():
    light = hole_light(np.array([30.3, 29.8, 8.0, 0.4, 2.0]), 25.0, 0, 0, (60, 60)) - 1.0
    wall = np.pi * (10.5**2 - 8.0**2) * (np.exp(-2.0) - 1.0)
    assert light.sum() == pytest.approx(np.pi * 64.0 * (np.exp(0.4) - 1.0) + wall, rel=0.01)
    assert light[30, 30] == pytest.approx(np.exp(0.4) - 1.0)
    assert light[30, 39] == pytest.approx(np.exp(-2.0) - 1.0)


def test_a_restored_image_is_looked_at_as_its_detector_would_show_it():
    known = detector()
    own = Optics.of_image(known)
    sharp = np.sinc(known.frequency)
    restored = Optics.of_restored(known, known.frequency, sharp)
    # What the target shows is blurred by the detector, then whitened by its noise.
    np.testing.assert_allclose(sharp * restored.again, known.mtf)
    np.testing.assert_allclose(restored.transfer, own.transfer)
    same = Optics.of_restored(known, known.frequency, known.mtf)
    pixels = np.random.default_rng(1).random((40, 40))
    np.testing.assert_allclose(same.shown(pixels), pixels, atol=1e-9)
    np.testing.assert_array_equal(own.shown(pixels), pixels)
    softer = Optics.of_restored(known, known.frequency, 0.5 * known.mtf)
    np.testing.assert_allclose(softer.transfer, 0.5 * own.transfer)
    # Its noise is the detector's, but it is trusted less.
    assert restored.noise == own.noise
    assert restored.doubt > 1.0
    assert restored.area_error > own.area_error


def test_images_without_balls_give_none():
    noise = 0.6 + 0.01 * np.random.default_rng(1).standard_normal((100, 100))
    assert inspect_voids(noise, optics()).balls == ()
    y, x = np.mgrid[:160, :160]
    leads = np.where((x % 20 < 9) & (np.abs(y - 80) < 40), 0.2, 0.6)  # as dark as balls, and at one pitch
    assert inspect_voids(leads, optics()).balls == ()


@pytest.mark.parametrize(
    ("pixels", "error"),
    [(np.ones((20, 20)), InputError), (np.full((60, 60), np.nan), InputError), (np.ones((3, 60, 60)), InputError)],
)
def test_what_is_no_image_is_refused(pixels, error):
    with pytest.raises(error):
        inspect_voids(pixels, optics())


def test_limits_and_voltages_out_of_range_are_refused():
    with pytest.raises(InputError):
        limit_of(4)
    with pytest.raises(PhysicsRangeError):
        limit_of(percent=120.0)
    with pytest.raises(PhysicsRangeError):
        inspect_voids(np.ones((60, 60)), optics(), kvp=5.0)


def test_transmission_of_a_sphere_is_the_closed_form():
    ball = np.array([20.0, 20.0, 12.0, 2.0, 1.0, 0.0, 0.0])
    through = transmission(ball, 24.0, np.zeros((0, 3)), 0, 0, (41, 41))
    # Mean of exp(-2 sqrt(1 - s)) over the disc's area s: 2 times the integral of u exp(-2 u).
    mean = 2.0 * (1.0 - 3.0 * np.exp(-2.0)) / 4.0
    assert (1.0 - through).sum() == pytest.approx(np.pi * 144.0 * (1.0 - mean), rel=2e-3)


def test_hardened_transmission_is_the_mean_over_attenuations_of_a_gamma_distribution():
    depth, hardening = 3.0, 0.61
    middle = transmission(
        np.array([20.0, 20.0, 15.0, depth, 1.0, hardening, 0.0]), 30.0, np.zeros((0, 3)), 20, 20, (1, 1)
    )
    rest = np.random.default_rng(3).gamma(0.7 / hardening, hardening, 400_000)
    assert middle[0, 0] == pytest.approx(np.exp(-(0.3 + rest) * depth).mean(), rel=0.02)


@pytest.mark.parametrize("hardening", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("density", [0.2, 2.0, 6.0])
def test_depth_is_the_inverse_of_density(density, hardening):
    depth = depth_of(density, hardening)
    ball = np.array([20.0, 20.0, 1e4, depth, 1.0, hardening, 0.0])
    assert -np.log(transmission(ball, 2e4, np.zeros((0, 3)), 20, 20, (1, 1))[0, 0]) == pytest.approx(density, rel=1e-5)


@pytest.mark.parametrize("rate", [0.1, 0.8])
def test_voids_that_are_not_seen_count_as_often_as_those_that_are_seen_say(rate):
    """Against 4000 balls with voids of drawn sizes, of which those of 3 % and more are seen."""
    random = np.random.default_rng(5)
    areas = [np.exp(2 * random.normal(np.log(0.235), 0.5, random.poisson(rate))) for _ in range(4000)]
    seen = [Share(float(a[a > 0.03].sum()), 0.0, 0.1, float((a > 0.03).sum()), 0.03) for a in areas]
    assert rate_of(seen) == pytest.approx(rate, rel=0.07)
    missing = np.mean([float(a[a <= 0.03].sum()) for a in areas])
    # Beyond them froth is expected, which was not drawn.
    added = seen[0].with_unseen(rate).value - seen[0].value
    assert added == pytest.approx(missing + 0.0055 * rate, rel=0.1)
    assert seen[0].with_unseen(rate).high - seen[0].high == pytest.approx(added + 1.5 * 0.03)


def test_a_grid_without_voids_makes_little_of_what_is_not_seen():
    none = [Share(0.0, 0.0, 0.0, 0.0, 0.03)] * 30
    assert rate_of(none) < 0.05
    assert rate_of(none[:1]) == pytest.approx(0.4, abs=0.1)


def test_union_share_of_apart_and_equal_discs():
    ball = np.array([0.0, 0.0, 10.0, 2.0, 1.0, 0.0, 0.0])
    two = np.array([[0.0, -5.0, 3.0], [0.0, 5.0, 3.0]])
    assert union_share(ball, two) == pytest.approx(0.18, abs=0.004)
    assert union_share(ball, np.array([[1.0, 1.0, 3.0], [1.0, 1.0, 3.0]])) == pytest.approx(0.09, abs=0.004)


def test_a_grid_is_found_at_any_angle_and_its_missing_ball_is_not():
    angle = 0.4
    places = [(i, j) for i in range(4) for j in range(4) if (i, j) != (1, 2)]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centres = np.array(places) @ turn * 34.0 + np.array([90.0, 30.0])
    density = optical_density(image([(y, x, 10.0) for y, x in centres], shape=(240, 190)))
    (found,) = find_grids(density, find_spots(density, 0.1, 30.0, 0.5))
    assert found.pitch == pytest.approx(34.0, rel=0.01)
    assert len(found.sites) == len(places)


def test_a_ball_that_slid_off_its_site_is_found_if_it_is_clearly_one():
    balls = [(30.0 + 34 * i, 30.0 + 34 * j, 10.0) for i in range(3) for j in range(3)]
    balls[0] = (26.0, 24.0, 10.0)  # a fifth of the pitch
    density = optical_density(image(balls, shape=(130, 130)))
    (found,) = find_grids(density, find_spots(density, 0.1, 22.0, 0.5))
    assert len(found.sites) == 9
    assert min(np.hypot(site.spot.y - 26.0, site.spot.x - 24.0) for site in found.sites) < 1.0


@pytest.mark.slow
def test_labelled_balls_of_boards(tmp_path):
    """The figures of `benchmarks/voids.py`: 200 balls of random boards and windows of a real one, LR and restored."""
    words = [sys.executable, ROOT / "benchmarks" / "voids.py", "-o", tmp_path, "--balls", "200"]
    if GERBER.is_dir():
        words += ["--gerber", GERBER]
    subprocess.run([str(word) for word in words], check=True, cwd=ROOT)
    table = json.loads((tmp_path / "voids.json").read_text())["table"]
    assert {"random LR", "random restored"} <= set(table)
    for name, row in table.items():
        # What 200 balls can tell apart from .5 %.
        assert abs(row["bias"]) < 0.5 + 2.0 * row["bias_standard_error"], name
        assert 90.0 <= row["coverage_percent"] <= 100.0, name
        assert row["found_percent"] >= 99.0, name
        assert row["false_percent"] <= 0.5, name
