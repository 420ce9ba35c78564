"""Padded grids of any size, the radial spectrum, and the grey-level link in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim.errors import InputError
from xsim.grids import radial_frequency
from xsim_zoo.process.grid import BORDER_PX, PaddedGrid, fast_size
from xsim_zoo.process.link import TorchLink
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.process.process import fft, ifft

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@given(st.integers(1, 150), st.integers(1, 150))
@settings(max_examples=40, derandomize=True, deadline=None)
def test_any_size_is_padded_like_numpy_and_comes_back(height: int, width: int) -> None:
    image = torch.arange(height * width, dtype=torch.float64).reshape(1, 1, height, width)
    grid = PaddedGrid.around((height, width))
    padded = grid.pad(image)
    assert torch.equal(grid.crop(padded), image)
    top, left = grid.offset
    before = ((top, grid.padded[0] - height - top), (left, grid.padded[1] - width - left))
    assert min(min(side) for side in before) >= BORDER_PX
    np.testing.assert_array_equal(padded[0, 0].numpy(), np.pad(image[0, 0].numpy(), before, mode="reflect"))


@given(st.integers(1, 20_000))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_fast_sizes_are_multiples_of_eight_without_large_factors(size: int) -> None:
    fast = fast_size(size)
    assert size <= fast <= max(1.12 * size, size + 23)
    assert fast % 8 == 0
    for prime in (2, 3, 5, 7):
        while fast % prime == 0:
            fast //= prime
    assert fast == 1


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(InputError, match="0 x 5"):
        PaddedGrid.around((0, 5))


LINKS = [
    GreyLink.identity(),
    GreyLink((0.0, 0.2, 0.5, 1.0), (0.0, 0.26, 0.57, 1.0)),
    GreyLink(tuple(np.linspace(0, 1, 17) ** 2), tuple(np.linspace(0, 1, 17) ** 1.4)),
]


@pytest.mark.parametrize("link", LINKS)
def test_torch_link_is_the_numpy_link(link: GreyLink) -> None:
    hr = np.linspace(-0.3, 1.6, 4001)
    in_torch = TorchLink.sampled(link)
    lr = in_torch.forward(torch.as_tensor(hr, dtype=torch.float32))
    np.testing.assert_allclose(lr.numpy(), link.forward(hr), atol=2e-5)
    np.testing.assert_allclose(in_torch.inverse(lr).numpy(), hr, atol=2e-6)


def test_spectrum_of_known_noise_is_found_again() -> None:
    """Shape white noise by a known S(f) on a periodic image; reflection at the border changes little."""
    f = np.geomspace(0.05, 15.0, 40)
    truth = RadialSpectrum(f, 1e-4 / (1 + f) ** 2)
    S = torch.as_tensor(truth.map((256, 200), 0.05))
    S[0, 0] = 0
    generator = torch.Generator().manual_seed(0)
    images = [ifft(S.sqrt() * fft(torch.randn((256, 200), generator=generator).double()), (256, 200)) for _ in range(8)]
    measured = RadialSpectrum.measure(images, [0.05] * 8)
    inside = (measured.frequency_lp_mm > 1) & (measured.frequency_lp_mm < 9)
    expected = np.interp(measured.frequency_lp_mm, f, truth.S_mm2)
    np.testing.assert_allclose(measured.S_mm2[inside], expected[inside], rtol=0.2)
    back = RadialSpectrum.from_dict(measured.to_dict())
    np.testing.assert_array_equal(back.S_mm2, measured.S_mm2)


def _degradation(mtf_hr: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None) -> Degradation:
    f = np.linspace(0.0, 15.0, 300)
    return Degradation(f, np.exp(-0.1 * f), np.full(300, 1e-6), 0.05, mtf_hr=None if mtf_hr is None else mtf_hr(f))


def test_the_spectrum_of_many_detectors_becomes_that_of_each() -> None:
    """Blur the same noise by two MTFs: the mean spectrum, told of one of them, is the spectrum of its images."""
    shape, f = (256, 256), np.geomspace(0.05, 15.0, 40)
    scene = torch.as_tensor(RadialSpectrum(f, 1e-4 / (1 + f)).map(shape, 0.05)).sqrt()
    scene[0, 0] = 0
    frequency = radial_frequency(shape, 0.05)
    generator = torch.Generator().manual_seed(1)
    detectors, images = [], []
    for rate in (0.1, 0.3) * 6:
        white = fft(torch.randn(shape, generator=generator).double())
        images.append(ifft(white * scene * torch.as_tensor(np.exp(-rate * frequency)), shape))
        detectors.append(_degradation(lambda f, rate=rate: np.exp(-rate * f)))
    pooled = RadialSpectrum.measure(images, [0.05] * 12, detectors)
    inside = (pooled.frequency_lp_mm > 1) & (pooled.frequency_lp_mm < 9)
    for first in (0, 1):
        alone = RadialSpectrum.measure(images[first::2], [0.05] * 6, detectors[first::2])
        told = pooled.behind(detectors[first])
        np.testing.assert_allclose(told.S_mm2[inside], alone.S_mm2[inside], rtol=0.15)
        # Untold it is far from it, and told of its own detector a spectrum is what it was.
        assert np.abs(np.log(pooled.S_mm2[inside] / alone.S_mm2[inside])).max() > 0.5
        np.testing.assert_allclose(alone.behind(detectors[first]).S_mm2, alone.S_mm2, rtol=1e-12)
        np.testing.assert_allclose(told.behind(detectors[first]).S_mm2, told.S_mm2, rtol=1e-12)
        back = RadialSpectrum.from_dict(told.to_dict())
        np.testing.assert_array_equal(back.behind(detectors[0]).S_mm2, told.behind(detectors[0]).S_mm2)


def test_a_spectrum_stays_where_an_mtf_is_not_known() -> None:
    images = [torch.randn((64, 64), generator=torch.Generator().manual_seed(2))]
    known, unknown = _degradation(lambda f: np.exp(-0.2 * f)), _degradation(None)
    seen = RadialSpectrum.measure(images, [0.05], [known])
    assert seen.behind(unknown) is seen
    for blind in (RadialSpectrum.measure(images, [0.05]), RadialSpectrum.measure(images, [0.05], [unknown])):
        assert blind.mtf_squared is None
        assert blind.behind(known) is blind


def test_the_wiener_filter_knows_how_sharp_its_images_are() -> None:
    sharp, soft = _degradation(lambda f: np.exp(-0.1 * f)), _degradation(lambda f: np.exp(-0.3 * f))
    images = [torch.randn((64, 64), generator=torch.Generator().manual_seed(3))]
    spectrum = RadialSpectrum.measure(images, [0.05], [sharp])
    gains = [Operator.between(one, spectrum, (64, 64)).wiener(1.0)[0][0, 0, 10, 10] for one in (sharp, soft)]
    assert gains[0] > gains[1] > 0


def test_spectra_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="squared MTFs"):
        RadialSpectrum.from_dict({"frequency_lp_mm": [0.5, 1.0], "S_mm2": [1.0, 1.0], "mtf_squared": [1.0]})
    with pytest.raises(InputError, match="empty"):
        RadialSpectrum.measure([], [])
    with pytest.raises(InputError, match="must rise"):
        RadialSpectrum.from_dict({"frequency_lp_mm": [1.0, 0.5], "S_mm2": [1.0, 1.0]})
    with pytest.raises(InputError, match="not finite"):
        RadialSpectrum.from_dict({"frequency_lp_mm": [0.5, 1.0], "S_mm2": [1.0, float("nan")]})
