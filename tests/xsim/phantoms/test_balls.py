"""Labels of solder balls: closed forms, what the window shows, and files."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xsim.phantoms.defects import DefectLog, check_rates
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.solids import sphere
from xsim.phantoms.view import View


def log() -> DefectLog:
    return DefectLog(check_rates({}), np.random.default_rng(0))


def test_share_of_two_voids_apart_is_that_of_their_discs():
    marked = log()
    marked.ball([sphere(0.1, 0.0, 0.3, 0.5)], [sphere(0.0, 0.0, 0.3, 0.15), sphere(0.2, 0.1, 0.2, 0.1)])
    (ball,) = marked.balls(View((50, 60), 0.02))
    assert ball.area_mm2 == pytest.approx(math.pi * 0.25**2, rel=3e-3)
    assert ball.void_share == pytest.approx((0.15**2 + 0.1**2) / 0.25, rel=0.02)
    assert ball.voids == 2
    assert (ball.x_px, ball.y_px) == pytest.approx((30 + 0.1 / 0.02, 25.0), abs=0.01)
    assert ball.diameter_mm == pytest.approx(0.5, rel=2e-3)


def test_voids_that_overlap_count_once_and_only_inside_the_ball():
    marked = log()
    marked.ball([sphere(0.0, 0.0, 0.0, 0.4)], [sphere(0.0, 0.0, 0.0, 0.2), sphere(0.0, 0.0, 0.1, 0.2)])
    marked.ball([sphere(0.0, 0.0, 0.0, 0.4)], [sphere(0.5, 0.0, 0.0, 0.2)])
    once, outside = marked.balls(View((50, 50), 0.02))
    assert once.void_share == pytest.approx(0.25, rel=0.02)
    assert outside.void_share == 0.0


def test_balls_outside_the_window_are_left_out():
    marked = log()
    marked.ball([sphere(3.0, 0.0, 0.0, 0.4)])
    assert marked.balls(View((50, 50), 0.02)) == ()


def test_labels_are_kept_in_files(tmp_path):
    marked = log()
    marked.ball([sphere(0.0, 0.0, 0.0, 0.4)], [sphere(0.0, 0.0, 0.0, 0.1)], kind="bridged")
    balls = marked.balls(View((20, 20), 0.05))
    phantom = Phantom(("Cu",), np.ones((1, 20, 20), np.float32), 0.05, balls=balls)
    assert Phantom.load(phantom.save(tmp_path / "p.npz")).balls == balls
