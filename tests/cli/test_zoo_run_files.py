"""`xsim zoo run` on what files say about themselves: polarity, open field, tags, sizes beyond 4 GiB."""

from __future__ import annotations

import json
import struct

import numpy as np
import pydicom
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim_cli.app import main
from xsim_datasets.images import Radiograph, read_image, write_image
from xsim_zoo.process.physics import Physics
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.checkpoint import save_checkpoint

PHYSICS = Physics(closed_form(), power_law())
WHITE = 4095
OPEN_FIELD = 3500
SHAPE = (72, 80)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wiener")
    save_checkpoint(folder / "weights.safetensors", Card(restorer="wiener", physics=PHYSICS.to_dict(), options={}), {})
    return folder


@pytest.fixture
def run(weights, capsys):
    """Return a function that restores a file and returns exit code, entries and what was said."""

    def restored(path, *words):
        try:
            main(["zoo", "run", "wiener", str(path), "--weights", str(weights), *(str(word) for word in words)])
            code = 0
        except SystemExit as left:
            code = left.code or 0
        return code, capsys.readouterr().err

    return restored


@pytest.fixture(scope="module")
def signal():
    """Return a radiograph of 12 bits: metal dark, black low."""
    return np.rint(degrade(board(3, SHAPE), PHYSICS, 3) * OPEN_FIELD).clip(0, WHITE).astype(np.uint16)


def entry_of(path):
    return json.loads(path.with_name(f"{path.name}.json").read_text())["entry"]


def dicom(path, stored, photometric, sign, **elements):
    """Write stored values with what a DX image says of them."""
    write_image(path, Radiograph(np.asarray(stored, np.uint16), "none", pitch_mm=0.048))
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation = photometric
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelIntensityRelationship = "LIN"
    dataset.PixelIntensityRelationshipSign = sign
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


# What a panel may make of one exposure. Sign 1: less beam is a lower stored value; MONOCHROME1: shown inverted.
WAYS = [("MONOCHROME2", 1), ("MONOCHROME1", 1), ("MONOCHROME2", -1), ("MONOCHROME1", -1)]


@pytest.mark.parametrize("open_field", ["given", "estimated"])
@pytest.mark.parametrize(("photometric", "sign"), WAYS)
def test_the_answer_does_not_depend_on_how_dicom_turns_grey_levels(
    run, signal, tmp_path, photometric, sign, open_field
):
    turned = sign == -1
    source = dicom(tmp_path / "a.dcm", WHITE - signal if turned else signal, photometric, sign)
    reference = dicom(tmp_path / "reference.dcm", signal, "MONOCHROME2", 1)
    level = {True: WHITE - OPEN_FIELD, False: OPEN_FIELD}[turned]
    for path, given in ((source, level), (reference, OPEN_FIELD)):
        words = ("--open-field", given) if open_field == "given" else ()
        assert run(path, "-o", path.with_name(f"{path.stem}_out.dcm"), *words)[0] == 0
    stored = pydicom.dcmread(tmp_path / "a_out.dcm")
    expected = pydicom.dcmread(tmp_path / "reference_out.dcm").pixel_array.astype(int)
    found = stored.pixel_array.astype(int)
    assert np.abs((WHITE - found if turned else found) - expected).max() <= 1
    assert np.abs(expected - signal).mean() > 5  # something was restored
    assert stored.PhotometricInterpretation == photometric
    assert stored.PixelIntensityRelationshipSign == sign
    # Levels are those of the file, as any viewer of stored values shows them.
    assert entry_of(tmp_path / "a_out.dcm")["open_field"] == pytest.approx(level, abs=40)


def test_polarity_of_the_option_goes_before_that_of_the_file(run, signal, tmp_path):
    lying = dicom(tmp_path / "a.dcm", signal, "MONOCHROME2", -1)
    code, said = run(lying, "-o", tmp_path / "b.dcm", "--polarity", "metal-dark", "--open-field", OPEN_FIELD)
    assert code == 0
    assert "metal-dark forced, the file says metal-bright" in said
    honest = dicom(tmp_path / "c.dcm", signal, "MONOCHROME2", 1)
    run(honest, "-o", tmp_path / "d.dcm", "--open-field", OPEN_FIELD)
    found, expected = (pydicom.dcmread(tmp_path / name).pixel_array for name in ("b.dcm", "d.dcm"))
    np.testing.assert_array_equal(found, expected)


def test_white_at_zero_in_tiff_is_its_own_scale(run, signal, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", 65535 - signal, photometric="miniswhite")
    assert run(tmp_path / "a.tif", "-o", tmp_path / "b.tif", "--open-field", 65535 - OPEN_FIELD)[0] == 0
    tifffile.imwrite(tmp_path / "c.tif", signal)
    run(tmp_path / "c.tif", "-o", tmp_path / "d.tif", "--open-field", OPEN_FIELD)
    np.testing.assert_array_equal(65535 - tifffile.imread(tmp_path / "b.tif"), tifffile.imread(tmp_path / "d.tif"))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].photometric == 0
    assert entry_of(tmp_path / "b.tif")["open_field"] == 65535 - OPEN_FIELD


