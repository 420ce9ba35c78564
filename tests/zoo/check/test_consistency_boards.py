"""The check on boards of the whole imaging chain: it accuses what was corrupted and leaves alone what was not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import xsim
import xsim_zoo
from tests.zoo.check.test_consistency import visibility
from xsim_zoo.check.consistency import check

pytestmark = pytest.mark.slow

LIMESDR = Path(__file__).parents[4] / "shared" / "data" / "boards" / "limesdr_qpcie"
SIDE = 480
VISIBLE = 45.0
"""An ideal observer who knows where to look sees a signal to noise ratio of 5; the check looks everywhere, and grants
the link its tolerance."""


def phantoms():
    """Yield 20 boards: windows of a real one where it is at hand, and random ones."""
    shape, pixel_mm = (2 * SIDE, 2 * SIDE), 0.024
    windows = [(60, 40), (100, 20), (30, 80), (120, 60)] if LIMESDR.is_dir() else []
    if windows:
        from xsim.phantoms.gerber import GerberBoard

        board = GerberBoard.load(LIMESDR)
        for number, (x, y) in enumerate(windows):
            yield board.window(x, y, shape=shape, pixel_mm=pixel_mm, seed=number)
    for number in range(20 - len(windows)):
        yield xsim.phantoms.random_board(810_000 + number, shape, pixel_mm)


@pytest.fixture(scope="module")
def restorer():
    return xsim_zoo.load("physics-sde")


@pytest.fixture(scope="module")
def restored(restorer):
    setup = xsim.recipes.paper()
    images = [xsim.simulate_pair(phantom, setup, seed=9_000 + number).lr for number, phantom in enumerate(phantoms())]
    return [(y, restorer.restore_array(y)) for y in images]


def disc(y0, x0, radius):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (rows - y0) ** 2 + (columns - x0) ** 2 <= radius**2


def painted(x, rng):
    """Return the image with a disc that is not there, and its centre."""
    y0, x0 = rng.integers(100, SIDE - 100, 2)
    changed = x.copy()
    changed[disc(y0, x0, rng.integers(4, 9))] *= rng.choice([0.7, 1.4])
    return changed, (y0, x0)


def removed(x, rng):
    """Return the image without its strongest detail, which the grey around it replaces, and the detail's centre."""
    detail = gaussian_filter(np.abs(x - gaussian_filter(x, 6)), 3)
    inner = np.s_[100:-100, 100:-100]
    y0, x0 = np.add(np.unravel_index(np.argmax(detail[inner]), detail[inner].shape), 100)
    radius = rng.integers(4, 9)
    changed = x.copy()
    ring = disc(y0, x0, radius + 6) & ~disc(y0, x0, radius)
    changed[disc(y0, x0, radius)] = np.median(x[ring])
    return changed, (y0, x0)


def test_untouched_boards_are_consistent(restored, restorer):
    assert len(restored) == 20
    verdicts = [check(y, x, restorer).verdict for y, x in restored]
    assert set(verdicts) == {"consistent with the measurement"}


@pytest.mark.parametrize("corrupted", [painted, removed])
def test_corrupted_boards_are_accused_where_they_were_corrupted(restored, restorer, corrupted):
    rng = np.random.default_rng(12)
    visible = 0
    for y, x in restored:
        changed, place = corrupted(x, rng)
        if visibility(x, changed, y, restorer) < VISIBLE:
            continue
        visible += 1
        found = check(y, changed, restorer)
        assert not found.consistent
        assert min(np.hypot(s.y - place[0], s.x - place[1]) for s in found.suspects) < 24
    assert visible >= 8
