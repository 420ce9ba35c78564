"""Is a restored image consistent with the measurement? A check that needs no sharp image.

The answer is linked to LR grey and blurred again; what is left of the measurement should be noise of the known
spectrum. In a band of frequencies chi2 = <|Y - B_1 H|^2> / <Sigma_1 v>, with v the local grey level, as quantum noise
falls with the signal. It is 1 for samples of the posterior and below 1 for estimates, which follow the noise a
little: only values above 1 accuse. Below 2 lp/mm the link is fitted anew to the image, as its error there depends on
the materials: the check proves structure, not grey level, and the residual of the grey levels stands apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

from xsim.grids import nyquist_lp_mm, radial_frequency
from xsim_zoo.padding import PaddedGrid
from xsim_zoo.process import fft, ifft, plane_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from xsim_zoo.restorer import Restorer

__all__ = ["BANDS_LP_MM", "Consistency", "Suspect", "check"]

BANDS_LP_MM = (0.3, 1.0, 2.0, 4.0, 6.0)
"""Edges of the bands [lp/mm]; the last one goes on to the Nyquist frequency."""
