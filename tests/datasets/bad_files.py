"""The catalogue of bad files: name -> how to make it, and what must become of it.

``refused`` files hold nothing usable; ``read`` files look odd and are read right, to the pixels that are given.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GREY = np.random.default_rng(0).integers(100, 60000, (40, 50)).astype(np.uint16)


@dataclass(frozen=True)
class Case:
    """One file: its name, its maker, what the message must hold, or the pixels that it must give."""

    name: str
    make: Callable[[Path], Any]
    says: str = ""
    pixels: Any = None


def _tiff(**options: Any) -> Callable[[Path], Any]:
    data = options.pop("data", GREY)
    return lambda path: tifffile.imwrite(path, data, **options)


def _tiff_bytes(**options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, options.pop("data", GREY), **options)
    return file.getvalue()


def _bytes(data: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(data)


def _patched(data: bytes, code: int, value: int) -> bytes:
    """Return a little-endian classic TIFF with one number of its first page changed."""
    at = struct.unpack("<I", data[4:8])[0]
    (count,) = struct.unpack("<H", data[at : at + 2])
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack("<H", data[entry : entry + 2])[0] == code:
            kind = struct.unpack("<H", data[entry + 2 : entry + 4])[0]
            packed = struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value)
            return data[: entry + 8] + packed + data[entry + 12 :]
    raise AssertionError(code)


def _looping() -> bytes:
    data = bytearray(_tiff_bytes(data=np.stack([GREY, GREY]), photometric="minisblack", metadata=None))
    first = struct.unpack("<I", data[4:8])[0]
    (count,) = struct.unpack("<H", data[first : first + 2])
    second = struct.unpack("<I", data[first + 2 + 12 * count :][:4])[0]
    (count,) = struct.unpack("<H", data[second : second + 2])
    data[second + 2 + 12 * count : second + 6 + 12 * count] = struct.pack("<I", first)
    return bytes(data)


def _ragged(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(GREY, metadata=None)
        file.write(GREY[:20], metadata=None)


def _png(mode: str) -> Callable[[Path], Any]:
    return lambda path: Image.fromarray((GREY >> 8).astype(np.uint8)).convert(mode).save(path, format="PNG")


def _png_bytes() -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, format="PNG")
    return file.getvalue()


def _png_bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 40000, 40000, 16, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 10**6))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _npy_header(shape: str, descr: str = "'<u2'", body: bytes = b"") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def _npy(data: Any) -> Callable[[Path], Any]:
    return lambda path: np.save(path, data, allow_pickle=True)


def _dicom(**elements: Any) -> Callable[[Path], Any]:
    def make(path: Path) -> None:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", generate_uid()
        dataset.Rows, dataset.Columns = GREY.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.PixelData = GREY.tobytes()
        dataset["PixelData"].VR = "OW"
        preamble = elements.pop("preamble", True)
        for name, value in elements.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)
        if preamble:
            dataset.save_as(path, enforce_file_format=True)
        else:
            with path.open("wb") as file:
                pydicom.filewriter.write_dataset(pydicom.filebase.DicomFileLike(_little(file)), dataset)

    return make


def _little(file: Any) -> Any:
    wrapped = pydicom.filebase.DicomFileLike(file)
    wrapped.is_little_endian, wrapped.is_implicit_VR = True, False
    return wrapped


def _raw(text: str, size: int = GREY.nbytes) -> Callable[[Path], Any]:
    def make(path: Path) -> None:
        path.write_bytes(GREY.tobytes()[:size])
        if text:
            path.with_name(f"{path.name}.toml").write_text(text)

    return make


def _loop(path: Path) -> None:
    other = path.with_name("other-end.tif")
    path.symlink_to(other)
    other.symlink_to(path)


def _nan() -> np.ndarray:
    image = GREY.astype(np.float32)
    image[3, 4] = np.nan
    return image


WHOLE = _tiff_bytes()
PACKED = "big-inside.tif"

CASES: list[Case] = [
    Case("empty.tif", _bytes(b""), "empty"),
    Case("text.tif", _bytes(b"hello, this is text\n" * 20), "does not begin like one"),
    Case("png-inside.tif", _bytes(_png_bytes()), "holds PNG"),
    Case("header-only.tif", _bytes(WHOLE[:4]), ""),
    Case("cut-in-ifd.tif", _bytes(WHOLE[:40]), ""),
    Case("cut-in-pixels.tif", _bytes(WHOLE[: len(WHOLE) // 2]), "truncated"),
    Case("cut-at-end.tif", _bytes(WHOLE[:-1]), "truncated"),
    Case("strips-nowhere.tif", _bytes(_patched(WHOLE, 273, 0)), "truncated"),
    Case("strips-of-nothing.tif", _bytes(_patched(WHOLE, 279, 0)), "truncated"),
    Case("strips-too-short.tif", _bytes(_patched(WHOLE, 279, 100)), ""),
    Case("nan.tif", _tiff(data=_nan()), "NaN"),
    Case("inf.tif", _tiff(data=np.where(GREY > 50000, np.inf, GREY).astype(np.float32)), "infinite"),
    Case("huge.tif", _tiff(data=GREY * 1e300), "no detector counts"),
    Case("huge-negative.npy", _npy(GREY * -1e300), "no detector counts"),
    Case("tiny.npy", _npy(GREY * 1e-300), "no detector counts"),
    Case("max-64-bit.npy", _npy(np.uint64(2**64 - 1) - GREY.astype(np.uint64)), "no detector counts"),
    Case("min-64-bit.npy", _npy(GREY.astype(np.int64) - np.int64(2**62)), "no detector counts"),
    Case("all-the-same-in-32-bits.npy", _npy(1e9 + GREY * 1e-9), "32 bits compute"),
    Case("zero.tif", _tiff(data=np.zeros_like(GREY)), "one grey level"),
    Case("constant.tif", _tiff(data=np.full_like(GREY, 700)), "one grey level"),
    Case("saturated.tif", _tiff(data=np.full_like(GREY, 65535)), "one grey level"),
    Case("complex.tif", _tiff(data=GREY.astype(np.complex64)), ""),
    Case("rgb.tif", _tiff(data=np.dstack([GREY] * 3), photometric="rgb"), "RGB"),
    Case("rgba.tif", _tiff(data=np.dstack([GREY] * 4), photometric="rgb"), "4 channel"),
    Case("palette.tif", lambda path: Image.fromarray((GREY >> 8).astype(np.uint8)).convert("P").save(path), "palette"),
    Case("one-bit.tif", lambda path: Image.fromarray(GREY > 9000).save(path), "1-bit"),
    Case("ragged.tif", _ragged, "differ"),
    Case("looping.tif", _bytes(_looping()), ""),
    Case("claims-2g-wide.tif", _bytes(_patched(_patched(WHOLE, 256, 2**31 - 1), 257, 2**31 - 1)), ""),
    Case("claims-60k.tif", _bytes(_patched(_patched(WHOLE, 256, 60000), 257, 60000)), "claims"),
    Case("claims-none.tif", _bytes(_patched(WHOLE, 256, 0)), ""),
    Case(PACKED, _tiff(data=np.zeros((12000, 12000), np.uint16), compression="zlib"), "no radiograph packs so well"),
    Case("unknown-codec.tif", _bytes(_patched(WHOLE, 259, 61234)), ""),
    Case("wide-pixels.tif", _tiff(resolution=(200, 100), resolutionunit=3), "pixels of"),
    Case("one-row.tif", _tiff(data=GREY[:1]), "at least 2 x 2"),
    Case("garbage-tags.tif", _bytes(WHOLE[:8] + b"\xff" * (len(WHOLE) - 8)), ""),
    Case("white-is-zero.tif", _tiff(photometric="miniswhite"), pixels=65535 - GREY),
    Case("negative.tif", _tiff(data=GREY.astype(np.int32) - 500), pixels=GREY.astype(np.int32) - 500),
    Case("hostile-text.tif", _tiff(description="<script>$(rm -rf /)</script>\x1b[31m"), pixels=GREY),
    Case("big-endian.tif", _tiff(byteorder=">"), pixels=GREY),
    Case("bigtiff.tif", _tiff(bigtiff=True), pixels=GREY),
    Case("zero-resolution.tif", _tiff(resolution=(0, 0), resolutionunit=3), pixels=GREY),
    Case("name with spaces.tif", _tiff(), pixels=GREY),
    Case("$(touch x).tif", _tiff(), pixels=GREY),
    Case("-leading.tif", _tiff(), pixels=GREY),
    Case("kupfer-größe-板.tif", _tiff(), pixels=GREY),
    Case("UPPER.TIF", _tiff(), pixels=GREY),
    Case("no-suffix", _tiff(), "no kind of image"),
    Case("film.gif", _bytes(b"GIF89a" + b"\0" * 50), "no kind of image"),
    Case("folder.tif", lambda path: path.mkdir(), "is a folder"),
    Case("fifo.tif", os.mkfifo, "not a plain file"),
    Case("device.tif", lambda path: path.symlink_to("/dev/zero"), "not a plain file"),
    Case("dangling.tif", lambda path: path.symlink_to("nowhere.tif"), "link to nothing"),
    Case("loop.tif", _loop, "cannot be reached"),
    Case("missing.tif", lambda path: None, "no such file"),
    Case("rgb.png", _png("RGB"), "RGB"),
    Case("palette.png", _png("P"), "holds palette"),
    Case("alpha.png", _png("LA"), "transparent"),
    Case("one-bit.png", _png("1"), "holds one-bit"),
    Case("cut.png", _bytes(_png_bytes()[:300]), ""),
    Case("wrong-crc.png", _bytes(_png_bytes().replace(b"IDAT", b"IDAT", 1)[:-30] + b"\0" * 30), ""),
    Case("bomb.png", _bytes(_png_bomb()), ""),
    Case("sixteen.png", _bytes(_png_bytes()), pixels=GREY),
    Case("colour.jpg", lambda path: Image.new("RGB", (30, 30), "red").save(path), "RGB"),
    Case("objects.npy", _npy(np.array([{"a": 1}, None], dtype=object)), "never read"),
    Case("pickle.npy", _bytes(b"\x80\x04cos\nsystem\n."), "does not begin"),
    Case("claims-20-GB.npy", _bytes(_npy_header("(100000, 100000)")), "claims"),
    Case("header-of-4-GB.npy", _bytes(b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b"{'descr': '<u2'"), "header claims"),
    Case("short.npy", _bytes(_npy_header("(40, 50)", body=GREY.tobytes()[:-2])), "bytes of pixels"),
    Case("long.npy", _bytes(_npy_header("(40, 50)", body=GREY.tobytes() + b"xx")), "bytes of pixels"),
    Case("negative-shape.npy", _bytes(_npy_header("(-40, 50)")), ""),
    Case("code-in-header.npy", _bytes(_npy_header("__import__('os').getpid()")), ""),
    Case("vector.npy", _npy(np.arange(30.0)), "shape"),
    Case("colour.npy", _npy(np.zeros((20, 20, 3), np.uint8)), "colour"),
    Case("complex.npy", _npy(GREY.astype(complex)), "complex"),
    Case("text.npy", _npy(np.array([["a", "b"]])), ""),
    Case("bool.npy", _npy(GREY > 9000), "bool"),
    Case("fortran.npy", _npy(np.asfortranarray(GREY)), pixels=GREY),
    Case("big-endian.npy", _npy(GREY.astype(">u2")), pixels=GREY),
    Case("garbage.dcm", _bytes(b"\1\2\3 not dicom at all" * 30), "not a DICOM image"),
    Case("no-pixels.dcm", _dicom(PixelData=None), "PixelData"),
    Case("no-rows.dcm", _dicom(Rows=None), "Rows"),
    Case("short.dcm", _dicom(PixelData=GREY.tobytes()[:1000]), "truncated"),
    Case("rgb.dcm", _dicom(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "RGB"),
    Case("palette.dcm", _dicom(PhotometricInterpretation="PALETTE COLOR"), "PALETTE"),
    Case("log.dcm", _dicom(PixelIntensityRelationship="LOG"), "logarithm"),
    Case("spacing-zero.dcm", _dicom(ImagerPixelSpacing=["0", "0.1"]), "spacing"),
    Case("spacing-uneven.dcm", _dicom(ImagerPixelSpacing=["0.1", "0.2"]), "pixels of"),
    Case("spacing-negative.dcm", _dicom(ImagerPixelSpacing=["-0.1", "-0.1"]), "spacing"),
    Case("claims-much.dcm", _dicom(NumberOfFrames=60000, Rows=60000, Columns=60000), "claims"),
    Case("frames-missing.dcm", _dicom(NumberOfFrames=3), "truncated"),
    Case("odd-bits.dcm", _dicom(BitsAllocated=12), "12"),
    Case("monochrome1.dcm", _dicom(PhotometricInterpretation="MONOCHROME1"), pixels=65535 - GREY),
    Case("plain.dcm", _dicom(), pixels=GREY),
    Case("alone.raw", _raw(""), "alone.raw.toml"),
    Case("wrong-size.raw", _raw('shape = [40, 51]\ndtype = "uint16"'), "correct shape"),
    Case("not-toml.raw", _raw("shape = ["), "no TOML file"),
    Case("unknown-key.raw", _raw('shape = [40, 50]\ndtype = "uint16"\nwidth = 3'), "width"),
    Case("bad-type.raw", _raw('shape = [40, 50]\ndtype = "object"'), "dtype"),
    Case("sound.raw", _raw('shape = [40, 50]\ndtype = "uint16"'), pixels=GREY),
]
