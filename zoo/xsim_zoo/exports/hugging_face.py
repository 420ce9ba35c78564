"""A folder as the Hugging Face Hub takes it: weights, their card, and a README.md with the Hub's metadata.

`xsim_zoo.load(name, FOLDER)` reads it again, as it does what a run leaves. Nothing is sent anywhere.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xsim.errors import InputError
from xsim.files.whole import whole_folder
from xsim_zoo.exports.licences import hub_licence
from xsim_zoo.exports.readme import page
from xsim_zoo.weights.card import Card

__all__ = ["ExportedFolder", "export_hugging_face"]

_SSIM, _PSNR = "ssim", "psnr_dB"


@dataclass(frozen=True)
class ExportedFolder:
    """An exported folder.

    Parameters
    ----------
    path : str
        The folder.
    format : str
        "bioimage" or "huggingface".
    bytes : int
        Size of its files.
    files : tuple of str
        Their names.
    largest_difference : float, optional
        Largest difference of a graph in it from torch's answers; None where it holds no graph.
    """

    path: str
    format: str
    bytes: int
    files: tuple[str, ...]
    largest_difference: float | None = None

    @classmethod
    def of(cls, path: Path, format_: str, largest_difference: float | None = None) -> ExportedFolder:
        """Say what a folder holds."""
        files = sorted(path.iterdir())
        size = sum(file.stat().st_size for file in files)
        return cls(str(path), format_, size, tuple(file.name for file in files), largest_difference)


def export_hugging_face(card: Card, tensors: Path, folder: Path, *, force: bool = False) -> ExportedFolder:
    """Write ``weights.safetensors``, ``weights.json``, and ``README.md``.

    Parameters
    ----------
    card : Card
        The card, with the licence and the citation that are to be said.
    tensors : Path
        The tensor file of the card.
    folder : Path
        Where to.
    force : bool
        Whether a folder that exists may be replaced.

    Raises
    ------
    InputError
        If the card's restorer has no weights, or the folder exists.
    EnvironmentFaultError
        If the disk is full or fails; nothing is left then.
    """
    if not card.digest:
        raise InputError(f"restorer '{card.restorer}' has no weights to hand on: give one that learns")
    with whole_folder(folder, replace=force) as partial:
        shutil.copyfile(tensors, partial / "weights.safetensors")
        (partial / "weights.json").write_text(json.dumps(card.to_dict(), indent=1), encoding="utf-8")
        (partial / "README.md").write_text(_front_matter(card, folder.name) + page(card, _use(card)), encoding="utf-8")
    return ExportedFolder.of(folder, "huggingface")


def _use(card: Card) -> str:
    return f"""```python
import xsim_zoo

restorer = xsim_zoo.load("{card.restorer}", "FOLDER")  # where these files lie
restorer.restore("radiograph.tif").save("restored.tif")
```

or `xsim zoo run {card.restorer} radiograph.tif --weights FOLDER -o restored.tif`."""


def _front_matter(card: Card, name: str) -> str:
    """Return the Hub's metadata. Every JSON value is one of YAML, so that nothing has to be escaped by hand."""
    known: dict[str, Any] = {
        "library_name": "xsim",
        "pipeline_tag": "image-to-image",
        "tags": ["x-ray", "radiography", "image-restoration", "deblurring", card.restorer],
    }
    if card.license:
        known |= hub_licence(card.license)
    if scores := _results(card):
        dataset = {"type": "simulated", "name": card.data.get("name") or "unnamed"}
        task = {"type": "image-to-image", "name": "X-ray image restoration"}
        known["model-index"] = [{"name": name, "results": [{"task": task, "dataset": dataset, "metrics": scores}]}]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in known.items()]
    return "\n".join(["---", *lines, "---", ""]) + "\n"


def _results(card: Card) -> list[dict[str, Any]]:
    found = card.scores.get("validation", {})
    names = {_PSNR: "PSNR [dB], data range 1, validation", _SSIM: "SSIM, validation"}
    return [
        {"type": key.removesuffix("_dB"), "name": name, "value": round(float(found[key]), 4)}
        for key, name in names.items()
        if key in found
    ]
