"""From light on pixels to a corrected image: frames, electrons, ADC, fixed pattern, flat field, defective pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.fft
from scipy.ndimage import uniform_filter

from xsim.errors import check_range
from xsim.exposure import padded_shape
from xsim.noise import coloured_spectrum, standard_normal
from xsim.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.detector import DetectorResponse

__all__ = ["Acquisition", "FixedPattern", "Shot", "acquire", "correct_defects", "fixed_pattern"]


@dataclass(frozen=True)
class Acquisition:
    """How a shot is taken and corrected, the same for both detectors; the default is a steady, corrected one.

    Lag, gain spread, structure, flats and defects belong to the ``Sensor``.

    Parameters
    ----------
    exposure_sd : float
        Relative spread of the kerma of a frame, 0 to 0.5; the mean of frames drifts less.
    exposure_drift : float
        Relative change of the tube's output between the flats and the shot, -0.5 to 0.5.
    offset_sd_e : float
        Spread of the pixels' dark signal [electrons]; the offset map is subtracted again.
    dark_frames : int
        Frames in the mean offset map, whose read noise stays in every image; 0 for a perfect map.
    correct : bool
        Whether offset, flat field and defective pixels are corrected; otherwise the image is only divided by the mean
        open-field signal.

    Raises
    ------
    PhysicsRangeError
        If a value is out of range.
    """

    exposure_sd: float = 0.0
    exposure_drift: float = 0.0
    offset_sd_e: float = 0.0
    dark_frames: int = 0
    correct: bool = True

    def __post_init__(self) -> None:
        check_range("exposure spread", self.exposure_sd, 0.0, 0.5)
        check_range("exposure drift", self.exposure_drift, -0.5, 0.5)
        check_range("offset spread", self.offset_sd_e, 0.0, 1e6, "electrons")
        check_range("number of dark frames", self.dark_frames, 0, 1_000_000)

    def exposure(self, rng: np.random.Generator, frames: int) -> float:
        """Draw the mean kerma of frames relative to the flats'."""
        spread = self.exposure_sd / np.sqrt(frames)
        return max(0.0, 1.0 + self.exposure_drift + float(spread * rng.standard_normal()))


class FixedPattern(NamedTuple):
    """What never changes between the images of a detector; (H, W) each.

    ``gain`` is relative, ``residual`` is the factor that flat-field correction leaves on the image, ``dead`` and
    ``hot`` say which pixels are stuck at nothing and at full range, ``offset_e`` and ``offset_error_e`` are the dark
    signal and the error of its map [electrons]; zeros stand for maps that are not needed.
    """

    gain: NDArray[np.float32]
    residual: NDArray[np.float32]
    dead: NDArray[np.bool_]
    hot: NDArray[np.bool_]
    offset_e: NDArray[np.float32] | float
    offset_error_e: NDArray[np.float32] | float

    def window(self, shape: tuple[int, int], rng: np.random.Generator) -> FixedPattern:
        """Return the part of the detector that a shot falls on, a random one; the maps repeat beyond their ends."""
        start = [int(rng.integers(size)) for size in self.gain.shape]
        rows, columns = (
            (first + np.arange(size)) % full for first, size, full in zip(start, shape, self.gain.shape, strict=True)
        )
        return FixedPattern._make(
            part if isinstance(part, float) else part.take(rows, 0).take(columns, 1) for part in self
        )


