"""The picture of one restoration: before, after, what changed, how sure it is, and a profile."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label, maximum_filter, uniform_filter

from xsim.errors import InputError
from xsim.measure.checks import ROI
from xsim_datasets.images import publish
from xsim_datasets.pictures import LINES, scale_bar
from xsim_datasets.real.corrections import BadPixels, Corrected
from xsim_zoo.run.restore import Restored
from xsim_zoo.run.sensitivity import blur_ends

__all__ = ["check_roi", "draw"]

_WINDOW_PX = 128
"""Side of the window that is enlarged [px]: single pixels can be told apart in it."""

_LEAST_ROI_PX, _LARGEST_ROI_PX = 8, 2048
"""Sides of a window that somebody chooses [px]: in less there is nothing to see, and more is not enlarged."""

_SHOWN_PX = 1600
"""Longest side of an image as drawn [px]: more the picture has no pixels for."""

_SHUT, _BEYOND_AIR = 0.03, 1.25
"""Shares of the open field: what lets less through is lead, and what is brighter was not in the beam."""

_LEAST_SHARE = 0.002
"""Share of the image that a part of its surroundings has, at least: less is a part of the object at the border."""

_BLUR_PX = 12
"""How far the blur of an edge reaches, about [px]."""

_UNJUDGED = "0.6"
"""Grey of what was not judged: none of the colours of the map."""


def check_roi(roi: ROI, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns of a region (x, y, width, height) of an image of a shape (H, W).

    Raises
    ------
    InputError
        If it leaves the image, or has a side of fewer than 8 or more than 2048 pixels.
    """
    x, y, width, height = roi
    if min(x, y) < 0 or x + width > shape[1] or y + height > shape[0]:
        raise InputError(f"--roi {x},{y},{width},{height} leaves the image of {shape[1]} x {shape[0]} pixels")
    if min(width, height) < _LEAST_ROI_PX or max(width, height) > _LARGEST_ROI_PX:
        raise InputError(
            f"--roi {x},{y},{width},{height}: give a region of {_LEAST_ROI_PX} to {_LARGEST_ROI_PX} pixels on each side"
        )
    return slice(y, y + height), slice(x, x + width)


