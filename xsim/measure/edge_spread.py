"""The profile of a slanted edge: its oversampled edge spread function (ESF), that of its noise, and their spectra.

Binning and differencing each multiply the spectrum by ``sinc(f / oversampling)`` (f in cycles per pixel) and are
divided out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsim.errors import InputError
from xsim.measure.checks import ROI
from xsim.measure.edge_geometry import Bins, EdgeLine, check_edge

__all__ = ["EdgeSpread", "edge_spread"]

# Realisations of the noise per edge: modulations of the residual image along the edge, cosine and sine of each;
# fewer on short edges, where they would reach frequencies at which coloured noise differs.
_MODULATIONS = 6
_ROWS_PER_MODULATION = 40
# A tail's smoothing half width grows by this share of the distance from the core.
_TAIL_GROWTH = 0.25
# Smoothing is dropped if it moves the transfer by more than this many times the noise of that movement.
_TAIL_LIMIT = 3.5
# An excursion counts as overshoot above this many standard deviations of a bin.
_OVERSHOOT_SIGMAS = 5.0


@dataclass(frozen=True)
class EdgeSpread:
    """The oversampled profile of one edge, and samples of its noise.

    Parameters
    ----------
    line : EdgeLine
        The fitted edge.
    roi : (x, y, width, height)
        The region of the image that was used [px].
    oversampling : int
        Bins per pixel.
    distance_px : (n,) array
        Centres of the bins along the edge's normal [px], rising towards the brighter side.
    esf : (n,) array
        Mean grey value in each bin.
    noise_esf : (2 k, n) array
        Profiles that the image's noise alone gives; their scatter is the scatter of `esf`.
    dark, bright : float
        Grey levels of the two plateaus.
    pixel_noise : float
        Standard deviation of the pixels on the plateaus, in grey levels.
    """

    line: EdgeLine
    roi: ROI
    oversampling: int
    distance_px: NDArray[np.float64]
    esf: NDArray[np.float64]
    noise_esf: NDArray[np.float64]
    dark: float
    bright: float
    pixel_noise: float
    warnings: tuple[str, ...] = ()

    @property
    def step(self) -> float:
        """Height of the edge [grey levels]."""
        return self.bright - self.dark

    @property
    def contrast(self) -> float:
        """Michelson contrast of the edge, (bright - dark) / (bright + dark)."""
        return self.step / (self.bright + self.dark) if self.bright + self.dark else float("nan")

    @property
    def overshoot(self) -> float:
        """Excursion above the bright plateau, as a share of the step; 0 for a pure blur, or where noise explains it."""
        return self._excursion(float(self.esf.max()) - self.bright)

    @property
    def undershoot(self) -> float:
        """Excursion below the dark plateau; see `overshoot`."""
        return self._excursion(self.dark - float(self.esf.min()))

    def _excursion(self, height: float) -> float:
        return height / self.step if height > _OVERSHOOT_SIGMAS * float(self.noise_esf.std()) else 0.0

    def transfer(
        self, cycles_per_px: NDArray[np.float64], *, smooth_tails: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the MTF at these frequencies [cycles/pixel] and the rms of its noise, both of shape (n,)."""
        plain = self._spectra(self.esf[None], cycles_per_px)[0]
        noise = self._spectra(self.noise_esf, cycles_per_px)
        if smooth_tails:
            half = _tail_widths(self)
            smooth = self._spectra(_local_line(self.esf[None], half), cycles_per_px)[0]
            smooth_noise = self._spectra(_local_line(self.noise_esf, half), cycles_per_px)
            # Smoothing stays only if the noise that it takes away explains what it changes, or the noise that it
            # leaves hides it.
            allowed = np.maximum(_TAIL_LIMIT * _rms(noise - smooth_noise), 0.5 * _rms(smooth_noise))
            if np.all(np.abs(plain - smooth) <= allowed + 1e-12 * self.step):
                plain, noise = smooth, smooth_noise
        zero = np.zeros(1)
        area = float(self._spectra(self.esf[None], zero)[0, 0].real)
        transfer = plain / area
        # The noise of the normalisation rides on every frequency.
        return np.abs(transfer), _rms(noise - transfer * self._spectra(self.noise_esf, zero)) / area

    def complex_transfer(
        self, cycles_per_px: NDArray[np.float64]
    ) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Return the transfer function about distance 0, phase included, and the rms of its noise, both (n,)."""
        transfer = self._spectra(self.esf[None], np.append(0.0, cycles_per_px))[0]
        area = float(transfer[0].real)
        return transfer[1:] / area, _rms(self._spectra(self.noise_esf, cycles_per_px)) / abs(area)

    def _spectra(self, profiles: NDArray[np.float64], cycles_per_px: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the corrected Fourier transforms of the profiles' derivatives, shape (m, n_frequencies)."""
        # Tails are flat to the eye at their ends: a bin's own noise there would count as a step of the plateau.
        width = profiles.shape[1] // 16 + 1
        profiles = profiles.copy()
        profiles[:, 0] = profiles[:, :width].mean(axis=1)
        profiles[:, -1] = profiles[:, -width:].mean(axis=1)
        lsf = np.diff(profiles, axis=1)
        between = (self.distance_px[1:] + self.distance_px[:-1]) / 2
        kernel = np.exp(-2j * np.pi * np.outer(between, cycles_per_px))
        # One sinc for the width of the bin, one for the two-point difference over the same width.
        return np.asarray((lsf @ kernel) / np.sinc(cycles_per_px / self.oversampling) ** 2)