class Shot(NamedTuple):
    """A corrected image, (H, W) float32 in units of the open field, and how many pixels were not sound."""

    image: NDArray[np.float32]
    saturated: int
    defective: int


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
        amplitude = np.sqrt(response.nnps_map(size) * sensor.frame_average(sensor.flat_frames)) / response.pitch_mm
        white = standard_normal(generator(detector_seed, stage="flat-noise"), size)
        residual /= 1.0 + scipy.fft.irfft2(coloured_spectrum(white, amplitude.astype(np.float32)), s=size)
    defects = sensor.defect_map(size, detector_seed)
    dead = defects & (generator(detector_seed, stage="dead-or-hot").random(size) < 0.5)
    rng = generator(detector_seed, stage="offsets")
    offset, error = standard_normal(rng, size), standard_normal(rng, size)
    error_sd = sensor.read_noise_e / acquisition.dark_frames**0.5 if acquisition.dark_frames else 0.0
    return FixedPattern(
        gain=sensor.gain_map(size, detector_seed),
        residual=residual,
        dead=dead,
        hot=defects & ~dead,
        offset_e=offset * np.float32(acquisition.offset_sd_e) if acquisition.offset_sd_e else 0.0,
        offset_error_e=error * np.float32(error_sd) if error_sd else 0.0,
    )


def acquire(
    light: NDArray[np.float32],
    response: DetectorResponse,
    pattern: FixedPattern,
    rng: np.random.Generator,
    *,
    frames: int,
    acquisition: Acquisition,
    exposure: float = 1.0,
    kerma: NDArray[np.float32] | float = 1.0,
) -> Shot:
    """Read light out as the mean of frames and correct it.

    The mean is drawn directly, with the variance that the mean of so many frames has (lag included); the mean of
    quantised frames lies on steps of 1 / frames of a count. Saturation applies to the mean, which differs from the
    mean of saturated frames only within a noise sigma of full well.

    Parameters
    ----------
    light : (H, W) float32 array
        Light on the pixels, quantum noise included, in units of the open field.
    response : DetectorResponse
        Signal and sensor.
    pattern : FixedPattern
        Fixed pattern of the pixels that the light falls on.
    rng : numpy.random.Generator
        Source of shot and read noise.
    frames : int
        How many frames are averaged.
    acquisition : Acquisition
        How the shot is corrected.
    exposure : float
        Mean kerma of the frames relative to the flats'.
    kerma : (H, W) array or float
        Kerma across the field relative to its nominal value, in flats and shot alike.
    """
    sensor = response.sensor
    open_e = np.float32(response.signal_electrons) * kerma
    electrons = light * (open_e * np.float32(exposure))
    electrons *= pattern.gain
    average = sensor.frame_average(frames)
    count_e = sensor.electrons_per_count
    # Rounding the mean brings 1 / (12 frames**2) of a count**2 by itself.
    read_e2 = sensor.electronic_variance_e2 * average - count_e**2 / (12.0 * frames**2)
    sigma = np.maximum(electrons, np.float32(0.0))
    sigma *= np.float32(average)
    sigma += np.float32(max(read_e2, 0.0))
    np.sqrt(sigma, out=sigma)
    sigma *= standard_normal(rng, light.shape)
    electrons += sigma
    electrons += pattern.offset_e
    saturated = _digitise(electrons, count_e / frames, sensor.full_well_e - count_e)
    electrons[pattern.dead] = 0.0
    electrons[pattern.hot] = sensor.full_well_e
    defective = int(pattern.dead.sum() + pattern.hot.sum())
    if not acquisition.correct:
        electrons /= np.float32(response.signal_electrons)
        return Shot(electrons, saturated, defective)
    if acquisition.offset_sd_e or acquisition.dark_frames:
        electrons -= pattern.offset_e + pattern.offset_error_e
    electrons /= pattern.gain * open_e
    electrons *= pattern.residual
    return Shot(correct_defects(electrons, pattern.dead | pattern.hot), saturated, defective)


def _digitise(electrons: NDArray[np.float32], step_e: float, highest_e: float) -> int:
    """Clip to the ADC's range and round to its steps, in place; return how many pixels were at its upper end."""
    # Below zero the offset of a real ADC keeps the noise symmetric: it is digitised, not clipped.
    saturated = int((electrons >= highest_e).sum())
    np.minimum(electrons, np.float32(highest_e), out=electrons)
    electrons /= np.float32(step_e)
    np.rint(electrons, out=electrons)
    electrons *= np.float32(step_e)
    return saturated


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
