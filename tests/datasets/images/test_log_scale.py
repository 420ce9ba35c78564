"""Logarithmic files: what they say is heard, and their exposure comes back whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from scipy.ndimage import gaussian_filter

from xsim.errors import InputError
from xsim_cli.app import main
from xsim_datasets.images import Radiograph, exposure_of_log, read_image, write_image
from xsim_datasets.real.correction import FlatField
from xsim_datasets.store.reader import PairStore

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FACTOR, AIR = 6000.0, 9000.0


def transmission() -> NDArray[np.float64]:
    """Return a linear image: air, and a plate with noise on it."""
    image = np.ones((64, 64))
    image[20:44, 10:50] = np.random.default_rng(7).uniform(0.02, 0.9, (24, 40))
    return image


def logged(image: NDArray[np.float64], polarity: str) -> NDArray[np.uint16]:
    sign = -1.0 if polarity == "metal-bright" else 1.0
    air = AIR if polarity == "metal-bright" else 60_000.0 - AIR
    return np.rint(air + sign * FACTOR * np.log(image)).astype(np.uint16)


def write_dicom(path: Path, pixels: NDArray[np.uint16], **elements: object) -> Path:
    write_image(path, Radiograph(pixels, "none", pitch_mm=0.048, white=65535.0))
    dataset = pydicom.dcmread(path)
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


def test_the_logarithm_is_undone_as_stated() -> None:
    # One factor e, one decade, and air itself, by hand.
    grey = np.array([AIR, AIR + FACTOR, AIR + FACTOR * np.log(10.0)])
    np.testing.assert_allclose(exposure_of_log(grey, FACTOR, AIR), [1.0, np.exp(-1.0), 0.1], rtol=1e-12)
    np.testing.assert_allclose(exposure_of_log(grey, FACTOR, AIR, polarity="metal-dark"), [1.0, np.e, 10.0], rtol=1e-12)
    with pytest.raises(InputError, match="without end"):
        exposure_of_log(grey, 1e-3, 2 * AIR)


@pytest.mark.parametrize("polarity", ["metal-dark", "metal-bright"])
@pytest.mark.parametrize("said", [True, False])
def test_a_log_image_gives_its_exposure_back(tmp_path: Path, polarity: str, said: bool) -> None:
    truth = transmission()
    grey = logged(truth, polarity)
    path = write_dicom(tmp_path / "a.dcm", grey, PixelIntensityRelationship="LOG")
    air = float(grey[0, 0]) if said else None
    image = FlatField(polarity=polarity, open_field=air, scale="log", log_factor=FACTOR).image([path])
    # Half a grey level is 1 / (2 FACTOR) of the exposure; without the level of air the estimate adds nothing here.
    np.testing.assert_allclose(image, truth, rtol=0.51 / FACTOR + 1e-6)


def test_frames_are_averaged_as_exposures(tmp_path: Path) -> None:
    truth = transmission()
    frames = [truth * share for share in (0.5, 1.0)]
    paths = []
    for number, frame in enumerate(frames):
        paths.append(write_dicom(tmp_path / f"{number}.dcm", logged(frame, "metal-bright")))
    image = FlatField(polarity="metal-bright", open_field=AIR, scale="log", log_factor=FACTOR).image(paths)
    # The mean of the logarithms would give sqrt(0.5) = 0.707 of the truth.
    np.testing.assert_allclose(image, 0.75 * truth, rtol=1e-3)


@pytest.mark.parametrize(
    ("photometric", "sign", "polarity"),
    [
        ("MONOCHROME2", 1, "metal-dark"),
        ("MONOCHROME2", -1, "metal-bright"),
        ("MONOCHROME1", 1, "metal-bright"),
        ("MONOCHROME1", -1, "metal-dark"),
    ],
)
def test_the_sign_of_a_dicom_file_is_its_polarity(tmp_path: Path, photometric: str, sign: int, polarity: str) -> None:
    truth = transmission()
    # Stored values rise with the beam at sign 1 and fall at -1, whatever the photometric interpretation.
    stored = logged(truth, "metal-dark" if sign == 1 else "metal-bright")
    elements = {"PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": sign}
    path = write_dicom(tmp_path / "a.dcm", stored, PhotometricInterpretation=photometric, **elements)
    read = read_image(path, log=True)
    assert (read.polarity, read.intensity) == (polarity, "log")
    image = FlatField(scale="log", log_factor=FACTOR).image([path])
    np.testing.assert_allclose(image, truth, rtol=1e-3)


def test_a_linear_file_says_its_polarity_too(tmp_path: Path) -> None:
    truth = transmission()
    stored = np.rint(65535 - 50_000 * truth).astype(np.uint16)
    path = write_dicom(tmp_path / "a.dcm", stored, PixelIntensityRelationship="LIN", PixelIntensityRelationshipSign=-1)
    np.testing.assert_allclose(FlatField().image([path]), truth, atol=1e-3)
    with pytest.raises(InputError, match="give no --scale log"):
        FlatField(scale="log", log_factor=FACTOR).image([path])
    with pytest.raises(InputError, match="flats need raw data"):
        FlatField(flat=np.full(truth.shape, 50_000.0)).image([path])


@pytest.mark.parametrize("modality", ["DX", "CR"])
def test_flats_correct_stored_signals_that_are_shown_inverted(tmp_path: Path, modality: str) -> None:
    truth, rng = transmission(), np.random.default_rng(3)
    gain = 40_000.0 * (1.0 + 0.1 * rng.standard_normal(truth.shape).clip(-2, 2))
    levels = {"dark": np.full(truth.shape, 500.0), "flat": 500.0 + gain, "image": 500.0 + gain * truth}
    for name, grey in levels.items():
        stored = np.rint(grey).astype(np.uint16)
        write_dicom(tmp_path / f"{name}.dcm", stored, PhotometricInterpretation="MONOCHROME1", Modality=modality)
    flats = FlatField.of_folders(tmp_path / "dark.dcm", tmp_path / "flat.dcm")
    np.testing.assert_allclose(flats.image([tmp_path / "image.dcm"]), truth, atol=1e-4)
    # What falls with the exposure is no raw data, however it is shown.
    falls = {"PhotometricInterpretation": "MONOCHROME1", "PixelIntensityRelationshipSign": -1, "Modality": modality}
    write_dicom(tmp_path / "falls.dcm", np.rint(65_535 - levels["image"]).astype(np.uint16), **falls)
    assert np.abs(flats.image([tmp_path / "falls.dcm"]) - truth).max() < 1e-3


def test_frames_of_two_kinds_are_not_averaged(tmp_path: Path) -> None:
    grey = logged(transmission(), "metal-dark")
    paths = [write_dicom(tmp_path / f"{sign}.dcm", grey, PixelIntensityRelationshipSign=sign) for sign in (1, -1)]
    with pytest.raises(InputError, match="frames of one kind"):
        FlatField().image(paths)


def test_a_silent_file_is_linear_with_metal_dark(tmp_path: Path) -> None:
    read = read_image(write_dicom(tmp_path / "a.dcm", logged(transmission(), "metal-dark")))
    assert (read.polarity, read.intensity) == (None, None)


def test_scales_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="give --log-factor"):
        FlatField(scale="log")
    with pytest.raises(InputError, match="give --scale log"):
        FlatField(log_factor=FACTOR)
    with pytest.raises(InputError, match="raw data are linear"):
        FlatField(flat=np.full((9, 9), 9.0), scale="log", log_factor=FACTOR)
    for factor in (0.0, -FACTOR, float("nan"), float("inf")):
        with pytest.raises(InputError, match="above 0"):
            FlatField(scale="log", log_factor=factor)


def test_import_names_the_option_that_a_log_file_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("hr", "lr"):
        (tmp_path / side).mkdir()
        grey = logged(transmission(), "metal-bright")
        write_dicom(tmp_path / side / "a.dcm", grey, PixelIntensityRelationship="LOG")
    folders = ["--hr", str(tmp_path / "hr"), "--lr", str(tmp_path / "lr"), "-o", str(tmp_path / "real.zarr")]
    with pytest.raises(SystemExit) as stopped:
        main(["dataset", "import", *folders, "--pitch-mm", "0.048"])
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.count("\n") == 1
    assert "--scale log" in said
    assert not (tmp_path / "real.zarr").exists()


@pytest.mark.slow
def test_a_log_import_is_the_linear_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    hr = np.ones((96, 96))
    for y, x in rng.integers(8, 76, (30, 2)):
        hr[y : y + 9, x : x + 6] *= rng.uniform(0.5, 0.95)
    images = {"hr": hr, "lr": gaussian_filter(hr, 1.2)}
    for side, image in images.items():
        for kind in ("linear", "log"):
            (tmp_path / kind / side).mkdir(parents=True)
        write_dicom(tmp_path / "linear" / side / "a.dcm", np.rint(60_000 * image).astype(np.uint16))
        elements = {"PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": -1}
        write_dicom(tmp_path / "log" / side / "a.dcm", logged(image, "metal-bright"), **elements)
    options = {"linear": (60_000, []), "log": (AIR, ["--scale", "log", "--log-factor", str(FACTOR)])}
    stores = {}
    for kind, (air, scale) in options.items():
        folders = ["--hr", str(tmp_path / kind / "hr"), "--lr", str(tmp_path / kind / "lr"), "--pitch-mm", "0.048"]
        levels = ["--hr-open-field", str(air), "--lr-open-field", str(air)]
        main(["dataset", "import", *folders, *levels, *scale, "-o", str(tmp_path / f"{kind}.zarr")])
        stores[kind] = PairStore.open(tmp_path / f"{kind}.zarr")
    for linear, log in zip(stores["linear"].read(0), stores["log"].read(0), strict=True):
        np.testing.assert_allclose(log, linear, atol=5e-4)
    camera = stores["log"].attributes["plan"]["recipe"]["cameras"]["hr"]
    assert (camera["scale"], camera["log_factor"]) == ("log", FACTOR)
