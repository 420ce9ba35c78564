"""Whether metal is dark or bright in a radiograph: what was given, what its file says, what its noise and levels show.

Photons are counted: where more of them arrive, noise is stronger. So grey levels whose noise grows with them have dark
metal, and those whose noise shrinks have bright metal, whatever the object is. The tail of the histogram alone decides
nothing: parts of metal stand out of laminate to one side, and a strip of air beside a board to the other. It supports
noise that changes little, and doubts noise that changes much where no open field is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim_datasets.images.radiograph import Radiograph
from xsim_datasets.images.scale import Polarity, find_open_field, white_level

__all__ = ["Evidence", "Polarised", "check_open_field", "polarised", "seen_in"]

_BLOCK_PX = 8
"""Side of the blocks whose mean and noise are compared [px], as those of the open field."""
_MOST_BLOCKS = 2**13
"""Blocks looked at: a quantile of them is good to a percent, and large images take no longer (0.1 s)."""
_FEWEST_BLOCKS = 24
"""Blocks of one range of levels from which its noise is told: a tenth of them are still two."""
_LEVELS = 8
"""Ranges of grey levels that are compared."""
_ALIVE = 0.3
"""Variance in grey levels squared from which on it is noise: rounding alone makes 1/12, and not everywhere."""
_EVEN = 2.0
"""Most that a range's variances at 30 % may exceed those at 10 %: noise makes 1.2 to 1.9, structure 2 to 4."""
_ALIKE = 3.0
"""Most that the share of coarse variance may differ between ranges: noise of one image has about one spectrum, that of
electronics in the dark is the finest, and structure has one that is four to twenty times as coarse."""
_CLEARLY = 2
"""How `Evidence.noise` says that it grows or shrinks by much."""
_CHANGE, _SLIGHT = 1.5, 1.2
"""Factor between the noise of the darkest and brightest ranges from which on it grows or shrinks clearly, and slightly:
of laminate and thin copper little more is to be had, and the noise itself is known to some percent."""
_BENT = 0.25
"""Least way up that noise has gone in the middle between its ends: .5 if it grows like photons, .25 with the square of
the signal, as fixed patterns do; less is logarithmic or processed."""
_STEEP = 2.5
"""Highest power of the signal that noise goes with: 1 of photons, 2 of fixed patterns, more where no signal is not
where it is taken to be, as of logarithms, or of offsets that nobody subtracted."""
_TAIL = 0.3
"""Skewness from which on a histogram has a tail to one side: (high + low - 2 median) / (high - low)."""
_MOST_TRANSMITTED, _LEAST_TRANSMITTED = 2.0, 0.01
"""Share of a given open field that the brightest part of an image may have: scatter and glare add some, and where not
a hundredth comes through anywhere, the level was read off another image."""
_SATURATED, _OVEREXPOSED = 1e-3, 4.0
"""Share of saturated pixels from which on the open field may lie above what the file can hold, and how far."""
_ENDS = (0.005, 0.995)
"""Quantiles that stand for the lowest and highest grey level: hot pixels are outside."""


@dataclass(frozen=True)
class Evidence:
    """What the pixels show of polarity.

    Parameters
    ----------
    noise : int
        1 where noise grows with the grey level, -1 where it shrinks, 0 where neither can be told; 2 and -2 where it
        does so clearly.
    tail : int
        1 where the histogram has its tail to the dark side, as of dark metal, -1 to the bright side, 0 to neither.
    bent : bool
        Whether noise changes with the grey level in another way than photons make it.
    open_field : bool
        Whether a flat open field is where the noise is strongest; looked for where the tail is against the noise.
    """

    noise: int = 0
    tail: int = 0
    bent: bool = False
    open_field: bool = False

    @property
    def polarity(self) -> Polarity | None:
        """What the pixels show; None where they do not, or contradict each other."""
        against = self.tail * self.noise < 0
        clearly = abs(self.noise) == _CLEARLY and (not against or self.open_field)
        if not clearly and not self.tail * self.noise > 0:
            return None
        return "metal-dark" if self.noise > 0 else "metal-bright"

    @property
    def reason(self) -> str:
        """Why, or why not."""
        side = "dark" if self.tail > 0 else "bright"
        if self.noise:
            said = f"noise {'grows' if self.noise > 0 else 'shrinks'} with the grey level"
            if self.tail * self.noise < 0 and not self.open_field:
                return f"{said}, but the histogram has its tail to the {side} side"
            return said if self.polarity is not None else f"{said}, but slightly"
        if self.bent:
            return "noise does not grow as that of photons: logarithmic, processed, or with an offset"
        return "its noise does not show it"


