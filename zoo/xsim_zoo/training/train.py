"""Training a restorer from scratch, on any number of devices."""

from __future__ import annotations

import os
import platform
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import gather_object

from xsim.errors import InputError
from xsim.keywords import names_keywords
from xsim.seeds import torch_seed
from xsim_zoo.network.backbone import check_backbone
from xsim_zoo.process.physics import Physics, in_lr_grey
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.restorers.registry import get
from xsim_zoo.training.course import Course, hardware
from xsim_zoo.training.data import PairSource, check_setups, check_split, read_pairs
from xsim_zoo.training.folder import RunFolder
from xsim_zoo.training.loop import Trainer, TrainResult
from xsim_zoo.training.parts.calls import this_call
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.weights.loading import build, resolve_device

__all__ = ["check_same_run", "continued", "measure_physics", "run_in_folder", "start_accelerator", "train"]

Result = TypeVar("Result")


def start_accelerator(device: str) -> Accelerator:
    """Return the accelerator of this process on a device ("auto", "cpu", "cuda", "cuda:1", "mps").

    Raises
    ------
    InputError
        If the device is not there, a launcher that was asked for several processes started one alone, or one device
        is named for several processes.
    """
    # `accelerate launch` names a meeting point for several CPU processes, and leaves starting them to MPI, which says
    # their number by one of these; a launcher that starts them itself says it by WORLD_SIZE.
    counted = {"WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"} & os.environ.keys()
    if {"ACCELERATE_USE_CPU", "MASTER_PORT"} <= os.environ.keys() and not counted:
        raise InputError(
            "`accelerate launch` was asked for several processes and started one alone, as it does without a GPU: use "
            "`torchrun --nproc_per_node N -m xsim_cli.app zoo train ...`"
        )
    wanted = resolve_device(device)
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if wanted.index is not None and several:
        raise InputError(f"device '{device}' is one, and several processes train: give '{wanted.type}', one for each")
    held = PartialState._shared_state.get("device")
    if held is not None and held.type != wanted.type and not several:
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=wanted.type == "cpu")
    if wanted.type == "cuda" and not several:
        if wanted.index is not None:
            torch.cuda.set_device(wanted.index)  # accelerate itself takes the current one
        # By number, as a thread of its own has a current device of its own.
        accelerator.state.device = torch.device("cuda", torch.cuda.current_device())
    return accelerator


def measure_physics(pairs: PairSource, *, images: int = 64, linked: bool = True, link_first: bool = True) -> Physics:
    """Measure S(f) on the training split and join it to the data's degradation (the first set-up's).

    Parameters
    ----------
    pairs : PairSource
        The data.
    images : int
        Largest number of images to measure on.
    linked : bool
        Take HR to LR grey first, by each sample's own link.
    link_first : bool
        Where the link acts, see `Physics`.

    Raises
    ------
    InputError
        If there is nothing to train on, or the pairs do not say what lies between their detectors.
    """
    check_setups(pairs)
    indices = check_split(pairs, "train")[:images]
    hr, _ = read_pairs(pairs, indices)
    setups = [pairs.setups[pairs.setup_of(index)] for index in indices]
    if linked:
        hr = torch.stack([in_lr_grey(image, setup, first=link_first) for image, setup in zip(hr, setups, strict=True)])
    spectrum = RadialSpectrum.measure(hr, [setup.pitch_mm for setup in setups], setups)
    return Physics(pairs.setups[0], spectrum, link_first)


@names_keywords
def train(
    name: str,
    pairs: PairSource,
    run: Path,
    settings: TrainSettings | None = None,
    *,
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
    data_name: str = "",
) -> TrainResult:
    """Train a restorer on pairs.

    Parameters
    ----------
    name : str
        A registered restorer; one that does not learn gets its physics measured and a card.
    pairs : PairSource
        The data, with a training and a validation split.
    run : Path
        Folder of the run: settings, log, states, and the best weights with their card.
    settings : TrainSettings, optional
        How to train; a resumed run goes on with those it was started with, and may be given more steps.
    resume : bool
        Go on from the newest state.
    device : str
        "auto", "cpu", "cuda", "mps".
    quiet : bool
        Say nothing on stderr.
    data_name : str
        What the card calls the data.

    Raises
    ------
    InputError
        If a setting does not fit the data, or the data are not those that the run was started with.
    DivergedError
        If the loss is no longer finite, naming the batch; the last state and the best weights stay.
    """
    get(name)
    folder = RunFolder(run)
    identity = {"command": "train", "restorer": name, "data_digest": pairs.digest}
    before = None
    if resume:
        stored = folder.settings()
        check_same_run(run, stored, identity)
        settings, before = continued(folder, settings)
    settings = settings or TrainSettings()
    accelerator = start_accelerator(device)
    linked = get(name).uses_link if settings.link is None else settings.link
    physics = measure_physics(pairs, images=settings.spectrum_images, linked=linked)
    restorer = _fresh(name, physics, settings, accelerator.device, setups=len(pairs.setups))
    trainer = Trainer(restorer, pairs, folder, settings, accelerator, quiet=quiet, data_name=data_name)
    trainer.extended_from = before
    return run_in_folder(trainer, None if resume else {**identity, "settings": settings.model_dump()})


