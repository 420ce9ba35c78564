"""Presampled MTF from slanted edges, by the method of IEC 62220-1-1 and ISO 12233.

The pixels are reprojected along the fitted edge into an oversampled edge spread function (ESF); its two-point
difference is the line spread function (LSF), whose Fourier modulus is the MTF. Binning and differencing each
multiply the spectrum by ``sinc(f / oversampling)`` (f in cycles per pixel) and are divided out. The pixel aperture
belongs to the presampled MTF and stays in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xsim.errors import InputError, check_range
from xsim.grids import nyquist_lp_mm
from xsim.measure.checks import check_not_clipped, check_pitch, grey_image
from xsim.measure.edge_geometry import Bins, EdgeLine, check_bad_pixels, check_edge, find_line, fit_line

__all__ = ["ROI", "EdgeMTF", "EdgeSpread", "average_edges", "edge_mtf", "edge_spread"]

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
    roi: tuple[int, int, int, int]
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
    roi: tuple[int, int, int, int],
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


ROI = tuple[int, int, int, int]
"""A region as (x, y, width, height) in pixels."""

# Below 32 pixels a side there is neither a plateau nor one full phase of the pixel grid.
_SMALLEST_PX = 32
# An MTF whose noise exceeds this is hardly one.
_NOISY = 0.1
# Steeper edges than this sample the phases of the pixel grid too unevenly to be binned blindly.
_STEEPEST_DEG = 20.0


@dataclass(frozen=True)
class EdgeMTF:
    """The MTF of one edge, or the mean of several.

    Parameters
    ----------
    frequency_lp_mm : (n,) array
        Frequencies along the edge's normal [lp/mm].
    mtf : (n,) array
        Presampled MTF, 1 at f = 0, pixel aperture included.
    noise : (n,) array
        Root mean square of what noise alone adds to the complex transfer at each frequency.
    angle_deg : float
        Tilt of the edge against the nearest pixel axis [deg]; the mean tilt of several.
    pitch_mm : float
        Pixel pitch [mm].
    edges : tuple of EdgeSpread
        The profiles that the MTF was made from.
    warnings : tuple of str
        Caveats of the measurement.
    """

    frequency_lp_mm: NDArray[np.float64]
    mtf: NDArray[np.float64]
    noise: NDArray[np.float64]
    angle_deg: float
    pitch_mm: float
    edges: tuple[EdgeSpread, ...]
    warnings: tuple[str, ...] = ()

    @property
    def noise_floor(self) -> float:
        """The largest `noise` up to the last frequency: an MTF below twice this is not distinguished from noise."""
        return float(self.noise.max())

    @property
    def overshoot(self) -> float:
        """Largest excursion beyond the bright plateau, as a share of the step (0 for a pure blur)."""
        return max(edge.overshoot for edge in self.edges)

    @property
    def undershoot(self) -> float:
        """Largest excursion beyond the dark plateau, as a share of the step (0 for a pure blur)."""
        return max(edge.undershoot for edge in self.edges)

    def at(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the MTF at other frequencies [lp/mm] by linear interpolation; NaN outside the measured range."""
        return np.interp(
            np.asarray(frequency_lp_mm, dtype=np.float64), self.frequency_lp_mm, self.mtf, left=np.nan, right=np.nan
        )

    def frequency_at(self, level: float) -> float:
        """Return the lowest frequency [lp/mm] at which the MTF falls to ``level``; NaN if it never does."""
        below = np.flatnonzero(self.mtf <= level)
        if below.size == 0 or below[0] == 0:
            return float("nan")
        high = int(below[0])
        f, m = self.frequency_lp_mm[high - 1 : high + 1], self.mtf[high - 1 : high + 1]
        return float(f[0] + (m[0] - level) / (m[0] - m[1]) * (f[1] - f[0]))


