"""One radiograph in, one restored radiograph out: scale, pitch, tiles, samples, evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError
from xsim_datasets.images import Radiograph, Scale, read_image, scale_of, write_image
from xsim_zoo.check.consistency import CUT_BORDER_PX, check
from xsim_zoo.check.verdict import Consistency, merged
from xsim_zoo.network.tiles import TiledNetwork, tiled
from xsim_zoo.process.grid import PaddedGrid, Pixels, blocks
from xsim_zoo.process.sampling import PlacedNoise
from xsim_zoo.restorers.base import LearnedRestorer, Restorer
from xsim_zoo.restorers.flips import averaged
from xsim_zoo.run.settings import RunSettings

__all__ = ["Plan", "Restored", "planned", "restore"]

_SATURATED = 1e-3
"""Share of saturated pixels from which on it is said."""

_ROWS = 512
"""Rows of the samples whose mean and spread are updated at a time, to hold few copies of a large image."""


@dataclass(frozen=True)
class Restored:
    """A restored radiograph with its evidence.

    Parameters
    ----------
    image : (H, W) or (pages, H, W) float32 array
        Linear HR image, open field 1.0.
    std : array of the same shape, optional
        Standard deviation of the posterior samples.
    consistency : Consistency
        The check; that of the worst page where there are several.
    scale : Scale
        What the grey levels of the input mean, black low.
    pitch_mm : float
        Pixel pitch that was used [mm].
    source : Radiograph
        The input.
    notes : tuple of str
        What was assumed, for people.
    """

    image: NDArray[np.float32]
    std: NDArray[np.float32] | None
    consistency: Consistency
    scale: Scale
    pitch_mm: float
    source: Radiograph
    notes: tuple[str, ...]

    @property
    def open_field(self) -> float:
        """Grey level of the open field, as in the file."""
        return self.source.turned(self.scale.open_field)

    def radiograph(self) -> tuple[Radiograph, int]:
        """Return the image on the input's own grey scale and in its type, and how many pixels were clipped."""
        grey, clipped = self.scale.grey(self.image, self.source.dtype, self.source.white)
        return self.source.with_pixels(grey), clipped

    def save(self, path: Path | str, *, force: bool = False, stamp: dict[str, Any] | None = None) -> Path:
        """Write the image as the kind of file that ``path`` names, in the input's type and with its tags."""
        return write_image(path, self.radiograph()[0], force=force, stamp=stamp)

    def std_radiograph(self) -> Radiograph:
        """Return the standard deviation in the input's grey levels, as floating point.

        Raises
        ------
        InputError
            If no samples were drawn.
        """
        if self.std is None:
            raise InputError("no samples were drawn, so nothing is known about their spread: give samples")
        return Radiograph(self.std * np.float32(self.scale.open_signal), "array", self.source.pitch_mm)


def restore(
    restorer: Restorer,
    image: ArrayLike | Path | str | Radiograph,
    settings: RunSettings | None = None,
    *,
    on_tile: Callable[[], None] | None = None,
    **options: Any,
) -> Restored:
    """Restore a radiograph: an array, a file, or one that was read already.

    Parameters
    ----------
    restorer : Restorer
        What `xsim_zoo.load` returns.
    image : (H, W) or (pages, H, W) array, path or Radiograph
        An array of floating point is linear with its open field at 1.0 unless ``open_field`` says otherwise.
    settings : RunSettings, optional
        How to restore.
    on_tile : callable, optional
        Called after every tile of the network.
    **options
        Fields of `RunSettings`, in place of ``settings``.

    Raises
    ------
    InputError
        If the image, its pitch or an option cannot be used.
    """
    if settings is None:
        settings = RunSettings(**options)
    elif options:
        raise InputError(f"settings and options ({', '.join(options)}) were both given: give one of them")
    plan = planned(restorer, _source(image), settings, on_tile=on_tile)
    source = plan.source
    pages = [plan.restore_page(page) for page in source.images()]
    images, spreads, checks = zip(*pages, strict=True)
    consistency = max(checks, key=lambda found: found.severity)
    return Restored(
        image=_stacked(images, source),
        std=_stacked(spreads, source) if settings.samples else None,
        consistency=consistency,
        scale=plan.scale,
        pitch_mm=plan.pitch_mm,
        source=source,
        notes=(*plan.notes, *consistency.remarks),
    )


