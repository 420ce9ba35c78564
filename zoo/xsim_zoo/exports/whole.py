"""The whole restoration of images of one size as one ONNX file, checked against torch before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from xsim.errors import DamageError
from xsim.files.whole import whole_file
from xsim_zoo.exports.graph import RestorationGraph
from xsim_zoo.network.export import TOLERANCE, Exported, check_installed, write_onnx
from xsim_zoo.restorers.base import Restorer

__all__ = ["INPUT", "OUTPUT", "answer_of", "export_whole", "probe_image"]

INPUT: Final = "lr"
"""Name of the graph's input: images (B, 1, H, W), linear, open field 1.0, metal dark."""

OUTPUT: Final = "hr"
"""Name of what it returns, of the same shape and scale."""

_CELL_PX = 12
"""Side of the probe's squares [px]: edges at all places of the network's cells of 8 px."""


def export_whole(
    restorer: Restorer,
    shape: tuple[int, int],
    path: Path,
    *,
    steps: int | None = None,
    card: Mapping[str, Any] | None = None,
) -> Exported:
    """Write a restoration with its padded grid, filters, network, sampler and link.

    Parameters
    ----------
    restorer : Restorer
        See `RestorationGraph`.
    shape : (H, W)
        Size of the images [px].
    path : Path
        Where to.
    steps : int, optional
        Sampling steps; None takes the restorer's own.
    card : mapping, optional
        The card of its weights, kept in the file as the metadata property ``xsim.card``, JSON.

    Raises
    ------
    UnknownNameError, InputError
        See `RestorationGraph`.
    ExtraMissingError
        If the packages of the extra ``onnx`` are missing.
    DamageError
        If the file does not answer as torch does; nothing is left behind.
    """
    graph = RestorationGraph(restorer, shape, steps=steps).eval()
    check_installed()
    images = probe_image(shape, 0)[None, None]
    with whole_file(path) as partial:
        given = {INPUT: torch.from_numpy(np.concatenate([images, images]))}
        free = {INPUT: {0: torch.export.Dim("batch", min=1, max=4096)}}
        write_onnx(graph, given, partial, answer=OUTPUT, shapes=free, card=card)
        expected = restorer.restore_array(images[0, 0], steps=steps)
        difference = float(np.abs(answer_of(partial, images)[0, 0] - expected).max())
        if not difference <= TOLERANCE:
            raise DamageError(f"{path}: the exported restoration is off by {difference:.1e}: report it, and use torch")
    return Exported(str(path), "onnx", path.stat().st_size, difference)


def answer_of(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what an exported restoration makes of images (B, 1, H, W), by ONNX Runtime on the CPU."""
    import onnxruntime  # noqa: PLC0415  (an extra)

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {INPUT: images})
    return np.asarray(answer, dtype=np.float32)


def probe_image(shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """Return squares of random grey with noise, (H, W): edges, flat parts, the dark, and more than the open field."""
    rng = np.random.default_rng(seed)
    cells = rng.uniform(0.02, 1.05, [-(-side // _CELL_PX) for side in shape])
    squares = np.kron(cells, np.ones((_CELL_PX, _CELL_PX)))[: shape[0], : shape[1]]
    return (squares + rng.normal(0.0, 0.02, shape)).astype(np.float32)
