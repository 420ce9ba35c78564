"""DICOM and DICONDE as devices write them: preambles, codings, scales, polarity, flags, and what is kept."""

from __future__ import annotations

import io
import warnings

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from xsim.errors import InputError
from xsim_datasets.images import Radiograph, read_image, write_image

RNG = np.random.default_rng(0)
GREY = (2000 + 500 * np.sin(np.arange(48)[:, None] / 9) + RNG.normal(0, 30, (48, 64))).astype(np.uint16)
GREY8 = (GREY >> 4).astype(np.uint8)

DX = "1.2.840.10008.5.1.4.1.1.1.1.1"  # Digital X-Ray Image Storage - For Processing


def image(pixels=GREY, bits=12, **elements):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = DX, uid.generate_uid(), "DX"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    allocated = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored = allocated, min(bits, allocated)
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW" if allocated > 8 else "OB"
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def coded(syntax, data, pixels=GREY):
    dataset = image(pixels)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([data])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def saved(dataset):
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def read(tmp_path, dataset):
    (tmp_path / "a.dcm").write_bytes(dataset if isinstance(dataset, bytes) else saved(dataset))
    return read_image(tmp_path / "a.dcm")


def compressed(syntax):
    dataset = image()
    dataset.compress(syntax)
    return dataset


# How pixels are coded -> the file, its pixels, how far they may be off.
CODINGS = {
    "RLE": lambda: (compressed(uid.RLELossless), GREY, 0),
    "JPEG 2000 lossless": lambda: (compressed(uid.JPEG2000Lossless), GREY, 0),
    "HTJ2K lossless": lambda: (coded(uid.HTJ2KLossless, imagecodecs.htj2k_encode(GREY)), GREY, 0),
    "JPEG-LS": lambda: (coded(uid.JPEGLSLossless, imagecodecs.jpegls_encode(GREY)), GREY, 0),
    "JPEG lossless": lambda: (coded(uid.JPEGLossless, imagecodecs.ljpeg_encode(GREY)), GREY, 0),
    "JPEG lossless, first order": lambda: (coded(uid.JPEGLosslessSV1, imagecodecs.ljpeg_encode(GREY)), GREY, 0),
    "JPEG-LS near": lambda: (coded(uid.JPEGLSNearLossless, imagecodecs.jpegls_encode(GREY, level=3)), GREY, 3),
    "JPEG 2000": lambda: (coded(uid.JPEG2000, imagecodecs.jpeg2k_encode(GREY, level=75, codecformat="j2k")), GREY, 90),
    "JPEG 8 bit": lambda: (coded(uid.JPEGBaseline8Bit, imagecodecs.jpeg8_encode(GREY8, 95), GREY8), GREY8, 8),
    "JPEG 12 bit": lambda: (
        coded(uid.JPEGExtended12Bit, imagecodecs.jpeg8_encode(GREY, 95, bitspersample=12)), GREY, 20,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CODINGS)
def test_every_coding_is_read_and_lossy_ones_stay_named(tmp_path, name):
    if name.startswith("HTJ2K") and not hasattr(imagecodecs, "htj2k_encode"):
        pytest.skip("this imagecodecs reads HTJ2K and does not write it")
    dataset, pixels, off = CODINGS[name]()
    found = read(tmp_path, dataset)
    assert np.abs(found.pixels.astype(int) - pixels).max() <= off
    assert any(doubt.startswith("lossy compression") for doubt in found.doubts) == (off > 0)
    write_image(tmp_path / "b.dcm", found, stamp={"restorer": "x"})
    again = read_image(tmp_path / "b.dcm")
    np.testing.assert_array_equal(again.pixels, found.pixels)
    assert any(doubt.startswith("lossy compression") for doubt in again.doubts) == (off > 0)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.94", "1.2.826.0.1.3680043.8.999.1"])
def test_codings_that_are_not_read_are_named_with_their_cure(tmp_path, syntax):
    written = uid.ExplicitVRLittleEndian
    data = saved(image())
    # The identifier of the same length in its place: pydicom writes no codings that it does not know.
    start = data.index(written.encode())
    length = int.from_bytes(data[start - 2 : start], "little")
    new = syntax.encode() + b"\0" * (len(syntax) % 2)
    head = bytearray(data[:start] + new + data[start + length :])
    head[start - 2 : start] = len(new).to_bytes(2, "little")
    at = head.index(b"\x02\0\0\0UL\x04\0") + 8
    total = int.from_bytes(head[at : at + 4], "little") + len(new) - length
    head[at : at + 4] = total.to_bytes(4, "little")
    with pytest.raises(InputError, match=r"decompress it first, with gdcmconv --raw"):
        read(tmp_path, bytes(head))


def _begun(way):
    if way.startswith("no meta"):
        dataset = image()
        del dataset.file_meta
        file = io.BytesIO()
        dataset.save_as(file, implicit_vr=way.endswith("implicit"), little_endian=True)
        return file.getvalue()
    if way == "big-endian":
        dataset = image(GREY.astype(">u2"))
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
        return saved(dataset)
    if way == "deflated":
        dataset = image()
        dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
        return saved(dataset)
    data = saved(image())
    return {
        "a preamble": data,
        "a preamble of anything": RNG.bytes(128) + data[128:],
        "a preamble without DICM": bytes(128) + data[132:],
        "DICM at once": data[128:],
        "meta at once": data[132:],
    }[way]


BEGINNINGS = [
    "a preamble", "a preamble of anything", "a preamble without DICM", "DICM at once", "meta at once",
    "no meta explicit", "no meta implicit", "big-endian", "deflated",
]  # fmt: skip


@pytest.mark.parametrize("way", BEGINNINGS)
def test_every_beginning_is_read_and_written_whole(tmp_path, way):
    found = read(tmp_path, _begun(way))
    np.testing.assert_array_equal(found.pixels, GREY)
    write_image(tmp_path / "b.dcm", found)
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "b.dcm").pixel_array, GREY)


