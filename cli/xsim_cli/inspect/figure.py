"""The picture of ``xsim inspect voids``: every ball outlined in the colour of its verdict, its voids within."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.inspect import VoidReport

__all__ = ["voids_figure"]

# Told apart by people who see no red and green, too: blue, orange, yellow, grey.
_COLOURS = {"pass": "#0072b2", "fail": "#d55e00", "undecided": "#f0c400", "not judged": "#999999"}


def voids_figure(grey: NDArray[Any], found: VoidReport, title: str) -> Figure:
    """Return one panel: optical density with balls, voids, numbers and shares [%]."""
    height, width = grey.shape
    figure = Figure(figsize=(10.0, 10.0 * height / width + 0.9), layout="constrained")
    axes = figure.add_subplot()
    density = -np.log(np.maximum(grey, 1e-3))
    low, high = np.quantile(density, (0.01, 0.998))
    axes.imshow(density, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
    small = np.sqrt(height * width) / 110.0
    for ball in found.balls:
        colour = _COLOURS[ball.verdict]
        radius = 0.5 * ball.diameter_px
        axes.add_patch(Circle((ball.x_px, ball.y_px), radius, fill=False, edgecolor=colour, linewidth=1.4))
        for void in ball.voids:
            axes.add_patch(
                Circle((void.x_px, void.y_px), 0.5 * void.diameter_px, fill=False, edgecolor=colour, linewidth=0.9)
            )
        share = "" if ball.void_share is None else f": {100 * ball.void_share:.0f} %"
        if radius > small:
            axes.text(
                ball.x_px, ball.y_px + radius + 1.0, f"{ball.number}{share}", color=colour, fontsize=6.5,
                ha="center", va="top", clip_on=True,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
            )  # fmt: skip
    marks = [
        Line2D([], [], color=_COLOURS[verdict], marker="o", fillstyle="none", linestyle="", label=f"{number} {verdict}")
        for verdict, number in found.counts().items()
        if number
    ]
    if marks:
        figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
    limit = f"limit {100 * found.limit.share:g} % of a ball's area"
    axes.set_title(f"{title}: {len(found.balls)} solder balls, {limit}", fontsize=10)
    axes.set(xlabel="x [px]", ylabel="y [px]", xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return figure
