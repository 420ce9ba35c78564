"""From the beam at the screen to the light on the sensor's pixels: blur, sampling, and noise of the right colour.

Signal and noise are filtered by spectra of their own. The signal by the screen's MTF and the pixel's aperture, on a
grid that may be finer than the pixel, so that sampling aliases what it must. The quanta are noisy where they are
absorbed, with the power that the hardened beam has there, and their noise is filtered by the square root of the
screen's quantum NNPS.

Nothing wraps around: images are mirrored beyond their borders before they are filtered, and cropped afterwards, and the
noise is made on the larger grid, so that it is the same at the border as in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xsim.detector.detector import DetectorResponse
from xsim.grids import frequency_axes
from xsim.imaging.geometry import DetectorPlane, Geometry
from xsim.imaging.noise import coloured_spectrum, quantum_noise
from xsim.imaging.projection import Beam

__all__ = ["Imager", "fold", "imager", "padded_shape", "quantum_nnps_map"]

# Border [pixels] that is mirrored and cropped: wider than what a thick screen spreads visibly, and kind to the FFT of
# images of 1024 pixels.
MARGIN_PX = 28


@dataclass(frozen=True, eq=False)
class Imager:
    """Filters of one detector for images of one size; make it with ``imager``, which keeps it.

    Parameters
    ----------
    plane : DetectorPlane
        Detector grid and its oversampling s.
    padded : (H', W')
        Pixels with the mirrored border.
    transfer : (s H', s W' // 2 + 1) array
        From the spectrum of the fluence on cells to that of the light seen by a pixel.
    penumbra : (s H', s W' // 2 + 1) array or None
        Transfer function of the focal spot, which acts on the variance too; None for a point source.
    noise_amplitude : (H', W' // 2 + 1) float32 array
        Square root of the bin variances of the sampled quantum noise in the open field, for one frame.
    quanta_per_pixel : float
        Quanta of equal weight that would make the open field's quantum noise, in a pixel and frame.
    """

    plane: DetectorPlane
    padded: tuple[int, int]
    transfer: NDArray[np.float32] | NDArray[np.complex64]
    penumbra: NDArray[np.float32] | None
    noise_amplitude: NDArray[np.float32]
    quanta_per_pixel: float

    def light_spectrum(self, grey: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Return the ``rfft2`` of the noise-free light on the padded pixels, from grey (s H, s W) on cells."""
        spectrum: NDArray[np.complex64] = scipy.fft.rfft2(self._mirrored(grey, self.plane.oversampling))
        spectrum *= self.transfer
        return fold(spectrum, self.padded, self.plane.oversampling)

    def noise_spectrum(
        self, beam: Beam, rng: np.random.Generator, *, frames: float = 1.0, kerma: NDArray[np.float32] | float = 1.0
    ) -> NDArray[np.complex64]:
        """Return the ``rfft2`` of quantum noise on the padded pixels, in units of the open field's grey.

        The beam stands on cells, (s H, s W). The noise is that of the mean of independent frames, whose kerma is
        relative to the open field that the images are divided by, an (H, W) map or one number.
        """
        variance = self._pixel_means(self._blurred(beam.variance))
        if isinstance(kerma, np.ndarray):
            variance = variance / kerma
            kerma = 1.0
        variance = self._mirrored(variance, 1)
        variance *= np.float32(1.0 / (kerma * frames))
        grey = self._mirrored(self._pixel_means(beam.grey), 1)
        return coloured_spectrum(quantum_noise(rng, grey, variance, self.quanta_per_pixel), self.noise_amplitude)

    def pixel_beam(self, beam: Beam) -> Beam:
        """Return a beam on cells, (s H, s W), as it falls on the pixels, (H, W), penumbra included, screen not."""
        grey, variance = (self._pixel_means(self._blurred(part)) for part in beam)
        return Beam(grey, variance)

    def image(self, spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Return the (H, W) float32 image of a spectrum on the padded pixels; the spectrum is used up."""
        rows = scipy.fft.ifft(spectrum, axis=0, overwrite_x=True)
        padded = scipy.fft.irfft(rows, n=self.padded[1], axis=1)
        top, left = ((full - inner) // 2 for full, inner in zip(self.padded, self.plane.shape, strict=True))
        return np.asarray(padded[top : top + self.plane.shape[0], left : left + self.plane.shape[1]])

    def _blurred(self, variance: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.penumbra is None:
            return variance
        s = self.plane.oversampling
        padded = self._mirrored(variance, s)
        blurred = np.maximum(scipy.fft.irfft2(scipy.fft.rfft2(padded) * self.penumbra, s=padded.shape), 0.0)
        top, left = (s * ((full - inner) // 2) for full, inner in zip(self.padded, self.plane.shape, strict=True))
        return np.asarray(blurred[top : top + variance.shape[0], left : left + variance.shape[1]])

    def _mirrored(self, image: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
        borders = []
        for full, inner in zip(self.padded, self.plane.shape, strict=True):
            before = (full - inner) // 2
            borders.append((cells * before, cells * (full - inner - before)))
        return np.pad(image, borders, mode="symmetric")

    def _pixel_means(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        s = self.plane.oversampling
        if s == 1:
            return image
        # Whole rows first: a mean over both axes at once takes ten times as long.
        rows = image.reshape(self.plane.shape[0], s, -1).sum(axis=1)
        means: NDArray[np.float32] = rows[:, ::s].copy()
        for column in range(1, s):
            means += rows[:, column::s]
        means *= np.float32(1.0 / s**2)
        return means


def fold(spectrum: NDArray[np.complex64], shape: tuple[int, int], oversampling: int) -> NDArray[np.complex64]:
    """Return the ``rfft2`` of every s-th sample of an image (s H, s W), from the ``rfft2`` of the image.

    Sampling adds the s**2 aliases of every frequency; those beyond the stored half plane are conjugates of mirrored
    ones. ``shape`` is that of the samples, (H, W), and the step s the oversampling.
    """
    if oversampling == 1:
        return spectrum
    height, width = shape
    rows = spectrum.reshape(oversampling, height, -1).sum(axis=0)
    mirrored = np.conj(np.roll(rows[::-1], 1, axis=0))
    half = width // 2 + 1
    folded: NDArray[np.complex64] = rows[:, :half].copy()
    for order in range(1, oversampling):
        column = np.arange(half) + order * width
        stored = column < rows.shape[1]
        folded[:, stored] += rows[:, column[stored]]
        folded[:, ~stored] += mirrored[:, oversampling * width - column[~stored]]
    folded /= oversampling**2
    return folded


@lru_cache(maxsize=16)
def imager(
    response: DetectorResponse,
    plane: DetectorPlane,
    geometry: Geometry,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> Imager:
    """Return the filters of a detector, or of one of the sources of its noise, for images of one size.

    The penumbra is the geometry's, and the image is displaced on the detector by ``shift_px``, (dy, dx) [pixels].
    """
    padded = padded_shape(plane.shape)
    cells = plane.oversampling * padded[0], plane.oversampling * padded[1]
    penumbra = None
    if geometry.focal_spot_mm * (geometry.magnification - 1.0) > 0:
        penumbra = geometry.focal_spot_mtf(cells, plane.cell_mm).astype(np.float32)
    v, u = frequency_axes(cells, plane.cell_mm)
    # A cell holds the mean over its area already; the pixel's aperture takes the place of that average.
    presampled = response.mtf_map(cells, plane.cell_mm) / (np.sinc(plane.cell_mm * v) * np.sinc(plane.cell_mm * u))
    # The first sample lies at the centre of the first pixel, (s - 1) / 2 cells from the centre of the first cell.
    centre = (plane.oversampling - 1) / 2 * plane.cell_mm
    y, x = (centre - shift * plane.pixel_mm for shift in shift_px)
    transfer: NDArray[np.float32] | NDArray[np.complex64]
    if y or x:
        transfer = (presampled * np.exp(2j * np.pi * (v * y + u * x))).astype(np.complex64)
    elif response.oblique is not None:  # whose blur has no symmetry
        transfer = presampled.astype(np.complex64)
    else:
        transfer = presampled.astype(np.float32)
    quantum = quantum_nnps_map(response, padded)
    return Imager(
        plane=plane,
        padded=padded,
        transfer=transfer if penumbra is None else transfer * penumbra,
        penumbra=penumbra,
        noise_amplitude=(np.sqrt(quantum) / plane.pixel_mm).astype(np.float32),
        quanta_per_pixel=plane.pixel_mm**2 / float(response.quantum_nnps(np.zeros(1))[0]),
    )


def padded_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the even shape with room for the margins on which images of this shape are filtered fast."""
    height, width = (2 * int(scipy.fft.next_fast_len((size + 2 * MARGIN_PX + 1) // 2, real=True)) for size in shape)
    return height, width


@lru_cache(maxsize=8)
def quantum_nnps_map(response: DetectorResponse, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the sampled quantum NNPS [mm2] of one open-field frame, aperture and aliasing included, on a grid.

    It is the light's: what is white, direct hits among it, is left out.
    """
    return np.asarray(np.maximum(response.nnps_map(shape) - response.white_nnps_mm2, 0.0))