def draw(path: Path, restored: Restored, *, title: str, roi: ROI | None = None, force: bool = False) -> Path:
    """Draw a restoration as PNG: both images whole, a window of them enlarged, and a line through it.

    Parameters
    ----------
    path : Path
        File to make.
    restored : Restored
        The restoration; of several pages the first is drawn.
    title : str
        What to write above, e.g. the name of the input.
    roi : (x, y, width, height), optional
        The window [px]; where most has changed inside the object if not given.
    force : bool
        Replace a file that exists.

    Raises
    ------
    InputError
        If the file exists, or the window leaves the image.
    """
    before = restored.scale.linear(next(restored.source.images()))
    after = restored.image.reshape(-1, *before.shape)[0]
    guessed = restored.detectors.estimated
    figure = Figure(figsize=(14.0, 15.5 if guessed else 12.0), layout="constrained")
    FigureCanvasAgg(figure)
    rows: list[Any] = [
        ["before", "before", "after", "after"],
        ["before_zoom", "after_zoom", "change", "trust"],
        ["line"] * 4,
    ]
    window = check_roi(roi, before.shape) if roi else _window(after - before, _outside(before))
    ends = blur_ends(restored, window)
    if ends:
        rows.insert(2, ["blurrier", "between", "sharper", "difference"])
    axes = figure.subplot_mosaic(rows, height_ratios=[6, 4, 4, 2.5] if ends else [6, 4, 2.5])
    stride = -(-max(before.shape) // _SHOWN_PX)
    thin = (slice(None, None, stride), slice(None, None, stride))
    low, high = np.percentile(before[thin], [0.1, 99.9])
    grey = f"black {low:.2f}, white {high:.2f} of the open field"
    figure.suptitle("\n".join([*wrap(f"{title}: {restored.consistency.verdict}", 150), grey]), size=11)
    for name, image in (("before", before), ("after", after)):
        _show(axes[name], image[thin], name, cmap="gray", vmin=low, vmax=high)
        corner = (window[1].start / stride - 0.5, window[0].start / stride - 0.5)
        width, height = ((part.stop - part.start) / stride for part in reversed(window))
        axes[name].add_patch(Rectangle(corner, width, height, fill=False, edgecolor="tab:orange", linewidth=1.2))
        scale_bar(axes[name], image[thin].shape[1], restored.pitch_mm and restored.pitch_mm * stride)
        _show(axes[f"{name}_zoom"], image[window], f"{name}, enlarged", cmap="gray", vmin=low, vmax=high)
        scale_bar(axes[f"{name}_zoom"], image[window].shape[1], restored.pitch_mm)
    _mark_bad(axes, restored, window, stride)
    change = (after - before)[window]
    reach = float(np.abs(change).max()) or 1.0
    shown = _show(axes["change"], change, "change, enlarged", cmap="RdBu_r", vmin=-reach, vmax=reach)
    _scale(shown, "after less before, open field = 1")
    _show_trust(axes["trust"], restored, window)
    row = window[0].start + int(np.argmax(after[window].std(axis=1)))
    for name, (color, style) in zip(("before_zoom", "after_zoom"), LINES, strict=False):
        axes[name].axhline(row - window[0].start, color=color, linestyle=style, linewidth=0.9)
    if ends:
        _show_ends(axes, ends, after[window], (low, high))
    _plot_line(axes["line"], before, after, restored, (row, window[1]))
    publish(path, lambda part: figure.savefig(part, dpi=100, format="png"), force=force)
    return path


def _window(change: NDArray[np.float32], outside: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the window in whose structure most has changed; a shift of the grey level alone does not count.

    Parameters
    ----------
    change : (H, W) array
        After less before.
    outside : (H, W) bool array
        What is no part of the object: a window that holds some of it is taken only where there is no other.
    """
    size = [min(_WINDOW_PX, side) for side in change.shape]
    activity = uniform_filter(change**2, size) - uniform_filter(change, size) ** 2
    clear = maximum_filter(outside, size) == 0
    # Windows reach over the border nowhere: what would be shifted back is judged where it comes to lie.
    for axis, length in enumerate(size):
        ends = np.arange(change.shape[axis])
        held = (ends >= length // 2) & (ends <= change.shape[axis] - length + length // 2)
        clear &= held[:, None] if axis == 0 else held
    centre = np.unravel_index(int(np.argmax(np.where(clear, activity, -1) if clear.any() else activity)), change.shape)
    starts = [
        int(np.clip(at - length // 2, 0, side - length))
        for at, length, side in zip(centre, size, change.shape, strict=True)
    ]
    return slice(starts[0], starts[0] + size[0]), slice(starts[1], starts[1] + size[1])


def _outside(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return what surrounds the field: collimators, as good as black, and what is brighter than air, beside a film.

    They change most where they end, and are nothing that anybody has put into the beam to look at.

    Parameters
    ----------
    image : (H, W) array
        Linear, open field 1.0.
    """
    stride = -(-max(image.shape) // _SHOWN_PX)
    thin = image[::stride, ::stride]
    found = np.zeros(thin.shape, bool)
    for mask in (thin < _SHUT, thin > _BEYOND_AIR):
        labels, _ = label(mask)
        rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        sizes = np.bincount(labels.ravel())
        large = [one for one in np.unique(rim) if one and sizes[one] > _LEAST_SHARE * thin.size]
        found |= np.isin(labels, large)
    if found.any():
        found = binary_dilation(found, iterations=-(-_BLUR_PX // stride))
    return np.asarray(found.repeat(stride, 0).repeat(stride, 1)[: image.shape[0], : image.shape[1]])


def _show(axes: Axes, image: NDArray[Any], title: str, **options: Any) -> AxesImage:
    shown = axes.imshow(image, interpolation="nearest", **options)
    axes.set_title(title, size=10)
    axes.set_axis_off()
    return shown


def _mark_bad(axes: dict[str, Axes], restored: Restored, window: tuple[slice, slice], stride: int) -> None:
    """Circle the bad pixels that were repaired in the image before, whole and enlarged; lines beside bad lines."""
    bad = restored.source.bad_pixels if isinstance(restored.source, Corrected) else BadPixels()
    if not bad.count:
        return
    axes["before"].set_title(f"before; marked: {bad.count} bad pixel{'s' if bad.count > 1 else ''}, repaired", size=10)
    rows, columns, places = bad.lines(1), bad.lines(0), bad.of_page(0)
    places = places[~(np.isin(places[:, 0], rows) | np.isin(places[:, 1], columns))]
    for name, (down, across), step in (
        ("before", (slice(0, bad.shape[1]), slice(0, bad.shape[2])), stride),
        ("before_zoom", window, 1),
    ):
        inside = places[np.isin(places[:, 0], np.arange(bad.shape[1])[down])]
        inside = inside[np.isin(inside[:, 1], np.arange(bad.shape[2])[across])]
        y, x = (inside - [down.start, across.start]).T / step
        axes[name].scatter(x, y, s=60, facecolors="none", edgecolors="tab:cyan", linewidths=1.0)
        for draw_line, lines, part in ((axes[name].axhline, rows, down), (axes[name].axvline, columns, across)):
            for line in lines:
                if part.start <= line < part.stop:
                    draw_line((line - part.start) / step, color="tab:cyan", linewidth=0.8, linestyle=":")


def _scale(shown: AxesImage, label: str) -> None:
    """Draw the colours' scale below an image."""
    figure = shown.get_figure()
    if figure is not None:
        figure.colorbar(shown, ax=shown.axes, orientation="horizontal", shrink=0.8, pad=0.02, label=label)


def _show_trust(axes: Axes, restored: Restored, window: tuple[slice, slice]) -> None:
    """Show the spread of the samples where there are any, else the map of local chi2."""
    if restored.std is not None:
        std = restored.std.reshape(-1, *restored.source.shape)[0][window]
        _scale(_show(axes, std, "spread of the samples, enlarged", cmap="magma", vmin=0), "standard deviation")
    else:
        judged = restored.consistency.map
        title = f"check of {restored.consistency.checked:.0%} of the image; grey is not judged"
        colours = mpl.colormaps["magma"].with_extremes(bad=_UNJUDGED)
        shown = _show(axes, judged, title, cmap=colours, vmin=0, vmax=4)
        _scale(shown, "local chi2; about 1 or less is expected")


def _show_ends(
    axes: dict[str, Axes],
    ends: tuple[NDArray[np.float32], NDArray[np.float32]],
    after: NDArray[np.float32],
    grey: tuple[float, float],
) -> None:
    """Show what the restoration would be at the ends of the interval of the estimated blur."""
    titles = ("if the detector is blurrier", "as estimated", "if it is sharper")
    for name, image, title in zip(("blurrier", "between", "sharper"), (ends[0], after, ends[1]), titles, strict=True):
        _show(
            axes[name],
            image,
            f"{title} (95 %)" if name != "between" else title,
            cmap="gray",
            vmin=grey[0],
            vmax=grey[1],
        )
    apart = ends[0] - ends[1]
    reach = float(np.abs(apart).max()) or 1.0
    shown = _show(axes["difference"], apart, "what hangs on it", cmap="RdBu_r", vmin=-reach, vmax=reach)
    _scale(shown, "blurrier less sharper, open field = 1")


def _plot_line(
    axes: Axes,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    restored: Restored,
    place: tuple[int, slice],
) -> None:
    row, columns = place
    at = np.arange(columns.start, columns.stop) * (restored.pitch_mm or 1.0)
    for name, image, (color, style) in zip(("before", "after"), (before, after), LINES, strict=False):
        axes.plot(at, image[row, columns], color=color, linestyle=style, linewidth=1.4, label=name)
    if restored.std is not None:
        std = restored.std.reshape(-1, *before.shape)[0][row, columns]
        line = after[row, columns]
        axes.fill_between(at, line - std, line + std, color=LINES[1][0], alpha=0.25, label="+- standard deviation")
    axes.set(
        xlabel=f"position on row {row} [{'px' if restored.pitch_mm is None else 'mm'}]",
        ylabel="grey, open field = 1",
        xlim=(at[0], at[-1]),
    )
    axes.legend(frameon=False, ncols=3)
    axes.grid(alpha=0.3)
