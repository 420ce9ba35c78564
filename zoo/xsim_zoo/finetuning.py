"""Adapt pretrained weights to a few real pairs, and keep the better of before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim.errors import InputError
from xsim_zoo.checkpoint import load_checkpoint
from xsim_zoo.loading import load
from xsim_zoo.mixing import MixedPairs
from xsim_zoo.pair_physics import measure_degradation
from xsim_zoo.pairs import GivenPhysics, check_split, read_pairs
from xsim_zoo.restorer import LearnedRestorer
from xsim_zoo.run_folder import RunFolder
from xsim_zoo.settings import TrainSettings
from xsim_zoo.trainer import Trainer
from xsim_zoo.training import measure_physics, run_in_folder, start_accelerator
from xsim_zoo.validation import Scores, validate

if TYPE_CHECKING:
    from pathlib import Path

    from xsim.degradation import Degradation
    from xsim_zoo.pairs import PairSource

__all__ = ["FINETUNE_SETTINGS", "FinetuneResult", "finetune"]

FINETUNE_SETTINGS = TrainSettings(
    steps=300, batch=4, lr=2e-4, warmup=20, ema=0.98, validate_every=25, validate_images=32, patience=5, save_every=25
)
"""A low rate, a short run, and an end when the held-out family gains no more."""


@dataclass(frozen=True)
class FinetuneResult:
    """What finetuning came to, on held-out pairs of the new detector.

    Parameters
    ----------
    run : str
        Folder of the run, with the weights that were kept.
    steps : int
        Steps done.
    seconds : float
        Time of the training [s].
    lr, before, best : Scores
        Of the LR images as they are, of the pretrained weights as they were, and of the weights that were kept.
    kept : str
        "adapted", or "pretrained" where adapting gained nothing.
    """

    run: str
    steps: int
    seconds: float
    lr: Scores
    before: Scores
    best: Scores
    kept: str


def finetune(
    name: str,
    pairs: PairSource,
    run: Path,
    settings: TrainSettings = FINETUNE_SETTINGS,
    *,
    weights: str | Path | None = None,
    mix: PairSource | None = None,
    mix_share: float = 0.25,
    measured: bool = False,
    device: str = "auto",
    quiet: bool = False,
    data_name: str = "",
) -> FinetuneResult:
    """Finetune a learned restorer on pairs of other detectors.

    Parameters
    ----------
    name : str
        A learned restorer.
    pairs : PairSource
        Registered pairs of the new detectors, with a training and a validation split.
    run : Path
        Folder of the run.
    settings : TrainSettings
        How to train.
    weights : str or path, optional
        Weights to start from; None takes the shipped ones.
    mix : PairSource, optional
        Synthetic pairs to learn beside the real ones, against forgetting.
    mix_share : float
        Share of them in the training.
    measured : bool
        Measure the degradation on the pairs even if they come with one.
    device, quiet, data_name
        See `xsim_zoo.training.train`.

    Raises
    ------
    InputError
        If the restorer does not learn, or the data do not fit.
    """
    accelerator = start_accelerator(device)
    restorer = load(name, weights, device=accelerator.device)
    if not isinstance(restorer, LearnedRestorer):
        raise InputError(f"restorer '{name}' does not learn: train it, which measures its physics")
    before = _score_before(restorer, pairs, settings)
    if measured or not pairs.setups:
        pairs = GivenPhysics(pairs, _measured(restorer, pairs))
    physics = measure_physics(pairs, images=settings.spectrum_images, linked=restorer.uses_link)
    adapted = restorer.with_physics(physics)
    data = pairs if mix is None else MixedPairs(pairs, mix, mix_share)
    earlier = load_checkpoint(name if weights is None else weights).card.data.get("families", "")
    trainer = Trainer(
        adapted, data, RunFolder(run), settings, accelerator, quiet=quiet, data_name=data_name, seen=earlier
    )
    begun = {"restorer": name, "data_digest": data.digest, "settings": settings.model_dump(), "finetuned": True}
    result = run_in_folder(trainer, begun)
    kept = "adapted"
    if before.psnr_dB > result.best.psnr_dB:
        trainer.best, kept = before, "pretrained"
        trainer.save_weights(load(name, weights, device=accelerator.device), 0)
    assert trainer.best is not None
    return FinetuneResult(result.run, result.steps, result.seconds, result.lr, before, trainer.best, kept)


def _score_before(restorer: LearnedRestorer, pairs: PairSource, settings: TrainSettings) -> Scores:
    """Return the scores of the weights as they are, with the physics that they were trained for."""
    held_out = check_split(pairs, "validation")[: settings.validate_images]
    return validate([restorer] * len(held_out), *read_pairs(pairs, held_out)).scores


def _measured(restorer: LearnedRestorer, pairs: PairSource) -> Degradation:
    hr, lr = read_pairs(pairs, check_split(pairs, "train"))
    registered = list(zip(hr.numpy(), lr.numpy(), strict=True))
    return measure_degradation(registered, restorer.physics.degradation, restorer.physics.pitch_mm)
