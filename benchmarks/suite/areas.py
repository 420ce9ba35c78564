"""The areas of the table: a title, the longer benchmark of the same thing, and where the rows come from."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suite.rows import Row

__all__ = ["AREAS", "Area"]


@dataclass(frozen=True)
class Area:
    """One area.

    Parameters
    ----------
    title : str
        Its heading.
    longer : str
        The command of the longer benchmark.
    module, function : str
        What yields its rows; imported only in the process that measures.
    """

    title: str
    longer: str
    module: str
    function: str

    def rows(self) -> Iterator[Row]:
        """Measure."""
        rows: Iterator[Row] = getattr(importlib.import_module(self.module), self.function)()
        return rows


AREAS: Final[dict[str, Area]] = {
    "detector": Area("Detector physics", "python benchmarks/detector.py", "suite.physics", "detector_rows"),
    "pairs": Area("Simulating pairs", "python benchmarks/imaging.py", "suite.physics", "pair_rows"),
    "boards": Area("Drawing boards", "python benchmarks/boards.py", "suite.physics", "board_rows"),
    "storage": Area("Data sets", "python benchmarks/storage.py", "suite.storage_rows", "storage_rows"),
    "networks": Area("Training", "python benchmarks/zoo.py", "suite.learning", "network_rows"),
    "restoring": Area("Restoring", "python benchmarks/restoring.py", "suite.restoration", "restoring_rows"),
    "deblurring": Area("Deblurring", "python benchmarks/headline.py -o OUT", "suite.restoration", "deblurring_rows"),
    "measuring": Area("Measuring", "python benchmarks/measuring.py", "suite.measures", "measuring_rows"),
}
