"""Measured curves of a detector, and how they stand in for modelled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from xsim.curves import RadialCurve, checked_table, quadratic_grid
from xsim.errors import InputError, check_range
from xsim.grids import nyquist_lp_mm

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from xsim.detector.sensor import Sensor

__all__ = ["KERMA_RANGE_UGY", "Measured"]

KERMA_RANGE_UGY: Final = (1e-6, 1e9)
_ROWS: Final = 96


@dataclass(frozen=True)
class Measured:
    """Measured curves of a detector.

    Parameters
    ----------
    mtf_frequency_lp_mm, mtf : tuples of float
        Presampled MTF, aperture included.
    nnps_frequency_lp_mm, nnps_mm2 : tuples of float
        Digital NNPS of one open-field frame.
    kerma_uGy : float
        Air kerma at which the NNPS was measured [uGy].
    signal_electrons : float or None
        Mean open-field signal then [electrons], if known.
    """

    mtf_frequency_lp_mm: tuple[float, ...]
    mtf: tuple[float, ...]
    nnps_frequency_lp_mm: tuple[float, ...]
    nnps_mm2: tuple[float, ...]
    kerma_uGy: float
    signal_electrons: float | None = None

    def __post_init__(self) -> None:
        _, mtf = checked_table("measured MTF", self.mtf_frequency_lp_mm, self.mtf)
        if not mtf[0] > 0:
            raise InputError("measured MTF: starts at 0: give one that starts above, near 1")
        checked_table("measured NNPS", self.nnps_frequency_lp_mm, self.nnps_mm2)
        check_range("kerma of the measured NNPS", self.kerma_uGy, *KERMA_RANGE_UGY, "uGy")

    @classmethod
    def from_tables(
        cls,
        mtf: tuple[ArrayLike, ArrayLike],
        nnps: tuple[ArrayLike, ArrayLike],
        kerma_uGy: float,
        signal_electrons: float | None = None,
    ) -> Measured:
        """Return the curves of measured tables; the MTF is made 1 at f = 0.

        Parameters
        ----------
        mtf : tuple of array_like
            Frequency [lp/mm] and MTF.
        nnps : tuple of array_like
            Frequency [lp/mm] and NNPS [mm2].
        kerma_uGy : float
            Air kerma at which the NNPS was measured [uGy].
        signal_electrons : float, optional
            Mean signal of a pixel at that kerma [electrons], where it is known.

        Raises
        ------
        InputError
            If a table is not usable.
        """
        frequency, values = checked_table("measured MTF", *mtf)
        if frequency[0] > 0:
            frequency, values = np.append(0.0, frequency), np.append(1.0, values)
        elif values[0] > 0:
            values = values / values[0]
        nnps_frequency, nnps_mm2 = checked_table("measured NNPS", *nnps)
        return cls(
            tuple(frequency.tolist()),
            tuple(values.tolist()),
            tuple(nnps_frequency.tolist()),
            tuple(nnps_mm2.tolist()),
            float(kerma_uGy),
            signal_electrons,
        )

    def curves(self, sensor: Sensor, kerma_uGy: float, signal_electrons: float) -> tuple[RadialCurve, RadialCurve]:
        """Return screen MTF and quantum NNPS that give the measured curves back once pixel and electronics are added.

        Up to Nyquist only: beyond, the aperture's zero would amplify what is noise in a measured curve.

        Parameters
        ----------
        sensor : Sensor
            Aperture and electronic noise to take out.
        kerma_uGy : float
            Air kerma that the NNPS is wanted at [uGy].
        signal_electrons : float
            Mean open-field signal there [electrons].
        """
        nyquist = nyquist_lp_mm(sensor.pitch_mm)
        frequency = quadratic_grid(nyquist, _ROWS)
        aperture = np.sinc(sensor.aperture_mm * frequency)
        mtf = RadialCurve(self.mtf_frequency_lp_mm, self.mtf)(frequency)
        dose = self.kerma_uGy / kerma_uGy
        total = RadialCurve(self.nnps_frequency_lp_mm, self.nnps_mm2)(frequency) * dose
        white = (signal_electrons + sensor.electronic_variance_e2) * (sensor.pitch_mm / signal_electrons) ** 2
        # A small floor keeps the curve positive where electronics alone explain the measured noise.
        quantum = np.maximum(total - white, 1e-3 * total) / np.square(aperture)
        return RadialCurve(frequency, mtf / aperture), RadialCurve(frequency, quantum)
