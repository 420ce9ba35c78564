"""Pictures for people: images of one scene side by side, with their liveliest spot enlarged; the pairs of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from xsim.errors import InputError
from xsim.keywords import names_keywords
from xsim_datasets.images import publish

if TYPE_CHECKING:
    from xsim_datasets.store.reader import PairStore

__all__ = ["LINES", "draw_comparison", "draw_preview", "scale_bar"]

# The enlarged window: at 80 dpi a panel has 384 pixels, four to a pixel of the image.
_ZOOM_PX = 96
_PANEL_IN = 4.8
_PREVIEW_IN = 2.6
# Chosen by eye: two pairs across fit a screen, and a sheet of more than 64 is too long to look through.
_PAIRS_ACROSS = 2
_MOST_PAIRS = 64

LINES = (("#d55e00", "--"), ("#0072b2", "-"), ("#009e73", "-."), ("#cc79a7", ":"))
"""Colours that the colour-blind tell apart (Okabe and Ito 2008), each with dashes of its own for grey prints."""


@names_keywords
def draw_comparison(images: Mapping[str, NDArray[np.float32]], pitch_mm: float, path: Path) -> None:
    """Draw images of one scene as PNG: whole above, one window of each enlarged below, and a line through it.

    Parameters
    ----------
    images : mapping of title to (H, W) array
        Images in units of the open field, one to four; the window is where the *last* one is liveliest.
    pitch_mm : float
        Their pixel pitch [mm].
    path : Path
        File to write; its ending names the format.

    Raises
    ------
    InputError
        If the images differ in shape.
    """
    shapes = {image.shape for image in images.values()}
    if len(shapes) != 1:
        raise InputError(f"images of shapes {sorted(shapes)} cannot be compared: give images of one shape")
    rows, columns = _liveliest(list(images.values())[-1])
    low, high = np.percentile(np.stack(list(images.values())), [0.1, 99.9])
    figure = Figure(figsize=(_PANEL_IN * len(images), 2 * _PANEL_IN + 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, len(images), height_ratios=[_PANEL_IN, _PANEL_IN, 2.0])
    profile = figure.add_subplot(grid[2, :])
    line = (rows.start + rows.stop) // 2
    at_mm = np.arange(columns.stop - columns.start) * pitch_mm
    for index, (title, image) in enumerate(images.items()):
        whole, zoom = (figure.add_subplot(grid[row, index]) for row in (0, 1))
        color, style = LINES[index % len(LINES)]
        _show(whole, image, low, high)
        whole.set_title(title, size=13)
        corner = (columns.start - 0.5, rows.start - 0.5)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        whole.add_patch(Rectangle(corner, *size, fill=False, edgecolor="tab:orange", linewidth=1.2))
        _show(zoom, image[rows, columns], low, high)
        zoom.axhline(line - rows.start, color=color, linestyle=style, linewidth=0.8)
        for panel, shown in ((whole, image), (zoom, image[rows, columns])):
            scale_bar(panel, shown.shape[1], pitch_mm)
        label = title.splitlines()[0]
        profile.plot(at_mm, image[line, columns], color=color, linestyle=style, linewidth=1.4, label=label)
    profile.set(xlabel="position on the line [mm]", ylabel="grey, open field = 1", xlim=(at_mm[0], at_mm[-1]))
    profile.legend(frameon=False, ncols=len(images), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    profile.grid(alpha=0.3)
    figure.text(0.99, 0.005, f"black {low:.2f}, white {high:.2f} of the open field", ha="right", va="bottom", size=10)
    figure.savefig(path, dpi=80)


@names_keywords
def draw_preview(store: PairStore, path: Path, *, indices: Sequence[int], force: bool = False) -> None:
    """Draw pairs of a store as PNG: HR left, LR right, one grey scale a pair, a circle around every labelled defect.

    Parameters
    ----------
    store : PairStore
        The store.
    path : Path
        The picture to write.
    indices : sequence of int
        Which pairs, 1 to 64 of them.
    force : bool
        Replace a picture that exists.

    Raises
    ------
    InputError
        If there are no pairs or too many, or the picture exists.
    """
    if not 1 <= len(indices) <= _MOST_PAIRS:
        raise InputError(f"{len(indices)} pairs do not fit on a sheet: give 1 to {_MOST_PAIRS}")
    across = min(_PAIRS_ACROSS, len(indices))
    down = -(-len(indices) // across)
    figure = Figure(figsize=(2 * across * _PREVIEW_IN, down * (_PREVIEW_IN + 0.25) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(down, 2 * across, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    kinds = [str(kind) for kind in store.attributes["defect_kinds"]]
    colors = {kind: colormaps["tab20"](number % 20) for number, kind in enumerate(kinds)}
    drawn: set[str] = set()
    for place, index in enumerate(indices):
        row, column = divmod(place, across)
        drawn |= _draw_pair(store, int(index), panels[row, 2 * column], panels[row, 2 * column + 1], colors)
    handles = [figure.axes[0].plot([], [], color=colors[kind], label=kind)[0] for kind in kinds if kind in drawn]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=7, frameon=False)
    publish(path, lambda part: figure.savefig(part, dpi=100, format="png"), force=force)


def _draw_pair(store: PairStore, index: int, left: Axes, right: Axes, colors: Mapping[str, Any]) -> set[str]:
    """Draw a pair with circles around its defects; return the kinds of these."""
    hr, lr = store.read(index)
    low, high = np.percentile(hr, [0.1, 99.9])
    table, defects = store.table, store.defects
    setup = f", set-up {table['setup'][index]}" if len(store.attributes["setups"]) > 1 else ""
    for axes, image, title in ((left, hr, f"{index} HR  {table['split'][index]}{setup}"), (right, lr, f"{index} LR")):
        _show(axes, image, low, high)
        axes.set_title(title, size=8, pad=2)
        axes.set_autoscale_on(False)  # a circle that leaves the image must not shrink it
    rows = np.flatnonzero(defects["sample"] == index)
    angle = np.linspace(0.0, 2.0 * np.pi, 33)
    for row in rows:
        # A little larger than the defect, so that the circle hides nothing.
        radius = max(0.5 * float(defects["size_mm"][row]) / store.pitch_of(index), 2.0) + 3.0
        # Labels count from the corner of the first pixel, pictures from its centre.
        x = float(defects["x_px"][row]) - 0.5 + radius * np.cos(angle)
        y = float(defects["y_px"][row]) - 0.5 + radius * np.sin(angle)
        left.plot(x, y, color=colors[str(defects["kind"][row])], linewidth=0.8)
    return {str(kind) for kind in defects["kind"][rows]}


def scale_bar(axes: Axes, width_px: int, pitch_mm: float | None) -> None:
    """Draw a bar of a round length, a tenth to a quarter of the image's width, and say its length.

    Parameters
    ----------
    axes : Axes
        Where an image is shown, one unit a pixel.
    width_px : int
        The image's width [px].
    pitch_mm : float, optional
        Its pixel pitch [mm]; without it the bar counts pixels.
    """
    unit = "px" if pitch_mm is None else "mm"
    pitch_mm = pitch_mm or 1.0
    most = width_px * pitch_mm / 4
    power = 10.0 ** np.floor(np.log10(most))
    length = max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most)
    bar = AnchoredSizeBar(
        axes.transData,
        length / pitch_mm,
        f"{length:g} {unit}",
        "lower left",
        size_vertical=width_px / 150,
        borderpad=0.4,
    )
    bar.patch.set(alpha=0.75, linewidth=0)
    axes.add_artist(bar)


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
