"""The picture that goes with a pair: both images at one grey scale, the liveliest spot enlarged, and a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.ndimage import uniform_filter

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from xsim.pair import Pair

__all__ = ["draw_pair"]

_ZOOM_PX = 96


def draw_pair(pair: Pair, path: Path) -> None:
    """Draw a pair as PNG: the two images above, the same enlarged window of both and a line through it below.

    Parameters
    ----------
    pair : Pair
        The pair.
    path : Path
        File to write.
    """
    rows, columns = _liveliest(pair.hr)
    low, high = np.percentile(np.stack([pair.hr, pair.lr]), [0.1, 99.9])
    figure = Figure(figsize=(13.0, 9.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplot_mosaic([["hr", "lr"], ["hr_zoom", "lr_zoom"], ["line", "line"]], height_ratios=[5, 3, 2])
    for name, title, image in (("hr", "HR", pair.hr), ("lr", "LR", pair.lr)):
        _show(panels[name], image, low, high)
        panels[name].set_title(f"{title}   {image.shape[1]} x {image.shape[0]} pixels of {pair.pitch_mm:g} mm", size=10)
        corner = (columns.start - 0.5, rows.start - 0.5)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        panels[name].add_patch(Rectangle(corner, *size, fill=False, edgecolor="tab:orange", linewidth=1.2))
        _show(panels[f"{name}_zoom"], image[rows, columns], low, high)
        panels[f"{name}_zoom"].axhline((rows.stop - rows.start) // 2, color="tab:orange", linewidth=0.8)
    line = (rows.start + rows.stop) // 2
    at = (np.arange(columns.start, columns.stop) - columns.start) * pair.pitch_mm
    panels["line"].plot(at, pair.hr[line, columns], color="tab:blue", linewidth=1.2, label="HR")
    panels["line"].plot(at, pair.lr[line, columns], color="tab:red", linewidth=1.2, label="LR")
    panels["line"].set(xlabel="position on the line [mm]", ylabel="grey, open field = 1", xlim=(at[0], at[-1]))
    panels["line"].legend(frameon=False, ncols=2)
    panels["line"].grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def _show(axes: Axes, image: NDArray[np.float32], low: float, high: float) -> None:
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    axes.set_axis_off()


def _liveliest(image: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return the window with the most contrast between neighbours, on a logarithmic grey scale."""
    grey = np.log(np.maximum(image.astype(float), 0.02))
    edges = np.hypot(*np.gradient(grey)) if min(image.shape) > 1 else np.zeros(image.shape)
    size = [min(_ZOOM_PX, side) for side in image.shape]
    activity = uniform_filter(edges, size, mode="constant")
    reach = [half // 2 for half in size]
    inner = activity[reach[0] : image.shape[0] - reach[0] or None, reach[1] : image.shape[1] - reach[1] or None]
    top, left = np.unravel_index(int(np.argmax(inner)), inner.shape) if inner.size else (0, 0)
    start = [min(int(first), side - length) for first, side, length in zip((top, left), image.shape, size, strict=True)]
    return slice(start[0], start[0] + size[0]), slice(start[1], start[1] + size[1])
