"""The headline's tables and verdict lines, from documents of `xsim_zoo.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from xsim_zoo.evaluation.probes.bars import BarProbe
from xsim_zoo.evaluation.probes.opens import OpenScore
from xsim_zoo.evaluation.probes.voids import VoidScore
from xsim_zoo.evaluation.scores import BORDER_PX, RING_LP_MM
from xsim_zoo.evaluation.statistics import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xsim_zoo.evaluation import Evaluation
    from xsim_zoo.evaluation.records import Estimate, ImageScore

__all__ = ["CHAMPION", "LR", "SPECIALISED", "TOLD", "Claim", "Leads", "Samples", "Table", "claims", "leads", "tables"]

CHAMPION: Final = "physics-sde N=3"
"""The row that the others are compared with: physics-sde at its default number of steps."""
UNIVERSAL: Final = "universal N=3"
LR: Final = "LR"
"""Row of the LR image itself, brought to HR grey by the link."""
TOLD: Final = ", told"
"""What the label of a row ends in that was told the detectors of the images; without it, it believes in its own."""
SPECIALISED: Final = "specialised"
"""Row of the model that was trained on the very detectors of a condition."""

POWER_LP_MM: Final = (2.0, 4.0, 6.0)
CHI2_BANDS: Final = ("0.3-1", "1-2", "2-4", "4-6")
NOMINAL: Final = (0.5, 0.8, 0.95)
_FINEST_LP_MM: Final = 8.0

_RIVALS: Final = (LR, "wiener", "richardson-lucy", "tv", "cdm", "unet")
_EQUAL: Final = "unet-wiener"
_LEAST_POWER: Final = {"physics-sde N=3": 0.80, "physics-sde N=5": 0.85}
_MOST_CHI2, _SAMPLE_CHI2, _COVERAGE_POINTS, _MOST_LOSS_DB = 1.25, (0.7, 1.3), 0.05, 0.5

NOTE: Final = (
    f"Against HR, data range 1.0, without {BORDER_PX} px of border; 95 % intervals by bootstrap over boards "
    "(LimeSDR is one board: over its windows, which do not overlap). Power is that of the answer, its noise "
    "included, over that of the noise-free HR image; transfer is the part of the latter's structure that the "
    "answer holds. In LR grey, the answer is left without the grey-level link."
)
"""How the tables of the sets are to be read."""

_TITLES: Final = {
    "random": "Random boards of other seeds",
    "limesdr": "LimeSDR, windows of a real board",
    "ten-layer": "Boards of ten layers, a class that training does not hold",
    "shapes": "Shapes outside training: bars, discs, star, half balls, needle, spiral",
}

Found = dict[tuple[str, str], "Evaluation"]
"""Evaluations by test set and condition."""


@dataclass(frozen=True)
class Table:
    """A table with its title and the note below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """Return the table as markdown, its title a heading."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        text = [f"### {self.title}", "", *(f"| {' | '.join(cells)} |" for cells in lines)]
        return "\n".join([*text, *(["", self.note] if self.note else []), ""])


@dataclass(frozen=True)
class Claim:
    """One line of what the comparison is asked to show: what is claimed, where, whether it holds, what was found."""

    claim: str
    set_name: str
    holds: str
    found: str


@dataclass(frozen=True)
class Leads:
    """The champion less another row, paired by image; ``power`` at 4 lp/mm, as share of the noise-free HR's."""

    psnr_dB: Estimate
    ssim: Estimate
    power: Estimate


@dataclass(frozen=True)
class Samples:
    """Posterior samples: chi2 of samples and of the noise-free HR image, coverage, rms spread and error, PSNR."""

    images: int
    samples: int
    steps: int
    chi2: tuple[Estimate, ...]
    chi2_of_truth: tuple[Estimate, ...]
    covered: tuple[Estimate, ...]
    spread: float
    error: float
    psnr_mean_dB: float
    psnr_sample_dB: float


