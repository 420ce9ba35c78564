"""What a run would do, without doing it: files, scale, tiles, memory, time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.errors import XsimError
from xsim_datasets.images import read_image
from xsim_zoo.network.tiles import TiledNetwork, network_bytes
from xsim_zoo.process.blocks import blocks
from xsim_zoo.process.padding import PaddedGrid
from xsim_zoo.run.pages import sampling_steps
from xsim_zoo.run.restore import prepared

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.run.jobs import Job
    from xsim_zoo.run.settings import RunSettings

__all__ = ["forecast"]

_TRIAL_PX = 192
_BASE_BYTES = 3.5e8
"""The program itself [bytes]."""
_FILTER_BYTES_PER_PX = 38.0
_CHECK_BYTES_PER_PX = 40.0
"""Maps, spectra and states of a block, for each of its pixels [bytes], as measured on 4096 x 4096."""


def forecast(restorer: Restorer, job: Job, settings: RunSettings) -> dict[str, Any]:
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
        ready = prepared(restorer, source, settings)
    except XsimError as error:
        raise job.named(error) from error
    parts = blocks(PaddedGrid.around(source.shape))
    evaluations = sampling_steps(restorer, settings) * max(settings.samples, 1) * len(parts) * source.pages
    network = ready.restore_page.network
    tiles, largest = 0, 0.0
    if isinstance(network, TiledNetwork):
        cut = list(network.tiles(parts[0].shape))
        tiles = len(cut) * evaluations
        largest = max((r.stop - r.start) * (c.stop - c.start) for r, c in cut) * network_bytes(restorer)
    pixels = int(np.prod(source.pixels.shape))
    # Grey levels and the answer, and the spread of the samples if there are any.
    whole = source.dtype.itemsize + (8 if settings.samples else 4)
    block = max(largest + _FILTER_BYTES_PER_PX * np.prod(parts[0].shape), _CHECK_BYTES_PER_PX * np.prod(parts[0].shape))
    return {
        "input": str(job.input),
        "output": str(job.output),
        "shape": list(source.shape),
        "pages": source.pages,
        "dtype": str(source.dtype),
        "pitch_mm": ready.pitch_mm,
        "open_field": source.turned(ready.scale.open_field),
        "notes": list(ready.notes),
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
        restorer.restore_array(image, steps=sampling_steps(restorer, settings))
    return (time.perf_counter() - began) / np.prod(PaddedGrid.around(image.shape).padded)
