"""No measurement gives a plausible number for the wrong picture: each says what is not there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import erf

from tests.xsim.measure.wrong_targets import PITCH, wrong_targets
from xsim.errors import InputError
from xsim.measure.bar_chart import bar_ctf
from xsim.measure.blind import measure_blind
from xsim.measure.edge import edge_mtf
from xsim.measure.noise import nnps
from xsim.measure.resolution import duplex_wire, flat_snr
from xsim.measure.sheet import dose_snr, image_lag, internal_scatter, read_wedge
from xsim.measure.similarity import compare_images

NAMES = tuple(wrong_targets())
FLATS = ("flat", "noise", "blurred noise", "row noise")
"""Noise of any colour is a flat: nothing in it says otherwise."""


@pytest.mark.parametrize("name", NAMES)
def test_resolution_without_wires_is_refused(name):
    with pytest.raises(InputError, match="no duplex wires: "):
        duplex_wire(wrong_targets()[name][96:], PITCH)


@pytest.mark.parametrize("name", NAMES)
def test_ctf_without_a_chart_is_refused(name):
    # Small print gives many groups to look at where less of it is seen.
    picture = wrong_targets()[name][0 if name == "text" else 96 :]
    with pytest.raises(InputError, match=r"no (plate|group|line-pair chart|bar)|bars"):
        bar_ctf(picture, PITCH)


@pytest.mark.parametrize("name", ["chirp", "stripes", "tilted stripes", "slow chirp", "tilted chirp", "fine bars"])
def test_blind_blur_of_waves_is_refused(name):
    y, x = np.indices((256, 256)) / 256
    more = {
        "slow chirp": 0.5 + 0.3 * np.sin(2 * np.pi * (5 * x + 12 * x**2)),
        "tilted chirp": 0.5 + 0.3 * np.sin(2 * np.pi * (8 * (x + 0.04 * y) + 20 * (x + 0.04 * y) ** 2)),
        "fine bars": 0.5 + 0.3 * np.sign(np.sin(2 * np.pi * (x + 0.04 * y) * 16)),
    }
    blurred = {key: ndimage.gaussian_filter(grey, 3.5 if key == "fine bars" else 1.0) for key, grey in more.items()}
    noise = np.random.default_rng(8).normal(0, 0.003, x.shape)
    with pytest.raises(InputError, match=r"no edge with a plateau|no straight edge|none straight|none of them a clean"):
        measure_blind(blurred[name] + noise if name in blurred else wrong_targets()[name])


@pytest.mark.parametrize(("name", "rows"), [("edge", 256), ("even wires", 112)])
def test_negative_control_edges_beside_one_another_are_no_waves(name, rows):
    assert measure_blind(wrong_targets()[name][:rows]).f50 == pytest.approx(0.191, abs=0.006)


BARS = ("stripes", "tilted stripes", "chirp", "board", "even wires", "row noise")
"""Three bars of one period are bars, whoever drew them; three rows of noise may be."""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in BARS])
def test_ctf_of_a_region_without_bars_is_refused(name):
    with pytest.raises(InputError, match="bars"):
        bar_ctf(wrong_targets()[name], PITCH, rois=[(40, 40, 48, 48)])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "edge"])
def test_mtf_of_no_edge_is_refused(name):
    with pytest.raises(InputError):
        edge_mtf(wrong_targets()[name], PITCH)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FLATS])
def test_noise_of_no_flat_is_refused(name):
    picture = wrong_targets()[name]
    for measure in (lambda: nnps([picture], PITCH), lambda: flat_snr(picture), lambda: dose_snr([picture] * 2, 100.0)):
        with pytest.raises(InputError, match=r"not flat|bad pixels"):
            measure()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "steps"])
def test_a_wedge_of_no_steps_is_refused(name):
    with pytest.raises(InputError, match="step"):
        read_wedge([wrong_targets()[name][96:]], range(1, 9))


@pytest.mark.parametrize("name", ["flat", "board", "text"])
def test_lag_and_scatter_of_other_shots_are_refused(name):
    picture = wrong_targets()[name]
    with pytest.raises(InputError, match="does not fall"):
        image_lag([picture, picture, picture])
    with pytest.raises(InputError):
        internal_scatter(picture, PITCH)


def slanted() -> np.ndarray:
    y, x = np.indices((200, 200)) - 99.5
    return x * np.cos(np.radians(3)) - y * np.sin(np.radians(3))


def seen(step: np.ndarray, blur: float = 1.0, sigma: float = 0.003) -> np.ndarray:
    noise = np.random.default_rng(5).normal(0, sigma, step.shape)
    return 0.2 + 0.8 * ndimage.gaussian_filter(step, blur) + noise


@pytest.mark.parametrize("width", [5, 8, 12, 20, 40])
def test_mtf_of_a_bevel_is_refused(width):
    ramp = np.clip(slanted() / width + 0.5, 0, 1)
    with pytest.raises(InputError, match="a ramp"):
        edge_mtf(seen(ramp), PITCH)
    with pytest.raises(InputError, match="uneven"):
        edge_mtf(seen(np.exp(-1.6 * (1 - ramp))), PITCH)


@pytest.mark.parametrize("radius", [5, 10, 20, 40])
def test_mtf_of_a_rounded_edge_is_refused(radius):
    s = slanted()
    chord = np.where(s < -radius, 1, np.where(s > 0, 0, np.sqrt(np.maximum(0, 1 - ((s + radius) / radius) ** 2))))
    with pytest.raises(InputError, match="uneven"):
        edge_mtf(seen(np.exp(-1.6 * chord)), PITCH)


@pytest.mark.parametrize("radius", [150, 600, 3000])
def test_mtf_of_a_curved_edge_is_refused(radius):
    y, x = np.indices((200, 200)) - 99.5
    across = np.hypot(x + radius, y) - radius - 0.05 * y
    with pytest.raises(InputError, match=r"straight edge|uneven|ramp"):
        edge_mtf(seen(0.5 * (1 + erf(across)), 0.5), PITCH)


@pytest.mark.parametrize(("blur", "width"), [(0.6, 2.0), (1.0, 3.0), (1.5, 4.5)])
def test_mtf_of_a_narrow_bevel_is_refused(blur, width):
    ramp = np.clip(slanted() / width + 0.5, 0, 1)
    with pytest.raises(InputError, match="a ramp"):
        edge_mtf(seen(ramp, blur, sigma=0.0005), PITCH)
    with pytest.raises(InputError, match="uneven"):
        edge_mtf(seen(np.exp(-1.6 * (1 - np.clip(ramp, 0, 1))), blur, sigma=0.0005), PITCH)


def test_a_bevel_too_narrow_to_refuse_reads_a_seventh_too_low_at_most():
    """What leaves no mark does little harm: two sigmas of the blur."""
    sharp, bevelled = (edge_mtf(seen(np.clip(slanted() / width + 0.5, 0, 1)), PITCH) for width in (0.01, 2.0))
    assert 0.84 < bevelled.frequency_at(0.5) / sharp.frequency_at(0.5) < 0.92


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("tail", [0.0, 0.15])
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
def test_negative_control_blurs_are_no_bevels(slanted_edge, blur, sigma, tail, noise):
    image = slanted_edge(blur(sigma, tail), shape=(128, 160)).draw(nodes=2)
    found = edge_mtf(image + noise * np.random.default_rng(6).standard_normal(image.shape), PITCH)
    assert not any("quite" in text for text in found.warnings)


def test_negative_control_shaded_flats_and_grids():
    rng = np.random.default_rng(7)
    y, x = np.indices((256, 256)) / 256
    heel = (1 - 0.2 * x) * (1 + rng.normal(0, 0.01, (256, 256)))
    assert nnps([heel], PITCH).relative_variance ** 0.5 == pytest.approx(0.01, rel=0.1)
    grid = 1 + rng.normal(0, 0.01, (256, 256)) + 0.003 * np.sin(2 * np.pi * (40 * x + 3 * y))
    assert any("a wave of one frequency" in text for text in nnps([grid], PITCH).warnings)


def test_images_of_different_things_are_said_to_be():
    pictures = wrong_targets()
    for other in ("text", "steps", "chirp"):
        assert "little in common" in compare_images(pictures["board"], pictures[other], data_range=1.0).warnings[0]
    assert "inverted" in compare_images(1 - pictures["board"], pictures["board"], data_range=1.0).warnings[0]
    blurred = ndimage.gaussian_filter(pictures["board"], 2.0)
    assert compare_images(blurred, pictures["board"], data_range=1.0).warnings == ()
    assert compare_images(pictures["flat"], pictures["flat"][::-1], data_range=1.0).warnings == ()
