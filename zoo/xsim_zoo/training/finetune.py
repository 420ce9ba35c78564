"""Adapt pretrained weights to a few real pairs, and keep the best of three: as shipped, calibrated, trained.

Much of what finetuning gains is not learned: the weights are told the physics of the new detectors. So the weights are
scored before the first step, with the physics that they came with and with the measured one, and after the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from xsim.degradation.degradation import Degradation
from xsim.degradation.known_file import degradation_of_pairs
from xsim.errors import InputError, MissingFileError
from xsim.files.plain import TOML, digest_plain
from xsim.keywords import names_keywords
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.data import GivenPhysics, MixedPairs, PairSource, check_split, read_pairs
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.training.loop import Trainer, TrainResult
from xsim_zoo.training.pair_physics import measure_degradation, measure_link
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.train import check_same_run, continued, measure_physics, run_in_folder, start_accelerator
from xsim_zoo.training.validation import Scores, restorers_of, validate
from xsim_zoo.weights.card import of_any_pitch
from xsim_zoo.weights.checkpoint import load_checkpoint
from xsim_zoo.weights.loading import load

__all__ = ["FINETUNE_SETTINGS", "FinetuneResult", "Kept", "finetune", "told", "with_one_network"]

FINETUNE_SETTINGS = TrainSettings(
    steps=300, batch=4, lr=2e-4, warmup=20, ema=0.98, validate_every=25, validate_images=32, patience=5, save_every=25
)
"""A tenth of the rate of training, a tenth of its steps, and an end when the held-out family gains no more.

