"""Is a restored image consistent with the measurement? A check that needs no sharp image.

The answer is linked to LR grey and blurred again; what is left of the measurement should be noise of the known
spectrum. In a band of frequencies chi2 = <|Y - B_1 H|^2> / <Sigma_1 v>, with v the local grey level, as quantum noise
falls with the signal. It is 1 for samples of the posterior and below 1 for estimates, which follow the noise a
little: only values above 1 accuse. Below 2 lp/mm the link is fitted anew to the image, as its error there depends on
the materials: the check proves structure, not grey level, and the residual of the grey levels stands apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from xsim.grids import nyquist_lp_mm, radial_frequency
from xsim_zoo.link_refit import refitted
from xsim_zoo.padding import PaddedGrid
from xsim_zoo.process import fft, ifft, plane_mean
from xsim_zoo.verdict import BLOCK_PX, Consistency, Suspect

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from xsim_zoo.restorer import Restorer

__all__ = ["BAND_EDGES_LP_MM", "check"]

BAND_EDGES_LP_MM = (0.3, 1.0, 2.0, 4.0, 6.0)
"""Edges of the bands [lp/mm]; the last band goes on to the Nyquist frequency."""

_REFIT_BELOW_LP_MM = 2.0
_BORDER_PX = 24
"""What lies beyond the edge blurs into this border; it is not judged [px]."""
_CUT_BORDER_PX = 96
"""Where a block was cut from a larger image its neighbour judges what lies in this border [px]."""
_LEAST_GREY = 0.02
"""Below this grey level noise no longer falls: read noise and scatter remain."""
_LINK_TOLERANCE = 0.05
"""Relative error of local contrast that materials unknown to the link may cause."""
_LIMIT = 1.5
"""chi2 of a whole image above which it is accused; behind boards the noise is 1.1 to 1.4 times the open field's."""
_LOCAL_LIMITS = (3.0, 3.0, 7.0, 12.0, 4.0)
"""Local chi2 that accuses, for each band: above all that untouched restorations of simulated boards show. Narrow
bands have few degrees of freedom, and at 4 to 6 lp/mm estimates leave some of the sharpest edges unexplained."""


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
    judged = _judged(y.shape, cuts)
    grid = PaddedGrid.around((y.shape[0], y.shape[1]))
    residual = _Residual(y, x, grid, restorer)
    nyquist = nyquist_lp_mm(restorer.physics.pitch_mm)
    edges = [edge for edge in BAND_EDGES_LP_MM if edge < nyquist] + [nyquist]
    bands = tuple(pairwise(edges))
    outcomes = [
        residual.chi2(
            (residual.frequency >= low) & (residual.frequency < high), judged, refit=high <= _REFIT_BELOW_LP_MM
        )
        for low, high in bands
    ]
    suspects = [
        suspect
        for band, outcome, limit in zip(bands, outcomes, _LOCAL_LIMITS, strict=False)
        if (suspect := _suspect(band, outcome, judged, limit)) is not None
    ]
    worst = np.zeros_like(outcomes[0].local)
    worst[judged] = np.max([outcome.local[judged] for outcome in outcomes], axis=0)
    return Consistency(
        bands,
        tuple(outcome.whole for outcome in outcomes),
        tuple(suspects),
        residual.grey_rms,
        residual.power_beyond(x),
        worst,
    )


@dataclass(frozen=True)
class _Outcome:
    """chi2 of one band: of the whole image with its standard error, and of every window."""

    whole: float
    error: float
    local: NDArray[np.float32]


