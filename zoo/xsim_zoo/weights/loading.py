"""What the zoo holds, and from a name to a restorer between the detectors of its weights or the user's own."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import torch

from xsim.degradation.known_file import degradation_of
from xsim.errors import DamageError, InputError, MissingFileError, UnknownNameError
from xsim.keywords import check_keywords, names_keywords
from xsim_zoo.network.backbone import Backbone, build_backbone
from xsim_zoo.network.unet import build_unet
from xsim_zoo.process.physics import Physics
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.restorers.registry import get, names, plugin_of
from xsim_zoo.restorers.restoration import RestorerOptions
from xsim_zoo.weights.card import Card, of_any_pitch, read_card, shipped
from xsim_zoo.weights.checkpoint import load_checkpoint

__all__ = [
    "arguments_of",
    "build",
    "describe",
    "limits_of",
    "list_restorers",
    "load",
    "resolve_device",
    "weights_at_pitch",
    "with_detectors",
]

_PHYSICS_OF = "physics-sde"
"""Whose shipped physics a restorer without weights of its own takes."""


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device to compute on; "auto" takes CUDA, then MPS, then the CPU.

    Raises
    ------
    InputError
        If the device is unknown or not there: nothing falls back in silence.
    """
    if str(device) == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        wanted = torch.device(device)
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device '{device}' is not available here: give cpu, auto or one that `xsim doctor` lists"
        ) from error
    return wanted


def build(
    name: str,
    physics: Physics,
    *,
    device: str | torch.device = "cpu",
    backbone: str = "unet",
    size: str = "small",
    backbone_options: Mapping[str, Any] | None = None,
    link_conditioning: bool = False,
    detector_conditioning: bool = False,
    own_options: Mapping[str, Any] | None = None,
    **options: Unpack[RestorerOptions],
) -> Restorer:
    """Return a fresh restorer; a learned one gets a new network, told of link and detectors or not.

    Parameters
    ----------
    name : str
        A registered name.
    physics : Physics
        Degradation and prior spectrum.
    device : torch device or str
        Where it computes.
    backbone : str
        "unet", or ``module:factory`` of another package, see `xsim_zoo.network.backbone`.
    size : str
        Size of the network.
    backbone_options : mapping, optional
        Keywords of another backbone's factory; its size alone if not given.
    link_conditioning, detector_conditioning : bool
        What the network is told.
    own_options : mapping, optional
        Arguments that a restorer of another package has of its own.
    **options
        Arguments of the restorer, as far as it has them.

    Raises
    ------
    UnknownKeywordError
        If an option is not one of the restorer's.
    InputError
        If another backbone's keywords are not its factory's.
    """
    cls = get(name)
    arguments: dict[str, Any] = {**options, **(own_options or {})}
    own = set(inspect.signature(build).parameters) - {"name", "physics", "options"}
    check_keywords(f"option of restorer '{name}'", arguments, own | set(arguments_of(cls)))
    try:
        if not issubclass(cls, LearnedRestorer):
            return cls(physics, device=device, **arguments)
        told = {"link_conditioning": link_conditioning, "detector_conditioning": detector_conditioning}
        if backbone == "unet":
            network: Backbone = build_unet(cls.inputs, size, **told)
        else:
            given = {"size": size} if backbone_options is None else backbone_options
            network = build_backbone(backbone, cls.inputs, given, **told)
        return cls(physics, network, device=device, **arguments)
    except TypeError as error:
        raise InputError(
            f"restorer '{name}' does not take these options: {', '.join(arguments) or 'none'} given"
        ) from error


def arguments_of(cls: type[Restorer]) -> set[str]:
    """Return the names of a restorer's own arguments; one that passes any on has its base's as well."""
    found: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in base.__dict__:
            parameters = inspect.signature(base.__dict__["__init__"]).parameters.values()
            found |= {item.name for item in parameters}
            if not any(item.kind is item.VAR_KEYWORD for item in parameters):
                break
    return found - {"self", "physics", "network", "device"}


@names_keywords
def load(name: str, weights: str | Path | None = None, *, device: str | torch.device = "auto") -> Restorer:
    """Return a restorer with trained weights.

    Parameters
    ----------
    name : str
        A registered name, e.g. ``"physics-sde"``.
    weights : str or path, optional
        A shipped name, a run folder or a .safetensors file; None takes the shipped ones of that name.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    UnknownNameError
        If there is no such restorer or no such shipped weights.
    MissingFileError
        If none are shipped and none were given.
    InputError
        If the weights belong to another restorer or network.
    DamageError
        If they are damaged.
    """
    try:
        cls = get(name)
    except UnknownNameError:
        if weights is not None:
            load_checkpoint(weights)  # whose card may say which package brings the restorer
        raise
    place = resolve_device(device)
    if weights is None:
        available = shipped()
        whose = name if cls.learned or name in available else _PHYSICS_OF
        if whose not in available:
            raise MissingFileError(
                f"no weights are shipped for '{name}': train it with `xsim zoo train {name}`, or give --weights"
            )
        weights = available[whose]
    checkpoint = load_checkpoint(weights)
    card = checkpoint.card
    # A restorer without a network needs only the physics, whoever's card it stands on.
    if cls.learned and card.restorer != name:
        raise InputError(
            f"{checkpoint.path}: holds weights of '{card.restorer}', not of '{name}': "
            f"run '{card.restorer}', or give weights of '{name}'"
        )
    try:
        options = card.options if card.restorer == name else {}
        restorer = build(name, checkpoint.physics, device=place, **options)
    except (InputError, TypeError) as error:
        raise DamageError(f"{checkpoint.path}: the card's options do not fit ({error}): take sound weights") from error
    if isinstance(restorer, LearnedRestorer):
        try:
            restorer.network.load_state_dict(checkpoint.tensors)
        except RuntimeError as error:
            line = str(error).splitlines()[-1].strip()
            raise InputError(f"{checkpoint.path}: belongs to another network: {line}") from error
        restorer.network.eval()
        restorer.many_detectors = restorer.awaits_detectors = checkpoint.many_detectors
        restorer.met = checkpoint.met
    return restorer


