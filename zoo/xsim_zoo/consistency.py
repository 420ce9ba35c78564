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
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, maximum_position

from xsim.grids import nyquist_lp_mm, radial_frequency
from xsim_zoo.link_refit import refitted
from xsim_zoo.padding import PaddedGrid
from xsim_zoo.process import fft, ifft, plane_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from xsim_zoo.restorer import Restorer

__all__ = ["BAND_EDGES_LP_MM", "Consistency", "Suspect", "check"]

BAND_EDGES_LP_MM = (0.3, 1.0, 2.0, 4.0, 6.0)
"""Edges of the bands [lp/mm]; the last band goes on to the Nyquist frequency."""

_REFIT_BELOW_LP_MM = 2.0
_WINDOW_PX = 8.0
"""Standard deviation of the Gaussian window of the local map [px]."""
_LEAST_GREY = 0.02
"""Below this grey level noise no longer falls: read noise and scatter remain."""
_LINK_TOLERANCE = 0.08
"""Relative error of local contrast that materials unknown to the link may cause."""
_LIMIT = 1.5
_LOCAL_LIMIT = 4.0
_PASSING = 0.05


@dataclass(frozen=True)
class Suspect:
    """Where a restored image contradicts its measurement.

    Parameters
    ----------
    band_lp_mm : (low, high)
        The band [lp/mm].
    y, x : int
        Centre of the window [px].
    chi2 : float
        Local chi2.
    """

    band_lp_mm: tuple[float, float]
    y: int
    x: int
    chi2: float


