"""The headline's tables, from documents of `xsim_zoo.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headline_figures import (
    CHAMPION,
    CHI2_BANDS,
    LEADS,
    NOMINAL,
    PAPER,
    RAW,
    TOLD,
    Leads,
    Outcome,
    Samples,
    chi2_of,
    lead_of,
    leads,
    mean_of,
    power_of,
    rivalries,
    rows_of,
    text_of,
)

from xsim_zoo.evaluation.probes.bars import BarProbe
from xsim_zoo.evaluation.probes.opens import OpenScore
from xsim_zoo.evaluation.probes.voids import VoidScore
from xsim_zoo.evaluation.scores import BORDER_PX
from xsim_zoo.evaluation.statistics import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headline_claims import Claim

    from xsim_zoo.evaluation import Evaluation
    from xsim_zoo.evaluation.records import Estimate

__all__ = ["NOTE", "Table", "tables"]

POWER_LP_MM: Final = (2.0, 4.0, 6.0)
_FINEST_LP_MM: Final = 8.0

NOTE: Final = (
    f"Against HR, data range 1.0, without {BORDER_PX} px of border; 95 % intervals by bootstrap over boards "
    "(LimeSDR is one board: over its windows, which do not overlap). Power is that of the answer, its noise "
    "included, over that of the noise-free HR image; transfer is the part of the latter's structure that the "
    "answer holds."
)
"""How the tables of the sets are to be read."""

_RAW: Final = "LR, raw"

_UNTOLD: Final = (
    "Every network was trained without the grey-level link and restores without it: it takes LR in LR grey, and has "
    "to find HR grey by itself. Same boards, steps of training and size of network. Ablations: paper-independent is "
    "the paper's method to the letter, with noise of its own in place of the pair's; started at h^-1(y), its sampling "
    "alone is told the link."
)
_TOLD: Final = (
    "Everyone works in LR grey and leaves its answer in HR grey, through the same grey-level link; networks were "
    "trained so. Same boards for all but universal, which has met many detectors and was trained longer. physics-sde "
    "and its one-step weights went on from those for samples, end to end on whole images. Controls: unet-wiener-small "
    "is a larger network of one pass, unet-wiener-whole went on as physics-sde did; flips average all eight "
    "orientations."
)
"""Under which conditions the rows of each table stand."""

_TITLES: Final = {
    "random": "Random boards of other seeds",
    "limesdr": "LimeSDR, windows of a real board",
    "ten-layer": "Boards of ten layers, a class that training does not hold",
    "shapes": "Shapes outside training: bars, discs, star, half balls, needle, spiral",
}


@dataclass(frozen=True)
class Table:
    """A table with its title, the lead above it and the note below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    lead: str = ""

    def markdown(self) -> str:
        """Return the table as markdown, its title a heading."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        lead = [self.lead, ""] if self.lead else []
        text = [f"### {self.title}", "", *lead, *(f"| {' | '.join(cells)} |" for cells in lines)]
        return "\n".join([*text, *(["", self.note] if self.note else []), ""])


def tables(outcome: Outcome, lines: Sequence[Claim]) -> list[Table]:
    """Return every table, what holds first."""
    paper = {name: evaluation for (name, condition), evaluation in outcome.found.items() if condition == "paper"}
    others = {condition: one for (_, condition), one in outcome.found.items() if condition != "paper"}
    parts = [Table("What holds", ("claim", "test set", "holds", "found"), tuple(_cells(line) for line in lines))]
    parts += [_set_table(outcome, name, told=told) for name in paper for told in (False, True)]
    parts += [_seed_table(outcome, name) for name in ("random", "limesdr") if name in paper]
    for champion, labels in ((PAPER, (RAW, *outcome.untold)), (CHAMPION, outcome.told)):
        ahead = {name: leads(paper[name], champion, labels) for name in ("random", "limesdr") if name in paper}
        parts += [_lead_table(champion, ahead)] if any(ahead.values()) else []
    parts += [_detector_table(others)] if others else []
    rivals = rivalries(outcome.found)
    parts += [_rivalry_table(rivals)] if rivals else []
    parts += [_sample_table(outcome.samples)] if outcome.samples else []
    if outcome.tasks is not None:
        parts += [_contrast_table(outcome.tasks), _task_table(outcome.tasks)]
    return parts


def _cells(line: Claim) -> tuple[str, ...]:
    return line.claim, line.set_name, line.holds, line.found


def _named(label: str) -> str:
    return _RAW if label == RAW else label


def _set_table(outcome: Outcome, name: str, *, told: bool) -> Table:
    """Return similarity, sharpness, consistency and cost of every row of one of the two tables on one test set."""
    evaluation, lines = outcome.found[name, "paper"], []
    for label in outcome.told if told else (RAW, *outcome.untold):
        rows = rows_of(evaluation, label)
        cost = outcome.costs.get(label)
        lines.append(
            (
                _named(label),
                text_of(mean_of(rows, "psnr_dB"), 2),
                text_of(mean_of(rows, "ssim"), 4),
                *(f"{power_of(rows, 'power_ratio', lp_mm).mean:.2f}" for lp_mm in POWER_LP_MM),
                f"{power_of(rows, 'transfer', 4.0).mean:.2f}",
                ", ".join(f"{value:.2f}" for value in chi2_of(rows)),
                *((f"{cost.mflop_px:.3g}", f"{cost.s_mp:.2f}") if cost else ("-", "-")),
            )
        )
    frequencies = (f"power at {lp_mm:g} lp/mm" for lp_mm in POWER_LP_MM)
    heads = ("restorer", "PSNR [dB]", "SSIM", *frequencies, "transfer at 4", f"chi2 in {', '.join(CHI2_BANDS)} lp/mm")
    who = "All are told the link" if told else "Nobody is told the link"
    title = f"{who}: {_TITLES.get(name, name)} ({evaluation.provenance.data.images} images)"
    trial = outcome.trial
    note = (
        "MFLOP a pixel: all passes of the network in one restoration, a multiplication and an addition being two. "
        f"s/MP: median of {trial.repeats} restorations of one image of {trial.side_px} x {trial.side_px} pixels on one "
        "thread, after a warm-up."
    )
    return Table(title, (*heads, "MFLOP a pixel", "s/MP"), tuple(lines), note, _TOLD if told else _UNTOLD)


def _seed_table(outcome: Outcome, name: str) -> Table:
    """Return the leads that are claimed, for every training seed."""
    rows = []
    for label, other in LEADS:
        for seed, evaluation in outcome.by_seed(name).items():
            psnr, ssim = (lead_of(evaluation, label, other, metric) for metric in ("psnr_dB", "ssim"))
            cells = ("absent", "absent") if psnr is None or ssim is None else (text_of(psnr, 2), text_of(ssim, 4))
            rows.append((f"{label} less {_named(other)}", str(seed), *cells))
    return Table(
        f"Leads by training seed: {_TITLES.get(name, name)}",
        ("lead", "seed", "PSNR [dB]", "SSIM"),
        tuple(rows),
        "Paired by image, both rows trained from the same seed: it draws initial weights, order, crops, times and "
        "noise anew; the training images stay.",
    )


def _lead_table(champion: str, ahead: Mapping[str, Mapping[str, Leads]]) -> Table:
    """Return what a champion leads the rows of its table by, set beside set."""
    rows = []
    for label in dict.fromkeys(label for found in ahead.values() for label in found):
        cells = [_named(label)]
        for found in ahead.values():
            one = found.get(label)
            cells += [text_of(one.psnr_dB, 2), text_of(one.ssim, 4), text_of(one.power, 2)] if one else ["-"] * 3
        rows.append(tuple(cells))
    columns = [f"{name}: {what}" for name in ahead for what in ("PSNR [dB]", "SSIM", "power at 4 lp/mm")]
    return Table(f"{champion} less each other, paired by image", ("restorer", *columns), tuple(rows))


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
            one.weights,
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
