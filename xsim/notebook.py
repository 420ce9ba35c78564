"""What objects show in a notebook: small pictures and a table, as HTML that needs nothing else.

Pictures have 8 bits and at most 360 pixels a side, means of the pixels that they stand for: to look at, not to measure.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["chart", "page", "picture", "row", "table", "window"]

_LARGEST_PX: Final = 360
"""Longest side of a picture [px]: two or three fit beside each other."""

_TAILS: Final = (0.2, 99.8)
"""Percentiles that black and white stand for: a few hot pixels do not darken a picture."""

_WIDTH, _HEIGHT, _LEFT, _BELOW = 320, 170, 34, 24
"""Size of a chart, and of the room for its numbers [px]."""

_COLOURS: Final = ("#0b6e99", "#c2410c", "#4d7c0f")


def window(*images: NDArray[np.floating]) -> tuple[float, float]:
    """Return the grey levels that black and white stand for in all of some images."""
    ends = [np.percentile(image[np.isfinite(image)], _TAILS) for image in images]
    low, high = float(min(end[0] for end in ends)), float(max(end[1] for end in ends))
    return low, high if high > low else low + 1.0


def picture(image: NDArray[np.floating], title: str, *, low: float, high: float) -> str:
    """Return an image (H, W) as HTML, black at ``low`` and white at ``high``; the title is text."""
    from PIL import Image  # noqa: PLC0415  (only where something is shown)

    step = -(-max(image.shape) // _LARGEST_PX)
    small = _binned(np.nan_to_num(np.asarray(image, np.float64)), step)
    codes = np.clip((small - low) / (high - low) * 255.0, 0.0, 255.0).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(codes).save(content, "PNG", optimize=True)
    data = base64.b64encode(content.getvalue()).decode("ascii")
    width = max(min(_LARGEST_PX, codes.shape[1] * max(1, _LARGEST_PX // max(codes.shape))), 1)
    said = escape(title, quote=True)
    style = "image-rendering:pixelated;max-width:100%"
    shown = f'<img alt="{said}" width="{width}" style="{style}" src="data:image/png;base64,{data}">'
    return f'<figure style="margin:0">{shown}<figcaption>{said}</figcaption></figure>'


def _binned(image: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Return means of squares of pixels; what does not fill one at the lower and right edge is left out."""
    height, width = (max(side // step, 1) for side in image.shape)
    cut = image[: height * step, : width * step]
    means = cut.reshape(height, cut.shape[0] // height, width, cut.shape[1] // width).mean(axis=(1, 3))
    return np.asarray(means)


def row(parts: Sequence[str]) -> str:
    """Return parts of HTML beside each other."""
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px;align-items:flex-end">{"".join(parts)}</div>'


def table(lines: Mapping[str, object]) -> str:
    """Return names and values, both text, as a table."""
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in lines.items()
    )
    return f"<table>{cells}</table>"


def chart(curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], x: str, y: str) -> str:
    """Return curves between 0 and 1 as SVG, each ``(x, y)`` by its name; the axes' names are text."""
    top = max(float(values[0].max()) for values in curves.values())
    right, down = _WIDTH - _LEFT - 8, _HEIGHT - _BELOW - 8
    lines = [f'<path d="M{_LEFT},8 v{down} h{right}" fill="none" stroke="currentColor"/>']
    decade = 10.0 ** np.floor(np.log10(top))
    step = next(step for step in (0.2 * decade, 0.5 * decade, decade, 2 * decade) if top / step <= 6)
    for place in np.arange(0.0, top * (1 + 1e-9), step):
        lines.append(_said(_LEFT + place / top * right, 8 + down + 14, f"{place:.3g}", "middle"))
    lines += [_said(_LEFT - 4, 8 + down * (1 - share) + 4, f"{share:g}", "end") for share in (0.0, 0.5, 1.0)]
    for number, (name, (at, values)) in enumerate(curves.items()):
        points = " ".join(
            f"{_LEFT + u / top * right:.1f},{8 + down * (1 - min(max(v, 0.0), 1.0)):.1f}"
            for u, v in zip(at.tolist(), values.tolist(), strict=True)
        )
        colour = _COLOURS[number % len(_COLOURS)]
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(_said(_WIDTH - 8, 20 + 14 * number, name, "end", colour))
    said = escape(f"{y} over {x}")
    drawn = f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{said}">{"".join(lines)}</svg>'
    return f'<figure style="margin:0">{drawn}<figcaption>{said}</figcaption></figure>'


def _said(x: float, y: float, text: str, anchor: str, colour: str = "currentColor") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="{colour}"'
    return f"<text {place}>{escape(text)}</text>"


def page(title: str, *parts: str) -> str:
    """Return a title, which is text, and parts of HTML."""
    return f'<div class="xsim"><strong>{escape(title)}</strong>{"".join(parts)}</div>'
