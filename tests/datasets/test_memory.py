"""Memory is used again when nobody can see it any more, and never before."""

from __future__ import annotations

import pickle

import numpy as np

from xsim_datasets.memory import Memory


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_comes_back_when_the_last_view_goes() -> None:
    memory = Memory()
    array = memory.empty((4, 8), np.float32)
    place = address(array)
    view = array[1:3][0]
    del array
    view[:] = 7.0
    other = memory.empty((4, 8), np.float32)
    assert address(other) != place
    other[:] = 0.0
    assert (view == 7.0).all()
    del view
    assert address(memory.empty((4, 8), np.float32)) == place


def test_a_smaller_array_fits_and_a_larger_one_gets_memory_of_its_own() -> None:
    memory = Memory()
    place = address(memory.empty((64,), np.uint16))
    small = memory.empty((16,), np.uint32)
    assert address(small) == place
    del small
    large = memory.empty((4096,), np.float64)
    large[:] = 1.0
    assert large.sum() == 4096.0


def test_a_copy_elsewhere_starts_empty() -> None:
    memory = Memory()
    memory.empty((8,), np.float32)
    assert pickle.loads(pickle.dumps(memory)).empty((8,), np.float32).shape == (8,)
