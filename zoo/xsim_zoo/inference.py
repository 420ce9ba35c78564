"""One radiograph in, one restored radiograph out: scale, pitch, tiles, samples, evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xsim.errors import InputError, check_range
from xsim.seeds import check_seed, torch_seed
from xsim_datasets.images import Radiograph, Scale, read_image, scale_of, write_image
from xsim_zoo.consistency import Consistency, check
from xsim_zoo.restorer import LearnedRestorer
from xsim_zoo.sampling import white_noise
from xsim_zoo.tiling import tiled_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from xsim_datasets.images import Polarity
    from xsim_zoo.restorer import Network, Restorer

__all__ = ["PRECISIONS", "Restored", "RunSettings", "restore"]

PRECISIONS: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_SAMPLE_STEPS = 20


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
    seed : int
        Seed of the samples' noise.
    pitch_mm : float, optional
        Pixel pitch [mm], in place of what the file says.
    open_field : float, optional
        Grey level of the open field, as in the file.
    polarity : str
        "metal-dark" or "metal-bright".
    white : float, optional
        Grey level of no signal where metal is bright.
    tile_px : int, optional
        Side of the tiles [px].
    precision : str
        "float32" or "bfloat16", of the network only.
    """

    steps: int | None = None
    sharpness: float = 1.0
    samples: int = 0
    seed: int = 0
    pitch_mm: float | None = None
    open_field: float | None = None
    polarity: Polarity = "metal-dark"
    white: float | None = None
    tile_px: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_range("sharpness", self.sharpness, 0, 1)
        check_seed(self.seed)
        for what, value in (("steps", self.steps), ("tile", self.tile_px)):
            if value is not None:
                check_range(what, value, 1, 100_000)
        check_range("samples", self.samples, 0, 10_000)
        if self.samples == 1:
            raise InputError("one sample has no spread: give --samples 2 or more, or none")
        if self.pitch_mm is not None:
            check_range("pixel pitch", self.pitch_mm, 1e-4, 10, "mm")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision '{self.precision}' is unknown: give {' or '.join(PRECISIONS)}")


@dataclass(frozen=True)
class Restored:
    """A restored radiograph with its evidence.

    Parameters
    ----------
    image : (H, W) or (pages, H, W) float32 array
        Linear HR image, open field 1.0.
    std : array of the same shape, optional
        Standard deviation of the posterior samples.
    consistency : tuple of Consistency
        The check of each page.
    scale : Scale
        What the grey levels of the input mean.
    pitch_mm : float
        Pixel pitch that was used [mm].
    source : Radiograph
        The input.
    notes : tuple of str
        What was assumed, for people.
    """

    image: NDArray[np.float32]
    std: NDArray[np.float32] | None
    consistency: tuple[Consistency, ...]
    scale: Scale
    pitch_mm: float
    source: Radiograph
    notes: tuple[str, ...] = ()
    clipped_pixels: int = field(init=False, default=0)

    def radiograph(self) -> tuple[Radiograph, int]:
        """Return the image on the input's own grey scale and in its type, and how many pixels were clipped."""
        grey, clipped = self.scale.grey(self.image, self.source.dtype, self.source.white)
        return self.source.with_pixels(grey), clipped

    def save(self, path: Path | str, *, force: bool = False, stamp: dict[str, Any] | None = None) -> Path:
        """Write the image as the kind of file that ``path`` names, in the input's type and with its tags."""
        return write_image(path, self.radiograph()[0], force=force, stamp=stamp)
