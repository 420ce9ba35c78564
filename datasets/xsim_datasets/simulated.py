"""Simulated pairs: a board of the recipe's sources, imaged with one of the recipe's set-ups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import xsim
from xsim.seeds import check_seed, generator
from xsim_datasets.sample import Label, Plan, Sample
from xsim_datasets.setups import setup_of, setup_record, setup_tables
from xsim_datasets.split import split_of_sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xsim.recipes import PairSetup
    from xsim_datasets.recipe import Recipe

__all__ = ["SimulatedMaker", "plan_of"]

# Phantoms are drawn on a grid this many times finer than the detector's pixels.
_OVERSAMPLING = 2


@dataclass(frozen=True)
class SimulatedMaker:
    """Makes the pairs of a recipe and a seed."""

    recipe: Recipe
    seed: int

    def sample(self, index: int) -> Sample:
        """Return pair number ``index``: its board, its set-up and its noise depend on it and on the seed alone."""
        board_seed = int(generator(self.seed, sample=index, stage="board-seed").integers(2**63))
        number = int(generator(self.seed, sample=index, stage="setup").integers(self.recipe.imaging.setups))
        setup = self._setup(number)
        phantom = xsim.phantoms.random_board(board_seed, self._phantom_shape, self._phantom_pixel_mm)
        pair = xsim.simulate_pair(phantom, setup, self.seed, sample=index)
        return Sample(
            hr=pair.hr,
            lr=pair.lr,
            seed=board_seed,
            family=board_seed,
            split=split_of_sample(self.recipe.split, self.seed, index),
            setup=number,
            numbers={"kerma_uGy": setup.kerma_uGy},
            labels=tuple(Label(**label) for label in pair.labels),
        )

    def attributes(self) -> dict[str, Any]:
        """Return the pitch and the set-ups with what lies between their detectors."""
        imaging = self.recipe.imaging
        return {
            "pitch_mm": imaging.pitch_mm,
            "setups": [setup_record(self._setup(number)) for number in range(imaging.setups)],
        }

    def tables(self) -> dict[str, NDArray[np.float64]]:
        """Return MTF and NNPS of every set-up's detectors on one frequency axis."""
        return setup_tables([self._setup(number) for number in range(self.recipe.imaging.setups)])

    @property
    def _phantom_shape(self) -> tuple[int, int]:
        side = self.recipe.size_px * _OVERSAMPLING
        return side, side

    @property
    def _phantom_pixel_mm(self) -> float:
        return self.recipe.imaging.pitch_mm / _OVERSAMPLING

    @cached_property
    def _setups(self) -> dict[int, PairSetup]:
        return {}

    def _setup(self, number: int) -> PairSetup:
        # Responses of detectors take a second to work out: each set-up is built once in a process.
        if number not in self._setups:
            self._setups[number] = setup_of(self.recipe.imaging.drawn(self.seed, number))
        return self._setups[number]


def plan_of(recipe: Recipe, seed: int) -> Plan:
    """Return the plan of a simulated store.

    Raises
    ------
    InputError
        If the seed is not usable.
    """
    return Plan(
        n=recipe.n,
        height=recipe.size_px,
        width=recipe.size_px,
        seed=check_seed(seed),
        recipe=recipe.model_dump(mode="json"),
        recipe_hash=recipe.hash(),
        **recipe.storage.model_dump(),
    )
