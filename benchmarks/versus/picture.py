"""The headline's picture: the same window as LR, restored by several restorers, and HR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from versus.contenders import CHAMPION
from versus.sets import SEED, SETS, Case
from xsim.measure.similarity import psnr_dB
from xsim_zoo.evaluation.entrants import Ready
from xsim_zoo.evaluation.judging import inner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from versus.running import Job
    from versus.scoring import Score

__all__ = ["draw"]

_COLUMNS: Final = ("wiener", "unet", CHAMPION)
_SETS: Final = {"random": "random board", "limesdr": "LimeSDR, real layout"}
_WINDOW_PX: Final = 128
_PANEL_IN: Final = 2.5


def draw(path: Path, scores: Sequence[Score], job: Job) -> Path | None:
    """Draw the image of median PSNR of each test set, so that none is picked for its looks; return the path.

    Returns None where neither set took part.
    """
    cases = [case for name in _SETS if (case := _typical(scores, name)) is not None]
    rows = {row.label: row for row in job.rows}
    shown = [label for label in _COLUMNS if label in rows]
    if not cases or not shown:
        return None
    size = (_PANEL_IN * (len(shown) + 2), (_PANEL_IN + 0.35) * len(cases))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(cases), len(shown) + 2, squeeze=False)
    for line, case in zip(axes, cases, strict=True):
        imaged = job.image(case)
        images = {"LR": imaged.lr}
        for label in shown:
            images[label] = Ready.load(rows[label], "cpu").answer(imaged.lr, seed=SEED, sample=case.number)
        images["HR"] = imaged.hr
        window = _liveliest(inner(imaged.hr_clean))
        low, high = np.percentile(inner(imaged.hr)[window], [0.2, 99.8])
        for axis, (label, image) in zip(line, images.items(), strict=True):
            axis.imshow(inner(image)[window], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axis.set_axis_off()
            score = "" if label == "HR" else f"\n{psnr_dB(inner(image), inner(imaged.hr)):.1f} dB"
            axis.set_title(f"{label}{score or chr(10) + _SETS[case.set_name]}", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def _typical(scores: Sequence[Score], set_name: str) -> Case | None:
    """Return the case on which the champion's PSNR is the set's median."""
    found = sorted((one.psnr_dB, one.image.sample) for one in scores if (one.set_name, one.row) == (set_name, CHAMPION))
    return Case(set_name, SETS[set_name].conditions[0], found[len(found) // 2][1]) if found else None


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
