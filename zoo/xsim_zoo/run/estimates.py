"""Detectors that are estimated from the radiographs of a run: one for all images that are of the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.known import KnownDetector
from xsim.errors import InputError, XsimError
from xsim.measure.blind import BlindDetector, measure_blind, with_noise_of
from xsim_datasets.images import Radiograph, Scale, read_image
from xsim_datasets.real.corrections import Corrections, corrected
from xsim_zoo.run.grey import grey_scale

if TYPE_CHECKING:
    from xsim_zoo.run.settings import RunSettings

__all__ = ["Estimates", "middle"]

_LOOKED_AT: Final = 4
"""Images of one detector that its estimate is made from, at most: more of them change it by less than its interval."""

_LARGE_PX: Final = 4096
"""Side of the part of an image that is handed to the estimate [px]: it looks at parts of 1024 in all."""


@dataclass
class Estimates:
    """Detectors estimated from radiographs, one for all images of the same pixels.

    Parameters
    ----------
    paths : sequence of Path
        Other files of the run: those of the same pitch, size and type are taken for images of the same detector.
    corrections : Corrections, optional
        What is done to them after they are read, as in `restore`.
    """

    paths: Sequence[Path] = ()
    corrections: Corrections | None = None
    _found: dict[tuple[object, ...], BlindDetector] = field(default_factory=dict)
    _keys: dict[Path, tuple[object, ...]] = field(default_factory=dict)

    def of(self, source: Radiograph, scale: Scale, pitch_mm: float | None, settings: RunSettings) -> KnownDetector:
        """Return the detector of an image: the blur that all of them show, and its own noise, since dose differs.

        Raises
        ------
        InputError
            If neither it nor the others show enough. It says what is wrong and what to shoot.
        """
        key = (pitch_mm, source.shape, str(source.dtype), source.polarity)
        pages = [middle(scale.linear(page)) for page in list(source.images())[:_LOOKED_AT]]
        full = _full_scale(source, scale)
        if (found := self._found.get(key)) is None:
            others = self._others(source, key, settings)[: _LOOKED_AT - len(pages)] if len(self.paths) > 1 else []
            # Other images have an open field, and with it a full scale, of their own.
            alone = len(pages) == 1 and not others
            found = self._found[key] = _measured(pages + others, pitch_mm, full if alone else None)
            if not others:
                return found.known()
        return _with_own_noise(found, pages, full).known()

    def _others(self, source: Radiograph, key: tuple[object, ...], settings: RunSettings) -> list[NDArray[np.float32]]:
        """Return images of the other files that look as if they were of the same detector."""
        found = []
        for path in self.paths:
            # A file that is known to be of other pixels is not read again.
            if self._keys.get(path, key) != key:
                continue
            try:
                other = read_image(path)
                pitch_mm = settings.pitch_mm or other.pitch_mm
                self._keys[path] = (pitch_mm, other.shape, str(other.dtype), other.polarity)
                if self._keys[path] != key:
                    continue
                other = corrected(other, self.corrections)
                page = next(other.images())
                if np.array_equal(page, next(source.images())):
                    continue
                found.append(middle(grey_scale(other, settings)[0].linear(page)))
            except XsimError:
                continue  # it is going to be reported when its own turn comes
            if len(found) == _LOOKED_AT - 1:
                break
        return found


def middle(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the middle of an image (H, W), which bounds what an estimate holds in memory."""
    top, left = (max(side - _LARGE_PX, 0) // 2 for side in grey.shape)
    return grey[top : top + _LARGE_PX, left : left + _LARGE_PX]


def _full_scale(source: Radiograph, scale: Scale) -> float | None:
    """Return where the grey levels of an image end, open field 1; None where that is not known."""
    linear = scale.polarity == "metal-dark" and scale.per_decade is None
    return source.white / scale.open_signal if source.white is not None and linear else None


def _with_own_noise(
    found: BlindDetector, pages: Sequence[NDArray[np.float32]], full_scale: float | None
) -> BlindDetector:
    """Return a detector with the noise of one image of it; that of the others where it has no flat part."""
    try:
        return with_noise_of(found, pages, full_scale=full_scale if len(pages) == 1 else None)
    except InputError:
        said = "its own noise could not be measured: that of the other images is taken"
        return replace(found, noise=replace(found.noise, remarks=(*found.noise.remarks, said)))


def _measured(greys: Sequence[NDArray[np.float32]], pitch_mm: float | None, full_scale: float | None) -> BlindDetector:
    try:
        return measure_blind(list(greys), pitch_mm, full_scale=full_scale)
    except InputError as error:
        raise InputError(
            f"its detector cannot be estimated: {error}; or name it: --detectors NAME, FILE, or weights for those that "
            "the weights were made for"
        ) from error
