"""One model for many detectors: `universal` beside a model specialised on each, and beside the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from versus.contenders import CHAMPION
from versus.tables import Table, text_of
from versus.verdicts import Verdict
from xsim_zoo.evaluation.bootstrap import Bootstrap
from xsim_zoo.evaluation.entrants import Entrant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from versus.scoring import Score
    from xsim_zoo.evaluation.records import Estimate

__all__ = ["SPECIALISED", "Rivalry", "rivalries", "rivalry_table", "rivalry_verdicts", "specialised"]

SPECIALISED: Final = "specialised"
"""Row of the model that was trained on the very detectors of a condition."""
_UNIVERSAL: Final = "universal N=3"
_MOST_LOSS_DB: Final = 0.5

# Where `zoo/train_weights.py -o FOLDER specialised` leaves the model of each condition.
_FOLDERS: Final = {
    "dose x 1/4": "dose-quarter",
    "dose x 4": "dose-4",
    "80 mg/cm2": "screen-80",
    "220 mg/cm2": "screen-220",
}


def specialised(folder: Path | None) -> dict[str, Entrant]:
    """Return the specialised model of each condition that a folder of `zoo/train_weights.py` holds."""
    if folder is None:
        return {}
    runs = {condition: folder / name for condition, name in _FOLDERS.items()}
    return {
        condition: Entrant("physics-sde", str(run), steps=3, label=SPECIALISED)
        for condition, run in runs.items()
        if (run / "weights.safetensors").is_file()
    }


@dataclass(frozen=True)
class Rivalry:
    """PSNR [dB] of `universal` on one pair of detectors, and its lead over others, paired by image.

    Parameters
    ----------
    condition : str
        One of `versus.sets.CONDITIONS`.
    images : int
        How many.
    psnr_dB : Estimate
        Of `universal`, told of the detectors.
    over_specialised : Estimate or None
        Lead over the model trained on these detectors; None where there is none.
    over_told, over_untold : Estimate
        Lead over the paper's model told of these detectors, and believing in its own.
    """

    condition: str
    images: int
    psnr_dB: Estimate
    over_specialised: Estimate | None
    over_told: Estimate
    over_untold: Estimate


def rivalries(scores: Iterable[Score]) -> list[Rivalry]:
    """Return one entry for each condition of random boards; for the paper's own its model is the specialised one."""
    table: dict[str, dict[tuple[str, str], dict[int, Score]]] = {}
    for one in scores:
        if one.set_name in {"random", "detectors"}:
            rows = table.setdefault(one.condition, {})
            rows.setdefault((one.row, one.operator), {})[one.image.sample] = one
    found = []
    for condition, rows in table.items():
        paper = condition == "paper"
        told = "own" if paper else "right"
        own = rows.get((_UNIVERSAL, told))
        if own is None or (CHAMPION, "own") not in rows:
            continue
        expert = rows.get((CHAMPION, "own") if paper else (SPECIALISED, "right"))
        found.append(
            Rivalry(
                condition,
                len(own),
                Bootstrap([one.image.family for one in own.values()]).mean([one.psnr_dB for one in own.values()]),
                None if expert is None else _lead(own, expert),
                _lead(own, rows[CHAMPION, told]),
                _lead(own, rows[CHAMPION, "own"]),
            )
        )
    return found


def _lead(own: dict[int, Score], other: dict[int, Score]) -> Estimate:
    shared = sorted(own.keys() & other.keys())
    over = Bootstrap([own[number].image.family for number in shared])
    return over.mean([own[number].psnr_dB - other[number].psnr_dB for number in shared])


def rivalry_table(found: Sequence[Rivalry]) -> Table:
    """Return how `universal` does on each pair of detectors."""
    rows = [
        (
            one.condition,
            text_of(one.psnr_dB, 2),
            "-" if one.over_specialised is None else text_of(one.over_specialised, 2),
            text_of(one.over_told, 2),
            text_of(one.over_untold, 2),
        )
        for one in found
    ]
    return Table(
        "One model for many detectors: PSNR [dB] of universal with 3 steps, and its lead",
        ("detectors", "universal", "over specialised", "over physics-sde told", "over physics-sde untold"),
        tuple(rows),
        "Specialised: trained on these very detectors. Told: the paper's network with the operator of these detectors; "
        "untold: with its own.",
    )


def rivalry_verdicts(found: Sequence[Rivalry]) -> list[Verdict]:
    """Hold the claims about `universal` against the figures."""
    lines = []
    for one in found:
        if one.over_specialised is not None:
            lines.append(
                Verdict(
                    f"universal is within {_MOST_LOSS_DB} dB of the model specialised on {one.condition}",
                    "random",
                    "yes" if one.over_specialised.mean >= -_MOST_LOSS_DB else "NO",
                    text_of(one.over_specialised, 2),
                )
            )
        if one.condition != "paper":
            lines.append(
                Verdict(
                    f"universal beats the paper's model on {one.condition}",
                    "random",
                    "yes" if (one.over_untold.low or 0.0) > 0 else "NO",
                    text_of(one.over_untold, 2),
                )
            )
    return lines
