"""What restorers are asked for and return; what makes it (`xsim_zoo.run`) builds on them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evidence", "Restoration", "RestorerOptions", "RunOptions"]


class RunOptions(TypedDict, total=False):
    """Keywords of `Restorer.restore`: the fields of `xsim_zoo.run.settings.RunSettings`, which says what they mean."""

    steps: int | None
    sharpness: float
    samples: int
    flips: bool
    seed: int
    pitch_mm: float | None
    open_field: float | None
    polarity: Literal["metal-dark", "metal-bright"] | None
    white: float | None
    page: int | None
    scale: str
    density_white: float | None
    film_gradient: float | None
    tile_px: int | None
    precision: str
    detectors: str
    target: str | None
    grey: str | None
    hand_over: bool


class RestorerOptions(TypedDict, total=False):
    """Keywords of `xsim_zoo.build` that restorers of xsim take, each those that its class has."""

    link: bool | None
    steps: int | None
    temperature: float
    error_share: float
    coupling: str
    start: str
    prediction: str


class Evidence(Protocol):
    """What the check of a restored image found."""

    @property
    def consistent(self) -> bool:
        """Whether the image agrees with its measurement."""

    @property
    def verdict(self) -> str:
        """One line for people."""


class Restoration(Protocol):
    """A restored radiograph with its evidence, as `xsim_zoo.run.restore.Restored` is one."""

    @property
    def image(self) -> NDArray[np.float32]:
        """Linear HR image (H, W) or (pages, H, W), open field 1.0."""

    @property
    def std(self) -> NDArray[np.float32] | None:
        """Standard deviation of the posterior samples, where they were drawn."""

    @property
    def consistency(self) -> Evidence:
        """The check against the measurement."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, for people."""

    def save(self, path: Path | str, *, force: bool = False) -> Path:
        """Write the image as the kind of file that ``path`` names, in the input's type and with its tags."""
