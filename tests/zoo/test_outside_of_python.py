"""The restoration in numpy alone, and around an exported network, against torch: what other languages may rely on."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xsim_zoo
from xsim_zoo.network.export import CARD, export
from xsim_zoo.weights.card import shipped
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCRIPT = Path(__file__).parents[2] / "examples" / "restore_numpy.py"
SHAPES = [(64, 64), (97, 131), (40, 203)]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("restore_numpy", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def radiograph(toys: Any, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return an image with noise, and greys below 0 and above 1, where the link goes on straight."""
    noise = np.random.default_rng(0).normal(0.0, 0.03, shape)
    image = (toys.board(5, shape) + noise).astype(np.float32)
    image[5:9, 5:9] = -0.02
    image[20:24, 20:24] = 1.2
    return image


def test_it_is_short_and_needs_numpy_alone() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    imports = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imports == {"json", "struct", "sys", "pathlib", "numpy"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", ["physics-sde", "physics-sde-one-step"])
def test_numpy_answers_as_torch(weights: str, shape: tuple[int, int], script: ModuleType, toys: Any) -> None:
    if weights != "physics-sde" and shape != SHAPES[0]:
        return  # the number of steps has nothing to do with the size
    path = shipped()[weights]
    lr, tensors = radiograph(toys, shape), script.tensors_of(path)
    card = json.loads(path.with_suffix(".json").read_text())
    answer = script.restore(card, lr, network=lambda *seen: script.unet(tensors, *seen))
    expected = xsim_zoo.load("physics-sde", weights, device="cpu").restore_array(lr)
    assert np.abs(answer - expected).max() < TOLERANCE
    assert np.abs(expected - lr).max() > 100 * TOLERANCE


@pytest.mark.slow
def test_an_exported_network_and_its_card_are_all_that_is_needed(script: ModuleType, toys: Any, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    restorer = xsim_zoo.load("physics-sde", device="cpu")
    assert isinstance(restorer, xsim_zoo.LearnedRestorer)
    card = load_checkpoint("physics-sde").card.to_dict()
    export(restorer.network, tmp_path / "net.onnx", card=card)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    told = json.loads(session.get_modelmeta().custom_metadata_map[CARD])
    assert told == card

    def network(features: NDArray[Any], conditions: list[float]) -> NDArray[Any]:
        given = {"features": features[None].astype(np.float32), "conditions": np.float32([conditions])}
        answer: NDArray[Any] = session.run(None, given)[0][0, 0]
        return answer

    for shape in SHAPES:
        lr = radiograph(toys, shape)
        assert np.abs(script.restore(told, lr, network=network) - restorer.restore_array(lr)).max() < TOLERANCE
