"""Posterior samples: whether they fit the measurement, and whether the truth lies among them as often as it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from versus.scoring import CHI2_BANDS
from versus.sets import SEED
from xsim.measure.similarity import psnr_dB
from xsim.seeds import torch_seed
from xsim_zoo.check.consistency import check
from xsim_zoo.evaluation.judging import inner
from xsim_zoo.evaluation.probes.coverage import calibration
from xsim_zoo.process.sampling import white_noise

if TYPE_CHECKING:
    from versus.sets import Case, Imaged
    from xsim_zoo.evaluation.entrants import Ready

__all__ = ["NOMINAL", "SAMPLES", "STEPS", "Spread", "covered", "spread_of"]

NOMINAL: Final = (0.5, 0.8, 0.95)
STEPS: Final = 20
SAMPLES: Final = 19
"""Samples an image: the truth falls into one of 20 equally likely places among them."""


@dataclass(frozen=True)
class Spread:
    """Posterior samples of one image.

    Parameters
    ----------
    row : str
        Who drew them.
    cluster : str
    number : int
        See `versus.sets.Case`.
    chi2 : (4,) tuple of float
        In `versus.scoring.CHI2_BANDS`, mean over the samples.
    chi2_of_truth : (4,) tuple of float
        That of the noise-free HR image: above 1 is what one link for all materials leaves, and no answer's fault.
    covered : (3,) tuple of float
        Share of the pixels whose HR grey lies in the central interval of `NOMINAL` probability.
    spread, error : float
        rms over the pixels of the samples' standard deviation, widened for their number, and of mean less HR.
    psnr_mean_dB, psnr_sample_dB : float
        PSNR of the mean and, on average, of single samples.
    """

    row: str
    cluster: str
    number: int
    chi2: tuple[float, ...]
    chi2_of_truth: tuple[float, ...]
    covered: tuple[float, ...]
    spread: float
    error: float
    psnr_mean_dB: float
    psnr_sample_dB: float


def spread_of(case: Case, imaged: Imaged, ready: Ready) -> Spread:
    """Draw posterior samples (eta 1) of one image and judge them."""
    hr, restorer = inner(imaged.hr), ready.restorer
    samples, chi2 = [], []
    for number in range(SAMPLES):
        generator = torch.Generator().manual_seed(torch_seed(SEED, sample=case.number, stage=f"posterior-{number}"))
        sample = restorer.restore_array(imaged.lr, steps=STEPS, eta=1.0, noise=white_noise(generator))
        chi2.append(check(imaged.lr, sample, restorer).chi2[: len(CHI2_BANDS)])
        samples.append(inner(sample))
    stack = np.stack(samples)
    middle = stack.mean(axis=0)
    found = calibration(stack.reshape(SAMPLES, -1), hr.ravel())
    return Spread(
        restorer.name,
        case.cluster,
        case.number,
        tuple(float(value) for value in np.mean(chi2, axis=0)),
        tuple(check(imaged.lr, imaged.hr_clean, restorer).chi2[: len(CHI2_BANDS)]),
        tuple(covered(stack, hr, share) for share in NOMINAL),
        found.spread,
        found.error,
        psnr_dB(middle, hr),
        float(np.mean([psnr_dB(sample, hr) for sample in stack])),
    )


def covered(stack: np.ndarray, hr: np.ndarray, share: float) -> float:
    """Return how often HR lies within the central interval of the samples.

    Among n samples the truth has n + 1 equally likely places; leaving out the same number of places at both ends is
    an interval of known probability whatever the distribution, and between two such intervals the share is linear.
    """
    places = len(stack) + 1
    below, above = ((stack < hr).sum(axis=0), (stack > hr).sum(axis=0))
    depth = np.minimum(below, above)
    out = 0.5 * (1.0 - share) * places
    whole = int(out)
    inside = [float(np.mean(depth >= left_out)) for left_out in (whole, whole + 1)]
    return inside[0] + (out - whole) * (inside[1] - inside[0])
