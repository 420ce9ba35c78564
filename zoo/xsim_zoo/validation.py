"""How good a restorer is on held-out pairs while it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xsim.measure.similarity import psnr_dB, ssim
from xsim_zoo.optimising import DivergedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from xsim_zoo.restorer import Restorer

__all__ = ["Scores", "score", "score_lr"]


@dataclass(frozen=True)
class Scores:
    """Mean PSNR [dB] and SSIM over images, each against its HR image, data range 1.0."""

    psnr_dB: float
    ssim: float

    @classmethod
    def of(cls, images: list[NDArray[np.float32]], hr: list[NDArray[np.float32]]) -> Scores:
        """Compare restored images with their HR images."""
        pairs = list(zip(images, hr, strict=True))
        return cls(
            psnr_dB=float(np.mean([psnr_dB(image, reference) for image, reference in pairs])),
            ssim=float(np.mean([ssim(image, reference) for image, reference in pairs])),
        )


def score(restorers: Sequence[Restorer], hr: Tensor, lr: Tensor) -> Scores:
    """Restore LR images (B, H, W), each by its own restorer, and compare them with HR.

    Raises
    ------
    DivergedError
        If an answer is not finite: the weights ran away while the loss was still a number.
    """
    restored = [restorer.restore_array(y) for restorer, y in zip(restorers, lr, strict=True)]
    if not all(np.isfinite(image).all() for image in restored):
        raise DivergedError("the restored validation images are not finite: lower lr, the best weights so far are kept")
    return Scores.of(restored, list(hr.numpy()))


def score_lr(hr: Tensor, lr: Tensor) -> Scores:
    """Compare LR images as they are with HR."""
    return Scores.of(list(lr.numpy()), list(hr.numpy()))
