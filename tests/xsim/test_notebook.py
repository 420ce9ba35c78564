"""What notebooks show: pictures that are what they say, and text that stays text."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import xsim
from xsim import notebook

EVIL = '<script>alert("1")</script>'


def decoded(html: str) -> np.ndarray:
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_picture_is_its_image() -> None:
    image = np.linspace(0.0, 1.0, 12).reshape(3, 4)
    codes = decoded(notebook.picture(image, "ramp", low=0.0, high=1.0))
    np.testing.assert_array_equal(codes, (image * 255).astype(np.uint8))
    assert decoded(notebook.picture(image * np.nan, "none", low=0.0, high=1.0)).max() == 0


def test_a_large_image_is_shown_by_means() -> None:
    image = np.indices((1000, 730)).sum(axis=0) % 2 * 1.0  # a chessboard, whose mean is grey
    codes = decoded(notebook.picture(image, "chess", low=0.0, high=1.0))
    assert codes.shape == (333, 243)
    assert abs(codes.astype(float) - 127).max() < 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 3)])
def test_images_of_any_shape_can_be_shown(shape: tuple[int, int]) -> None:
    assert max(decoded(notebook.picture(np.ones(shape), "flat", low=0.0, high=1.0)).shape) <= 360


def test_text_is_escaped() -> None:
    image = np.ones((4, 4))
    curve = {EVIL: (np.array([0.0, 1.0]), np.array([1.0, 0.0]))}
    parts = [
        notebook.picture(image, EVIL, low=0.0, high=1.0),
        notebook.table({EVIL: EVIL}),
        notebook.chart(curve, EVIL, EVIL),
        notebook.page(EVIL),
    ]
    for part in parts:
        assert "<script" not in part
        assert "&lt;script&gt;" in part
    assert 'alt="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"' in parts[0]


def test_a_flat_image_has_a_window() -> None:
    assert notebook.window(np.full((3, 3), 0.5)) == (0.5, 1.5)


def test_a_pair_shows_both_images_on_one_scale() -> None:
    hr, lr = (np.full((8, 9), grey, np.float32) for grey in (0.25, 0.75))
    html = xsim.Pair(hr, lr, None, None, 0.048, {"seed": EVIL})._repr_html_()
    assert html.count("<img ") == 2
    assert "8 x 9 px of 0.048 mm" in html
    assert "<script" not in html
    first, second = (decoded(part) for part in html.split("<figure")[1:])
    assert (first.min(), second.max()) == (0, 255)


def test_a_detector_shows_its_mtf() -> None:
    detector = xsim.Detector(xsim.Screen(134.55))
    html = detector._repr_html_()
    assert html.count("<polyline") == 1
    points = re.findall(r'points="([^"]+)"', html)[0].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == sorted(heights)  # an MTF falls, and y counts down the page
    assert "134.55 mg/cm2" in html
    assert html != replace(detector, screen=xsim.Screen(33.91))._repr_html_()