def text_of(estimate: Estimate, digits: int) -> str:
    """Return ``mean [low, high]``, or the mean alone where one cluster gives no interval."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.{digits}f}"
    return f"{estimate.mean:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _rows(evaluation: Evaluation, label: str) -> list[ImageScore]:
    return [score for score in evaluation.images if score.restorer == label]


def _mean(rows: Sequence[ImageScore], metric: str) -> Estimate:
    over = Bootstrap([row.family for row in rows])
    return over.mean([np.inf if getattr(row, metric) is None else getattr(row, metric) for row in rows])


def _at(row: ImageScore, quantity: str, lp_mm: float) -> float:
    """Return power or transfer at a frequency, in units of the spectrum."""
    ring = round(lp_mm / RING_LP_MM) - 1
    return row.reference_power[ring] * (getattr(row, quantity)[ring] or 0.0)


def _power(rows: Sequence[ImageScore], quantity: str, lp_mm: float) -> Estimate:
    clean = [row.reference_power[round(lp_mm / RING_LP_MM) - 1] for row in rows]
    return Bootstrap([row.family for row in rows]).ratio([_at(row, quantity, lp_mm) for row in rows], clean)


def _chi2(rows: Sequence[ImageScore]) -> list[float]:
    return [float(value) for value in np.mean([row.chi2[: len(CHI2_BANDS)] for row in rows], axis=0)]


def _paired(evaluation: Evaluation, label: str, other: str) -> list[tuple[ImageScore, ImageScore]]:
    others = {row.sample: row for row in _rows(evaluation, other)}
    return [(row, others[row.sample]) for row in _rows(evaluation, label) if row.sample in others]


def _lead(evaluation: Evaluation, label: str, other: str, metric: str = "psnr_dB") -> Estimate | None:
    """Return how much a row leads another by, None where one of them did not take part."""
    pairs = _paired(evaluation, label, other)
    if not pairs:
        return None
    over = Bootstrap([own.family for own, _ in pairs])
    return over.mean([getattr(own, metric) - getattr(less, metric) for own, less in pairs])


def leads(evaluation: Evaluation, champion: str = CHAMPION) -> dict[str, Leads]:
    """Return the champion's lead over every other row of a set."""
    found = {}
    for label in evaluation.labels:
        pairs = _paired(evaluation, champion, label)
        psnr, ssim = (_lead(evaluation, champion, label, metric) for metric in ("psnr_dB", "ssim"))
        if label == champion or psnr is None or ssim is None:
            continue
        power = Bootstrap([own.family for own, _ in pairs]).ratio(
            [_at(own, "power_ratio", 4.0) - _at(less, "power_ratio", 4.0) for own, less in pairs],
            [own.reference_power[round(4.0 / RING_LP_MM) - 1] for own, _ in pairs],
        )
        found[label] = Leads(psnr, ssim, power)
    return found


def tables(found: Found, samples: Samples | None, lines: Sequence[Claim]) -> list[Table]:
    """Return every table, what holds first."""
    paper = {name: evaluation for (name, condition), evaluation in found.items() if condition == "paper"}
    others = {condition: one for (_, condition), one in found.items() if condition != "paper"}
    parts = [Table("What holds", ("claim", "test set", "holds", "found"), tuple(_cells(line) for line in lines))]
    ahead = {name: leads(paper[name]) for name in ("random", "limesdr") if name in paper}
    parts += [_lead_table(ahead)] if any(ahead.values()) else []
    parts += [_set_table(name, evaluation) for name, evaluation in paper.items()]
    parts += [_detector_table(others)] if others else []
    rivals = _rivalries(found)
    parts += [_rivalry_table(rivals)] if rivals else []
    parts += [_sample_table(samples)] if samples else []
    for evaluation in paper.values():
        parts += [_contrast_table(evaluation), _task_table(evaluation)] if evaluation.sections["bars"] else []
    return parts


def _cells(line: Claim) -> tuple[str, ...]:
    return line.claim, line.set_name, line.holds, line.found


