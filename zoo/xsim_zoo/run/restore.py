"""One radiograph in, one restored radiograph out: scale, pitch, tiles, samples, evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from xsim import notebook
from xsim.errors import InputError
from xsim.keywords import check_keywords, names_keywords
from xsim_datasets.images import Radiograph, Scale, read_image, write_image
from xsim_datasets.real.corrections import Corrections, corrected
from xsim_zoo.check.consistency import CUT_BORDER_PX, check, measured_noise
from xsim_zoo.check.verdict import NOISE_TOLERANCE, Consistency, merged
from xsim_zoo.network.tiles import TiledNetwork, tiled
from xsim_zoo.process.grid import PaddedGrid, Pixels, array_of, blocks
from xsim_zoo.process.sampling import PlacedNoise
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.flips import averaged
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.restorers.restoration import RunOptions
from xsim_zoo.run.detectors import Assumed, assume
from xsim_zoo.run.doubts import bounded, doubts_of, thinned
from xsim_zoo.run.estimates import Estimates
from xsim_zoo.run.grey import grey_scale, no_pitch, pitch_of
from xsim_zoo.run.serving import for_noise, unmet
from xsim_zoo.run.settings import RunSettings

__all__ = ["Plan", "Restored", "noise_level", "planned", "restore"]

_NOISE_PX = 2048
"""Side of the part of an image whose noise is measured [px]."""

_NOISE_KNOWN = 1.25
"""Factor within which noise that is measured and noise that is expected are the same: so good is the measurement."""

_MOST_CHANNELS = 4
"""Longest last axis that is taken for channels of colour, grey with alpha among them; no radiograph is as narrow."""

_ROWS = 512
"""Rows of the samples whose mean and spread are updated at a time, to hold few copies of a large image."""


@names_keywords
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
    pitch_mm : float, optional
        Pixel pitch that was used [mm]; None where nobody says it, and all was done in pixels.
    source : Radiograph
        The input.
    notes : tuple of str
        What was assumed, for people.
    detectors : Assumed
        Which detectors it was restored between.
    first_factor : float, optional
        Noise power of the first page in units of what was expected; None where it could not be told.
    bounded_pixels : int
        Pixels that were held to what transmission allows, see `xsim_zoo.run.doubts.bounded`.
    """

    image: NDArray[np.float32]
    std: NDArray[np.float32] | None
    consistency: Consistency
    scale: Scale
    pitch_mm: float | None
    source: Radiograph
    notes: tuple[str, ...]
    detectors: Assumed
    first_factor: float | None = None
    bounded_pixels: int = 0

    def _repr_html_(self) -> str:
        """Return what a notebook shows: input and result on one grey scale, the spread, the verdict, what was assumed.

        Of several pages the first.
        """
        before, after = self.scale.linear(next(self.source.images())), _first(self.image)
        low, high = notebook.window(before, after)
        shown = [
            notebook.picture(before, "as it came", low=low, high=high),
            notebook.picture(after, "restored", low=low, high=high),
        ]
        if self.std is not None:
            _, most = notebook.window(_first(self.std))
            shown.append(notebook.picture(_first(self.std), f"spread, white {most:.3g}", low=0.0, high=most))
        pitch = "pixels of unknown size" if self.pitch_mm is None else f"px of {self.pitch_mm:g} mm"
        lines = {"verdict": self.consistency.verdict, "size": f"{after.shape[0]} x {after.shape[1]} {pitch}"}
        lines |= {f"note {number}": note for number, note in enumerate(self.notes, 1)}
        return notebook.page("Restored radiograph", notebook.row(shown), notebook.table(lines))

    @property
    def open_field(self) -> float:
        """Grey level of the open field, as in the file."""
        return self.source.turned(self.scale.open_field)

    def detector(self) -> dict[str, Any] | None:
        """Return what is known of the detector, and the sharpness that was aimed at, as JSON types."""
        known = self.detectors.known
        return None if known is None else known.at_pitch(self.pitch_mm).to_dict(self.detectors.target)

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
    estimates: Estimates | None = None,
    corrections: Corrections | None = None,
    **options: Unpack[RunOptions],
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
    estimates : Estimates, optional
        Where detectors that are estimated are kept for other images.
    corrections : Corrections, optional
        Dark, flat and bad pixels; without any, isolated bad pixels are looked for and repaired.
    **options
        Fields of `RunSettings`, in place of ``settings``.

    Raises
    ------
    InputError
        If the image, its pitch or an option cannot be used.
    UnknownKeywordError
        If there is no such option; the nearest are suggested.
    """
    check_keywords("option", options, RunOptions.__annotations__)
    if not isinstance(restorer, Restorer):
        raise InputError(f"a {type(restorer).__name__} was given as restorer: give what xsim_zoo.load(NAME) returns")
    if settings is None:
        settings = RunSettings(**options)
    elif options:
        raise InputError(f"settings and options ({', '.join(options)}) were both given: give one of them")
    source = corrected(_source(image), corrections)
    plan = planned(restorer, source, settings, on_tile=on_tile, estimates=estimates)
    factors = plan.noise_factors()
    pages = [plan.restore_page(page, factor) for page, factor in zip(source.images(), factors, strict=True)]
    images, spreads, checks, beyond = zip(*pages, strict=True)
    consistency = max(checks, key=lambda found: found.severity)
    if plan.pitch_mm is None:
        consistency = consistency.in_pixels(plan.restorer.physics.pitch_mm)
    consistency = replace(consistency, condition=plan.condition(consistency), doubts=plan.doubts())
    return Restored(
        image=_stacked(images, source),
        std=_stacked(spreads, source) if settings.samples else None,
        consistency=consistency,
        scale=plan.scale,
        pitch_mm=plan.pitch_mm,
        source=source,
        notes=(*plan.notes, *_held(sum(beyond)), *consistency.remarks),
        detectors=plan.detectors,
        first_factor=plan.first_factor,
        bounded_pixels=sum(beyond),
    )


def _first(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first page of an image or of several."""
    return image if image.ndim == 2 else image[0]


