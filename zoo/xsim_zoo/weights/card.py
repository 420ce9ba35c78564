"""The card that says what weights are, and where weights lie; torch is not imported for it, as every command asks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from xsim._version import __version__
from xsim.errors import DamageError, InputError, MissingFileError, UnknownNameError, XsimError
from xsim.files.documents import read_json

__all__ = ["WEIGHTS_FOLDER", "Card", "of_any_pitch", "read_card", "shipped", "suited", "weights_path"]

WEIGHTS_FOLDER = Path(__file__).parent / "files"
"""Where the weights lie that the package ships."""

_SCHEMA = "xsim.card/1"
_KINDS = {"restorer": str, "digest": str, "version": str, "parameters": int, "license": str, "citation": str}
"""Kinds of a card's values; those that are not named here are tables."""

_LICENSE = "MIT"
"""Of the weights that the package ships: the package's own."""

_CITATION = (
    "The xsim developers. xsim: a digital twin of an indirect X-ray imaging system, and a zoo of restorers trained "
    "inside it (software)."
)
"""What to cite for them: as CITATION.cff."""

_PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".pkl", ".bin"}
"""Files that may run code as they are loaded: they never are."""


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
    packages : dict
        Packages with their versions that bring the restorer or its backbone, where xsim itself does not.
    license : str
        SPDX identifier of the licence that they are under; empty where their maker has not said it.
    citation : str
        What to cite where they are used; empty where their maker has not said it.
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
    packages: dict[str, str] = field(default_factory=dict)
    license: str = ""
    citation: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, the schema's name first."""
        content = asdict(self)
        for name in ("packages", "license", "citation"):
            if not content[name]:
                del content[name]  # cards without them stay readable for earlier versions
        return {"schema": _SCHEMA, **content}


def shipped() -> dict[str, Path]:
    """Return the weights that the package ships: name -> path of the tensor file (its card lies beside it)."""
    return {path.stem: path.with_suffix(".safetensors") for path in sorted(WEIGHTS_FOLDER.glob("*.json"))}


def suited(
    name: str, *, steps: int | None = None, samples: int = 0, many_detectors: bool = False
) -> tuple[str, str] | None:
    """Return which shipped weights of a restorer suit a run best, and what they are for; None where it has one kind.

    Some weights are trained to take a number of sampling steps together, and are then for no other; those that were
    trained step by step serve any number, and posterior samples.

    Parameters
    ----------
    name : str
        Name of the restorer.
    steps : int, optional
        Sampling steps that are asked for; None for the restorer's own.
    samples : int
        Posterior samples that are asked for.
    many_detectors : bool
        Whether the weights are to have learned many detectors, or one pair.
    """
    kinds = {
        weights: card.options.get("steps")
        for weights, card in _cards_of(name).items()
        if (card.data.get("setups", 1) > 1) == many_detectors
    }
    any_number = [weights for weights, together in kinds.items() if together is None]
    if len(kinds) < 2:
        return None
    if samples:
        return (any_number[0], "posterior samples") if any_number else None
    together = {count: weights for weights, count in kinds.items() if count is not None}
    if steps is None:
        steps = kinds.get(name, next(iter(together), None) if many_detectors else None)
    if steps in together:
        return together[steps], "one step" if steps == 1 else f"{steps} steps"
    return (any_number[0], "any number of steps") if any_number else None


def of_any_pitch(name: str, *, steps: int | None = None, samples: int = 0) -> str | None:
    """Return the shipped weights of a restorer that have learned many detectors, and so take any pitch, if any.

    Parameters
    ----------
    name : str
        Name of the restorer.
    steps, samples : int, optional
        Of several the ones are taken that suit these best, see `suited`.
    """
    if (best := suited(name, steps=steps, samples=samples, many_detectors=True)) is not None:
        return best[0]
    return next((weights for weights, card in _cards_of(name).items() if card.data.get("setups", 1) > 1), None)


def _cards_of(name: str) -> dict[str, Card]:
    """Return the cards of a restorer's shipped weights, by the weights' name."""
    cards = {weights: read_card(path.with_suffix(".json")) for weights, path in shipped().items()}
    return {weights: card for weights, card in cards.items() if card.restorer == name}


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


def read_card(path: Path) -> Card:
    """Read a card (.json) and check that it is one.

    Raises
    ------
    DamageError, InputError
        If it is torn, or no card.
    """
    try:
        data = read_json(path)
    except XsimError:
        raise
    except (ValueError, RecursionError) as error:
        raise DamageError(f"{path}: is not a card ({error}): take sound weights") from error
    if not isinstance(data, dict) or data.pop("schema", None) != _SCHEMA:
        raise InputError(f"{path}: is not a card of weights ({_SCHEMA}): give weights that xsim wrote")
    options = data.get("options")
    if isinstance(options, dict) and "tells_link" in options:  # its name on cards of before 0.2
        options["link_conditioning"] = options.pop("tells_link")
    if isinstance(options, dict) and data.get("restorer") == "physics-sde-paper":
        options.setdefault("coupling", "independent")  # the one reading of before 0.2
    try:
        card = Card(**data)
    except TypeError as error:
        raise DamageError(f"{path}: the card does not fit its schema ({error}): take sound weights") from error
    for name, given in vars(card).items():
        if not isinstance(given, kind := _KINDS.get(name, dict)):
            raise DamageError(f"{path}: '{name}' is {given!r:.40}, not a {kind.__name__}: take sound weights")
    if path.parent == WEIGHTS_FOLDER:
        return replace(card, license=card.license or _LICENSE, citation=card.citation or _CITATION)
    return card
