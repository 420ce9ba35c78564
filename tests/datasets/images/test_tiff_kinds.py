"""TIFF as programs write it: every codec and predictor, who says the pitch, what becomes of tags."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from xsim.errors import InputError
from xsim_datasets.images import Radiograph, read_image, rehearse, write_image
from xsim_datasets.images.pitch import pitch_from_dpi

RNG = np.random.default_rng(0)
GREY = (30000 + 9000 * np.sin(np.arange(48)[:, None] / 7) + RNG.normal(0, 300, (48, 64))).astype(np.uint16)

LOSSLESS = ["lzw", "zlib", "deflate", "packbits", "zstd", "lzma", "lerc", "jpegxl", "png", "jpeg2000", "none"]
PREDICTED = ["lzw", "zlib", "zstd", "lzma"]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "float32"])
@pytest.mark.parametrize("codec", PREDICTED)
def test_codecs_with_predictors_come_back(tmp_path, codec, dtype, byteorder):
    pixels = (GREY / 257 if dtype == "uint8" else GREY).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=codec, predictor=True, byteorder=byteorder, rowsperstrip=7)
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, pixels)
    write_image(tmp_path / "b.tif", read)
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif").pixels, pixels)


@pytest.mark.parametrize("layout", [{}, {"tile": (16, 32)}, {"bigtiff": True}], ids=str)
@pytest.mark.parametrize("codec", LOSSLESS)
def test_codecs_come_back(tmp_path, codec, layout):
    options = {} if codec == "none" else {"compression": codec}
    tifffile.imwrite(tmp_path / "a.tif", GREY, **options, **layout)
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, GREY)
    # JPEG XL and LERC do not say whether they lost something.
    assert bool(read.doubts) == (codec in {"jpegxl", "lerc"})


@pytest.mark.parametrize(("codec", "args"), [("jpeg", {"level": 90}), ("jpeg2000", {"level": 50, "reversible": False})])
def test_lossy_codecs_are_doubted(tmp_path, codec, args):
    pixels = (GREY >> 8).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=codec, compressionargs=args)
    read = read_image(tmp_path / "a.tif")
    assert np.abs(read.pixels.astype(int) - pixels).max() < 12
    assert any(doubt.startswith("lossy compression") for doubt in read.doubts)


def test_damaged_lzw_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="lzw", predictor=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[start + count // 2 : start + count] = b"\x80" * (count - count // 2)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tif: cannot be decoded"):
        read_image(tmp_path / "a.tif")


OME = '<?xml version="1.0"?><OME xmlns="x"><Image><Pixels {}SizeX="64" SizeY="48" Type="uint16"/></Image></OME>'


def ome(x, unit=""):
    said = f'PhysicalSizeX="{x}" PhysicalSizeY="{x}" '
    return OME.format(said + (f'PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}" ' if unit else ""))


def imagej(unit, *more):
    return "\n".join(["ImageJ=1.54f", f"unit={unit}", *more, ""])


# (description, pixels per unit, ResolutionUnit, pitch [mm] or None, whether a doubt is said)
PITCHES = {
    "cm": ("", 10 / 0.127, 3, 0.127, False),
    "cm, 100 dpi": ("", 10 / 0.254, 3, 0.254, False),
    "cm, 300 dpi": ("", 300 / 2.54, 3, 25.4 / 300, False),
    "cm, a panel": ("", 10 / 0.2, 3, 0.2, False),
    "inch, 72": ("", 72, 2, None, True),
    "inch, 96": ("", 96, 2, None, True),
    "inch, 300": ("", 300, 2, None, True),
    "inch, 100": ("", 100, 2, None, True),
    "inch, 200": ("", 200, 2, None, True),
    "inch, 600": ("", 600, 2, None, True),
    "inch, 127": ("", 127, 2, 0.2, False),
    "inch, 254": ("", 254, 2, 0.1, False),
    "inch, 529": ("", 25.4 / 0.048, 2, 0.048, False),
    "inch, 1": ("", 1, 2, None, False),
    "no unit": ("", 20, 1, None, False),
    "ImageJ mm": (imagej("mm"), 1 / 0.127, 1, 0.127, False),
    "ImageJ um": (imagej("um"), 1 / 48, 1, 0.048, False),
    "ImageJ micron": (imagej("micron"), 1 / 48, 1, 0.048, False),
    "ImageJ escaped micro": (imagej("\\u00B5m"), 1 / 127, 1, 0.127, False),
    "ImageJ micro": (imagej("µm").encode(), 1 / 127, 1, 0.127, False),
    "ImageJ Greek mu": (imagej("\u03bcm").encode(), 1 / 127, 1, 0.127, False),
    "ImageJ micro in Latin-1": (imagej("µm").encode("latin-1"), 1 / 127, 1, 0.127, False),
    "ImageJ cm": (imagej("cm"), 10 / 0.127, 3, 0.127, False),
    "ImageJ inch": (imagej("inch"), 200, 2, 0.127, False),
    "ImageJ inch, 72": (imagej("inch"), 72, 2, None, True),
    "ImageJ pixel": (imagej("pixel"), 1, 1, None, False),
    "ImageJ sec": (imagej("sec"), 20, 1, None, True),
    "OME um": (ome(48), 1, 1, 0.048, False),
    "OME mm": (ome(0.127, "mm"), 1, 1, 0.127, False),
    "OME micro": (ome(127, "µm").encode(), 300, 2, 0.127, False),
    "OME entity": (ome(127, "&#181;m"), 1, 1, 0.127, False),
    "OME pixel": (ome(1, "pixel"), 1, 1, None, True),
    "OME without size": (OME.format(""), 10 / 0.2, 3, 0.2, False),
}


@pytest.mark.parametrize("name", PITCHES)
def test_pitch_is_believed_doubted_or_put_aside_and_comes_back(tmp_path, name):
    description, per_unit, unit, pitch_mm, doubted = PITCHES[name]
    text = description if isinstance(description, bytes) else description.encode()
    extra = [(270, 2, 0, text, True)] if text else []
    how = {"resolution": (per_unit, per_unit), "resolutionunit": unit, "extratags": extra, "software": False}
    tifffile.imwrite(tmp_path / "a.tif", GREY, metadata=None, **how)
    first = read_image(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", first, stamp={"restorer": "x"})
    for read in (first, read_image(tmp_path / "b.tif")):
        assert read.pitch_mm == (None if pitch_mm is None else pytest.approx(pitch_mm, rel=1e-5))
        assert bool(read.pitch_doubt) == doubted
        assert not read.pitch_doubt or read.pitch_doubt in read.notes
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tag = file.pages[0].tags.get(270)
        if text:
            file.filehandle.seek(tag.valueoffset)
            assert file.filehandle.read(tag.count).rstrip(b"\0") == text


def test_a_doubtful_pitch_names_the_option_that_settles_it():
    assert "--pitch-mm 0.127 if it is the pitch" in pitch_from_dpi(200, 200).doubt
    assert "is 300 dpi too" in _cm_note(300 / 2.54)


def _cm_note(per_cm):
    from xsim_datasets.images.pitch import pitch_from_metric

    return pitch_from_metric(10 / per_cm, 10 / per_cm, "a resolution in cm").notes[0]


@pytest.mark.parametrize(("x", "y", "unit"), [(100, 80, 3), (400, 529.1, 2), (20, 10, 3)])
def test_pixels_that_are_not_square_are_refused(tmp_path, x, y, unit):
    tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=(x, y), resolutionunit=unit)
    with pytest.raises(InputError, match="resample it to square pixels"):
        read_image(tmp_path / "a.tif")


# What programs leave in private tags: code, type, count, value.
STRANGE = {
    "MicroManager": (51123, 2, 0, json.dumps({"PixelSizeUm": 127.0, "Exposure-ms": 100}), True),
    "MetaMorph": (33628, 4, 1, 0, True),
    "FEI": (34682, 2, 0, "[User]\r\nUser=x\r\n", True),
    "CZ-SEM": (34118, 2, 0, "0\r\nAP_WD\r\nWD = 5 mm\r\n", True),
    "DNG": (50706, 1, 4, b"\1\4\0\0", True),
    "XMP": (700, 1, 12, b"<x:xmpmeta/> ", True),
    "GDAL": (42112, 2, 0, "<GDALMetadata><Item>1</Item></GDALMetadata>", True),
    "Latin-1": (315, 2, 0, "Müller".encode("latin-1"), True),
    "UTF-8": (33432, 2, 0, "© Prüfstelle".encode(), True),
    "odd DateTime": (306, 2, 0, "3. Februar 2024", True),
    "doubles": (65001, 12, 3, (1.5, float("nan"), -2.0), True),
    "undefined": (65002, 7, 5, b"\0\1\2\3\4", True),
    "rationals": (65003, 5, 2, (1, 3, 2, 7), True),
    "signed": (65004, 9, 2, (-5, 70000), True),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_tag_comes_back_or_is_listed_before_anything_is_computed(tmp_path, name):
    tag = STRANGE[name]
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[tag], metadata=None, software=False)
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, GREY)
    rehearse(tmp_path / "b.tif", read)
    write_image(tmp_path / "b.tif", read)
    with tifffile.TiffFile(tmp_path / "a.tif") as before, tifffile.TiffFile(tmp_path / "b.tif") as after:
        old, new = before.pages[0].tags.get(tag[0]), after.pages[0].tags.get(tag[0])
        listed = any("do not move along (dropped)" in note and str(tag[0]) in note for note in read.notes)
        assert listed == (new is None)
        if new is not None:
            assert repr(new.value) == repr(old.value)


def test_tags_that_are_nothing_special_are_not_dropped(tmp_path):
    kept = [tag for name, tag in STRANGE.items() if name not in {"MicroManager", "MetaMorph", "FEI", "CZ-SEM"}]
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=kept, metadata=None, software=False)
    assert not any("dropped" in note for note in read_image(tmp_path / "a.tif").notes)


def test_what_tifffile_says_of_a_shape_is_no_loss(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, description="board 7")
    read = read_image(tmp_path / "a.tif")
    assert read.notes == ()
    write_image(tmp_path / "b.tif", read)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].description == "board 7"


def test_a_pitch_that_a_dropped_tag_said_is_written_as_a_resolution(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[STRANGE["MicroManager"]], metadata=None)
    read = read_image(tmp_path / "a.tif")
    assert read.pitch_mm == pytest.approx(0.127)
    write_image(tmp_path / "b.tif", read)
    assert read_image(tmp_path / "b.tif").pitch_mm == pytest.approx(0.127)


@pytest.mark.parametrize(("unit", "per_unit"), [("um", 1 / 127), ("mm", 1 / 0.127), ("cm", 1 / 0.0127)])
def test_files_of_imagej_itself(tmp_path, unit, per_unit):
    """As tifffile writes them, with all the metadata that ImageJ has."""
    metadata = {"unit": unit, "Info": "kV = 70", "Labels": ["a"], "Overlays": [b"Iout" + b"\0" * 60]}
    tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(per_unit, per_unit), metadata=metadata)
    read = read_image(tmp_path / "a.tif")
    assert read.pitch_mm == pytest.approx(0.127, rel=1e-5)
    assert any("IJMetadata (50839)" in note for note in read.notes)
    write_image(tmp_path / "b.tif", read)
    assert read_image(tmp_path / "b.tif").pitch_mm == pytest.approx(0.127, rel=1e-5)


def test_images_that_imagej_hides_behind_one_page_are_not_dropped(tmp_path):
    stack = np.stack([GREY, GREY + 1, GREY + 2])
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, truncate=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", pages=True).pixels, stack)
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:-5000])
    with pytest.raises(InputError, match="truncated"):
        read_image(tmp_path / "a.tif", pages=True)


def test_imagej_signed_images_keep_their_zero(tmp_path):
    """ImageJ stores -32768 as 0 and says so by a straight line."""
    text = imagej("mm", "cf=0", "c0=-32768.0", "c1=1.0", "vunit=Gray Value")
    tifffile.imwrite(tmp_path / "a.tif", GREY // 2 + 32768, description=text, metadata=None)
    read = read_image(tmp_path / "a.tif")
    assert read.zero == 32768
    assert "grey level 32768 is no signal" in read.notes[-1]


def test_names_of_ome_do_not_make_ome(tmp_path):
    write_image(tmp_path / "b.ome.tif", Radiograph(GREY, "array", 0.1))
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
        assert 270 not in file.pages[0].tags
    assert read_image(tmp_path / "b.ome.tif").pitch_mm == pytest.approx(0.1)
