"""The headline's tables, from documents of `xsim_zoo.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from headline_figures import (
    CHAMPION,
    CHI2_BANDS,
    NOMINAL,
    TOLD,
    Found,
    Leads,
    Samples,
    chi2_of,
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
    "answer holds. In LR grey, the answer is left without the grey-level link."
)
"""How the tables of the sets are to be read."""

_TITLES: Final = {
    "random": "Random boards of other seeds",
    "limesdr": "LimeSDR, windows of a real board",
    "ten-layer": "Boards of ten layers, a class that training does not hold",
    "shapes": "Shapes outside training: bars, discs, star, half balls, needle, spiral",
}


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


def tables(found: Found, samples: Samples | None, lines: Sequence[Claim]) -> list[Table]:
    """Return every table, what holds first."""
    paper = {name: evaluation for (name, condition), evaluation in found.items() if condition == "paper"}
    others = {condition: one for (_, condition), one in found.items() if condition != "paper"}
    parts = [Table("What holds", ("claim", "test set", "holds", "found"), tuple(_cells(line) for line in lines))]
    ahead = {name: leads(paper[name]) for name in ("random", "limesdr") if name in paper}
    parts += [_lead_table(ahead)] if any(ahead.values()) else []
    parts += [_set_table(name, evaluation) for name, evaluation in paper.items()]
    parts += [_detector_table(others)] if others else []
    rivals = rivalries(found)
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
        rows = rows_of(evaluation, label)
        lines.append(
            (
                label,
                text_of(mean_of(rows, "psnr_dB"), 2),
                text_of(mean_of(rows, "ssim"), 4),
                *(f"{power_of(rows, 'power_ratio', lp_mm).mean:.2f}" for lp_mm in POWER_LP_MM),
                f"{power_of(rows, 'transfer', 4.0).mean:.2f}",
                ", ".join(f"{value:.2f}" for value in chi2_of(rows)),
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
