"""Simulated pairs: a board of the recipe's sources, imaged with one of the recipe's set-ups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import xsim
from xsim.imaging.setup import PairSetup
from xsim.keywords import names_keywords
from xsim.phantoms import Phantom
from xsim.seeds import check_seed, generator
from xsim_datasets.recipe.families import Board, BoardSource, Wanted
from xsim_datasets.recipe.imaging import setup_of, setup_record, setup_tables
from xsim_datasets.recipe.recipe import Recipe
from xsim_datasets.recipe.sources import source_of
from xsim_datasets.store.shards import Label, Plan, Sample

__all__ = ["SimulatedMaker", "plan_of"]

# Phantoms are drawn on a grid this many times finer than the detector's pixels: edges inside a pixel then count with
# the share of it that they cover.
_OVERSAMPLING = 2


@names_keywords
@dataclass(frozen=True)
class SimulatedMaker:
    """Makes the pairs of a recipe and a seed."""

    recipe: Recipe
    seed: int

    def sample(self, index: int) -> Sample:
        """Return pair number ``index``: its board, its set-up and its noise depend on it and on the seed alone."""
        setup_number, source_number = self.setup_number(index), self._source_of(self.board_number(index))
        setup, board = self.setup(setup_number), self._board(index)
        pair = xsim.simulate_pair(board.phantom, setup, self.seed, sample=index)
        side = slice(0, self.recipe.size_px)
        return Sample(
            hr=pair.hr[side, side],
            lr=pair.lr[side, side],
            seed=board.seed,
            family=board.family,
            split=board.split,
            design=board.phantom.family,
            setup=setup_number,
            source=source_number,
            numbers={"kerma_uGy": setup.kerma_uGy},
            labels=tuple(Label(**label) for label in pair.labels),
        )

    def noise_free(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return pair number ``index`` (hr, lr) without noise or fixed pattern, (H, W) each."""
        board, setup = self._board(index), self.setup(self.setup_number(index))
        pair = xsim.simulate_pair(board.phantom, setup, self.seed, sample=index, clean=True)
        assert pair.hr_clean is not None
        assert pair.lr_clean is not None
        side = slice(0, self.recipe.size_px)
        return pair.hr_clean[side, side], pair.lr_clean[side, side]

    def setup_number(self, index: int) -> int:
        """Return which of the recipe's set-ups images pair number ``index``."""
        return int(generator(self.seed, sample=index, stage="setup").integers(self.recipe.imaging.setups))

    def setup(self, number: int) -> PairSetup:
        """Return a set-up; it is built once in a process, as responses of detectors take a second to work out."""
        if number not in self._setups:
            self._setups[number] = setup_of(self.recipe.imaging.drawn(self.seed, number))
        return self._setups[number]

    @cached_property
    def _setups(self) -> dict[int, PairSetup]:
        return {}

    @cached_property
    def _sources(self) -> list[BoardSource]:
        return [source_of(self.recipe, number) for number in range(len(self.recipe.boards))]

    def attributes(self) -> dict[str, Any]:
        """Return the pitch (None if it differs), the set-ups with what lies between their detectors, the sources."""
        setups = self._all_setups()
        pitches = {setup.pitch_mm for setup in setups}
        return {
            "pitch_mm": pitches.pop() if len(pitches) == 1 else None,
            "setups": [setup_record(setup) for setup in setups],
            "sources": [source.record() for source in self._sources],
        }

    def tables(self) -> dict[str, NDArray[np.float64]]:
        """Return MTF and NNPS of every set-up's detectors on one frequency axis."""
        return setup_tables(self._all_setups())

    def _all_setups(self) -> list[PairSetup]:
        return [self.setup(number) for number in range(self.recipe.imaging.setups)]

    def check(self) -> None:
        """Build the ends of every range, every source and one pair: what is wrong is said before the work begins.

        Raises
        ------
        XsimError
            For the first thing that is wrong.
        """
        for imaging in self.recipe.imaging.corners():
            setup_of(imaging)
        self.sample(0)  # which builds every source

    def _source_of(self, number: int) -> int:
        weights = np.array([boards.weight for boards in self.recipe.boards])
        return int(generator(self.seed, sample=number, stage="source").choice(len(weights), p=weights / weights.sum()))

    def board_number(self, index: int) -> int:
        """Return which board a pair shows: its seed, its source and its side of the split follow from that."""
        return index // self.recipe.pairs_per_board

    def _board(self, index: int) -> Board:
        """Return the board of a pair, drawn finer than the detector's pixels, as the pair shows it."""
        number = self.board_number(index)
        setup = self.setup(self.setup_number(index))
        pixel_mm = setup.pitch_mm / (setup.geometry.magnification * _OVERSAMPLING)
        side_px = self.recipe.size_px * _OVERSAMPLING
        field_mm = round(side_px * self.recipe.board_side) * pixel_mm
        source_mm = setup.geometry.board_source_mm
        board = self._drawn(Wanted(self.seed, number, field_mm, pixel_mm, setup.hr_response, source_mm))
        return replace(board, phantom=self._shown(board.phantom, index, side_px))

    def _drawn(self, wanted: Wanted) -> Board:
        """Return a board as it is drawn; the latest is kept where several pairs may show it."""
        if wanted in self._latest:
            return self._latest[wanted]
        self._latest.clear()
        board = self._sources[self._source_of(wanted.index)].board(wanted)
        if self.recipe.pairs_per_board > 1:
            self._latest[wanted] = board
        return board

    @cached_property
    def _latest(self) -> dict[Wanted, Board]:
        return {}

    def _shown(self, phantom: Phantom, index: int, side_px: int) -> Phantom:
        """Return the window of a board that a pair shows, in the pair's position."""
        if self.recipe.board_side > 1.0:
            spare = [max(0, side - side_px) for side in phantom.shape]
            corner = generator(self.seed, sample=index, stage="board-window").integers(0, spare, endpoint=True)
            shape = (min(side_px, phantom.shape[0]), min(side_px, phantom.shape[1]))
            phantom = phantom.window(int(corner[0]), int(corner[1]), shape)
        if self.recipe.turned:
            ways = generator(self.seed, sample=self.board_number(index), stage="board-turn").permutation(8)
            phantom = phantom.turned(int(ways[index % self.recipe.pairs_per_board % 8]))
        return phantom


@names_keywords
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
