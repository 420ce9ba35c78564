"""Polarity from noise and histogram, against exposures whose polarity is known; and levels that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xsim.errors import InputError
from xsim_datasets.images import Radiograph, read_image
from xsim_datasets.images.polarity import Evidence, check_open_field, polarised, seen_in

RADIOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "radiographs"
SHAPE = (256, 320)


def transmission(kind, seed):
    """Return a noiseless transmission: a board of thin copper, a casting, a plate, or a board beside a strip of air."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.standard_normal(SHAPE), 12)
    field = texture / texture.std()
    if kind == "board":
        parts = (field > 1.0) * 0.8 + (field > 1.8) * 2.0
        return 0.6 * np.exp(-parts)
    if kind == "casting":
        air = np.arange(SHAPE[1]) < 60
        return np.where(air, 1.0, 0.15 * np.exp(0.4 * field.clip(-2, 2)))
    if kind == "plate":
        return np.where(np.arange(SHAPE[1]) < SHAPE[1] * rng.uniform(0.2, 0.8), 1.0, 0.05)
    return np.where(np.arange(SHAPE[0])[:, None] < 24, 1.0, 0.5 * np.exp(-0.5 * (field > 0.8)))


def exposure(kind, seed, quanta=3000, full=50000):
    """Return uint16 grey levels, metal dark, with the noise of photons, blurred as a screen does, and electronics."""
    rng = np.random.default_rng((7, seed))
    blurred = gaussian_filter(transmission(kind, seed), 1)
    photons = gaussian_filter(rng.standard_normal(SHAPE), 0.7) * np.sqrt(blurred * quanta) * 2
    grey = (blurred * quanta + photons) * full / quanta + rng.normal(0, full / 2500, SHAPE)
    return grey.round().clip(0, 65535).astype(np.uint16)


@pytest.mark.parametrize("kind", ["board", "casting", "plate", "strip"])
def test_noise_tells_polarity_and_never_the_wrong_one(kind):
    """Where it cannot be told, None; of eight exposures of each kind that may be two."""
    told = 0
    for seed in range(8):
        dark = exposure(kind, seed)
        found = seen_in(dark, 65535.0).polarity, seen_in(65535 - dark, 65535.0).polarity
        assert found[0] != "metal-bright"
        assert found[1] != "metal-dark"
        told += found == ("metal-dark", "metal-bright")
    assert told >= 6


@pytest.mark.parametrize("full", [3500, 900])
def test_twelve_and_ten_bits_in_sixteen(full):
    dark = exposure("casting", 1, full=full)
    white = 4095 if full > 1023 else 1023
    assert seen_in((white - dark.astype(int)).clip(0).astype(np.uint16), 65535.0).polarity == "metal-bright"


def test_without_noise_of_photons_nothing_is_claimed():
    """Noise that is the same everywhere, none at all, and colour noise of a codec: each a guess."""
    rng = np.random.default_rng(0)
    clean = transmission("board", 0) * 50000
    for image in (clean, clean + rng.normal(0, 200, SHAPE), np.full(SHAPE, 7.0) + rng.normal(0, 1, SHAPE)):
        assert seen_in(image.round().astype(np.uint16), 65535.0).polarity is None


@pytest.mark.parametrize("kind", ["board", "casting", "plate", "strip"])
def test_logarithms_are_not_taken_for_bright_metal(kind):
    """The noise of a logarithm shrinks with the signal, faster than that of photons grows."""
    for seed in range(4):
        logged = (5000 * np.log(exposure(kind, seed).astype(float) + 1)).astype(np.uint16)
        assert seen_in(logged, 65535.0).polarity is None


@pytest.mark.parametrize(
    ("evidence", "polarity"),
    [
        (Evidence(2, 0), "metal-dark"),
        (Evidence(-2, -1), "metal-bright"),
        (Evidence(2, -1), None),
        (Evidence(2, -1, open_field=True), "metal-dark"),
        (Evidence(1, 1), "metal-dark"),
        (Evidence(1, 0), None),
        (Evidence(-1, 1), None),
        (Evidence(0, 1), None),
        (Evidence(0, -1, bent=True), None),
    ],
)
def test_what_evidence_comes_to(evidence, polarity):
    assert evidence.polarity == polarity
    assert evidence.reason