def test_a_file_that_is_dicom_and_tiff_is_read_as_what_it_is_named(tmp_path):
    data = saved(image())
    tifffile.imwrite(tmp_path / "c.tif", GREY[::-1], byteorder="<", software=False, metadata=None)
    tiff = (tmp_path / "c.tif").read_bytes()
    first = int.from_bytes(tiff[4:8], "little")
    # The TIFF lies behind the data set, its header in the preamble (PS3.10 7.1): all its offsets move.
    moved = bytearray(tiff)
    for entry in range(first + 2, first + 2 + 12 * int.from_bytes(tiff[first : first + 2], "little"), 12):
        code, kind = (int.from_bytes(tiff[at : at + 2], "little") for at in (entry, entry + 2))
        if code == 273 or kind == 5:
            value = int.from_bytes(tiff[entry + 8 : entry + 12], "little") + len(data)
            moved[entry + 8 : entry + 12] = value.to_bytes(4, "little")
    preamble = b"II*\0" + (first + len(data)).to_bytes(4, "little") + bytes(120)
    for name in ("a.dcm", "a.tif"):
        (tmp_path / name).write_bytes(preamble + data[128:] + bytes(moved))
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm").pixels, GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, GREY[::-1])


def test_dicom_media_have_names_without_suffix(tmp_path):
    (tmp_path / "IM000001").write_bytes(saved(image()))
    np.testing.assert_array_equal(read_image(tmp_path / "IM000001").pixels, GREY)


# Slope, intercept -> the stored level of no signal, and what metal is, as stored.
SCALES = {(2, -1000): (500, None), (0.5, 100): (-200, None), (1, -200): (200, None), (-1, 4095): (4095, "metal-bright")}


@pytest.mark.parametrize("scale", SCALES)
def test_rescale_moves_no_signal_and_comes_back(tmp_path, scale):
    found = read(tmp_path, image(RescaleSlope=str(scale[0]), RescaleIntercept=str(scale[1]), RescaleType="US"))
    zero, polarity = SCALES[scale]
    assert (found.zero, found.polarity) == (zero, polarity)
    assert any("the file's rescale" in note and "applied" in note for note in found.notes)
    np.testing.assert_array_equal(found.pixels, GREY)
    write_image(tmp_path / "b.dcm", found)
    written = pydicom.dcmread(tmp_path / "b.dcm")
    assert (written.RescaleSlope, written.RescaleIntercept) == scale
    np.testing.assert_array_equal(written.pixel_array, GREY)


def test_rescale_of_white_at_zero_is_turned_with_it(tmp_path):
    found = read(tmp_path, image(4095 - GREY, PhotometricInterpretation="MONOCHROME1", RescaleSlope="-1",
                                 RescaleIntercept="4000", Modality="RTIMAGE"))  # fmt: skip
    assert (found.zero, found.polarity) == (95, "metal-dark")


@pytest.mark.parametrize(("slope", "intercept"), [(1, -3000), (0, 5), (-1, 1000)])
def test_a_scale_that_no_exposure_has_is_not_applied_and_said(tmp_path, slope, intercept):
    found = read(tmp_path, image(RescaleSlope=str(slope), RescaleIntercept=str(intercept)))
    assert found.zero is None
    assert any("not applied" in doubt for doubt in found.doubts)


@pytest.mark.parametrize(("kind", "says"), [("HU", "Hounsfield"), ("OD", "optical density")])
def test_scales_that_are_no_exposure_are_doubted(tmp_path, kind, says):
    assert says in read(tmp_path, image(RescaleType=kind)).doubts[0]


