"""The document of an evaluation: a faithful round trip, and nothing missing without a reason."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.zoo.evaluation.example import example_evaluation
from xsim.errors import InputError
from xsim_zoo.evaluation.probes.shown import picture
from xsim_zoo.evaluation.results import Evaluation, section_names


def test_json_round_trip() -> None:
    evaluation = example_evaluation()
    text = json.dumps(evaluation.to_dict(), allow_nan=False)
    assert Evaluation.from_dict(json.loads(text)) == evaluation


@pytest.mark.parametrize("section", section_names())
def test_an_absent_section_keeps_its_reason(section: str) -> None:
    evaluation = example_evaluation(absent={section: "real pairs"})
    assert Evaluation.from_dict(evaluation.to_dict()).absent[section] == "real pairs"
    document = evaluation.to_dict()
    document["absent"] = {}
    with pytest.raises(InputError, match="absent without a reason"):
        Evaluation.from_dict(document)


def test_a_document_without_pictures_is_whole() -> None:
    document = example_evaluation().to_dict(pictures=False)
    assert document["shown"] == []
    assert "shown" in Evaluation.from_dict(document).absent


@pytest.mark.parametrize("change", [{"schema": "xsim.evaluation/9"}, {"images": [{"restorer": "x"}]}, {"extra": 1}])
def test_foreign_documents_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Evaluation.from_dict({**example_evaluation().to_dict(), **change})


def test_picture_holds_its_grey() -> None:
    image = np.linspace(-0.2, 1.2, 64).reshape(8, 8)
    found = picture(image, 0.0, 1.0)
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(found.png_base64)))) / 255
    assert (found.width, found.height) == (8, 8)
    np.testing.assert_allclose(decoded, np.clip(image, 0, 1), atol=0.5 / 255)
