"""What networks are told about the detectors beside the image, and what of it weights have met in training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.degradation import Degradation
from xsim.degradation.known import pixel_rms
from xsim.degradation.link import GreyLink

__all__ = [
    "CONDITIONS",
    "DETECTOR_CONDITIONS",
    "LINK_CONDITIONS",
    "Met",
    "detector_shape",
    "link_shape",
    "open_field_rms",
]

CONDITIONS: Final = 3
"""Numbers that condition every network: time, noise level, and uncertainty of the Wiener estimate."""

_LINK_GREYS: Final = (0.25, 0.5, 0.75)
"""Greys at which a network is told the link: it is fixed at 0 and 1, and smooth between."""

LINK_CONDITIONS: Final = len(_LINK_GREYS)
"""Numbers more for a network that is told the grey-level link."""

_LINK_UNIT: Final = 0.02
"""Links of two phosphor screens leave the diagonal by about this much."""

_BLUR_AT: Final = (0.1, 0.2, 0.35, 0.5)
"""Where a network is told B_1 [cycles/px]: a detector has no other scale that the network could see, as it works in
pixels. Beyond Nyquist's .5 lie the corners alone; below .1 B_1 is near 1 for all screens that are worth restoring."""

_COLOUR_AT: Final = (0.05, 0.4)
"""Between which frequencies [cycles/px] the noise's colour is told: below .05 flat-field corrections leave residues,
and at .4 the phosphor's share has nearly gone."""

DETECTOR_CONDITIONS: Final = len(_BLUR_AT) + 1
"""Numbers more for a network that is told the detectors: where B_1 falls, and the colour of the noise."""

_SLACK: Final = 0.05
"""Share of what was met by which a range is left before it is said: draws of a recipe end short of its limits."""


def link_shape(link: GreyLink) -> NDArray[np.float64]:
    """Return how far a link leaves the diagonal at three greys, shape (3,), in about unit size."""
    greys = np.array(_LINK_GREYS)
    return np.asarray((link.forward(greys) - greys) / _LINK_UNIT)


def detector_shape(between: Degradation, pitch_mm: float | None = None) -> NDArray[np.float64]:
    """Return where B_1 falls and the colour of the noise, shape (5,), at the pixels of an image.

    The first four are B_1 at .1, .2, .35 and .5 cycles/px, the last is ln of the noise power at .05 cycles/px over that
    at .4: 0 for white noise.

    Parameters
    ----------
    between : Degradation
        What lies between the detectors.
    pitch_mm : float, optional
        Pixel pitch of the image [mm]; the degradation's own if not given.
    """
    pitch = between.pitch_mm if pitch_mm is None else pitch_mm
    low, high = between.Sigma_1_at(np.array(_COLOUR_AT) / pitch)
    return np.array([*between.B_1_at(np.array(_BLUR_AT) / pitch), np.log(low / high)])


def open_field_rms(between: Degradation) -> float:
    """Return the standard deviation of a pixel in the open field that the tables of two detectors let expect."""
    frequency = np.linspace(0.0, np.sqrt(0.5), 65)
    return pixel_rms(frequency, between.Sigma_1_at(frequency / between.pitch_mm) / between.pitch_mm**2)


class Met:
    """Ranges of what weights have met in training.

    Parameters
    ----------
    ranges : mapping of str to pairs of float
        Lowest and highest of each quantity, by its name for people, see `Met.of`.
    """

    def __init__(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        self.ranges = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}

    @classmethod
    def of(cls, setups: Iterable[Degradation]) -> Met:
        """Return the ranges that these pairs of detectors span."""
        rows = [_quantities(between) for between in setups]
        return cls({name: (min(row[name] for row in rows), max(row[name] for row in rows)) for name in rows[0]})

    def outside(self, between: Degradation, *, noise_level: float = 1.0, in_mm: bool = True) -> tuple[str, ...]:
        """Return what was not met of two detectors, in words.

        Parameters
        ----------
        between : Degradation
            What lies between them.
        noise_level : float
            Noise power of the image in units of what its tables say.
        in_mm : bool
            Whether the pitch is one that somebody has said.
        """
        found = _quantities(between, noise_level)
        if not in_mm:
            found.pop(_PITCH)
        said = []
        for name, value in found.items():
            low, high = self.ranges.get(name, (-np.inf, np.inf))
            slack = _SLACK * max(abs(low), abs(high)) if np.isfinite([low, high]).all() else 0.0
            if not low - slack <= value <= high + slack:
                said.append(f"{name} {value:.3g} (met: {low:.3g} to {high:.3g})")
        return tuple(said)

    def to_dict(self) -> dict[str, list[float]]:
        """Return JSON types."""
        return {name: list(pair) for name, pair in self.ranges.items()}

    @classmethod
    def from_dict(cls, data: Any) -> Met:
        """Build from what `to_dict` returned.

        Raises
        ------
        TypeError, ValueError
            If it did not.
        """
        return cls({str(name): (float(low), float(high)) for name, (low, high) in dict(data).items()})


_PITCH: Final = "pixel pitch [mm]"


def _quantities(between: Degradation, noise_level: float = 1.0) -> dict[str, float]:
    """Return what is kept of two detectors, by name."""
    *blur, colour = detector_shape(between)
    return {
        _PITCH: between.pitch_mm,
        **{f"B_1 at {at:g} cycles/px": float(value) for at, value in zip(_BLUR_AT, blur, strict=True)},
        "noise of the open field [%]": 100 * open_field_rms(between) * float(np.sqrt(noise_level)),
        "noise colour": float(colour),
    }
