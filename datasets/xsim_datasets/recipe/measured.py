"""Two measured detectors in a recipe, held by the recipe itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from xsim.degradation.known_file import detector_pair
from xsim.detector.detector import Detector
from xsim.files.plain import TOML, digest_plain
from xsim_datasets.recipe.tables import Strict

__all__ = ["MeasuredDetectors"]


class MeasuredDetectors(Strict):
    """Two detectors; a recipe file names the detector file that holds them, by its path or its name.

    A recipe that was read holds the detectors themselves: a store says all of them, and nothing in it depends on a
    file that may change.
    """

    sha256: str
    hr: dict[str, Any]
    lr: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a detector file, see `xsim.degradation.known_file.detector_pair`.

        Raises
        ------
        MissingFileError, InputError
            If there is no such file, or it gives no two detectors.
        """
        hr, lr = detector_pair(path)
        return cls(sha256=digest_plain(path, TOML), hr=hr.to_dict(), lr=lr.to_dict())

    def pair(self) -> tuple[Detector, Detector]:
        """Return the HR and the LR detector."""
        return Detector.from_dict(self.hr), Detector.from_dict(self.lr)