def weights_at_pitch(name: str, pitch_mm: float | None) -> str | None:
    """Return the shipped weights to take for a pixel pitch [mm] in place of those of a restorer's own name.

    They are those that have learned many detectors, where its own hold for another pitch. None where its own hold, or
    where nothing else is shipped.
    """
    own = shipped().get(name)
    if own is None or Physics.from_dict(read_card(own.with_suffix(".json")).physics).is_pitch(pitch_mm):
        return None
    return of_any_pitch(name)


@names_keywords
def with_detectors(restorer: Restorer, path: Path) -> Restorer:
    """Return a restorer that takes blur, noise and grey-level link from a detector file.

    Of one detector it restores to the usual target, see `xsim.degradation.known_file.degradation_of`.

    The prior spectrum and the network stay. A network that is shown the Wiener estimate learns what that leaves, in
    units of its expected error, and so carries over to other detectors of its pixel pitch; others have learned one
    blur, and told another they make the image worse than it was.

    Parameters
    ----------
    restorer : Restorer
        What `xsim_zoo.load` returns.
    path : Path
        A file of ``xsim calibrate`` or ``xsim detector --save``.

    Raises
    ------
    InputError
        If the file holds no detector, its pitch is not the network's, or the network knows one blur only.
    """
    degradation = degradation_of(path)
    if not (restorer.adapts_to_detectors or restorer.many_detectors):
        raise InputError(f"'{restorer.name}' has learned one blur and takes no --detectors: run physics-sde")
    if restorer.learned and not restorer.many_detectors:
        restorer.physics.check_pitch(degradation.pitch_mm)
    return restorer.with_physics(restorer.physics.between(degradation))


def list_restorers() -> list[dict[str, Any]]:
    """Return every restorer with the weights that are shipped for it, checked as they are read."""
    of_restorer = defaultdict(list)
    for weights, path in shipped().items():
        card = load_checkpoint(path).card
        of_restorer[card.restorer].append(
            {
                "name": weights,
                "parameters": card.parameters,
                "bytes": path.stat().st_size if card.digest else 0,
                "digest": card.digest,
                "pitch_mm": card.physics["degradation"]["pitch_mm"],
            }
        )
    return [{"name": name, **_listed(name), "weights": of_restorer[name]} for name in names()]


def _listed(name: str) -> dict[str, Any]:
    """Return what a list says of a restorer; of another package's only the package, as nothing of it is imported."""
    plugin = plugin_of(name)
    if plugin is None:
        return {**_facts(get(name)), "package": None}
    unknown = dict.fromkeys(("learned", "samples_posterior", "adapts_to_detectors"))
    return {**unknown, "package": f"{plugin.package} {plugin.version}"}


def _facts(cls: type[Restorer]) -> dict[str, bool]:
    return {"learned": cls.learned, "samples_posterior": cls.samples, "adapts_to_detectors": cls.adapts_to_detectors}


def describe(name: str, weights: str | Path | None = None) -> dict[str, Any]:
    """Return what a restorer is, and the card of its weights (None where none are shipped).

    The weights are loaded whole, so that a card is shown only of what would run.

    Raises
    ------
    UnknownNameError
        If there is no such restorer.
    XsimError
        See `load`.
    """
    cls = get(name)
    source = shipped().get(name) if weights is None else weights
    card: Card | None = None
    if source is not None:
        load(name, source, device="cpu")
        card = load_checkpoint(source).card
    return {
        "name": name,
        **_facts(cls),
        "package": None if (plugin := plugin_of(name)) is None else f"{plugin.package} {plugin.version}",
        "default_steps": cls.default_steps,
        "about": (cls.__doc__ or "").strip().splitlines()[0],
        "card": None if card is None else card.to_dict(),
        "limits": [] if card is None else limits_of(card),
    }


def limits_of(card: Card) -> list[str]:
    """Return what weights are not proven for, one sentence each."""
    pitch_mm = card.physics["degradation"]["pitch_mm"]
    setups, pairs = card.data.get("setups", 1), card.data.get("pairs", 0)
    if setups > 1:
        said = [f"learned {setups} pairs of detectors: tell it yours with --detectors"]
    elif get(card.restorer).adapts_to_detectors:
        said = [f"pixels of {pitch_mm:g} mm and the detectors of its card; others at this pitch with --detectors"]
    else:
        said = [f"pixels of {pitch_mm:g} mm and the detectors of its card, no others: its network has learned one blur"]
    if card.digest:
        data = card.data.get("name") or "unnamed data"
        if card.training.get("lr_only"):
            learned = f"{card.data.get('lr_windows', 0)} LR windows of {data} and {pairs} simulated pairs, no HR"
            return [*said, f"adapted to {learned}: detail that LR does not hold was judged by none of them"]
        said += [
            f"learned from {pairs} pairs of {data}: on other objects look at the consistency verdict",
            "scores are of held-out pairs of the same data: a closed loop until pairs of your own confirm them",
        ]
    return said
