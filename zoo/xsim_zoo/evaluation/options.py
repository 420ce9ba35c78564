"""How to evaluate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from xsim.errors import UnknownNameError, check_range
from xsim.seeds import check_seed
from xsim_datasets.store.schema import SPLITS
from xsim_zoo.evaluation.results import section_names

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
    sections : tuple of str, optional
        Sections to fill, of `xsim_zoo.evaluation.results.section_names`; None takes all. Scores of the images are
        always there.
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
    sections: tuple[str, ...] | None = None
    quick: bool = False
    seed: int = 0
    resamples: int = 2000
    samples: int = 8
    clean: bool = True

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UnknownNameError("split", self.split, SPLITS)
        for section in self.asked:
            if section not in section_names():
                raise UnknownNameError("section", section, section_names())
        check_seed(self.seed)
        # A 95 % interval from fewer than 100 resamples rests on the two or three outermost of them.
        check_range("number of resamples", self.resamples, 100, 1_000_000)
        # Fewer than 4 samples have no two different central intervals to check.
        check_range("number of posterior samples", self.samples, 4, 1000)
        if self.images is not None:
            check_range("number of images", self.images, 1, 10_000_000)

    @property
    def asked(self) -> tuple[str, ...]:
        """The sections to fill, all of them where none were named."""
        return section_names() if self.sections is None else self.sections

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), "sections": ", ".join(self.asked)}
