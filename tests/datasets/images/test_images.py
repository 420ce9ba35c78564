"""Image files: what goes in comes back, at its own depth and on its own scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from xsim.errors import InputError
from xsim_datasets.images import Radiograph, Scale, read_image, scale_of, write_image
from xsim_datasets.images.tiff import STAMP_TAG

RADIOGRAPHS = Path(__file__).parents[3].parent / "shared" / "data" / "radiographs"
needs_radiographs = pytest.mark.skipif(not RADIOGRAPHS.is_dir(), reason="../shared/data/radiographs is not here")


def board(shape=(41, 57), dtype=np.uint16, top=60000, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) * top).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "float32", "float64"])
@pytest.mark.parametrize("suffix", [".tif", ".npy", ".raw"])
def test_every_type_comes_back_unchanged(tmp_path, suffix, dtype):
    pixels = board(dtype=dtype, top=200)
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_image(source, Radiograph(pixels, "none", pitch_mm=0.048))
    first = read_image(source)
    write_image(target, first)
    again = read_image(target)
    np.testing.assert_array_equal(again.pixels, pixels)
    assert again.dtype == pixels.dtype
    if suffix != ".npy":
        assert again.pitch_mm == pytest.approx(0.048, rel=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_keeps_depth_text_and_pitch(tmp_path, dtype):
    pixels = board(dtype=dtype, top=np.iinfo(dtype).max)
    write_image(tmp_path / "a.png", Radiograph(pixels, "none", pitch_mm=0.048), stamp={"restorer": "wiener"})
    image = Image.open(tmp_path / "a.png")
    assert image.mode == {"uint8": "L", "uint16": "I;16"}[dtype]
    back = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pitch_mm == pytest.approx(0.048, rel=1e-4)


@pytest.mark.parametrize(
    "options", [{"tile": (16, 16)}, {"bigtiff": True}, {"byteorder": ">"}, {"compression": "zlib"}]
)
def test_tiff_layouts(tmp_path, options):
    pixels = board((70, 50))
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    write_image(tmp_path / "b.tif", read_image(tmp_path / "a.tif"))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        np.testing.assert_array_equal(file.asarray(), pixels)
        assert file.is_bigtiff == options.get("bigtiff", False)
        assert file.pages[0].is_tiled == ("tile" in options)
        assert file.byteorder == options.get("byteorder", "<")


TIFF_TAGS = {
    269: "board 7",  # DocumentName
    270: "LimeSDR, 70 kV",  # ImageDescription
    271: "Maker",
    272: "Model",
    285: "page",
    305: "Acquire 3",  # Software
    306: "2024:02:03 04:05:06",  # DateTime
    315: "Inspector",
    316: "host",
    33432: "all rights",  # Copyright
    65000: '{"kV": 70}',  # private
}


def test_tiff_tags_come_back(tmp_path):
    pixels = board()
    extra = [(code, 2, 0, text, True) for code, text in TIFF_TAGS.items() if code not in {270, 305, 306}]
    extra.append((274, 3, 1, 6, True))  # Orientation
    extra.append((65001, 12, 3, (1.5, 2.5, 3.5), True))
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, description=TIFF_TAGS[270], software=TIFF_TAGS[305], datetime=TIFF_TAGS[306],
        resolution=(10 / 0.048, 10 / 0.048), resolutionunit=3, extratags=extra, metadata=None,
    )  # fmt: skip
    write_image(tmp_path / "b.tif", read_image(tmp_path / "a.tif"), stamp={"restorer": "x"})
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = {tag.code: tag.value for tag in file.pages[0].tags}
    assert {code: tags[code] for code in TIFF_TAGS} == TIFF_TAGS
    assert tags[274] == 6
    assert tags[65001] == (1.5, 2.5, 3.5)
    assert tags[282][0] / tags[282][1] == pytest.approx(10 / 0.048)
    assert tags[STAMP_TAG] == '{"restorer": "x"}'


def test_white_at_zero_is_turned_and_turned_back(tmp_path):
    pixels = board()
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    read = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, 65535 - pixels)
    write_image(tmp_path / "b.tif", read)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].photometric == 0
        np.testing.assert_array_equal(file.asarray(), pixels)


def test_pages_are_never_dropped_in_silence(tmp_path):
    stack = board((3, 20, 30))
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata=None)
    with pytest.raises(InputError, match="3 pages"):
        read_image(tmp_path / "a.tif")
    read = read_image(tmp_path / "a.tif", pages=True)
    assert (read.pages, read.shape) == (3, (20, 30))
    write_image(tmp_path / "b.tif", read)
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif", pages=True).pixels, stack)


def test_printing_defaults_are_no_pitch(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", board(), resolution=(300, 300), resolutionunit=2)
    read = read_image(tmp_path / "a.tif")
    assert read.pitch_mm is None
    assert "300 dpi" in read.notes[0]
    write_image(tmp_path / "b.tif", read)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags[282].value == (300, 1)
        assert file.pages[0].resolutionunit == 2


def test_nothing_is_overwritten_and_no_part_is_left(tmp_path):
    target = tmp_path / "a.tif"
    target.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists"):
        write_image(target, Radiograph(board(), "none"))
    assert target.read_bytes() == b"precious"
    with pytest.raises(InputError, match="PNG cannot hold"):
        write_image(tmp_path / "a.png", Radiograph(board(dtype=np.float32), "none"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@needs_radiographs
def test_dicom_without_transfer_syntax(tmp_path):
    read = read_image(RADIOGRAPHS / "leeds_tor18_line_pairs.dcm")
    assert read.shape == (768, 1024)
    assert read.dtype == np.uint16
    assert (read.pixels.min(), read.pixels.max()) == (62548, 65535)
    assert read.pitch_mm == pytest.approx(0.388)
    write_image(tmp_path / "b.dcm", read, stamp={"restorer": "wiener"})
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").pixels, read.pixels)


@needs_radiographs
def test_dicom_keeps_its_elements_and_becomes_a_derived_instance(tmp_path):
    source = RADIOGRAPHS / "hand_cr_jpeg2000.dcm"
    read = read_image(source)
    assert read.white_is_zero
    assert read.white == 1023
    write_image(tmp_path / "b.dcm", read)
    old, new = pydicom.dcmread(source), pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(new.pixel_array, old.pixel_array)
    assert new.SOPInstanceUID != old.SOPInstanceUID
    assert new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID
    assert new.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert new.ImageType == ["DERIVED", "PRIMARY"]
    assert new.SourceImageSequence[-1].ReferencedSOPInstanceUID == old.SOPInstanceUID
    derived = {"SOPInstanceUID", "ImageType", "SourceImageSequence", "PixelData"}
    for element in old:
        if element.keyword not in derived:
            assert new[element.tag].value == element.value, element.keyword


def test_dicom_private_elements_come_back(tmp_path):
    write_image(tmp_path / "a.dcm", Radiograph(board(), "none", pitch_mm=0.1))
    made = pydicom.dcmread(tmp_path / "a.dcm")
    made.private_block(0x0045, "MAKER", create=True).add_new(0x10, "LO", "gain map 7")
    made.save_as(tmp_path / "a.dcm")
    write_image(tmp_path / "b.dcm", read_image(tmp_path / "a.dcm"), stamp={"restorer": "unet"})
    new = pydicom.dcmread(tmp_path / "b.dcm")
    assert new.private_block(0x0045, "MAKER")[0x10].value == "gain map 7"
    assert '"unet"' in new.private_block(0x0099, "XSIM")[0x01].value
    assert "unet" in new.DerivationDescription


@given(
    pixels=hnp.arrays(np.uint16, (9, 11), elements=st.integers(0, 65535)),
    open_field=st.integers(1, 65534),
    polarity=st.sampled_from(["metal-dark", "metal-bright"]),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_scale_is_exactly_undone(pixels, open_field, polarity):
    scale = Scale(float(open_field), polarity, 65535.0)
    back, clipped = scale.grey(scale.linear(pixels), np.dtype(np.uint16), 65535.0)
    np.testing.assert_array_equal(back, pixels)
    assert clipped == 0


def test_clipping_is_counted():
    linear = np.array([[0.5, 1.2], [-0.1, 1.0]], dtype=np.float32)
    grey, clipped = Scale(60000.0).grey(linear, np.dtype(np.uint16), 65535.0)
    np.testing.assert_array_equal(grey, [[30000, 65535], [0, 60000]])
    assert clipped == 2


def test_twelve_bits_in_sixteen_stay_on_their_scale():
    linear = np.array([[0.5, 1.2]], dtype=np.float32)
    grey, clipped = Scale(4000.0).grey(linear, np.dtype(np.uint16), 4095.0)
    np.testing.assert_array_equal(grey, [[2000, 4095]])
    assert clipped == 1


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_open_field_is_found_in_noise_with_hot_pixels(share):
    rng = np.random.default_rng(3)
    pixels = np.full((200, 300), 20000.0)
    pixels[: int(200 * share)] = 50000
    pixels += rng.normal(0, 1500, pixels.shape)
    pixels[rng.random(pixels.shape) < 1e-4] = 65535
    scale = scale_of(pixels.clip(0, 65535).astype(np.uint16), 65535.0)
    assert scale.open_field == pytest.approx(50000, rel=0.01)


def test_metal_bright_is_the_inverted_image():
    rng = np.random.default_rng(3)
    dark = rng.integers(0, 50000, (64, 64)).astype(np.uint16)
    dark[:32] = 50000
    bright = (65535 - dark).astype(np.uint16)
    a = scale_of(dark, 65535.0)
    b = scale_of(bright, 65535.0, polarity="metal-bright")
    np.testing.assert_allclose(a.linear(dark), b.linear(bright), atol=1e-6)
    assert b.open_field == pytest.approx(65535 - a.open_field)


def test_simulated_images_say_their_open_field(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", board(), description="xsim lr, open field 50000, pitch 0.048 mm")
    tifffile.imwrite(tmp_path / "b.tif", board(), description="open field 50000")
    assert read_image(tmp_path / "a.tif").open_field == 50000
    assert read_image(tmp_path / "b.tif").open_field is None
