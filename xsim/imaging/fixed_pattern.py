"""What never changes between the images of a detector: gains, flats, offsets, defects; how defects are mended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from scipy.ndimage import uniform_filter

from xsim.imaging.exposure import padded_shape, quantum_nnps_map
from xsim.imaging.noise import coloured_spectrum, standard_normal
from xsim.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.detector.detector import DetectorResponse
    from xsim.imaging.acquisition import Acquisition

__all__ = ["FixedPattern", "correct_defects", "fixed_pattern"]


@dataclass(frozen=True, eq=False)
class FixedPattern:
    """What never changes between the images of a detector, on (H, W) pixels.

    Parameters
    ----------
    gain : (H, W) float32 array
        Relative gain.
    residual : (H, W) float32 array
        Factor that flat-field correction leaves on the image.
    offset_e, offset_error_e : (H, W) float32 arrays or None
        Dark signal and the error of its map [electrons]; None where there is neither.
    dead, hot : (H, W) bool arrays or None
        Pixels stuck at nothing and at full range; None where there are none.
    """

    gain: NDArray[np.float32]
    residual: NDArray[np.float32]
    offset_e: NDArray[np.float32] | None = None
    offset_error_e: NDArray[np.float32] | None = None
    dead: NDArray[np.bool_] | None = None
    hot: NDArray[np.bool_] | None = None

    def window(self, shape: tuple[int, int], rng: np.random.Generator) -> FixedPattern:
        """Return the part that a shot of this shape falls on, anywhere on the detector."""
        top, left = (int(rng.integers(full - size + 1)) for full, size in zip(self.gain.shape, shape, strict=True))
        seen = slice(top, top + shape[0]), slice(left, left + shape[1])
        return FixedPattern(
            gain=self.gain[seen],
            residual=self.residual[seen],
            offset_e=None if self.offset_e is None else self.offset_e[seen],
            offset_error_e=None if self.offset_error_e is None else self.offset_error_e[seen],
            dead=None if self.dead is None else self.dead[seen],
            hot=None if self.hot is None else self.hot[seen],
        )


@lru_cache(maxsize=8)
def fixed_pattern(
    response: DetectorResponse, acquisition: Acquisition, shape: tuple[int, int], detector_seed: int
) -> FixedPattern:
    """Return a detector's fixed pattern, somewhat larger than images of this shape.

    The flats have the noise of the detector itself, colour included: their mean prints it onto every image.

    Parameters
    ----------
    response : DetectorResponse
        The detector in the open field of the flats.
    acquisition : Acquisition
        Its offsets.
    shape : (H, W)
        Shape of the images.
    detector_seed : int
        Which individual detector.
    """
    sensor = response.sensor
    size = padded_shape(shape)
    residual = sensor.structure_map(size, detector_seed)
    if sensor.flat_frames:
        nnps = quantum_nnps_map(response, size) + (response.shot_nnps_mm2 + response.read_nnps_mm2)
        amplitude = np.sqrt(nnps * sensor.frame_average(sensor.flat_frames)) / response.pitch_mm
        white = standard_normal(generator(detector_seed, stage="flat-noise"), size)
        residual /= 1.0 + scipy.fft.irfft2(coloured_spectrum(white, amplitude.astype(np.float32)), s=size)
    offset_e = offset_error_e = dead = hot = None
    if acquisition.offset_sd_e or acquisition.dark_frames:
        rng = generator(detector_seed, stage="offsets")
        offset_e = standard_normal(rng, size) * np.float32(acquisition.offset_sd_e)
        error_sd = sensor.read_noise_e / acquisition.dark_frames**0.5 if acquisition.dark_frames else 0.0
        offset_error_e = standard_normal(rng, size) * np.float32(error_sd)
    if sensor.defect_fraction:
        defects = sensor.defect_map(size, detector_seed)
        dead = defects & (generator(detector_seed, stage="dead-or-hot").random(size) < 0.5)
        hot = defects & ~dead
    return FixedPattern(sensor.gain_map(size, detector_seed), residual, offset_e, offset_error_e, dead, hot)


def correct_defects(image: NDArray[np.float32], defective: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Replace defective pixels by the mean of their sound neighbours, 3 x 3 first, wider where none is sound.

    Parameters
    ----------
    image : (H, W) float32 array
        Image; it is not changed.
    defective : (H, W) bool array
        Pixels to replace; an image without a sound pixel is returned as it is.
    """
    missing = defective
    if not missing.any() or missing.all():
        return image
    corrected = image.copy()
    known = np.where(defective, 0.0, image).astype(float)
    size = 3
    while missing.any():
        weight = uniform_filter((~defective).astype(float), size, mode="constant") * size**2
        reachable = missing & (weight > 0.5)
        total = uniform_filter(known, size, mode="constant") * size**2
        corrected[reachable] = total[reachable] / weight[reachable]
        missing = missing & ~reachable
        size += 2
    return corrected