Half the batch, as few pairs are there (eight make two steps an epoch); a memory of the average of 50 steps, a sixth of
the run as in training; validation every 25 steps, so that the patience of 5 is less than half of the run. None of these
were tuned; that eight pairs gain by them is tested (tests/zoo/test_zoo_promises.py).
"""

_TOLD = ("link_conditioning", "detector_conditioning")
"""Settings of what a network is told beside the image."""

_MEASURED_LINKS = frozenset({"wedge", "pairs"})
"""Links that a calibration took from images, rather than from what the screens nominally are."""


Kept = Literal["as shipped", "calibrated", "trained"]

AnyRestorer = TypeVar("AnyRestorer", bound=Restorer)


@dataclass(frozen=True)
class FinetuneResult:
    """The outcome of finetuning, on held-out pairs of the new detector.

    Parameters
    ----------
    run : str
        Folder of the run, with the weights that were kept.
    steps : int
        Steps done.
    seconds : float
        Time of the training [s].
    lr, shipped, calibrated, trained, best : Scores
        Of the LR images as they are; of the weights and the physics as they were; of the same weights with the measured
        physics; of the best weights of the training; and of what was kept.
    kept : str
        "as shipped", "calibrated" or "trained": the one of the highest PSNR, of equals the first.
    """

    run: str
    steps: int
    seconds: float
    lr: Scores
    shipped: Scores
    calibrated: Scores
    trained: Scores
    best: Scores
    kept: Kept


@names_keywords
def finetune(
    name: str,
    pairs: PairSource,
    run: Path,
    settings: TrainSettings = FINETUNE_SETTINGS,
    *,
    weights: str | Path | None = None,
    mix: PairSource | None = None,
    mix_share: float = 0.25,
    detectors: Path | None = None,
    measured: bool = False,
    resume: bool = False,
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
    detectors : Path, optional
        A detector file: blur and noise are its, whatever the pairs come with, see
        `xsim.degradation.known_file.degradation_of_pairs`. So is the grey-level link where a step wedge or pairs gave
        it; a link from the nominal screens, or none, is measured on these pairs instead.
    measured : bool
        Measure the degradation on the pairs even if they come with one.
    resume : bool
        Go on from the newest state; settings are those that the run was started with.
    device, quiet, data_name
        See `xsim_zoo.training.train.train`.

    Raises
    ------
    InputError
        If the restorer does not learn, the settings name another network, the data do not fit, their pixel pitch is
        one that the weights do not know, or the run to resume is another one.
    """
    folder = RunFolder(run)
    settings, extended_from = continued(folder, settings, FINETUNE_SETTINGS) if resume else (settings, None)
    accelerator = start_accelerator(device)
    restorer = load(name, weights, device=accelerator.device)
    if not isinstance(restorer, LearnedRestorer):
        raise InputError(f"restorer '{name}' does not learn: train it, which measures its physics")
    restorer, settings = with_one_network(restorer, settings)
    _check_pitch(pairs, restorer)
    source = _source_of_physics(pairs, detectors, measured=measured)
    pairs = _with_physics(pairs, restorer, source, detectors)
    how = {"linked": restorer.uses_link, "link_first": restorer.physics.link_first}
    physics = measure_physics(pairs, images=settings.spectrum_images, **how)
    data = pairs if mix is None else MixedPairs(pairs, mix, mix_share)
    card = load_checkpoint(name if weights is None else weights).card
    identity = {"command": "finetune", "restorer": name, "data_digest": data.digest}
    identity |= {"weights_digest": card.digest, "detectors": source}
    if resume:
        check_same_run(run, folder.settings(), identity)
    start = load(name, weights, device=accelerator.device)
    shipped = told(start, physics.degradation) if start.awaits_detectors else start
    calibrated = start.with_physics(physics)
    calibrated.many_detectors = len(pairs.setups) > 1
    trainer = Trainer(
        restorer.with_physics(physics),
        data,
        folder,
        settings,
        accelerator,
        quiet=quiet,
        data_name=data_name,
        start=card,
        setups=len(pairs.setups),
    )
    trainer.extended_from = extended_from
    held_out = check_split(pairs, "validation")[: settings.validate_images]
    # Weights of many detectors have no physics of their own: each pair is restored with that of its set-up.
    as_shipped = restorers_of(pairs, held_out, shipped) if start.awaits_detectors else [shipped] * len(held_out)
    before = {
        "as shipped": validate(as_shipped, *trainer.held_out_pairs).scores,
        "calibrated": validate(restorers_of(pairs, held_out, calibrated), *trainer.held_out_pairs).scores,
    }
    result = run_in_folder(trainer, None if resume else {**identity, "settings": settings.model_dump()})
    return _concluded(trainer, result, before, {"as shipped": shipped, "calibrated": calibrated})


def _concluded(
    trainer: Trainer, result: TrainResult, before: Mapping[str, Scores], untrained: Mapping[str, Restorer]
) -> FinetuneResult:
    """Keep the best of what was there before and of what was trained, and return what came of it."""
    scores: dict[Kept, Scores] = {
        "as shipped": before["as shipped"],
        "calibrated": before["calibrated"],
        "trained": result.best,
    }
    kept = max(scores, key=lambda which: scores[which].psnr_dB)
    if kept != "trained":
        trainer.best = scores[kept]
        trainer.save_weights(untrained[kept], 0)
    return FinetuneResult(
        run=result.run,
        steps=result.steps,
        seconds=result.seconds,
        lr=result.lr,
        shipped=scores["as shipped"],
        calibrated=scores["calibrated"],
        trained=scores["trained"],
        best=scores[kept],
        kept=kept,
    )


def told(restorer: AnyRestorer, degradation: Degradation) -> AnyRestorer:
    """Return weights between two detectors, of which their card will tell, with the prior that they had.

    The prior of weights of many detectors follows the HR detector, so it is that behind this one.
    """
    spectrum = restorer.physics.spectrum
    spectrum = spectrum.behind(degradation) if restorer.many_detectors else spectrum
    return restorer.with_physics(replace(restorer.physics, degradation=degradation, spectrum=spectrum))


