"""What a run would do, without doing it: files, scale, tiles, memory, time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.errors import XsimError
from xsim_datasets.images import read_image
from xsim_zoo.network.tiles import bytes_per_px
from xsim_zoo.process.grid import PaddedGrid, blocks
from xsim_zoo.restorers.base import LearnedRestorer
from xsim_zoo.run.restore import planned

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.run.jobs import FileJob
    from xsim_zoo.run.settings import RunSettings

__all__ = ["forecast"]

_TRIAL_PX = 192
"""Side of the image that is timed [px]: large enough to keep the machine busy, done within a second."""

_BASE_BYTES = 3.5e8
"""The program itself [bytes]."""

_FILTER_BYTES_PER_PX = 38.0
_CHECK_BYTES_PER_PX = 40.0
"""Maps, spectra and states of a block, for each of its pixels [bytes], as measured on 4096 x 4096."""


def forecast(restorer: Restorer, job: FileJob, settings: RunSettings) -> dict[str, Any]:
    """Return what restoring one file would take.

    Returns
    -------
    dict
        ``input``, ``output``, ``shape``, ``pages``, ``dtype``, ``pitch_mm``, ``open_field``, ``notes``, ``blocks``,
        ``tiles`` (evaluations of the network), ``memory_bytes`` and ``seconds`` (of one trial tile, scaled up).

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    source = read_image(job.input, pages=True)
    try:
        plan = planned(restorer, source, settings)
    except XsimError as error:
        raise job.named(error) from error
    parts = blocks(PaddedGrid.around(source.shape))
    evaluations = settings.steps_of(restorer) * max(settings.samples, 1) * len(parts) * source.pages
    tiles, largest = 0, 0.0
    if plan.network is not None and isinstance(restorer, LearnedRestorer):
        cut = list(plan.network.tiles(parts[0].shape))
        tiles = len(cut) * evaluations
        largest = max((r.stop - r.start) * (c.stop - c.start) for r, c in cut) * bytes_per_px(restorer.network)
    pixels = int(np.prod(source.pixels.shape))
    # Grey levels and the answer; of samples one, their mean and their spread.
    whole = source.dtype.itemsize + (12 if settings.samples else 4)
    block = max(largest + _FILTER_BYTES_PER_PX * np.prod(parts[0].shape), _CHECK_BYTES_PER_PX * np.prod(parts[0].shape))
    return {
        "input": str(job.input),
        "output": str(job.output),
        "shape": list(source.shape),
        "pages": source.pages,
        "dtype": str(source.dtype),
        "pitch_mm": plan.pitch_mm,
        "open_field": source.turned(plan.scale.open_field),
        "notes": list(plan.notes),
        "blocks": len(parts),
        "tiles": tiles,
        "memory_bytes": int(_BASE_BYTES + block + whole * pixels),
        "seconds": round(_trial_s_per_px(restorer, settings) * pixels * max(settings.samples, 1), 1),
    }


def _trial_s_per_px(restorer: Restorer, settings: RunSettings) -> float:
    """Time a small image; the first run warms up and is not counted."""
    image = np.ones((_TRIAL_PX, _TRIAL_PX), np.float32)
    for _ in range(2):
        began = time.perf_counter()
        restorer.restore_array(image, steps=settings.steps_of(restorer))
    return (time.perf_counter() - began) / np.prod(PaddedGrid.around(image.shape).padded)
