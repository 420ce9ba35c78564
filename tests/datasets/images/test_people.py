"""What files say about people: named before it is handed on, and gone where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from tests.datasets.bad_files import _dicom
from xsim_datasets.images import anonymised, people_in, read_image, write_image

GREY = np.random.default_rng(0).integers(100, 60000, (40, 50)).astype(np.uint16)
SECRET = "Meyer-Lutz"
# One element of every kind that PS3.15 protects: patient, staff, place, device, order, text, private.
TOLD = [
    "PatientName", "PatientID", "OtherPatientIDs", "PatientAddress", "PatientComments", "EthnicGroup", "Occupation",
    "ReferringPhysicianName", "OperatorsName", "PerformingPhysicianName", "NameOfPhysiciansReadingStudy",
    "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "DeviceSerialNumber",
    "AccessionNumber", "StudyID", "StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments",
    "AdditionalPatientHistory", "DerivationDescription", "RequestedProcedureDescription", "DetectorID", "PlateID",
]  # fmt: skip


def person(path: Path) -> tuple[str, ...]:
    """Write a DICOM file that says a name wherever one can stand; return its identifiers."""
    _dicom()(path)
    dataset = pydicom.dcmread(path)
    for name in TOLD:
        setattr(dataset, name, SECRET)
    dataset.PatientBirthDate, dataset.StudyDate, dataset.AcquisitionDateTime = "19610203", "20240203", "20240203101112"
    dataset.ImagerPixelSpacing = ["0.1", "0.1"]
    dataset.Manufacturer = "Panel Works"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    item = Dataset()
    item.PatientName, item.InstitutionName = SECRET, SECRET
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.ReferencedImageSequence = Sequence([item])
    dataset.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "LO", SECRET)
    dataset.save_as(path)
    return dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_dicom_says_nothing_about_people(tmp_path: Path) -> None:
    uids = person(tmp_path / "a.dcm")
    read = read_image(tmp_path / "a.dcm")
    assert {"PatientName", "PatientID", "OperatorsName", "PatientBirthDate"} <= set(people_in(read))
    clean = anonymised(read)
    assert not people_in(clean)
    write_image(tmp_path / "b.dcm", clean, stamp={"restorer": "wiener"})
    content = (tmp_path / "b.dcm").read_bytes()
    for told in (SECRET, "19610203", "20240203", "SOMEBODY", *uids):
        assert told.encode() not in content, told
    again = pydicom.dcmread(tmp_path / "b.dcm")
    assert (again.PatientIdentityRemoved, again.Manufacturer, again.PatientName) == ("YES", "Panel Works", "")
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").pixels, GREY)
    assert read_image(tmp_path / "b.dcm").pitch_mm == read.pitch_mm == pytest.approx(0.1)
    # What was read is left as it was, and the same identifier becomes the same one.
    assert read.header["dataset"].PatientName == SECRET
    first, second = (anonymised(read).header["dataset"] for _ in range(2))
    assert first.StudyInstanceUID == second.StudyInstanceUID != uids[1]
    assert first.SOPInstanceUID == first.ReferencedImageSequence[0].ReferencedSOPInstanceUID


def tiff(path: Path) -> None:
    extra: list[tuple[Any, ...]] = [(315, 2, 0, SECRET, True), (316, 2, 0, SECRET, True), (271, 2, 0, "Works", True)]
    extra += [(33432, 2, 0, SECRET, True), (65000, 2, 0, SECRET, True), (700, 1, len(SECRET), SECRET.encode(), True)]
    extra += [(282, 5, 1, (100, 1), True)]
    tifffile.imwrite(path, GREY, description=SECRET, extratags=extra[:-1], resolution=(100, 100), resolutionunit=3)


def png(path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", SECRET)
    Image.fromarray(GREY).save(path, pnginfo=text, dpi=(254.0, 254.0))


def raw(path: Path) -> None:
    path.write_bytes(SECRET.encode() + GREY.tobytes())
    path.with_name(f"{path.name}.toml").write_text(
        f'shape = [40, 50]\ndtype = "uint16"\noffset = {len(SECRET)}\npitch_mm = 0.1\n'
    )


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("a.tif", tiff, {"Artist", "HostComputer", "ImageDescription", "Copyright", "XMP"}),
        ("a.png", png, {"Author"}),
        ("a.raw", raw, set()),
    ],
)
def test_other_kinds_say_nothing_about_people(tmp_path: Path, name: str, make: Any, said: set[str]) -> None:
    make(tmp_path / name)
    read = read_image(tmp_path / name)
    assert set(people_in(read)) == said
    assert SECRET.encode() in (tmp_path / name).read_bytes()
    write_image(tmp_path / f"b{name}", anonymised(read))
    assert SECRET.encode() not in (tmp_path / f"b{name}").read_bytes()
    again = read_image(tmp_path / f"b{name}")
    np.testing.assert_array_equal(again.pixels, GREY)
    assert again.pitch_mm == read.pitch_mm
    if name == "a.tif":
        assert [tag[3] for tag in again.header["tags"] if tag[0] == 271] == [b"Works"]


def test_programs_descriptions_name_nobody(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True)
    assert people_in(read_image(tmp_path / "a.tif")) == ()
    tifffile.imwrite(tmp_path / "b.tif", GREY)
    assert people_in(read_image(tmp_path / "b.tif")) == ()
