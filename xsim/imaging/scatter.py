"""Light and quanta that land far from where they belong: scatter from the object, veiling glare in the detector.

Both are so wide (millimetres) that they are computed on blocks of pixels and interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xsim.errors import InputError, check_range
from xsim.grids import radial_frequency
from xsim.imaging.projection import Beam

__all__ = ["Scatter", "add_glare", "add_scatter", "wide_blur"]

# Blocks to a kernel's range: the transfer function is below 1e-2 at their Nyquist frequency.
_BLOCKS = 8
# Mirrored border in kernel ranges: what wraps around it is below 1e-3 of its source.
_REACH = 7.0


@dataclass(frozen=True)
class Scatter:
    """Strength and width of scatter and glare; the default has neither.

    Parameters
    ----------
    ratio_per_depth : float
        Scatter-to-primary ratio behind a wide plate for each mean free path of its thickness, 0 to 2. Thin circuit
        boards have about .01 to .05 in all.
    range_mm : float
        Decay length of the scatter kernel exp(-r / range) [mm]; grows with the air gap.
    glare : float
        Share of the light that the detector's own body spreads, 0 to 0.5.
    glare_range_mm : float
        Decay length of the glare kernel [mm].
    by_material : bool
        Compute the object's scatter from its own materials, Compton and Rayleigh, and let it land as far away as its
        angles and the way to the detector say (`xsim.imaging.material_scatter`), in place of ratio and range.

    Raises
    ------
    PhysicsRangeError
        If a value is out of range.
    InputError
        If scatter is given by material and by ratio.
    """

    ratio_per_depth: float = 0.0
    range_mm: float = 15.0
    glare: float = 0.0
    glare_range_mm: float = 10.0
    by_material: bool = False

    def __post_init__(self) -> None:
        check_range("scatter-to-primary ratio per mean free path", self.ratio_per_depth, 0.0, 2.0)
        check_range("scatter range", self.range_mm, 0.1, 500.0, "mm")
        check_range("veiling glare", self.glare, 0.0, 0.5)
        check_range("glare range", self.glare_range_mm, 0.1, 500.0, "mm")
        if self.by_material and self.ratio_per_depth:
            raise InputError(
                f"scatter by material and a ratio of {self.ratio_per_depth:g} per mean free path: give one of both"
            )


def add_scatter(beam: Beam, scatter: Scatter, pixel_mm: float) -> Beam:
    """Add the pedestal of quanta that the object scatters; they carry noise as the primary ones do.

    A plate of optical depth d scatters ``ratio d`` per transmitted quantum, so that the source of scatter is
    ``-ratio P ln P`` with P the primary: none in the open field, none behind what lets nothing through. The scattered
    beam keeps the primary's spectrum here (it is slightly softer). The beam's pixels have ``pixel_mm`` on the detector.
    """
    if scatter.ratio_per_depth == 0:
        return beam
    depth = -np.log(np.maximum(beam.grey, np.float32(1e-12))) * np.float32(scatter.ratio_per_depth)
    np.maximum(depth, 0.0, out=depth)
    return Beam(*(part + wide_blur(part * depth, scatter.range_mm, pixel_mm) for part in beam))


def add_glare(beam: Beam, scatter: Scatter, pixel_mm: float) -> Beam:
    """Move a share of the light into a wide veil; the open field keeps its grey.

    The veil averages over so many quanta that it brings no quantum noise of its own, and what stays has the noise of
    its share; the light's shot noise follows the total grey and is added with the pixel's noise.
    """
    if scatter.glare == 0:
        return beam
    stays = np.float32(1.0 - scatter.glare)
    veil = wide_blur(beam.grey, scatter.glare_range_mm, pixel_mm) * np.float32(scatter.glare)
    return Beam(beam.grey * stays + veil, beam.variance * stays**2)


def wide_blur(image: NDArray[np.float32], range_mm: float, pixel_mm: float) -> NDArray[np.float32]:
    """Convolve an image (H, W) with the kernel exp(-r / range) / (2 pi range**2); the border is reflected.

    Its transfer function is ``(1 + (2 pi range f)**2)**-1.5``.
    """
    block = max(1, int(range_mm / (_BLOCKS * pixel_mm)))
    coarse = _block_means(image, block)
    border = [min(int(_REACH * range_mm / (block * pixel_mm)) + 1, size - 1) for size in coarse.shape]
    padded = np.pad(coarse, [(size, size) for size in border], mode="reflect")
    f = radial_frequency(padded.shape, block * pixel_mm)
    spectrum = scipy.fft.rfft2(padded) * (1.0 + (2.0 * np.pi * range_mm * f) ** 2) ** -1.5
    blurred = scipy.fft.irfft2(spectrum, s=padded.shape)
    inner = blurred[border[0] : border[0] + coarse.shape[0], border[1] : border[1] + coarse.shape[1]]
    rows, columns = (_interpolation(size, block) for size in image.shape)
    return np.asarray(rows @ inner.astype(np.float32) @ columns.T)


def _block_means(image: NDArray[np.float32], block: int) -> NDArray[np.float64]:
    """Return the means of square blocks; the last ones hold what is left."""
    rows = np.arange(0, image.shape[0], block)
    columns = np.arange(0, image.shape[1], block)
    sums = np.add.reduceat(np.add.reduceat(image, rows, axis=0, dtype=float), columns, axis=1)
    heights = np.diff(np.append(rows, image.shape[0]))[:, None]
    widths = np.diff(np.append(columns, image.shape[1]))[None, :]
    return np.asarray(sums / (heights * widths))


def _interpolation(size: int, block: int) -> NDArray[np.float32]:
    """Return the (size, blocks) matrix that interpolates linearly between the centres of blocks."""
    starts = np.arange(0, size, block)
    centres = (starts + np.append(starts[1:], size) - 1) / 2
    at = np.arange(size)
    left = np.clip(np.searchsorted(centres, at, side="right") - 1, 0, max(len(centres) - 2, 0))
    right = np.minimum(left + 1, len(centres) - 1)
    share = np.clip((at - centres[left]) / np.maximum(centres[right] - centres[left], 1.0), 0.0, 1.0)
    matrix = np.zeros((size, len(centres)), dtype=np.float32)
    matrix[at, left] = 1.0 - share
    matrix[at, right] += share
    return matrix
