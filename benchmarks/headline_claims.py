"""What the headline's comparison is asked to show, held against its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headline_figures import (
    CHAMPION,
    CHI2_BANDS,
    LR,
    NOMINAL,
    Found,
    Samples,
    chi2_of,
    lead_of,
    leads,
    power_of,
    rivalries,
    rows_of,
    text_of,
)

from xsim_zoo.evaluation.probes.bars import BarProbe

if TYPE_CHECKING:
    from xsim_zoo.evaluation import Evaluation
    from xsim_zoo.evaluation.records import Estimate

__all__ = ["Claim", "claims"]

_RIVALS: Final = (LR, "wiener", "richardson-lucy", "tv", "cdm", "unet")
_EQUAL: Final = "unet-wiener"
_LEAST_POWER: Final = {"physics-sde N=3": 0.80, "physics-sde N=5": 0.85}
_MOST_CHI2, _SAMPLE_CHI2, _COVERAGE_POINTS, _MOST_LOSS_DB = 1.25, (0.7, 1.3), 0.05, 0.5


@dataclass(frozen=True)
class Claim:
    """One line of what the comparison is asked to show: what is claimed, where, whether it holds, what was found."""

    claim: str
    set_name: str
    holds: str
    found: str


def claims(found: Found, samples: Samples | None) -> list[Claim]:
    """Hold the claims against the figures; claims about restorers that are absent are left out."""
    lines = []
    for name in ("random", "limesdr"):
        if (name, "paper") in found:
            lines += _claims_on_set(name, found[name, "paper"])
    lines += _claims_on_samples(samples) if samples else []
    for evaluation in found.values():
        lines += _claim_on_bars(evaluation)
    return lines + _claims_on_universal(found)


def _says(holds: bool) -> str:
    return "yes" if holds else "NO"


def _ahead(lead: Estimate) -> str:
    """Say whether a lead is above zero: with its whole interval, in the mean alone, or not."""
    if not lead.mean > 0:
        return "NO"
    return "yes" if lead.low is not None and lead.low > 0 else "not shown"


def _claims_on_set(name: str, evaluation: Evaluation) -> list[Claim]:
    ahead, lines = leads(evaluation), []
    for rival in (rival for rival in _RIVALS if rival in ahead):
        for what, lead, digits in (("PSNR", ahead[rival].psnr_dB, 2), ("SSIM", ahead[rival].ssim, 4)):
            lines.append(Claim(f"{CHAMPION} beats {rival} in {what}", name, _ahead(lead), text_of(lead, digits)))
    if _EQUAL in ahead:
        psnr, power = ahead[_EQUAL].psnr_dB, ahead[_EQUAL].power
        close, more = f"{CHAMPION} is within 0.5 dB of {_EQUAL}", f"{CHAMPION} holds >= .05 more power at 4 lp/mm than"
        lines.append(Claim(close, name, _says(psnr.mean >= -0.5), text_of(psnr, 2)))
        lines.append(Claim(f"{more} {_EQUAL}", name, _says(power.mean >= 0.05), text_of(power, 2)))
        if less := lead_of(evaluation, "physics-sde N=1", _EQUAL):
            claim = f"physics-sde N=1 is within 0.3 dB of {_EQUAL}"
            lines.append(Claim(claim, name, _says(less.mean >= -0.3), f"{less.mean:+.2f}"))
    for label, least in _LEAST_POWER.items():
        if rows := rows_of(evaluation, label):
            power = power_of(rows, "power_ratio", 4.0)
            claim = f"{label} holds >= {least:.2f} of the clean HR's power at 4 lp/mm"
            lines.append(Claim(claim, name, _says(power.mean >= least), text_of(power, 2)))
    if rows := rows_of(evaluation, CHAMPION):
        worst = max(chi2_of(rows))
        lines.append(Claim(f"chi2 <= {_MOST_CHI2} in every band", name, _says(worst <= _MOST_CHI2), f"{worst:.2f}"))
    return lines


def _claim_on_bars(evaluation: Evaluation) -> list[Claim]:
    """Compare the contrast of bars at 4 lp/mm."""
    contrast = {row.restorer: row.ctf[row.frequency_lp_mm.index(4.0)] or 0.0 for row in evaluation.rows(BarProbe)}
    if CHAMPION not in contrast or _EQUAL not in contrast:
        return []
    own, other = contrast[CHAMPION], contrast[_EQUAL]
    claim = f"{CHAMPION} transfers more contrast at 4 lp/mm than {_EQUAL}"
    return [Claim(claim, "bars", _says(own > other), f"{own:.2f} against {other:.2f}")]


def _claims_on_samples(one: Samples) -> list[Claim]:
    low, high = _SAMPLE_CHI2
    chi2 = [value.mean for value in one.chi2]
    # What one link for all materials leaves of the truth itself is no sample's fault.
    relative = [value.mean / truth.mean for value, truth in zip(one.chi2, one.chi2_of_truth, strict=True)]
    off = max(abs(value.mean - share) for value, share in zip(one.covered, NOMINAL, strict=True))
    bands = f"{', '.join(CHI2_BANDS)} lp/mm"
    return [
        Claim(
            f"physics-sde: chi2 of samples{over} within {low} to {high} in {bands}",
            "random",
            _says(all(low <= value <= high for value in values)),
            ", ".join(f"{value:.2f}" for value in values),
        )
        for over, values in (("", chi2), (" over that of the truth", relative))
    ] + [
        Claim(
            "physics-sde: intervals of 50, 80, 95 % cover within 5 points",
            "random",
            _says(off <= _COVERAGE_POINTS),
            f"{100 * off:.1f} points off at most",
        )
    ]


def _claims_on_universal(found: Found) -> list[Claim]:
    lines = []
    for condition, (_, expert, _, untold) in rivalries(found).items():
        if expert is not None:
            claim = f"universal is within {_MOST_LOSS_DB} dB of the model specialised on {condition}"
            lines.append(Claim(claim, "random", _says(expert.mean >= -_MOST_LOSS_DB), text_of(expert, 2)))
        if condition != "paper" and untold is not None:
            claim = f"universal beats the paper's model on {condition}"
            lines.append(Claim(claim, "random", _says((untold.low or 0.0) > 0), text_of(untold, 2)))
    return lines
