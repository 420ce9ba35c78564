"""How to evaluate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from xsim.errors import UnknownNameError, check_range
from xsim.seeds import check_seed
from xsim_datasets.store.schema import SPLITS
from xsim_zoo.evaluation.results import SECTIONS

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """What to judge on, and how much.

    Parameters
    ----------
    split : str
        "test", "validation" or "train".
    images : int, optional
        The first so many images of the split; None takes all.
    sections : tuple of str
        Sections to fill, of `xsim_zoo.evaluation.results.SECTIONS`; scores of the images are always there.
    quick : bool
        Fewer conditions and draws in every probe: for a first look.
    seed : int
        Seed of probes, samples and resamples.
    resamples : int
        Resamples of the bootstrap.
    samples : int
        Posterior samples of an image, for their coverage.
    clean : bool
        Whether simulated stores are simulated once more without noise, so that power is compared with that of the
        clean HR image.

    Raises
    ------
    UnknownNameError
        If a split or section does not exist.
    PhysicsRangeError, InputError
        If a number is out of range.
    """

    split: str = "test"
    images: int | None = None
    sections: tuple[str, ...] = SECTIONS
    quick: bool = False
    seed: int = 0
    resamples: int = 2000
    samples: int = 8
    clean: bool = True

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UnknownNameError("split", self.split, SPLITS)
        for section in self.sections:
            if section not in SECTIONS:
                raise UnknownNameError("section", section, SECTIONS)
        check_seed(self.seed)
        check_range("number of resamples", self.resamples, 100, 1_000_000)
        check_range("number of posterior samples", self.samples, 4, 1000)
        if self.images is not None:
            check_range("number of images", self.images, 1, 10_000_000)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), "sections": ", ".join(self.sections)}