def _set_table(name: str, evaluation: Evaluation) -> Table:
    """Return similarity, sharpness, consistency and time of every row on one test set."""
    lines = []
    for label in evaluation.labels:
        rows = _rows(evaluation, label)
        lines.append(
            (
                label,
                text_of(_mean(rows, "psnr_dB"), 2),
                text_of(_mean(rows, "ssim"), 4),
                *(f"{_power(rows, 'power_ratio', lp_mm).mean:.2f}" for lp_mm in POWER_LP_MM),
                f"{_power(rows, 'transfer', 4.0).mean:.2f}",
                ", ".join(f"{value:.2f}" for value in _chi2(rows)),
                f"{np.mean([row.seconds for row in rows]):.2f}",
            )
        )
    frequencies = (f"power at {lp_mm:g} lp/mm" for lp_mm in POWER_LP_MM)
    heads = ("restorer", "PSNR [dB]", "SSIM", *frequencies, "transfer at 4", f"chi2 in {', '.join(CHI2_BANDS)} lp/mm")
    title = f"{_TITLES.get(name, name)} ({evaluation.provenance.data.images} images)"
    return Table(title, (*heads, "s on one thread"), tuple(lines))


def _lead_table(ahead: Mapping[str, Mapping[str, Leads]]) -> Table:
    """Return what the champion leads by, set beside set."""
    rows = []
    for label in dict.fromkeys(label for found in ahead.values() for label in found):
        cells = [label]
        for found in ahead.values():
            one = found.get(label)
            cells += [text_of(one.psnr_dB, 2), text_of(one.ssim, 4), text_of(one.power, 2)] if one else ["-"] * 3
        rows.append(tuple(cells))
    columns = [f"{name}: {what}" for name in ahead for what in ("PSNR [dB]", "SSIM", "power at 4 lp/mm")]
    return Table(f"{CHAMPION} less each other, paired by image", ("restorer", *columns), tuple(rows))


def _detector_table(others: Mapping[str, Evaluation]) -> Table:
    """Return PSNR under other doses and screens, as the weights know the detectors and told of the right ones."""
    means = {condition: evaluation.means("psnr_dB") for condition, evaluation in others.items()}
    labels = dict.fromkeys(label.removesuffix(TOLD) for one in others.values() for label in one.labels)
    rows = tuple(
        (
            label,
            *(
                " / ".join(f"{psnr[name]:.2f}" for name in (label, label + TOLD) if name in psnr)
                for psnr in means.values()
            ),
        )
        for label in labels
    )
    images = next(iter(others.values())).provenance.data.images
    return Table(
        f"Other doses and LR screens: PSNR [dB] with the weights' own operator / with the right one ({images} random "
        "boards)",
        ("restorer", *others),
        rows,
        "Own: the restorer believes in the paper's detectors. Right: it is told of those that took the image; its "
        "network stays as it was trained.",
    )


def _rivalries(found: Found) -> dict[str, tuple[Estimate, Estimate | None, Estimate | None, Estimate | None]]:
    """Return PSNR of `universal` and its lead over the specialised, the told and the untold model, by condition.

    For the paper's own detectors the paper's model is the specialised one.
    """
    table = {}
    for (name, condition), evaluation in found.items():
        paper = condition == "paper"
        own, told = (UNIVERSAL, CHAMPION) if paper else (UNIVERSAL + TOLD, CHAMPION + TOLD)
        if name in {"random", "detectors"} and own in evaluation.labels and CHAMPION in evaluation.labels:
            others = (CHAMPION if paper else SPECIALISED, told, CHAMPION)
            table[condition] = (
                _mean(_rows(evaluation, own), "psnr_dB"),
                *(_lead(evaluation, own, other) for other in others),
            )
    return table  # type: ignore[return-value]


def _rivalry_table(rivals: Mapping[str, Sequence[Estimate | None]]) -> Table:
    rows = (
        (condition, *("-" if one is None else text_of(one, 2) for one in found)) for condition, found in rivals.items()
    )
    return Table(
        "One model for many detectors: PSNR [dB] of universal with 3 steps, and its lead",
        ("detectors", "universal", "over specialised", "over physics-sde told", "over physics-sde untold"),
        tuple(rows),
        "Specialised: trained on these very detectors. Told: the paper's network with the operator of these detectors; "
        "untold: with its own.",
    )


