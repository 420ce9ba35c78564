"""Dark, flat and bad pixels of any radiograph: the open field is the flats' mean, what is good stays bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from xsim.errors import InputError, MissingFileError
from xsim_datasets.images import Radiograph, read_image, write_image
from xsim_datasets.real.correction import FlatField
from xsim_datasets.real.corrections import Corrected, Corrections, corrected

SHAPE = (64, 80)


def write(path: Path, grey: np.ndarray, dtype: type = np.uint16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_image(path, Radiograph(np.rint(grey).astype(dtype), "tiff", pitch_mm=0.1, white=65535.0))


@pytest.fixture
def detector(tmp_path):
    """Return a panel of uneven gain, offset and one dead pixel: its frames, and a shot of a known object."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    gain = 30_000 * rng.normal(1.0, 0.05, SHAPE) * (1 - 0.3 * (x / SHAPE[1] - 0.5) ** 2)
    gain[20, 30] = 0.0
    offset = rng.uniform(200, 400, SHAPE)
    truth = np.where((y > 30) & (x > 40), 0.5, 1.0)
    for number in range(3):
        write(tmp_path / "dark" / f"{number}.tif", offset)
        write(tmp_path / "flat" / f"{number}.tif", offset + gain)
    shot = write(tmp_path / "shot.tif", offset + gain * truth)
    return tmp_path, gain, truth, shot


def test_the_open_field_is_the_mean_of_the_flats_and_the_image_is_that_of_dataset_import(detector):
    folder, gain, truth, shot = detector
    corrections = Corrections.of_files(folder / "dark", folder / "flat", "none")
    found = corrected(read_image(shot), corrections)
    good = gain > 0
    assert found.open_field == pytest.approx(gain[good].mean(), abs=1.0)
    assert found.dtype == np.uint16
    assert found.pitch_mm == 0.1
    np.testing.assert_allclose(found.pixels / found.open_field, truth, atol=1e-4)
    imported = FlatField.of_folders(folder / "dark", folder / "flat").image([shot])
    np.testing.assert_allclose(found.pixels / found.open_field, imported, atol=1e-4)
    assert found.bad_pixels.count == 1
    assert found.bad_pixels.to_dict()["places"] == [{"page": 0, "x": 30, "y": 20, "kind": "dead"}]
    assert any("mean of the flats" in note for note in found.notes)


def test_what_flats_show_to_be_bad_is_hot_or_dead_as_the_shot_has_it(detector):
    folder, _, _, shot = detector
    corrections = Corrections.of_files(folder / "dark", folder / "flat")
    raw = read_image(shot)
    raw.pixels[20, 30] = 65535
    found = corrected(raw, corrections)
    assert (len(found.bad_pixels.hot), len(found.bad_pixels.dead)) == (1, 0)
    assert "--bad-pixels none" not in found.notes[-1]  # flats know nothing of such a pixel, so it cannot be left


