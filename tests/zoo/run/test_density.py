"""Films and other densities: the exposure behind the grey levels is restored, and comes back as a density."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim.errors import InputError
from xsim_datasets.images import Scale, scale_of
from xsim_zoo.process.physics import Physics
from xsim_zoo.run.restore import restore
from xsim_zoo.run.settings import RunSettings
from xsim_zoo.weights.loading import build

PHYSICS = Physics(closed_form(), power_law())
WHITE, DENSITY_WHITE = 65535.0, 4.0
PER_UNIT = WHITE / DENSITY_WHITE


def film(exposure, gradient=2.5, fog=1.0):
    """Return a film's grey levels: density rises by its gradient for a tenfold exposure."""
    return np.rint((fog + 1.5 + gradient * np.log10(exposure)) * PER_UNIT).clip(0, WHITE).astype(np.uint16)


def attenuation(exposure):
    """Return what an object adds in density: 10^-D of the beam passes."""
    return np.rint((0.2 - np.log10(exposure)) * PER_UNIT).clip(0, WHITE).astype(np.uint16)


@pytest.mark.parametrize(
    ("grey_of", "polarity", "gradient"), [(film, "metal-dark", 2.5), (attenuation, "metal-bright", None)]
)
def test_a_density_is_restored_as_its_exposure_is_and_comes_back_as_a_density(grey_of, polarity, gradient):
    y = degrade(board(3, (150, 139)), PHYSICS, 3)
    wiener = build("wiener", PHYSICS)
    how = RunSettings(scale="density", density_white=DENSITY_WHITE, film_gradient=gradient, polarity=polarity)
    wanted = restore(wiener, y, open_field=1.0).image
    done = restore(wiener, grey_of(y), how)
    assert done.open_field == pytest.approx(float(grey_of(np.array(1.0))), abs=0.02 * PER_UNIT)
    level = 10 ** ((done.open_field - float(grey_of(np.array(1.0)))) / PER_UNIT / (gradient or -1.0))
    np.testing.assert_allclose(done.image * level, wanted, atol=2e-3)
    back, clipped = done.radiograph()
    assert clipped == 0
    assert np.abs(back.pixels.astype(float) - grey_of(wanted)).max() < 0.01 * PER_UNIT
    assert any("optical densities" in note for note in done.notes)


@pytest.mark.parametrize("polarity", ["metal-dark", "metal-bright"])
def test_a_logarithmic_scale_goes_there_and_back(polarity):
    grey = np.random.default_rng(0).integers(1000, 60_000, (64, 64)).astype(np.uint16)
    scale = Scale(30_000.0, polarity, per_decade=40_000.0)
    assert scale.linear(np.array([[30_000.0]]))[0, 0] == 1
    up = scale.linear(np.array([[70_000.0]]))[0, 0]
    assert up == pytest.approx(10.0 if polarity == "metal-dark" else 0.1)
    back, clipped = scale.grey(scale.linear(grey), grey.dtype, 65535.0)
    np.testing.assert_array_equal(back, grey)
    assert clipped == 0
    # No exposure at all has no density; it is written as the densest, or the clearest, that is there.
    none, _ = scale.grey(np.zeros((1, 1), np.float32), np.dtype(np.uint16), 65535.0)
    assert none[0, 0] == (0 if polarity == "metal-dark" else 65535)


def test_the_open_field_of_a_density_is_found():
    exposure = np.where(np.arange(128) < 60, 1.0, 0.3) * np.ones((128, 1))
    noisy = exposure * (1 + 0.01 * np.random.default_rng(0).normal(size=(128, 128)))
    for grey, polarity, per in ((film(noisy), "metal-dark", 2.5), (attenuation(noisy), "metal-bright", 1.0)):
        scale = scale_of(grey, WHITE, polarity=polarity, per_decade=per * PER_UNIT)
        assert scale.open_field_seen
        assert np.median(scale.linear(grey)[:, :60]) == pytest.approx(1.0, abs=0.003)
        assert np.median(scale.linear(grey)[:, 60:]) == pytest.approx(0.3, abs=0.003)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scale": "density"}, "--density-white"),
        ({"scale": "density", "density_white": 4.0}, "needs --polarity"),
        ({"scale": "density", "density_white": 4.0, "polarity": "metal-dark"}, "--film-gradient"),
        (
            {"scale": "density", "density_white": 4.0, "polarity": "metal-bright", "film_gradient": 2.0},
            "leave it out with metal-bright",
        ),
        ({"density_white": 4.0}, "are of --scale density"),
        ({"scale": "density", "density_white": -1.0, "polarity": "metal-bright"}, "density at white"),
        ({"scale": "cubic"}, "scale"),
    ],
)
def test_a_density_of_which_too_little_is_said_is_refused(options, match):
    with pytest.raises(InputError, match=match):
        RunSettings(**options)


def test_the_program_takes_a_film(tmp_path, capsys):
    from xsim_cli.app import main

    path = tmp_path / "film.tif"
    tifffile.imwrite(path, film(degrade(board(3, (150, 139)), PHYSICS, 3)))
    words = ["zoo", "run", "wiener", str(path), "-o", str(tmp_path / "out.tif"), "--detectors", "weights"]
    words += ["--pitch-mm", "0.048", "--scale", "density", "--density-white", "4", "--polarity", "metal-dark"]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "--film-gradient" in capsys.readouterr().err
    main([*words, "--film-gradient", "2.5"])
    assert tifffile.imread(tmp_path / "out.tif").dtype == np.uint16
    assert "film of gradient 2.5" in capsys.readouterr().err
