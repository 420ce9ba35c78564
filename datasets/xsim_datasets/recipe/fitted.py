"""Fitted optical constants in a recipe, from whose posterior each set-up draws its own; held by the recipe itself."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from xsim.detector.optics_fit import FittedOptics, read_fit
from xsim_datasets.recipe.tables import Strict

__all__ = ["FittedConstants"]


class FittedConstants(Strict):
    """A fit of optical constants; a recipe file names the file that ``xsim detector --save-fit`` wrote.

    A recipe that was read holds the fit itself, so that nothing in a store depends on a file that may change.
    """

    optics: dict[str, float]
    relative_sd: dict[str, float]
    rms: float
    covariance: tuple[tuple[float, ...], ...] | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file of a fit.

        Raises
        ------
        MissingFileError, InputError
            If there is no such file, or it holds no fit.
        """
        return cls.model_validate(read_fit(path).to_dict())

    def fit(self) -> FittedOptics:
        """Return the fit."""
        return FittedOptics.from_dict(self.model_dump(exclude_none=True))
