"""From grey levels to linear images whose open field is 1.0, given or found, and back onto the file's own scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, check_range

__all__ = [
    "POLARITIES",
    "Density",
    "Polarity",
    "Scale",
    "exposure_of_log",
    "find_open_field",
    "scale_of",
    "white_level",
]

Polarity = Literal["metal-dark", "metal-bright"]
POLARITIES: tuple[Polarity, ...] = ("metal-dark", "metal-bright")

# Pixels that are converted at a time: float64 needs 8 MB for them, whatever the size of the image.
_PART_PX = 2**20
# Depths of the converters of detectors.
_USUAL_BITS = (8, 10, 12, 14, 16)

_LEAST_EXPOSURE = 1e-6
"""Share of the open field below which an exposure is written as this: zero has no logarithm."""

_BLOCK_PX = 8
"""Side of the blocks whose means are compared: 64 pixels put a hot one and most of the noise aside."""
_PLATEAU = 0.95
"""Share of the brightest level from which on a block counts as the open field."""
_FLAT = 0.01
"""Relative spread that shading may cause where nothing stands in the beam."""
_MEAN_NOISE = 0.45
"""Noise of a block's mean over that of its pixels; noise of thick screens is correlated, so it is not 1 / 8."""
_NOISE_BLOCKS = 2**16
"""Blocks that the noise is taken from, at most: enough for a quantile, and large images take no longer."""


@dataclass(frozen=True)
class Scale:
    """What grey levels mean.

    Where metal is dark the signal *is* the grey level. Where metal is bright a program has subtracted it from the
    white level, as flat panels of linear accelerators do: signal = white - grey. A file's own scale may put no signal
    at another level than 0: signal = grey - black. Either way the linear image is signal / open-field signal, and the
    way back is the same steps in reverse.

    Parameters
    ----------
    open_field : float
        Grey level, as in the file, of what the beam reached through air.
    polarity : str
        "metal-dark" or "metal-bright".
    white : float
        Grey level of no signal at all where metal is bright; without meaning where it is dark.
    open_field_seen : bool
        Whether the open field was given or found; else the brightest part of the image stands for it.
    polarity_seen : bool
        Whether the polarity was given, said by the file or recognised; else it is a guess.
    black : float
        Grey level of no signal where metal is dark; without meaning where it is bright.
    doubts : tuple of str
        Why the grey levels may not be linear, as the file says or the image shows.
    per_decade : float, optional
        Grey levels for a tenfold exposure, where grey levels follow its logarithm, as densities do: rising with it
        where metal is dark, falling where it is bright. None where they are linear.
    """

    open_field: float
    polarity: Polarity = "metal-dark"
    white: float = 0.0
    open_field_seen: bool = True
    polarity_seen: bool = True
    black: float = 0.0
    doubts: tuple[str, ...] = ()
    per_decade: float | None = None

    def __post_init__(self) -> None:
        if self.polarity not in POLARITIES:
            raise InputError(f"polarity '{self.polarity}' is unknown: give {' or '.join(POLARITIES)}")
        if self.per_decade is not None:
            if not (np.isfinite(self.per_decade) and self.per_decade > 0 and np.isfinite(self.open_field)):
                raise InputError(f"{self.per_decade:g} grey levels for a tenfold exposure: give a number above 0")
            return
        signal = self.open_signal
        if not (np.isfinite(signal) and signal > 0):
            below = f" below white ({self.white:g})" if self.polarity == "metal-bright" else f" above {self.black:g}"
            raise InputError(f"an open-field level of {self.open_field:g} leaves no signal: give one{below}")

    @property
    def open_signal(self) -> float:
        """Signal of the open field, in grey levels; 1 where they are logarithmic."""
        if self.per_decade is not None:
            return 1.0
        return self.white - self.open_field if self.polarity == "metal-bright" else self.open_field - self.black

    def linear(self, grey: NDArray[Any]) -> NDArray[np.float32]:
        """Return the linear image, open field 1.0, of grey levels."""
        linear = np.empty(grey.shape, np.float32)
        # Some rows at a time, as float64 takes four times the memory of the file.
        for rows in _rows(grey):
            if self.per_decade is not None:
                factor = self.per_decade / np.log(10)
                linear[rows] = exposure_of_log(grey[rows], factor, self.open_field, polarity=self.polarity)
            elif self.polarity == "metal-bright":
                linear[rows] = (self.white - grey[rows].astype(np.float64)) / self.open_signal
            elif self.black:
                linear[rows] = (grey[rows].astype(np.float64) - self.black) / self.open_signal
            else:
                linear[rows] = grey[rows] * np.float64(1 / self.open_signal)
        return linear

    def grey(self, linear: NDArray[np.floating], dtype: np.dtype[Any], white: float | None) -> tuple[NDArray[Any], int]:
        """Return linear values as grey levels of a file, and how many had to be clipped.

        Parameters
        ----------
        linear : array
            Linear image, open field 1.0.
        dtype : dtype
            Type of the file's grey levels.
        white : float, optional
            Highest grey level of the file; None for floating point, which is never clipped.
        """
        grey = np.empty(linear.shape, dtype)
        clipped = 0
        low, high = -np.inf, np.inf
        if dtype.kind != "f":
            low, limit = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
            high = limit if white is None else min(white, limit)
        for rows in _rows(linear):
            levels = linear[rows].astype(np.float64) * self.open_signal
            if self.per_decade is not None:
                rise = self.per_decade * np.log10(np.maximum(levels, _LEAST_EXPOSURE))
                levels = self.open_field + (rise if self.polarity == "metal-dark" else -rise)
            elif self.polarity == "metal-bright":
                levels = self.white - levels
            elif self.black:
                levels += self.black
            if dtype.kind != "f":
                np.rint(levels, out=levels)
                clipped += int(np.count_nonzero((levels < low) | (levels > high)))
            grey[rows] = np.clip(levels, low, high)
        return grey, clipped