def _sample_table(one: Samples) -> Table:
    """Return consistency and coverage of posterior samples."""
    rows = (
        (
            "physics-sde",
            *(text_of(value, 2) for value in one.chi2),
            *(f"{100 * value.mean:.1f} %" for value in one.covered),
            f"{1e3 * one.spread:.2f} / {1e3 * one.error:.2f}",
            f"{one.psnr_sample_dB:.2f} / {one.psnr_mean_dB:.2f}",
        ),
        ("HR without noise", *(text_of(value, 2) for value in one.chi2_of_truth), *["-"] * 5),
    )
    return Table(
        f"Posterior samples on random boards ({one.images} images, {one.samples} samples of {one.steps} steps, eta 1)",
        (
            "restorer",
            *(f"chi2 {band}" for band in CHI2_BANDS),
            *(f"in the {share:.0%} interval" for share in NOMINAL),
            "spread / error of the mean [1e-3]",
            "PSNR of a sample / of the mean [dB]",
        ),
        rows,
        "What the truth itself leaves above 1 is the error of one grey-level link for all materials.",
    )


def _contrast_table(evaluation: Evaluation) -> Table:
    """Return the contrast transfer of bar groups."""
    found = evaluation.rows(BarProbe)
    frequencies = [lp_mm for lp_mm in found[0].frequency_lp_mm if lp_mm <= _FINEST_LP_MM]
    rows = (
        (row.restorer, *("-" if value is None else f"{value:.2f}" for value in row.ctf[: len(frequencies)]))
        for row in found
    )
    return Table(
        f"Contrast transfer (CTF) of groups of five bars of {100 * found[0].contrast:.0f} % contrast",
        ("image", *(f"{lp_mm:g} lp/mm" for lp_mm in frequencies)),
        tuple(rows),
        f"Mean of {found[0].draws} draws of the noise, relative to very wide bars.",
    )


def _task_table(evaluation: Evaluation) -> Table:
    """Return the error of void areas and the detectability of open tracks."""
    opens: dict[str, list[OpenScore]] = {}
    for score in evaluation.rows(OpenScore):
        opens.setdefault(score.restorer, []).append(score)
    voids = evaluation.rows(VoidScore)
    rows = []
    for row in voids:
        errors = [abs(measured - labelled) for measured, labelled in zip(row.measured, row.labelled, strict=True)]
        error = Bootstrap(range(row.balls)).mean(errors)
        areas = (text_of(score.auc, 3) for score in opens[row.restorer])
        rows.append((row.restorer, text_of(error, 2), f"{row.bias:+.2f}", *areas))
    first = opens[voids[0].restorer]
    gaps = (f"AUC, gap of {1e3 * one.gap_mm:g} um in {1e3 * one.copper_mm:g} um of copper" for one in first)
    return Table(
        "Tasks: void area of solder balls, and open tracks told from sound ones",
        ("image", "error of void area [% of the ball]", "bias", *gaps),
        tuple(rows),
        f"{voids[0].balls} balls with voids of 0.5 to 35 % of their area; {first[0].present} open and as many sound "
        "tracks of 0.1 mm for each gap; intervals over balls and tracks.",
    )


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
        if less := _lead(evaluation, "physics-sde N=1", _EQUAL):
            claim = f"physics-sde N=1 is within 0.3 dB of {_EQUAL}"
            lines.append(Claim(claim, name, _says(less.mean >= -0.3), f"{less.mean:+.2f}"))
    for label, least in _LEAST_POWER.items():
        if rows := _rows(evaluation, label):
            power = _power(rows, "power_ratio", 4.0)
            claim = f"{label} holds >= {least:.2f} of the clean HR's power at 4 lp/mm"
            lines.append(Claim(claim, name, _says(power.mean >= least), text_of(power, 2)))
    if rows := _rows(evaluation, CHAMPION):
        worst = max(_chi2(rows))
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
    for condition, (_, expert, _, untold) in _rivalries(found).items():
        if expert is not None:
            claim = f"universal is within {_MOST_LOSS_DB} dB of the model specialised on {condition}"
            lines.append(Claim(claim, "random", _says(expert.mean >= -_MOST_LOSS_DB), text_of(expert, 2)))
        if condition != "paper" and untold is not None:
            claim = f"universal beats the paper's model on {condition}"
            lines.append(Claim(claim, "random", _says((untold.low or 0.0) > 0), text_of(untold, 2)))
    return lines
