"""A whole restoration as a graph of one size answers as torch does, in torch and as ONNX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import xsim_zoo
from xsim.errors import DamageError, InputError, UnknownNameError
from xsim_zoo.exports import whole
from xsim_zoo.exports.graph import WHOLE, RestorationGraph
from xsim_zoo.network.export import CARD, TOLERANCE
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer

SHAPES = [(64, 64), (97, 131), (40, 203)]  # square, odd and without a common factor, one side below the borders


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return xsim_zoo.load("physics-sde", device="cpu")


def drawn(restorer: Restorer, shape: tuple[int, int], **options: int) -> float:
    """Return the largest difference of a graph's answer from the restorer's."""
    graph = RestorationGraph(restorer, shape, **options).eval()
    images = [whole.probe_image(shape, seed) for seed in (1, 2)]
    with torch.no_grad():
        answers = graph(torch.from_numpy(np.stack(images)[:, None]))
    found = [restorer.restore_array(image, **options) for image in images]
    assert min(float(np.abs(one - image).max()) for one, image in zip(found, images, strict=True)) > 0.1
    return float(np.abs(answers[:, 0].numpy() - np.stack(found)).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_graph_is_the_restoration(restorer: Restorer, shape: tuple[int, int]) -> None:
    assert drawn(restorer, shape) < TOLERANCE


def test_the_graph_takes_other_numbers_of_steps(restorer: Restorer) -> None:
    assert drawn(restorer, (48, 56), steps=5) < TOLERANCE


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "physics-sde"])
def test_other_restorers_fit_too(name: str) -> None:
    assert drawn(xsim_zoo.load(name, device="cpu"), (64, 72)) < TOLERANCE


def test_weights_of_many_detectors_are_told_which_these_are(restorer: Restorer) -> None:
    universal = xsim_zoo.load("physics-sde", "universal", device="cpu")
    with pytest.raises(InputError, match="--detectors"):
        RestorationGraph(universal, (64, 64))
    assert drawn(universal.with_physics(restorer.physics), (64, 72)) < TOLERANCE


def test_what_does_not_fit_is_refused(restorer: Restorer) -> None:
    with pytest.raises(UnknownNameError, match="fits into one graph"):
        RestorationGraph(xsim_zoo.load("tv", device="cpu"), (64, 64))
    with pytest.raises(InputError, match="2048"):
        RestorationGraph(restorer, (64, 4096))


def test_an_export_that_differs_is_not_kept(
    restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    monkeypatch.setattr(whole, "write_onnx", lambda graph, given, path, **how: path.write_bytes(b"something else"))
    monkeypatch.setattr(whole, "answer_of", lambda path, images: images)
    with pytest.raises(DamageError, match="is off by"):
        whole.export_whole(restorer, (64, 64), tmp_path / "whole.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # torch's exporter: ten seconds a size
@pytest.mark.parametrize("shape", SHAPES)
def test_the_whole_pipeline_runs_outside_of_python(restorer: Restorer, shape: tuple[int, int], tmp_path: Path) -> None:
    """MONAI#6526: pre- and post-processing cannot be exported with the network, so that others write them anew."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    card = load_checkpoint("physics-sde").card.to_dict()
    exported = whole.export_whole(restorer, shape, tmp_path / "whole.onnx", card=card)
    assert exported.largest_difference < TOLERANCE
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map[CARD]) == card
    images = np.stack([whole.probe_image(shape, seed) for seed in (3, 4, 5)])[:, None]  # a batch of any length
    (answers,) = session.run(None, {whole.INPUT: images})
    for image, answer in zip(images, answers, strict=True):
        assert np.abs(answer[0] - restorer.restore_array(image[0])).max() < TOLERANCE
