"""Adapt pretrained weights to LR images alone: no HR image of the new detector, no pair.

The weights are scored as shipped, with the physics that is given, and trained; which is kept is decided on held-out LR
images, window by window with the same noises. A gain that is no larger than its standard error does not count: then the
weights stay what they were.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.degradation import Degradation
from xsim.errors import InputError, check_range
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.data import PairSource
from xsim_zoo.training.finetune import FINETUNE_SETTINGS, Kept, told, with_one_network
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.training.lr_course import Judge, LrCourse
from xsim_zoo.training.lr_images import LrWindows
from xsim_zoo.training.recorruption import LrModel
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.train import check_same_run, continued, run_in_folder, start_accelerator
from xsim_zoo.weights.checkpoint import load_checkpoint
from xsim_zoo.weights.loading import load

__all__ = ["LR_ONLY_SETTINGS", "LrOnlyResult", "Risk", "finetune_lr_only"]

LR_ONLY_SETTINGS: Final = FINETUNE_SETTINGS.model_copy(update={"steps": 150, "lr": 1e-4, "validate_images": 8})
"""Whole windows through all sampling steps cost some ten times as much as crops through one: half the steps. Half the
rate, as a look at y is a noisier teacher than HR. Not tuned."""


@dataclass(frozen=True)
class Risk:
    """What held-out LR windows say about weights.

    Parameters
    ----------
    risk : float
        Mean squared error against the clean LR image, whitened, in units of the noise power: 0 is perfect, 1 is what
        the LR image itself has. It is an estimate, and may fall below 0 where the noise is less than stated.
    standard_error : float
        Of its difference from the weights as shipped, window by window; 0 for those themselves.
    """

    risk: float
    standard_error: float


@dataclass(frozen=True)
class LrOnlyResult:
    """The outcome of finetuning on LR images alone.

    Parameters
    ----------
    run : str
        Folder of the run, with the weights that were kept.
    steps : int
        Steps done.
    seconds : float
        Time of the training [s].
    windows, frames : int
        Held-out windows, and how many of them were judged by a second frame rather than by recorruption.
    shipped, calibrated, trained, best : Risk
        Of the weights and physics as they were, of the same weights with the physics that was given, of the best
        weights of the training, and of what was kept.
    kept : str
        "as shipped", or "calibrated" or "trained" where that gained more than the standard error of the gain.
    """

    run: str
    steps: int
    seconds: float
    windows: int
    frames: int
    shipped: Risk
    calibrated: Risk
    trained: Risk
    best: Risk
    kept: Kept


def finetune_lr_only(
    name: str,
    windows: LrWindows,
    degradation: Degradation,
    run: Path,
    settings: TrainSettings = LR_ONLY_SETTINGS,
    *,
    weights: str | Path | None = None,
    mix: PairSource | None = None,
    mix_share: float = 0.5,
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
    data_name: str = "",
) -> LrOnlyResult:
    """Finetune a learned restorer on LR images of known detectors, without HR.

    It learns by its default number of sampling steps taken together, and the weights are for these from then on.

    Parameters
    ----------
    name : str
        A learned restorer.
    windows : LrWindows
        LR images of one LR detector.
    degradation : Degradation
        What lies between that detector and the HR detector to restore to, e.g. of a calibration.
    run : Path
        Folder of the run.
    settings : TrainSettings
        How to train; ``batch`` counts whole windows, and crops are not used.
    weights : str or path, optional
        Weights to start from; None takes the shipped ones.
    mix : PairSource, optional
        Simulated pairs of the same detectors.
    mix_share : float
        Their share of each batch, 0.01 to 0.9.
    resume, device, quiet, data_name
        See `xsim_zoo.training.train.train`.

    Raises
    ------
    InputError
        If the restorer does not learn, the detectors have a pixel pitch that the weights do not know, a batch is
        larger than the windows, settings name another network, or the run to resume is another one.
    """
    folder = RunFolder(run)
    settings, extended_from = continued(folder, settings, LR_ONLY_SETTINGS) if resume else (settings, None)
    check_range("share of simulated pairs", mix_share, 0.01, 0.9)
    accelerator = start_accelerator(device)
    start = load(name, weights, device=accelerator.device)
    if not isinstance(start, LearnedRestorer):
        raise InputError(f"restorer '{name}' does not learn: tell it the detectors with --detectors in `xsim zoo run`")
    if not start.many_detectors:
        start.physics.check_pitch(degradation.pitch_mm)
    calibrated = _calibrated(start, degradation)
    learner, settings = with_one_network(_copied(name, weights, calibrated), settings)
    card = load_checkpoint(name if weights is None else weights).card
    model = LrModel(degradation, windows.shape, first=start.physics.link_first, device=accelerator.device)
    judge = Judge(model, windows, settings)
    course = LrCourse(
        learner,
        judge,
        folder,
        settings,
        accelerator,
        mix=mix,
        mix_share=mix_share,
        quiet=quiet,
        start=card,
        data_name=data_name,
    )
    digest = windows.digest + ("" if mix is None else f" {mix.digest} {mix_share:g}")
    identity: dict[str, Any] = {"command": "finetune --lr-only", "restorer": name, "data_digest": digest}
    identity |= {"weights_digest": card.digest, "detectors": degradation.to_dict()}
    if resume:
        check_same_run(run, folder.settings(), identity)
    # Weights of many detectors have no physics of their own: for them both are the same.
    shipped = calibrated if start.awaits_detectors else start
    risks: dict[Kept, NDArray[np.float64]] = {
        "as shipped": judge.risks(shipped),
        "calibrated": judge.risks(calibrated),
    }
    began = time.monotonic()
    course.extended_from = extended_from
    steps = run_in_folder(course, None if resume else {**identity, "settings": settings.model_dump()})
    seconds = time.monotonic() - began
    assert course.best is not None
    risks["trained"] = course.best
    return _concluded(course, (steps, seconds), risks, {"as shipped": shipped, "calibrated": calibrated})


def _calibrated(start: LearnedRestorer, degradation: Degradation) -> LearnedRestorer:
    """Return weights told their detectors, with the prior that they have learned to correct for good."""
    found = told(start, degradation)
    found = found.with_physics(replace(found.physics, spectrum=found.physics.spectrum.fixed()))
    found.many_detectors = False
    return found


def _concluded(
    course: LrCourse,
    spent: tuple[int, float],
    risks: dict[Kept, NDArray[np.float64]],
    untrained: dict[Kept, LearnedRestorer],
) -> LrOnlyResult:
    """Keep the best of what was there before and of what was trained, and return what came of it."""
    judge, run, (steps, seconds) = course.judge, course.folder.path, spent
    kept = _preferred(risks)
    found = {which: _risk(own, risks["as shipped"]) for which, own in risks.items()}
    scores: dict[str, Any] = {which: asdict(own) for which, own in found.items()} | {"kept": kept}
    if kept == "trained":
        best = load(course.restorer.name, run, device=course.device)
        assert isinstance(best, LearnedRestorer)
        course.save(best, scores, load_checkpoint(run).card.training["steps"])
    else:
        course.save(untrained[kept], scores, 0)
    return LrOnlyResult(
        run=str(run),
        steps=steps,
        seconds=seconds,
        windows=len(judge.places),
        frames=sum(place in judge.windows.again for place in judge.places),
        shipped=found["as shipped"],
        calibrated=found["calibrated"],
        trained=found["trained"],
        best=found[kept],
        kept=kept,
    )


def _copied(name: str, weights: str | Path | None, like: LearnedRestorer) -> LearnedRestorer:
    """Return the same weights anew, to be trained in place."""
    fresh = load(name, weights, device=like.device)
    assert isinstance(fresh, LearnedRestorer)
    fresh = fresh.with_physics(like.physics)
    fresh.many_detectors = like.many_detectors
    return fresh


def _risk(own: NDArray[np.float64], shipped: NDArray[np.float64]) -> Risk:
    return Risk(float(own.mean()), float((own - shipped).std(ddof=1) / np.sqrt(len(own))))


def _preferred(risks: dict[Kept, NDArray[np.float64]]) -> Kept:
    """Return what to keep: the first, unless a later one gains more than the standard error of the gain over it."""
    kept, *others = risks
    for which in others:
        gain = risks[kept] - risks[which]
        if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
            kept = which
    return kept
