"""`xsim zoo export`: restorers for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError, UnknownNameError
from xsim_cli.common import (
    DetectorsOption,
    ForceOption,
    JsonOption,
    RestorerName,
    WeightsOption,
    check_output,
    report,
)

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.weights.card import Card

__all__ = ["register"]

_FORMATS = ("onnx", "bioimage", "huggingface")


def register(app: typer.Typer) -> None:
    """Add the command to `xsim zoo`."""
    app.command(epilog="Example: xsim zoo export physics-sde --shape 480x640 -o restore.onnx")(export)


def export(
    name: RestorerName,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write; a folder for the other formats.")],
    format_: Annotated[
        str,
        typer.Option("--format", help="onnx; bioimage, huggingface: a folder for the BioImage Model Zoo, the Hub."),
    ] = "onnx",
    shape: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Export the whole restoration of images of this size [px], not the network."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps of the whole restoration.")] = None,
    weights: WeightsOption = None,
    detectors: DetectorsOption = None,
    license_: Annotated[
        str | None, typer.Option("--license", help="Licence of the weights (SPDX), in place of the card's.")
    ] = None,
    citation: Annotated[str | None, typer.Option(help="What to cite for the weights, in place of the card's.")] = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write a restorer for other programs, with its card.

    What is written is checked against torch to 1e-4. Of the network alone, filters, sampler and link around it
    follow from the card: examples/restore_numpy.py does all of it in numpy. With --shape they are inside, for one
    size of images. Nothing is sent anywhere.
    """
    from dataclasses import asdict, replace

    from xsim_zoo.weights.card import weights_path
    from xsim_zoo.weights.checkpoint import load_checkpoint
    from xsim_zoo.weights.loading import load, with_detectors

    if format_ not in _FORMATS:
        raise UnknownNameError("export format", format_, _FORMATS)
    size = None if shape is None else _size_of(shape)
    tensors = None if weights is None else weights_path(weights)
    _check(format_, output, size=size, steps=steps, force=force, tensors=tensors)
    restorer = load(name, weights, device="cpu")
    if detectors is not None:
        restorer = with_detectors(restorer, Path(detectors))
    if not restorer.learned and size is None:
        raise InputError(f"restorer '{name}' has no network to export: give --shape, or a restorer that learns")
    path = weights_path(weights) if weights is not None else _shipped_path(name)
    card = load_checkpoint(path).card
    card = replace(card, license=license_ or card.license, citation=citation or card.citation)
    written = asdict(_write(format_, restorer, card, output, size=size, steps=steps, force=force, tensors=path))
    said = f"{output}: {written['bytes'] / 1e6:.1f} MB"
    if written["largest_difference"] is not None:
        said += f", within {written['largest_difference']:.1e} of torch"
    report("zoo.export", written, [said], json_=json_)


def _size_of(text: str) -> tuple[int, int]:
    """Return height and width of a text such as 480x640."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise InputError(f"--shape {text}: is no size: give height and width in pixels, as 480x640")
    return int(height), int(width)


def _check(
    format_: str, output: Path, *, size: tuple[int, int] | None, steps: int | None, force: bool, tensors: Path | None
) -> None:
    """Refuse what cannot be written before anything is loaded."""
    inputs = () if tensors is None else (tensors, tensors.with_suffix(".json"))
    if format_ == "onnx":
        check_output(output, force=force, inputs=inputs)
    elif output.exists() and (not force or not output.is_dir()):
        raise InputError(f"{output}: exists already: give another folder or --force")
    elif tensors is not None and output.exists() and output.resolve() in tensors.resolve().parents:
        raise InputError(f"{output}: is also an input: give another folder")
    if format_ == "bioimage" and size is None:
        raise InputError("--format bioimage needs --shape: its models have test images of the size that they take")
    if format_ == "huggingface" and size is not None:
        raise InputError("--format huggingface holds weights for any size: leave out --shape")
    if steps is not None and size is None:
        raise InputError("--steps is of the whole restoration: give --shape as well")


def _shipped_path(name: str) -> Path:
    """Return the shipped weights, or those whose physics a restorer without a network stands on."""
    from xsim_zoo.weights.card import shipped

    return shipped().get(name) or shipped()["physics-sde"]


def _write(
    format_: str,
    restorer: Restorer,
    card: Card,
    output: Path,
    *,
    size: tuple[int, int] | None,
    steps: int | None,
    force: bool,
    tensors: Path,
) -> Any:
    from xsim_zoo.exports.bioimage import export_bioimage
    from xsim_zoo.exports.hugging_face import export_hugging_face
    from xsim_zoo.exports.whole import export_whole
    from xsim_zoo.network.export import export as export_network
    from xsim_zoo.restorers.learned import LearnedRestorer

    content: Mapping[str, Any] = card.to_dict()
    if format_ == "huggingface":
        return export_hugging_face(card, tensors, output, force=force)
    if size is not None and format_ == "bioimage":
        return export_bioimage(restorer, card, size, output, steps=steps, force=force)
    if size is not None:
        return export_whole(restorer, size, output, steps=steps, card=content)
    assert isinstance(restorer, LearnedRestorer)
    return export_network(restorer.network, output, format_, card=content)
