"""Real pairs: what was shifted, turned and left uncorrected is found, and what cannot be used is said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xsim.errors import InputError, MissingFileError
from xsim_cli.app import main
from xsim_datasets.images import Radiograph, read_image, write_image
from xsim_datasets.real.correction import FlatField
from xsim_datasets.real.importing import find_positions
from xsim_datasets.real.registration import Similarity, register
from xsim_datasets.store.reader import PairStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPEN_FIELD = 50_000
RADIOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "radiographs"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated pairs as TIFFs."""
    folder = tmp_path_factory.mktemp("exported")
    store, tiffs = folder / "a.zarr", folder / "tiffs"
    main(["dataset", "make", "tiny", "-o", str(store), "-n", "3", "--seed", "1", "--size", "256"])
    main(["dataset", "export", str(store), "-o", str(tiffs)])
    return tiffs


def write(path: Path, grey: NDArray[np.floating]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    codes = np.clip(np.rint(grey), 0, 65535).astype(np.uint16)
    write_image(path, Radiograph(codes, "tiff", pitch_mm=0.048, white=65535.0))


def displaced(lr: NDArray[np.floating], by: Similarity) -> NDArray[np.float32]:
    """Return an LR image displaced by a similarity, by the same interpolation that moves HR images."""
    return by.move_hr(lr)


def pairs_of(folder: Path) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    names = sorted(path.name for path in (folder / "hr").iterdir())
    return [(name, *(read_image(folder / side / name).pixels.astype(float) for side in ("hr", "lr"))) for name in names]


@pytest.mark.parametrize(
    "true",
    [
        Similarity(0.0, 0.0),
        Similarity(0.37, -0.62, 0.1),
        Similarity(6.3, -9.2, -0.5, 1.003),
    ],
)
def test_registration_finds_what_was_done(exported: Path, true: Similarity) -> None:
    for _, hr, lr in pairs_of(exported):
        found = register(hr / OPEN_FIELD, displaced(lr, true) / OPEN_FIELD)
        assert abs(found.shift_y_px - true.shift_y_px) < 0.05
        assert abs(found.shift_x_px - true.shift_x_px) < 0.05
        assert abs(found.rotation_deg - true.rotation_deg) < 0.02
        assert abs(found.magnification - true.magnification) < 5e-4
        assert found.residual_px < 0.15


def test_a_part_that_moved_alone_shows_in_the_residual(exported: Path) -> None:
    _, hr, lr = pairs_of(exported)[0]
    torn = lr.copy()
    torn[:, 128:] = displaced(lr, Similarity(1.5, 0.0))[:, 128:]
    assert register(hr / OPEN_FIELD, torn / OPEN_FIELD).residual_px > 0.3


@pytest.mark.parametrize("similarity", [Similarity(3.0, -2.0), Similarity(0.4, 0.1, 5.0, 1.02)])
def test_moving_follows_the_definition(similarity: Similarity) -> None:
    # A dot at p of the HR image is at M p + shift of the LR image, from the centre.
    y, x = np.mgrid[:101, :101] - 50.0
    dot = np.exp(-((y - 12.0) ** 2 + (x + 7.0) ** 2) / (2 * 2.0**2))
    moved = similarity.move_hr(dot)
    total = moved.sum()
    centre = np.array([(moved * y).sum(), (moved * x).sum()]) / total
    expected = similarity.matrix() @ np.array([12.0, -7.0]) + [similarity.shift_y_px, similarity.shift_x_px]
    np.testing.assert_allclose(centre, expected, atol=0.01)


def test_featureless_images_are_refused() -> None:
    with pytest.raises(InputError, match="nothing that could be registered"):
        register(np.ones((64, 64)), np.ones((64, 64)))
    with pytest.raises(InputError, match="too small"):
        register(np.ones((20, 64)), np.ones((20, 64)))


def test_import_brings_shifted_pairs_together(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    true = Similarity(-0.62, 0.37, 0.1)
    for name, hr, lr in pairs_of(exported):
        write(tmp_path / "hr" / f"board{name[-5]}_1.tif", hr)
        write(tmp_path / "lr" / f"board{name[-5]}_1.tif", displaced(lr, true))
    arguments = ["--hr", str(tmp_path / "hr"), "--lr", str(tmp_path / "lr"), "-o", str(tmp_path / "real.zarr")]
    opened = ["--hr-open-field", str(OPEN_FIELD), "--lr-open-field", str(OPEN_FIELD)]
    main(["dataset", "import", *arguments, *opened, "--pitch-mm", "0.048", "--recipe", "paper", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (document["n"], document["families"], document["origin"]) == (3, 3, "real")
    for found in document["registration"]:
        assert abs(found["shift_y_px"] - true.shift_y_px) < 0.05
        assert abs(found["shift_x_px"] - true.shift_x_px) < 0.05
        assert abs(found["rotation_deg"] - true.rotation_deg) < 0.02
    store = PairStore.open(tmp_path / "real.zarr")
    assert store.origin == "real"
    assert {"train", "validation", "test"} == set(store.table["split"])
    assert store.degradation.pitch_mm == 0.048
    np.testing.assert_array_equal(store.physics["mtf_hr"].shape[0], 1)
    for index in range(3):
        hr, lr = store.read(index)
        again = register(hr, lr)
        assert np.hypot(again.shift_y_px, again.shift_x_px) < 0.05
        assert abs(again.rotation_deg) < 0.02


def test_swapped_folders_are_refused(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--hr", str(exported / "lr"), "--lr", str(exported / "hr"), "-o", str(tmp_path / "real.zarr")]
    with pytest.raises(SystemExit) as stopped:
        main(["dataset", "import", *arguments, "--pitch-mm", "0.048"])
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.count("\n") == 1
    ratio = re.search(r"HR holds (\d\.\d\d) times .*exchange --hr and --lr", said)
    assert ratio
    assert 0.0 < float(ratio[1]) < 0.5
    assert not (tmp_path / "real.zarr").exists()


def test_frames_darks_and_flats_give_the_image_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.2, 1.0, (40, 50))
    gain = rng.uniform(0.7, 1.3, truth.shape) * 20_000
    offset = rng.uniform(100, 300, truth.shape)
    gain[10, 20] = 0.0  # dead
    gain[0, 0] = 70_000.0  # hot, in the corner
    for frame in range(4):
        write(tmp_path / "dark" / f"{frame}.tif", offset + rng.normal(0, 3, truth.shape))
        write(tmp_path / "flat" / f"{frame}.tif", offset + gain + rng.normal(0, 3, truth.shape))
        write(tmp_path / "shot" / f"{frame}.tif", offset + gain * truth + rng.normal(0, 3, truth.shape))
    camera = FlatField.of_folders(tmp_path / "dark", tmp_path / "flat")
    assert {(int(y), int(x)) for y, x in zip(*np.nonzero(camera.defective), strict=True)} == {(10, 20), (0, 0)}
    image = camera.image(sorted((tmp_path / "shot").iterdir()))
    good = ~camera.defective
    np.testing.assert_allclose(image[good], truth[good], atol=2e-3)
    assert np.isfinite(image).all()
    assert abs(image[10, 20] - np.median(truth[8:13, 18:23])) < 0.2


def test_positions_and_boards(tmp_path: Path) -> None:
    image = np.full((60, 60), 1000.0)
    image[20:30, 10:40] = 300.0
    for side in ("hr", "lr"):
        write(tmp_path / side / "alpha_01.tif", image)
        write(tmp_path / side / "alpha_02.tif", image)
        write(tmp_path / side / "007.tif", image)
        write(tmp_path / side / "beta" / "left.tif", image)
        write(tmp_path / side / "beta" / "right" / "0.tif", image)
        write(tmp_path / side / "beta" / "right" / "1.tif", image)
    positions = {position.name: position for position in find_positions(tmp_path / "hr", tmp_path / "lr")}
    assert {name: position.board for name, position in positions.items()} == {
        "alpha_01": "alpha",
        "alpha_02": "alpha",
        "007": "007",
        "beta/left": "beta",
        "beta/right": "beta",
    }
    assert len(positions["beta/right"].hr) == 2
    (tmp_path / "lr" / "alpha_02.tif").unlink()
    with pytest.raises(InputError, match="no partner 'alpha_02'"):
        find_positions(tmp_path / "hr", tmp_path / "lr")
    with pytest.raises(InputError, match="two folders"):
        find_positions(tmp_path / "hr", tmp_path / "hr")
    with pytest.raises(MissingFileError):
        find_positions(tmp_path / "nothing", tmp_path / "lr")
    with pytest.raises(InputError, match="regular expression"):
        find_positions(tmp_path / "hr", tmp_path / "lr", board="(")


def test_cameras_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    flat = np.full((40, 40), 1000.0)
    with pytest.raises(InputError, match="give both"):
        FlatField(dark=flat)
    with pytest.raises(InputError, match="which is which"):
        FlatField(dark=flat + 1, flat=flat)
    with pytest.raises(InputError, match="metal dark"):
        FlatField(flat=flat, polarity="metal-bright")
    write(tmp_path / "a.tif", flat[:30] + np.arange(40))
    with pytest.raises(InputError, match="the flats are"):
        FlatField(flat=flat).image([tmp_path / "a.tif"])


@pytest.mark.skipif(not RADIOGRAPHS.is_dir(), reason="the real radiographs of ../shared/data are not here")
def test_a_real_dicom_reads_with_its_pitch_and_either_polarity() -> None:
    path = RADIOGRAPHS / "leeds_tor18_line_pairs.dcm"
    assert read_image(path).pitch_mm == pytest.approx(0.388, abs=0.001)
    image = FlatField(polarity="metal-bright").image([path])
    # The open field is the brightest large area, and the plate's metal lies below it.
    assert np.quantile(image, 0.9) == pytest.approx(1.0, abs=0.1)
    assert 0.0 <= np.quantile(image, 0.01) < 0.7


@pytest.mark.skipif(not RADIOGRAPHS.is_dir(), reason="the real radiographs of ../shared/data are not here")
def test_a_computed_radiograph_reads_or_says_what_is_missing() -> None:
    path = RADIOGRAPHS / "hand_cr_jpeg2000.dcm"
    radiograph = read_image(path)
    assert (radiograph.shape, radiograph.white_is_zero) == ((1760, 1760), True)