@dataclass(frozen=True)
class Density:
    """Grey levels that are proportional to an optical density: of a film, or one that the object adds.

    Parameters
    ----------
    at_white : float
        Optical density at the file's white level; at grey level 1 of floating point.
    polarity : str, optional
        "metal-bright" where the object adds density, "metal-dark" for a film, which the beam blackens.
    film_gradient : float, optional
        Density that a tenfold exposure adds to a film. A density that the object adds needs none: a tenfold exposure
        takes away 1.

    Raises
    ------
    InputError
        If too little is said: each guess would be wrong for some films.
    """

    at_white: float
    polarity: Polarity | None
    film_gradient: float | None = None

    def __post_init__(self) -> None:
        check_range("density at white", self.at_white, 1e-3, 100)
        if self.polarity is None:
            raise InputError(
                "--scale density needs --polarity: metal-bright where the object adds density, metal-dark for a film, "
                "which the beam blackens"
            )
        if self.polarity == "metal-dark" and self.film_gradient is None:
            raise InputError(
                "a film needs --film-gradient, the density that a tenfold exposure adds (2 to 3 with fluorescent "
                "screens); without them, and with lead screens, density is proportional to exposure: --scale linear"
            )
        if self.polarity == "metal-bright" and self.film_gradient is not None:
            raise InputError("--film-gradient is of films, whose metal is dark: leave it out with metal-bright")
        if self.film_gradient is not None:
            check_range("film gradient", self.film_gradient, 0.1, 20)

    @classmethod
    def told(
        cls, scale: str, at_white: float | None, polarity: Polarity | None, film_gradient: float | None
    ) -> Density | None:
        """Return what options say of grey levels; None where they are linear.

        Raises
        ------
        InputError
            If they contradict each other, or say too little.
        """
        if scale == "linear":
            if at_white is not None or film_gradient is not None:
                raise InputError("--density-white and --film-gradient are of --scale density: give that as well")
            return None
        if at_white is None:
            raise InputError("--scale density needs --density-white, the optical density at the file's white level")
        return cls(at_white, polarity, film_gradient)

    def per_decade(self, white: float | None) -> float:
        """Return the grey levels for a tenfold exposure in a file of a white level."""
        return (self.film_gradient or 1.0) * (1.0 if white is None else white) / self.at_white

    def exposure(self, grey: NDArray[Any], white: float | None) -> NDArray[np.float64]:
        """Return the exposure behind grey levels, on one scale for all files of a white level.

        It is 1 at the file's white level for a film, and where an object adds no density.
        """
        assert self.polarity is not None
        one = 0.0 if self.polarity == "metal-bright" else 1.0 if white is None else white
        return exposure_of_log(grey, self.per_decade(white) / float(np.log(10.0)), one, polarity=self.polarity)

    def __str__(self) -> str:
        law = "object adds density" if self.film_gradient is None else f"film of gradient {self.film_gradient:g}"
        return f"grey levels are optical densities, {self.at_white:g} at white: {law}"


