"""The simulated targets, imaged by the whole chain and measured: what comes out is what the detectors are."""

from __future__ import annotations

import numpy as np
import pytest

from xsim import recipes
from xsim.detector.performance import basic_spatial_resolution_mm
from xsim.imaging.pair import Pair, simulate_pair
from xsim.measure.bar_chart import bar_ctf
from xsim.measure.edge import edge_mtf
from xsim.measure.resolution import duplex_wire
from xsim.measure.wedge import link_from_wedge, wedge_levels
from xsim.phantoms.targets import target

SETUP = recipes.paper()


def imaged(name: str) -> Pair:
    return simulate_pair(target(name), SETUP, seed=1)


def test_edge_gives_the_mtf_of_both_detectors():
    pair = imaged("edge")
    f = np.linspace(0, 6, 25)
    for image, response in ((pair.hr, SETUP.hr_response), (pair.lr, SETUP.lr_response)):
        assert np.abs(edge_mtf(image, pair.pitch_mm).at(f) - response.mtf(f)).max() < 0.015


def test_duplex_wire_gives_srb_of_both_detectors():
    pair = imaged("duplex-wire")
    for image, response in ((pair.hr, SETUP.hr_response), (pair.lr, SETUP.lr_response)):
        found = duplex_wire(image, pair.pitch_mm)
        assert found.isrb_mm == pytest.approx(basic_spatial_resolution_mm(response.otf), rel=0.1)


def test_wedge_gives_the_link_of_its_material():
    pair = imaged("wedge")
    assert wedge_levels(pair.hr).size == wedge_levels(pair.lr).size == 11
    grey = np.linspace(0.1, 0.9, 17)
    link, physics = link_from_wedge(pair.hr, pair.lr), SETUP.degradation().link
    # The physics' link is a mean over materials, the wedge is one of them.
    assert np.abs(link.forward(grey) - physics.forward(grey)).max() < 0.03


def test_bars_without_surroundings_are_relative_to_their_widest_group():
    pair = imaged("bars")
    found = bar_ctf(pair.hr, pair.pitch_mm)
    assert found.frequency_lp_mm[:5] == pytest.approx([1, 1.5, 2, 2.5, 3], rel=0.02)
    assert "no level of wide bars" in found.warnings[0]
    truth = SETUP.hr_response.mtf(found.frequency_lp_mm)
    assert np.abs(found.mtf_fundamental / found.mtf_fundamental[1] - truth / truth[1])[1:].max() < 0.05
