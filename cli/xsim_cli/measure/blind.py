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
from xsim_cli.measure.inputs import Greys, PolarityOption, blame, image_files, repairs_of
from xsim_cli.scales import DensityOption, GradientOption, ScaleOption, density_of

if TYPE_CHECKING:
    from xsim.measure.blind import BlindDetector


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
    polarity: PolarityOption = None,
    scale: ScaleOption = "linear",
    density_white: DensityOption = None,
    film_gradient: GradientOption = None,
    dark: DarkOption = None,
    flat: FlatOption = None,
    bad_pixels: RepairOption = "none",
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Estimate blur and noise from ordinary radiographs.

    Straight edges give the MTF, flat parts the noise, both with intervals. Grey values must be linear in exposure, or
    densities of --scale density, and not filtered.
    """
    inputs = image_files(images)
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    density = density_of(scale, density_white, polarity, film_gradient)
    how: Any = {"open_field": open_field, "polarity": polarity, "scale": scale}
    greys = Greys(polarity, corrections_of(dark, flat, bad_pixels, **how), density)
    seen = look(inputs, greys, pitch_mm=pitch_mm, open_field=open_field)
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


def look(inputs: Sequence[Path], greys: Greys, *, pitch_mm: float | None, open_field: float | None) -> Seen:
    """Estimate a detector from files of ordinary radiographs: their open fields are found unless one is given.

    Flats give it too. Without ``pitch_mm`` the pitch is that which all files name, if they do. Where nobody says what
    metal is, each image's noise does.
    """
    from xsim.measure.blind import measure_blind

    if open_field is not None and not open_field > 0:
        raise InputError(f"--open-field {open_field:g}: give a grey level above zero")
    files = [greys.read(path) for path in inputs]
    named = {file.pitch_mm for file in files}
    pitch = pitch_mm if pitch_mm is not None else named.pop() if len(named) == 1 else None
    images, remarks, levels = [], list[str](), list[float | None]()
    full = None
    for path, file in zip(inputs, files, strict=True):
        own, said = greys.decided(file)
        remarks += [f"{path.name}: {text}" for text in said]
        for signal in own.signals(file):
            level, seen = own.open_signal(path, file, signal, open_field)
            if not seen:
                brightest = own.level_of(file, level)
                which = "" if brightest is None else f", {brightest:.6g},"
                remarks.append(f"{path.name}: no flat open field: its brightest part{which} stands for it")
            images.append(signal.astype(float) / level)
            levels.append(own.level_of(file, level))
            full = None if (most := own.full_scale(file)) is None else most / level
    found = blame(inputs[0], measure_blind, images, pitch, full_scale=full if len(images) == 1 else None)
    return Seen(found, images[0], levels[0] if len(levels) == 1 else None, tuple(remarks), repairs_of(inputs, files))


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
