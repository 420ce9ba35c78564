"""Pictures of single answers: the worst ones, and one that is typical."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xsim.measure.similarity import psnr_dB, ssim, ssim_map
from xsim_zoo.evaluation.records import INPUT, ImageScore, Picture, Row, finite
from xsim_zoo.evaluation.report.tables import Block, Gallery, Naming, Number, PictureCard, Slider, Tile
from xsim_zoo.evaluation.results import Chapter, Evaluation, Section, register
from xsim_zoo.evaluation.scores import BORDER_PX, inner

if TYPE_CHECKING:
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["Pictures", "Role", "Shown", "chosen", "picture", "show"]

Role = Literal["worst", "typical"]

_WORST, _WORST_QUICK = 10, 3
"""Worst images of each restorer."""

_WINDOW_PX = 192
"""Side of the window around the worst place [px]: it shows what stands there, and a page of many stays small."""

_TYPICAL_PX = 512
"""Side of the window of a typical image [px]: the whole of an image of the usual size."""

_GREY_PERCENT = (0.2, 99.8)
"""Percentiles of the HR window that are shown black and white: a few hot pixels do not darken all the rest."""

_SSIM = (0.0, 1.0)
"""Black and white of the map of SSIM."""


class Shown(Row):
    """A window of one image as a restorer left it: LR, restored, HR and the SSIM map.

    ``role`` is "worst" for the images of lowest SSIM and "typical" for the one of median SSIM; ``window`` is
    (y, x, height, width) in pixels, around the place of lowest SSIM for the worst.
    """

    restorer: str
    role: Literal["worst", "typical"]
    sample: int
    family: str
    design: str
    psnr_dB: float | None
    ssim: float
    window: tuple[int, int, int, int]
    lr: Picture
    restored: Picture
    hr: Picture
    ssim_map: Picture


@register
class Pictures(Section):
    """The section ``shown``."""

    name = "shown"
    title = "Worst images"
    row = Shown
    order = 140
    chapter = Chapter(
        "worst",
        "Worst images",
        "The images of lowest SSIM of each restorer, worst first, where it is lowest. What a restorer does to these is "
        "what it can do to yours.",
        140,
    )
    exported = False

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return the images that came out worst, restorer by restorer."""
        galleries = []
        for label in naming.labels:
            found = [row for row in evaluation.rows(Shown) if row.role == "worst" and row.restorer == label]
            if found:
                galleries.append(Gallery(_cards(found, naming), f"Worst images of {naming.name(label)}"))
        return tuple(galleries)

    def typical(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return the slider and the typical images, which stand on the first page."""
        typical = [row for row in evaluation.rows(Shown) if row.role == "typical"]
        return Slider(), Gallery(_cards(typical, naming))


def _cards(found: Sequence[Shown], naming: Naming) -> tuple[PictureCard, ...]:
    """Return cards, those of lowest SSIM first; restorers shown on the same window share one."""
    groups: dict[tuple[int, tuple[int, int, int, int]], list[Shown]] = {}
    for shown in found:
        groups.setdefault((shown.sample, shown.window), []).append(shown)
    ordered = sorted(groups.values(), key=lambda group: min(shown.ssim for shown in group))
    return tuple(_card(group, naming) for group in ordered)


def _card(group: Sequence[Shown], naming: Naming) -> PictureCard:
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
    return PictureCard(title, detail, tuple(tiles))


def chosen(scores: Mapping[str, Sequence[ImageScore]], label: str, *, quick: bool) -> list[tuple[Role, int]]:
    """Return the samples to show of a restorer: one typical for all, then the ten where its own SSIM is lowest.

    The typical one is that whose LR image is of median SSIM, so that all restorers are shown on the same.
    """
    judged = {score.sample for score in scores[label]}
    as_it_is, own = (
        sorted(
            (score for score in scores[name] if score.sample in judged), key=lambda score: (score.ssim, score.sample)
        )
        for name in (INPUT, label)
    )
    typical: list[tuple[Role, int]] = [("typical", as_it_is[len(as_it_is) // 2].sample)]
    return typical + [("worst", score.sample) for score in own[: _WORST_QUICK if quick else _WORST]]


def show(context: EvaluationContext, label: str, sample: int, role: Role) -> Shown:
    """Restore a sample and cut a window out of it: around its worst place, or from its middle."""
    pair = context.pair(sample, clean=False)
    answer = context.told(label, sample).answer(pair.lr, pair.hr, sample)
    similarity = ssim_map(answer, pair.hr)
    window = _window(similarity, _WINDOW_PX if role == "worst" else _TYPICAL_PX, centred=role == "typical")
    top, left, height, width = window

    def cut(image: NDArray[np.floating]) -> NDArray[np.floating]:
        return image[top : top + height, left : left + width]

    black, white = np.percentile(cut(pair.hr), _GREY_PERCENT).tolist()
    white = max(white, black + 0.01)
    return Shown(
        restorer=label,
        role=role,
        sample=sample,
        family=pair.family,
        design=pair.design,
        psnr_dB=finite(psnr_dB(inner(answer), inner(pair.hr))),
        ssim=ssim(inner(answer), inner(pair.hr)),
        window=window,
        lr=picture(cut(pair.lr), black, white),
        restored=picture(cut(answer), black, white),
        hr=picture(cut(pair.hr), black, white),
        ssim_map=picture(cut(similarity), *_SSIM),
    )


def _window(similarity: NDArray[np.float64], side: int, *, centred: bool) -> tuple[int, int, int, int]:
    """Return (y, x, height, width) of a window: in the middle, or around the lowest SSIM that is no border."""
    height, width = (min(side, full) for full in similarity.shape)
    middle = [full // 2 for full in similarity.shape]
    if not centred and min(similarity.shape) > 4 * BORDER_PX:
        inside = similarity[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
        middle = [int(at) + BORDER_PX for at in np.unravel_index(int(np.argmin(inside)), inside.shape)]
    top, left = (
        min(max(at - part // 2, 0), full - part)
        for at, part, full in zip(middle, (height, width), similarity.shape, strict=True)
    )
    return top, left, height, width


def picture(image: NDArray[np.floating], low: float, high: float) -> Picture:
    """Return an image (H, W) as an 8-bit PNG from ``low`` (black) to ``high`` (white); what lies beyond is clipped."""
    grey = np.clip((np.asarray(image, dtype=np.float64) - low) / (high - low), 0.0, 1.0)
    data = io.BytesIO()
    Image.fromarray(np.round(255 * grey).astype(np.uint8)).save(data, format="PNG", optimize=True)
    return Picture(
        width=image.shape[1],
        height=image.shape[0],
        low=low,
        high=high,
        png_base64=base64.b64encode(data.getvalue()).decode(),
    )
