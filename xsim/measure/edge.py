"""Presampled MTF from slanted edges, by the method of IEC 62220-1-1 and ISO 12233.

The pixels are reprojected along the fitted edge into an oversampled edge spread function (`xsim.measure.edge_spread`);
its two-point difference is the line spread function (LSF), whose Fourier modulus is the MTF. The pixel aperture
belongs to the presampled MTF and stays in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError, check_range
from xsim.grids import nyquist_lp_mm
from xsim.measure.checks import ROI, check_not_clipped, check_pitch, grey_image
from xsim.measure.edge_geometry import check_bad_pixels, find_line, fit_line
from xsim.measure.edge_shape import check_shape
from xsim.measure.edge_spread import EdgeSpread, edge_spread

__all__ = ["EdgeMTF", "average_edges", "edge_mtf"]

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
    any_shape: bool = False,
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
    any_shape : bool
        Do not ask whether the profile is that of a blur: for images that were restored or filtered, whose profile is
        the filter's.

    Raises
    ------
    InputError
        If the region is flat, saturated, not finite, holds a second edge or a curve, if the edge runs along the pixel
        grid or near 45 degrees, or if it is bevelled or rounded (`xsim.measure.edge_shape`).

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
    if not any_shape:
        caveats += check_shape(spread)
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
