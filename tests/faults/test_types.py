"""Values of another kind than their names say: in DICOM elements and in the headers of phantoms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from tests.datasets.bad_files import GREY, _dicom
from xsim.errors import InputError
from xsim.phantoms import Phantom, random_board
from xsim_datasets.images import read_image, rehearse, write_image

# Tag, value representation, bytes or value: private elements and standard ones that are not what they say.
ELEMENTS: dict[str, list[tuple[int, str, Any]]] = {
    "our private group is somebody's": [(0x00990000 + k, "LO", f"CREATOR {k}") for k in range(0x10, 0x100)],
    "a creator that is no name": [(0x00990010, "US", 7)],
    "a creator in bytes": [(0x00990010, "OB", b"\x00\xff\x00\xff")],
    "private without a creator": [(0x00991001, "LO", "x"), (0x00110011, "UN", b"\xff" * 9)],
    "ImageType as a number": [(0x00080008, "US", 5)],
    "ImageType as numbers": [(0x00080008, "DS", ["1", "2"])],
    "DerivationDescription as floats": [(0x00082111, "FD", [1.0, 2.0])],
    "SourceImageSequence as text": [(0x00082112, "LO", "a sequence")],
    "SourceImageSequence of nothing": [(0x00082112, "SQ", Sequence([]))],
    "SOPInstanceUID as a number": [(0x00080018, "US", 3)],
    "SOPClassUID as a sequence": [(0x00080016, "SQ", Sequence([]))],
    "PixelIntensityRelationship as numbers": [(0x00281040, "US", [1, 2])],
    "PixelIntensityRelationshipSign as text": [(0x00281041, "LO", "minus")],
    "RescaleSlope as a sequence": [(0x00281053, "SQ", Sequence([]))],
    "RescaleSlope of three": [(0x00281053, "DS", ["1", "2", "3"])],
    "spacing of one": [(0x00181164, "DS", "0.1")],
    "spacing of words": [(0x00181164, "LO", "narrow\\wide")],
    "spacing as a sequence": [(0x00181164, "SQ", Sequence([]))],
    "LossyImageCompressionMethod as numbers": [(0x00282110, "CS", "01"), (0x00282114, "US", [1, 2])],
    "a number where a date is": [(0x00080020, "FD", 1e308)],
    "whole numbers of fifty digits": [(0x00200013, "IS", "9" * 50)],
    "decimals of nonsense": [(0x00180060, "DS", "1e999"), (0x00181151, "DS", "NaN")],
    "an unknown character set": [(0x00080005, "CS", "ISO_IR 9999"), (0x00100010, "PN", "x")],
    "a character set as a number": [(0x00080005, "US", 1)],
    "SmallestImagePixelValue as text": [(0x00280106, "LO", "low")],
    "NumberOfFrames of two": [(0x00280008, "IS", ["1", "1"])],
    "Rows as text": [(0x00280010, "LO", "forty")],
    "Rows of two": [(0x00280010, "US", [40, 40])],
    "BitsStored as text": [(0x00280101, "LO", "sixteen")],
}


def odd_dicom(path: Path, elements: list[tuple[int, str, Any]]) -> None:
    _dicom()(path)
    dataset = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        for tag, kind, value in elements:
            dataset[tag] = DataElement(tag, kind, value)
        dataset.save_as(path)


@pytest.mark.parametrize("name", ELEMENTS)
@pytest.mark.filterwarnings("ignore")
def test_odd_elements_are_read_and_written_or_refused_first(tmp_path: Path, name: str) -> None:
    try:
        odd_dicom(tmp_path / "a.dcm", ELEMENTS[name])
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"pydicom does not write it: {error!r:.80}")
    try:
        read = read_image(tmp_path / "a.dcm", log=True)
    except InputError as refused:
        assert name.split(maxsplit=1)[0] in {"NumberOfFrames", "Rows", "BitsStored", "RescaleSlope"}, refused  # noqa: PT017
        return
    rehearse(tmp_path / "b.dcm", read)
    write_image(tmp_path / "b.dcm", read, stamp={"restorer": "wiener"})
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm", log=True).pixels, GREY)


HEADERS: dict[str, dict[str, Any]] = {
    "materials are a text": {"materials": "FR-4"},
    "materials are numbers": {"materials": [1, 2]},
    "materials are nested": {"materials": [["Cu"]]},
    "materials are a table": {"materials": {"Cu": 1}},
    "materials nobody knows": {"materials": ["Unobtanium"]},
    "defects are a number": {"defects": 3},
    "defects are texts": {"defects": ["void"]},
    "defects are a table": {"defects": {"kind": "void"}},
    "a defect without a mask": {
        "defects": [{"kind": "a", "x_px": 1, "y_px": 1, "size_mm": 1, "value": 0, "corner_px": [0, 0]}]
    },
    "a defect of another kind": {"defects": [{"kind": 5, "x_px": "left", "y_px": 1, "corner_px": [0, 0]}]},
    "balls are numbers": {"balls": [1]},
    "balls of words": {"balls": [{"kind": "ball", "x_px": "x", "y_px": 1, "area_mm2": 1}]},
    "balls of truth": {"balls": [{"kind": "ball", "x_px": True, "y_px": 1, "area_mm2": 1}]},
    "pixel is true": {"pixel_mm": True},
    "pixel is a text": {"pixel_mm": "0.024"},
    "pixel is infinite": {"pixel_mm": float("inf")},
    "pixel is 1e308": {"pixel_mm": 1e308},
    "seed is a text": {"seed": "x"},
    "seed is a list": {"seed": [1]},
    "heights are texts": {"height_mm": ["high"]},
    "heights are one": {"height_mm": [1.0]},
    "heights are infinite": {"height_mm": [float("inf")] * 2},
}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = random_board(seed=1, shape=(24, 24)).save(tmp_path_factory.mktemp("board") / "a.npz")
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.parametrize("name", HEADERS)
def test_phantoms_are_what_they_say(tmp_path: Path, board: dict[str, Any], name: str) -> None:
    header = {**json.loads(str(board["header"])), **HEADERS[name]}
    arrays = {**board, "header": json.dumps(header)}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=r"a\.npz: not a phantom that xsim can read"):
        Phantom.load(tmp_path / "a.npz")


@pytest.mark.parametrize("number", [1e300, -1.0, np.nan, 1e7])
def test_thickness_is_a_length(tmp_path: Path, board: dict[str, Any], number: float) -> None:
    maps = board["thickness_mm"].copy()
    with np.errstate(over="ignore"):
        maps[0, 0, 0] = number
    np.savez(tmp_path / "a.npz", **{**board, "thickness_mm": maps})
    with pytest.raises(InputError):
        Phantom.load(tmp_path / "a.npz")
