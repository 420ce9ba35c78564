"""What lies between two detectors: y = B_1 L(x_0) + noise, as tables over spatial frequency.

The process that leads from one image to the other (`xsim_zoo.process.process`) needs no more than its end point: B_1,
and the noise Sigma_1 that it has added there. The seed paper states its noise by q instead, Sigma_t = q (1 - B_t^2),
which is the same process but diverges at f = 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.curves import RadialCurve, checked_table, quadratic_grid
from xsim.degradation.before_blur import before_blur
from xsim.degradation.link import GreyLink, excess_noise
from xsim.detector.response import DetectorResponse
from xsim.errors import InputError, UnknownNameError, XsimWarning, check_range
from xsim.grids import radial_frequency
from xsim.keywords import names_keywords

__all__ = ["B_1_FLOOR", "Degradation"]

Mode = Literal["calibrated", "paper"]

# Below it a frequency carries no information; theta stays below 7.
B_1_FLOOR: Final = 1e-3
# An LR MTF this far above the HR MTF is no noise of a measurement: the two are swapped.
_SWAPPED: Final = 1.05
# Rows of the table, quadratically spaced: 0.002 lp/mm apart at 0 and 0.5 at the end for a pitch of 0.048 mm.
_ROWS: Final = 128
# The table ends at twice the corner of the pitch's own frequency square, so finer images find values as well.
_END: Final = np.sqrt(2.0)
# Below this grey read noise and scatter remain, and noise no longer falls.
_LEAST_GREY: Final = 0.02
# Least share of the LR noise that is the process's own.
_SIGMA_FLOOR: Final = 1e-3


@names_keywords
@dataclass(frozen=True, eq=False)
class Degradation:
    """What turns an HR image into an LR image, as radial tables.

    Parameters
    ----------
    frequency_lp_mm : (n,) array
        Spatial frequencies [lp/mm] from 0.
    B_1 : (n,) array
        MTF_LR / MTF_HR, at least `B_1_FLOOR`, at most 1.
    Sigma_1_mm2 : (n,) array
        NNPS [mm2] that the process adds, in LR grey, open field.
    pitch_mm : float
        Pixel pitch of both images [mm].
    link : GreyLink
        HR grey -> LR grey.
    mode : {"calibrated", "paper"}
        Sigma_1 such that LR noise results, or the paper's words taken literally.
    excess_noise : float
        c of the noise power g (1 + c (1 - g)) behind objects of LR grey g, relative to the open field's: 0 for
        photons of one energy, about 0.2 for a 70 kV beam that boards harden, slightly below 0 for some soft ones. See
        `noise_level`.
    mtf_hr : (n,) array, optional
        MTF of the HR detector, pixel aperture included; None where it is not known. The process does not need it: it
        says how sharp the images are that the process begins with, and where the link acts.

    Raises
    ------
    InputError
        If a table is not usable.
    """

    frequency_lp_mm: NDArray[np.float64]
    B_1: NDArray[np.float64]
    Sigma_1_mm2: NDArray[np.float64]
    pitch_mm: float
    link: GreyLink = field(default_factory=GreyLink.identity)
    mode: Mode = "calibrated"
    excess_noise: float = 0.0
    mtf_hr: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("B_1", "Sigma_1_mm2", "mtf_hr"):
            if getattr(self, name) is None:
                continue
            frequency, values = checked_table(f"degradation {name}", self.frequency_lp_mm, getattr(self, name))
            object.__setattr__(self, "frequency_lp_mm", frequency)
            object.__setattr__(self, name, values)
        if (self.B_1 <= 0).any() or (self.B_1 > 1).any():
            raise InputError("degradation B_1: holds values outside (0, 1]: clip them")
        check_range("pixel pitch", self.pitch_mm, 1e-3, 2.0, "mm")
        # Where the beam straddles a K edge of the screen a board may even leave pulses that spread less.
        check_range("excess noise", self.excess_noise, -0.5, 1.0)
        if self.mode not in get_args(Mode):
            raise UnknownNameError("degradation mode", self.mode, get_args(Mode))

    @classmethod
    def between(
        cls,
        hr_response: DetectorResponse,
        lr_response: DetectorResponse,
        hr_frames: int = 20,
        link: GreyLink | None = None,
        mode: Mode = "calibrated",
        *,
        lr_frames: int = 1,
    ) -> Degradation:
        """Return the degradation from means of HR frames to means of LR frames of the same object.

        Parameters
        ----------
        hr_response, lr_response : DetectorResponse
            The two detectors; equal pitch.
        hr_frames, lr_frames : int
            Frames averaged in each image.
        link : GreyLink, optional
            HR grey -> LR grey; from physics, over usual board materials, if not given.
        mode : {"calibrated", "paper"}
            ``calibrated``: Sigma_1 = NNPS_LR - B_1^2 NNPS_0, so that the process ends at the LR detector's noise.
            ``paper``: Sigma_1 = NNPS_LR (1 - B_1^2), which has no noise at f = 0.

        Raises
        ------
        InputError
            If the pitches differ, or LR is sharper than HR.

        Warns
        -----
        XsimWarning
            Where B_1 or Sigma_1 had to be clipped, with the frequencies.
        """
        pitch = hr_response.pitch_mm
        if lr_response.pitch_mm != pitch:
            raise InputError(
                f"HR pitch {pitch:g} mm and LR pitch {lr_response.pitch_mm:g} mm differ: resample one image first"
            )
        link = GreyLink.from_physics(hr_response, lr_response) if link is None else link
        frequency = quadratic_grid(_END / pitch, _ROWS)
        mtf_hr = hr_response.mtf(frequency)
        B_1 = _mtf_ratio(hr_response, lr_response, frequency)
        S_lr = _mean_nnps(lr_response, frequency, lr_frames)
        excess = excess_noise(lr_response)
        if mode == "paper":
            # Equation (2) at t = 1 with q = NNPS_LR.
            return cls(frequency, B_1, (1.0 - np.square(B_1)) * S_lr, pitch, link, mode, excess, mtf_hr)
        # HR noise reaches LR grey through the link's slope in the open field, then through the blur.
        S_0 = link.slope(1.0) ** 2 * _mean_nnps(hr_response, frequency, hr_frames)
        Sigma_1 = S_lr - np.square(B_1) * S_0
        low = Sigma_1 < _SIGMA_FLOOR * S_lr
        _warn_clipped("Sigma_1", low, frequency, "HR noise exceeds LR noise there: average more HR frames")
        Sigma_1 = np.where(low, _SIGMA_FLOOR * S_lr, Sigma_1)
        return cls(frequency, B_1, Sigma_1, pitch, link, mode, excess, mtf_hr)

    def noise_level(self, lr_grey: ArrayLike) -> NDArray[np.float64]:
        """Return the noise power (...) of LR images (..., H, W) relative to that of the open field, grey 1.0: Sigma_1.

        Quantum noise falls with the signal, so the mean power spectrum of an image's noise is that of the open field
        times the mean of `local_noise_level` over its pixels.
        """
        return np.asarray(self.local_noise_level(lr_grey).mean(axis=(-2, -1)))

    def local_noise_level(self, lr_grey: ArrayLike) -> NDArray[np.float64]:
        """Return the noise power behind each pixel (..., H, W) of LR images, relative to that of the open field.

        It is g (1 + c (1 - g)), c the excess noise of a hardened beam. Greys are held to [0.02, 1], as in the dark read
        noise and scatter remain.
        """
        grey = np.clip(np.asarray(lr_grey, dtype=np.float64), _LEAST_GREY, 1.0)
        return np.asarray(grey * (1.0 + self.excess_noise * (1.0 - grey)))

    def linked(self, hr: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return an HR image (H, W) in LR grey, L(HR), on its own periodic grid, see `xsim.degradation.before_blur`."""
        return before_blur(hr, self.link.forward, self.mtf_hr_map((hr.shape[0], hr.shape[1])))

    def B_1_map(self, shape: tuple[int, int], pitch_mm: float | None = None) -> NDArray[np.float64]:
        """Return B_1 on the ``rfft2`` grid of an image of any size and pitch, shape (H, W // 2 + 1)."""
        return self.B_1_at(radial_frequency(shape, self.pitch_mm if pitch_mm is None else pitch_mm))

    def B_1_at(self, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return B_1 at frequencies [lp/mm] of any shape."""
        return np.clip(self._curves[0](frequency_lp_mm), B_1_FLOOR, 1.0)

    def Sigma_1_at(self, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Sigma_1 [mm2] at frequencies [lp/mm] of any shape."""
        return np.asarray(self._curves[1](frequency_lp_mm))

    def mtf_hr_map(self, shape: tuple[int, int], pitch_mm: float | None = None) -> NDArray[np.float64] | None:
        """Return the MTF of the HR detector on the ``rfft2`` grid of an image; None where it is not known."""
        if self.mtf_hr is None:
            return None
        frequency = radial_frequency(shape, self.pitch_mm if pitch_mm is None else pitch_mm)
        # Linear, unlike `RadialCurve`, which takes logarithms: a measured MTF may be zero.
        return np.interp(frequency, self.frequency_lp_mm, self.mtf_hr)

    def Sigma_1_map(self, shape: tuple[int, int], pitch_mm: float | None = None) -> NDArray[np.float64]:
        """Return Sigma_1 as variances of orthonormal ``rfft2`` bins (mm2 / pitch^2), shape (H, W // 2 + 1)."""
        pitch = self.pitch_mm if pitch_mm is None else pitch_mm
        return self.Sigma_1_at(radial_frequency(shape, pitch)) / pitch**2

    @cached_property
    def _curves(self) -> tuple[RadialCurve, RadialCurve]:
        return RadialCurve(self.frequency_lp_mm, self.B_1), RadialCurve(self.frequency_lp_mm, self.Sigma_1_mm2)

    def to_dict(self) -> dict[str, Any]:
        """Return the degradation as JSON and TOML types; `from_dict` turns them back."""
        return {
            **{name: getattr(self, name).tolist() for name in ("frequency_lp_mm", "B_1", "Sigma_1_mm2")},
            "pitch_mm": self.pitch_mm,
            "mode": self.mode,
            "excess_noise": self.excess_noise,
            "link": self.link.to_dict(),
            **({} if self.mtf_hr is None else {"mtf_hr": self.mtf_hr.tolist()}),
        }

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> Degradation:
        """Return the degradation that `to_dict` described.

        Raises
        ------
        InputError
            If a key is missing or a table not usable.
        """
        try:
            return cls(
                np.asarray(tables["frequency_lp_mm"], dtype=np.float64),
                np.asarray(tables["B_1"], dtype=np.float64),
                np.asarray(tables["Sigma_1_mm2"], dtype=np.float64),
                float(tables["pitch_mm"]),
                GreyLink.from_dict(tables["link"]) if "link" in tables else GreyLink.identity(),
                tables.get("mode", "calibrated"),
                float(tables.get("excess_noise", 0.0)),
                np.asarray(tables["mtf_hr"], dtype=np.float64) if "mtf_hr" in tables else None,
            )
        except KeyError as error:
            raise InputError(f"degradation: the key {error} is missing: give it") from None


def _mean_nnps(response: DetectorResponse, frequency_lp_mm: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """Return the NNPS [mm2] of a mean of frames: S_stoch * (averaging + gain map) + S_fix."""
    return response.mean_nnps(frequency_lp_mm, frames)


def _mtf_ratio(
    hr_response: DetectorResponse, lr_response: DetectorResponse, frequency_lp_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return B_1 = MTF_LR / MTF_HR, clipped to [floor, 1]; equal apertures cancel, so their zeros do no harm."""
    hr_sensor, lr_sensor = hr_response.sensor, lr_response.sensor
    hr_side, lr_side = hr_sensor.aperture_mm, lr_sensor.aperture_mm
    differ = (hr_side, hr_sensor.binning) != (lr_side, lr_sensor.binning)
    # Up to where both curves are known and the larger photodiode still transmits; beyond, the last ratio goes on.
    end = min(hr_response.screen_mtf.last_lp_mm, lr_response.screen_mtf.last_lp_mm)
    if differ:
        end = min(end, 0.8 / max(hr_side, lr_side))
    usable = np.minimum(frequency_lp_mm, end)
    hr, lr = hr_response.screen_mtf(usable), lr_response.screen_mtf(usable)
    if differ:
        hr, lr = hr * hr_sensor.aperture_mtf(usable), lr * lr_sensor.aperture_mtf(usable)
    ratio = lr / np.maximum(hr, 1e-12)
    known = hr > 0.02
    swapped = known & (ratio > _SWAPPED)
    if swapped.any():
        worst = int(np.argmax(np.where(swapped, ratio, 0.0)))
        raise InputError(
            f"MTF_LR / MTF_HR is {ratio[worst]:.3g} at {frequency_lp_mm[worst]:.3g} lp/mm: "
            "LR must be the blurrier of the two: are they swapped?"
        )
    _warn_clipped("B_1", ratio > 1.0 + 1e-9, frequency_lp_mm, "MTF_LR exceeds MTF_HR there")
    return np.clip(ratio, B_1_FLOOR, 1.0)


def _warn_clipped(what: str, where: NDArray[np.bool_], frequency_lp_mm: NDArray[np.float64], why: str) -> None:
    if where.any():
        first, last = frequency_lp_mm[where][[0, -1]]
        warnings.warn(f"{what} clipped from {first:.3g} to {last:.3g} lp/mm: {why}", XsimWarning, stacklevel=4)