@dataclass(frozen=True)
class Polarised:
    """The polarity that is taken.

    Parameters
    ----------
    polarity : str
        "metal-dark" or "metal-bright".
    seen : bool
        Whether it was given, said by the file or recognised; else it is a guess.
    notes : tuple of str
        What it was decided from, for people.
    doubts : tuple of str
        Why the grey levels may not be linear, whatever their polarity.
    """

    polarity: Polarity
    seen: bool
    notes: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def polarised(source: Radiograph, forced: Polarity | None = None) -> Polarised:
    """Return the polarity of a radiograph: what is forced, else what its file says, else what its pixels show.

    What the pixels show against the file or the user is said, and against the file it makes a guess of what it says.
    Lossy files show nothing, as their noise is the codec's.
    """
    said = source.polarity
    if source.kind == "array" and source.dtype.kind == "f" and forced is None:
        return Polarised("metal-dark", True, ())  # linear, open field 1.0, by agreement
    lossy = any(doubt.startswith("lossy") for doubt in source.doubts)
    shown = Evidence() if lossy else seen_in(next(source.images()), source.white)
    doubts: tuple[str, ...] = (shown.reason,) if shown.bent else ()
    if forced is not None:
        notes = (f"{forced} forced, the file says {said}",) if said not in {None, forced} else ()
        against = _against(forced, shown)
        # What somebody says is done, and not vouched for where the image shows the opposite.
        doubts += (f"it is said to be {forced}, but {shown.reason}",) if against else ()
        return Polarised(forced, True, (*notes, *against), doubts)
    if said is not None:
        against = _against(said, shown)
        why = f" ({source.polarity_reason})" if source.polarity_reason else ""
        return Polarised(said, not against, (f"{said}, as the file says{why}", *against), doubts)
    if shown.polarity is not None:
        return Polarised(shown.polarity, True, (f"{shown.polarity}, as {shown.reason}",))
    reason = "its codec took the noise that would tell" if lossy else shown.reason
    return Polarised("metal-dark", False, (f"metal-dark is a guess ({reason}): give --polarity",), doubts)


def check_open_field(source: Radiograph, given: float, polarity: Polarity, zero: float | None) -> None:
    """Refuse an open field that the image cannot have.

    Parameters
    ----------
    source : Radiograph
        The image.
    given : float
        Grey level of the open field, as in the file.
    polarity : str
        What metal is in ``source.pixels``.
    zero : float, optional
        Grey level of no signal in ``source.pixels``, where it is known.

    Raises
    ------
    InputError
        If the file cannot hold such a level, or its brightest part is far above or below it.
    """
    if source.dtype.kind in "ui" and source.white is not None:
        ends = sorted(source.turned(end) for end in (min(float(np.iinfo(source.dtype).min), 0.0), source.white))
        # Air that is saturated was brighter than the file can hold.
        saturated = polarity == "metal-dark" and float(np.mean(source.pixels >= source.white)) > _SATURATED
        if not ends[0] <= given <= ends[1] and not (saturated and 0 < given <= _OVEREXPOSED * ends[1]):
            raise InputError(
                f"an open-field level of {given:g} is given, and {source.dtype} of this file holds {ends[0]:g} to "
                f"{ends[1]:g}: give a grey level as it stands in the file"
            )
    bright = polarity == "metal-bright"
    none = zero if zero is not None else white_level(source.pixels, source.white) if bright else 0.0
    means = np.concatenate([_some_blocks(page).mean(axis=(1, 2)) for page in source.images()])
    brightest = float(np.quantile(none - means if bright else means - none, _ENDS[1]))
    level = source.turned(given)
    signal = none - level if bright else level - none
    # No signal at all is told by the scale, which says below or above what it must be.
    if signal > 0 and not _LEAST_TRANSMITTED * signal <= brightest <= _MOST_TRANSMITTED * signal:
        raise InputError(
            f"an open-field level of {given:g} is given, of which the brightest part of the image has "
            f"{brightest / signal:.3g} times the signal: give the grey level of the beam through air"
        )


def _against(polarity: Polarity, shown: Evidence) -> tuple[str, ...]:
    if shown.polarity in {None, polarity}:
        return ()
    return (f"but {shown.reason}, as in {shown.polarity} images: make sure, and give --polarity",)


def seen_in(image: NDArray[Any], white: float | None) -> Evidence:
    """Return what the noise and the histogram of an image (H, W) show.

    Parameters
    ----------
    image : (H, W) array
        Grey levels, black low.
    white : float, optional
        Highest grey level that the file can hold.
    """
    blocks = _some_blocks(image)
    means = blocks.mean(axis=(1, 2))
    low, high = np.quantile(means, _ENDS)
    if not high > low:
        return Evidence()
    skew = (high + low - 2 * np.median(means)) / (high - low)
    tail = 0 if abs(skew) < _TAIL else 1 if skew < 0 else -1
    noise, bent = _trend(*_noise_of(blocks, means, float(low), float(high), image.dtype), white_level(image, white))
    seen = False
    if tail * noise < 0:
        # Blocks one below the other are an image too.
        stack = blocks.reshape(-1, blocks.shape[2])
        seen = find_open_field(stack if noise > 0 else white_level(image, white) - stack)[1]
    return Evidence(noise, tail, bent, seen)


