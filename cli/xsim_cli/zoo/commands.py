"""`xsim zoo`: list, describe and train restorers; running, judging and exporting them live in files of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from xsim.errors import DamageError
from xsim_cli.common import (
    DeviceOption,
    JsonOption,
    RestorerName,
    WeightsOption,
    emit_json,
    report,
    say,
)
from xsim_cli.zoo.eval import register as register_eval
from xsim_cli.zoo.export import register as register_export
from xsim_cli.zoo.finetune import ResumeOption, RunOption, SetOption, SettingsOption
from xsim_cli.zoo.finetune import register as register_finetune
from xsim_cli.zoo.run import register as register_run
from xsim_cli.zoo.study import register as register_study


def _ask_for_large_pages() -> None:
    # torch then puts its large arrays on large pages where Linux offers them: fetching small ones one by one costs a
    # tenth of the time of a large radiograph. It looks once, at its first large array, so this comes before torch is
    # imported; who has set it already is left alone.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


app = typer.Typer(
    callback=_ask_for_large_pages,
    no_args_is_help=True,
    help="Restorers: list, train, finetune, run, evaluate, study, export.",
    epilog="Example: xsim zoo run physics-sde board.tif -o restored.tif",
)


@app.command("list", epilog="Example: xsim zoo list --json")
def list_(json_: JsonOption = False) -> None:
    """List the restorers and the weights that are shipped for them."""
    from xsim_zoo.weights.loading import list_restorers

    restorers, lines = list_restorers(), []
    for restorer in restorers:
        if restorer["package"] is not None:
            lines.append(f"{restorer['name']:22s} {'plugin':10s} of the package {restorer['package']}")
            continue
        kind = "learned" if restorer["learned"] else "classical"
        other = "any detectors" if restorer["adapts_to_detectors"] else "its own detectors"
        weights = [f"{item['name']} ({item['parameters'] / 1e6:.2f} M)" for item in restorer["weights"]]
        missing = "no shipped weights" if restorer["learned"] else "needs none"
        lines.append(f"{restorer['name']:22s} {kind:10s} {other:18s} {', '.join(weights) or missing}")
    report("zoo.list", {"restorers": restorers}, lines, json_=json_)


@app.command(epilog="Example: xsim zoo info physics-sde")
def info(name: RestorerName, weights: WeightsOption = None, json_: JsonOption = False) -> None:
    """Show what a restorer is, and the card of its weights."""
    from xsim_zoo.weights.loading import describe

    description = describe(name, weights)
    report("zoo.info", description, _description_lines(description), json_=json_)


def _description_lines(description: dict[str, Any]) -> Iterator[str]:
    yield f"{description['name']}: {description['about']}"
    if description["package"] is not None:
        yield f"from the package {description['package']}"
    yield f"learned: {description['learned']}, steps: {description['default_steps']}"
    other = "yes" if description["adapts_to_detectors"] else "no, its network has learned one blur"
    yield f"other detectors: {other}"
    card = {}
    if description["card"] is None:
        yield "no weights of its own are shipped"
    else:
        try:
            card = _card_lines(description["card"])
        except (KeyError, TypeError, ValueError) as error:
            raise DamageError(f"the card of these weights cannot be read ({error!r}): take sound weights") from error
    for key, value in (*card.items(), *(("limit", limit) for limit in description["limits"])):
        yield f"{key + ':':12s} {value}"


def _network_of(options: dict[str, Any]) -> str:
    own = options.get("backbone")
    return str(options.get("size", "none")) if own is None else f"{own} {options.get('backbone_options', {})}"


def _card_lines(card: dict[str, Any]) -> dict[str, str]:
    scores = card["scores"]
    training, data = card["training"], card["data"]
    what = f"{data.get('pairs', '?')} pairs"
    if training.get("lr_only"):
        what = f"{data['lr_windows']} LR windows and {what}"
    lines = {
        "network": f"{_network_of(card['options'])}, {card['parameters'] / 1e6:.2f} M parameters",
        "pitch": "any" if data.get("setups", 1) > 1 else f"{card['physics']['degradation']['pitch_mm']:g} mm",
        "trained": (
            f"{training.get('steps', 0)} steps on {what} of {data.get('name') or 'some data'}, "
            f"{training.get('seconds', 0) / 60:.0f} min on {training.get('hardware', 'unknown hardware')}"
        ),
        "digest": card["digest"] or "none",
    }
    for said in ("license", "citation"):
        if card.get(said):
            lines[said] = str(card[said])
    if card.get("packages"):
        lines["packages"] = ", ".join(f"{part}: {package}" for part, package in card["packages"].items())
    for split in ("validation", "lr"):
        if split in scores:
            lines[split] = f"{scores[split]['psnr_dB']:.2f} dB, SSIM {scores[split]['ssim']:.4f}"
    return lines


@app.command(
    epilog="Example: xsim zoo train physics-sde --data pairs.zarr -o runs/first --set steps=2000  ||  "
    "several stores: --data boards.zarr --share 3 --data castings.zarr --share 1"
)
def train(
    name: RestorerName,
    data: Annotated[list[str], typer.Option(help="Store of pairs, of `xsim dataset make`; repeat it to mix several.")],
    output: RunOption,
    share: Annotated[
        list[float] | None,
        typer.Option(help="Share of a store in the training, one for each --data; without, pairs count alike."),
    ] = None,
    recipe: SettingsOption = None,
    set_: SetOption = None,
    resume: ResumeOption = False,
    device: DeviceOption = "auto",
    json_: JsonOption = False,
) -> None:
    """Train a restorer. The best weights by validation stay in the folder of the run.

    For several processes put `accelerate launch --multi_gpu -m xsim_cli.app` (GPUs) or
    `torchrun --nproc_per_node N -m xsim_cli.app` (CPUs) in place of `xsim`.
    """
    from dataclasses import asdict

    from xsim_zoo.training.settings import settings_from
    from xsim_zoo.training.sources.joined import open_pairs
    from xsim_zoo.training.train import train as train_restorer

    settings = settings_from(recipe, set_ or ())
    pairs = open_pairs(data, share)
    result = asdict(
        train_restorer(
            name,
            pairs,
            output,
            settings,
            resume=resume,
            device=device,
            quiet=json_,
            data_name=" + ".join(Path(store).name for store in data),
        )
    )
    if int(os.environ.get("RANK", "0")) > 0:
        return  # one voice where many processes train
    if json_:
        emit_json("zoo.train", result)
        return
    best, lr = result["best"], result["lr"]
    say(f"LR as it is: PSNR {lr['psnr_dB']:.2f} dB, SSIM {lr['ssim']:.4f}")
    say(f"{output}: {result['steps']} steps, PSNR {best['psnr_dB']:.2f} dB, SSIM {best['ssim']:.4f}")


register_finetune(app)
register_run(app)
register_eval(app)
register_study(app)
register_export(app)
