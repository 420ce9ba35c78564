"""Noise of restored flat fields over realisations of the noise, and the SNR and SRb that NDT asks for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.measure.noise import nnps
from xsim.measure.resolution import duplex_wire, flat_snr, normalised_snr
from xsim_zoo.evaluation.probes.base import SIDE_PX, Probe, ProbeSetup, ProbeShot
from xsim_zoo.evaluation.records import INPUT, TRUTH, MaybeNumbers, Numbers, Row, finite
from xsim_zoo.evaluation.report.figures import FREQUENCY, Axis, Chart, ReferenceLine
from xsim_zoo.evaluation.report.tables import Block, Naming, Number, Text, table_of
from xsim_zoo.evaluation.results import Chapter, Evaluation, register
from xsim_zoo.evaluation.scores import inner

if TYPE_CHECKING:
    from xsim_zoo.evaluation.competitor import Answering
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["Noise", "NoiseProbe", "Resolution", "WireGauge", "noise_gain"]

_FRAMES, _FRAMES_QUICK = 16, 6
"""Flat fields: what they have in common is taken out, which costs one of them."""

_REGION_PX = 64
"""Side of the regions of the NNPS: three by three of them fit into a flat field."""

_GAUGE_PX = 2 * SIDE_PX
"""Side of the image of the duplex wire gauge, which is longer than other targets."""

_WIRE_ANGLE_DEG = 4.0
"""The wires lean to the pixels by 2 to 5 degrees, as ISO 17636-2 asks."""

_CHAPTER = Chapter(
    "noise",
    "Noise and resolution",
    "Noise over repeated exposures of one flat field. A gain far below 1 at high frequencies looks like success and "
    "may be mere smoothing: read it beside the edge response. SNR of block means shows what is left at low "
    "frequencies. SNRn refers SNR to a resolution of 88.6 um, so that blur gains nothing.",
    60,
)


class NoiseProbe(Row):
    """Noise of a restored flat field over realisations of the noise, by frequency."""

    restorer: str
    frames: int
    frequency_lp_mm: Numbers
    nnps_mm2: MaybeNumbers
    gain: MaybeNumbers
    snr: float
    snr_blocks: float


class Resolution(Row):
    """Basic spatial resolution from the duplex wire gauge, SNR of the flat field, and SNR normalised to it."""

    restorer: str
    srb_mm: float | None
    snr: float
    snr_n: float | None
    note: str = ""


@register
class Noise(Probe):
    """The section ``noise``."""

    name = "noise"
    title = "Noise of flat fields"
    row = NoiseProbe
    order = 60
    chapter = _CHAPTER
    side_by_side = True
    beside = (INPUT,)
    cost = 4

    def measure(self, context: EvaluationContext, asked: Answering) -> list[NoiseProbe]:
        """Ask for flat fields; what all answers have in common is not noise and is taken out."""
        shots = _flats(context)
        answers, inputs = [inner(shot.answer_of(asked)) for shot in shots], [inner(shot.lr) for shot in shots]
        return [noise_gain(asked.label, answers, inputs, context.probe_setup.pitch_mm)]

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return noise power and gain, and the SNR."""
        rows = evaluation.rows(NoiseProbe)
        levels = tuple(naming.curve(row.restorer, row.frequency_lp_mm, row.nnps_mm2) for row in rows)
        gain = tuple(naming.curve(row.restorer, row.frequency_lp_mm, row.gain) for row in rows)
        frequency = Axis.covering(FREQUENCY, [item.x for item in levels], 0.0)
        power = Axis.covering("NNPS [mm\N{SUPERSCRIPT TWO}]", [item.y for item in levels], log=True)
        gains = Axis.covering("NNPS, restored over LR", [item.y for item in gain], 1.0, log=True)
        return (
            Chart("Noise power", frequency, power, levels, (), "Logarithmic scale."),
            Chart("Noise gain", frequency, gains, gain, (ReferenceLine("noise of LR", 1.0),), "Logarithmic scale."),
            table_of(
                "Signal to noise of the flat field",
                rows,
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    "SNR": lambda row: Number(row.snr, ".1f"),
                    "SNR of block means": lambda row: Number(row.snr_blocks, ".1f"),
                    "frames": lambda row: Number(row.frames, "d"),
                },
            ),
        )


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
        power = nnps(answers, pitch_mm, mode="difference", region_px=_REGION_PX, any_shape=True).nnps_mm2
        snr = flat_snr(answers[0], any_shape=True)
        levels = (snr.snr, snr.snr_blocks)
    except InputError:
        # Answers without any noise: nothing to measure, and no SNR that could be named.
        power, levels = np.full(len(before.nnps_mm2), np.nan), (0.0, 0.0)
    return NoiseProbe(
        restorer=label,
        frames=len(answers),
        frequency_lp_mm=tuple(before.frequency_lp_mm.tolist()),
        nnps_mm2=tuple(map(finite, power)),
        gain=tuple(map(finite, power / before.nnps_mm2)),
        snr=levels[0],
        snr_blocks=levels[1],
    )


@lru_cache(maxsize=1)
def _flats(context: EvaluationContext) -> list[ProbeShot]:
    setup = ProbeSetup.of(context, "noise")
    phantom = setup.plate()
    return [setup.shoot(phantom, frame) for frame in range(_FRAMES_QUICK if context.options.quick else _FRAMES)]


@register
class WireGauge(Probe):
    """The section ``resolution``."""

    name = "resolution"
    title = "Duplex wire gauge"
    row = Resolution
    order = 70
    chapter = _CHAPTER
    beside = (INPUT, TRUTH)
    cost = 2
    glanced: ClassVar = {
        "SRb [mm]": lambda row: Number(row.srb_mm, ".4f", "not reached"),
        "SNRn": lambda row: Number(row.snr_n, ".0f", "needs SRb"),
    }

    def measure(self, context: EvaluationContext, asked: Answering) -> list[Resolution]:
        """Ask for the duplex wire gauge and one flat field."""
        gauge, flat = _gauge(context)
        levels = flat_snr(inner(flat.answer_of(asked)), any_shape=True)
        srb_mm, note = None, ""
        try:
            read = duplex_wire(gauge.answer_of(asked), context.probe_setup.pitch_mm, any_shape=True)
        except InputError as error:
            note = str(error)
        else:
            srb_mm = finite(read.isrb_mm) or finite(read.srb_mm)
            note = "" if srb_mm is not None else "every pair of the gauge is resolved"
        return [
            Resolution(
                restorer=asked.label,
                srb_mm=srb_mm,
                snr=levels.snr,
                snr_n=None if srb_mm is None else normalised_snr(levels.snr, srb_mm),
                note=note,
            )
        ]

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return the resolution that signal to noise is referred to."""
        return (
            table_of(
                "Basic spatial resolution of the duplex wire gauge, and SNR normalised to it",
                evaluation.rows(Resolution),
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    "SRb [mm]": lambda row: Number(row.srb_mm, ".4f", "not reached"),
                    "SNR": lambda row: Number(row.snr, ".1f"),
                    "SNRn": lambda row: Number(row.snr_n, ".1f", "needs SRb"),
                    "note": lambda row: Text(row.note),
                },
            ),
        )


@lru_cache(maxsize=1)
def _gauge(context: EvaluationContext) -> tuple[ProbeShot, ProbeShot]:
    setup = ProbeSetup.of(context, "resolution")
    phantom = setup.target("duplex-wire", side_px=_GAUGE_PX, material="W", thickness_mm=1.0, angle_deg=_WIRE_ANGLE_DEG)
    return setup.shoot(phantom, 0), setup.shoot(setup.plate(), 1)
