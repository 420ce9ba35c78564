"""Between which detectors a radiograph is restored: those that one is told, those of the weights, or what it shows.

With one detector a target takes the place of the sharper one, and grey values stay the image's own. Weights of one pair
of detectors hold for these alone; weights that have learned many take any, in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from xsim.degradation.degradation import Degradation
from xsim.degradation.known import KnownDetector
from xsim.degradation.known_file import KnownFile, read_known
from xsim.degradation.link import GreyLink
from xsim.degradation.target import Target, of_text, usual, within_noise
from xsim.detector.named import resolve
from xsim.errors import InputError
from xsim.measure.blind.structure import Structure, structure_of
from xsim_datasets.images import Radiograph, Scale
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.run.estimates import Estimates, middle
from xsim_zoo.run.serving import of_many, serving

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.run.settings import RunSettings

__all__ = ["Assumed", "assume"]

_LIKE_NOISE: Final = 4.0
"""Noise may differ by this factor from that of the weights' own detectors: dose does, and it is measured."""

_IF_ESTIMATED: Final = "the estimated detector is right: an estimate, no proof of it"

_SHOWN_MTF: Final = 0.2
"""MTFs are compared where they are above this."""

_LIKE_MTF: Final = 0.12
"""Difference of two MTFs that may be one detector's: estimates on dense boards, of bevels and leads, go astray so far
(benchmarks/any_detector.py), while pixels of the very pitch of the weights are no chance. Where f50 is known worse than
to 20 %, so are they."""

_PLATEAUS: Final = 0.05
"""Below this frequency a prior that is the image's own lets all pass [cycles/px]: .008 of the noise.

Else plateaus beside a few large steps lose grey, as rings mix their spectrum with directions that hold nothing."""

_PASSED: Final = 300.0
"""Power of the prior there, over that of noise: plateaus then keep their grey within 1.5 % in place of 9 %."""

_LIKE_F50: Final = 1.05
"""Factor by which the interval of f50 is widened for that."""

_WELL_KNOWN: Final = 1.2
"""Factor to which an estimated f50 has to be known for a verdict to mean something: at 1.2 the MTF is off by .1, which
is what shows beside steps as halos."""


@dataclass(frozen=True)
class Assumed:
    """Between which detectors an image is restored.

    Parameters
    ----------
    restorer : Restorer
        With their physics.
    known : KnownDetector, optional
        The detector of the image; None where only a ratio of two MTFs is known.
    target : Target, optional
        The sharpness that is aimed at; None where it is not known either.
    notes : tuple of str
        What to say about it, for people.
    estimated : bool
        Whether the image itself is the only evidence.
    condition : str
        What must hold for a verdict to mean anything; empty where somebody has said whose image it is.
    doubts : tuple of str
        Why there can be no verdict: nobody has said whose image it is, and it does not tell.
    """

    restorer: Restorer
    known: KnownDetector | None
    target: Target | None
    notes: tuple[str, ...] = ()
    estimated: bool = False
    condition: str = ""
    doubts: tuple[str, ...] = ()


def assume(
    restorer: Restorer,
    source: Radiograph,
    scale: Scale,
    pitch_mm: float | None,
    settings: RunSettings,
    estimates: Estimates | None = None,
) -> Assumed:
    """Decide between which detectors an image is restored.

    Parameters
    ----------
    restorer : Restorer
        What restores.
    source : Radiograph
        The image.
    scale : Scale
        What its grey levels mean.
    pitch_mm : float, optional
        Its pixel pitch [mm], where somebody says it.
    settings : RunSettings
        ``detectors`` says whose they are.
    estimates : Estimates, optional
        Where estimates are kept for other images of the run.

    Raises
    ------
    InputError
        If the detector cannot be estimated, is told for another pitch, or the restorer cannot take it.
    """
    own = restorer.physics
    if settings.detectors == "weights":
        if not restorer.awaits_detectors and own.is_pitch(pitch_mm):
            return _own(restorer, settings)
    elif settings.detectors != "image":
        return _told(restorer, read_known(resolve(settings.detectors)), scale, source, pitch_mm, settings)
    if _one_pair_only(restorer, settings):
        return _only(restorer, source, scale, pitch_mm, settings, estimates)
    known = (estimates or Estimates()).of(source, scale, pitch_mm, settings)
    seen = structure_of(middle(scale.linear(next(source.images()))), known)
    like_ours = pitch_mm is not None and own.is_pitch(pitch_mm) and restorer.uses_link
    if not settings.target and like_ours and _agrees(known, restorer):
        ours = _own(restorer, replace(settings, grey=settings.grey or "lr"))
        note = f"{known.summary}; this agrees with the detectors of the weights, so their tables are taken"
        named = replace(known, mtf=(ours.known or known).mtf_at(known.frequency), summary=note)
        notes = (note, *known.remarks)
        doubts = _vague(known)
        return replace(ours, known=named, notes=notes, estimated=True, condition=_IF_ESTIMATED, doubts=doubts)
    _check_grey(settings)
    target = _target(settings, pitch_mm, seen, known)
    other, notes = serving(restorer, settings)
    return Assumed(
        _between(other, known, target, seen),
        known,
        target,
        (f"{known.summary}; {_aim(target, known)}", *known.remarks, *notes),
        estimated=True,
        condition=_IF_ESTIMATED,
        doubts=_vague(known),
    )


