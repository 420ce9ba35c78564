"""Posterior samples of the headline's images, judged; and what the truth itself leaves of the measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from headline_figures import CHI2_BANDS, NOMINAL, Samples
from headline_sets import SEED

from xsim.measure.similarity import psnr_dB
from xsim.seeds import torch_seed
from xsim_datasets.store.executors import ProcessPool, Serial
from xsim_zoo.check.consistency import check
from xsim_zoo.evaluation import Competitor
from xsim_zoo.evaluation.probes.coverage import sample_statistics
from xsim_zoo.evaluation.scores import inner
from xsim_zoo.evaluation.statistics import Bootstrap
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.restorers.classical import LINKED_LR
from xsim_zoo.training.finishing.temperature import coverage

if TYPE_CHECKING:
    from headline_sets import TestSet

    from xsim_zoo.evaluation.records import Estimate

__all__ = ["SAMPLED", "SAMPLES", "posterior", "truth_chi2"]

SAMPLES: Final = 19
"""Samples an image: the truth falls into one of 20 equally likely places among them."""
_SAMPLE_STEPS: Final = 20
SAMPLED: Final = {False: 6, True: 1}
"""Images that posterior samples are drawn of, in the full and in the quick run."""


@dataclass(frozen=True)
class _Draw:
    """One image whose posterior samples are asked for."""

    test_set: TestSet
    sample: int
    asked: Competitor


def sampled(draw: _Draw) -> tuple[str, dict[str, Any]]:
    """Draw posterior samples (eta 1) of one image and judge them: its family and the figures."""
    torch.set_num_threads(1)
    pair, restorer = draw.test_set.read(draw.sample, clean=True), draw.asked.load("cpu").restorer
    hr, samples, chi2 = inner(pair.hr), [], []
    for number in range(SAMPLES):
        generator = torch.Generator().manual_seed(torch_seed(SEED, sample=draw.sample, stage=f"posterior-{number}"))
        answer = restorer.restore_array(pair.lr, steps=_SAMPLE_STEPS, eta=1.0, noise=white_noise(generator))
        chi2.append(check(pair.lr, answer, restorer).chi2[: len(CHI2_BANDS)])
        samples.append(inner(answer))
    stack = np.stack(samples)
    found = sample_statistics(stack.reshape(SAMPLES, -1), hr.ravel())
    assert pair.clean is not None
    return pair.family, {
        "chi2": np.mean(chi2, axis=0).tolist(),
        "chi2_of_truth": list(check(pair.lr, pair.clean, restorer).chi2[: len(CHI2_BANDS)]),
        "covered": [coverage(stack, hr, share) for share in NOMINAL],
        "spread": found.spread,
        "error": found.error,
        "psnr_mean_dB": psnr_dB(stack.mean(axis=0), hr),
        "psnr_sample_dB": float(np.mean([psnr_dB(sample, hr) for sample in stack])),
    }


def posterior(test_set: TestSet, asked: Competitor, count: int, workers: int) -> Samples:
    """Return posterior samples of the first images of a set: means over images, rms of spread and error."""
    draws = [_Draw(test_set, sample, asked) for sample in range(count)]
    found = sorted((ProcessPool(workers) if workers > 1 else Serial()).run(sampled, draws), key=lambda item: item[0])
    over = Bootstrap([family for family, _ in found])
    columns = {key: np.array([one[key] for _, one in found]) for key in found[0][1]}
    chi2, truth, inside = (
        tuple(over.mean(column) for column in columns[key].T) for key in ("chi2", "chi2_of_truth", "covered")
    )
    spread, error = (float(np.sqrt(np.mean(columns[key] ** 2))) for key in ("spread", "error"))
    psnr = (float(columns[key].mean()) for key in ("psnr_mean_dB", "psnr_sample_dB"))
    return Samples(asked.label, count, SAMPLES, _SAMPLE_STEPS, chi2, truth, inside, spread, error, *psnr)


def truth_chi2(test_set: TestSet, count: int) -> tuple[Estimate, ...]:
    """Return the mean chi2 of the noise-free HR image in each of `CHI2_BANDS`, by the physics of the set-up itself."""
    asked = Competitor(LINKED_LR, label=LINKED_LR).load("cpu")
    found, boards = [], []
    for sample in range(count):
        pair = test_set.read(sample, clean=True)
        assert pair.clean is not None
        restorer = asked.between(test_set.degradation_of(sample)).restorer
        found.append(check(pair.lr, pair.clean, restorer).chi2[: len(CHI2_BANDS)])
        boards.append(pair.family)
    over = Bootstrap(boards)
    return tuple(over.mean(column) for column in np.array(found).T)
