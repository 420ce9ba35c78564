"""Laws of the small modules that everything rests on: grids, seeds, errors, units."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim import grids, seeds, units
from xsim.errors import (
    EnvironmentFaultError,
    ExtraMissingError,
    InputError,
    MissingFileError,
    PhysicsRangeError,
    UnknownNameError,
    check_range,
    ran_out_of_memory,
)


@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (12, 5), (5, 12)])
def test_half_plane_weights_count_every_bin_of_the_full_plane(shape: tuple[int, int]) -> None:
    weights = np.broadcast_to(grids.half_plane_weights(shape), (shape[0], shape[1] // 2 + 1))
    assert weights.sum() == shape[0] * shape[1]


@pytest.mark.parametrize("shape", [(64, 64), (63, 50), (48, 97)])
def test_parseval_holds_with_half_plane_weights(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).standard_normal(shape)
    power = np.abs(np.fft.rfft2(image, norm="ortho")) ** 2
    assert (grids.half_plane_weights(shape) * power).sum() == pytest.approx((image**2).sum(), rel=1e-12)


def test_radial_frequency_agrees_with_the_full_plane() -> None:
    full = np.hypot(np.fft.fftfreq(9, 0.05)[:, None], np.fft.fftfreq(8, 0.05)[None, :])
    np.testing.assert_allclose(grids.radial_frequency((9, 8), 0.05), full[:, :5], atol=1e-12)


def test_radial_mean_of_a_ring_function_is_that_function() -> None:
    shape, pitch = (40, 40), 0.05
    edges = np.array([0.0, 2.0, 4.0, 6.0, 20.0, 30.0])
    steps = np.digitize(grids.radial_frequency(shape, pitch), edges).astype(float)
    mean, count = grids.radial_mean(steps, shape, pitch, edges)
    np.testing.assert_allclose(mean[:4], [1, 2, 3, 4])
    assert np.isnan(mean[4])
    assert count.sum() == 1600


def test_stages_and_samples_have_generators_of_their_own() -> None:
    draws = {
        (sample, stage): seeds.generator(3, sample=sample, stage=stage).integers(2**62)
        for sample in range(4)
        for stage in ("a", "b", "lr-quantum")
    }
    assert len(set(draws.values())) == len(draws)
    assert seeds.generator(3, sample=2, stage="b").integers(2**62) == draws[2, "b"]
    assert seeds.torch_seed(3, stage="a") != seeds.torch_seed(4, stage="a")


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "7", None, True])
def test_unusable_seeds_are_refused(seed: object) -> None:
    with pytest.raises(InputError, match="seed"):
        seeds.check_seed(seed)  # type: ignore[arg-type]


@given(st.floats(allow_nan=True, allow_infinity=True))
@settings(derandomize=True, deadline=None)
def test_check_range_passes_nothing_outside(value: float) -> None:
    if 1.0 <= value <= 2.0:
        assert check_range("pitch", value, 1.0, 2.0, "mm") == value
    else:
        with pytest.raises(PhysicsRangeError, match="1 to 2 mm"):
            check_range("pitch", value, 1.0, 2.0, "mm")


def test_errors_are_builtins_too_and_carry_exit_codes() -> None:
    assert issubclass(MissingFileError, FileNotFoundError)
    assert str(MissingFileError("a.tif: no such file")) == "a.tif: no such file"
    assert str(EnvironmentFaultError("disk full")) == "disk full"
    assert isinstance(UnknownNameError("restorer", "physic-sde", ["physics-sde"]), LookupError)
    assert "pip install 'xsim-xray[gerber]'" in str(ExtraMissingError("gerbonara", "gerber"))
    assert (InputError.exit_code, EnvironmentFaultError.exit_code) == (2, 1)


def test_unknown_names_suggest_the_nearest() -> None:
    assert "did you mean physics-sde" in str(UnknownNameError("restorer", "physic-sde", ["physics-sde", "unet"]))
    assert "known: a, b" in str(UnknownNameError("letter", "zzzzzz", ["b", "a"]))


@pytest.mark.parametrize(
    "error",
    [
        InputError("a: b: c"),
        UnknownNameError("restorer", "physic-sde", ["physics-sde"]),
        ExtraMissingError("gerbonara", "gerber"),
        MissingFileError("a.tif: no such file"),
        EnvironmentFaultError("disk full"),
    ],
)
def test_errors_cross_process_borders(error: Exception) -> None:
    # The reducer that clusters install; plain pickle alone would hide what it does to errors of two bases.
    pytest.importorskip("tblib.pickling_support").install()
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)


def test_a_mass_thickness_becomes_the_thickness_of_the_note() -> None:
    # 134.55 mg/cm2 of Gd2O2S packed to 4.5 g/cm3 is 299 um thick.
    assert units.mass_thickness_mm(134.55, 4.5) == pytest.approx(0.2990, abs=1e-4)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_known_by_what_libraries_say(error: Exception, memory: bool) -> None:
    assert ran_out_of_memory(error) == memory


def test_seeds_of_many_samples_are_those_of_each() -> None:
    """The hash on arrays is numpy's own."""
    for seed in (0, 7, 2**32 + 5, 2**64 - 1):
        samples = [0, 1, 63, 10**6, 2**32 - 1, 5]
        assert seeds.torch_seeds(seed, samples, stage="train") == [
            seeds.torch_seed(seed, sample=sample, stage="train") for sample in samples
        ]
    assert seeds.torch_seeds(3, [2**40, 1]) == [seeds.torch_seed(3, sample=2**40), seeds.torch_seed(3, sample=1)]
    assert seeds.torch_seeds(3, []) == []
