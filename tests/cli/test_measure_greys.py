"""What files hold, before anything is measured on it: densities, metal bright, levels of no signal, doubts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.cli.test_measure import document, refusal, slanted
from xsim.errors import InputError
from xsim_cli.measure.inputs import Greys
from xsim_datasets.images import Density, Radiograph

FILM = ("--scale", "density", "--density-white", "4", "--polarity", "metal-dark", "--film-gradient", "2.5")
ADDED = ("--scale", "density", "--density-white", "4", "--polarity", "metal-bright")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Return one edge and one flat, as exposures of at most 1, and as both kinds of density."""
    folder = tmp_path_factory.mktemp("greys")
    rng = np.random.default_rng(1)
    exposures = {
        "edge": slanted() / 60_000 * rng.normal(1, 0.004, (160, 200)),
        "flat": rng.normal(0.6, 0.006, (300, 300)),
    }
    made = {}
    for name, exposure in exposures.items():
        kinds = {
            "linear": exposure,
            "film": (3 + 2.5 * np.log10(exposure)) / 4,
            "added": (0.1 - np.log10(exposure)) / 4,
        }
        for kind, share in kinds.items():
            made[f"{name} {kind}"] = folder / f"{name}_{kind}.tif"
            tifffile.imwrite(made[f"{name} {kind}"], np.rint(share * 65535).astype(np.uint16))
    return made


@pytest.mark.parametrize(
    ("command", "name", "key"), [("mtf", "edge", "f50_lp_mm"), ("nnps", "flat", "relative_variance")]
)
def test_densities_give_the_mtf_and_the_noise_of_their_exposures(capsys, files, command, name, key):
    more = ("--pitch-mm", 0.05, *(("--region-px", 128) if command == "nnps" else ()))
    wanted = document(capsys, command, files[f"{name} linear"], *more)[key]
    for kind, words in (("film", FILM), ("added", ADDED)):
        assert document(capsys, command, files[f"{name} {kind}"], *more, *words)[key] == pytest.approx(wanted, rel=0.01)
        if command == "nnps":
            # Taken for exposures they give other numbers: the option is what makes the difference.
            taken = document(capsys, command, files[f"{name} {kind}"], *more)[key]
            assert taken != pytest.approx(wanted, rel=0.2)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--scale", "density"), "--density-white"),
        (("--scale", "density", "--density-white", "4"), "needs --polarity"),
        (FILM[:-2], "--film-gradient"),
        (("--density-white", "4"), "are of --scale density"),
        ((*FILM, "--flat", "."), "leave out --scale density"),
    ],
)
def test_a_density_of_which_too_little_is_said_is_refused(capsys, files, words, match):
    for command in ("mtf", "blind"):
        assert match in refusal(capsys, command, files["edge film"], "--pitch-mm", 0.05, *words)


def test_exposures_of_densities_are_on_one_scale_for_all_files():
    grey = np.array([[0.0, 30_000.0, 65_535.0]])
    film, added = Density(4.0, "metal-dark", 2.0), Density(4.0, "metal-bright")
    np.testing.assert_allclose(film.exposure(grey, 65_535.0), 10 ** ((grey / 65_535 - 1) * 2))
    np.testing.assert_allclose(added.exposure(grey, 65_535.0), 10 ** (-4 * grey / 65_535))
    with pytest.raises(InputError, match="leave it out"):
        Density(4.0, "metal-bright", 2.0)


PAGE = np.array([[1000, 3000], [2000, 4000]], np.uint16)


def radiograph(**facts) -> Radiograph:
    return Radiograph(PAGE, "tiff", white=4095.0, **facts)


@pytest.mark.parametrize(
    ("file", "told", "signal", "level"),
    [
        (radiograph(), None, PAGE, 3500.0),
        (radiograph(), "metal-bright", 4095.0 - PAGE, 595.0),
        (radiograph(polarity="metal-bright"), None, 4095.0 - PAGE, 595.0),
        (radiograph(zero=50.0), None, PAGE - 50.0, 3450.0),
        (radiograph(polarity="metal-bright", zero=4045.0), None, 4045.0 - PAGE, 545.0),
        # What is told goes before the file, and its zero is of its own polarity.
        (radiograph(polarity="metal-bright", zero=4045.0), "metal-dark", PAGE, 3500.0),
    ],
)
def test_signal_and_open_field_are_as_the_file_says_and_holds_them(file, told, signal, level):
    greys = Greys(told)
    np.testing.assert_allclose(greys.signals(file)[0], signal)
    assert greys.signal_of(file, 3500.0) == level
    assert greys.level_of(file, level) == 3500.0
    assert greys.open_signal(Path("a"), file, signal, 3500.0) == (level, True)


def test_an_open_field_without_signal_is_refused():
    with pytest.raises(InputError, match="leaves no signal"):
        Greys("metal-bright").open_signal(Path("a"), radiograph(), PAGE, 5000.0)


def test_what_speaks_against_grey_levels_is_said(capsys, tmp_path):
    from PIL import Image

    Image.fromarray((slanted() / 256).astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    Greys().read(tmp_path / "a.jpg")
    assert "grey levels in doubt: lossy compression (JPEG)" in capsys.readouterr().err


def test_noise_says_what_metal_is_where_nobody_does():
    exposure = np.repeat(np.linspace(0.1, 0.9, 16), 16) * np.ones((256, 1))
    noisy = exposure + 0.02 * np.sqrt(exposure) * np.random.default_rng(2).normal(size=exposure.shape)
    bright = np.rint(60_000 * (1 - noisy)).clip(0, 65535).astype(np.uint16)
    greys, said = Greys().decided(Radiograph(bright, "tiff", white=65535.0))
    assert greys.polarity == "metal-bright"
    assert "noise shrinks" in said[0]
    assert Greys("metal-dark").decided(Radiograph(bright, "tiff", white=65535.0)) == (Greys("metal-dark"), ())
