"""Odd files that scanners, phones and other programs leave: read right, or refused in words."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, SecondaryCaptureImageStorage, generate_uid

from xsim.errors import InputError
from xsim_datasets.images import read_image, write_image

GREY = np.random.default_rng(1).integers(20_000, 40_000, (36, 44)).astype(np.uint16)
TWELVE, EIGHT = GREY >> 4, (GREY >> 8).astype(np.uint8)


def packed12(path):
    """Write a TIFF of 12 bits a pixel, two in three bytes, with its pitch in cm."""
    pairs = TWELVE.reshape(len(TWELVE), -1, 2)
    high, low = pairs[..., 0], pairs[..., 1]
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], -1).astype(np.uint8).tobytes()
    width, height, at = 44, 36, 8 + len(packed)
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(packed), 296: 3}
    ratio = at + 2 + 12 * (len(tags) + 2) + 4
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    entries[-1:-1] = [struct.pack("<HHII", tag, 5, 1, ratio) for tag in (282, 283)]
    head = b"II*\0" + struct.pack("<I", at) + packed + struct.pack("<H", len(entries))
    path.write_bytes(head + b"".join(entries) + struct.pack("<III", 0, 10_000, 127))


def png(path, *chunks):
    """Write a PNG of 16 bits with more chunks than Pillow writes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in GREY)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 44, 36, 16, 0, 0, 0, 0)),
        *chunks,
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts))


def dicom(path, pixels, *, codec=ExplicitVRLittleEndian, **elements):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = codec, SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    made = pydicom.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 16, 12, 11, 0, 1
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.PhotometricInterpretation = "MONOCHROME2"
    for name, value in elements.items():
        setattr(made, name, value)
    coded = codec == JPEGLSLossless
    made.PixelData = encapsulate([imagecodecs.jpegls_encode(pixels)]) if coded else pixels.tobytes()
    made.save_as(path, enforce_file_format=True)


def test_twelve_bits_that_are_packed(tmp_path):
    packed12(tmp_path / "a.tif")
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, TWELVE)
    assert (read.pitch_mm, read.white) == (pytest.approx(0.127), 4095.0)


@pytest.mark.parametrize(
    "how",
    [
        {"tile": (16, 16), "compression": "lzw", "predictor": 3, "dtype": np.float32},
        {"bigtiff": True, "byteorder": ">", "compression": "zlib", "predictor": 2, "dtype": np.uint16},
        {"dtype": np.float16},
        {"rowsperstrip": 5, "compression": "packbits", "dtype": np.uint16, "photometric": "miniswhite"},
    ],
)
def test_tiff_however_it_is_laid_out(tmp_path, how):
    how = dict(how)
    pixels = (GREY / 40_000 if np.dtype(how["dtype"]).kind == "f" else GREY).astype(how.pop("dtype"))
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, 65535 - pixels if "photometric" in how else pixels)
    write_image(tmp_path / "b.tif", read)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), pixels)


def test_smaller_copies_in_a_file_are_no_pages_of_it(tmp_path):
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as file:
        file.write(GREY, subifds=1)
        file.write(GREY[::2, ::2], subfiletype=1)
    tifffile.imwrite(tmp_path / "thumb.tif", GREY[::4, ::4], subfiletype=1)
    tifffile.imwrite(tmp_path / "thumb.tif", GREY, append=True)
    for name in ("pyramid.tif", "thumb.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels, GREY)


def test_a_stack_of_imagej_keeps_its_pitch(tmp_path):
    metadata = {"unit": "mm", "spacing": 0.5, "axes": "ZYX"}
    how = {"imagej": True, "resolution": (1 / 0.127, 1 / 0.127), "metadata": metadata}
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY] * 3), **how)
    assert read_image(tmp_path / "a.tif", pages=True).pitch_mm == pytest.approx(0.127)
    with pytest.raises(InputError, match="3 pages"):
        read_image(tmp_path / "a.tif")


def test_jpeg_ls_of_a_plate_with_a_rescale(tmp_path):
    how = {"Modality": "DX", "PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": 2, "RescaleIntercept": -100}
    dicom(tmp_path / "a.dcm", TWELVE, codec=JPEGLSLossless, **how)
    read = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(read.pixels, 4095 - TWELVE)
    # Stored values rise with exposure, and 50 of them are no signal.
    assert (read.polarity, read.zero) == ("metal-bright", 4095.0 - 50.0)


def not_square(folder):
    png(folder / "a.png", (b"pHYs", struct.pack(">IIB", 2, 1, 0)))
    tifffile.imwrite(folder / "a.tif", GREY, resolution=(100, 50), resolutionunit=1)
    Image.fromarray(EIGHT).save(folder / "a.jpg")
    jpeg = bytearray((folder / "a.jpg").read_bytes())
    jpeg[13:18] = struct.pack(">BHH", 0, 1, 2)  # of JFIF: no unit, and a ratio
    (folder / "a.jpg").write_bytes(jpeg)
    dicom(folder / "a.dcm", TWELVE, PixelAspectRatio=[2, 1])


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.dcm"])
def test_pixels_that_are_not_square_by_a_ratio_alone_are_refused(tmp_path, name):
    not_square(tmp_path)
    with pytest.raises(InputError, match="sides are as"):
        read_image(tmp_path / name)


def test_a_ratio_of_one_says_nothing(tmp_path):
    png(tmp_path / "a.png", (b"pHYs", struct.pack(">IIB", 1, 1, 0)))
    tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=(1, 1), resolutionunit=1)
    dicom(tmp_path / "a.dcm", TWELVE, PixelAspectRatio=[1, 1])
    assert [read_image(tmp_path / f"a.{kind}").pitch_mm for kind in ("png", "tif", "dcm")] == [None] * 3


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_what_exif_asks_for_is_said_to_be_left(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(EIGHT).save(tmp_path / name, exif=exif)
    notes = " ".join(read_image(tmp_path / name).notes)
    assert "dropped): EXIF" in notes
    assert "orientation 6" in notes


def test_damaged_exif_is_no_damage_of_the_pixels(tmp_path):
    png(tmp_path / "a.png", (b"eXIf", b"MM\0*\xff\xff\xff\xff"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, GREY)


@pytest.mark.parametrize(
    ("mode", "kind", "said"), [("P", "png", "palette"), ("LA", "png", "transparent"), ("CMYK", "jpg", "CMYK")]
)
def test_what_is_no_grey_is_refused_by_name(tmp_path, mode, kind, said):
    Image.fromarray(EIGHT).convert(mode).save(tmp_path / f"a.{kind}")
    with pytest.raises(InputError, match=f"holds {said} pixels"):
        read_image(tmp_path / f"a.{kind}")


def test_a_resolution_that_was_doubted_does_not_come_back_as_a_pitch(tmp_path):
    png(tmp_path / "a.png", (b"pHYs", struct.pack(">IIB", 7874, 7874, 1)))
    read = read_image(tmp_path / "a.png")
    assert read.pitch_mm is None  # 200 dpi
    write_image(tmp_path / "b.png", read, stamp={"pitch_mm": 0.048})
    assert read_image(tmp_path / "b.png").pitch_mm is None
    write_image(tmp_path / "c.png", read, stamp={"pitch_mm": 0.127})
    assert read_image(tmp_path / "c.png").pitch_mm == pytest.approx(0.127, rel=1e-3)
