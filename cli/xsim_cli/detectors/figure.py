"""The figure of ``xsim detectors show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from xsim.degradation.bands import Band
    from xsim_cli.detectors.shown import Shown

__all__ = ["detector_file_figure"]


def detector_file_figure(found: Shown) -> Figure:
    """Return three panels: MTF; noise spectra, with Sigma_1; B_1. Bands hold 95 %."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    mtf, noise, ratio = figure.subplots(1, 3)
    f = found.frequency_lp_mm
    colours = dict(zip(("lr", "hr"), ("C1", "C0"), strict=True))
    for side in found.sides:
        colour, label = colours[side.name], f"{side.name.upper()}, {side.known.source}"
        _curve(mtf, f, side.mtf, colour, label)
        _curve(noise, f, side.nnps_mm2, colour, f"NNPS {label}")
    aim = found.between.degradation
    if found.between.target is not None and aim.mtf_hr is not None:
        mtf.plot(aim.frequency_lp_mm, aim.mtf_hr, "k--", linewidth=1, label=f"target, {found.between.target}")
    noise.plot(f, found.between.Sigma_1_mm2.value, "k--", linewidth=1, label="$\\Sigma_1$")
    _curve(ratio, f, found.between.B_1, "C2", "$B_1$")
    mtf.set(ylabel="presampled MTF", ylim=(0, 1.02))
    noise.set(ylabel="NNPS [mm²]", yscale="log")
    ratio.set(ylabel="MTF LR / MTF HR" if found.between.target is None else "MTF LR / MTF target", ylim=(0, 1.02))
    for axes in (mtf, noise, ratio):
        axes.set(xlabel="spatial frequency [lp/mm]", xlim=(0, f[-1]))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle("bands hold 95 %; without one nobody has said how sure the curve is", fontsize=9, color="grey")
    return figure


def _curve(axes: Axes, f: NDArray[np.float64], band: Band, colour: str, label: str) -> None:
    if band.low is not None and band.high is not None:
        axes.fill_between(f, band.low, band.high, color=colour, alpha=0.25)
    axes.plot(f, band.value, color=colour, label=label)
