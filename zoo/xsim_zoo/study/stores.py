"""Stores of pairs that a study makes for itself: a recipe, what is changed in it, and a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from xsim_datasets.recipe.recipe import Recipe, load_recipe
from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
from xsim_datasets.store.executors import Executor
from xsim_datasets.store.writer import make_store
from xsim_zoo.training.data import PairSource
from xsim_zoo.training.sources.joined import JoinedPairs

__all__ = ["StudyStore", "noise_free"]

NoiseFree = Callable[[int], tuple[NDArray[np.float32], NDArray[np.float32]]]


class StudyStore(BaseModel):
    """A store that the study makes in its own folder, as `xsim dataset make` would."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    recipe: str
    """A shipped recipe, or a TOML file; a path that is not absolute begins at the study's folder."""
    n: Annotated[int, Field(ge=1, le=10**9)]
    """Pairs."""
    size_px: Annotated[int, Field(ge=16, le=16384)] | None = None
    """Side of the images [px]; the recipe's if not given."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of boards, set-ups and noise."""
    imaging: dict[str, Any] = Field(default_factory=dict)
    """Keys of the recipe's imaging part that are changed, joined by dots."""
    boards: tuple[dict[str, Any], ...] | None = None
    """Sources of boards in place of the recipe's; their paths begin at the study's folder, too."""
    split: dict[str, float] | None = None
    """Shares of validation and test in place of the recipe's."""

    def whole_recipe(self) -> Recipe:
        """Return the recipe with what is changed in it.

        Raises
        ------
        XsimError
            If there is no such recipe, or a change cannot be.
        """
        return load_recipe(
            self.recipe, imaging=self.imaging, n=self.n, size_px=self.size_px, boards=self.boards, split=self.split
        )

    def beside(self, folder: Path) -> StudyStore:
        """Return the same with its paths taken from a folder."""

        def placed(source: Mapping[str, Any]) -> dict[str, Any]:
            return {key: str(folder / value) if key == "path" else value for key, value in source.items()}

        recipe = str(folder / self.recipe) if self.recipe.endswith(".toml") else self.recipe
        boards = None if self.boards is None else tuple(placed(source) for source in self.boards)
        return self.model_copy(update={"recipe": recipe, "boards": boards})

    def maker(self) -> SimulatedMaker:
        """Return what makes its pairs.

        Raises
        ------
        XsimError
            See `whole_recipe`.
        """
        return SimulatedMaker(self.whole_recipe(), self.seed)

    def make(self, path: Path, executor: Executor) -> None:
        """Make the store, or go on with it; nothing is done where it is complete.

        Raises
        ------
        XsimError
            See `xsim_datasets.store.writer.make_store`.
        """
        maker = self.maker()
        make_store(maker, plan_of(maker.recipe, self.seed), str(path), executor=executor, resume=True)


def noise_free(pairs: PairSource, stores: Sequence[StudyStore]) -> NoiseFree:
    """Return what makes a pair (HR, LR) of a training set anew, without noise, by its number.

    Parameters
    ----------
    pairs : PairSource
        The training set, of one store or of several that are joined.
    stores : sequence of StudyStore
        What made the stores, in the same order.
    """
    makers = [store.maker() for store in stores]

    def one(index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        which, own = pairs.origin(index) if isinstance(pairs, JoinedPairs) else (0, index)
        return makers[which].noise_free(own)

    return one
