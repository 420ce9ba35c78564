"""Figures of detector sheets and of their checks over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from xsim.measure.sheet import Check, Sheet

_PANEL_IN = (4.6, 3.6)


def sheet_figure(sheet: Sheet) -> Figure:
    """Return one panel for each part that a sheet has: dips, SNR over dose, wedge, lag, bad pixels."""
    panels = [
        (draw, there)
        for draw, there in (
            (_dips, sheet.gauges),
            (_doses, sheet.doses),
            (_wedge, sheet.wedge),
            (_lag, sheet.lag),
            (_pixels, sheet.bad),
        )
        if there
    ]
    columns = min(max(len(panels), 1), 3)
    rows = -(-max(len(panels), 1) // columns)
    figure = Figure(figsize=(_PANEL_IN[0] * columns, _PANEL_IN[1] * rows), layout="constrained")
    places = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axes, (draw, _) in zip(places, panels, strict=False):
        draw(axes, sheet)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    return figure


def _dips(axes: Axes, sheet: Sheet) -> None:
    for gauge in sheet.gauges:
        axes.semilogx(gauge.diameter_mm, 100 * gauge.dip, "o-")
    axes.axhline(20, color="grey", linestyle=":")
    if sheet.isrb_mm is not None:
        axes.axvline(sheet.isrb_mm, color="C3", linewidth=1)
        axes.set_title(f"iSRb {sheet.isrb_mm:.3g} mm", fontsize=10)
    ticks = [
        tick
        for tick in (0.03, 0.05, 0.1, 0.2, 0.4, 0.8)
        if tick >= 0.9 * min(g.diameter_mm.min() for g in sheet.gauges)
    ]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="wire diameter [mm]", ylabel="dip [%]")
    axes.grid(alpha=0.3)


def _doses(axes: Axes, sheet: Sheet) -> None:
    law = sheet.efficiency
    dose = np.array([one.kerma_uGy for one in sheet.doses])
    value = np.array([one.dsnr for one in sheet.doses])
    name, at = "dSNR", None if law is None else law.dsnr_1mGy
    if law is not None and law.dsnrn is not None:
        name, value, at = "dSNRn", np.array(law.dsnrn), law.dsnrn_1mGy
    axes.plot(np.sqrt(dose / 1000), value, "o", label="flats")
    if at is not None:
        axes.plot(1.0, at, "s", mfc="none", color="C3", label="1 mGy")
        axes.set_title(f"{name} {at:.4g} at 1 mGy", fontsize=10)
    axes.set(xlabel="square root of the kerma [mGy]", ylabel=name, xlim=(0, None), ylim=(0, None))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)


def _wedge(axes: Axes, sheet: Sheet) -> None:
    wedge = sheet.wedge
    assert wedge is not None
    there = np.isfinite(wedge.contrast_sensitivity)
    axes.plot(wedge.thickness_mm[there], wedge.contrast_sensitivity[there], "o-", color="C0")
    axes.set(xlabel="thickness [mm]", ylim=(0, None), title=f"contrast sensitivity {wedge.csa_percent:.3g} % at best")
    axes.set_ylabel("contrast sensitivity [%]", color="C0")
    axes.title.set_fontsize(10)
    beside = axes.twinx()
    beside.semilogy(wedge.thickness_mm, wedge.snr, "s--", color="C1", markersize=4)
    beside.set_ylabel("SNR", color="C1")
    axes.grid(alpha=0.3)


def _lag(axes: Axes, sheet: Sheet) -> None:
    lag = sheet.lag
    assert lag is not None
    axes.plot(np.arange(1, len(lag.percent) + 1), lag.percent, "o-")
    axes.set(xlabel="frame after the beam", ylabel="lag [%]", title=f"lag {lag.first_percent:.3g} % in the first frame")
    axes.title.set_fontsize(10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


def _pixels(axes: Axes, sheet: Sheet) -> None:
    bad = sheet.bad
    assert bad is not None
    y, x = np.nonzero(bad.map)
    axes.plot(x, y, ".", markersize=2, color="C3")
    height, width = bad.map.shape
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xlabel="x [px]", ylabel="y [px]")
    axes.set_title(f"{bad.count} bad pixels, {len(bad.clusters)} clusters", fontsize=10)


def check_figure(checks: Sequence[Check], entries: Sequence[Mapping[str, Any]]) -> Figure:
    """Return each figure of a log over time, in % of its baseline, with its limits."""
    shown = [one for one in checks if one.value is not None and one.baseline]
    columns = min(max(len(shown), 1), 3)
    rows = -(-max(len(shown), 1) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.6 * rows), layout="constrained")
    places = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axes, one in zip(places, shown, strict=False):
        kept = [
            (datetime.fromisoformat(e["time"]), e["figures"][one.name]) for e in entries if one.name in e["figures"]
        ]
        kept = kept or [(datetime.now().astimezone(), one.value)]
        times, values = zip(*kept, strict=True)
        axes.plot(
            times, [100 * value / one.baseline for value in values], "o-", color="C3" if one.within is False else "C0"
        )
        for side in (-1, 1):
            axes.axhline(100 + side * one.limit_percent, color="grey", linestyle=":", linewidth=1)
        axes.set_title(one.name, fontsize=9)
        axes.set_ylabel("% of the baseline", fontsize=8)
        axes.tick_params(labelsize=7)
        for label in axes.get_xticklabels():
            label.set(rotation=30, ha="right")
        axes.grid(alpha=0.3)
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    return figure
