"""Weights on disk: safetensors beside a JSON card that says what they are; nothing is ever unpickled.

The card is written last and names the digest of the tensor file, so a torn or exchanged pair is always noticed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from xsim._version import __version__
from xsim.errors import DamageError, InputError, MissingFileError, UnknownNameError, XsimError
from xsim.files.whole import write_whole
from xsim_zoo.process.physics import Physics
from xsim_zoo.weights.shipped import shipped

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Card", "Checkpoint", "load_checkpoint", "save_checkpoint", "shipped", "weights_path"]

_SCHEMA = "xsim.card/1"
_KINDS = {"restorer": str, "digest": str, "version": str, "parameters": int}
"""Kinds of a card's values; those that are not named here are tables."""
_PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".pkl", ".bin"}


@dataclass(frozen=True)
class Card:
    """What weights are: who may use them, how they came about, and how good they were.

    Parameters
    ----------
    restorer : str
        Name of the restorer they belong to.
    options : dict
        Arguments of its constructor, e.g. the size of the network.
    physics : dict
        Degradation (MTF ratio, noise, link, pitch) and prior spectrum, see `Physics.to_dict`.
    training : dict
        Settings, steps done and seconds spent.
    data : dict
        Path name, digest, size and number of pairs of the training data.
    scores : dict
        Validation scores, of the restored and of the LR images.
    tensors : dict
        Shape of every tensor.
    parameters : int
        Number of parameters.
    digest : str
        sha256 of the safetensors file; empty if there is none.
    version : str
        Version of xsim that wrote them.
    """

    restorer: str
    physics: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, list[int]] = field(default_factory=dict)
    parameters: int = 0
    digest: str = ""
    version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, the schema's name first."""
        return {"schema": _SCHEMA, **asdict(self)}


@dataclass(frozen=True)
class Checkpoint:
    """A card and its tensors, checked against each other."""

    card: Card
    tensors: dict[str, Tensor]
    path: Path

    @property
    def physics(self) -> Physics:
        """The physics that the weights hold for.

        Raises
        ------
        DamageError
            If the card's tables are unusable.
        """
        try:
            return Physics.from_dict(self.card.physics)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DamageError(f"{self.path}: the card's physics is unusable ({error}): take sound weights") from error

    @property
    def many_detectors(self) -> bool:
        """Whether the weights were trained with more than one pair of detectors.

        Raises
        ------
        DamageError
            If the card's count of them is no count.
        """
        setups = self.card.data.get("setups", 1)
        if not isinstance(setups, int):
            raise DamageError(f"{self.path}: the card counts detectors with {setups!r:.40}: take sound weights")
        return setups > 1


def save_checkpoint(path: Path, card: Card, tensors: dict[str, Tensor]) -> Card:
    """Write ``path`` (.safetensors) and its card (.json), tensors first; return the card as written.

    A restorer without a network has no tensors: only its card is written.
    """
    digest = ""
    if tensors:
        content = save_safetensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        digest = hashlib.sha256(content).hexdigest()
        write_whole(path, content)
    card = Card(
        **{
            **{name: getattr(card, name) for name in card.__dataclass_fields__},
            "tensors": {name: list(tensor.shape) for name, tensor in tensors.items()},
            "parameters": sum(tensor.numel() for tensor in tensors.values()),
            "digest": digest,
        }
    )
    write_whole(path.with_suffix(".json"), json.dumps(card.to_dict(), indent=1).encode())
    return card


def weights_path(weights: str | Path) -> Path:
    """Return the tensor file that ``weights`` means: a shipped name, a run folder, a tensor file or a card.

    Raises
    ------
    MissingFileError, UnknownNameError
        If there is none.
    InputError
        If it is a pickle.
    """
    path = Path(weights)
    if path.suffix in _PICKLE_SUFFIXES:
        raise InputError(f"{path}: is a pickle and is never loaded: give .safetensors with its .json card")
    if path.is_dir():
        path = path / "weights.safetensors"
    elif not path.suffix and str(weights) == path.name and not path.exists():
        if path.name not in shipped():
            raise UnknownNameError("file, folder or shipped weights", path.name, shipped())
        return shipped()[path.name]
    if not path.with_suffix(".json").is_file():
        raise MissingFileError(f"{path}: has no card {path.with_suffix('.json').name}: give weights with their card")
    return path.with_suffix(".safetensors")


def load_checkpoint(weights: str | Path) -> Checkpoint:
    """Load weights and check them: digest, names, shapes and finiteness.

    Raises
    ------
    DamageError
        If the card or the tensors are torn, altered, or not finite.
    MissingFileError, UnknownNameError, InputError
        See `weights_path`.
    """
    path = weights_path(weights)
    card = _read_card(path.with_suffix(".json"))
    return Checkpoint(card, _read_tensors(path, card) if card.digest else {}, path)


def _read_card(path: Path) -> Card:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DamageError(f"{path}: is not a card ({error}): take sound weights") from error
    if not isinstance(data, dict) or data.pop("schema", None) != _SCHEMA:
        raise InputError(f"{path}: is not a card of weights ({_SCHEMA}): give weights that xsim wrote")
    options = data.get("options")
    if isinstance(options, dict) and "tells_link" in options:  # its name on cards of before 0.2
        options["link_conditioning"] = options.pop("tells_link")
    try:
        card = Card(**data)
    except TypeError as error:
        raise DamageError(f"{path}: the card does not fit its schema ({error}): take sound weights") from error
    for name, given in vars(card).items():
        if not isinstance(given, kind := _KINDS.get(name, dict)):
            raise DamageError(f"{path}: '{name}' is {given!r:.40}, not a {kind.__name__}: take sound weights")
    return card


def _read_tensors(path: Path, card: Card) -> dict[str, Tensor]:
    if not path.is_file():
        raise MissingFileError(f"{path}: the tensors of this card are missing: fetch them again")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.digest:
        raise DamageError(f"{path}: its digest is not the one on its card, it is torn or altered: fetch it again")
    try:
        tensors = load_safetensors(content)
    except (SafetensorError, ValueError) as error:
        raise DamageError(f"{path}: is not a sound safetensors file ({error}): fetch it again") from error
    if {name: list(tensor.shape) for name, tensor in tensors.items()} != card.tensors:
        raise DamageError(f"{path}: its tensors are not those on its card: fetch it again")
    for name, tensor in tensors.items():
        # torch would take whole numbers as they are, and the network would answer nonsense.
        if not tensor.is_floating_point():
            raise DamageError(f"{path}: tensor '{name}' holds {tensor.dtype}, not weights: fetch it again")
        if not torch.isfinite(tensor).all():
            raise DamageError(f"{path}: tensor '{name}' holds NaN or infinite numbers: train it again")
    return tensors


def fit_tensors(module: torch.nn.Module, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's tensors into a module.

    Raises
    ------
    InputError
        If names or shapes differ: the weights belong to another network.
    """
    try:
        module.load_state_dict(checkpoint.tensors)
    except RuntimeError as error:
        line = str(error).splitlines()[-1].strip()
        raise InputError(f"{checkpoint.path}: belongs to another network: {line}") from error


def restorer_mismatch(checkpoint: Checkpoint, name: str) -> XsimError:
    """Return the error for weights of another restorer."""
    return InputError(
        f"{checkpoint.path}: holds weights of '{checkpoint.card.restorer}', not of '{name}': "
        f"run '{checkpoint.card.restorer}', or give weights of '{name}'"
    )
