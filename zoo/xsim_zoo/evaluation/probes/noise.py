"""Noise of restored flat fields over realisations of the noise, and the SNR and SRb that NDT asks for."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from xsim.errors import InputError
from xsim.measure.noise import NNPS, nnps
from xsim.measure.resolution import duplex_wire, flat_snr, normalised_snr
from xsim_zoo.evaluation.judging import inner
from xsim_zoo.evaluation.laboratory import SIDE_PX, Laboratory, Shot
from xsim_zoo.evaluation.records import NoiseProbe, Resolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["measure_noise", "measure_resolution", "noise_gain"]

_FRAMES, _FRAMES_QUICK = 16, 6
_REGION_PX = 64
_GAUGE_PX = 2 * SIDE_PX
_WIRE_ANGLE_DEG = 4.0


def measure_noise(bench: Bench, subject: Subject) -> list[NoiseProbe]:
    """Ask a subject for flat fields; what all answers have in common is not noise and is taken out."""
    shots = _flats(bench)
    answers = [inner(subject.answer(shot.lr, shot.hr, shot.number)) for shot in shots]
    return [noise_gain(subject.label, answers, [inner(shot.lr) for shot in shots], bench.store.pitch_mm)]


def noise_gain(
    label: str, answers: Sequence[NDArray[np.float32]], inputs: Sequence[NDArray[np.float32]], pitch_mm: float
) -> NoiseProbe:
    """Return the NNPS of answers (H, W) to flat fields, and over that of the inputs.

    Raises
    ------
    InputError
        If the inputs hold no noise.
    """
    before = nnps(inputs, pitch_mm, mode="difference", region_px=_REGION_PX)
    try:
        after: NNPS | None = nnps(answers, pitch_mm, mode="difference", region_px=_REGION_PX)
        snr = flat_snr(answers[0])
        levels = (snr.snr, snr.snr_blocks)
    except InputError:
        # Answers without any noise: nothing to measure, and no SNR that could be named.
        after, levels = None, (0.0, 0.0)
    count = len(before.frequency_lp_mm)
    return NoiseProbe(
        restorer=label,
        frames=len(answers),
        frequency_lp_mm=tuple(before.frequency_lp_mm.tolist()),
        nnps_mm2=(None,) * count if after is None else _maybe(after.nnps_mm2),
        gain=(None,) * count if after is None else _maybe(after.nnps_mm2 / before.nnps_mm2),
        snr=levels[0],
        snr_blocks=levels[1],
    )


def _maybe(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(float(value) if math.isfinite(value) else None for value in values)


@lru_cache(maxsize=1)
def _flats(bench: Bench) -> list[Shot]:
    laboratory = Laboratory.of(bench, "noise")
    phantom = laboratory.plate()
    return [laboratory.shoot(phantom, frame) for frame in range(_FRAMES_QUICK if bench.options.quick else _FRAMES)]


def measure_resolution(bench: Bench, subject: Subject) -> list[Resolution]:
    """Ask a subject for the duplex wire gauge and one flat field."""
    gauge, flat = _gauge(bench)
    levels = flat_snr(inner(subject.answer(flat.lr, flat.hr, flat.number)))
    srb_mm: float | None = None
    note = ""
    try:
        read = duplex_wire(subject.answer(gauge.lr, gauge.hr, gauge.number), bench.store.pitch_mm)
    except InputError as error:
        note = str(error)
    else:
        first = read.isrb_mm if math.isfinite(read.isrb_mm) else read.srb_mm
        srb_mm = first if math.isfinite(first) else None
        note = "" if srb_mm is not None else "every pair of the gauge is resolved"
    return [
        Resolution(
            restorer=subject.label,
            srb_mm=srb_mm,
            snr=levels.snr,
            snr_n=None if srb_mm is None else normalised_snr(levels.snr, srb_mm),
            note=note,
        )
    ]


@lru_cache(maxsize=1)
def _gauge(bench: Bench) -> tuple[Shot, Shot]:
    laboratory = Laboratory.of(bench, "resolution")
    phantom = laboratory.target(
        "duplex-wire", side_px=_GAUGE_PX, material="W", thickness_mm=1.0, angle_deg=_WIRE_ANGLE_DEG
    )
    return laboratory.shoot(phantom, 0), laboratory.shoot(laboratory.plate(), 1)
