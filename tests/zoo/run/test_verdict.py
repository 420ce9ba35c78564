"""A verdict that can be signed: nothing that is guessed is certified, and all that fails is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim_cli.app import main
from xsim_datasets.images import Radiograph
from xsim_zoo.check.consistency import border_px, check
from xsim_zoo.check.verdict import BLOCK_PX
from xsim_zoo.process.physics import Physics
from xsim_zoo.restorers.classical import Wiener
from xsim_zoo.run.doubts import bounded
from xsim_zoo.run.restore import restore

SHAPE = (192, 200)


def xsim(arguments):
    try:
        main(arguments)
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def restorer():
    return Wiener(Physics(closed_form(), power_law()))


@pytest.fixture(scope="module")
def y(restorer):
    return degrade(board(3, SHAPE), restorer.physics, 3)


def dot(image, y, x, radius=5, factor=0.8):
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    changed = image.copy()
    changed[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] *= factor
    return changed


def test_all_places_are_named(restorer, y):
    places = [(60, 60), (60, 140), (130, 60), (130, 140)]
    changed = restorer.restore_array(y)
    for at in places:
        changed = dot(changed, *at)
    found = check(y, changed, restorer)
    assert len(found.places) == len(places)
    for row, column in places:
        assert min(np.hypot(s.y - row, s.x - column) for s in found.places) < 16
    assert found.verdict.count("at y ") == 3
    assert "and at 1 places more" in found.verdict
    assert all(suspect.area_px > 0 for suspect in found.suspects)


def test_the_border_is_as_thin_as_the_blur_and_counted_as_not_judged(restorer, y):
    found = check(y, restorer.restore_array(y), restorer)
    width = border_px(restorer)
    judged = [-(-side // BLOCK_PX) - 2 * (width // BLOCK_PX) for side in SHAPE]
    assert np.isnan(found.map[0]).all()
    assert found.checked == pytest.approx(np.prod(judged) / found.map.size)
    assert found.to_dict()["checked_share"] == found.checked
    wide = closed_form()
    B_1 = np.exp(-((4 * wide.frequency_lp_mm * wide.pitch_mm) ** 0.5)).clip(1e-3)
    assert 16 <= width < border_px(Wiener(Physics(replace(wide, B_1=B_1), power_law()))) <= 64


def test_what_lies_beyond_the_edge_is_no_contradiction(restorer):
    """A dark body ends five pixels beyond the image: its blur reaches in, and nothing inside is wrong."""
    scene = np.full((320, 320), 0.9, np.float32)
    scene[:, :59] = scene[:59] = 0.15
    y = degrade(scene, restorer.physics, 5)[64:256, 64:256]
    found = check(np.ascontiguousarray(y), np.ascontiguousarray(scene[64:256, 64:256]), restorer)
    assert found.consistent, found.verdict


@pytest.mark.parametrize("reason", ["lossy compression (JPEG)", "processed for presentation", "8-bit grey levels"])
def test_grey_levels_that_are_no_measurement_are_not_judged(restorer, y, reason):
    source = Radiograph((y * 50_000).astype(np.uint16), "array", 0.048, open_field=50_000, doubts=(reason,))
    found = restore(restorer, source, polarity="metal-dark").consistency
    assert found.verdict == f"not judged: {reason}"
    assert not found.consistent
    assert found.to_dict()["judged"] is False
    assert found.to_dict()["doubts"] == [reason]


def test_a_contradiction_is_said_beside_the_doubt(restorer, y):
    found = replace(check(y, dot(restorer.restore_array(y), 90, 90), restorer), doubts=("the scale is a guess",))
    assert found.verdict.startswith("not judged: the scale is a guess; as assumed it is not consistent at y ")


def test_an_open_field_below_the_image_is_not_judged(restorer, y):
    low, right = (restore(restorer, y, open_field=level).consistency for level in (0.7, 1.0))
    assert "brighter than the open field, grey level 0.7" in low.verdict
    assert low.verdict.startswith("not judged: ")
    assert right.consistent, right.verdict


def test_an_open_field_that_nothing_shows_is_a_guess(restorer):
    rows, columns = np.mgrid[:192, :192] / 192
    ramp = (0.1 + 0.5 * rows * columns).astype(np.float32)
    found = restore(restorer, Radiograph((degrade(ramp, restorer.physics, 1) * 6e4).astype(np.uint16), "array", 0.048))
    assert "the open field is a guess (--open-field)" in found.consistency.verdict


def test_less_noise_than_one_frame_has_is_a_condition(restorer):
    y = degrade(board(3, SHAPE), Physics(closed_form(noise=0.2), power_law()), 3)
    verdict = restore(restorer, y).consistency.verdict
    assert verdict.startswith("consistent with the measurement if its noise, 0.2")
    assert verdict.endswith("is that of several frames")


def test_answers_stay_within_what_transmission_allows():
    image = np.array([[-0.5, 0.0, 0.5], [1.0, 1.03, 4.0]], np.float32)
    y = np.linspace(0.1, 1.0, 64).reshape(8, 8)
    held = image.copy()
    assert bounded(held, y, closed_form(), 1.0) == 2
    assert np.array_equal(held[0, 1:], image[0, 1:])
    assert np.array_equal(held[1, :2], image[1, :2])
    assert -0.2 < held[0, 0] < -0.04
    assert 1.04 < held[1, 2] < 1.2
    # What the measurement itself shows beyond the open field stays.
    assert bounded(image.copy(), 4 * y, closed_form(), 1.0) == 1


@pytest.mark.parametrize("extra", [[], ["--keep"]])
def test_strict_writes_what_is_vouched_for(tmp_path, capsys, y, extra):
    good, bad = tmp_path / "good.tif", tmp_path / "bad.tif"
    grey = (degrade(board(3, SHAPE), _paper(), 3) * 50_000).astype(np.uint16)
    tifffile.imwrite(good, grey)
    tifffile.imwrite(bad, grey[::-1])
    command = ["zoo", "run", "wiener", "--detectors", "weights", "--pitch-mm", "0.048", "--strict", *extra]
    command += ["--polarity", "metal-dark"]
    alone = xsim([*command, str(bad), "-o", str(tmp_path / "one.tif"), "--open-field", "30000"])
    assert alone == 3
    assert (tmp_path / "one.tif").exists() is bool(extra)
    said = capsys.readouterr().err
    assert "not judged: " in said
    assert ("not written, as of --strict" in said) is not bool(extra)
    assert xsim([*command, str(good), "-o", str(tmp_path / "two.tif"), "--open-field", "50000", "--json"]) in {0, 3}
    if (tmp_path / "two.tif").exists():
        (entry,) = json.loads(capsys.readouterr().out)["files"]
        assert entry["consistency"]["judged"]


def _paper():
    import xsim_zoo

    return xsim_zoo.load("wiener", device="cpu").physics


def test_keep_without_strict_is_refused(tmp_path, capsys):
    assert xsim(["zoo", "run", "wiener", str(tmp_path / "x.tif"), "--keep"]) == 2
    assert "--keep goes with --strict" in capsys.readouterr().err
