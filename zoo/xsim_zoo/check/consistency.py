"""Is a restored image consistent with the measurement? A check that needs no sharp image.

The answer is linked to LR grey and blurred again; what is left of the measurement should be noise of the known
spectrum. In a band of frequencies chi2 = <|Y - B_1 H|^2> / <Sigma_1 v>, with v the noise power that the local grey
level lets expect. It is 1 for samples of the posterior and below 1 for estimates, which follow the noise a little:
only values above 1 tell against the image. Below 2 lp/mm the link is fitted anew to the image, as its error there
depends on the materials: the check proves structure, not grey level, and the residual of the grey levels stands apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label, maximum_position
from scipy.optimize import nnls
from torch import Tensor

from xsim.grids import frequency_axes, nyquist_lp_mm
from xsim_zoo.check.noise import (
    BAND_PITCH_MM,
    TRANSITION,
    BandStatistics,
    band_gain,
    band_statistics,
    block_means,
    noise_of,
    spread,
)
from xsim_zoo.check.verdict import BLOCK_PX, Consistency, Suspect
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.process import Rows, fft, ifft, plane_mean, strips
from xsim_zoo.restorers.base import Restorer

__all__ = ["BAND_EDGES_LP_MM", "CUT_BORDER_PX", "border_px", "check", "measured_noise", "refitted"]

BAND_EDGES_LP_MM = (0.3, 1.0, 2.0, 4.0, 6.0)
"""Edges of the bands at pixels of 48 um [lp/mm]; the last band goes on to the Nyquist frequency.

At other pixels they lie at as many cycles a pixel: what blur and noise leave of structure goes with these."""

CUT_BORDER_PX = 96
"""Where a part was cut from a larger image its neighbour judges what lies in this border [px]."""

_REFIT_BELOW_LP_MM = 2.0
"""Below this frequency, at pixels of 48 um, the link is fitted anew [lp/mm]: its error, of materials, shows there."""

_KNOTS = 7
"""Knots of the curve that is fitted: the bend of a link shows with fewer, and each takes a transform of the image."""

_LEAST_SPAN = 1e-3
"""Least span of grey levels over which the curve is fitted: noise alone spans more."""

_LEAST_BORDER_PX, _MOST_BORDER_PX = 16, 64
"""What lies beyond the edge blurs into a border that is not judged [px].

It is as thin as the blur allows, but for two blocks, across which the filters of the bands ring; and no wider than
the refit tapers: of the glare that reaches further an image shows its own share everywhere."""

_LEAKS = 0.01
"""Share of a step beyond the edge that may reach what is judged: a tenth of what materials excuse, see below."""

_DARK = 0.05
"""Below this grey level scatter and the hardened beam decide what is seen, and the link says little."""

_LINK_TOLERANCE = 0.1
"""Relative error of local contrast that materials cause: copper and solder of one HR contrast differ so far in LR."""

_LINK_TOLERANCE_DARK = 0.3
"""The same where next to nothing passes."""

Cuts = tuple[tuple[bool, bool], tuple[bool, bool]]
Region = tuple[slice, slice]


def check(
    y: NDArray[np.float32],
    x: NDArray[np.float32],
    restorer: Restorer,
    *,
    cuts: Cuts = ((False, False), (False, False)),
) -> Consistency:
    """Check a restored image against its measurement.

    Parameters
    ----------
    y, x : (H, W) float32 arrays
        LR image and its restored HR image, linear, open field 1.0.
    restorer : Restorer
        Whose physics lies between them.
    cuts : ((top, bottom), (left, right))
        Which sides are cuts through a larger image.
    """
    grid = PaddedGrid.around((y.shape[0], y.shape[1]))
    # The noise power of every block relative to the open field, from its grey level.
    grey = block_means(torch.as_tensor(y))
    level = restorer.physics.degradation.noise_level(grey[..., None, None]).astype(np.float32)
    Y = fft(grid.pad(torch.as_tensor(y, device=restorer.device)))
    del y  # as large as the image, and needed no more
    judged = _judged(grid.shape, cuts, restorer)
    noise = noise_of(Y, level, judged, restorer, grid)
    residual = _Residual(Y, x, restorer, grid)
    del Y
    bands = _bands(restorer.physics.pitch_mm)
    area = level[judged].size * BLOCK_PX**2
    chi2: list[float] = []
    suspects: list[Suspect] = []
    worst = np.full_like(level, np.nan)
    for band in band_statistics(restorer, bands, level=float(level.mean()), area_px=area):
        left, alone, expected = (power[judged] for power in residual.powers(band, level, noise_factor=noise or 1.0))
        chi2.append(float(left.sum() / alone.sum()))
        # Windows end where the judged part ends, as the border would leak in.
        local: NDArray[np.float32] = np.asarray(
            gaussian_filter(left, band.window_blocks) / gaussian_filter(expected, band.window_blocks)
        )
        worst[judged] = np.fmax(worst[judged], local)
        suspects += _suspects(band, left, expected, local, judged)
    return Consistency(bands, tuple(chi2), tuple(suspects), residual.grey_rms, residual.power_beyond(x), worst, noise)


def measured_noise(y: NDArray[np.float32], restorer: Restorer) -> float | None:
    """Return the noise power of an image (H, W) in units of what the restorer's physics lets expect, see `noise_of`."""
    grid = PaddedGrid.around((y.shape[0], y.shape[1]))
    grey = block_means(torch.as_tensor(y))
    level = restorer.physics.degradation.noise_level(grey[..., None, None]).astype(np.float32)
    Y = fft(grid.pad(torch.as_tensor(y, device=restorer.device)))
    return noise_of(Y, level, _judged(grid.shape, ((False, False), (False, False)), restorer), restorer, grid)


