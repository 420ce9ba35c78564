"""The tables of the headline, as text: what each restorer does on each test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from versus.contenders import CHAMPION
from versus.posterior import NOMINAL, SAMPLES, STEPS
from versus.scoring import CHI2_BANDS, POWER_LP_MM
from xsim_zoo.evaluation.bootstrap import Bootstrap
from xsim_zoo.evaluation.judging import BORDER_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from versus.figures import Difference, Samples, Summary
    from versus.probing import Tasks
    from xsim_zoo.evaluation.records import Estimate

__all__ = [
    "NOTE",
    "Table",
    "contrast_table",
    "detector_table",
    "difference_table",
    "sample_table",
    "set_table",
    "task_table",
    "text_of",
]

NOTE = (
    f"Against HR, data range 1.0, without {BORDER_PX} px of border; 95 % intervals by bootstrap over boards "
    "(LimeSDR is one board: over its windows, which do not overlap). Power is that of the answer, its noise "
    "included, over that of the noise-free HR image; transfer is the part of the latter's structure that the "
    "answer holds. Without the link, the same answer is left in LR grey."
)
"""How the tables of the sets are to be read."""

_FINEST_LP_MM = 8.0

_TITLES = {
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
        lines = [f"### {self.title}", "", _line(self.columns), _line(["---"] * len(self.columns))]
        lines += [_line(row) for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else []), ""])


def text_of(estimate: Estimate, digits: int) -> str:
    """Return ``mean [low, high]``, or the mean alone where one cluster gives no interval."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.{digits}f}"
    return f"{estimate.mean:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def set_table(set_name: str, found: Sequence[Summary]) -> Table:
    """Return likeness, sharpness, consistency and time of every row on one test set."""
    frequencies = tuple(f"power at {f:g} lp/mm" for f in POWER_LP_MM)
    rows = [
        (
            one.row,
            text_of(one.psnr_dB, 2),
            text_of(one.ssim, 4),
            *(f"{value.mean:.2f}" for value in one.power),
            f"{one.transfer[POWER_LP_MM.index(4.0)].mean:.2f}",
            ", ".join(f"{value:.2f}" for value in one.chi2) or "-",
            f"{one.psnr_unlinked_dB.mean:.2f} / {one.ssim_unlinked.mean:.4f}",
            f"{one.cpu_s:.2f}" if one.cpu_s else "-",
        )
        for one in found
    ]
    return Table(
        f"{_TITLES.get(set_name, set_name)} ({found[0].images} images)",
        (
            "restorer",
            "PSNR [dB]",
            "SSIM",
            *frequencies,
            "transfer at 4",
            f"chi2 in {', '.join(CHI2_BANDS)} lp/mm",
            "without the link: PSNR / SSIM",
            "CPU s",
        ),
        tuple(rows),
    )


def difference_table(found: Sequence[Difference], sets: Sequence[str]) -> Table:
    """Return what the champion leads by, set beside set."""
    rows = []
    for row in dict.fromkeys(one.row for one in found):
        cells = [row]
        for set_name in sets:
            match = next((one for one in found if one.row == row and one.set_name == set_name), None)
            cells += (
                [text_of(match.psnr_dB, 2), text_of(match.ssim, 4), text_of(match.power, 2)] if match else ["-"] * 3
            )
        rows.append(tuple(cells))
    columns = [f"{set_name}: {what}" for set_name in sets for what in ("PSNR [dB]", "SSIM", "power at 4 lp/mm")]
    return Table(f"{CHAMPION} less each other, paired by image", ("restorer", *columns), tuple(rows))


def detector_table(found: Sequence[Summary]) -> Table:
    """Return PSNR under other doses and screens, as the weights know the detectors and told of the right ones."""
    conditions = tuple(dict.fromkeys(one.condition for one in found))
    rows = []
    for row in dict.fromkeys(one.row for one in found):
        cells = [row]
        for condition in conditions:
            pair = {one.operator: one.psnr_dB.mean for one in found if one.row == row and one.condition == condition}
            cells.append(" / ".join(f"{pair[operator]:.2f}" for operator in ("own", "right") if operator in pair))
        rows.append(tuple(cells))
    return Table(
        f"Other doses and LR screens: PSNR [dB] with the weights' own operator / with the right one "
        f"({found[0].images} random boards)",
        ("restorer", *conditions),
        tuple(rows),
        "Own: the restorer believes in the paper's detectors. Right: it is told of those that took the image; its "
        "network stays as it was trained.",
    )


def sample_table(found: Sequence[Samples]) -> Table:
    """Return consistency and coverage of posterior samples."""
    rows = [
        (
            one.row,
            *(text_of(value, 2) for value in one.chi2),
            *(f"{100 * value.mean:.1f} %" for value in one.covered),
            f"{1e3 * one.spread:.2f} / {1e3 * one.error:.2f}",
            f"{one.psnr_sample_dB:.2f} / {one.psnr_mean_dB:.2f}",
        )
        for one in found
    ]
    rows += [("HR without noise", *(text_of(value, 2) for value in found[0].chi2_of_truth), *["-"] * 5)]
    return Table(
        f"Posterior samples on random boards ({found[0].images} images, {SAMPLES} samples of {STEPS} steps, eta 1)",
        (
            "restorer",
            *(f"chi2 {band}" for band in CHI2_BANDS),
            *(f"in the {share:.0%} interval" for share in NOMINAL),
            "spread / error of the mean [1e-3]",
            "PSNR of a sample / of the mean [dB]",
        ),
        tuple(rows),
        "What the truth itself leaves above 1 is the error of one grey-level link for all materials.",
    )


def contrast_table(found: Sequence[Tasks]) -> Table:
    """Return the contrast transfer of bar groups."""
    frequencies = [f for f in found[0].bars.frequency_lp_mm if f <= _FINEST_LP_MM]
    rows = [
        (one.row, *("-" if value is None else f"{value:.2f}" for value in one.bars.ctf[: len(frequencies)]))
        for one in found
    ]
    return Table(
        f"Contrast transfer (CTF) of groups of five bars of {100 * found[0].bars.contrast:.0f} % contrast",
        ("image", *(f"{f:g} lp/mm" for f in frequencies)),
        tuple(rows),
        f"Mean of {found[0].bars.draws} draws of the noise, relative to very wide bars.",
    )


def task_table(found: Sequence[Tasks]) -> Table:
    """Return the error of void areas and the detectability of open tracks."""
    rows = [
        (
            one.row,
            text_of(void_error(one), 2),
            f"{one.voids.bias:+.2f}",
            *(text_of(score.auc, 3) for score in one.opens),
        )
        for one in found
    ]
    return Table(
        "Tasks: void area of solder balls, and open tracks told from sound ones",
        (
            "image",
            "error of void area [% of the ball]",
            "bias",
            *(
                f"AUC, gap of {1e3 * score.gap_mm:g} um in {1e3 * score.copper_mm:g} um of copper"
                for score in found[0].opens
            ),
        ),
        tuple(rows),
        f"{found[0].voids.balls} balls with voids of 0.5 to 35 % of their area; {found[0].opens[0].present} open and "
        "as many sound tracks of 0.1 mm for each gap; intervals over balls and tracks.",
    )


def void_error(one: Tasks) -> Estimate:
    """Return the mean absolute error of void areas, with its interval over the balls."""
    pairs = zip(one.voids.measured, one.voids.labelled, strict=True)
    return Bootstrap(range(one.voids.balls)).mean([abs(measured - labelled) for measured, labelled in pairs])