def test_one_file_does_for_a_folder_and_without_a_dark_it_is_said(detector):
    folder, _, _, shot = detector
    files = Corrections.of_files(folder / "dark" / "0.tif", folder / "flat" / "1.tif")
    folders = Corrections.of_files(folder / "dark", folder / "flat")
    np.testing.assert_array_equal(
        corrected(read_image(shot), files).pixels, corrected(read_image(shot), folders).pixels
    )
    found = corrected(read_image(shot), Corrections.of_files(flat=folder / "flat"))
    assert any("no dark was given" in note for note in found.notes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_image_without_bad_pixels_goes_through_as_it_is(dtype):
    pixels = (100 + 3 * np.random.default_rng(0).normal(size=(2, 50, 60))).astype(dtype)
    radiograph = Radiograph(pixels, "array", notes=("n",))
    found = corrected(radiograph)
    assert found.pixels is pixels
    assert found.notes == ("n",)
    assert found.bad_pixels.to_dict()["count"] == 0
    assert corrected(found, Corrections(find=False)) is found


def test_bad_pixels_of_pages_are_counted_listed_and_said_and_the_input_stays():
    pixels = np.rint(1000 + 10 * np.random.default_rng(0).normal(size=(2, 50, 60))).astype(np.uint16)
    pixels[0, 10, 20], pixels[1, 30, 5:7] = 4000, 0
    before = pixels.copy()
    found = corrected(Radiograph(pixels, "array"))
    np.testing.assert_array_equal(pixels, before)
    assert np.count_nonzero(found.pixels != pixels) == 3
    said = found.bad_pixels.to_dict()
    assert (said["count"], said["hot"], said["dead"]) == (3, 1, 2)
    assert said["share"] == pytest.approx(3 / pixels.size)
    assert [(one["page"], one["y"], one["x"]) for one in said["places"]] == [(0, 10, 20), (1, 30, 5), (1, 30, 6)]
    (note,) = found.notes
    assert "3 bad pixels repaired (1 hot, 2 dead; one at x=20 y=10 of page 0)" in note
    assert corrected(Radiograph(pixels, "array"), Corrections(find=False)).pixels is pixels


def test_what_is_bad_all_over_is_left_and_said():
    pixels = np.full((64, 64), 1000, np.uint16)
    pixels[::5, ::5] = 5000
    found = corrected(Radiograph(pixels, "array"))
    assert found.pixels is pixels
    assert "taken for structure" in found.notes[0]


def test_places_are_listed_up_to_a_cap_and_lines_by_name():
    known = np.zeros((60, 60), bool)
    known[:, 7] = known[50, :] = known[::7, ::5] = True
    grey = np.random.default_rng(0).normal(1000, 10, (60, 60)).astype(np.float32)
    found = corrected(Radiograph(grey, "array"), Corrections(known=known, find=False)).bad_pixels.to_dict()
    assert found["count"] == known.sum()
    assert (found["columns"], found["rows"]) == ([7], [50])
    assert len(found["places"]) == min(known.sum(), 200)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy"])
def test_maps_are_read_from_files_and_folders(detector, suffix):
    folder, gain, _, shot = detector
    known = np.zeros(SHAPE, np.uint8)
    known[3, 4] = known[10, 11] = 1
    path = folder / f"map{suffix}"
    write_image(path, Radiograph(known * 255 if suffix == ".png" else known, "none"))
    read = Corrections.of_files(bad_pixels=str(path))
    np.testing.assert_array_equal(read.known, known > 0)
    assert not read.find
    found = corrected(read_image(shot), read)
    assert found.bad_pixels.count == 2
    assert np.argwhere(found.pixels != read_image(shot).pixels).tolist() == [[3, 4], [10, 11]]
    write_image(path, Radiograph(0 * known, "none"), force=True)
    assert not Corrections.of_files(bad_pixels=str(path)).known.any()
    of_flats = Corrections.of_files(bad_pixels=str(folder / "flat")).known
    assert np.argwhere(of_flats).tolist() == np.argwhere(gain == 0).tolist()


def test_what_cannot_be_used_is_refused_by_name(detector):
    folder, _, _, shot = detector
    dark, flat = folder / "dark", folder / "flat"
    for words, match in (
        ((flat, dark), "no brighter than the darks"),
        ((dark, None), "give both"),
        ((dark, folder / "no.tif"), r"no\.tif: no such file"),
        ((write(folder / "small" / "a.tif", np.full((9, 9), 5)), flat), "give frames of one size"),
        ((None, write(folder / "zero.tif", np.zeros(SHAPE) + (np.arange(80) > 70))), "no brighter"),
        ((None, write(folder / "part.tif", 500.0 * (np.arange(80) > 10) + np.zeros(SHAPE))), "no signal in 13.8%"),
        ((None, None, str(write(folder / "all.tif", np.ones(SHAPE) + np.eye(*SHAPE)))), "good ones are zero"),
    ):
        with pytest.raises((InputError, MissingFileError), match=match):
            Corrections.of_files(*words)
    wrong = Radiograph(np.arange(100.0).reshape(10, 10), "array")
    with pytest.raises(InputError, match="the flats are"):
        corrected(wrong, Corrections.of_files(dark, flat))
    with pytest.raises(InputError, match="the map of bad pixels"):
        corrected(wrong, Corrections(known=np.zeros((5, 5), bool)))
    bright = read_image(shot)
    with pytest.raises(InputError, match="metal is bright"):
        corrected(Radiograph(bright.pixels, "dicom", polarity="metal-bright"), Corrections.of_files(dark, flat))


def test_constant_frames_do_for_dark_and_flat(tmp_path):
    dark, flat = (write(tmp_path / f"{level}.tif", np.full(SHAPE, level)) for level in (100, 1100))
    shot = Radiograph(np.arange(100, 100 + 64 * 80).reshape(SHAPE).astype(np.uint16), "array", white=65535.0)
    found = corrected(shot, Corrections.of_files(dark, flat, "none"))
    np.testing.assert_array_equal(found.pixels, shot.pixels - 100)
    assert found.open_field == 1000


def test_what_was_corrected_with_is_told_apart(detector):
    folder, *_ = detector
    dark, flat = folder / "dark", folder / "flat"
    several = [
        Corrections(),
        Corrections(find=False),
        Corrections.of_files(dark, flat),
        Corrections.of_files(None, flat),
        Corrections(known=np.zeros(SHAPE, bool), find=False),
    ]
    assert len({tuple(one.identity().values()) for one in several}) == len(several)
    assert several[2].identity() == Corrections.of_files(dark, flat).identity()
    assert several[2].bytes_per_px == 8
    assert several[4].bytes_per_px == 1


def test_saturation_before_the_correction_is_said(detector):
    folder, *_ = detector
    shot = Radiograph(np.where(np.arange(80) < 40, 65535, 900) + np.zeros(SHAPE, np.uint16), "array", white=65535.0)
    found = corrected(shot, Corrections.of_files(folder / "dark", folder / "flat", "none"))
    assert isinstance(found, Corrected)
    assert any("were saturated before" in note for note in found.notes)


@pytest.mark.parametrize("shown", ["MONOCHROME1", "MONOCHROME2"])
def test_what_is_only_shown_inverted_is_corrected_as_it_is_stored(tmp_path, shown):
    rng = np.random.default_rng(1)
    gain, offset = 20_000 * rng.normal(1.0, 0.04, SHAPE), rng.uniform(500, 1500, SHAPE)
    truth = np.ones(SHAPE)
    truth[20:40, 20:60] = 0.5

    def panel(name: str, grey: np.ndarray) -> Path:
        path = write_image(tmp_path / name, Radiograph(np.rint(grey).astype(np.uint16), "none", pitch_mm=0.05))
        dataset = pydicom.dcmread(path)
        dataset.PhotometricInterpretation, dataset.Modality = shown, "DX"
        dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LIN", 1
        dataset.save_as(path)
        return path

    corrections = Corrections.of_files(panel("dark.dcm", offset), panel("flat.dcm", offset + gain), "none")
    found = corrected(read_image(panel("a.dcm", offset + gain * truth)), corrections)
    assert found.flat_fielded
    assert found.open_field is not None
    level = found.turned(found.open_field)  # as it is stored
    assert level == pytest.approx(np.mean(gain), abs=1)
    # Where metal is bright, the level of no signal is that of white, which no beam is stored as.
    assert found.zero == (65535 if shown == "MONOCHROME1" else None)
    write_image(tmp_path / "b.dcm", found)
    written = pydicom.dcmread(tmp_path / "b.dcm")
    assert written.PhotometricInterpretation == shown
    assert np.abs(written.pixel_array - level * truth).max() < 3  # frames and result are rounded
