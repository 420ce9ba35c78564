"""Cards with the pictures of one window: LR, restored, HR and the SSIM map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from xsim_zoo.report.section import Absent, Card, Gallery, Section, Tile
from xsim_zoo.report.tables import Number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.records import Shown
    from xsim_zoo.evaluation.results import Evaluation
    from xsim_zoo.report.naming import Naming

__all__ = ["cards", "worst"]


def worst(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the images that came out worst."""
    found = cards(evaluation, naming, "worst")
    lead = (
        "The images of lowest SSIM, worst first, each at the place where it is lowest. "
        "What a restorer does to these is what it can do to yours."
    )
    why = evaluation.absent.get("shown", "no image was kept as worst")
    blocks = (Gallery(found),) if found else (Absent("Worst images", why),)
    return Section("worst", "Worst images", lead if found else "", blocks)


def cards(evaluation: Evaluation, naming: Naming, role: Literal["worst", "typical"]) -> tuple[Card, ...]:
    """Return the cards of a role; restorers shown on the same window share one."""
    groups: dict[tuple[int, tuple[int, int, int, int]], list[Shown]] = {}
    for shown in evaluation.shown:
        if shown.role == role:
            groups.setdefault((shown.sample, shown.window), []).append(shown)
    found = [_card(group, naming) for group in groups.values()]
    return tuple(found)


def _card(group: Sequence[Shown], naming: Naming) -> Card:
    first = group[0]
    row, column, height, width = first.window
    tiles = [Tile("lr", naming.name("lr"), first.lr)]
    for shown in group:
        scores = (("PSNR [dB]", Number(shown.psnr_dB, ".2f", "infinite")), ("SSIM", Number(shown.ssim, ".4f")))
        tiles.append(Tile("restored", naming.name(shown.restorer), shown.restored, scores))
    tiles.append(Tile("hr", naming.name("hr"), first.hr))
    tiles += [Tile("ssim", f"SSIM map, {naming.name(shown.restorer)}", shown.ssim_map) for shown in group]
    detail = f"{first.design}, family {first.family}; window {height} x {width} px at y {row}, x {column}"
    return Card(f"Image {first.sample}", detail, tuple(tiles))
