"""What the grey levels and the pixels of a radiograph mean: what the settings say, else its file, else the image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from xsim_datasets.images import Radiograph, Scale, scale_of
from xsim_datasets.images.polarity import check_open_field, polarised
from xsim_datasets.real.corrections import Corrected

if TYPE_CHECKING:
    from xsim_zoo.run.settings import RunSettings

__all__ = ["grey_scale", "no_pitch", "pitch_of"]

_SATURATED: Final = 1e-3
"""Share of saturated pixels from which on it is said."""

_SAME: Final = 1e-3
"""Relative difference up to which two levels of the open field are one, rounded."""


def grey_scale(source: Radiograph, settings: RunSettings) -> tuple[Scale, tuple[str, ...]]:
    """Return what the grey levels of a radiograph mean, and what was assumed, for people.

    Raises
    ------
    InputError
        If the image has no signal, or an option cannot be used.
    """
    open_field = source.open_field if settings.open_field is None else source.turned(settings.open_field)
    if open_field is None and source.kind == "array" and source.dtype.kind == "f" and settings.scale == "linear":
        open_field = 1.0
    found = polarised(source, settings.polarity)
    polarity, notes = found.polarity, found.notes
    # A zero of the file's own goes with the polarity that the file says.
    zero = source.zero if source.polarity in {None, polarity} else None
    if settings.white is not None and polarity == "metal-bright":
        zero = source.turned(settings.white)
    per = settings.per_decade(source.white)
    if settings.open_field is not None and per is None:
        check_open_field(source, settings.open_field, polarity, zero)
    scale = scale_of(
        source.pixels, source.white, polarity=polarity, open_field=open_field, white_grey=zero, per_decade=per
    )
    # That noise does not grow as that of photons is what densities are expected to show.
    doubts = source.doubts if per is not None else (*source.doubts, *found.doubts)
    scale = replace(scale, polarity_seen=found.seen, doubts=doubts)
    if scale.doubts:
        notes = (f"grey levels in doubt: {'; '.join(scale.doubts)}", *notes)
    if settings.density is not None:
        notes += (str(settings.density),)
    if source.open_field is not None and not _by_flats(source):
        notes += _said(source, settings.open_field)
    if open_field is None:
        notes += (_estimated(source.turned(scale.open_field), seen=scale.open_field_seen),)
    share = float(np.mean(source.pixels >= source.white)) if source.white is not None else 0.0
    if share > _SATURATED and polarity == "metal-dark":
        notes += (f"{share:.1%} of the pixels are saturated: nothing is known there",)
    if polarity == "metal-bright" and zero is None and per is None:
        notes += (f"metal bright: grey level {source.turned(scale.white):g} taken as no signal",)
    return scale, notes


def _said(source: Radiograph, forced: float | None) -> tuple[str, ...]:
    """Say what the file says of its open field, and where that is not what was given."""
    assert source.open_field is not None
    said = source.turned(source.open_field)
    if forced is None:
        return (f"open field at grey level {said:.6g}, as the file says",)
    if abs(forced / said - 1) <= _SAME if said else forced == said:
        return ()
    return (f"open field {forced:.6g} forced, the file says {said:.6g}",)


def _by_flats(source: Radiograph) -> bool:
    """Whether the flats say the open field, which is said where they are applied."""
    return isinstance(source, Corrected) and source.flat_fielded


def _estimated(open_field: float, *, seen: bool) -> str:
    """Say what was taken for the open field, and what to do if it is none."""
    if seen:
        return f"open field estimated at grey level {open_field:.6g}"
    return (
        f"no open field found, as nothing bright is flat: grey level {open_field:.6g}, of the brightest part, "
        "stands for it, so noise and materials are misjudged: give --open-field, the grey level of the beam through air"
    )


def pitch_of(source: Radiograph, settings: RunSettings) -> tuple[float | None, tuple[str, ...]]:
    """Return the pixel pitch [mm] of a radiograph, the setting's or the file's, and what to say about it.

    None where neither says it.
    """
    forced, said = settings.pitch_mm, source.pitch_mm
    if forced is not None and said is not None and forced != said:
        return forced, (f"pixel pitch {forced:g} mm forced, the file says {said:g} mm",)
    return (said if forced is None else forced), ()


def no_pitch(source: Radiograph) -> str:
    """Say why a file gives no pixel pitch."""
    return source.pitch_doubt or "the file says no pixel pitch"
