"""Cards with the pictures of one window: LR, restored, HR and the SSIM map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.evaluation.report.section import Absent, Card, Gallery, Section, Tile
from xsim_zoo.evaluation.report.tables import Number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.records import Shown
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["cards", "worst"]


def worst(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the images that came out worst, restorer by restorer."""
    lead = (
        "The images of lowest SSIM of each restorer, worst first, where it is lowest. What a restorer does "
        "to these is what it can do to yours."
    )
    blocks = []
    for label in naming.labels:
        found = [shown for shown in evaluation.shown if shown.role == "worst" and shown.restorer == label]
        if found:
            blocks.append(Gallery(cards(found, naming), f"Worst images of {naming.name(label)}"))
    if not blocks:
        why = evaluation.absent.get("shown", "no image was kept as worst")
        return Section("worst", "Worst images", "", (Absent("Worst images", why),))
    return Section("worst", "Worst images", lead, tuple(blocks))


def cards(found: Sequence[Shown], naming: Naming) -> tuple[Card, ...]:
    """Return cards, those of lowest SSIM first; restorers shown on the same window share one."""
    groups: dict[tuple[int, tuple[int, int, int, int]], list[Shown]] = {}
    for shown in found:
        groups.setdefault((shown.sample, shown.window), []).append(shown)
    ordered = sorted(groups.values(), key=lambda group: min(shown.ssim for shown in group))
    return tuple(_card(group, naming) for group in ordered)


def _card(group: Sequence[Shown], naming: Naming) -> Card:
    first = group[0]
    row, column, height, width = first.window
    tiles = [Tile("lr", naming.name("lr"), first.lr)]
    for shown in group:
        scores = (("PSNR", Number(shown.psnr_dB, ".2f", "infinite"), "dB"), ("SSIM", Number(shown.ssim, ".4f"), ""))
        tiles.append(Tile("restored", naming.name(shown.restorer), shown.restored, scores))
    tiles.append(Tile("hr", naming.name("hr"), first.hr))
    tiles += [Tile("ssim", f"SSIM map, {naming.name(shown.restorer)}", shown.ssim_map) for shown in group]
    detail = f"{first.design}, family {first.family}; window {height} x {width} px at y {row}, x {column}"
    of = ", ".join(naming.name(shown.restorer) for shown in group)
    title = f"Image {first.sample}, " + (f"among the worst of {of}" if first.role == "worst" else "typical")
    return Card(title, detail, tuple(tiles))
