"""How good a restorer is on held-out pairs while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim.errors import XsimError
from xsim.grids import radial_mean
from xsim.measure.similarity import psnr_dB, ssim
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.training.data import PairSource

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer

__all__ = ["DETAIL_BAND_LP_MM", "DivergedError", "Scores", "Validation", "restorers_of", "score_lr", "validate"]

DETAIL_BAND_LP_MM = (2.0, 5.0)
"""Where thick screens blur what thin ones show, and where no misfit of the grey-level link disturbs [lp/mm]."""

_DETAIL_BAND_CYCLES_PX = (0.1, 0.24)
"""The same in pixels, as it is at .048 mm: for pixels too large to show the other band [cycles/px]."""

_MARGIN_PX = 16


class DivergedError(XsimError, ArithmeticError):
    """The loss or the gradient is no longer finite."""


@dataclass(frozen=True)
class Scores:
    """Mean PSNR [dB] and SSIM over images, each against its HR image, data range 1.0."""

    psnr_dB: float
    ssim: float

    @classmethod
    def of(cls, images: Sequence[NDArray[np.floating]], hr: Sequence[NDArray[np.floating]]) -> Scores:
        """Compare restored images with their HR images."""
        pairs = list(zip(images, hr, strict=True))
        return cls(
            psnr_dB=float(np.mean([psnr_dB(image, reference) for image, reference in pairs])),
            ssim=float(np.mean([ssim(image, reference) for image, reference in pairs])),
        )


@dataclass(frozen=True)
class Validation:
    """What held-out pairs say about a restorer.

    Parameters
    ----------
    scores : Scores
        Similarity to HR.
    sharpness : float
        Power of the restored images in the detail band, over that of HR.
    chi2 : float
        |y - B_1 h(restored)|^2 over the noise expected at the images' grey, in the detail band: about 1 is faithful
        to y, more was invented or lost, and point estimates that follow y's noise stay below.
    first : (H, W) array
        The first restored image, to look at.
    """

    scores: Scores
    sharpness: float
    chi2: float
    first: NDArray[np.float32]


def restorers_of(pairs: PairSource, indices: Sequence[int], restorer: Restorer) -> list[Restorer]:
    """Return a restorer for each sample: between the detectors that took it, with the prior spectrum that it had."""
    of_setup = [restorer.with_physics(replace(restorer.physics, degradation=setup)) for setup in pairs.setups]
    return [of_setup[pairs.setup_of(index)] for index in indices]


def validate(restorers: Sequence[Restorer], hr: Tensor, lr: Tensor) -> Validation:
    """Restore LR images (B, H, W), each by its own restorer, and compare them with HR and with LR.

    Raises
    ------
    DivergedError
        If an answer is not finite: the weights ran away while the loss was still a number.
    """
    restored = [restorer.restore_array(y) for restorer, y in zip(restorers, lr, strict=True)]
    if not all(np.isfinite(image).all() for image in restored):
        raise DivergedError("the restored validation images are not finite: lower lr, the best weights so far are kept")
    sharp = list(hr.numpy())
    powers = [
        (_detail(image, restorer), _detail(reference, restorer))
        for restorer, image, reference in zip(restorers, restored, sharp, strict=True)
    ]
    chi2 = [_chi2(restorer, image, y) for restorer, image, y in zip(restorers, restored, lr, strict=True)]
    return Validation(
        scores=Scores.of(restored, sharp),
        sharpness=float(sum(own for own, _ in powers) / max(sum(ideal for _, ideal in powers), 1e-30)),
        chi2=float(np.mean(chi2)),
        first=restored[0],
    )


def score_lr(hr: Tensor, lr: Tensor) -> Scores:
    """Compare LR images as they are with HR."""
    return Scores.of(list(lr.numpy()), list(hr.numpy()))


def _detail_band_lp_mm(pitch_mm: float) -> tuple[float, float]:
    """Return the band of detail [lp/mm]; where pixels are too large to show all of it, its place among their own."""
    if 0.5 / pitch_mm >= DETAIL_BAND_LP_MM[1]:
        return DETAIL_BAND_LP_MM
    return _DETAIL_BAND_CYCLES_PX[0] / pitch_mm, _DETAIL_BAND_CYCLES_PX[1] / pitch_mm


def _detail(image: NDArray[np.floating], restorer: Restorer) -> float:
    """Return the mean power of an image's bins in the detail band, without its border."""
    margin = _MARGIN_PX if min(image.shape) > 3 * _MARGIN_PX else 0
    inner = image[margin : image.shape[0] - margin, margin : image.shape[1] - margin]
    power = np.abs(np.fft.rfft2(inner - inner.mean(), norm="ortho")) ** 2
    shape, pitch_mm = (inner.shape[0], inner.shape[1]), restorer.physics.pitch_mm
    mean, _ = radial_mean(power, shape, pitch_mm, np.asarray(_detail_band_lp_mm(pitch_mm)))
    return float(mean[0])


def _chi2(restorer: Restorer, image: NDArray[np.floating], y: Tensor) -> float:
    """Return the power of what the restored image does not explain of y, in units of the noise expected in y."""
    grid = PaddedGrid.around((image.shape[0], image.shape[1]))
    process = restorer.operator(grid.padded).process
    x_0 = torch.from_numpy(np.ascontiguousarray(image)).to(restorer.device)
    x_0 = restorer.link_on(grid.padded).forward(grid.pad(x_0[None, None]))
    blurred = grid.crop(ifft(process.B(1.0) * fft(x_0), grid.padded))[0, 0]
    expected = restorer.physics.degradation
    low, high = _detail_band_lp_mm(restorer.physics.pitch_mm)
    band = (expected.frequency_lp_mm >= low) & (expected.frequency_lp_mm <= high)
    weight = expected.frequency_lp_mm[band]  # rings grow with their radius
    noise = float(np.average(expected.Sigma_1_mm2[band], weights=weight)) / restorer.physics.pitch_mm**2
    noise *= float(expected.noise_level(y.numpy()))
    return _detail(y.numpy() - blurred.cpu().numpy(), restorer) / noise
