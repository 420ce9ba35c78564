"""Weights on disk: safetensors beside a JSON card that says what they are; nothing is ever unpickled.

The card is written last and names the digest of the tensor file, so a torn or exchanged pair is always noticed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from xsim.errors import DamageError, MissingFileError
from xsim.files.plain import WEIGHTS, read_plain
from xsim.files.whole import write_whole
from xsim_zoo.process.conditions import Met
from xsim_zoo.process.physics import Physics
from xsim_zoo.weights.card import Card, read_card, weights_path
from xsim_zoo.weights.packages import check_packages

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]


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
    def met(self) -> Met | None:
        """Which detectors the weights have met in training; None where the card does not say.

        Raises
        ------
        DamageError
            If the card's ranges are none.
        """
        if "met" not in self.card.data:
            return None
        try:
            return Met.from_dict(self.card.data["met"])
        except (TypeError, ValueError) as error:
            raise DamageError(f"{self.path}: the card's ranges are unusable ({error}): take sound weights") from error

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
    card = replace(
        card,
        tensors={name: list(tensor.shape) for name, tensor in tensors.items()},
        parameters=sum(tensor.numel() for tensor in tensors.values()),
        digest=digest,
    )
    write_whole(path.with_suffix(".json"), json.dumps(card.to_dict(), indent=1).encode())
    return card


def load_checkpoint(weights: str | Path) -> Checkpoint:
    """Load weights and check them: digest, names, shapes and finiteness.

    Raises
    ------
    DamageError
        If the card or the tensors are torn, altered, or not finite.
    MissingFileError, UnknownNameError, InputError
        See `weights_path`; if a package that they need is not installed, naming it.
    """
    path = weights_path(weights)
    card = read_card(path.with_suffix(".json"))
    check_packages(card, path)
    return Checkpoint(card, _read_tensors(path, card) if card.digest else {}, path)


def _read_tensors(path: Path, card: Card) -> dict[str, Tensor]:
    if not path.is_file():
        raise MissingFileError(f"{path}: the tensors of this card are missing: fetch them again")
    content = read_plain(path, WEIGHTS)
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
