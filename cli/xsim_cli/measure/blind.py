"""``xsim measure blind``: a detector's blur and noise from ordinary radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim_cli.common import CsvOption, ForceOption, JsonOption, Outputs, PlotOption
from xsim_cli.corrections import DarkOption, FlatOption, RepairOption, corrections_of
from xsim_cli.measure.inputs import PolarityOption, blame, image_files, read, repairs_of, signals

if TYPE_CHECKING:
    from xsim.measure.blind import BlindDetector
    from xsim_datasets.real.corrections import Corrections


def blind(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Ordinary radiographs of one detector, or folders of them.")
    ],
    pitch_mm: Annotated[
        float | None, typer.Option(help="Pixel pitch [mm].  [default: as the file says; else lengths are in pixels]")
    ] = None,
    open_field: Annotated[
        float | None, typer.Option(help="Grey level of the open field, as in the file.  [default: found]")
    ] = None,
    polarity: PolarityOption = "metal-dark",
    dark: DarkOption = None,
    flat: FlatOption = None,
    bad_pixels: RepairOption = "none",
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Estimate blur and noise from ordinary radiographs.

    Straight edges give the MTF, flat parts the noise, both with intervals. Grey values must be linear in exposure and
    not filtered.
    """
    inputs = image_files(images)
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    corrections = corrections_of(dark, flat, bad_pixels, open_field=open_field, polarity=polarity)
    seen = look(inputs, corrections, pitch_mm=pitch_mm, open_field=open_field, polarity=polarity)
    found, pitch = seen.found, seen.found.pitch_mm
    payload = _payload(found, pitch) | {
        "open_field": seen.open_field,
        "warnings": (*found.remarks, *seen.remarks),
        **seen.repairs,
    }
    frequency = "frequency_cycles_px" if pitch is None else "frequency_lp_mm"
    outputs.write(
        "measure.blind",
        payload,
        [found.summary()],
        table={name: payload[name] for name in (frequency, "mtf", "mtf_low", "mtf_high")},
        figure=lambda figures: figures.blind_figure(found, seen.first),
    )


@dataclass(frozen=True)
class Seen:
    """What was seen in files of radiographs.

    Parameters
    ----------
    found : BlindDetector
        Blur and noise.
    first : (H, W) array
        The first image, open field 1.
    open_field : float or None
        Grey level of the open field, as in the file; None of several images.
    remarks : tuple of str
        On the files.
    repairs : dict
        Bad pixels that were repaired, for JSON.
    """

    found: BlindDetector
    first: Any
    open_field: float | None
    remarks: tuple[str, ...]
    repairs: dict[str, Any]


def look(
    inputs: Sequence[Path],
    corrections: Corrections | None = None,
    *,
    pitch_mm: float | None,
    open_field: float | None,
    polarity: str,
) -> Seen:
    """Estimate a detector from files of ordinary radiographs: their open fields are found unless one is given.

    Flats give it too. Without ``pitch_mm`` the pitch is that which all files name, if they do.
    """
    from xsim.measure.blind import measure_blind
    from xsim_datasets.images.scale import find_open_field

    if open_field is not None and not open_field > 0:
        raise InputError(f"--open-field {open_field:g}: give a grey level above zero")
    files = [read(path, corrections) for path in inputs]
    named = {file.pitch_mm for file in files}
    pitch = pitch_mm if pitch_mm is not None else named.pop() if len(named) == 1 else None
    greys, remarks, scale = [], list[str](), 1.0
    for path, file in zip(inputs, files, strict=True):
        if corrections is not None and corrections.flat_field is not None:
            open_field = file.open_field
        for signal in signals(file, polarity):
            level, seen = (open_field, True) if open_field is not None else blame(path, find_open_field, signal)
            if not seen:
                remarks.append(f"{path.name}: no flat open field: its brightest part, {level:.6g}, stands for it")
            greys.append(signal.astype(float) / level)
            scale = level
    full = files[0].white
    found = blame(
        inputs[0], measure_blind, greys, pitch,
        full_scale=full / scale if full is not None and len(files) == 1 and polarity == "metal-dark" else None,
    )  # fmt: skip
    level_of_one = scale if len(greys) == 1 else None
    return Seen(found, greys[0], level_of_one, tuple(remarks), repairs_of(inputs, files))


def _payload(found: BlindDetector, pitch: float | None) -> dict[str, Any]:
    """Return what is known of a detector, for JSON."""
    per = 1.0 if pitch is None else pitch
    return {
        "source": "estimated",
        "frequency_cycles_px": found.frequency,
        "frequency_lp_mm": found.frequency_lp_mm,
        "mtf": found.mtf,
        "mtf_low": found.low,
        "mtf_high": found.high,
        "f50_cycles_px": found.f50,
        "f50_lp_mm": None if pitch is None else found.f50 / per,
        "f50_low_lp_mm": None if pitch is None else found.f50_low / per,
        "f50_high_lp_mm": None if pitch is None else found.f50_high / per,
        "noise_open_field": found.noise.rms,
        "noise_low": found.noise.low,
        "noise_high": found.noise.high,
        "noise_white_share": found.noise.white_share,
        "noise_frequency_cycles_px": found.noise.frequency,
        "noise_power": found.noise.power,
        "edges": found.edges,
        "flat_px": found.flat_px,
        "flat_mm2": found.flat_mm2,
        "pitch_mm": pitch,
    }
