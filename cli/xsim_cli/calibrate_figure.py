"""The figure of ``xsim calibrate``: what was measured, what was fitted through it, and what lies between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from xsim.measure.calibration import Calibration

__all__ = ["calibration_figure"]


def calibration_figure(found: Calibration) -> Figure:
    """Return four panels: MTFs, noise spectra with Sigma_1, B_1, the grey-level link."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    (mtf, noise), (ratio, link) = figure.subplots(2, 2)
    for colour, name, one in (("C0", "HR", found.hr), ("C1", "LR", found.lr)):
        edge, spectrum = one.mtf, one.nnps
        mtf.plot(edge.frequency_lp_mm, edge.mtf, ".", color=colour, markersize=3, label=f"{name} measured")
        mtf.plot(one.frequency_lp_mm, one.mtf_fit, color=colour, label=f"{name} fit")
        mtf.plot(edge.frequency_lp_mm, edge.noise, ":", color=colour, linewidth=1, label=f"{name} noise")
        noise.errorbar(
            spectrum.frequency_lp_mm, spectrum.nnps_mm2, 2 * spectrum.standard_error_mm2, fmt=".", color=colour,
            markersize=3, elinewidth=0.6, label=f"{name}, {spectrum.frames} flats",
        )  # fmt: skip
        noise.plot(one.frequency_lp_mm, one.nnps_fit_mm2, color=colour)
    table = found.degradation
    nyquist = found.hr.frequency_lp_mm[-1]
    shown = table.frequency_lp_mm <= nyquist
    f = table.frequency_lp_mm[shown]
    noise.plot(f, table.Sigma_1_mm2[shown], "k--", label="$\\Sigma_1$")
    noise.set(yscale="log", ylabel="NNPS [mm²]")
    B, sd = table.B_1[shown], found.B_1_sd[shown]
    ratio.fill_between(f, B - 2 * sd, B + 2 * sd, color="C2", alpha=0.3)
    ratio.plot(f, B, color="C2", label="$B_1$ ± 2 standard deviations")
    ratio.set(ylabel="MTF LR / MTF HR", ylim=(0, 1.05))
    mtf.set(ylabel="presampled MTF", ylim=(0, 1.05))
    for axes in (mtf, noise, ratio):
        axes.set(xlabel="spatial frequency [lp/mm]", xlim=(0, nyquist))
    grey = np.linspace(0, 1, 200)
    link.plot(grey, table.link.forward(grey), color="C3", label=f"from {table.link.source}")
    link.plot(table.link.hr_grey, table.link.lr_grey, "o", color="C3", markersize=3)
    link.plot([0, 1], [0, 1], ":", color="grey", label="equal greys")
    link.set(xlabel="HR grey", ylabel="LR grey", xlim=(0, 1.02), ylim=(0, 1.05), title="grey-level link")
    for axes in (mtf, noise, ratio, link):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure
