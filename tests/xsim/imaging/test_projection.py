"""Projection: Beer-Lambert over energies, the fast quadrature, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from xsim.errors import InputError, UnknownNameError
from xsim.imaging import projection
from xsim.imaging.projection import exact_rule, fast_rule, integrate, project, rule_for
from xsim.materials import linear_attenuation_per_mm
from xsim.phantoms.phantom import Phantom

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BOARD = ("Cu", "SAC305", "FR-4", "Al2O3", "BaTiO3", "Ta-porous", "NiZn-ferrite", "Au")


@dataclass(frozen=True, eq=False)
class Weighing:
    """A stand-in for a detector's response: bremsstrahlung, and an absorption that falls as E**-power."""

    power: float
    step_keV: float = 1.0

    @property
    def spectrum(self) -> Any:
        energy = np.arange(12.0, 70.0, self.step_keV)
        fluence = (70.0 - energy) / energy * np.exp(-0.27 * linear_attenuation_per_mm("Al", energy) * 9.0)
        return SimpleNamespace(energy_keV=energy, fluence_per_mm2_uGy=fluence)

    def energy_response(self, energy_keV: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        signal, variance = energy_keV ** (1 - self.power), energy_keV ** (2 - self.power)
        fluence = self.spectrum.fluence_per_mm2_uGy
        return signal / (fluence @ signal), variance / (fluence @ variance)


THIN: Any = Weighing(1.8)
THICK: Any = Weighing(0.6)


class OneEnergy:
    """A stand-in that sees a single energy."""

    def __init__(self) -> None:
        self.spectrum = SimpleNamespace(energy_keV=np.array([40.0]), fluence_per_mm2_uGy=np.array([3.0]))

    def energy_response(self, energy_keV: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.full(1, 1 / 3), np.full(1, 1 / 3)


def phantom(materials: tuple[str, ...], thickness: NDArray[np.floating], pixel_mm: float = 0.024) -> Phantom:
    return Phantom(materials, thickness.astype(np.float32), pixel_mm)


def random_board(seed: int, shape: tuple[int, int] = (24, 31)) -> Phantom:
    rng = np.random.default_rng(seed)
    scale = np.array([0.05, 0.05, 1.0, 0.3, 0.05, 0.05, 0.3, 0.02])[:, None, None]
    return phantom(BOARD, rng.exponential(scale, (8, *shape)) * (rng.random((8, *shape)) < 0.4))


def straightforward(board: Phantom, response: Weighing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Oracle: the loop over energies in double precision."""
    spectrum = response.spectrum
    outputs = np.zeros((2, *board.shape))
    for index, energy in enumerate(spectrum.energy_keV):
        depth = np.zeros(board.shape)
        for name, thickness in zip(board.materials, board.thickness_mm, strict=True):
            depth += linear_attenuation_per_mm(name, np.array([energy]))[0] * thickness.astype(float)
        for which, weight in enumerate(response.energy_response(spectrum.energy_keV)):
            outputs[which] += spectrum.fluence_per_mm2_uGy[index] * weight[index] * np.exp(-depth)
    return outputs[0], outputs[1]


def test_agrees_with_the_loop_over_energies() -> None:
    board = random_board(1)
    for beam, response in zip(project(board, [THIN, THICK]), (THIN, THICK), strict=True):
        for value, truth in zip(beam, straightforward(board, response), strict=True):
            np.testing.assert_allclose(value, truth, rtol=3e-6, atol=1e-7)


def test_one_material_follows_beer_and_lambert_for_each_energy() -> None:
    # With a single bin there is no hardening: thicknesses add, transmissions multiply.
    one: Any = OneEnergy()
    grey = project(phantom(("Cu",), np.array([[[0.1, 0.2, 0.3]]])), [one])[0].grey[0]
    np.testing.assert_allclose(grey[1], grey[0] ** 2, rtol=1e-6)
    np.testing.assert_allclose(grey[2], grey[0] * grey[1], rtol=1e-6)
    np.testing.assert_allclose(grey[0], np.exp(-0.1 * linear_attenuation_per_mm("Cu", np.array([40.0]))[0]), rtol=1e-6)


def test_nothing_in_the_beam_is_exactly_the_open_field() -> None:
    empty = phantom(BOARD, np.zeros((8, 4, 4)))
    for beam in project(empty, [THIN, THICK]) + project(empty, [THIN, THICK], method="fast"):
        np.testing.assert_allclose(beam, 1.0, atol=3e-7)


def test_a_view_beside_the_object_is_the_open_field() -> None:
    beside = phantom((), np.zeros((0, 4, 4)))
    for beam in project(beside, [THIN, THICK]) + project(beside, [THIN, THICK], method="fast"):
        np.testing.assert_allclose(beam, 1.0, atol=3e-7)
    with pytest.raises(InputError, match="with pixels"):
        project(phantom(BOARD, np.zeros((8, 0, 4))), [THIN])


def test_what_nothing_passes_is_zero_and_not_nan() -> None:
    for beam in project(phantom(("W",), np.full((1, 2, 2), 50.0)), [THIN]):
        np.testing.assert_array_equal(beam, 0.0)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(BOARD))
def test_more_of_anything_lets_less_through(seed: int, name: str) -> None:
    board = random_board(seed, (3, 5))
    more = board.thickness_mm.copy()
    more[BOARD.index(name)] += 0.02
    before, after = project(board, [THICK])[0], project(phantom(BOARD, more), [THICK])[0]
    assert (after.grey < before.grey).all()
    assert (after.variance < before.variance).all()


def test_metal_hardens_the_beam_for_the_two_screens_differently() -> None:
    thin, thick = project(phantom(("Cu",), np.full((1, 1, 1), 0.105)), [THIN, THICK])
    # The harder the beam the more each absorbed quantum weighs: variance falls less than grey.
    assert thin.variance[0, 0] > thin.grey[0, 0]
    assert thick.grey[0, 0] > thin.grey[0, 0] + 0.02


def test_the_result_does_not_depend_on_neighbours() -> None:
    # Chunks of the image must not be visible: every pixel stands alone.
    board = random_board(3, (40, 121))
    whole = project(board, [THIN])[0].grey
    part = project(phantom(BOARD, board.thickness_mm[:, 13:17, 50:90].astype(float)), [THIN])[0].grey
    np.testing.assert_allclose(part, whole[13:17, 50:90], rtol=1e-6)


def test_fast_quadrature_is_as_good_as_it_says_on_mixtures_it_has_not_seen() -> None:
    exact = exact_rule(BOARD, [THIN, THICK])
    fast = fast_rule(exact)
    assert len(fast.energy_keV) == 28
    assert 0 < fast.fit_error < 5e-4
    board = random_board(11, (60, 60))
    pairs = zip(project(board, [THIN, THICK], method="fast"), project(board, [THIN, THICK]), strict=True)
    for quick, slow in pairs:
        for value, truth in zip(quick, slow, strict=True):
            seen = truth > 1e-3
            assert np.abs(value[seen] / truth[seen] - 1).max() < 2 * fast.fit_error


@pytest.mark.parametrize("name", ["Pb", "W", "Au", "Ta", "Sn63Pb37", "SAC305", "steel", "Cu", "Al", "PMMA"])
def test_the_fast_rule_serves_any_object_within_two_grey_levels(name: str) -> None:
    # One rule for the two screens, whatever lies in the beam: up to what lets 1e-5 through.
    steps = np.linspace(0.0, 12.0 / linear_attenuation_per_mm(name, np.array([45.0]))[0], 500)
    rules = [rule_for([name], [THIN, THICK], method) for method in ("fast", "exact")]
    quick, slow = (integrate(steps.astype(np.float32)[None, :, None], rule) for rule in rules)
    assert len(rules[0].energy_keV) <= len(rules[1].energy_keV) / 2
    assert np.abs(quick - slow).max() < 2.0 / 50_000
    assert np.abs(quick / slow - 1.0)[slow > 1e-3].max() < 1e-3


def test_the_fast_rule_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSIM_CACHE", str(tmp_path))
    rules = []
    for _ in range(2):
        projection._fitted.cache_clear()
        projection._rule.cache_clear()
        rules.append(rule_for(BOARD, [THIN], "fast"))
    assert [path.name.split("-")[0] for path in tmp_path.iterdir()] == ["quadrature"]
    for name in ("energy_keV", "attenuation_per_mm", "weights", "fit_error"):
        np.testing.assert_array_equal(getattr(rules[0], name), getattr(rules[1], name))


def test_fewer_nodes_fit_worse() -> None:
    exact = exact_rule(BOARD, [THIN, THICK])
    errors = [fast_rule(exact, nodes).fit_error for nodes in (8, 12, 16)]
    assert errors[0] > errors[1] > errors[2]
    assert fast_rule(exact, 500) is exact
    with pytest.raises(InputError, match="2 or more"):
        fast_rule(exact, 1)


def test_screens_with_different_spectra_share_a_projection() -> None:
    board = random_board(5)
    coarse: Any = Weighing(1.8, step_keV=2.0)
    together = project(board, [THIN, coarse])
    np.testing.assert_allclose(together[0].grey, project(board, [THIN])[0].grey, rtol=1e-5)
    np.testing.assert_allclose(together[1].grey, project(board, [coarse])[0].grey, rtol=1e-5)


def test_rules_are_kept() -> None:
    assert rule_for(BOARD, [THIN]) is rule_for(list(BOARD), (THIN,))
    assert rule_for(BOARD, [THIN]) is not rule_for(BOARD, [THICK])


def test_unknown_method_material_and_no_screen_are_refused() -> None:
    board = random_board(1, (2, 2))
    with pytest.raises(UnknownNameError, match="did you mean fast"):
        project(board, [THIN], method="fats")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Unobtanium"):
        project(phantom(("Unobtanium",), np.zeros((1, 2, 2))), [THIN])
    with pytest.raises(InputError, match="at least one"):
        project(board, [])


@pytest.mark.parametrize("way", range(8))
def test_a_part_of_a_turned_phantom_is_the_part_of_its_projection(way: int) -> None:
    whole = random_board(way, (24, 31))
    beam = project(whole, [THIN, THICK])[1]
    seen = project(whole.window(3, 5, (17, 22)).turned(way), [THIN, THICK])[1]
    for view, all_of_it in zip(seen, beam, strict=True):
        part = all_of_it[3:20, 5:27]
        expected = np.rot90(part[:, ::-1] if way >= 4 else part, way % 4)
        assert view.flags.c_contiguous
        np.testing.assert_allclose(view, expected, rtol=3e-6)


def test_linear_algebra_has_its_threads_again_afterwards() -> None:
    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    within = []

    class Watched(np.ndarray):
        def __getitem__(self, key: Any) -> Any:
            within.extend(threads())
            return super().__getitem__(key)

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        rule = rule_for(BOARD, [THIN])
        integrate(random_board(1, (4, 5)).thickness_mm.view(Watched), rule)
        assert threads() == before
    assert set(within) == {1}