@dataclass(frozen=True)
class Consistency:
    """The outcome of the check.

    Parameters
    ----------
    band_lp_mm : tuple of (low, high)
        Bands of frequencies [lp/mm].
    chi2 : tuple of float
        chi2 of the whole image in each band.
    suspects : tuple of Suspect
        Places that contradict the measurement, at most one in each band.
    grey_residual : float
        rms by which the image's own grey-level link differs from the weights', in grey.
    power_beyond : float
        Share of the answer's power where less than 5 % of the contrast passed.
    map : (H / 8, W / 8) float32 array
        Largest local chi2 of all bands.
    """

    band_lp_mm: tuple[tuple[float, float], ...]
    chi2: tuple[float, ...]
    suspects: tuple[Suspect, ...]
    grey_residual: float
    power_beyond: float
    map: NDArray[np.float32]

    @property
    def consistent(self) -> bool:
        """Whether nothing accuses the image."""
        return not self.suspects and max(self.chi2) <= _LIMIT

    @property
    def severity(self) -> float:
        """How strongly the check accuses, in units of its limits: above 1 it does."""
        local = max((suspect.chi2 for suspect in self.suspects), default=0.0)
        return max(max(self.chi2) / _LIMIT, local / _LOCAL_LIMIT)

    @property
    def verdict(self) -> str:
        """One line for people."""
        if self.consistent:
            return "consistent with the measurement"
        if self.suspects:
            worst = max(self.suspects, key=lambda suspect: suspect.chi2)
            low, high = worst.band_lp_mm
            return (
                f"not consistent at y {worst.y}, x {worst.x} at {low:g}-{high:g} lp/mm "
                f"(chi2 {worst.chi2:.1f}; 1 or less is expected)"
            )
        accused = [
            f"{low:g}-{high:g} lp/mm (chi2 {chi2:.1f})"
            for (low, high), chi2 in zip(self.band_lp_mm, self.chi2, strict=True)
            if chi2 > _LIMIT
        ]
        return f"not consistent over the whole image at {', '.join(accused)}: the noise or blur is not these detectors'"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, without the map."""
        return {
            "verdict": self.verdict,
            "consistent": self.consistent,
            "band_lp_mm": [list(band) for band in self.band_lp_mm],
            "chi2": list(self.chi2),
            "suspects": [vars(suspect) for suspect in self.suspects],
            "grey_residual": self.grey_residual,
            "power_beyond": self.power_beyond,
        }


def check(y: NDArray[np.float32], x: NDArray[np.float32], restorer: Restorer) -> Consistency:
    """Check a restored image against its measurement.

    Parameters
    ----------
    y, x : (H, W) float32 arrays
        LR image and its restored HR image, linear, open field 1.0.
    restorer : Restorer
        Whose physics lies between them.
    """
    grid = PaddedGrid.around((y.shape[0], y.shape[1]))
    residual = _Residual(y, x, grid, restorer)
    frequency, pitch_mm = residual.frequency, restorer.physics.pitch_mm
    edges = [edge for edge in BAND_EDGES_LP_MM if edge < nyquist_lp_mm(pitch_mm)] + [nyquist_lp_mm(pitch_mm)]
    bands = tuple(pairwise(edges))
    grey = gaussian_filter(y, 3.0).clip(_LEAST_GREY)
    chi2, suspects = [], []
    worst = np.zeros([-(-side // int(_WINDOW_PX)) for side in y.shape], np.float32)
    for low, high in bands:
        inside = (frequency >= low) & (frequency < high)
        whole, local = residual.local_chi2(inside, grey, refit=high <= _REFIT_BELOW_LP_MM)
        chi2.append(whole)
        np.maximum(worst, local[:: int(_WINDOW_PX), :: int(_WINDOW_PX)], out=worst)
        row, column = (int(index) for index in maximum_position(local))
        if local[row, column] > _LOCAL_LIMIT:
            suspects.append(Suspect((low, high), row, column, float(local[row, column])))
    return Consistency(bands, tuple(chi2), tuple(suspects), residual.grey, residual.power_beyond(x), worst)


class _Residual:
    """What the blurred answer leaves of the measurement, on the padded grid."""

    def __init__(self, y: NDArray[np.float32], x: NDArray[np.float32], grid: PaddedGrid, restorer: Restorer) -> None:
        operator = restorer.operator(grid.padded)
        self.grid = grid
        self.Sigma = operator.process.Sigma_1[0, 0]
        self.B = operator.process.B(1.0)[0, 0]
        pitch_mm = restorer.physics.pitch_mm
        self.frequency = torch.as_tensor(
            radial_frequency(grid.padded, pitch_mm), dtype=torch.float32, device=self.B.device
        )
        Y = fft(self._padded(y))
        hr = self._padded(x)
        h = hr if restorer.link is None else restorer.link.forward(hr)
        own = refitted(h, Y, self.B, self.Sigma, self.frequency < _REFIT_BELOW_LP_MM)
        self.grey = float((own - h).square().mean().sqrt())
        self.blurred = {False: self.B * fft(h), True: self.B * fft(own)}
        self.left = {refit: Y - blurred for refit, blurred in self.blurred.items()}

    def _padded(self, image: NDArray[np.float32]) -> Tensor:
        return self.grid.pad(torch.as_tensor(image, device=self.B.device))

    def _band(self, spectrum: Tensor, inside: Tensor) -> NDArray[np.float32]:
        """Return the picture that a band of a spectrum makes, squared."""
        image = self.grid.crop(ifft(spectrum * inside, self.grid.padded))
        return np.asarray(image.square().cpu().numpy(), dtype=np.float32)

    def local_chi2(
        self, inside: Tensor, grey: NDArray[np.float32], *, refit: bool
    ) -> tuple[float, NDArray[np.float32]]:
        """Return chi2 of the whole image in a band, and its map in a Gaussian window.

        The map's expectation holds, beside the noise, a share of the local contrast: materials that the link does
        not know change contrast by a few percent without anything being wrong in the structure.
        """
        noise = float(plane_mean(self.Sigma * inside, self.grid.padded)) * grey
        left = self._band(self.left[refit], inside)
        whole = float(np.mean(left / noise))
        contrast = gaussian_filter(self._band(self.blurred[refit], inside), _WINDOW_PX)
        expected = gaussian_filter(noise, _WINDOW_PX) + _LINK_TOLERANCE**2 * contrast
        return whole, gaussian_filter(left, _WINDOW_PX) / expected

    def power_beyond(self, x: NDArray[np.float32]) -> float:
        """Return the share of the answer's power, its mean aside, where less than 5 % of the contrast passed."""
        power = fft(self._padded(x)).abs().square()
        power[0, 0] = 0
        beyond = plane_mean(power * (self.B < _PASSING), self.grid.padded)
        return float(beyond / plane_mean(power, self.grid.padded))