def edge_spread(
    upright: NDArray[np.float64],
    line: EdgeLine,
    *,
    oversampling: int,
    half_width_px: float | None,
    roi: ROI,
) -> EdgeSpread:
    """Bin an upright image by the distance from its edge and check that the edge explains it.

    Raises
    ------
    InputError
        If the plateaus are too short, the step drowns in noise, or a second edge or a curve is left over.
    """
    shape = (upright.shape[0], upright.shape[1])
    distance = line.distance_px(shape)
    left, right = _covered(line, shape, half_width_px)
    inside = (distance > -left) & (distance < right)
    bins = Bins.of((distance[inside] + left) * oversampling)
    if np.any(bins.count == 0):
        raise InputError(
            f"edge at {line.angle_deg:.2f} deg leaves gaps between the pixels' phases: tilt it 1.5 to 5 deg"
        )
    esf = bins.profile(upright[inside])
    centres = (np.arange(esf.size) + 0.5) / oversampling - left
    residual = np.zeros(shape)
    residual[inside] = upright[inside] - np.interp(distance[inside], centres, esf)
    # Levels and pixel noise of the plateaus, from the outer fifth of the profile.
    outer = max(2, esf.size // 10)
    dark, bright = float(esf[:outer].mean()), float(esf[-outer:].mean())
    noise = float(residual[inside & ((distance < -0.6 * left) | (distance > 0.6 * right))].std())
    noise_esf = _noise_profiles(residual, inside, bins)
    caveats = check_edge(esf, centres, noise_esf, residual, inside, step=abs(bright - dark), noise=noise)
    if dark > bright:
        dark, bright = bright, dark
        centres, esf, noise_esf = -centres[::-1], esf[::-1], noise_esf[:, ::-1]
    return EdgeSpread(line, roi, oversampling, centres, esf, noise_esf, dark, bright, noise, caveats)


def _covered(line: EdgeLine, shape: tuple[int, int], half_width_px: float | None) -> tuple[float, float]:
    """Return how far [px] to the left and right of the edge every row still has pixels."""
    y = np.arange(shape[0])
    x = line.x0_px + line.slope * (y - line.y0_px)
    tilt = np.hypot(1.0, line.slope)
    left, right = float(x.min()) / tilt, float(shape[1] - 1 - x.max()) / tilt
    if half_width_px is not None:
        left, right = min(left, half_width_px), min(right, half_width_px)
    if min(left, right) < 8.0:
        raise InputError(
            f"edge with plateaus of {max(left, 0):.0f} and {max(right, 0):.0f} pixels: give a region with at least "
            "8 pixels, better 50, on both sides of the whole edge"
        )
    return left, right


def _noise_profiles(residual: NDArray[np.float64], inside: NDArray[np.bool_], bins: Bins) -> NDArray[np.float64]:
    """Bin the residual image as the edge was binned, modulated along the edge so that nothing cancels.

    The noise of the ESF is the noise spectrum on the line of zero frequency along the edge; a slow modulation
    moves neighbouring lines there, which carry the same noise, correlated or not, and no edge.
    """
    rows = residual.shape[0]
    phase = 2 * np.pi * (np.arange(rows) + 0.5) / rows
    orders = range(1, int(np.clip(rows // _ROWS_PER_MODULATION, 3, _MODULATIONS)) + 1)
    waves = [np.sqrt(2.0) * wave(order * phase) for order in orders for wave in (np.cos, np.sin)]
    return np.stack([bins.profile((residual * wave[:, None])[inside]) for wave in waves])


def _tail_widths(spread: EdgeSpread) -> NDArray[np.intp]:
    """Return the smoothing half width [bins] of every bin: none in the core, growing outwards."""
    levels = ndimage.uniform_filter1d(spread.esf, 2 * spread.oversampling, mode="nearest")
    relative = (levels - spread.dark) / spread.step
    rise = spread.distance_px[(relative > 0.1) & (relative < 0.9)]
    core = max(3.0, float(np.ptp(rise)) if rise.size else 3.0)
    distance = np.maximum(np.abs(spread.distance_px) - core, 0.0)
    return np.asarray(_TAIL_GROWTH * distance * spread.oversampling, dtype=np.intp)


def _local_line(profiles: NDArray[np.float64], half: NDArray[np.intp]) -> NDArray[np.float64]:
    """Smooth each profile by a straight line fitted over +- ``half`` bins around every bin."""
    size = profiles.shape[1]
    bins = np.arange(size)
    low, high = np.maximum(bins - half, 0), np.minimum(bins + half, size - 1) + 1
    number = (high - low).astype(np.float64)
    middle = (low + high - 1) / 2.0
    # Sums over windows are differences of the sums from the start.
    totals = (np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1) for values in (profiles, profiles * bins))
    sums, moments = (total[:, high] - total[:, low] for total in totals)
    moments = moments - middle * sums
    spread = number * (number**2 - 1) / 12.0
    slope = np.divide(moments, spread, out=np.zeros_like(moments), where=spread > 0)
    return np.asarray(sums / number + slope * (bins - middle))


def _rms(samples: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the root mean square over the samples, evened out over neighbouring frequencies."""
    power = np.mean(np.abs(samples) ** 2, axis=0)
    return np.asarray(np.sqrt(ndimage.uniform_filter1d(power, min(7, power.size), mode="nearest")))