def full_board(contrast):
    """Return a board that fills the field: laminate that copper of all thicknesses covers."""
    rng = np.random.default_rng(2)
    texture = gaussian_filter(rng.standard_normal((160, 160)), 6)
    image = 30000 * (1 + contrast * texture / texture.std())
    return (image + rng.normal(0, 200, image.shape)).clip(0, 65535).astype(np.uint16)


def test_a_board_that_fills_the_field_has_no_open_field_and_it_is_said(run, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", full_board(0.15))
    code, said = run(tmp_path / "a.tif")
    assert code == 0
    assert "no open field found" in said
    assert "give --open-field" in said
    assert entry_of(tmp_path / "a_restored.tif")["open_field_seen"] is False
    tifffile.imwrite(tmp_path / "b.tif", full_board(0.15))
    code, said = run(tmp_path / "b.tif", "--open-field", 60000)
    assert "no open field" not in said
    assert entry_of(tmp_path / "b_restored.tif")["open_field_seen"] is True


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_part_of_open_field_is_enough(run, tmp_path, share):
    image = full_board(0.05)
    rng = np.random.default_rng(4)
    image[: int(share * len(image))] = rng.normal(50000, 300, (int(share * len(image)), image.shape[1]))
    tifffile.imwrite(tmp_path / "a.tif", image)
    _, said = run(tmp_path / "a.tif")
    assert "open field estimated" in said
    assert entry_of(tmp_path / "a_restored.tif")["open_field"] == pytest.approx(50000, rel=0.01)


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_pitch_of_other_detectors_and_too_little_to_see_names_the_file_and_the_remedy(run, signal, tmp_path, words):
    tifffile.imwrite(tmp_path / "a.tif", signal, resolution=(10 / 0.2, 10 / 0.2), resolutionunit=3)
    code, said = run(tmp_path / "a.tif", "-o", tmp_path / "b.tif", *words)
    assert code == 2
    assert said.startswith(f"xsim: {tmp_path / 'a.tif'}: its detector cannot be estimated: ")
    assert "--detectors" in said
    assert len(said.strip().splitlines()) == 1


# (code, type, value): what a radiograph may say of itself, and every type of value that TIFF has.
KEPT_TIFF_TAGS = [
    (269, 2, "board 7"),  # DocumentName
    (270, 2, "70 kV, 0.2 mA"),  # ImageDescription
    (271, 2, "Maker"),
    (272, 2, "Model"),
    (274, 3, 6),  # Orientation
    (280, 3, 12),  # MinSampleValue
    (281, 3, 60000),  # MaxSampleValue
    (285, 2, "page"),  # PageName
    (305, 2, "Acquire 3"),  # Software
    (306, 2, "2024:02:03 04:05:06"),  # DateTime
    (315, 2, "Inspector"),  # Artist
    (316, 2, "host"),  # HostComputer
    (33432, 2, "all rights"),  # Copyright
    (65000, 2, '{"kV": 70}'),  # private ones, of every type
    (65001, 12, (1.5, 2.5, 3.5)),
    (65002, 4, (1, 2**31)),
    (65003, 1, b"\x00\x01\xff"),
    (65004, 11, 0.25),
    (65005, 9, -7),
    (65006, 5, (3, 7)),
]
# These point to places of the old file; sub-images, EXIF and GPS are others, which tifffile does not write.
DROPPED_TIFF_TAGS = {37724: "ImageSourceData", 50740: "DNGPrivateData"}


def test_tags_of_tiff_are_kept_or_named(run, signal, tmp_path):
    named = {270: "description", 305: "software", 306: "datetime"}
    options = {named[code]: value for code, _, value in KEPT_TIFF_TAGS if code in named}
    extra = [
        (code, kind, len(value) // (2 if kind == 5 else 1) if isinstance(value, (tuple, bytes)) else 1, value, True)
        for code, kind, value in KEPT_TIFF_TAGS
        if code not in named
    ]
    extra += [(code, 4, 1, 8, True) for code in DROPPED_TIFF_TAGS]
    source = tmp_path / "a.tif"
    tifffile.imwrite(
        source, signal, extratags=extra, resolution=(10 / 0.048, 10 / 0.048), resolutionunit=3, metadata=None, **options
    )
    code, said = run(source, "-o", tmp_path / "b.tif", "--open-field", OPEN_FIELD)
    assert code == 0, said
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = {tag.code: tag.value for tag in file.pages[0].tags}
    assert {code: tags[code] for code, _, _ in KEPT_TIFF_TAGS} == {code: value for code, _, value in KEPT_TIFF_TAGS}
    assert tags[282][0] / tags[282][1] == pytest.approx(10 / 0.048)
    assert not DROPPED_TIFF_TAGS.keys() & tags.keys()
    (line,) = [line for line in said.splitlines() if "tags that do not move along" in line]
    assert all(name in line for name in DROPPED_TIFF_TAGS.values())


KEPT_DICOM_ELEMENTS = {
    "StudyDate": "20240203",
    "Manufacturer": "Maker",
    "ManufacturerModelName": "Panel 7",
    "DeviceSerialNumber": "A-17",
    "KVP": "70",
    "ExposureTime": "400",
    "XRayTubeCurrent": "2",
    "FilterMaterial": "ALUMINUM",
    "DistanceSourceToDetector": "600",
    "DetectorType": "SCINTILLATOR",
    "ImagerPixelSpacing": [0.048, 0.048],
    "WindowCenter": "2000",
    "WindowWidth": "3000",
    "RescaleSlope": "1",
    "RescaleIntercept": "0",
    "PixelIntensityRelationship": "LIN",
    "BurnedInAnnotation": "NO",
    "PatientID": "COMPONENT 12",  # DICONDE calls it Component ID
    "PatientName": "Board^LimeSDR",  # DICONDE: Component Name
    "ImageComments": "before reflow",
    "StudyInstanceUID": "1.2.3.4",
    "SeriesInstanceUID": "1.2.3.4.5",
}


def test_elements_of_dicom_are_kept_and_the_instance_is_a_new_one(run, signal, tmp_path):
    source = dicom(tmp_path / "a.dcm", signal, "MONOCHROME2", 1, **KEPT_DICOM_ELEMENTS)
    old = pydicom.dcmread(source)
    old.private_block(0x0021, "DICONDE MAKER", create=True).add_new(0x10, "LO", "gain map 7")
    old.save_as(source)
    assert run(source, "-o", tmp_path / "b.dcm", "--open-field", OPEN_FIELD)[0] == 0
    new = pydicom.dcmread(tmp_path / "b.dcm")
    for name in KEPT_DICOM_ELEMENTS:
        assert new[name].value == old[name].value, name
    assert new.private_block(0x0021, "DICONDE MAKER")[0x10].value == "gain map 7"
    assert new.SOPInstanceUID != old.SOPInstanceUID
    assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert new.ImageType[0] == "DERIVED"
    assert (new.BitsStored, new.HighBit) == (12, 11)
    assert int(new.pixel_array.max()) <= WHITE
    stamp = json.loads(new.private_block(0x0099, "XSIM")[0x01].value)
    assert stamp["restorer"] == "wiener"
    assert "restored by xsim" in new.DerivationDescription


def test_twelve_bits_in_sixteen_come_back_on_their_own_scale(run, signal, tmp_path):
    source = dicom(tmp_path / "a.dcm", signal, "MONOCHROME2", 1)
    assert run(source, "-o", tmp_path / "b.dcm", "--open-field", OPEN_FIELD)[0] == 0
    found = pydicom.dcmread(tmp_path / "b.dcm").pixel_array
    assert found.dtype == np.uint16
    assert np.median(found) == pytest.approx(np.median(signal), rel=0.02)


def far_tiff(path, pixels, start):
    """Write a BigTIFF whose pixels and directory begin at ``start``; what lies before is a hole."""
    height, width = pixels.shape
    data = pixels.astype("<u2").tobytes()
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, 1),
        (273, 16, start), (277, 3, 1), (278, 4, height), (279, 16, len(data)),
    ]  # fmt: skip
    directory = struct.pack("<Q", len(entries))
    directory += b"".join(struct.pack("<HHQQ", code, kind, 1, value) for code, kind, value in entries)
    with path.open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, start + len(data)))
        file.seek(start)
        file.write(data + directory + struct.pack("<Q", 0))


def test_files_beyond_4_gib_are_read(signal, tmp_path):
    far_tiff(tmp_path / "a.tif", signal, 2**32 + 2**20)
    assert (tmp_path / "a.tif").stat().st_size > 2**32
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, signal)


@pytest.mark.parametrize(("side", "big"), [(32000, False), (46340, True)])
def test_results_beyond_4_gib_are_written_as_bigtiff(tmp_path, monkeypatch, side, big):
    asked = {}

    class Writer:
        """Stands for tifffile's, as writing 4 GiB takes minutes."""

        def __init__(self, path, **options):
            asked.update(options)
            path.touch()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, image, **_):
            asked["pixels"] = image.size

    monkeypatch.setattr(tifffile, "TiffWriter", Writer)
    pixels = np.broadcast_to(np.zeros((1, 1), np.uint16), (side, side))
    write_image(tmp_path / "a.tif", Radiograph(pixels, "none"))
    assert asked["bigtiff"] is big
    assert asked["pixels"] == side**2