# Photometric interpretation, modality, sign, slope -> metal as stored, whether the elements disagree.
SIGNS = [
    ("MONOCHROME2", "DX", None, None, None, False),
    ("MONOCHROME2", "DX", 1, None, "metal-dark", False),
    ("MONOCHROME2", "DX", -1, None, "metal-bright", False),
    ("MONOCHROME1", "DX", None, None, "metal-dark", False),
    ("MONOCHROME1", "CR", None, None, "metal-dark", False),
    ("MONOCHROME1", "CR", 1, None, "metal-dark", False),
    ("MONOCHROME1", "CR", -1, None, "metal-bright", True),
    ("MONOCHROME1", "RTIMAGE", None, None, None, False),
    ("MONOCHROME2", "DX", None, -1, "metal-bright", False),
    ("MONOCHROME2", "DX", 1, -1, "metal-dark", True),
    ("MONOCHROME2", "DX", -1, -1, "metal-bright", False),
    ("MONOCHROME1", "CR", None, -1, "metal-bright", True),
]


@pytest.mark.parametrize(("photometric", "modality", "sign", "slope", "stored", "disagree"), SIGNS)
def test_polarity_of_the_elements(tmp_path, photometric, modality, sign, slope, stored, disagree):
    elements = {"PhotometricInterpretation": photometric, "Modality": modality}
    if sign is not None:
        elements["PixelIntensityRelationshipSign"] = sign
    if slope is not None:
        elements |= {"RescaleSlope": str(slope), "RescaleIntercept": "4095"}
    found = read(tmp_path, image(**elements))
    turned = {"metal-dark": "metal-bright", "metal-bright": "metal-dark", None: None}
    assert found.polarity == (turned[stored] if photometric == "MONOCHROME1" else stored)
    assert bool(found.polarity_reason) == (stored is not None)
    assert any(doubt.startswith("polarity: ") for doubt in found.doubts) == disagree


@pytest.mark.parametrize(
    ("elements", "doubts"),
    [
        ({}, ()),
        ({"LossyImageCompression": "00"}, ()),
        ({"LossyImageCompression": "01"}, ("lossy compression (as the file says)",)),
        (
            {"LossyImageCompression": "01", "LossyImageCompressionMethod": "ISO_10918_1"},
            ("lossy compression (ISO_10918_1)",),
        ),
        ({"PresentationIntentType": "FOR PRESENTATION"}, ("processed for presentation",)),
        ({"PresentationIntentType": "FOR PROCESSING"}, ()),
    ],
)  # fmt: skip
def test_flags_are_doubts(tmp_path, elements, doubts):
    assert read(tmp_path, image(**elements)).doubts == doubts


# Spacings at the detector, of the pixels -> pitch [mm], whether it is said to be unusable.
SPACINGS = [
    ({"ImagerPixelSpacing": [0.127, 0.127], "PixelSpacing": [0.1, 0.1]}, 0.127, False),
    ({"ImagerPixelSpacing": [0.0, 0.0], "PixelSpacing": [0.1, 0.1]}, 0.1, False),
    ({"PixelSpacing": [0.0, 0.0]}, None, True),
    ({"PixelSpacing": [1e-9, 1e-9]}, None, True),
    ({"NominalScannedPixelSpacing": [0.05, 0.05]}, 0.05, False),
    ({}, None, False),
]


@pytest.mark.parametrize(("elements", "pitch_mm", "doubted"), SPACINGS)
def test_spacings(tmp_path, elements, pitch_mm, doubted):
    found = read(tmp_path, image(**elements))
    assert found.pitch_mm == pitch_mm
    assert bool(found.pitch_doubt) == doubted
    assert sum("itch" in note for note in found.notes) == bool(elements)


def test_diconde_modules_come_back(tmp_path):
    """Component, NDE indications and geometry (ASTM E2339 and E2699): group 0014, sequences, private blocks."""
    dataset = image(ComponentManufacturingProcedure="cast", MaterialThickness="4.2", ComponentManufacturer="Foundry")
    item = Dataset()
    item.IndicationNumber, item.IndicationType, item.IndicationDescription = "1", "POROSITY", "0.4 mm"
    dataset.IndicationSequence = [item]
    dataset.DistanceSourceToDetector = "1000"
    dataset.private_block(0x0021, "MAKER", create=True).add_new(0x01, "LO", "gain map 7")
    write_image(tmp_path / "b.dcm", read(tmp_path, dataset), stamp={"restorer": "x"})
    written = pydicom.dcmread(tmp_path / "b.dcm")
    derived = {"SOPInstanceUID", "ImageType", "SourceImageSequence", "PixelData"}
    for element in dataset:
        if element.keyword not in derived:
            assert written[element.tag].value == element.value, element.keyword


def test_odd_identifiers_are_read_and_written_without_a_word(tmp_path):
    path = tmp_path / "a.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_image(path, Radiograph(GREY, "none", pitch_mm=0.1))
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID = dataset.FrameOfReferenceUID = "259cc3de5564af72eaa11ed4c2be64aa"
        dataset.save_as(path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        write_image(tmp_path / "b.dcm", read_image(path))
    assert not said
