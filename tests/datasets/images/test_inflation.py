"""Files that grow when they are read: refused before memory and time are spent on what they claim."""

from __future__ import annotations

import lzma
import os
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from tests.datasets.bad_files import _dicom, _patched, _tiff_bytes
from tests.faults.programs import FLOORS
from xsim.errors import InputError
from xsim_datasets.images.codec import check_inflation, codestream_shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GREY = np.random.default_rng(0).integers(100, 60000, (40, 50)).astype(np.uint16)
# What a bomb of each coding inflates to [bytes], and what reading it may take.
INFLATES, MEMORY_BYTES, SECONDS = 2**28, 400 * 2**20, 60.0


def zeros(compress: Callable[[bytes], bytes], flush: Callable[[], bytes]) -> bytes:
    return b"".join(compress(bytes(2**24)) for _ in range(INFLATES // 2**24)) + flush()


def deflated(bits: int = zlib.MAX_WBITS) -> bytes:
    packer = zlib.compressobj(1, wbits=bits)
    return zeros(packer.compress, packer.flush)


def strip_of(data: bytes, compression: int) -> bytes:
    """Return a TIFF of 40 x 50 pixels whose only strip is given."""
    whole = _tiff_bytes(data=GREY, compression="zlib", metadata=None)
    at = len(whole)
    for code, value in ((259, compression), (273, at), (279, len(data))):
        whole = _patched(whole, code, value)
    return whole + data


def large_j2k(side: int) -> bytes:
    data = bytearray(imagecodecs.jpeg2k_encode(GREY, codecformat="j2k", reversible=True))
    struct.pack_into(">II", data, 8, side, side)
    struct.pack_into(">II", data, 24, side, side)  # one tile as large as the image
    return bytes(data)


def large_jpeg(data: bytes, side: int) -> bytes:
    """Return a JPEG or JPEG-LS whose frame claims another size."""
    for marker in (b"\xff\xf7", b"\xff\xc3", b"\xff\xc0"):
        at = data.find(marker)
        if at > 0:
            return data[: at + 5] + struct.pack(">HH", side, side) + data[at + 9 :]
    raise AssertionError


def coded(data: bytes, syntax: uid.UID) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        _dicom()(path)
        dataset = pydicom.dcmread(path)
        dataset.PixelData = encapsulate([data])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path)

    return make


def deflated_dicom(path: Path) -> None:
    _dicom()(path)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    whole = path.read_bytes()
    # The data set lies behind its meta group, whose length is its first element.
    start = 144 + struct.unpack("<I", whole[140:144])[0]
    path.write_bytes(whole[:start] + deflated(-zlib.MAX_WBITS))


def scans(count: int) -> bytes:
    """Return a JPEG whose one scan is repeated."""
    data = imagecodecs.jpeg8_encode((GREY >> 8).astype(np.uint8), 90)
    at = data.rfind(b"\xff\xda")
    return data[:at] + data[at:-2] * count + data[-2:]


BOMBS: dict[str, Callable[[Path], object]] = {
    "deflate.tif": lambda path: path.write_bytes(strip_of(deflated(), 8)),
    "lzma.tif": lambda path: path.write_bytes(strip_of(lzma.compress(bytes(2**23), preset=0), 34925)),
    "zstd.tif": lambda path: path.write_bytes(strip_of(imagecodecs.zstd_encode(bytes(2**28)), 50000)),
    "lzw.tif": lambda path: path.write_bytes(strip_of(imagecodecs.lzw_encode(bytes(2**24)), 5)),
    "packbits.tif": lambda path: path.write_bytes(strip_of(b"\x81\x00" * 2**20, 32773)),
    "j2k.tif": lambda path: path.write_bytes(strip_of(large_j2k(60_000), 34712)),
    "jpeg.tif": lambda path: path.write_bytes(strip_of(large_jpeg(imagecodecs.ljpeg_encode(GREY), 65_500), 7)),
    "png.tif": lambda path: path.write_bytes(strip_of(imagecodecs.png_encode(np.zeros((9000, 9000), np.uint8)), 34933)),
    "tile-of-a-million.tif": lambda path: path.write_bytes(
        _patched(_patched(_tiff_bytes(data=GREY, tile=(48, 64), metadata=None), 322, 1_000_000), 323, 1_000_000)
    ),
    "scans.jpg": lambda path: path.write_bytes(scans(200)),
    "deflated.dcm": deflated_dicom,
    "j2k.dcm": coded(large_j2k(60_000), uid.JPEG2000Lossless),
    "jpegls.dcm": coded(large_jpeg(imagecodecs.jpegls_encode(GREY), 65_535), uid.JPEGLSLossless),
    "jpeg.dcm": coded(large_jpeg(imagecodecs.ljpeg_encode(GREY), 65_535), uid.JPEGLosslessSV1),
    "run-lengths.dcm": coded(struct.pack("<16I", 2, 64, 64 + 2**20, *[0] * 13) + b"\x81\x00" * 2**20, uid.RLELossless),
}

READER = """
import resource, sys, time
from pathlib import Path
import numpy, tifffile, pydicom, PIL.Image, imagecodecs
from tests.faults.programs import FLOORS
from xsim.errors import InputError
from xsim_datasets.images import read_image
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
for path in map(Path, sys.argv[2:]):
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        print(path.name, "read", read_image(path, uniform=True).shape)
    except InputError as error:
        print(path.name, "refused", error)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert grown < 150, f"{path.name} took {grown} MB"
    assert time.process_time() - began < 8, path.name
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resource limits of Linux")
def test_what_inflates_is_refused_in_little_memory_and_time(tmp_path: Path) -> None:
    for name, make in BOMBS.items():
        make(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READER, str(MEMORY_BYTES), *(str(tmp_path / name) for name in BOMBS)],
        capture_output=True, text=True, check=False, timeout=SECONDS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(FLOORS), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(BOMBS)
    # LZW and run lengths may hold more than is wanted: decoders stop where the strip is full.
    read = {line.split()[0] for line in lines if line.split()[1] == "read"}
    assert read <= {"lzw.tif", "packbits.tif", "zstd.tif"}, lines


@pytest.mark.parametrize("coding", ["jpegxl", "lerc", "webp", "png", "jpeg2k", "jpegls", "ljpeg", "jpeg8"])
@pytest.mark.parametrize("shape", [(40, 56), (16, 24), (301, 700), (9000, 20)])
def test_a_code_stream_says_its_size(coding: str, shape: tuple[int, int]) -> None:
    pixels = np.add.outer(np.arange(shape[0]), np.arange(shape[1])).astype(np.uint8)
    if coding == "webp":
        pixels = np.dstack([pixels] * 3)
    for options in ({}, {"lossless": True}) if coding in {"webp", "jpegxl"} else ({},):
        data = bytes(getattr(imagecodecs, f"{coding}_encode")(pixels, **options))
        assert codestream_shape(data) == shape
        assert codestream_shape(data[:9]) in {None, shape}


@pytest.mark.parametrize("coding", ["zlib", "deflate", "lzma"])
def test_inflation_is_counted_exactly(coding: str) -> None:
    content = np.random.default_rng(1).bytes(2**20 + 5)
    packer = zlib.compressobj(wbits=-15)
    packed = {
        "zlib": lambda: zlib.compress(content),
        "deflate": lambda: packer.compress(content) + packer.flush(),
        "lzma": lambda: lzma.compress(content, preset=0),
    }[coding]()
    check_inflation(packed, coding, len(content))
    check_inflation(packed[:-100], coding, len(content))  # cut short: the decoder says so
    with pytest.raises(InputError, match="inflate beyond"):
        check_inflation(packed, coding, len(content) - 1)