def radiograph(pixels, **what):
    return Radiograph(pixels, "tiff", white=65535.0, **what)


def test_what_is_said_goes_before_what_is_seen_and_contradiction_makes_a_guess():
    dark = exposure("casting", 0)
    assert polarised(radiograph(dark)).seen
    assert polarised(radiograph(dark)).notes == ("metal-dark, as noise grows with the grey level",)
    said = polarised(radiograph(dark, polarity="metal-bright", polarity_reason="its sign"))
    assert (said.polarity, said.seen) == ("metal-bright", False)
    assert said.notes[0] == "metal-bright, as the file says (its sign)"
    assert "as in metal-dark images" in said.notes[1]
    forced = polarised(radiograph(dark), "metal-bright")
    assert (forced.polarity, forced.seen) == ("metal-bright", True)
    assert "as in metal-dark images" in forced.notes[0]


def test_lossy_files_leave_polarity_a_guess_that_is_printed():
    found = polarised(radiograph(exposure("casting", 0), doubts=("lossy compression (JPEG)",)))
    assert (found.polarity, found.seen) == ("metal-dark", False)
    assert "guess" in found.notes[0]
    assert "--polarity" in found.notes[0]


@pytest.mark.parametrize("given", [5e6, 70000, -5, 500, 20000])
def test_open_fields_that_cannot_be_are_refused(given):
    with pytest.raises(InputError, match="open-field level of"):
        check_open_field(radiograph(exposure("casting", 0)), given, "metal-dark", None)


@pytest.mark.parametrize("given", [50000, 65535, 45000, 30000])
def test_open_fields_that_can_be_are_taken(given):
    check_open_field(radiograph(exposure("casting", 0)), given, "metal-dark", None)


def test_the_open_field_of_saturated_air_may_lie_above_the_file():
    image = radiograph(exposure("casting", 0, full=90000))
    check_open_field(image, 90000, "metal-dark", None)
    with pytest.raises(InputError):
        check_open_field(image, 5e6, "metal-dark", None)


# As the notes beside them say; where nothing shows it, it has to be said to be a guess.
REAL = {
    "leeds_tor18_line_pairs.dcm": ("metal-bright", True),
    "hand_cr_jpeg2000.dcm": ("metal-bright", True),
    "battery_tabs.jpg": ("metal-dark", False),
    "dot_pattern_03.jpg": ("metal-dark", False),
    "line_pattern_01.jpg": ("metal-dark", False),
}


@pytest.mark.skipif(not RADIOGRAPHS.is_dir(), reason="../shared/data/radiographs is not here")
@pytest.mark.parametrize("name", REAL)
def test_polarity_of_real_radiographs(name):
    found = polarised(read_image(RADIOGRAPHS / name))
    assert (found.polarity, found.seen) == REAL[name]


@pytest.mark.slow
def test_boards_of_many_detectors_are_never_taken_for_the_other_polarity(tmp_path):
    """Plain, inverted, logarithmic, and both: what is claimed is true, and it is claimed of most linear ones."""
    from xsim_cli.app import main
    from xsim_datasets.store.reader import PairStore

    path = tmp_path / "boards.zarr"
    main(["dataset", "make", "universal", "-o", str(path), "-n", "16", "--size", "256", "--workers", "1"])
    _, lr = PairStore.open(path).read_batch(list(range(16)))
    told = 0
    for image in lr.reshape(-1, 256, 256):
        grey = np.rint(image * 50000).clip(0, 65535).astype(np.uint16)
        logged = (5000 * np.log(grey.astype(float) + 1)).astype(np.uint16)
        dark, bright = seen_in(grey, 65535.0), seen_in(65535 - grey, 65535.0)
        assert (dark.bent, bright.bent) == (False, False)
        assert dark.polarity != "metal-bright"
        assert bright.polarity != "metal-dark"
        assert seen_in(logged, 65535.0).polarity != "metal-bright"
        assert seen_in(65535 - logged, 65535.0).polarity != "metal-dark"
        told += (dark.polarity, bright.polarity) == ("metal-dark", "metal-bright")
    assert told >= 11
