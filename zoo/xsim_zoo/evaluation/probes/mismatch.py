"""What a restorer loses where the detectors are not those it was told: LR images made with another blur or dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

from xsim.grids import frequency_axes
from xsim.measure.similarity import psnr_dB, ssim
from xsim.seeds import generator
from xsim_zoo.evaluation.bootstrap import Bootstrap
from xsim_zoo.evaluation.judging import inner
from xsim_zoo.evaluation.probes.coverage import middle
from xsim_zoo.evaluation.records import MismatchScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.degradation.degradation import Degradation
    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["CONDITIONS", "Mismatch", "degraded", "measure"]

_IMAGES, _IMAGES_QUICK = 8, 3
_CROP_PX = 256
_BORDER_PX = 32
_LEAST_GREY = 0.02


@dataclass(frozen=True)
class Mismatch:
    """How the LR image differs from what the stated physics makes.

    Parameters
    ----------
    mtf : float
        Factor on every frequency at which the MTF has a value: 0.9 is a blurrier screen.
    dose : float
        Factor on the dose.
    shift_px : float
        Displacement along x [px].
    """

    mtf: float = 1.0
    dose: float = 1.0
    shift_px: float = 0.0


CONDITIONS = {
    "as stated": Mismatch(),
    "MTF -10 %": Mismatch(mtf=0.9),
    "MTF +10 %": Mismatch(mtf=1.1),
    "dose x 0.5": Mismatch(dose=0.5),
    "dose x 2": Mismatch(dose=2.0),
    "0.5 px shift": Mismatch(shift_px=0.5),
}


def measure(bench: Bench, subject: Subject) -> list[MismatchScore]:
    """Ask a subject for LR images that are made from HR images under every condition, with the same noise."""
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in CONDITIONS}
    families = []
    for sample in bench.samples[: _IMAGES_QUICK if bench.options.quick else _IMAGES]:
        pair = bench.pair(sample, clean=False)
        hr = middle(pair.hr, _CROP_PX)
        families.append(pair.family)
        for name, mismatch in CONDITIONS.items():
            rng = generator(bench.options.seed, sample=sample, stage="mismatch")
            lr = degraded(hr, bench.physics_for(sample, subject.ready).physics.degradation, mismatch, rng)
            answer = inner(subject.answer(lr, hr, sample))
            scores[name].append((psnr_dB(answer, inner(hr)), ssim(answer, inner(hr))))
    bootstrap = Bootstrap(families, bench.options.resamples, bench.options.seed)
    stated = np.array(scores["as stated"])
    rows = []
    for name, found in scores.items():
        mean = np.mean(found, axis=0)
        rows.append(
            MismatchScore(
                restorer=subject.label,
                condition=name,
                psnr_dB=float(mean[0]),
                ssim=float(mean[1]),
                change_dB=bootstrap.mean(np.array(found)[:, 0] - stated[:, 0]),
                images=len(found),
            )
        )
    return rows


def degraded(
    hr: NDArray[np.float32], degradation: Degradation, mismatch: Mismatch, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return y = B_1 h(x_0) + noise under a mismatch; the noise of one ``rng`` is the same up to its power.

    Parameters
    ----------
    hr : (H, W) array
        Sharp image, open field 1.0.
    degradation : Degradation
        What was stated.
    mismatch : Mismatch
        How reality differs.
    rng : numpy.random.Generator
        Source of white noise.
    """
    padded = np.pad(np.asarray(degradation.link.forward(hr.astype(np.float64))), _BORDER_PX, mode="reflect")
    shape = (padded.shape[0], padded.shape[1])
    # B_1(f / mtf) is B_1 on the grid of a pixel that is larger by mtf.
    transfer = degradation.B_1_map(shape, degradation.pitch_mm * mismatch.mtf)
    _, u = frequency_axes(shape, 1.0)
    spectrum = scipy.fft.rfft2(padded) * transfer * np.exp(-2j * np.pi * u * mismatch.shift_px)
    blurred = scipy.fft.irfft2(spectrum, s=shape)
    grey = np.clip(blurred, _LEAST_GREY, 1.0)
    # Quantum noise is white where the quanta are absorbed, and of a power that falls with the grey.
    power = grey * (1.0 + degradation.excess_noise * (1.0 - grey)) / mismatch.dose
    white = rng.standard_normal(shape) * np.sqrt(power)
    noise = scipy.fft.irfft2(scipy.fft.rfft2(white) * np.sqrt(degradation.Sigma_1_map(shape)), s=shape)
    inside = slice(_BORDER_PX, -_BORDER_PX)
    return np.asarray((blurred + noise)[inside, inside], dtype=np.float32)
