"""Tags that cannot be written back: told when the file is read, and never a failure when all has been computed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.datasets.bad_files import _patched
from xsim.errors import InputError
from xsim_datasets.images import read_image, rehearse, write_image

GREY = np.random.default_rng(0).integers(100, 60000, (48, 64)).astype(np.uint16)
NUMBERS = tuple(range(1, 25))

# Code, type, count, value: what programs of microscopes and of detectors write, and what none should.
TAGS: dict[str, list[tuple[Any, ...]]] = {
    "UTF-8 text": [(270, 2, 0, "Größe µm ±".encode(), True)],
    "Latin-1 text": [(315, 2, 0, "Müller".encode("latin-1"), True)],
    "no text at all": [(305, 2, 0, bytes(range(1, 256)), True)],
    "two texts": [(270, 2, 0, b"one\0two", True)],
    "DateTime in words": [(306, 2, 0, b"yesterday, about noon", True)],
    "DateTime of the year 0": [(306, 2, 0, b"0000:00:00 99:99:99", True)],
    "DateTime as a number": [(306, 3, 1, 7, True)],
    "text as numbers": [(270, 3, 4, (65, 66, 67, 0), True)],
    "FEI_SFEG": [(34680, 2, 0, b"[User]\r\nDate=06/07/2019\r\n[Beam]\r\nHV=30000\r\n", True)],
    "FEI_HELIOS": [(34682, 2, 0, b"[User]\r\nUser=x\r\n[Scan]\r\nPixelWidth=1e-9\r\n", True)],
    "FEI of nonsense": [(34682, 2, 0, b"[[[=\0=]\xff", True)],
    "MetaMorph UIC1": [(33628, 4, 24, NUMBERS, True)],
    "MetaMorph UIC2": [(33629, 5, 6, (1, 2) * 6, True)],
    "MetaMorph UIC3 and 4": [(33630, 5, 1, (1, 2), True), (33631, 4, 1, 5, True)],
    "MetaMorph as bytes": [(33628, 1, 7, b"1234567", True)],
    "CZ_SEM": [(34118, 2, 0, b"AP_WD\r\nWD = 4.0 mm\r\n", True)],
    "CZ_LSMINFO": [(34412, 1, 16, bytes(16), True)],
    "OlympusSIS": [(33560, 1, 12, b"SIS0" + bytes(8), True)],
    "OlympusINI": [(33471, 2, 0, b"[Version]\r\nx=1\r\n", True)],
    "GDAL": [(42112, 2, 0, b"<GDALMetadata></GDALMetadata>", True), (42113, 2, 0, b"-9999", True)],
    "GeoTIFF": [(34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 2), True), (33550, 12, 3, (1.0, 1.0, 0.0), True)],
    "NIH image": [(43314, 2, 0, b"NIHIMAGE" + bytes(300), True)],
    "EER": [(65001, 7, 20, b"<metadata></metadata", True)],
    "SEQ of MicroManager": [(51123, 2, 0, b'{"PixelSizeUm": {"a": [1]}}', True)],
    "broken MicroManager": [(51123, 2, 0, b'{"a": ', True)],
    "rationals without denominators": [(33434, 5, 1, (1, 0), True)],
    "signed rationals": [(37380, 10, 1, (-1, 3), True)],
    "NaN": [(65010, 12, 2, (float("nan"), float("inf")), True)],
    "huge numbers": [(65011, 16, 2, (2**64 - 1, 0), True), (65012, 17, 1, -(2**63), True)],
    "bytes with a sign": [(65013, 6, 3, (-128, 0, 127), True)],
    "an IFD of its own": [(65014, 13, 1, 8, True)],
    "a code of 0": [(0, 3, 1, 1, True)],
    "the last code": [(65535, 2, 0, b"x", True)],
    "resolution of negative parts": [(33421, 3, 2, (2, 2), True), (65015, 8, 2, (-5, 5), True)],
}


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("name", TAGS)
@pytest.mark.filterwarnings("ignore")
def test_odd_tags_come_back_or_are_told(tmp_path: Path, name: str, byteorder: Any, bigtiff: bool) -> None:
    path = tmp_path / "a.tif"
    tags = TAGS[name]
    if any(tag[1] in {13, 16, 17} for tag in tags) and not bigtiff:
        tags = [tag for tag in tags if tag[1] == 13] or [(65020, 2, 0, b"x", True)]
    with tifffile.TiffWriter(path, byteorder=byteorder, bigtiff=bigtiff) as file:
        file.write(GREY, metadata=None, software=False, extratags=tags)
    if name == "CZ_LSMINFO":  # makes it another kind of file, which it is not
        with pytest.raises(InputError, match="cannot be decoded"):
            read_image(path)
        return
    check(path, {tag[0] for tag in tags})


@pytest.mark.parametrize("ratio", [(100, 0), (0, 0), (0, 100), (2**32 - 1, 1)])
def test_odd_resolutions(tmp_path: Path, ratio: tuple[int, int]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, metadata=None, resolution=((77, 1), (77, 1)), resolutionunit=1)
    data = (tmp_path / "a.tif").read_bytes()
    assert data.count(struct.pack("<II", 77, 1)) == 2
    (tmp_path / "a.tif").write_bytes(data.replace(struct.pack("<II", 77, 1), struct.pack("<II", *ratio)))
    check(tmp_path / "a.tif", set())


def check(path: Path, codes: set[int]) -> None:
    """Check that each tag comes back or is named, and that the image is written in any case."""
    read = read_image(path)
    np.testing.assert_array_equal(read.pixels, GREY)
    target = path.with_name("b.tif")
    rehearse(target, read)
    write_image(target, read, stamp={"restorer": "wiener"})
    again = read_image(target)
    np.testing.assert_array_equal(again.pixels, GREY)
    kept = {tag[0] for tag in again.header["tags"]}
    told = " ".join(note for note in read.notes if "do not move along" in note)
    for code in codes - kept:
        assert f"({code})" in told or f"tag {code}" in told, (code, told)


@pytest.mark.parametrize("unit", [0, 9, 65535])
def test_an_unknown_unit_of_resolution(tmp_path: Path, unit: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, metadata=None, resolution=(100, 100), resolutionunit=3)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(_patched(data, 296, unit))
    check(tmp_path / "a.tif", set())


@pytest.mark.parametrize("code", [254, 274, 266, 339, 317])
@pytest.mark.parametrize("value", [0, 9, 65535])
@pytest.mark.filterwarnings("ignore")
def test_layout_of_nonsense_is_read_or_refused(tmp_path: Path, code: int, value: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, metadata=None, compression="zlib", predictor=True)
    data = (tmp_path / "a.tif").read_bytes()
    try:
        data = _patched(data, code, value)
    except AssertionError:
        pytest.skip("tifffile does not write this tag")
    (tmp_path / "a.tif").write_bytes(data)
    try:
        read = read_image(tmp_path / "a.tif")
    except InputError:
        return
    rehearse(tmp_path / "b.tif", read)
    write_image(tmp_path / "b.tif", read)
