"""`xsim zoo finetune`: adapt pretrained weights to pairs of the user's own detectors, or to LR images alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim_cli.common import DeviceOption, JsonOption, OwnDetectorsOption, RestorerName, emit_json, say
from xsim_cli.zoo.run import Polarity

if TYPE_CHECKING:
    from xsim.degradation.degradation import Degradation
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.training.data import StorePairs
    from xsim_zoo.training.lr_images import LrWindows

__all__ = ["ResumeOption", "RunOption", "SetOption", "SettingsOption", "register"]

RunOption = Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")]
SettingsOption = Annotated[Path | None, typer.Option(help="TOML file with settings.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. steps=2000; repeat for more."),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with the run; --set steps=N extends it.")]

_EPILOG = (
    "Example: xsim zoo finetune physics-sde --data real.zarr -o runs/mine --mix synthetic.zarr  ||  "
    "without HR: xsim zoo finetune physics-sde --lr-only radiographs/ --detectors mine.toml -o runs/mine"
)


def register(app: typer.Typer) -> None:
    """Add the command ``finetune`` to the group ``zoo``."""
    app.command("finetune", epilog=_EPILOG)(finetune)


def finetune(
    name: RestorerName,
    output: RunOption,
    data: Annotated[str | None, typer.Option(help="Store of pairs of your own two detectors.")] = None,
    lr_only: Annotated[
        str | None, typer.Option("--lr-only", help="LR images alone, in place of --data: a folder, a file, or a store.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Weights file, run folder or shipped name; the shipped one by default.")
    ] = None,
    mix: Annotated[str | None, typer.Option(help="Store of synthetic pairs to mix in, against forgetting.")] = None,
    mix_share: Annotated[
        float | None, typer.Option(help="Their share of the training, 0 to 1; 0.25, with --lr-only 0.5.")
    ] = None,
    detectors: OwnDetectorsOption = None,
    measured: Annotated[
        bool, typer.Option("--measured", help="Measure the detectors on the pairs even if the store describes them.")
    ] = False,
    pitch_mm: Annotated[float | None, typer.Option(help="Pixel pitch [mm] of LR files, in place of theirs.")] = None,
    open_field: Annotated[float | None, typer.Option(help="Grey level of the open field in LR files.")] = None,
    polarity: Annotated[Polarity | None, typer.Option(help="How metal looks in LR files.")] = None,
    white: Annotated[float | None, typer.Option(help="Grey level of no signal in LR files, for metal-bright.")] = None,
    resume: ResumeOption = False,
    recipe: SettingsOption = None,
    set_: SetOption = None,
    device: DeviceOption = "auto",
    json_: JsonOption = False,
) -> None:
    """Adapt weights to a few real pairs, or to LR images alone.

    The best of as shipped, calibrated and trained is kept.
    """
    scale = {"pitch_mm": pitch_mm, "open_field": open_field, "polarity": polarity, "white": white}
    if (data is None) == (lr_only is None):
        raise InputError("give either --data, a store of pairs, or --lr-only, LR images: one of them")
    options: dict[str, Any] = {"weights": from_, "resume": resume, "device": device, "quiet": json_}
    if lr_only is not None:
        if measured:
            raise InputError("LR images alone do not show their detectors: leave out --measured, give --detectors")
        options["mix_share"] = 0.5 if mix_share is None else mix_share
        _from_lr(
            name,
            lr_only,
            output,
            mix,
            None if detectors is None else Path(detectors),
            scale,
            (recipe, set_ or ()),
            options,
        )
        return
    if given := [key for key, value in scale.items() if value is not None]:
        raise InputError(f"--{given[0].replace('_', '-')} is for LR files: leave it out with --data, a store knows it")
    assert data is not None
    options |= {"mix_share": 0.25 if mix_share is None else mix_share, "measured": measured}
    options["detectors"] = None if detectors is None else Path(detectors)
    _from_pairs(name, data, output, mix, (recipe, set_ or ()), options)


def _from_pairs(
    name: str,
    data: str,
    output: Path,
    mix: str | None,
    chosen: tuple[Path | None, list[str] | tuple[()]],
    options: dict[str, Any],
) -> None:
    """Finetune on registered pairs."""
    from dataclasses import asdict

    from xsim_datasets.store.reader import PairStore
    from xsim_zoo.training.data import StorePairs
    from xsim_zoo.training.finetune import FINETUNE_SETTINGS
    from xsim_zoo.training.finetune import finetune as finetune_restorer
    from xsim_zoo.training.settings import settings_from

    pairs = StorePairs(PairStore.open(data))
    options["weights"] = _starting_weights(name, options["weights"], pairs.pitch_mm)
    result = asdict(
        finetune_restorer(
            name,
            pairs,
            output,
            settings_from(*chosen, defaults=FINETUNE_SETTINGS),
            mix=None if mix is None else StorePairs(PairStore.open(mix)),
            data_name=Path(data).name,
            **options,
        )
    )
    if options["quiet"]:
        emit_json("zoo.finetune", result)
        return
    lines = {"LR as it is": "lr", "as shipped": "shipped", "calibrated": "calibrated", "trained": "trained"}
    for what, key in lines.items():
        say(f"{what + ':':12s} PSNR {result[key]['psnr_dB']:.2f} dB, SSIM {result[key]['ssim']:.4f}")
    say(f"{output}: kept is what was {result['kept']}")


def _from_lr(
    name: str,
    lr: str,
    output: Path,
    mix: str | None,
    detectors: Path | None,
    scale: dict[str, Any],
    chosen: tuple[Path | None, list[str] | tuple[()]],
    options: dict[str, Any],
) -> None:
    """Finetune on LR images alone."""
    from dataclasses import asdict

    from xsim.degradation.known_file import degradation_of
    from xsim_datasets.store.reader import PairStore
    from xsim_zoo.training.data import StorePairs
    from xsim_zoo.training.lr_only import LR_ONLY_SETTINGS, finetune_lr_only
    from xsim_zoo.training.settings import settings_from
    from xsim_zoo.weights.loading import load

    settings = settings_from(*chosen, defaults=LR_ONLY_SETTINGS)
    stored = StorePairs(PairStore.open(lr)) if "://" in lr or (Path(lr) / "zarr.json").exists() else None
    known = None if detectors is None else degradation_of(detectors)
    pitch_mm = known.pitch_mm if known is not None else None if stored is None else stored.pitch_mm
    options["weights"] = _starting_weights(name, options["weights"], pitch_mm)
    restorer = load(name, options["weights"], device=options["device"])
    if stored is None:
        windows, degradation = _windows_of_files(lr, restorer, known, scale)
    else:
        windows, degradation = _windows_of_store(stored, lr, restorer, known)
    if not options["quiet"]:
        for note in windows.notes:
            say(note)
        if mix is None and not options["resume"]:
            say("no --mix: detail that LR does not hold is left to the old weights")
    pairs = None if mix is None else StorePairs(PairStore.open(mix))
    result = asdict(
        finetune_lr_only(name, windows, degradation, output, settings, mix=pairs, data_name=Path(lr).name, **options)
    )
    if options["quiet"]:
        emit_json("zoo.finetune", {"lr_only": True, **result})
        return
    say(f"{result['windows']} held-out LR windows; risk 0 is a perfect image, 1 the LR image as it is")
    for what, key in {"as shipped": "shipped", "calibrated": "calibrated", "trained": "trained"}.items():
        error = "" if key == "shipped" else f", +- {result[key]['standard_error']:.4f} against as shipped"
        say(f"{what + ':':12s} risk {result[key]['risk']:.4f}{error}")
    say(f"{output}: kept is what was {result['kept']}")


def _starting_weights(name: str, given: str | None, pitch_mm: float | None) -> str | None:
    """Return the weights to start from: those that are given, or shipped ones that take the pixel pitch [mm]."""
    from xsim_zoo.weights.loading import weights_at_pitch

    if given is not None or (found := weights_at_pitch(name, pitch_mm)) is None:
        return given
    say(f"weights {found}, which take any detectors: those of {name} hold for another pixel pitch than {pitch_mm:g} mm")
    return found


def _windows_of_store(
    pairs: StorePairs, path: str, restorer: Restorer, known: Degradation | None
) -> tuple[LrWindows, Degradation]:
    """Return the LR images of a store and what lies between their detectors."""
    from dataclasses import replace

    from xsim_zoo.training.lr_images import read_store

    if known is None and len(pairs.setups) != 1:
        raise InputError(f"{path}: holds {len(pairs.setups)} pairs of detectors: give those of LR with --detectors")
    degradation = pairs.setups[0] if known is None else known
    if not replace(restorer.physics, degradation=degradation).is_pitch(pairs.pitch_mm):
        raise InputError(
            f"--detectors hold for a pixel pitch of {degradation.pitch_mm:g} mm, not for that of {path}: give the file "
            "of its detectors"
        )
    return read_store(pairs), degradation


def _windows_of_files(
    path: str, restorer: Restorer, known: Degradation | None, scale: dict[str, Any]
) -> tuple[LrWindows, Degradation]:
    """Return the LR images of files and what lies between their detectors."""
    from dataclasses import replace

    from xsim_zoo.run.settings import RunSettings
    from xsim_zoo.training.lr_images import read_folder

    if known is None:
        raise InputError(
            "LR images alone do not say what blurs them and how noisy they are: give --detectors, a file of "
            "`xsim calibrate` or `xsim detector --save`, or a name"
        )
    if not restorer.many_detectors:
        restorer.physics.check_pitch(known.pitch_mm)
    between = restorer.with_physics(replace(restorer.physics, degradation=known))
    return read_folder(Path(path), between, RunSettings(**scale)), known
