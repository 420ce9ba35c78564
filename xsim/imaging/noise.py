"""Random fields: fast normal numbers, quantum noise of few quanta, and noise of a given spectrum.

Coloured noise is filtered *real* white noise. Complex numbers drawn on the half plane of ``rfft2`` would lose half the
variance of its first and last column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import scipy.fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["coloured_spectrum", "quantum_noise", "standard_normal"]

# Pairs of normals drawn at once: the three buffers stay in the L1 and L2 caches.
_PAIRS = 8192
# Pixels with fewer quanta than this draw a Poisson number; above, its skewness is lost in the blur.
_FEW_QUANTA = 50.0


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw normal numbers of mean 0 and variance 1, two to three times as fast as ``Generator.standard_normal``.

    Box and Muller's transform on numpy's vectorised logarithm, sine and cosine. Both uniform numbers have 24 bits, so
    that values reach 5.9 standard deviations.

    Parameters
    ----------
    rng : numpy.random.Generator
        Over a bit generator of 64 bits.
    shape : tuple of int
        Shape of the float32 array returned.
    """
    count = int(np.prod(shape))
    values = np.empty(count + count % 2, dtype=np.float32)
    for start in range(0, len(values), 2 * _PAIRS):
        part = values[start : start + 2 * _PAIRS]
        half = len(part) // 2
        bits = rng.bit_generator.random_raw(half).view(np.uint32)
        bits >>= 8
        uniform = bits.astype(np.float32)
        uniform *= np.float32(2.0**-24)
        radius, angle = uniform[:half], uniform[half:]
        radius += np.float32(2.0**-25)
        np.log(radius, out=radius)
        radius *= np.float32(-2.0)
        np.sqrt(radius, out=radius)
        angle *= np.float32(2.0 * np.pi)
        np.cos(angle, out=part[:half])
        np.sin(angle, out=part[half:])
        part[:half] *= radius
        part[half:] *= radius
    return values[:count].reshape(shape)


def quantum_noise(
    rng: np.random.Generator, grey: NDArray[np.float32], variance: NDArray[np.float32], quanta: float
) -> NDArray[np.float32]:
    """Draw the fluctuation of independent quanta of equal weight, uncorrelated between pixels.

    A pixel of grey g and variance v behaves like ``quanta * g**2 / v`` of them. Where they are few their number is
    Poissonian, so that the fluctuation has the right skewness too.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the numbers.
    grey, variance : (H, W) float32 arrays
        Mean and variance, both 0 or more.
    quanta : float
        Number that makes the variance 1 at grey 1.
    """
    noise = standard_normal(rng, grey.shape)
    if _scale(noise, grey, variance, np.float32(quanta / _FEW_QUANTA)):
        few = grey * grey * np.float32(quanta / _FEW_QUANTA) < variance
        g, v = grey[few].astype(float), variance[few]
        expected = np.maximum(g**2 / v * quanta, 1e-12)
        noise[few] = (rng.poisson(expected) - expected) * np.sqrt(v / expected)
    return noise


@numba.njit(cache=True)
def _scale(noise, grey, variance, enough):  # type: ignore[no-untyped-def]
    """Give white noise its local variance, in place; return how many pixels have few quanta."""
    few = 0
    for y in range(noise.shape[0]):
        for x in range(noise.shape[1]):
            few += grey[y, x] * grey[y, x] * enough < variance[y, x]
            noise[y, x] *= np.sqrt(variance[y, x])
    return few


def coloured_spectrum(white: NDArray[np.float32], amplitude: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Return the ``rfft2`` of white noise after a filter.

    Parameters
    ----------
    white : (H, W) float32 array
        Real white noise; its local variance may follow the object.
    amplitude : (H, W // 2 + 1) float32 array
        Square root of the wanted bin variances, ``sqrt(NNPS) / pitch``.
    """
    spectrum = scipy.fft.rfft2(white)
    spectrum *= amplitude
    return np.asarray(spectrum)
