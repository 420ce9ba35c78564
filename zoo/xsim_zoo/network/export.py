"""A network in a form that other programs run, checked against torch before it is kept."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xsim.errors import DamageError, ExtraMissingError, UnknownNameError
from xsim.files.whole import whole_file
from xsim_zoo.network.backbone import Backbone

__all__ = ["CARD", "TOLERANCE", "Exported", "check_installed", "export", "write_onnx"]

CARD = "xsim.card"
"""Metadata property of ONNX files that holds the card."""

TOLERANCE = 1e-4
"""Largest difference from torch that an exported network may show on answers of unit size.

float32 sums in another order differ by less; a wrong layer differs by more."""

_CHECK_SHAPES = ((64, 64), (96, 160))
"""Shapes at which both are compared [px]: a square one and another, as height and width must both be free."""


@dataclass(frozen=True)
class Exported:
    """An exported network.

    Parameters
    ----------
    path : str
        The file.
    format : str
        Its format.
    bytes : int
        Its size.
    largest_difference : float
        Largest difference from torch's answers, on answers of unit size.
    """

    path: str
    format: str
    bytes: int
    largest_difference: float


def export(network: Backbone, path: Path, format_: str = "onnx", *, card: Mapping[str, Any] | None = None) -> Exported:
    """Write a network; inputs are ``features`` (B, C, H, W) and ``conditions`` (B, 3, 6 or 11), any H, W in 8s.

    What stands around the network (filters, sampler, link) follows from the card, see ``examples/restore_numpy.py``, or
    is exported with it for images of one size, see `xsim_zoo.exports.whole`.

    Parameters
    ----------
    network : Backbone
        The network.
    path : Path
        Where to.
    format_ : str
        "onnx".
    card : mapping, optional
        The card of its weights, kept in the file as the metadata property ``xsim.card``, JSON.

    Raises
    ------
    UnknownNameError
        If the format is not "onnx".
    ExtraMissingError
        If the packages of the extra ``onnx`` are missing.
    DamageError
        If the exported network does not answer as torch does; nothing is left behind.
    """
    if format_ != "onnx":
        raise UnknownNameError("export format", format_, ["onnx"])
    check_installed()
    with whole_file(path) as partial:
        _write_onnx(network, partial, card)
        difference = _difference(network, partial)
        if not difference <= TOLERANCE:
            raise DamageError(f"{path}: the exported network is off by {difference:.1e}: report it, and use torch")
    return Exported(str(path), format_, path.stat().st_size, difference)


def check_installed() -> None:
    """Refuse to export where the packages of the extra ``onnx`` are missing.

    Raises
    ------
    ExtraMissingError
        Naming the package.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise ExtraMissingError(package, "onnx")


def _write_onnx(network: Backbone, path: Path, card: Mapping[str, Any] | None) -> None:
    network = network.cpu().eval()
    features, conditions = _probe(network, (64, 96), batch=2)
    batch, height, width = (torch.export.Dim(name, min=2, max=4096) for name in ("batch", "height", "width"))
    shapes = {"features": {0: batch, 2: 8 * height, 3: 8 * width}, "conditions": {0: batch}}
    write_onnx(
        network, {"features": features, "conditions": conditions}, path, answer="answer", shapes=shapes, card=card
    )


def write_onnx(
    module: nn.Module,
    given: Mapping[str, Tensor],
    path: Path,
    *,
    answer: str,
    shapes: Mapping[str, Mapping[int, Any]],
    card: Mapping[str, Any] | None,
) -> None:
    """Write a module as ONNX, without a check.

    Parameters
    ----------
    module : torch.nn.Module
        The module, on the CPU.
    given : mapping of tensors
        Its arguments by name, of a size that it takes.
    path : Path
        Where to.
    answer : str
        Name of what it returns.
    shapes : mapping
        Axes of each argument whose size is free, as `torch.export.Dim`.
    card : mapping, optional
        Kept as the metadata property `CARD`.
    """
    with _quiet():
        program: Any = torch.onnx.export(
            module,
            tuple(given.values()),
            input_names=list(given),
            output_names=[answer],
            dynamic_shapes=dict(shapes),
            dynamo=True,
            verbose=False,
        )
        if card is not None:
            program.model.metadata_props[CARD] = json.dumps(card)
        program.save(str(path), external_data=False)


def _difference(network: Backbone, path: Path) -> float:
    import onnxruntime  # noqa: PLC0415  (an extra)

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    worst = 0.0
    for number, shape in enumerate(_CHECK_SHAPES):
        features, conditions = _probe(network, shape, batch=number + 1)
        with torch.no_grad():
            expected = network(features, conditions).numpy()
        (answer,) = session.run(None, {"features": features.numpy(), "conditions": conditions.numpy()})
        worst = max(worst, float(np.abs(answer - expected).max() / max(1.0, float(np.abs(expected).max()))))
    return worst


def _probe(network: Backbone, shape: tuple[int, int], batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn((batch, network.inputs, *shape), generator=generator)
    return features, torch.rand((batch, network.conditions), generator=generator) - 0.5


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on its own progress from the user's screen."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
