"""Bad pixels repaired leave no rings in what is restored, whoever restores it; the run says, lists and draws them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from scipy import ndimage

import xsim_zoo
from xsim.imaging.pair import simulate_pair
from xsim.phantoms import random_board
from xsim_datasets.real.corrections import Corrections
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import load_recipe
from xsim_zoo.run.restore import restore
from xsim_zoo.run.settings import RunSettings

OPEN = 50_000.0
HOW = RunSettings(pitch_mm=0.048, open_field=OPEN, steps=1)


@pytest.fixture(scope="module")
def scene():
    """Return a simulated board twice, alike but for its noise, and with hot and dead pixels, single and in pairs."""
    setup = setup_of(load_recipe("paper").imaging.drawn(31, 0))
    board = random_board(31, (256, 256), setup.pitch_mm / setup.geometry.magnification)
    clean, other = (
        np.rint(OPEN * np.asarray(simulate_pair(board, setup, seed).lr)).clip(0, 65535).astype(np.uint16)
        for seed in (31, 32)
    )
    planted, bad = clean.copy(), np.zeros(clean.shape, bool)
    for number, (y, x) in enumerate(np.random.default_rng(5).integers(8, 246, (32, 2))):
        for dy, dx in ([(0, 0)], [(0, 0), (0, 1)], [(0, 0), (1, 0)], [(0, 0)])[number % 4]:
            planted[y + dy, x + dx] = 65535 if number % 2 else 0
            bad[y + dy, x + dx] = True
    return clean, other, planted, bad


@pytest.mark.parametrize("name", ["wiener", "physics-sde"])
def test_no_ring_is_above_two_sigma(name, scene):
    clean, other, planted, bad = scene
    restorer = xsim_zoo.load(name, device="cpu")
    wanted = restore(restorer, clean, HOW).image
    # Two shots of one board differ by their noise alone.
    sigma = float(np.std(restore(restorer, other, HOW).image - wanted)) / np.sqrt(2)
    done = restore(restorer, planted, HOW)
    around = ndimage.binary_dilation(bad, iterations=10)
    assert np.abs(done.image - wanted)[around].max() < 2 * sigma
    assert done.source.bad_pixels.count == pytest.approx(bad.sum(), rel=0.1)
    left = restore(restorer, planted, HOW, corrections=Corrections(find=False))
    assert np.abs(left.image - wanted)[around].max() > 5 * sigma  # so the check can fail
    np.testing.assert_array_equal(restore(restorer, clean, HOW, corrections=Corrections(find=False)).image, wanted)


def test_a_run_says_lists_draws_and_remembers_them(scene, tmp_path, capsys):
    from xsim_cli.app import main

    _, _, planted, bad = scene
    path, out = tmp_path / "board.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, planted)
    words = ["zoo", "run", "wiener", str(path), "-o", str(out), "--pitch-mm", "0.048", "--open-field", str(OPEN)]
    words += ["--detectors", "weights"]
    main([*words, "--picture", "--json"])
    (entry,) = json.loads(capsys.readouterr().out)["files"]
    assert entry["bad_pixels"]["count"] == pytest.approx(bad.sum(), rel=0.1)
    assert sum("bad pixels repaired" in note for note in entry["notes"]) == 1
    assert json.loads((tmp_path / "out.tif.json").read_text())["entry"]["bad_pixels"] == entry["bad_pixels"]
    assert (tmp_path / "out_picture.png").stat().st_size > 50_000
    # The same again is finished; with other corrections it is another run.
    main([*words, "--json"])
    assert json.loads(capsys.readouterr().out)["files"][0]["skipped"]
    with pytest.raises(SystemExit) as end:
        main([*words, "--bad-pixels", "none"])
    assert end.value.code == 2
    assert "exists already" in capsys.readouterr().err
    main([*words, "--bad-pixels", "none", "--force"])
    assert "bad pixels repaired" not in capsys.readouterr().err