def _bands(pitch_mm: float) -> tuple[tuple[float, float], ...]:
    """Return the bands at a pixel pitch [lp/mm]."""
    scale = BAND_PITCH_MM / pitch_mm
    nyquist = nyquist_lp_mm(pitch_mm)
    edges = [float(f"{edge * scale:.2g}") for edge in BAND_EDGES_LP_MM]
    return tuple(pairwise([*(edge for edge in edges if edge < nyquist), nyquist]))


def border_px(restorer: Restorer) -> int:
    """Return the width of the border that is not judged [px]: whole blocks, two of them beyond the blur's reach."""
    degradation = restorer.physics.degradation
    side = 16 * _MOST_BORDER_PX
    # The line spread function is the inverse transform of B_1 along an axis, and its sum the blur of a step.
    B_1 = degradation.B_1_at(np.asarray(np.fft.rfftfreq(side, degradation.pitch_mm), np.float64))
    line = np.fft.irfft(B_1, side)
    passed = 0.5 * line[0] + np.concatenate([[0.0], np.cumsum(line[1 : _MOST_BORDER_PX + 1])])
    reach = int(np.argmax(0.5 - passed < _LEAKS)) if (0.5 - passed < _LEAKS).any() else _MOST_BORDER_PX
    blocks = -(-reach // BLOCK_PX) * BLOCK_PX
    return min(_LEAST_BORDER_PX + blocks, _MOST_BORDER_PX)


def _judged(shape: tuple[int, ...], cuts: Cuts, restorer: Restorer) -> Region:
    """Return the blocks that are judged: all but those of the borders."""
    border = border_px(restorer)
    region = []
    for side, ends in zip(shape, cuts, strict=True):
        count = -(-side // BLOCK_PX)
        first, last = (min((CUT_BORDER_PX if cut else border) // BLOCK_PX, count // 4) for cut in ends)
        region.append(slice(first, count - last))
    return region[0], region[1]


def _suspects(
    band: BandStatistics,
    left: NDArray[np.float32],
    expected: NDArray[np.float32],
    local: NDArray[np.float32],
    judged: Region,
) -> list[Suspect]:
    """Return where a band contradicts the measurement: every place, or the worst one if only the whole does."""

    def suspect(place: Any, share: float, blocks: int) -> Suspect:
        y, x = ((int(at) + part.start) * BLOCK_PX + BLOCK_PX // 2 for at, part in zip(place, judged, strict=True))
        return Suspect(band.band_lp_mm, y, x, float(local[place]), share, blocks * BLOCK_PX**2)

    beyond = local > band.local_limit
    if beyond.any():
        # Blocks, not windows: a strong contradiction reaches far in the windows.
        share = float(np.mean(left > band.local_limit * expected))
        regions, count = label(beyond, structure=np.ones((3, 3)))
        peaks = maximum_position(local, regions, range(1, count + 1))
        sizes = np.bincount(regions.ravel(), minlength=count + 1)[1:]
        return [suspect(peak, share, int(size)) for peak, size in zip(peaks, sizes, strict=True)]
    if float(left.sum() / expected.sum()) > band.whole_limit:
        return [suspect(np.unravel_index(int(np.argmax(local)), local.shape), 1.0, 0)]
    return []


class _Residual:
    """What the blurred answer leaves of the measurement, on the padded grid."""

    def __init__(self, Y: Tensor, x: NDArray[np.float32], restorer: Restorer, grid: PaddedGrid) -> None:
        self.grid = grid
        operator = restorer.operator(grid.padded)
        process = operator.process.with_noise_everywhere()
        # Without the axes of batches.
        self.theta, self.Sigma, self.S = process.theta[0, 0], process.Sigma_1[0, 0], operator.S[0, 0]
        self.device = restorer.device
        self.axes = [
            torch.as_tensor(axis, device=self.device) for axis in frequency_axes(grid.padded, restorer.physics.pitch_mm)
        ]
        link = restorer.link_on(grid.padded)
        # Greys between which the curve is fitted: what sharpening adds beyond goes on straight.
        span = link.curve.forward(self._padded(x)).aminmax()
        sharp = link.sharp(self._padded(x))
        # What the link changes of the image, before the blur of the HR detector; the rest goes past it.
        past = self._padded(x).sub_(link.blurred(sharp))
        curved = link.curve.forward(sharp)
        del sharp
        refit_lp_mm = _REFIT_BELOW_LP_MM * BAND_PITCH_MM / restorer.physics.pitch_mm
        low = torch.empty(Y.shape, dtype=torch.bool, device=self.device)
        for rows in strips(low):
            low[rows] = self._frequency(rows) < refit_lp_mm * TRANSITION**0.5
        Past = fft(past)
        del past
        # The fit sees low frequencies only: one transform of the image, and all else on a grid of fewer pixels.
        coarse = _coarser(grid.padded, restorer.physics.pitch_mm)
        bins = _low_part(low, coarse)
        B = torch.exp(-_low_part(self.theta, coarse))
        passed = B if link.mtf_hr is None else B * _low_part(link.mtf_hr, coarse)
        # The measurement shows what lies beyond its edges and the answer does not: that would bend the curve.
        inside = _taper(grid, self.device, coarse)

        def seen(spectrum: Tensor) -> Tensor:
            return fft(ifft(spectrum, coarse).mul_(inside))[bins]

        Y_low = seen(_low_part(Y, coarse) - B * _low_part(Past, coarse))
        Sigma_low = _low_part(self.Sigma, coarse)[bins]
        # An answer of one grey has no curve to fit, and no span to put knots on.
        lowest = float(span.min)
        places = np.linspace(lowest, max(float(span.max), lowest + _LEAST_SPAN), _KNOTS)
        own = refitted(curved, places, Y_low, lambda step: seen(_low_part(fft(step), coarse) * passed), Sigma_low)
        del Y_low
        own, curved = link.blurred(own), link.blurred(curved)
        self.grey_rms = float((own - curved).square_().mean().sqrt())
        self.blurred = fft(curved)
        del curved
        self.blurred[low] = fft(own)[low]
        del own
        self.blurred = self._blurred(self.blurred.add_(Past))
        del Past
        self.left = Y.sub_(self.blurred)

    def _blurred(self, spectrum: Tensor) -> Tensor:
        """Blur a spectrum in place and return it."""
        for rows in strips(spectrum):
            spectrum[rows] *= self._B(rows)
        return spectrum

    def _B(self, rows: Rows) -> Tensor:
        """Return B_1 of some rows; as a whole it would be as large as half the image."""
        return torch.exp(-self.theta[rows])

    def _padded(self, image: NDArray[np.float32]) -> Tensor:
        return self.grid.pad(torch.as_tensor(image, device=self.device))

    def _frequency(self, rows: Rows) -> Tensor:
        return torch.hypot(self.axes[0][rows[1]], self.axes[1])

    def _picture(self, spectrum: Tensor, band_lp_mm: tuple[float, float]) -> Tensor:
        """Return the picture that a band of a spectrum makes."""
        passed = torch.empty_like(spectrum)
        for rows in strips(spectrum):
            passed[rows] = spectrum[rows] * band_gain(self._frequency(rows), band_lp_mm).to(self.S)
        return self.grid.crop(ifft(passed, self.grid.padded))

    def powers(
        self, band: BandStatistics, level: NDArray[np.float32], *, noise_factor: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return what a band shows in every block: power left over, of noise alone, and all that is expected.

        Expected is, beside the noise, a share of the contrast that answer and measurement both show, which materials
        that the link does not know change without anything being wrong in the structure; and of the measurement's
        contrast that share which noise forbids estimates to restore. What one of them shows alone has no excuse, and
        neither has noise beyond what the detectors make: it is no contrast.
        """
        noise = spread(level, band.noise)
        left, blurred = self._picture(self.left, band.band_lp_mm), self._picture(self.blurred, band.band_lp_mm)
        power, contrast = block_means(left.square()), block_means(blurred.square())
        structure = np.maximum(block_means(left.add_(blurred).square_()) - max(noise_factor, 1.0) * noise, 0)
        bent = np.where(level > _DARK, _LINK_TOLERANCE, _LINK_TOLERANCE_DARK) ** 2 * np.minimum(contrast, structure)
        return power, noise, noise + bent + band.withheld * structure

    def power_beyond(self, x: NDArray[np.float32]) -> float:
        """Return the share of the answer's power, its mean aside, where noise exceeds the blurred prior."""
        power = fft(self._padded(x)).abs().square_()
        power[0, 0] = 0
        whole = float(plane_mean(power, self.grid.padded))
        for rows in strips(power):
            power[rows] *= self.S[rows] * self._B(rows).square() < self.Sigma[rows]
        return float(plane_mean(power, self.grid.padded)) / whole if whole else 0.0


def refitted(
    h: Tensor, places: NDArray[np.float64], Y: Tensor, seen: Callable[[Tensor], Tensor], Sigma: Tensor
) -> Tensor:
    """Return a monotone curve of ``h`` such that, blurred, it comes nearest to the measurement.

    The curve is straight between its knots; its rises from knot to knot are found by least squares with none of them
    negative, over spectral bins that are each weighted by their noise.

    Parameters
    ----------
    h : (H, W) tensor
        Linked answer in LR grey, on the padded grid.
    places : (m,) array
        Greys of the knots.
    Y : (n,) complex tensor
        The bins of the measurement's spectrum that count.
    seen : callable
        Returns those bins of what the measurement would show of an image (H, W).
    Sigma : (n,) tensor
        Noise variance of the bins.
    """
    weights = Sigma.rsqrt()
    rows = torch.stack([_real(seen(step) * weights) for step in _steps(h, places)]).double().numpy()
    gram, target = rows @ rows.T, rows @ _real(Y * weights).double().numpy()
    # Cholesky turns the sums over bins back into as many rows as unknowns; the ridge stands in for greys not met.
    root = np.linalg.cholesky(gram + 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    rises, _ = nnls(root.T, np.linalg.solve(root, target))
    curve = torch.zeros_like(h)
    for rise, step in zip(rises, _steps(h, places), strict=True):
        curve.add_(step, alpha=float(rise))
    return curve


def _coarser(shape: tuple[int, int], pitch_mm: float) -> tuple[int, int]:
    """Return the sides of a grid of the same field whose frequencies go up to 1.5 times those of the fit."""
    highest = 1.5 * _REFIT_BELOW_LP_MM * BAND_PITCH_MM / pitch_mm * TRANSITION**0.5
    height, width = (min(side, 2 * math.ceil(highest * side * pitch_mm)) for side in shape)
    return height, width


def _low_part(spectrum: Tensor, coarse: tuple[int, int]) -> Tensor:
    """Return the bins (h, w // 2 + 1) of a half plane (H, W // 2 + 1) that a coarser grid of the same field has."""
    half, columns = coarse[0] // 2, coarse[1] // 2 + 1
    return torch.cat([spectrum[:half, :columns], spectrum[-half:, :columns]])


def _taper(grid: PaddedGrid, device: torch.device, coarse: tuple[int, int]) -> Tensor:
    """Return the weights of pixels of the padded grid, or of a coarser one of the same field.

    They are 1 within, and fall to 0 over the border that is not judged.
    """
    ends = []
    for axis, side in enumerate(grid.shape):
        pixels = torch.arange(coarse[axis], device=device, dtype=torch.float32)
        place = pixels * (grid.padded[axis] / coarse[axis]) - grid.offset[axis] + 0.5
        depth = torch.minimum(place, side - place) / min(_MOST_BORDER_PX, 0.5 * side)
        ends.append(torch.sin(0.5 * math.pi * depth.clamp(0, 1)).square())
    return ends[0][:, None] * ends[1]


def _real(spectrum: Tensor) -> Tensor:
    return torch.view_as_real(spectrum).flatten().cpu()


def _steps(h: Tensor, places: NDArray[np.float64]) -> Iterator[Tensor]:
    """Yield a constant and, for each interval of knots, how far every pixel has climbed it.

    That is 0 to 1, in the first and the last interval beyond.
    """
    yield torch.ones_like(h)
    for low, high in pairwise(places.tolist()):
        least, most = (-math.inf if low == places[0] else 0.0), (math.inf if high == places[-1] else 1.0)
        yield h.sub(low).div_(high - low).clamp_(least, most)