def _vague(known: KnownDetector) -> tuple[str, ...]:
    """Return why nothing can be judged by an estimate that is too wide; nothing where it is not."""
    spread = known.blur_spread or 1.0
    if spread <= _WELL_KNOWN:
        return ()
    return (f"its edges tell the blur to a factor of {spread:.2g} only: shoot one tilted plate, or --detectors",)


def _one_pair_only(restorer: Restorer, settings: RunSettings) -> bool:
    """Return whether a restorer has learned one pair of detectors, and no other weights of it more."""
    one_pair = restorer.learned and not restorer.many_detectors
    forced = restorer.adapts_to_detectors and not settings.hand_over
    return one_pair and not forced and (not settings.hand_over or of_many(restorer, settings) is None)


def _only(
    restorer: Restorer,
    source: Radiograph,
    scale: Scale,
    pitch_mm: float | None,
    settings: RunSettings,
    estimates: Estimates | None,
) -> Assumed:
    """Return the detectors of weights that have learned no others, and what the image says about that.

    Raises
    ------
    InputError
        If the image's pixels are not theirs.
    """
    own = restorer.physics
    if not own.is_pitch(pitch_mm):
        raise InputError(
            f"the image has a pixel pitch of {pitch_mm:g} mm, and '{restorer.name}' has learned the blur of one pair "
            f"of detectors at {own.pitch_mm:g} mm: run physics-sde or wiener, which take any"
        )
    ours = replace(_own(restorer, settings), doubts=("whose image it is was only guessed (--detectors)",))
    note = f"'{restorer.name}' has learned one pair of detectors: the image is taken to be from these"
    try:
        known = (estimates or Estimates()).of(source, scale, pitch_mm, settings)
    except InputError:
        return replace(ours, notes=(f"{note} (--detectors weights says so)",))
    if ours.known is not None and not _agrees(known, restorer):
        note += f", whose f50 is {ours.known.f50 / own.pitch_mm:.2g} lp/mm; but {known.summary}: rather run physics-sde"
    return replace(ours, notes=(note,))


def _aim(target: Target, known: KnownDetector) -> str:
    """Say what sharpness is aimed at."""
    per, unit = (1.0, "cycles/px") if known.pitch_mm is None else (known.pitch_mm, "lp/mm")
    return f"restored to f50 {target.f50 / per:.2g} {unit}, of {target.name}"


def _check_grey(settings: RunSettings) -> None:
    if settings.grey == "hr":
        raise InputError(
            "with one detector grey values stay the image's own: leave out --grey hr, or tell both: --detectors "
            "weights, or a file of two"
        )


def _own(restorer: Restorer, settings: RunSettings) -> Assumed:
    """Return the detectors that the weights were made for."""
    known, target = _sides(restorer.physics.degradation, "weights")
    return Assumed(_grey_kept(restorer) if settings.grey == "lr" else restorer, known, target)


def _sides(between: Degradation, source: str) -> tuple[KnownDetector | None, Target | None]:
    """Return the LR and the HR detector of a degradation, where both MTFs are known."""
    if between.mtf_hr is None:
        return None, None
    pitch_mm = between.pitch_mm
    frequency = between.frequency_lp_mm * pitch_mm
    known = KnownDetector(
        source,
        frequency,
        between.B_1 * between.mtf_hr,
        between.Sigma_1_mm2 / pitch_mm**2,
        pitch_mm,
        excess_noise=between.excess_noise,
    )
    return known, Target("the HR detector", frequency, between.mtf_hr)


