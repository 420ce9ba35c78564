"""What the headline's comparison is asked to show, held against its figures; what fails or is absent is said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headline_figures import (
    CHAMPION,
    CHI2_BANDS,
    NOMINAL,
    PAPER,
    RAW,
    Found,
    Outcome,
    Samples,
    lead_of,
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

_EQUAL: Final = "unet-wiener"
_EQUAL_COMPUTE: Final = "unet-wiener-small"
_CDM: Final = "cdm-untold"
_LEAST_LEAD_DB: Final = 0.1
"""Less would be no reason for three passes instead of one."""
_LEAST_POWER: Final = 0.95
"""Of the noise-free HR's at 4 lp/mm: with less, PSNR was bought by smoothing."""
_MOST_TRUTH_CHI2: Final = (1.3, 1.15, 1.05, 1.03)
"""By band: 1 is noise alone, the rest is one link for all materials (docs/explanation/process.md)."""
_CHI2_OFF: Final = 0.1
"""How far samples may be from the truth's chi2 in a band: closer, six images cannot tell."""
_COVERAGE_OFF: Final = 0.03
"""How far their coverage may be from its nominal share."""
_MOST_LOSS_DB: Final = 0.5
"""What one model for many detectors may lose to one of its own."""


@dataclass(frozen=True)
class Claim:
    """One line of what the comparison is asked to show: what is claimed, where, whether it holds, what was found."""

    claim: str
    set_name: str
    holds: str
    found: str


def claims(outcome: Outcome) -> list[Claim]:
    """Hold the claims against the figures, those about leads for every training seed."""
    lines = []
    for name in ("random", "limesdr"):
        evaluations = outcome.by_seed(name)
        for seed, evaluation in evaluations.items():
            place = f"{name}, seed {seed}" if len(evaluations) > 1 else name
            lines += [*_claims_of_told(place, evaluation), *_claims_of_untold(place, evaluation)]
        if name in outcome.truth:
            lines.append(_claim_on_truth(name, outcome.truth[name]))
    lines += _claims_on_samples(outcome.samples) if outcome.samples else []
    lines += _claim_on_bars(outcome.tasks) if outcome.tasks else []
    return lines + _claims_on_universal(outcome.found)


def _says(holds: bool) -> str:
    return "yes" if holds else "NO"


def _ahead(lead: Estimate, least: float = 0.0) -> str:
    """Say whether a lead is above zero with its whole interval and its mean at least so much; or in the mean alone."""
    if not lead.mean > 0 or lead.mean < least:
        return "NO"
    return "yes" if lead.low is not None and lead.low > 0 else "not shown"


def _claim_on_lead(
    place: str, evaluation: Evaluation, label: str, other: str, metric: str, *, least: float = 0.0
) -> Claim:
    what, digits = {"psnr_dB": ("PSNR", 2), "ssim": ("SSIM", 4)}[metric]
    by = f" by {least:g} dB or more" if least else ""
    claim = f"{label} leads {_named(other)} in {what}{by}, with the whole interval"
    lead = lead_of(evaluation, label, other, metric)
    if lead is None:
        return Claim(claim, place, "absent", "a row is absent")
    return Claim(claim, place, _ahead(lead, least), text_of(lead, digits))


def _named(label: str) -> str:
    return "raw LR" if label == RAW else label


def _claims_of_told(place: str, evaluation: Evaluation) -> list[Claim]:
    lines = [_claim_on_lead(place, evaluation, CHAMPION, _EQUAL, "psnr_dB", least=_LEAST_LEAD_DB)]
    claim, lead = f"{CHAMPION} is not below {_EQUAL} in SSIM", lead_of(evaluation, CHAMPION, _EQUAL, "ssim")
    if lead is None:
        lines.append(Claim(claim, place, "absent", "a row is absent"))
    else:
        lines.append(Claim(claim, place, _says(lead.mean >= 0), text_of(lead, 4)))
    lines.append(_claim_on_lead(place, evaluation, CHAMPION, _EQUAL_COMPUTE, "psnr_dB"))
    if rows := rows_of(evaluation, CHAMPION):
        power = power_of(rows, "power_ratio", 4.0)
        claim = f"{CHAMPION} holds >= {_LEAST_POWER} of the clean HR's power at 4 lp/mm"
        lines.append(Claim(claim, place, _says(power.mean >= _LEAST_POWER), text_of(power, 2)))
    return lines


def _claims_of_untold(place: str, evaluation: Evaluation) -> list[Claim]:
    return [
        _claim_on_lead(place, evaluation, label, other, metric)
        for label, other in ((PAPER, _CDM), (_CDM, RAW))
        for metric in ("psnr_dB", "ssim")
    ]


def _claim_on_truth(name: str, chi2: tuple[Estimate, ...]) -> Claim:
    most, bands = ", ".join(f"{value:g}" for value in _MOST_TRUTH_CHI2), ", ".join(CHI2_BANDS)
    holds = all(value.mean <= limit for value, limit in zip(chi2, _MOST_TRUTH_CHI2, strict=True))
    found = ", ".join(text_of(value, 2) for value in chi2)
    return Claim(f"the noise-free HR's chi2 is <= {most} in {bands} lp/mm", name, _says(holds), found)


def _claims_on_samples(one: Samples) -> list[Claim]:
    covered = max(abs(value.mean - share) for value, share in zip(one.covered, NOMINAL, strict=True))
    off = [value.mean - truth.mean for value, truth in zip(one.chi2, one.chi2_of_truth, strict=True)]
    shares = ", ".join(f"{100 * share:g}" for share in NOMINAL)
    return [
        Claim(
            f"{one.weights}: samples' chi2 equals the truth's within {_CHI2_OFF} in {', '.join(CHI2_BANDS)} lp/mm",
            "random",
            _says(all(abs(value) <= _CHI2_OFF for value in off)),
            ", ".join(f"{value:+.2f}" for value in off),
        ),
        Claim(
            f"{one.weights}: samples' intervals of {shares} % cover within {100 * _COVERAGE_OFF:g} points",
            "random",
            _says(covered <= _COVERAGE_OFF),
            f"{100 * covered:.1f} points off at most",
        ),
    ]


def _claim_on_bars(evaluation: Evaluation) -> list[Claim]:
    """Compare the contrast of bars at 4 lp/mm."""
    contrast = {row.restorer: row.ctf[row.frequency_lp_mm.index(4.0)] or 0.0 for row in evaluation.rows(BarProbe)}
    if CHAMPION not in contrast or _EQUAL not in contrast:
        return []
    own, other = contrast[CHAMPION], contrast[_EQUAL]
    claim = f"{CHAMPION} transfers more contrast at 4 lp/mm than {_EQUAL}"
    return [Claim(claim, "bars", _says(own > other), f"{own:.2f} against {other:.2f}")]


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
