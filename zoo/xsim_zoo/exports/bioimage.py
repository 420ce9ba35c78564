"""A folder as the BioImage Model Zoo takes it: the restoration as ONNX, test images, and ``rdf.yaml`` (spec 0.5).

Its own programs (`bioimageio.core`, and those of deepImageJ, ilastik, ImJoy, QuPath) run it without xsim: filters and
link are inside the graph. Nothing is sent anywhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.files.whole import whole_folder
from xsim_zoo.exports.hugging_face import ExportedFolder
from xsim_zoo.exports.licences import spdx_licence
from xsim_zoo.exports.readme import about, page
from xsim_zoo.exports.whole import INPUT, OUTPUT, answer_of, export_whole, probe_image
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.weights.card import Card

__all__ = ["export_bioimage"]

_VERSION: Final = "0.5.4"
"""Version of the format that is written; later readers of 0.5 take it too."""

_PHYSICS: Final = (
    (
        "Poludniowski et al., SpekPy v2.0, Med. Phys. 48 (2021): spectra of the pairs",
        "10.1002/mp.14945",
    ),
    ("Schoonjans et al., The xraylib library, Spectrochim. Acta B 66 (2011): attenuation", "10.1016/j.sab.2011.09.011"),
)
"""What the simulated pairs stand on: the format takes no citation without a DOI or an address, and xsim has none."""

_COVER_PX: Final = 256
"""Least height of a cover [px]: small images are shown larger."""

_DOI: Final = re.compile(r"\b10\.\d{4,9}/[^\s,;]*[^\s,;.)]")
_ADDRESS: Final = re.compile(r"https?://[^\s,;]*[^\s,;.)]")


def export_bioimage(
    restorer: Restorer,
    card: Card,
    shape: tuple[int, int],
    folder: Path,
    *,
    steps: int | None = None,
    force: bool = False,
) -> ExportedFolder:
    """Write ``rdf.yaml``, the graph, a test image with its answer, a cover, and ``README.md``.

    Parameters
    ----------
    restorer : Restorer
        See `xsim_zoo.exports.graph.RestorationGraph`.
    card : Card
        Its card, with the licence and the citation that are to be said.
    shape : (H, W)
        Size of the images [px].
    folder : Path
        Where to.
    steps : int, optional
        Sampling steps; None takes the restorer's own.
    force : bool
        Whether a folder that exists may be replaced.

    Raises
    ------
    InputError
        If nobody says under which licence the weights are, it has no SPDX name, or the folder exists.
    DamageError, ExtraMissingError
        See `export_whole`.
    """
    if not card.license:
        raise InputError("the BioImage Model Zoo takes no model without a licence: say --license, e.g. CC-BY-4.0")
    if not spdx_licence(card.license):
        raise InputError(
            f"licence '{card.license}' has no SPDX name, by which the BioImage Model Zoo knows them: say --license "
            "with one, e.g. CC-BY-4.0 (spdx.org/licenses)"
        )
    with whole_folder(folder, replace=force) as partial:
        graph = partial / "restoration.onnx"
        exported = export_whole(restorer, shape, graph, steps=steps, card=card.to_dict())
        images = probe_image(shape, 1)[None, None]
        answers = answer_of(graph, images)
        np.save(partial / "test_lr.npy", images)
        np.save(partial / "test_hr.npy", answers)
        _draw(images[0, 0], partial / f"sample_{INPUT}.png")
        _draw(answers[0, 0], partial / f"sample_{OUTPUT}.png")
        _draw_cover(images[0, 0], answers[0, 0], partial / "cover.png")
        (partial / "README.md").write_text(page(card, _use(shape)), encoding="utf-8")
        described = _description(card, shape, partial, graph)
        # JSON is YAML: nothing has to be escaped by hand, and no package is needed for it.
        (partial / "rdf.yaml").write_text(json.dumps(described, indent=1, ensure_ascii=False), encoding="utf-8")
    return ExportedFolder.of(folder, "bioimage", exported.largest_difference)


def _draw_cover(lr: NDArray[np.float32], hr: NDArray[np.float32], path: Path) -> None:
    """Draw the middle of both images beside each other: twice as wide as high, as that zoo wants it."""
    side = min(lr.shape)
    top, left = ((length - side) // 2 for length in lr.shape)
    both = np.hstack([image[top : top + side, left : left + side] for image in (lr, hr)])
    larger = -(-_COVER_PX // side)
    _draw(both.repeat(larger, axis=0).repeat(larger, axis=1), path)


def _draw(image: NDArray[np.float32], path: Path) -> None:
    """Draw an image in 8 bits, black at 0 and white at the open field."""
    from PIL import Image  # noqa: PLC0415  (only for a folder of this kind)

    Image.fromarray((image.clip(0.0, 1.0) * 255.0).astype(np.uint8)).save(path)


def _use(shape: tuple[int, int]) -> str:
    size = f"{shape[0]} x {shape[1]} px"
    return f"""Input `{INPUT}` and output `{OUTPUT}`: float32 (batch, channel, y, x), one channel of {size}. Divide
codes by that of the open field. Padding, noise level, filters and the grey-level link are inside the graph."""


def _description(card: Card, shape: tuple[int, int], folder: Path, graph: Path) -> dict[str, Any]:
    return {
        "format_version": _VERSION,
        "type": "model",
        "name": f"xsim {card.restorer} {shape[0]}x{shape[1]}",
        "description": about(card).replace("[", "(").replace("]", ")"),
        "authors": [{"name": "The xsim developers"}],
        "cite": _cite(card),
        "license": spdx_licence(card.license),
        "documentation": "README.md",
        "covers": ["cover.png"],
        "tags": ["x-ray", "radiography", "restoration", "deblurring", "2d", "xsim"],
        "inputs": [_tensor(INPUT, shape, folder / "test_lr.npy", card)],
        "outputs": [_tensor(OUTPUT, shape, folder / "test_hr.npy", card)],
        "weights": {"onnx": {**_file(graph), "opset_version": _opset(graph)}},
    }


def _opset(graph: Path) -> int:
    import onnx  # noqa: PLC0415  (an extra)

    return max(int(item.version) for item in onnx.load(str(graph)).opset_import if not item.domain)


def _file(path: Path) -> dict[str, str]:
    return {"source": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _cite(card: Card) -> list[dict[str, str]]:
    """Return what to cite: the card's own citation where it says where it is found, and what the physics stands on."""
    entries = [{"text": text, "doi": doi} for text, doi in _PHYSICS]
    for key, pattern in (("doi", _DOI), ("url", _ADDRESS)):
        if found := pattern.search(card.citation):
            return [{"text": card.citation, key: found[0]}, *entries]
    return entries


def _tensor(name: str, shape: tuple[int, int], test: Path, card: Card) -> dict[str, Any]:
    """Return the description of images (batch, channel, y, x); lengths are those of the pixels that it was made for."""
    pitch_mm = card.physics["degradation"]["pitch_mm"]
    space = [
        {"type": "space", "id": axis, "size": side, "unit": "millimeter", "scale": pitch_mm}
        for axis, side in zip("yx", shape, strict=True)
    ]
    return {
        "id": name,
        "description": "X-ray transmission, linear, open field 1.0, metal dark",
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["transmission"]}, *space],
        "data": {"type": "float32", "range": [None, None], "unit": "arbitrary unit", "scale": 1.0, "offset": None},
        "test_tensor": _file(test),
        "sample_tensor": _file(test.with_name(f"sample_{name}.png")),
    }