def run_in_folder(trainer: Course[Any, Result], beginning: dict[str, Any] | None) -> Result:
    """Run a trainer while its folder is locked.

    Parameters
    ----------
    trainer : Course
        What to run.
    beginning : dict, optional
        What a new folder says about its run; None resumes the run in the folder.
    """
    main = trainer.accelerator.is_main_process
    if beginning is not None and main:
        trainer.folder.start(beginning)
    trainer.accelerator.wait_for_everyone()
    everyone = gather_object([f"{platform.node()}: {hardware(trainer.device)}"])
    with trainer.folder.locked() if main else nullcontext():
        if main and trainer.extended_from is not None:
            trainer.folder.extend({**trainer.folder.settings(), "settings": trainer.settings.model_dump()})
        if main:
            trainer.folder.called(this_call(trainer.settings.steps, hardware(trainer.device), everyone))
        result = trainer.run(resume=beginning is None)
    trainer.accelerator.end_training()
    return result


_DIFFERS = {
    "command": "was started by `xsim zoo {0}`: go on with that",
    "restorer": "trains '{0}', not '{1}': give its own name",
    "data_digest": "the data set has changed since the run was started: give the same data, or start anew",
    "weights_digest": "was started from other weights: give the same ones, or start anew",
    "detectors": "was started between other detectors: give the same ones, or start anew",
}
"""What a run that is resumed must agree in with its start, and the message where it does not."""


def continued(
    folder: RunFolder, given: TrainSettings | None, defaults: TrainSettings | None = None
) -> tuple[TrainSettings, int | None]:
    """Return the settings of a run that goes on, and how many steps it had before it is extended, if it is.

    They are those that it was started with; more steps may be asked for. The learning rate then goes on as in a run of
    that many steps, higher than where it had ended.

    Parameters
    ----------
    folder : RunFolder
        The run.
    given : TrainSettings, optional
        What is asked for now; only what somebody has set in them counts.
    defaults : TrainSettings, optional
        Settings that stand for nothing being asked for.

    Raises
    ------
    InputError
        If they ask for something else than more steps.
    """
    stored = TrainSettings(**folder.settings()["settings"])
    asked = set() if given is None or given is defaults else given.model_fields_set
    changed = {key: getattr(given, key) for key in sorted(asked) if getattr(given, key) != getattr(stored, key)}
    steps = changed.pop("steps", stored.steps)
    if changed:
        key, value = next(iter(changed.items()))
        raise InputError(
            f"{folder.path}: was started with {key}={getattr(stored, key)}, not {value}: a run goes on as it was "
            "started, only steps may be more"
        )
    if steps == stored.steps:
        return stored, None
    if steps < stored.steps:
        raise InputError(f"{folder.path}: was started with steps={stored.steps}: give more of them, or start anew")
    if stored.rollout is not None:
        raise InputError(f"{folder.path}: ends with a rollout, which cannot be put off: finetune its weights instead")
    return stored.model_copy(update={"steps": steps}), stored.steps


def check_same_run(run: Path, stored: dict[str, Any], identity: dict[str, Any]) -> None:
    """Refuse to go on with a run that was started as another one.

    Parameters
    ----------
    run : Path
        Its folder.
    stored, identity : dict
        What the folder says of its run, and what it would say if the run were started now.

    Raises
    ------
    InputError
        Naming what differs.
    """
    for key, text in _DIFFERS.items():
        if stored.get(key) != identity.get(key):
            raise InputError(f"{run}: {text.format(stored.get(key), identity.get(key))}")


def _fresh(name: str, physics: Physics, settings: TrainSettings, device: torch.device, *, setups: int) -> Restorer:
    given = {"prediction": settings.prediction, "coupling": settings.coupling, "link": settings.link}
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if get(name).learned:
        options |= {"backbone": settings.backbone, "size": settings.size}
        told = {key: getattr(settings, key) for key in ("link_conditioning", "detector_conditioning")}
        options |= {key: setups > 1 if asked is None else asked for key, asked in told.items()}
    # torch initialises from its global generator: borrow it and put it back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(settings.seed, stage="weights"))
        restorer = build(name, physics, device=device, **options)
    if isinstance(restorer, LearnedRestorer) and settings.backbone != "unet":
        check_backbone(restorer.network)
    return restorer