def _some_blocks(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return blocks from all over an image, (n, 8, 8)."""
    rows, columns = (max(side // _BLOCK_PX, 1) for side in image.shape)
    high, wide = (min(side, _BLOCK_PX) for side in image.shape)
    step = max(1, int(np.ceil(np.sqrt(rows * columns / _MOST_BLOCKS))))
    cut = image[: rows * high, : columns * wide].reshape(rows, high, columns, wide)[::step, :, ::step]
    return cut.transpose(0, 2, 1, 3).reshape(-1, high, wide).astype(np.float64)


def _noise_of(
    blocks: NDArray[np.float64], means: NDArray[np.float64], low: float, high: float, dtype: np.dtype[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return grey levels, rising, the variance of the noise there at most, and whether it is free of structure."""
    if min(blocks.shape[1:]) < _BLOCK_PX:
        return np.empty(0), np.empty(0), np.empty(0, bool)
    # Without their means single precision is enough, and twice as fast.
    centred = (blocks - means[:, None, None]).astype(np.float32)
    fine = _roughness(centred)
    coarse = _roughness(centred.reshape(-1, _BLOCK_PX // 2, 2, _BLOCK_PX // 2, 2).mean(axis=(2, 4)))
    alive = fine > (_ALIVE if dtype.kind in "ui" else 0.0)
    levels, noises, spectra = [], [], []
    for start in np.linspace(low, high, _LEVELS, endpoint=False):
        here = alive & (means >= start) & (means < start + (high - low) / _LEVELS)
        if np.count_nonzero(here) < _FEWEST_BLOCKS:
            continue
        tenth, third = np.quantile(fine[here], (0.1, 0.3))
        if third > _EVEN * tenth:
            continue
        quiet = here & (fine <= third)
        levels.append(float(np.median(means[here])))
        noises.append(float(tenth))
        spectra.append(float(np.median(coarse[quiet] / fine[quiet])))
    # Ranges whose spectrum is coarser than that of the finest hold structure.
    pure = np.array(spectra) <= _ALIKE * min(spectra, default=0.0)
    return np.array(levels), np.array(noises), pure


def _trend(
    levels: NDArray[np.float64], noises: NDArray[np.float64], pure: NDArray[np.bool_], white: float
) -> tuple[int, bool]:
    """Return which way noise goes with the grey level, and whether it is bent, see `Evidence`.

    Structure can only add to what is measured. So noise that is pure at one level is compared with what is there at
    most at levels on one side; that it is bent is claimed only where all of it is pure.
    """
    if np.count_nonzero(pure) == 0 or len(levels) < 2:
        return 0, False
    last, first = int(np.flatnonzero(pure)[-1]), int(np.flatnonzero(pure)[0])
    grows = noises[last] / noises[: last + 1].min()
    shrinks = noises[first] / noises[first:].min()
    change, way = (grows, 1) if grows > shrinks else (shrinks, -1)
    if change < _CHANGE or min(grows, shrinks) > _SLIGHT:
        return way if change > _SLIGHT > min(grows, shrinks) else 0, False
    loud = last if way > 0 else first
    quiet = int(noises[: last + 1].argmin()) if way > 0 else first + int(noises[first:].argmin())
    signals = levels if way > 0 else white - levels
    if signals.min() > 0 and np.log(change) > _STEEP * np.log(signals[loud] / signals[quiet]):
        return 0, bool(pure.all())
    middle = float(np.interp((levels[loud] + levels[quiet]) / 2, levels, noises))
    gone = (middle - noises[quiet]) / (noises[loud] - noises[quiet])
    if abs(loud - quiet) > 1 and gone < _BENT:
        return 0, bool(pure.all())
    return _CLEARLY * way, False


def _roughness(blocks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the variance of what a plane through neighbours leaves, for each block; hot pixels put aside."""
    along = blocks[:, :, 2:] - 2 * blocks[:, :, 1:-1] + blocks[:, :, :-2]
    both = along[:, 2:] - 2 * along[:, 1:-1] + along[:, :-2]
    squares = np.sort((both**2).reshape(len(both), -1), axis=1)
    half = squares.shape[1] // 2
    # White noise of variance 1 comes out at (1 + 4 + 1) squared; the median of its squares is 0.455 of their mean.
    return np.asarray(squares[:, half - 1 : half + 1].sum(axis=1) / (2 * 36 * 0.455), np.float64)