@dataclass(frozen=True)
class Plan:
    """How one radiograph is going to be restored, decided before anything is computed.

    Parameters
    ----------
    restorer : Restorer
        What restores.
    settings : RunSettings
        How.
    source : Radiograph
        The input.
    scale : Scale
        What its grey levels mean.
    pitch_mm : float
        Pixel pitch [mm].
    notes : tuple of str
        What was assumed, for people.
    network : TiledNetwork, optional
        The restorer's network in tiles, if it has one.
    """

    restorer: Restorer
    settings: RunSettings
    source: Radiograph
    scale: Scale
    pitch_mm: float
    notes: tuple[str, ...]
    network: TiledNetwork | None

    def restore_page(self, grey: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, Consistency]:
        """Return the restored grey levels (H, W) of a page, the standard deviation of its samples, and its check.

        Linear images of the measurement exist of one block at a time.
        """
        page = Pixels(grey, self.scale.linear)
        level = self.restorer.mean_noise_level(page)
        if self.settings.samples:
            image, std = self._sampled(page, level)
        elif self.settings.flips:
            image, std = averaged(page, lambda turned: self._restored(turned, level)), None
        else:
            image, std = self._restored(page, level), None
        return image, std, self._checked(page, image)

    def _restored(self, page: Pixels, level: float, sample: int | None = None) -> NDArray[np.float32]:
        """Return the answer itself, or a posterior sample."""
        noise = None if sample is None else PlacedNoise(self.settings.seed, sample, self.restorer.device)
        how = self.settings.how(self.restorer)
        return self.restorer.restore_array(page, noise_level=level, network=self.network, noise=noise, **how)

    def _sampled(self, page: Pixels, level: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and standard deviation of posterior samples, gathered one by one (Welford)."""
        mean = np.zeros(page.shape, np.float32)
        squares = np.zeros_like(mean)
        for number in range(self.settings.samples):
            sample = self._restored(page, level, number)
            for first in range(0, len(mean), _ROWS):
                rows = slice(first, first + _ROWS)
                step = sample[rows] - mean[rows]
                mean[rows] += step / (number + 1)
                squares[rows] += step * (sample[rows] - mean[rows])
        squares /= self.settings.samples - 1
        return mean, np.sqrt(squares, out=squares)

    def _checked(self, page: Pixels, image: NDArray[np.float32]) -> Consistency:
        """Check a page block by block, each with a border that its neighbour judges."""
        found = []
        for block in blocks(PaddedGrid.around(page.shape)):
            part = block.judged(page.shape, CUT_BORDER_PX)
            y = self.scale.linear(page.stored[part])
            found.append(((part[0].start, part[1].start), check(y, image[part], self.restorer, cuts=block.cuts)))
        return merged(found, page.shape)


def planned(
    restorer: Restorer, source: Radiograph, settings: RunSettings, *, on_tile: Callable[[], None] | None = None
) -> Plan:
    """Decide scale, pitch and tiles of a radiograph.

    Raises
    ------
    InputError
        If its pitch, its scale or an option cannot be used.
    """
    pitch_mm, notes = _pitch(source, settings, restorer)
    scale, scale_notes = _scale(source, settings)
    if settings.samples and not restorer.samples:
        raise InputError(f"'{restorer.name}' gives one answer and draws no samples: take physics-sde, or no --samples")
    network = None
    if isinstance(restorer, LearnedRestorer):
        notes += _other_steps(restorer, settings)
        precision = _precision(settings.precision, restorer.device)
        network = tiled(
            restorer.network, device=restorer.device, tile_px=settings.tile_px, precision=precision, on_tile=on_tile
        )
    return Plan(restorer, settings, source, scale, pitch_mm, (*source.notes, *notes, *scale_notes), network)


def _other_steps(restorer: LearnedRestorer, settings: RunSettings) -> tuple[str, ...]:
    """Say where weights are asked for other steps than they were trained to take together."""
    trained, steps = restorer.trained_steps, settings.steps_of(restorer)
    if trained is None or (trained == steps and not settings.samples):
        return ()
    asked = "posterior samples are" if settings.samples else f"{steps} {'is' if steps == 1 else 'are'}"
    return (
        f"these weights were trained to take {trained} step{'s' if trained > 1 else ''} together, {asked} asked for",
    )


def _stacked(pages: Sequence[NDArray[np.float32]], source: Radiograph) -> NDArray[np.float32]:
    return pages[0] if source.pixels.ndim == 2 else np.stack(pages)


def _source(image: ArrayLike | Path | str | Radiograph) -> Radiograph:
    if isinstance(image, Radiograph):
        return image
    if isinstance(image, (str, Path)):
        return read_image(image, pages=True)
    pixels = np.asarray(image)
    if pixels.ndim not in {2, 3}:
        raise InputError(f"an image of shape {pixels.shape} was given: give (H, W) or (pages, H, W)")
    return Radiograph(pixels, "array", white=float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else None)


def _pitch(source: Radiograph, settings: RunSettings, restorer: Restorer) -> tuple[float, tuple[str, ...]]:
    """Return the pitch to use: the option's, the file's, or the weights'; and what to say about it."""
    own = restorer.physics.pitch_mm
    pitch_mm = source.pitch_mm if settings.pitch_mm is None else settings.pitch_mm
    restorer.physics.check_pitch(pitch_mm)
    if pitch_mm is None:
        return own, (f"the file says no pixel pitch: {own:g} mm of the weights assumed",)
    if settings.pitch_mm is not None and source.pitch_mm is not None and source.pitch_mm != settings.pitch_mm:
        return pitch_mm, (f"pixel pitch {settings.pitch_mm:g} mm forced, the file says {source.pitch_mm:g} mm",)
    return pitch_mm, ()


def _scale(source: Radiograph, settings: RunSettings) -> tuple[Scale, tuple[str, ...]]:
    open_field = source.open_field if settings.open_field is None else source.turned(settings.open_field)
    if open_field is None and source.kind == "array" and source.dtype.kind == "f":
        open_field = 1.0
    polarity = settings.polarity or source.polarity or "metal-dark"
    white = None if settings.white is None else source.turned(settings.white)
    scale = scale_of(source.pixels, source.white, polarity=polarity, open_field=open_field, white_grey=white)
    notes: tuple[str, ...] = ()
    if settings.polarity is None and source.polarity == "metal-bright":
        notes += ("metal is bright, as the file says",)
    if settings.polarity is not None and source.polarity not in {None, settings.polarity}:
        notes += (f"{settings.polarity} forced, the file says {source.polarity}",)
    if settings.open_field is None and source.open_field is not None:
        notes += (f"open field at grey level {source.turned(source.open_field):.6g}, as the file says",)
    if open_field is None:
        notes += (_estimated(source.turned(scale.open_field), seen=scale.open_field_seen),)
    share = float(np.mean(source.pixels >= source.white)) if source.white is not None else 0.0
    if share > _SATURATED and polarity == "metal-dark":
        notes += (f"{share:.1%} of the pixels are saturated: nothing is known there",)
    if polarity == "metal-bright" and settings.white is None:
        notes += (f"metal bright: grey level {source.turned(scale.white):g} taken as no signal",)
    return scale, notes


def _estimated(open_field: float, *, seen: bool) -> str:
    """Say what was taken for the open field, and what to do if it is none."""
    if seen:
        return f"open field estimated at grey level {open_field:.6g}"
    return (
        f"no open field found, as nothing bright is flat: grey level {open_field:.6g}, of the brightest part, "
        "stands for it, so noise and materials are misjudged: give --open-field, the grey level of the beam through air"
    )


def _precision(wanted: str, device: torch.device) -> torch.dtype:
    # bfloat16 costs 0.003 dB; it pays on GPUs, on CPUs only for the larger networks.
    if wanted == "bfloat16" or (wanted == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float32
