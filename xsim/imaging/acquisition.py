"""From light on pixels to a corrected image: frames, electrons, ADC, saturation, offset and flat-field correction.

What never changes between the images of a detector is its fixed pattern: gains, flats, offsets and defective pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from xsim.compiled import compiled
from xsim.detector.detector import DetectorResponse
from xsim.errors import check_range
from xsim.imaging.exposure import padded_shape, quantum_nnps_map
from xsim.imaging.noise import coloured_spectrum, standard_normal
from xsim.seeds import generator

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


class Shot(NamedTuple):
    """A corrected image, (H, W) float32 in units of the open field, and how many pixels were not sound."""

    image: NDArray[np.float32]
    saturated: int
    defective: int


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
    before: NDArray[np.float32] | float | None = None,
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
    before : (H, W) array or float, optional
        What the frames before showed, in units of the open field, of which lag leaves a ghost; as the sensor's
        ``lag_before`` says if not given.
    """
    sensor, open_e = response.sensor, np.float32(response.signal_electrons)
    average, count_e = sensor.frame_average(frames), sensor.electrons_per_count
    ghost, usual = sensor.ghost(frames) if before is None else (sensor.ghost_share(frames), before)
    if ghost:
        light = np.asarray((1.0 - ghost) * light + ghost * usual, dtype=np.float32)
    # Rounding the mean brings 1 / (12 frames**2) of a count**2 by itself.
    read_e2 = max(0.0, sensor.electronic_variance_e2 * average - count_e**2 / (12.0 * frames**2))
    fine_e = sensor.high_gain_electrons_per_count
    quiet_e2 = max(0.0, sensor.high_gain_variance_e2 * average - fine_e**2 / (12.0 * frames**2))
    high_gain = (sensor.high_gain_well_e, quiet_e2, fine_e / frames) if fine_e else (-np.inf, 0.0, 1.0)
    flat_e = pattern.gain * np.asarray(kerma * open_e, dtype=np.float32)
    image = standard_normal(rng, light.shape)
    saturated = _read_out(
        image,
        light,
        flat_e,
        pattern.offset_e,
        np.array([exposure, average, read_e2, count_e / frames, sensor.full_well_e - count_e, *high_gain], np.float32),
    )
    defective = None
    if pattern.dead is not None and pattern.hot is not None:
        image[pattern.dead], image[pattern.hot] = 0.0, sensor.full_well_e
        defective = pattern.dead | pattern.hot
    if not acquisition.correct:
        image /= open_e
    else:
        if pattern.offset_e is not None and pattern.offset_error_e is not None:
            image -= pattern.offset_e + pattern.offset_error_e
        image /= flat_e
        image *= pattern.residual
        image = image if defective is None else correct_defects(image, defective)
    return Shot(image, saturated, 0 if defective is None else int(defective.sum()))


@compiled()
def _read_out(image, light, flat_e, offset_e, settings):  # type: ignore[no-untyped-def]
    """Turn the white noise in ``image`` into digitised electrons, in place; return how many pixels are saturated.

    ``settings`` holds exposure, share of the noise that averaging leaves, read variance [electrons**2], ADC step and
    upper end [electrons]; then up to which mean charge a second gain is taken, with its variance and step. Below zero a
    real ADC has an offset that keeps noise symmetric: it is rounded, not clipped.
    """
    exposure, average, read_e2, step_e, highest_e, well_e, quiet_e2, fine_e = settings
    steps_per_e, fine_per_e = np.float32(1.0) / step_e, np.float32(1.0) / fine_e
    saturated = 0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            mean = light[y, x] * flat_e[y, x] * exposure
            quiet = mean <= well_e
            electronic_e2 = quiet_e2 if quiet else read_e2
            value = mean + image[y, x] * np.sqrt(max(mean, np.float32(0.0)) * average + electronic_e2)
            if offset_e is not None:
                value += offset_e[y, x]
            saturated += value >= highest_e
            if quiet:
                image[y, x] = np.rint(min(value, highest_e) * fine_per_e) * fine_e
            else:
                image[y, x] = np.rint(min(value, highest_e) * steps_per_e) * step_e
    return saturated


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
        maps = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: pixels[seen] for name, pixels in maps.items() if pixels is not None})


@lru_cache(maxsize=8)
def fixed_pattern(
    response: DetectorResponse, acquisition: Acquisition, shape: tuple[int, int], detector_seed: int
) -> FixedPattern:
    """Return the fixed pattern of one individual detector, somewhat larger than images of this shape (H, W).

    The flats have the noise of the detector itself, colour included: their mean prints it onto every image.
    """
    sensor = response.sensor
    size = padded_shape(shape)
    residual = sensor.structure_map(size, detector_seed)
    if sensor.flat_frames:
        # Direct hits of a mean of flats are many: their noise is as good as normal.
        nnps = quantum_nnps_map(response, size) + response.white_nnps_mm2
        amplitude = np.sqrt(nnps * sensor.frame_average(sensor.flat_frames)) / response.pitch_mm
        white = standard_normal(generator(detector_seed, stage="flat-noise"), size)
        residual /= 1.0 + scipy.fft.irfft2(coloured_spectrum(white, amplitude.astype(np.float32)), s=size)
    offset_e = offset_error_e = dead = hot = None
    if acquisition.offset_sd_e or acquisition.dark_frames:
        rng = generator(detector_seed, stage="offsets")
        offset_e = standard_normal(rng, size) * np.float32(acquisition.offset_sd_e)
        error_sd = sensor.dark_noise_e / acquisition.dark_frames**0.5 if acquisition.dark_frames else 0.0
        offset_error_e = standard_normal(rng, size) * np.float32(error_sd)
    if sensor.defect_fraction:
        defects = sensor.defect_map(size, detector_seed)
        dead = defects & (generator(detector_seed, stage="dead-or-hot").random(size) < 0.5)
        hot = defects & ~dead
    return FixedPattern(sensor.gain_map(size, detector_seed), residual, offset_e, offset_error_e, dead, hot)


def correct_defects(image: NDArray[np.float32], defective: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return an image (H, W) with defective pixels replaced by the mean of their sound neighbours.

    Neighbours are those in 3 x 3 pixels first, and wider where none is sound; an image without a sound pixel is
    returned as it is.
    """
    missing = defective
    if missing.all():
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
