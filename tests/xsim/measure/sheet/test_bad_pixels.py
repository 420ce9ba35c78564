"""Bad pixels that were planted are found, each by its kind; clusters, kernels and lines by hand."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import InputError
from xsim.measure.sheet import bad_pixels
from xsim.measure.sheet.bad_pixels import clusters_of

SHAPE = (84, 105)
PLANTED = {
    "dead": (5, 7),
    "over": (20, 30),
    "under": (40, 11),
    "noisy": (60, 80),
    "non-uniform": (33, 90),
    "persistent": (70, 20),
}


def shots() -> dict[str, object]:
    rng = np.random.default_rng(0)
    gain = 1 + 0.05 * rng.standard_normal(SHAPE)
    gain[PLANTED["dead"]], gain[PLANTED["over"]], gain[PLANTED["under"]] = 0.0, 1.5, 0.4
    noise = np.full(SHAPE, 4.0)
    noise[PLANTED["noisy"]] = 60.0
    uniform = np.ones(SHAPE)
    uniform[PLANTED["non-uniform"]] = 1.02
    after = 300 + rng.normal(0, 3, SHAPE)
    after[PLANTED["persistent"]] = 900
    return {
        "dark": [500 + noise * rng.standard_normal(SHAPE) for _ in range(40)],
        "raw": [500 + 10000 * gain + rng.normal(0, 50, SHAPE) for _ in range(4)],
        "corrected": [10000 * uniform + rng.normal(0, 50, SHAPE) for _ in range(30)],
        "after": after,
    }


def test_each_kind_is_found_and_nothing_else():
    found = bad_pixels(**shots())
    assert found.kinds == {**dict.fromkeys(PLANTED, 1), "neighbourhood": 0}
    assert set(map(tuple, np.argwhere(found.map).tolist())) == set(PLANTED.values())
    assert (found.singles, found.clusters, found.count) == (6, (), 6)
    assert found.warnings == ()


def test_only_what_was_shot_is_judged():
    found = bad_pixels(dark=shots()["dark"])
    assert found.kinds == {"noisy": 1, "neighbourhood": 0}


def test_noise_makes_no_bad_pixels():
    rng = np.random.default_rng(1)
    found = bad_pixels(corrected=[1000 + rng.normal(0, 30, SHAPE) for _ in range(5)])
    assert found.count == 0
    assert "give more frames" in found.warnings[0]


def test_a_good_pixel_among_bad_ones_is_bad():
    bad = np.zeros(SHAPE)
    bad[39:42, 49:52] = -1
    bad[40, 50] = 0
    frames = [500 + 10000 * (1 + bad)] * 2
    found = bad_pixels(raw=frames, dark=[500 + np.random.default_rng(2).normal(0, 4, SHAPE) for _ in range(30)])
    assert found.kinds["neighbourhood"] == 1
    assert found.count == 9
    (cluster,) = found.clusters
    # Every pixel of a 3 x 3 block has fewer than five good neighbours but its corners, which have five.
    assert (cluster.pixels, cluster.kernels, cluster.name) == (9, 5, "rel5-9")


def test_clusters_and_lines_by_hand():
    bad = np.zeros((40, 60), dtype=bool)
    bad[2, 2] = True  # a single
    bad[10, 10] = bad[11, 11] = True  # two that touch by a corner
    bad[20, 5:25] = True  # a line: every pixel of it has six good neighbours
    bad[30, 5:15] = True  # ten in a row are none yet
    bad[5:20, 50] = bad[5:20, 52] = bad[12, 51] = True  # an H: two columns, no line
    clusters, singles = clusters_of(bad)
    assert singles == 1
    by_size = {one.pixels: one for one in clusters}
    assert set(by_size) == {2, 10, 20, 31}
    assert by_size[20].line
    assert by_size[20].name == "line 20"
    assert not by_size[10].line
    assert not by_size[31].line
    assert by_size[31].relevant
    assert not by_size[2].relevant
    assert [one.pixels for one in clusters] == [31, 20, 10, 2]


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({}, "give dark frames"),
        ({"dark": [np.ones(SHAPE)] * 40}, "equal"),
        ({"dark": [np.ones(SHAPE)] * 3}, "3 dark frames"),
        ({"raw": [np.zeros(SHAPE)]}, "no signal"),
        ({"raw": [np.ones(SHAPE)], "corrected": [np.ones((50, 50))]}, "differ in size"),
    ],
)
def test_refuses_by_name(given, cause):
    with pytest.raises(InputError, match=cause):
        bad_pixels(**given)