def _held(pixels: int) -> tuple[str, ...]:
    """Say that pixels were held to what transmission allows."""
    return (f"{pixels} pixels held between no transmission and the open field",) if pixels else ()


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
    pitch_mm : float, optional
        Pixel pitch [mm]; None where nobody says it.
    notes : tuple of str
        What was assumed, for people.
    network : TiledNetwork, optional
        The restorer's network in tiles, if it has one.
    detectors : Assumed
        Which detectors it is restored between.
    first_factor : float, optional
        Noise power of the first page in units of what is expected; None where it cannot be told.
    """

    restorer: Restorer
    settings: RunSettings
    source: Radiograph
    scale: Scale
    pitch_mm: float | None
    notes: tuple[str, ...]
    network: TiledNetwork | None
    detectors: Assumed
    first_factor: float | None

    def noise_factors(self) -> list[float | None]:
        """Return the noise power of every page in units of what is expected, see `noise_level`."""
        # By the weights that were asked for: those of many detectors expect too much structure to tell noise from it.
        judge, pages = self.detectors.restorer, self.source.images()
        return [
            self.first_factor if number == 0 else _noise_factor(page, self.scale, judge)
            for number, page in enumerate(pages)
        ]

    def doubts(self) -> tuple[str, ...]:
        """Return why the result cannot be judged, see `xsim_zoo.run.doubts.doubts_of`."""
        own = doubts_of(self.source, self.scale, self.restorer.physics.degradation, self.first_factor)
        return self.detectors.doubts + own

    def condition(self, found: Consistency) -> str:
        """Return what must hold beside for the outcome of a check to mean anything, in words."""
        factor = found.noise_factor
        if self.detectors.condition or factor is None or factor > 1 / NOISE_TOLERANCE:
            return self.detectors.condition
        return f"its noise, {factor:.2g} times what one frame of these detectors has, is that of several frames"

    def restore_page(
        self, grey: NDArray[Any], factor: float | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, Consistency, int]:
        """Return the restored grey levels (H, W) of a page, the standard deviation of its samples, and its check.

        The last is how many pixels were held to what transmission allows. Linear images of the measurement exist of one
        block at a time. ``factor`` as in `noise_level`.
        """
        page = Pixels(grey, self.scale.linear)
        level = noise_level(page, self.restorer, factor)
        if self.settings.samples:
            image, std = self._sampled(page, level)
        elif self.settings.flips:
            image, std = averaged(page, lambda turned: self._restored(turned, level)), None
        else:
            image, std = self._restored(page, level), None
        between, seen = self.restorer.physics.degradation, self.scale.open_field_seen
        beyond = bounded(image, self.scale.linear(thinned(grey)), between, level, open_field_seen=seen)
        found = self._checked(page, image)
        if found.noise_factor is None:
            # Weights of many detectors expect too much structure to tell noise from it; those of one pair could.
            found = replace(found, noise_factor=factor)
        return image, std, found, beyond

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
    restorer: Restorer,
    source: Radiograph,
    settings: RunSettings,
    *,
    on_tile: Callable[[], None] | None = None,
    estimates: Estimates | None = None,
) -> Plan:
    """Decide scale, pitch, detectors and tiles of a radiograph.

    Raises
    ------
    InputError
        If its pitch, its scale or an option cannot be used.
    """
    pitch_mm, notes = pitch_of(source, settings)
    scale, scale_notes = grey_scale(source, settings)
    detectors = assume(restorer, source, scale, pitch_mm, settings, estimates)
    restorer = detectors.restorer
    if pitch_mm is None and not detectors.estimated:
        pitch_mm = restorer.physics.pitch_mm
        notes += (f"{no_pitch(source)}: {pitch_mm:g} mm of the {_whose(settings)} assumed",)
    elif pitch_mm is None:
        notes += (f"{no_pitch(source)}: all is done in pixels, and no lengths are given: --pitch-mm",)
    notes += detectors.notes
    factor = _noise_factor(next(source.images()), scale, restorer)
    restorer, said = for_noise(restorer, factor, settings)
    notes += said + unmet(restorer, factor, in_mm=pitch_mm is not None)
    if settings.samples and not restorer.samples:
        raise InputError(f"'{restorer.name}' gives one answer and draws no samples: take physics-sde, or no --samples")
    network = None
    if isinstance(restorer, LearnedRestorer):
        notes += _other_steps(restorer, settings)
        precision = _precision(settings.precision, restorer.device)
        network = tiled(
            restorer.network, device=restorer.device, tile_px=settings.tile_px, precision=precision, on_tile=on_tile
        )
    # What is wrong with the file's pitch is said once, with what is done about it.
    said = (*(note for note in source.notes if note != source.pitch_doubt), *notes, *scale_notes)
    return Plan(restorer, settings, source, scale, pitch_mm, said, network, detectors, factor)


def noise_level(page: Pixels, restorer: Restorer, factor: float | None) -> float:
    """Return the noise power of a page relative to the open field, as it is measured where that differs from tables.

    Parameters
    ----------
    page : Pixels
        The page.
    restorer : Restorer
        What restores it.
    factor : float, optional
        Its noise power in units of what is expected; None where it cannot be told.
    """
    level = restorer.mean_noise_level(page)
    return level if factor is None or 1 / _NOISE_KNOWN < factor < _NOISE_KNOWN else level * factor


def _noise_factor(grey: NDArray[Any], scale: Scale, restorer: Restorer) -> float | None:
    """Return the noise power in the middle of a page (H, W) in units of what the detectors let expect."""
    top, left = (max(side - _NOISE_PX, 0) // 2 for side in grey.shape)
    part = scale.linear(grey[top : top + _NOISE_PX, left : left + _NOISE_PX])
    # Of a part the maps are made anew: those of the whole image stay as they are.
    return measured_noise(part, restorer if part.shape == grey.shape else restorer.with_physics(restorer.physics))


def _whose(settings: RunSettings) -> str:
    return "weights" if settings.detectors == "weights" else "detectors"


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
    pixels = array_of(image)
    if pixels.ndim not in {2, 3}:
        what = "tensors (B, 1, H, W) go to restorer(y)" if pixels.ndim == 4 else "one image"
        raise InputError(f"an image of shape {pixels.shape} was given: give (H, W) or (pages, H, W); {what}")
    if pixels.ndim == 3 and pixels.shape[-1] <= _MOST_CHANNELS:
        raise InputError(
            f"an image of shape {pixels.shape} was given, whose last axis looks like channels: give (H, W), as of "
            "image[..., 0], or (pages, H, W)"
        )
    return Radiograph(pixels, "array", white=float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else None)


def _precision(wanted: str, device: torch.device) -> torch.dtype:
    # bfloat16 costs 0.003 dB; it pays on GPUs, on CPUs only for the larger networks.
    if wanted == "bfloat16" or (wanted == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float32
