"""The headline's picture: the image of median PSNR of each pictured set, before and after some restorers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from headline_figures import CHAMPION
from headline_sets import SEED
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xsim.measure.similarity import psnr_dB
from xsim_zoo.evaluation.scores import inner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from headline_figures import Found
    from headline_sets import TestSet
    from numpy.typing import NDArray

    from xsim_zoo.evaluation import Competitor

__all__ = ["picture"]

_PICTURED: Final = {"random": "random board", "limesdr": "LimeSDR, real layout"}
_COLUMNS: Final = ("wiener", "unet", CHAMPION)
_WINDOW_PX, _PANEL_IN = 128, 2.5


def picture(path: Path, found: Found, sets: Iterable[TestSet], rows: Sequence[Competitor]) -> None:
    """Draw the image of median PSNR of each pictured set, so that none is picked for its looks."""
    shown = [row for row in rows if row.label in _COLUMNS]
    pictured = [one for one in sets if one.name in _PICTURED and CHAMPION in found[one.name, one.condition].labels]
    if not pictured or not shown:
        return
    figure = Figure(figsize=(_PANEL_IN * (len(shown) + 2), (_PANEL_IN + 0.35) * len(pictured)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(pictured), len(shown) + 2, squeeze=False)
    for line, test_set in zip(axes, pictured, strict=True):
        scores = [one for one in found[test_set.name, "paper"].images if one.restorer == CHAMPION]
        ordered = sorted((one.psnr_dB or np.inf, one.sample) for one in scores)
        pair = test_set.read(ordered[len(ordered) // 2][1], clean=True)
        answers = {row.label: replace(row.load("cpu"), seed=SEED).answer(pair.lr, number=pair.sample) for row in shown}
        images = {"LR": pair.lr, **answers, "HR": pair.hr}
        assert pair.clean is not None
        window = _liveliest(inner(pair.clean))
        low, high = np.percentile(inner(pair.hr)[window], [0.2, 99.8])
        for axis, (label, image) in zip(line, images.items(), strict=True):
            axis.imshow(inner(image)[window], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axis.set_axis_off()
            said = _PICTURED[test_set.name] if label == "HR" else f"{psnr_dB(inner(image), inner(pair.hr)):.1f} dB"
            axis.set_title(f"{label}\n{said}", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _liveliest(image: NDArray[np.floating]) -> tuple[slice, slice]:
    """Return the window in which neighbours differ most."""
    change = np.zeros(image.shape)
    change[:-1] += np.abs(np.diff(image, axis=0))
    change[:, :-1] += np.abs(np.diff(image, axis=1))
    total = np.pad(change, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    side = min(_WINDOW_PX, *image.shape)
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    y, x = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return slice(int(y), int(y) + side), slice(int(x), int(x) + side)