def with_one_network(restorer: LearnedRestorer, settings: TrainSettings) -> tuple[LearnedRestorer, TrainSettings]:
    """Return restorer and settings that agree on the network: finetuning keeps that of the weights.

    Settings that name another network are refused; only what it is told of link and detectors may be added.
    """
    wanted = {key: bool(getattr(settings, key)) for key in _TOLD}
    if any(wanted[key] and not getattr(restorer.network, key) for key in _TOLD):
        restorer = restorer.with_network(restorer.network.told_more(**wanted))
    network = restorer.network
    own = {"backbone": network.spec, "size": network.size_name, "prediction": restorer.options.get("prediction")}
    own |= {key: getattr(restorer.network, key) for key in _TOLD}
    for key, value in own.items():
        given = getattr(settings, key)
        if given not in {value, getattr(FINETUNE_SETTINGS, key)}:
            raise InputError(
                f"training setting {key}={given}: finetuning keeps the network of its weights, {key}={value}: leave it "
                "out, or give weights of that kind"
            )
    return restorer, settings.model_copy(update=own | _together(restorer, settings))


def _together(restorer: LearnedRestorer, settings: TrainSettings) -> dict[str, Any]:
    """Return what settings want so that weights which take sampling steps together go on doing so, in every step."""
    if restorer.trained_steps is None or settings.rollout is not None:
        return {}
    return {
        "rollout": restorer.trained_steps,
        "rollout_steps": settings.steps,
        "rollout_batch": min(settings.batch, settings.rollout_batch),
        "rollout_lr": settings.lr,
    }


def _check_pitch(pairs: PairSource, restorer: Restorer) -> None:
    """Refuse pairs of one pixel pitch, other than that of weights which know only theirs."""
    own = restorer.physics
    if pairs.pitch_mm is None or restorer.many_detectors or own.is_pitch(pairs.pitch_mm):
        return
    universal = of_any_pitch(restorer.name)
    start = "" if universal is None else f"start from weights of many detectors (--from {universal}), or "
    raise InputError(
        f"the pairs have a pixel pitch of {pairs.pitch_mm:g} mm, the weights hold for {own.pitch_mm:g} mm: {start}"
        f"train at that pitch (xsim zoo train {restorer.name})"
    )


def _source_of_physics(pairs: PairSource, detectors: Path | None, *, measured: bool) -> str:
    """Return where the physics comes from: the digest of a calibration file, "measured" or "data"."""
    if detectors is None:
        return "measured" if measured or not pairs.setups else "data"
    if measured:
        raise InputError("the detectors are either in a file or measured on the pairs: give --detectors or --measured")
    if not detectors.is_file():
        raise MissingFileError(f"{detectors}: no such file: give one of `xsim calibrate` or `xsim detector --save`")
    return digest_plain(detectors, TOML)


def _with_physics(pairs: PairSource, restorer: LearnedRestorer, source: str, detectors: Path | None) -> PairSource:
    """Return the pairs with what lies between their detectors."""
    if source == "data":
        return pairs
    known = restorer.physics
    hr, lr = read_pairs(pairs, check_split(pairs, "train"))
    registered = list(zip(hr.numpy(), lr.numpy(), strict=True))
    if detectors is None:
        pitch_mm = known.pitch_mm if pairs.pitch_mm is None else pairs.pitch_mm
        found = measure_degradation(registered, known.degradation, pitch_mm, link_first=known.link_first)
        return GivenPhysics(pairs, found)
    degradation = degradation_of_pairs(detectors)
    if not replace(known, degradation=degradation).is_pitch(pairs.pitch_mm):
        raise InputError(
            f"{detectors}: holds for a pixel pitch of {degradation.pitch_mm:g} mm, the pairs have {pairs.pitch_mm:g} "
            "mm: give the file of these detectors"
        )
    if degradation.link.source not in _MEASURED_LINKS:
        degradation = replace(degradation, link=measure_link(registered, degradation, link_first=known.link_first))
    return GivenPhysics(pairs, degradation)
