"""What grey levels are proportional to: the options that `zoo run`, `measure` and `calibrate` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from xsim_datasets.images import Density, Polarity

__all__ = ["DensityOption", "GradientOption", "ScaleName", "ScaleOption", "density_of"]

ScaleName = Literal["linear", "density"]
ScaleOption = Annotated[
    ScaleName, typer.Option(help="What grey levels are proportional to: the exposure, or an optical density.")
]
DensityOption = Annotated[float | None, typer.Option(help="Optical density at the file's white level.")]
GradientOption = Annotated[
    float | None, typer.Option(help="Density that a tenfold exposure adds to a film, with --scale density.")
]


def density_of(
    scale: str, density_white: float | None, polarity: Polarity | None, film_gradient: float | None
) -> Density | None:
    """Return what the options say of grey levels that are no exposures; None where they are linear.

    Raises
    ------
    InputError
        If they contradict each other, or say too little.
    """
    if scale == "linear" and density_white is None and film_gradient is None:
        return None

    from xsim_datasets.images import Density

    return Density.told(scale, density_white, polarity, film_gradient)