def _judged(shape: tuple[int, ...], cuts: Cuts) -> Region:
    """Return the blocks that are judged: all but those of the borders."""
    region = []
    for side, ends in zip(shape, cuts, strict=True):
        count = -(-side // BLOCK_PX)
        first, last = (min((_CUT_BORDER_PX if cut else _BORDER_PX) // BLOCK_PX, count // 4) for cut in ends)
        region.append(slice(first, count - last))
    return region[0], region[1]


def _suspect(band: tuple[float, float], outcome: _Outcome, judged: Region, limit: float) -> Suspect | None:
    """Return where a band accuses most; None where it accuses nothing."""
    inner = outcome.local[judged]
    row, column = np.unravel_index(int(np.argmax(inner)), inner.shape)
    highest = float(inner[row, column])
    everywhere = outcome.whole > _LIMIT + 4 * outcome.error
    if highest <= limit and not everywhere:
        return None
    y, x = ((int(at) + part.start) * BLOCK_PX + BLOCK_PX // 2 for at, part in zip((row, column), judged, strict=True))
    return Suspect(band, y, x, highest, 1.0 if highest <= limit else float(np.mean(inner > limit)))


def _blocks(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of blocks; the last row and column of blocks may be smaller."""
    starts = [np.arange(0, side, BLOCK_PX) for side in image.shape]
    sums = np.add.reduceat(np.add.reduceat(image, starts[0], axis=0), starts[1], axis=1)
    sizes = [np.minimum(BLOCK_PX, side - start) for side, start in zip(image.shape, starts, strict=True)]
    return np.asarray(sums / np.outer(*sizes), dtype=np.float32)


class _Residual:
    """What the blurred answer leaves of the measurement, on the padded grid."""

    def __init__(self, y: NDArray[np.float32], x: NDArray[np.float32], grid: PaddedGrid, restorer: Restorer) -> None:
        operator = restorer.operator(grid.padded)
        self.grid = grid
        self.Sigma = operator.process.Sigma_1[0, 0]
        self.B = operator.process.B(1.0)[0, 0]
        self.S = operator.S[0, 0]
        pitch_mm = restorer.physics.pitch_mm
        self.frequency = torch.as_tensor(
            radial_frequency(grid.padded, pitch_mm), dtype=torch.float32, device=self.B.device
        )
        Y = fft(self._padded(y))
        hr = self._padded(x)
        h = hr if restorer.link is None else restorer.link.forward(hr)
        own = refitted(h, Y, self.B, self.Sigma, self.frequency < _REFIT_BELOW_LP_MM)
        self.grey_rms = float((own - h).square().mean().sqrt())
        self.grey = _blocks(np.maximum(y, _LEAST_GREY))
        self.blurred = {False: self.B * fft(h), True: self.B * fft(own)}
        self.left = {refit: Y - blurred for refit, blurred in self.blurred.items()}

    def _padded(self, image: NDArray[np.float32]) -> Tensor:
        return self.grid.pad(torch.as_tensor(image, device=self.B.device))

    def _power(self, spectrum: Tensor, inside: Tensor) -> NDArray[np.float32]:
        """Return the mean square, block by block, of the picture that a band of a spectrum makes."""
        image = self.grid.crop(ifft(spectrum * inside, self.grid.padded))
        return _blocks(image.square().cpu().numpy())

    def chi2(self, inside: Tensor, judged: Region, *, refit: bool) -> _Outcome:
        """Return chi2 of a band, over the judged blocks.

        The map's expectation holds, beside the noise, a share of the local contrast: materials that the link does
        not know change contrast by a few percent without anything being wrong in the structure.
        """
        noise = float(plane_mean(self.Sigma * inside, self.grid.padded)) * self.grey
        left = self._power(self.left[refit], inside)
        contrast = self._power(self.blurred[refit], inside)
        expected = gaussian_filter(noise + _LINK_TOLERANCE**2 * contrast, 1.0)
        freedom = float(plane_mean(inside.to(self.Sigma), self.grid.padded)) * left[judged].size * BLOCK_PX**2
        return _Outcome(
            whole=float(left[judged].sum() / noise[judged].sum()),
            error=float(np.sqrt(2 / max(freedom, 1.0))),
            local=np.asarray(gaussian_filter(left, 1.0) / expected, dtype=np.float32),
        )

    def power_beyond(self, x: NDArray[np.float32]) -> float:
        """Return the share of the answer's power, its mean aside, where noise exceeds the blurred prior."""
        power = fft(self._padded(x)).abs().square()
        power[0, 0] = 0
        beyond = plane_mean(power * (self.S * self.B.square() < self.Sigma), self.grid.padded)
        return float(beyond / plane_mean(power, self.grid.padded))
