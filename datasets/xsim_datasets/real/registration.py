"""Where the LR image lies on the HR image, to a small part of a pixel; and which of the two shows more fine detail.

A correlation finds the shift to a pixel, and Gauss-Newton steps on the sum of squared differences (Lucas and Kanade
1981) refine the similarity, coarse to fine. The two screens differ in blur and in grey level, and comparing the images
as they are would turn these differences into shifts of up to a quarter of a pixel. So the last rounds compare the LR
image with the HR image *as the LR screen would show it*: a sum of blurred powers of the HR image, fitted to the LR one.
Its kernels are round, so the fit can imitate the screen but no shift, turn or magnification.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from xsim.errors import InputError
from xsim.keywords import names_keywords

__all__ = ["Similarity", "detail_ratio", "register"]

# The band of the first rounds: finer is noise of the thick screen, coarser is the grey-level link of the two screens.
_FINE_PX, _COARSE_PX = 1.5, 10.0
_PYRAMID = (4.0, 2.0, 1.0)
# The last rounds: what blurs and powers of the HR image the LR image is made from, and how noise is held down.
_BLURS_PX = (0.7, 1.2, 2.0, 3.5, 6.0, 12.0)
_POWERS = (1, 2, 3)
_ROUNDS = 3
_NOISE_PX = 0.7
_STEPS = 40
_SMALLEST_PX = 48
_BLOCKS = 4
# Tiles of the spectra for `detail_ratio`, half over one another as Hann windows want it.
_TILE_PX = 32
_TILE_STEP_PX = 16
# Cycles a pixel: below lies the contrast of whole parts, above nothing but the noise of the thick screen.
_DETAIL_BAND = (0.06, 0.35)


@dataclass(frozen=True)
class Similarity:
    """How the LR image lies on the HR image, about the images' centre.

    A feature at ``p`` of the HR image (y, x from the centre) is at ``magnification * R(rotation) p + shift`` of the LR
    image.

    Attributes
    ----------
    shift_y_px, shift_x_px : float
        Displacement of the LR image [pixels].
    rotation_deg : float
        Turn of the LR image, from y towards x [degree].
    magnification : float
        Size of features in the LR image over that in the HR image.
    residual_px : float
        Root mean square of the shifts that parts of the image still show [pixels].
    """

    shift_y_px: float
    shift_x_px: float
    rotation_deg: float = 0.0
    magnification: float = 1.0
    residual_px: float = 0.0

    @property
    def shift_px(self) -> NDArray[np.float64]:
        """The shift (y, x) [pixels]."""
        return np.array([self.shift_y_px, self.shift_x_px])

    def matrix(self) -> NDArray[np.float64]:
        """Return the (2, 2) matrix that takes HR coordinates from the centre to LR ones."""
        angle = np.deg2rad(self.rotation_deg)
        cosine, sine = np.cos(angle), np.sin(angle)
        return self.magnification * np.array([[cosine, -sine], [sine, cosine]])

    def move_hr(self, hr: NDArray[np.floating], order: Literal[3, 5] = 5) -> NDArray[np.float32]:
        """Return the HR image resampled onto the pixels of the LR image.

        The mean of many frames is moved rather than the single LR frame: resampling colours noise, and the LR noise is
        what a restorer has to know.
        """
        inverse = np.linalg.inv(self.matrix())
        return _resample(hr, inverse, -inverse @ self.shift_px, order)

    def margin_px(self, shape: tuple[int, int]) -> int:
        """Return how many border pixels of the moved HR image lie outside the original."""
        height, width = shape
        corners = 0.5 * np.array([[-height, -width], [-height, width], [height, -width], [height, width]])
        moved = corners @ self.matrix().T + self.shift_px
        # Two more pixels for the reach of the interpolation.
        return int(np.ceil(np.abs(moved - corners).max())) + 2


@names_keywords
def register(hr: NDArray[np.floating], lr: NDArray[np.floating]) -> Similarity:
    """Return how an LR image lies on the HR image of the same object.

    Parameters
    ----------
    hr, lr : (H, W) arrays
        Linear images of one pitch and shape.

    Raises
    ------
    InputError
        If the shapes differ, the images are too small, or show nothing that could be registered.
    """
    if hr.shape != lr.shape:
        raise InputError(f"HR is {hr.shape} and LR is {lr.shape}: register images of one shape")
    if min(hr.shape) < _SMALLEST_PX:
        raise InputError(f"images of {hr.shape} pixels are too small to register: give {_SMALLEST_PX} or more a side")
    fixed, moving = _band(hr), _band(lr)
    parameters = np.array([*_whole_pixels(fixed, moving), 0.0, 0.0])
    for blur in _PYRAMID:
        parameters = _refine(_smooth(fixed, blur), _smooth(moving, blur), parameters)
    shown = _smooth(lr, _NOISE_PX)
    features = _features(hr)
    for _ in range(_ROUNDS):
        imitation = _imitate(features, shown, _similarity(parameters))
        parameters = _refine(imitation, shown, parameters)
    similarity = _similarity(parameters)
    residual = _residual(_imitate(features, shown, similarity), shown, similarity)
    return replace(similarity, residual_px=residual)


def _band(image: NDArray[np.floating]) -> NDArray[np.float64]:
    # The logarithm weighs thin and thick metal alike; its floor keeps noise behind thick metal from counting.
    grey = np.log(np.maximum(image.astype(np.float64), 0.05))
    band = gaussian_filter(grey, _FINE_PX) - gaussian_filter(grey, _COARSE_PX)
    spread = float(band.std())
    if not spread > 1e-6:
        raise InputError("an image shows nothing that could be registered: give images of one object")
    band /= spread
    return np.asarray(band)


def _smooth(image: NDArray[np.floating], blur_px: float) -> NDArray[np.float64]:
    return np.asarray(gaussian_filter(image.astype(np.float64), blur_px))


def _features(hr: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what an LR image may be made from, (features, H, W): blurred powers of the HR image, and a constant."""
    powers = [hr.astype(np.float64) ** power for power in _POWERS]
    # What is compared has been smoothed against noise as well.
    widths = [float(np.hypot(blur, _NOISE_PX)) for blur in _BLURS_PX]
    return np.stack([*(_smooth(image, width) for image in powers for width in widths), np.ones(hr.shape)])