def _rows(image: NDArray[Any]) -> Iterator[tuple[EllipsisType, slice, slice]]:
    """Yield indices of about a megapixel each that together cover an image (..., H, W)."""
    height = image.shape[-2]
    count = max(1, _PART_PX * height // image.size)
    for first in range(0, height, count):
        yield ..., slice(first, first + count), slice(None)


def exposure_of_log(
    grey: NDArray[Any], log_factor: float, air: float, *, polarity: Polarity = "metal-bright"
) -> NDArray[np.float64]:
    """Return the exposure behind the grey levels of a logarithmic image, 1.0 where the grey level is that of air.

    Where metal is bright the file holds an attenuation, ``exposure = exp(-(grey - air) / log_factor)``; where it is
    dark, ``exposure = exp((grey - air) / log_factor)``.

    Parameters
    ----------
    grey : array
        Grey levels, black low.
    log_factor : float
        Grey levels for a change of the exposure by the factor e.
    air : float
        Grey level of the open field.
    polarity : str
        "metal-dark" or "metal-bright".

    Raises
    ------
    InputError
        If the exposure leaves the range of floating point.
    """
    sign = -1.0 if polarity == "metal-bright" else 1.0
    with np.errstate(over="ignore"):
        exposure = np.asarray(np.exp(sign * (grey.astype(np.float64) - air) / log_factor))
    if not np.isfinite(exposure).all():
        raise InputError(
            f"a log factor of {log_factor:g} makes grey levels of {grey.min():g} to {grey.max():g} exposures without "
            "end: give the grey levels per factor e of the exposure"
        )
    return exposure


def white_level(pixels: NDArray[Any], white: float | None) -> float:
    """Return the grey level of no signal for images whose metal is bright.

    A file of 16 bits may hold 12: then the white level is that of the fewest usual bits that hold every pixel.
    Floating point has none; its brightest pixel stands for it.
    """
    top = float(pixels.max())
    if white is None:
        return top
    fitting = [float(2**bits - 1) for bits in _USUAL_BITS if top <= 2**bits - 1 <= white]
    return min(fitting, default=white)


def scale_of(
    pixels: NDArray[Any],
    white: float | None,
    *,
    polarity: Polarity = "metal-dark",
    open_field: float | None = None,
    white_grey: float | None = None,
    per_decade: float | None = None,
) -> Scale:
    """Return the scale of an image: what is given, and estimates of the rest.

    Parameters
    ----------
    pixels : (H, W) or (pages, H, W) array
        Grey levels, black low; several pages share one scale.
    white : float, optional
        Highest grey level that the file can hold.
    polarity : str
        "metal-dark" or "metal-bright".
    open_field : float, optional
        Grey level of the open field, as in the file.
    white_grey : float, optional
        Grey level of no signal; estimated for metal-bright, 0 for metal-dark if not given.
    per_decade : float, optional
        Grey levels for a tenfold exposure, see `Scale`.
    """
    bright = polarity == "metal-bright"
    if per_decade is not None and open_field is None:
        # The brightest pixel stands for air until the open field is found.
        air = float(pixels.min() if bright else pixels.max())
        image = pixels.reshape(-1, pixels.shape[-1])
        level, seen = find_open_field(Scale(air, polarity, per_decade=per_decade).linear(image))
        rise = per_decade * float(np.log10(level))
        return Scale(air + (-rise if bright else rise), polarity, 0.0, seen, per_decade=per_decade)
    if per_decade is not None:
        return Scale(float(open_field or 0.0), polarity, per_decade=per_decade)
    zero = white_grey if white_grey is not None else white_level(pixels, white) if bright else 0.0
    seen = True
    if open_field is None:
        image = pixels if pixels.ndim == 2 else pixels.reshape(-1, pixels.shape[-1])
        grey = image.astype(np.float32)
        signal, seen = find_open_field(zero - grey if bright else grey - zero if zero else grey)
        open_field = zero - signal if bright else zero + signal
    if bright:
        return Scale(float(open_field), polarity, float(zero), seen)
    return Scale(float(open_field), polarity, 0.0, seen, black=float(zero))


def find_open_field(signal: NDArray[np.floating]) -> tuple[float, bool]:
    """Return the open-field signal of an image (H, W), and whether it is flat; else its brightest part stands for it.

    Means of 8 x 8 pixels put hot pixels and noise aside; of those within 5 % of the brightest (their 99.5th
    percentile) the median is the answer. It is flat if neither their spread nor the way up to the brightest exceeds
    what noise does to such means; the noise is that of the quietest blocks of the image, scaled as quantum noise.
    The bare laminate of a board that fills the field can be as flat.

    Raises
    ------
    InputError
        If there is no signal.
    """
    # What is left over at the end of the image is dropped.
    height, width = signal.shape
    rows, columns = max(height // _BLOCK_PX, 1), max(width // _BLOCK_PX, 1)
    high, wide = min(height, _BLOCK_PX), min(width, _BLOCK_PX)
    blocks = signal[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    means = blocks.mean(axis=(1, 3), dtype=np.float64)
    brightest = float(np.quantile(means, 0.995))
    if not brightest > 0:
        raise InputError("no part of the image is brighter than zero: check --polarity, or give --open-field")
    plateau = means[means >= _PLATEAU * brightest]
    level = float(np.median(plateau))
    # 1.48 median absolute deviations are a standard deviation where outliers are few.
    spread = 1.48 * float(np.median(np.abs(plateau - level))) / level
    limit = max(_FLAT, _MEAN_NOISE * _noise(blocks, level))
    return level, spread <= limit and brightest / level - 1 <= limit


def _noise(blocks: NDArray[Any], level: float) -> float:
    """Return the relative noise of a pixel at a level, from the quietest blocks of the image."""
    step = max(1, round((blocks.shape[0] * blocks.shape[2] / _NOISE_BLOCKS) ** 0.5))
    some = blocks[::step, :, ::step].astype(np.float64)
    # Quantum noise grows with the square root of the signal; in the dark other noise remains.
    expected = np.sqrt(np.maximum(some.mean(axis=(1, 3)), 0.05 * level) * level)
    return float(np.quantile(some.std(axis=(1, 3)) / expected, 0.05))