def _told(
    restorer: Restorer,
    told: KnownFile,
    scale: Scale,
    source: Radiograph,
    pitch_mm: float | None,
    settings: RunSettings,
) -> Assumed:
    """Return the detectors of a file: two, or one and a target."""
    theirs = told.lr.pitch_mm
    if pitch_mm is not None and theirs is not None and abs(pitch_mm / theirs - 1) > 0.01:
        raise InputError(
            f"the image has a pixel pitch of {pitch_mm:g} mm, the detectors of {told.path} have {theirs:g} mm: give "
            f"theirs, or force --pitch-mm {theirs:g}"
        )
    if told.degradation is not None and not settings.target:
        other, notes = serving(restorer, settings, told.degradation)
        other = other.with_physics(other.physics.between(told.degradation))
        _, target = _sides(told.degradation, "two detectors")
        known = replace(told.lr, source=f"two detectors: {told.lr.source}")
        return Assumed(_grey_kept(other) if settings.grey == "lr" else other, known, target, notes)
    _check_grey(settings)
    seen = structure_of(middle(scale.linear(next(source.images()))), told.lr)
    target = _target(settings, theirs, seen, told.lr)
    other, notes = serving(restorer, settings)
    said = f"detector: as {told.path.name} says ({told.lr.source}); {_aim(target, told.lr)}"
    return Assumed(_between(other, told.lr, target, seen), told.lr, target, (said, *notes))


def _between(restorer: Restorer, known: KnownDetector, target: Target, seen: Structure) -> Restorer:
    """Return the restorer between a detector and a target.

    What has learned takes the prior that it has learned with, in pixels; what has not takes that of the image.
    """
    pitch_mm = known.table_pitch_mm
    between = known.degradation(target)
    if restorer.learned:
        spectrum = restorer.physics.spectrum.at_pitch(restorer.physics.pitch_mm, pitch_mm)
    else:
        power = seen.power * target.mtf_at(seen.frequency) ** 2
        noise = np.interp(seen.frequency, known.frequency, known.noise_power)
        power = np.where(seen.frequency < _PLATEAUS, np.maximum(power, _PASSED * noise), power)
        spectrum = RadialSpectrum(seen.frequency / pitch_mm, np.maximum(power, 1e-12) * pitch_mm**2)
    return restorer.with_physics(Physics(between, spectrum))


def _grey_kept(restorer: Restorer) -> Restorer:
    """Return the restorer with answers in the grey of the image itself: all it does is done there, but for the last.

    Raises
    ------
    InputError
        If it finds HR grey by itself.
    """
    if not restorer.uses_link:
        raise InputError(f"'{restorer.name}' finds HR grey by itself: it takes no --grey lr and no single detector")
    between = replace(restorer.physics.degradation, link=GreyLink.kept())
    return restorer.with_physics(replace(restorer.physics, degradation=between))


def _target(settings: RunSettings, pitch_mm: float | None, seen: Structure, known: KnownDetector) -> Target:
    """Return the target that the settings name; by default the sharpest that weights have learned and noise allows."""
    wanted, own = settings.target, Target("the detector", known.frequency, known.mtf)
    if not wanted or wanted == "auto":
        sharpest = replace(usual(), name="the sharpest that weights have learned")
        return within_noise(sharpest, seen.last, own)
    return of_text(wanted, pitch_mm).at_least(own)


def _agrees(known: KnownDetector, restorer: Restorer) -> bool:
    """Return whether an estimate may be the LR detector of the weights, which are then known better."""
    ours, _ = _sides(restorer.physics.degradation, "weights")
    if ours is None or restorer.many_detectors:
        return False
    spread = known.blur_spread or 1.0
    frequency = np.linspace(0.0, 0.5, 101)
    theirs, own = known.mtf_at(frequency), ours.mtf_at(frequency)
    off = float(np.abs(theirs - own)[(own > _SHOWN_MTF) | (theirs > _SHOWN_MTF)].max())
    within = abs(np.log(known.f50 / ours.f50)) <= np.log(spread * _LIKE_F50)
    most = _LIKE_MTF * max(float(np.log(spread) / np.log(_WELL_KNOWN)), 1.0)
    return bool(within) and off < most and 1 / _LIKE_NOISE < known.noise_rms / ours.noise_rms < _LIKE_NOISE
