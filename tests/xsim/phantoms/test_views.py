"""A phantom in windows and positions: maps, masks, defects and balls move together."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import InputError
from xsim.phantoms import Phantom
from xsim.phantoms.phantom import Ball, Defect

SHAPE = (40, 56)


def labelled() -> Phantom:
    """Return a phantom in which a material is exactly where the mask of its defect is, off any symmetry."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    hole = (((rows - 12.5) / 3) ** 2 + ((columns - 40.5) / 6) ** 2 < 1) & (columns < 43)
    maps = np.stack([hole, rows * 100 + columns]).astype(np.float32)
    row, column = 9, 34
    defect = Defect("void", 40.5, 12.5, 0.3, 2.0, (row, column), hole[row:17, column:44])
    assert (defect.full_mask(SHAPE) == hole).all()
    return Phantom(("Cu", "FR-4"), maps, 0.05, defects=(defect,), balls=(Ball("ball", 40.5, 12.5, 1.0, 0.1, 1),))


@pytest.mark.parametrize("way", range(8))
def test_labels_turn_with_the_maps(way: int) -> None:
    board = labelled()
    turned = board.turned(way)
    expected = np.rot90(board.thickness_mm[:, :, ::-1] if way >= 4 else board.thickness_mm, way % 4, axes=(1, 2))
    np.testing.assert_array_equal(turned.thickness_mm, expected)
    (defect,), (ball,) = turned.defects, turned.balls
    np.testing.assert_array_equal(defect.full_mask(turned.shape), turned.thickness_of("Cu") > 0)
    # The material that says where it came from, at the centre of the defect.
    assert turned.thickness_of("FR-4")[int(defect.y_px), int(defect.x_px)] == 12.5 * 100 + 40.5
    assert (ball.x_px, ball.y_px) == (defect.x_px, defect.y_px)


def test_the_eight_positions_differ() -> None:
    board = labelled()
    assert len({board.turned(way).thickness_mm.tobytes() for way in range(8)}) == 8
    with pytest.raises(InputError, match="0 to 7"):
        board.turned(8)


def test_labels_move_with_a_window_and_are_cut_to_it() -> None:
    board = labelled()
    part = board.window(5, 30, (10, 12))
    np.testing.assert_array_equal(part.thickness_mm, board.thickness_mm[:, 5:15, 30:42])
    (defect,), (ball,) = part.defects, part.balls
    np.testing.assert_array_equal(defect.full_mask(part.shape), part.thickness_of("Cu") > 0)
    assert (defect.x_px, defect.y_px) == (ball.x_px, ball.y_px) == (10.5, 7.5)
    # Without its centre a defect is no label any more.
    assert board.window(5, 41, (10, 12)).defects == ()
    assert board.window(5, 41, (10, 12)).balls == ()


@pytest.mark.parametrize("corner", [(-1, 0), (31, 0), (0, 45)])
def test_windows_lie_within(corner: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="does not lie within"):
        labelled().window(*corner, (10, 12))
