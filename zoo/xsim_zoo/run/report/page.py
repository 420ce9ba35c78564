"""The page of one radiograph: both images to compare, what was checked, what was assumed, and what made it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim_datasets.images import publish
from xsim_zoo.check.verdict import BLOCK_PX
from xsim_zoo.pages.page import embedded, environment, inline, policy
from xsim_zoo.run.report.content import sections
from xsim_zoo.run.report.judgement import Judgement, judged
from xsim_zoo.run.report.pixels import MOST_PX, Part, Plane, factor_for, plane_of
from xsim_zoo.run.report.stills import CHI2_SHOWN, grey_still, tinted_still
from xsim_zoo.run.restore import Restored

__all__ = ["html", "write_page"]

_PACKAGE: Final = "xsim_zoo.run.report"

_DETAIL_PX: Final = 1024
"""Side of the part that is shown pixel by pixel where the whole is reduced."""

_TILE_PX: Final = 256
"""Side of the tiles among which the busiest is found: larger than what blur spreads, smaller than what is shown."""

_SPREAD_LEVELS: Final = 1023
"""Steps of the spread in a page: it is known to some percent, and fine steps pack badly."""

_CHI2_STEP: Final = 0.01
_CHI2_MOST: Final = 650.0
"""Steps and largest value of local chi2 in a page: what is larger is as wrong."""


@dataclass(frozen=True)
class _Shown:
    """The first page of a restoration, as the page shows it."""

    result: Restored
    before: NDArray[Any]
    after: NDArray[Any]
    spread: NDArray[np.float32] | None
    chi2: NDArray[np.float32]

    @classmethod
    def of(cls, result: Restored) -> _Shown:
        before = next(result.source.images())
        after = next(result.radiograph()[0].images())
        spread = None
        if result.std is not None:
            spread = result.std.reshape(-1, *before.shape)[0] * np.float32(result.scale.open_signal)
        return cls(result, before, after, spread, _known(result.consistency.map))

    @property
    def shape(self) -> tuple[int, int]:
        return self.result.source.shape


def _known(chi2: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a map of local chi2 with 0 where nothing was judged, and there alone."""
    return np.where(np.isfinite(chi2), np.maximum(chi2, np.float32(_CHI2_STEP)), np.float32(0))


