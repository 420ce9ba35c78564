"""The figure of ``xsim detector``: MTF, NNPS and DQE of several detectors side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xsim.detector.performance import Performance

__all__ = ["detector_figure"]


def detector_figure(table: Mapping[str, Performance]) -> Figure:
    """Return a figure of three panels: MTF (dashed: without the pixel), NNPS and DQE of every detector.

    Parameters
    ----------
    table : mapping of name to Performance
        The detectors, each with its own frequencies.
    """
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    mtf, nnps, dqe = figure.subplots(1, 3)
    for index, (name, item) in enumerate(table.items()):
        colour, f = f"C{index % 10}", item.frequency_lp_mm
        marker = "o" if len(f) < 12 else ""
        mtf.plot(f, item.mtf, color=colour, marker=marker, label=name)
        mtf.plot(f, item.mtf_screen, color=colour, linestyle="--", linewidth=1)
        nnps.semilogy(f, item.nnps_mm2, color=colour, marker=marker)
        dqe.plot(f, item.dqe, color=colour, marker=marker)
    for nyquist in {0.5 / item.pitch_mm for item in table.values()}:
        for axes in (mtf, nnps, dqe):
            axes.axvline(nyquist, color="grey", linestyle=":", linewidth=1)
        mtf.text(nyquist, 0.98, "Nyquist ", ha="right", va="top", rotation=90, color="grey")
    mtf.set(ylabel="presampled MTF (dashed: screen alone)", ylim=(0, 1.02))
    nnps.set(ylabel="digital NNPS [mm²]")
    highest = max(float(np.max(item.dqe)) for item in table.values())
    dqe.set(ylabel="DQE", ylim=(0, min(1.0, 1.15 * highest)))
    for axes in (mtf, nnps, dqe):
        axes.set(xlabel="spatial frequency [lp/mm]", xlim=(0, None))
        axes.grid(alpha=0.3)
    figure.legend(*mtf.get_legend_handles_labels(), loc="outside upper center", ncols=min(len(table), 5))
    return figure
