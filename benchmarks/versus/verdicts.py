"""What the comparison is asked to show, line by line, and whether the figures show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from versus.contenders import CHAMPION
from versus.posterior import NOMINAL
from versus.scoring import CHI2_BANDS, POWER_LP_MM
from versus.tables import Table, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from versus.figures import Difference, Samples, Summary
    from versus.probing import Tasks
    from xsim_zoo.evaluation.records import Estimate

__all__ = ["Verdict", "verdict_table", "verdicts"]

_RIVALS: Final = ("LR", "wiener", "richardson-lucy", "tv", "cdm", "unet")
_EQUAL: Final = "unet-wiener"
_SETS: Final = ("random", "limesdr")
_LEAST_POWER: Final = {"physics-sde N=3": 0.80, "physics-sde N=5": 0.85}
_MOST_CHI2, _SAMPLE_CHI2 = 1.25, (0.7, 1.3)
_COVERAGE_POINTS: Final = 0.05


@dataclass(frozen=True)
class Verdict:
    """One line: what is claimed, where, what was found."""

    claim: str
    set_name: str
    holds: str
    found: str


def verdicts(
    found: Sequence[Summary], leads: Sequence[Difference], drawn: Sequence[Samples], tasks: Sequence[Tasks]
) -> list[Verdict]:
    """Hold the claims against the figures; claims about restorers that are absent are left out."""
    lines = []
    for set_name in _SETS:
        here = {one.row: one for one in found if one.set_name == set_name and one.condition == "paper"}
        ahead = {one.row: one for one in leads if one.set_name == set_name}
        lines += [line for rival in _RIVALS if rival in ahead for line in _beats(set_name, ahead[rival])]
        if _EQUAL in ahead and _EQUAL in here:
            lines += _equal(set_name, ahead[_EQUAL], here)
        lines += _sharp(set_name, here)
        if CHAMPION in here:
            worst = max(here[CHAMPION].chi2)
            lines.append(
                Verdict(f"chi2 <= {_MOST_CHI2} in every band", set_name, _says(worst <= _MOST_CHI2), f"{worst:.2f}")
            )
    for one in drawn:
        lines += _samples(one)
    return lines + _contrast(tasks)


def verdict_table(lines: Sequence[Verdict]) -> Table:
    """Return the lines as a table."""
    rows = tuple((line.claim, line.set_name, line.holds, line.found) for line in lines)
    return Table("What holds", ("claim", "test set", "holds", "found"), rows)


def _says(holds: bool) -> str:
    return "yes" if holds else "NO"


def _ahead(lead: Estimate) -> str:
    """Say whether a lead is above zero: with its whole interval, in the mean alone, or not."""
    if not lead.mean > 0:
        return "NO"
    return "yes" if lead.low is not None and lead.low > 0 else "not shown"


def _beats(set_name: str, lead: Difference) -> list[Verdict]:
    return [
        Verdict(f"{CHAMPION} beats {lead.row} in {what}", set_name, _ahead(lead_of), text_of(lead_of, digits))
        for what, lead_of, digits in (("PSNR", lead.psnr_dB, 2), ("SSIM", lead.ssim, 4))
    ]


def _equal(set_name: str, lead: Difference, here: dict[str, Summary]) -> list[Verdict]:
    lines = [
        Verdict(
            f"{CHAMPION} is within 0.5 dB of {_EQUAL}",
            set_name,
            _says(lead.psnr_dB.mean >= -0.5),
            text_of(lead.psnr_dB, 2),
        ),
        Verdict(
            f"{CHAMPION} holds >= .05 more power at 4 lp/mm than {_EQUAL}",
            set_name,
            _says(lead.power.mean >= 0.05),
            text_of(lead.power, 2),
        ),
    ]
    if "physics-sde N=1" in here:
        less = here["physics-sde N=1"].psnr_dB.mean - here[_EQUAL].psnr_dB.mean
        lines.append(
            Verdict(f"physics-sde N=1 is within 0.3 dB of {_EQUAL}", set_name, _says(less >= -0.3), f"{less:+.2f}")
        )
    return lines


def _sharp(set_name: str, here: dict[str, Summary]) -> list[Verdict]:
    at = POWER_LP_MM.index(4.0)
    return [
        Verdict(
            f"{row} holds >= {least:.2f} of the clean HR's power at 4 lp/mm",
            set_name,
            _says(here[row].power[at].mean >= least),
            text_of(here[row].power[at], 2),
        )
        for row, least in _LEAST_POWER.items()
        if row in here
    ]


def _contrast(tasks: Sequence[Tasks]) -> list[Verdict]:
    """Compare the contrast of bars at 4 lp/mm."""
    contrast = {one.row: one.bars.ctf[one.bars.frequency_lp_mm.index(4.0)] or 0.0 for one in tasks}
    if CHAMPION not in contrast or _EQUAL not in contrast:
        return []
    own, other = contrast[CHAMPION], contrast[_EQUAL]
    claim = f"{CHAMPION} transfers more contrast at 4 lp/mm than {_EQUAL}"
    return [Verdict(claim, "bars", _says(own > other), f"{own:.2f} against {other:.2f}")]


def _samples(one: Samples) -> list[Verdict]:
    low, high = _SAMPLE_CHI2
    chi2 = [value.mean for value in one.chi2]
    relative = [value.mean / truth.mean for value, truth in zip(one.chi2, one.chi2_of_truth, strict=True)]
    off = max(abs(value.mean - share) for value, share in zip(one.covered, NOMINAL, strict=True))
    return [
        Verdict(
            f"{one.row}: chi2 of samples within {low} to {high} in {', '.join(CHI2_BANDS)} lp/mm",
            "random",
            _says(all(low <= value <= high for value in chi2)),
            ", ".join(f"{value:.2f}" for value in chi2),
        ),
        # What one link for all materials leaves of the truth itself is no sample's fault.
        Verdict(
            f"{one.row}: chi2 of samples over that of the truth within {low} to {high} in these bands",
            "random",
            _says(all(low <= value <= high for value in relative)),
            ", ".join(f"{value:.2f}" for value in relative),
        ),
        Verdict(
            f"{one.row}: intervals of 50, 80, 95 % cover within 5 points",
            "random",
            _says(off <= _COVERAGE_POINTS),
            f"{100 * off:.1f} points off at most",
        ),
    ]