def edge_mtf(
    image: ArrayLike,
    pitch_mm: float,
    *,
    roi: ROI | None = None,
    frequency_lp_mm: ArrayLike | None = None,
    oversampling: int = 4,
    half_width_mm: float | None = None,
    smooth_tails: bool = True,
    full_scale: float | None = None,
) -> EdgeMTF:
    """Measure the presampled MTF from one slanted edge.

    Parameters
    ----------
    image : (H, W) array
        Grey values linear in exposure. One straight edge, tilted 1.5 to 5 degrees against the pixel rows or columns.
    pitch_mm : float
        Pixel pitch [mm].
    roi : (x, y, width, height), optional
        The part of the image that holds the edge; all of it by default.
    frequency_lp_mm : (n,) array, optional
        Where to evaluate [lp/mm], up to twice Nyquist; 101 points from 0 to Nyquist by default.
    oversampling : int
        ESF bins per pixel.
    half_width_mm : float, optional
        How far from the edge the LSF is kept [mm]. By default as far as the region reaches, since a scintillator's
        tails cut at 10 pixels cost 0.07 of MTF.
    smooth_tails : bool
        Smooth the ESF far from the edge, over widths that grow with the distance, where the noise cannot tell the
        difference. Lowers the noise floor; never done where it would change the MTF beyond its noise.
    full_scale : float, optional
        The largest grey value that the image format can hold: a plateau at this value is saturated.

    Raises
    ------
    InputError
        If the region is flat, saturated, not finite, holds a second edge or a curve, or if the edge runs along the
        pixel grid or near 45 degrees.

    References
    ----------
    IEC 62220-1-1:2015, clause 6; ISO 12233:2017, annex D (slanted-edge SFR).
    """
    check_pitch(pitch_mm)
    check_range("oversampling", oversampling, 2, 32)
    pixels = grey_image(image, roi=roi, smallest_px=_SMALLEST_PX)
    caveats = check_not_clipped(pixels, full_scale=full_scale)
    check_bad_pixels(pixels)
    upright, line = find_line(pixels)
    line = fit_line(upright, line, oversampling=oversampling)
    # At other tilts the bins of the profile are not filled evenly.
    if line.angle_deg > _STEEPEST_DEG:
        raise InputError(
            f"edge at {line.angle_deg:.1f} deg to the pixel grid: tilt it 1.5 to 5 deg (at most {_STEEPEST_DEG:g})"
        )
    if abs(line.slope) * len(upright) < 1.0:
        raise InputError(
            f"edge at {line.angle_deg:.2f} deg crosses less than one pixel column over {len(upright)} rows: "
            "tilt it 1.5 to 5 deg or take a longer edge"
        )
    spread = edge_spread(
        upright,
        line,
        oversampling=oversampling,
        half_width_px=None if half_width_mm is None else half_width_mm / pitch_mm,
        roi=roi or (0, 0, pixels.shape[1], pixels.shape[0]),
    )
    frequency = _frequencies(frequency_lp_mm, pitch_mm)
    mtf, noise = spread.transfer(frequency * pitch_mm, smooth_tails=smooth_tails)
    if noise.max() > _NOISY:
        caveats += (f"noise of {noise.max():.2f} in the MTF: average frames, or take a longer edge or more contrast",)
    return EdgeMTF(frequency, mtf, noise, line.angle_deg, pitch_mm, (spread,), (*caveats, *spread.warnings))


def average_edges(edges: Sequence[EdgeMTF]) -> EdgeMTF:
    """Return the mean MTF of several edges measured at the same frequencies and pitch.

    Raises
    ------
    InputError
        If there are none, or their frequencies or pitches differ.
    """
    if not edges:
        raise InputError("no edges to average: give at least one")
    first = edges[0]
    for other in edges[1:]:
        if other.pitch_mm != first.pitch_mm or not np.array_equal(other.frequency_lp_mm, first.frequency_lp_mm):
            raise InputError(
                f"edges of unlike pitch or frequencies: {first.pitch_mm:g} and {other.pitch_mm:g} mm: "
                "measure them at the same frequencies"
            )
    return replace(
        first,
        mtf=np.mean([edge.mtf for edge in edges], axis=0),
        noise=np.sqrt(np.sum([edge.noise**2 for edge in edges], axis=0)) / len(edges),
        angle_deg=float(np.mean([edge.angle_deg for edge in edges])),
        edges=tuple(spread for edge in edges for spread in edge.edges),
        warnings=tuple(dict.fromkeys(text for edge in edges for text in edge.warnings)),
    )


def _frequencies(frequency_lp_mm: ArrayLike | None, pitch_mm: float) -> NDArray[np.float64]:
    nyquist = nyquist_lp_mm(pitch_mm)
    if frequency_lp_mm is None:
        return np.linspace(0.0, nyquist, 101)
    frequency = np.atleast_1d(np.asarray(frequency_lp_mm, dtype=np.float64))
    if frequency.ndim != 1 or not np.all((frequency >= 0) & (frequency <= 2 * nyquist)):
        raise InputError(
            f"frequencies {frequency.min():g} to {frequency.max():g} lp/mm are out of range: "
            f"give 0 to {2 * nyquist:g} lp/mm (twice Nyquist)"
        )
    return frequency
