"""An image as balls are fitted to it: its noise made white, its transfer and noise known.

Behind a thick screen nearly all noise is blurred as the image is. Divided by the root of the noise's spectrum the image
is sharp again as far as noise allows, and its noise the same at all frequencies: least squares are then the best fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xsim.degradation.known import KnownDetector
from xsim.grids import radial_frequency

__all__ = ["Optics", "Sight", "transfer_of"]

_BORDER_PX = 32
"""Mirrored border of the filters [px]: what is left of a whitened blur beyond it is below a thousandth."""

_ROUNDS = 4
"""Rounds of deblurring of what surrounds a ball: where a tenth passes .35 is missing; it is blurred again anyway."""


_AREA_ERROR, _RESTORED_AREA_ERROR = 0.08, 0.15
"""Relative error of a void's area at 95 %: voids are not quite spheres, nor balls quite barrels; and a restorer moves
rims. Both from boards of seeds 3000 to 3039 and 52000 to 52027."""

_RESTORED_NOISE = 1.6
"""Factor on the noise by which it is told how small a void of a restored image would still be seen: a restorer takes
some of what hardly exceeds noise for noise. By boards of seeds 52000 to 52027."""


@dataclass(frozen=True, eq=False)
class Optics:
    """What lies between an object and the whitened image of it, in pixels.

    Parameters
    ----------
    frequency : (n,) array
        [cycles/px].
    transfer : (n,) array
        Of the whitened image, pixel aperture included; 1 at 0.
    whitening : (n,) array
        Filter that makes the noise of the image as its detector shows it white; 1 at 0.
    noise : float
        Standard deviation of a pixel of the whitened image in the open field; behind an object it falls with the root
        of the grey.
    blur_spread : float
        Factor by which the frequencies of the transfer may be off either way, at 95 %.
    area_error : float
        Relative error of a void's area at 95 %, for what is not as it is modelled.
    again : (n,) array or None
        Filter that shows the image as its detector would; None for images of the detector itself.
    doubt : float
        Factor on the noise by which it is told how small a void may be and still be seen.
    """

    frequency: NDArray[np.float64]
    transfer: NDArray[np.float64]
    whitening: NDArray[np.float64]
    noise: float
    blur_spread: float = 1.0
    area_error: float = _AREA_ERROR
    again: NDArray[np.float64] | None = None
    doubt: float = 1.0

    @classmethod
    def of_image(cls, known: KnownDetector) -> Optics:
        """Return those of images as the detector takes them."""
        power = np.maximum(known.noise_power, 1e-12)
        whitening = np.sqrt(power[0] / power)
        return cls(
            known.frequency, known.mtf * whitening, whitening, float(np.sqrt(power[0])), known.blur_spread or 1.0
        )

    @classmethod
    def of_restored(cls, known: KnownDetector, frequency: NDArray[np.float64], mtf: NDArray[np.float64]) -> Optics:
        """Return those of an image of a detector, restored to another MTF (n,) at frequencies (n,) [cycles/px].

        It is shown as the detector would show it again: as far as it agrees with the detector's own image it is as good
        as that, and what a restorer adds, or leaves out of details that hardly exceed noise, drops out.
        """
        own = cls.of_image(known)
        aim = np.interp(known.frequency, frequency, mtf)
        again = known.mtf / np.maximum(aim, np.maximum(known.mtf, 1e-12))
        transfer = aim * again * own.whitening
        return replace(own, transfer=transfer, again=again, area_error=_RESTORED_AREA_ERROR, doubt=_RESTORED_NOISE)

    def shown(self, image: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return an image (H, W) as the detector shows it: its own as they are, others blurred as much as it would."""
        grey = np.asarray(image, dtype=np.float64)
        return grey if self.again is None else _filtered(grey, self.frequency, self.again)


@dataclass(frozen=True, eq=False)
class Sight:
    """A whitened image (H, W), open field 1, and what of it comes from where.

    Parameters
    ----------
    grey : (H, W) array
        The whitened image.
    object_grey : (H, W) array
        The same, deblurred as far as is safe: what surrounds a ball.
    blurred : (H, W) array
        ``object_grey`` as the detector would show it.
    noise : (H, W) array
        Standard deviation of each pixel of ``grey``.
    optics : Optics
        What lies in between.
    """

    grey: NDArray[np.float64]
    object_grey: NDArray[np.float64]
    blurred: NDArray[np.float64]
    noise: NDArray[np.float64]
    optics: Optics

    @classmethod
    def of(cls, image: NDArray[np.floating], optics: Optics, std: NDArray[np.floating] | None = None) -> Sight:
        """Whiten an image (H, W).

        Parameters
        ----------
        image : (H, W) array
            Grey, open field 1, as `Optics.shown` returns it.
        optics : Optics
            Its transfer and noise.
        std : (H, W) array, optional
            Standard deviation of each pixel, of posterior samples, in place of the noise that the detector has.
        """
        grey = _filtered(np.asarray(image, dtype=np.float64), optics.frequency, optics.whitening)
        sharp = grey.copy()
        for _ in range(_ROUNDS):
            sharp += grey - _filtered(sharp, optics.frequency, optics.transfer)
        blurred = _filtered(sharp, optics.frequency, optics.transfer)
        return cls(grey, sharp, blurred, _noise(grey, optics, std), optics)


_DARKEST = 3e-3
"""Grey below which noise falls no further: electronic noise is left."""


def _noise(grey: NDArray[np.float64], optics: Optics, std: NDArray[np.floating] | None) -> NDArray[np.float64]:
    """Return the standard deviation of each pixel (H, W)."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415  (slow to import)

    if std is None:
        return optics.noise * np.sqrt(np.maximum(gaussian_filter(grey, 1.2), _DARKEST))
    # What samples have in common extends as far as the blur of the image as it came: its power at 0 is what fits of
    # many pixels meet, and filters leave that.
    filters = optics.whitening * (1.0 if optics.again is None else optics.again)
    sharp = replace(optics, transfer=optics.transfer / np.maximum(filters, 1e-6))
    plane = transfer_of((128, 128), sharp) ** 2
    return np.maximum(np.asarray(std, dtype=np.float64), 1e-5) / float(np.sqrt(plane.mean()))


def transfer_of(shape: tuple[int, ...], optics: Optics, *, without_pixel: bool = False) -> NDArray[np.float64]:
    """Return the transfer on an ``rfft2`` grid; ``without_pixel`` leaves the pixel's aperture out."""
    size = (int(shape[0]), int(shape[1]))
    found = np.interp(radial_frequency(size, 1.0), optics.frequency, optics.transfer)
    if without_pixel:
        found = found / (np.sinc(np.fft.fftfreq(size[0]))[:, None] * np.sinc(np.fft.rfftfreq(size[1]))[None, :])
    return found


def _filtered(
    image: NDArray[np.float64], frequency: NDArray[np.float64], curve: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return an image (H, W) through a radial filter, mirrored at its border."""
    height, width = image.shape
    border = min(_BORDER_PX, height - 1, width - 1)
    padded = np.pad(image, border, mode="reflect")
    plane = np.interp(radial_frequency(padded.shape, 1.0), frequency, curve)
    result = scipy.fft.irfft2(scipy.fft.rfft2(padded) * plane, s=padded.shape)
    return np.asarray(result[border : border + height, border : border + width])