def write_page(path: Path, result: Restored, record: Mapping[str, Any], *, force: bool = False) -> Path:
    """Write the page of a restored radiograph: one file, which needs no network and no other file.

    Parameters
    ----------
    path : Path
        The HTML file to make.
    result : Restored
        The restoration; of several pages the first is shown.
    record : mapping
        What the run's record says, see `xsim_zoo.run.files`.
    force : bool
        Replace a file that exists.

    Raises
    ------
    InputError
        If the file exists and ``force`` is off.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    text = html(result, record)
    publish(path, lambda part: part.write_text(text, encoding="utf-8"), force=force)
    return path


def html(result: Restored, record: Mapping[str, Any], *, most_px: int = MOST_PX) -> str:
    """Return the page of a restored radiograph.

    Parameters
    ----------
    result : Restored
        The restoration.
    record : mapping
        What the run's record says.
    most_px : int
        Most pixels of an image in the page; a larger one is shown reduced, with a part of it pixel by pixel.
    """
    entry = record["entry"]
    judgement = judged(entry["consistency"])
    shown = _Shown.of(result)
    parts = list(_parts(shown, judgement, most_px))
    planes: dict[str, str] = {}
    numbers = {
        "views": [_view(shown, part, number, planes) for number, part in enumerate(parts)],
        "check": _check(shown, planes),
        "pitch_mm": result.pitch_mm,
        "window": _window(shown),
        "places": [{"y": place.y, "x": place.x, "text": f"{place.band}, chi2 {place.chi2:.3g}"}
                   for place in judgement.places],
    }  # fmt: skip
    styles = (inline("base.css"), inline("report.css", _PACKAGE))
    scripts = (inline("table.js"), *(inline(name, _PACKAGE) for name in ("pixels.js", "profile.js", "viewer.js")))
    return environment(_PACKAGE).get_template("radiograph.html").render(
        title=Path(entry["input"]).name,
        subtitle=f"restored by {record['identity']['restorer']}, {_now()}",
        judgement=judgement,
        notes=entry["notes"],
        stills=_stills(shown, judgement),
        pages=_pages(entry["pages"]),
        reduction=_reduction(parts[0]),
        chi2_shown=CHI2_SHOWN[0],
        has_spread=shown.spread is not None,
        sections=sections(record, result.source),
        numbers=embedded(json.dumps(numbers, allow_nan=False)),
        planes=planes,
        styles=styles,
        scripts=scripts,
        policy=policy(styles, scripts),
    )  # fmt: skip


def _now() -> str:
    return dt.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z")


def _parts(shown: _Shown, judgement: Judgement, most_px: int) -> Iterator[Part]:
    """Yield what is shown: all of it and, where that is reduced, the part that matters most pixel by pixel."""
    factor = factor_for(shown.shape, most_px)
    yield Part("whole image", slice(0, shown.shape[0]), slice(0, shown.shape[1]), factor)
    if factor == 1:
        return
    worst = judgement.worst
    centre = _busiest(shown) if worst is None else (worst.y, worst.x)
    rows, columns = (_around(at, side) for at, side in zip(centre, shown.shape, strict=True))
    why = "largest change" if worst is None else "worst place"
    yield Part(f"{why}, every pixel: y {rows.start} to {rows.stop}, x {columns.start} to {columns.stop}", rows, columns)


def _around(middle: int, side: int) -> slice:
    first = min(max(middle - _DETAIL_PX // 2, 0), max(side - _DETAIL_PX, 0))
    return slice(first, min(first + _DETAIL_PX, side))


def _busiest(shown: _Shown) -> tuple[int, int]:
    """Return the middle of the tile whose structure changed most; a shift of the grey level alone does not count."""
    best, found = -1.0, (0, 0)
    for top in range(0, shown.shape[0], _TILE_PX):
        for left in range(0, shown.shape[1], _TILE_PX):
            tile = slice(top, top + _TILE_PX), slice(left, left + _TILE_PX)
            change = float(np.var(shown.after[tile].astype(np.float64) - shown.before[tile]))
            if change > best:
                best, found = change, (top + _TILE_PX // 2, left + _TILE_PX // 2)
    return found


def _view(shown: _Shown, part: Part, number: int, planes: dict[str, str]) -> dict[str, Any]:
    """Return what the script is told of a view, and add its pixels to the planes."""
    turned = shown.result.source.turned
    images = {"before": plane_of(part.of(shown.before), turned), "after": plane_of(part.of(shown.after), turned)}
    if shown.spread is not None:
        images["spread"] = plane_of(part.of(shown.spread), levels=_SPREAD_LEVELS)
    return {
        "name": part.name,
        "y": part.rows.start,
        "x": part.columns.start,
        "height": part.rows.stop - part.rows.start,
        "width": part.columns.stop - part.columns.start,
        "factor": part.factor,
        "images": {name: _kept(plane, f"{name}-{number}", planes) for name, plane in images.items()},
    }


def _check(shown: _Shown, planes: dict[str, str]) -> dict[str, Any]:
    """Return what the script is told of the map of the check, in which 0 was not judged."""
    stored = np.rint(np.clip(shown.chi2, 0, _CHI2_MOST) / _CHI2_STEP).astype(np.uint16)
    kept = _kept(Plane(stored, 0.0, _CHI2_STEP), "check", planes)
    return {**kept, "block": BLOCK_PX, "shown": CHI2_SHOWN}


def _kept(plane: Plane, key: str, planes: dict[str, str]) -> dict[str, Any]:
    planes[key] = plane.packed()
    height, width = plane.stored.shape
    return {"key": key, "height": height, "width": width, "offset": plane.offset, "step": plane.step}


def _window(shown: _Shown) -> tuple[float, float]:
    """Return the grey levels, as in the file, that are black and white at first."""
    black, white = _levels(shown)
    return shown.result.source.turned(black), shown.result.source.turned(white)


def _levels(shown: _Shown) -> tuple[float, float]:
    """Return the grey levels between which nearly all of the measurement lies."""
    stride = factor_for(shown.shape, 2**20)  # a megapixel tells quantiles well enough
    low, high = np.quantile(shown.before[::stride, ::stride], [0.001, 0.999])
    return float(low), float(high)


def _reduction(whole: Part) -> str:
    if whole.factor == 1:
        return ""
    share = 1 / whole.factor**2
    return (
        f"In this page the whole image is reduced: one of its pixels is the mean of {whole.factor} x {whole.factor} "
        f"({share:.2g} of the pixels), and one part is kept pixel by pixel. The restored file itself has them all."
    )


def _pages(count: int) -> str:
    """Say that a page shows one of several images, and of which the verdict is."""
    if count == 1:
        return ""
    return (
        f"The file has {count} pages. All were restored and checked, and the verdict is of the worst; this page shows "
        "the first. The restored file has them all."
    )


def _stills(shown: _Shown, judgement: Judgement) -> list[dict[str, str]]:
    """Return the pictures for print."""
    window = _levels(shown)
    black, white = _window(shown)
    grey = f"grey {black:.5g} black, {white:.5g} white"
    after = shown.after
    found = [
        {"caption": f"before; {grey}", "png": grey_still(shown.before, window)},
        {"caption": f"after; {grey}", "png": grey_still(after, window)},
        {
            "caption": f"after, with the check: orange where local chi2 exceeds {CHI2_SHOWN[0]:g}, full at "
            f"{CHI2_SHOWN[1]:g}; hatched is not judged",
            "png": tinted_still(after, window, shown.chi2, "check", judgement.places),
        },
    ]
    if shown.spread is not None:
        caption = "after, with the spread of the samples: full colour at its largest"
        found.append({"caption": caption, "png": tinted_still(after, window, shown.spread, "spread")})
    return found
