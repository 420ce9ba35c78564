"""A contact sheet of a store: pairs side by side, with the defects that their labels know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xsim.errors import InputError
from xsim_datasets.images import publish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from xsim_datasets.store.reader import PairStore

__all__ = ["draw_preview"]

# Chosen by eye: two pairs across fit a screen, and a sheet of more than 64 is too long to look through.
_INCHES = 2.6
_PAIRS_ACROSS = 2
_MOST_PAIRS = 64


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
    figure = Figure(figsize=(2 * across * _INCHES, down * (_INCHES + 0.25) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(down, 2 * across, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    kinds = [str(kind) for kind in store.attributes["defect_kinds"]]
    drawn: set[str] = set()
    for place, index in enumerate(indices):
        row, column = divmod(place, across)
        drawn |= _draw_pair(store, int(index), panels[row, 2 * column], panels[row, 2 * column + 1], kinds)
    _draw_legend(figure, [kind for kind in kinds if kind in drawn], kinds)
    publish(path, lambda part: figure.savefig(part, dpi=100, format="png"), force=force)


def _draw_pair(store: PairStore, index: int, left: Axes, right: Axes, kinds: list[str]) -> set[str]:
    hr, lr = store.read(index)
    low, high = np.percentile(hr, [0.1, 99.9])
    table = store.table
    setup = f", set-up {table['setup'][index]}" if len(store.attributes["setups"]) > 1 else ""
    for axes, image, title in ((left, hr, f"{index} HR  {table['split'][index]}{setup}"), (right, lr, f"{index} LR")):
        axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
        axes.set_title(title, size=8, pad=2)
        axes.set_autoscale_on(False)  # a circle that leaves the image must not shrink it
    return _draw_labels(store, index, left, kinds)


def _draw_labels(store: PairStore, index: int, axes: Axes, kinds: list[str]) -> set[str]:
    """Circle the defects; the circle is a little larger than the defect, so that it hides nothing."""
    defects = store.defects
    rows = np.flatnonzero(defects["sample"] == index)
    for row in rows:
        radius = max(0.5 * float(defects["size_mm"][row]) / store.pitch_of(index), 2.0) + 3.0
        angle = np.linspace(0.0, 2.0 * np.pi, 33)
        # Labels count from the corner of the first pixel, pictures from its centre.
        x = float(defects["x_px"][row]) - 0.5 + radius * np.cos(angle)
        y = float(defects["y_px"][row]) - 0.5 + radius * np.sin(angle)
        color = _color(str(defects["kind"][row]), kinds)
        axes.plot(x, y, color=color, linewidth=0.8)
    return {str(kind) for kind in defects["kind"][rows]}


def _draw_legend(figure: Figure, drawn: list[str], kinds: list[str]) -> None:
    if not drawn:
        return
    handles: list[Any] = []
    for kind in drawn:
        handles += figure.axes[0].plot([], [], color=_color(kind, kinds), label=kind)
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=7, frameon=False)


def _color(kind: str, kinds: list[str]) -> tuple[float, float, float, float]:
    red, green, blue, alpha = colormaps["tab20"](kinds.index(kind) % 20)
    return red, green, blue, alpha
