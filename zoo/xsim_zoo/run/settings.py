"""How to restore radiographs: what `xsim zoo run` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xsim.errors import InputError, UnknownNameError, check_range
from xsim.keywords import names_keywords
from xsim.seeds import check_seed
from xsim_datasets.images import POLARITIES, Density, Polarity
from xsim_zoo.restorers.flips import ORIENTATIONS

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer

__all__ = ["PRECISIONS", "RunSettings"]

PRECISIONS = ("auto", "float32", "bfloat16")

_SAMPLE_STEPS = 20
"""Steps of a posterior sample: with fewer the spread of the samples comes out too small."""


@names_keywords
@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How to restore radiographs; what is None follows from the image, its file or the weights.

    Parameters
    ----------
    steps : int, optional
        Sampling steps; the restorer's own, or 20 where samples are drawn.
    sharpness : float
        From the one-step answer of highest fidelity (0) to the sampled one (1).
    samples : int
        Posterior samples; their mean is the answer, their spread the uncertainty. 0 draws none.
    flips : bool
        Restore the image in all eight orientations and average the answers, at eight times the cost.
    seed : int
        Seed of the samples' noise.
    pitch_mm : float, optional
        Pixel pitch [mm], in place of what the file says.
    open_field : float, optional
        Grey level of the open field, as in the file.
    polarity : str, optional
        "metal-dark" or "metal-bright", in place of what the file says; "metal-dark" where it says nothing.
    white : float, optional
        Grey level of no signal where metal is bright.
    scale : str
        "linear" where grey levels follow the exposure; "density" where they are proportional to an optical density.
    density_white : float, optional
        Optical density at the file's white level; at grey level 1 of floating point.
    film_gradient : float, optional
        Density that a tenfold exposure adds to a film: metal is dark, as the beam blackens it. A density that the
        object adds, metal bright, needs none: a tenfold exposure takes away 1.
    tile_px : int, optional
        Side of the network's tiles [px].
    detectors : str
        Whose image it is: "image" estimates its detector from the image itself; "weights" says that it is from the
        detectors of the weights (where its pixel pitch is another, or the weights have learned many, that cannot be,
        and it is estimated); else a detector file.
    target : str, optional
        The sharpness to reach where there is one detector: mass thickness of a Gd2O2S screen [mg/cm2], a CSV file of
        an MTF, or "auto", the sharpest that weights have learned and noise allows.
    grey : str, optional
        "lr" keeps the image's own grey values, "hr" gives those of the other detector; None takes "hr" where there is
        another detector, unless the image itself is the only evidence for that.
    hand_over : bool
        Take weights of many detectors where the given ones were made for others.
    page : int, optional
        Which page of a file is restored, counted from 1; all of them if not given.
    precision : str
        "float32" or "bfloat16", of the network only; "auto" takes what is faster without hurting.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    steps: int | None = None
    sharpness: float = 1.0
    samples: int = 0
    flips: bool = False
    seed: int = 0
    pitch_mm: float | None = None
    open_field: float | None = None
    polarity: Polarity | None = None
    white: float | None = None
    scale: str = "linear"
    density_white: float | None = None
    film_gradient: float | None = None
    tile_px: int | None = None
    precision: str = "auto"
    detectors: str = "weights"
    target: str | None = None
    grey: str | None = None
    hand_over: bool = True
    page: int | None = None

    def __post_init__(self) -> None:
        check_range("sharpness", self.sharpness, 0, 1)
        check_range("number of samples", self.samples, 0, 10_000)
        check_seed(self.seed)
        if self.steps is not None:
            check_range("number of steps", self.steps, 1, 10_000)
        if self.page is not None:
            check_range("page", self.page, 1, 10_000)
        if self.tile_px is not None:
            check_range("tile", self.tile_px, 64, 1_000_000, "px")
        if self.pitch_mm is not None:
            check_range("pixel pitch", self.pitch_mm, 1e-4, 10, "mm")
        if self.samples == 1:
            raise InputError("one sample has no spread: give --samples 2 or more, or leave it out")
        if self.flips and self.samples:
            raise InputError("flips average one answer, and samples are averaged already: give --flips or --samples")
        for what, value, known in (
            ("precision", self.precision, PRECISIONS),
            ("polarity", self.polarity, POLARITIES),
            ("grey", self.grey, ("lr", "hr")),
            ("scale", self.scale, ("linear", "density")),
        ):
            if value is not None and value not in known:
                raise UnknownNameError(what, value, known)
        _ = self.density  # refuses one of which too little is said

    @property
    def density(self) -> Density | None:
        """What the grey levels are where they are no exposures."""
        return Density.told(self.scale, self.density_white, self.polarity, self.film_gradient)

    def per_decade(self, white: float | None) -> float | None:
        """Return the grey levels for a tenfold exposure in a file of a white level; None where grey is linear."""
        density = self.density
        return None if density is None else density.per_decade(white)

    @property
    def restorations(self) -> int:
        """How often the whole image is restored for one answer."""
        return ORIENTATIONS if self.flips else max(self.samples, 1)

    def steps_of(self, restorer: Restorer) -> int:
        """Return the steps to take: those asked for, 20 for samples, or the restorer's own."""
        return self.steps or (_SAMPLE_STEPS if self.samples else restorer.default_steps)

    def how(self, restorer: Restorer) -> dict[str, Any]:
        """Return how `Restorer.restore_array` is told to restore, the noise of samples aside."""
        return {"steps": self.steps_of(restorer), "sharpness": self.sharpness, "eta": 1.0 if self.samples else 0.0}