def _imitate(features: NDArray[np.float64], shown: NDArray[np.float64], similarity: Similarity) -> NDArray[np.float64]:
    """Return the HR image as the LR screen shows it, on the HR grid."""
    warped = _onto_hr(shown, similarity)
    inner = _inner(similarity, warped.shape)
    design = features[(slice(None), *inner)].reshape(len(features), -1)
    shares = np.linalg.lstsq(design @ design.T, design @ warped[inner].ravel(), rcond=1e-10)[0]
    return np.tensordot(shares, features, axes=1)


def _onto_hr(lr: NDArray[np.float64], similarity: Similarity) -> NDArray[np.float64]:
    return _resample(lr, similarity.matrix(), similarity.shift_px, 3).astype(np.float64)


def _inner(similarity: Similarity, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the part of the HR grid that the LR image covers."""
    margin = min(similarity.margin_px((shape[0], shape[1])) + 4, min(shape) // 4)
    return slice(margin, -margin), slice(margin, -margin)


def _whole_pixels(fixed: NDArray[np.float64], moving: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shift of the correlation's peak [pixels]."""
    window = np.outer(np.hanning(fixed.shape[0]), np.hanning(fixed.shape[1]))
    spectrum = np.conj(scipy.fft.rfft2(fixed * window)) * scipy.fft.rfft2(moving * window)
    correlation = scipy.fft.irfft2(spectrum, s=fixed.shape)
    peak, sides = np.array(np.unravel_index(np.argmax(correlation), correlation.shape)), np.array(fixed.shape)
    return np.where(peak > sides // 2, peak - sides, peak).astype(float)


def _similarity(parameters: NDArray[np.float64]) -> Similarity:
    y, x, rotation, growth = (float(value) for value in parameters)
    return Similarity(y, x, float(np.rad2deg(rotation)), float(np.exp(growth)))


def _refine(
    fixed: NDArray[np.float64], moving: NDArray[np.float64], parameters: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (shift y, shift x, rotation, log magnification) after Gauss-Newton steps."""
    y, x = (np.arange(side) - 0.5 * (side - 1) for side in fixed.shape)
    y = y[:, None]
    for _ in range(_STEPS):
        similarity = _similarity(parameters)
        inner = _inner(similarity, fixed.shape)
        warped = _onto_hr(moving, similarity)
        # The mean of both images' gradients makes the steps second-order exact.
        slope_y, slope_x = (0.5 * (a + b) for a, b in zip(np.gradient(fixed), np.gradient(warped), strict=True))
        gain = float((warped[inner] * fixed[inner]).sum() / (fixed[inner] ** 2).sum())
        error = (warped - gain * fixed)[inner].ravel()
        columns = (slope_y, slope_x, slope_x * y - slope_y * x, slope_y * y + slope_x * x)
        jacobian = np.stack([column[inner].ravel() for column in columns], axis=1)
        step = np.linalg.lstsq(jacobian.T @ jacobian, -jacobian.T @ error, rcond=None)[0]
        # The step, in HR coordinates, comes first.
        parameters = parameters + np.array([*(similarity.matrix() @ step[:2]), *step[2:]])
        if np.abs(step * np.array([1.0, 1.0, fixed.shape[0], fixed.shape[0]])).max() < 1e-4:
            break
    return parameters


def _residual(fixed: NDArray[np.float64], moving: NDArray[np.float64], similarity: Similarity) -> float:
    """Return the root mean square shift of the image's parts after registration [pixels].

    Parts that show little carry little weight: their shift is noise.
    """
    warped = _onto_hr(moving, similarity)
    inner = _inner(similarity, fixed.shape)
    fixed, warped = fixed[inner], warped[inner]
    height, width = (side // _BLOCKS for side in fixed.shape)
    slope_y, slope_x = (0.5 * (a + b) for a, b in zip(np.gradient(fixed), np.gradient(warped), strict=True))
    gain = float((warped * fixed).sum() / (fixed**2).sum())
    error = warped - gain * fixed
    squares, weights = [], []
    for row in range(_BLOCKS):
        for column in range(_BLOCKS):
            part = (slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width))
            jacobian = np.stack([slope_y[part].ravel(), slope_x[part].ravel()], axis=1)
            normal = jacobian.T @ jacobian
            local = np.linalg.lstsq(normal, -jacobian.T @ error[part].ravel(), rcond=None)[0]
            squares.append(float(local @ local))
            weights.append(float(np.linalg.eigvalsh(normal)[0]))
    return float(np.sqrt(np.average(squares, weights=np.maximum(weights, 1e-12))))


def _resample(
    image: NDArray[Any], matrix: NDArray[Any], shift: NDArray[Any], order: Literal[3, 5]
) -> NDArray[np.float32]:
    """Return the image read at ``matrix @ p + shift``, p and the result from the centre."""
    centre = 0.5 * (np.array(image.shape) - 1.0)
    offset = centre + shift - matrix @ centre
    moved = affine_transform(image.astype(np.float64), matrix, offset=offset, order=order, mode="nearest")
    return np.asarray(moved, np.float32)


def detail_ratio(hr: NDArray[np.floating], lr: NDArray[np.floating]) -> float:
    """Return the power of an HR image at high frequencies over that of the LR image of the same object.

    Spectra are means over Hann-windowed tiles (Welch 1967). Each frequency counts by its squared coherence, the share
    of power that the two images have in common: the noise of a single LR frame is power at high frequencies too, but
    no detail. Swapping the images inverts the ratio.

    Parameters
    ----------
    hr, lr : (H, W) arrays
        Registered linear images.

    Raises
    ------
    InputError
        If the shapes differ, the images are smaller than a tile, or one holds nothing at these frequencies.
    """
    if hr.shape != lr.shape or min(hr.shape) < _TILE_PX:
        raise InputError(f"HR is {hr.shape} and LR is {lr.shape}: give one shape, {_TILE_PX} pixels or more a side")
    fine, coarse = _spectra(hr), _spectra(lr)
    power_hr, power_lr = (np.mean(np.abs(spectra) ** 2, axis=0) for spectra in (fine, coarse))
    cross = np.abs(np.mean(fine * coarse.conj(), axis=0))
    if not (power_hr.min() > 0 and power_lr.min() > 0):
        raise InputError("HR or LR holds no detail at all: check the images")
    coherence = cross**2 / (power_hr * power_lr)
    return float(np.exp(np.average(np.log(power_hr / power_lr), weights=coherence)))


def _spectra(image: NDArray[np.floating]) -> NDArray[np.complex128]:
    """Return the spectra of an image's tiles in the band, (tiles, frequencies)."""
    tiles = np.lib.stride_tricks.sliding_window_view(image, (_TILE_PX, _TILE_PX))[::_TILE_STEP_PX, ::_TILE_STEP_PX]
    tiles = tiles.reshape(-1, _TILE_PX, _TILE_PX).astype(np.float64)
    tiles = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    spectra = scipy.fft.rfft2(tiles * np.outer(np.hanning(_TILE_PX), np.hanning(_TILE_PX)))
    frequency = np.hypot(scipy.fft.fftfreq(_TILE_PX)[:, None], scipy.fft.rfftfreq(_TILE_PX)[None, :])
    inside = (frequency > _DETAIL_BAND[0]) & (frequency < _DETAIL_BAND[1])
    return np.asarray(spectra[:, inside])
