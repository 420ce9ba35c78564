"""The figures of ``xsim measure``: the curve, and where in the image it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from xsim.measure.bars import CTF
    from xsim.measure.edge import ROI, EdgeMTF
    from xsim.measure.noise import NNPS
    from xsim.measure.resolution import DuplexWire
    from xsim.measure.similarity import Comparison

__all__ = ["comparison_figure", "ctf_figure", "mtf_figure", "nnps_figure", "wires_figure"]


def mtf_figure(found: EdgeMTF, pixels: NDArray[Any]) -> Figure:
    """Return three panels: the regions in the (first) image, the edge profiles, the MTF with its noise."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    image, profile, curve = figure.subplots(1, 3, width_ratios=(1, 1, 1.2))
    _show(image, pixels, [edge.roi for edge in found.edges])
    for edge in found.edges:
        profile.plot(edge.distance_px * found.pitch_mm, (edge.esf - edge.dark) / edge.step, linewidth=1)
    core = 20 * found.pitch_mm
    profile.set(xlabel="distance from the edge [mm]", ylabel="edge profile", xlim=(-core, core))
    profile.set_title(f"tilt {found.angle_deg:.2f}°", fontsize=10)
    _mtf(curve, found, "C0", f"MTF, {len(found.edges)} edge{'s' * (len(found.edges) > 1)}")
    _frequency_axis(curve, found.pitch_mm)
    curve.set(ylabel="presampled MTF", ylim=(0, max(1.05, 1.05 * float(found.mtf.max()))))
    curve.legend()
    for axes in (profile, curve):
        axes.grid(alpha=0.3)
    return figure


def nnps_figure(found: NNPS) -> Figure:
    """Return two panels: ring means, cuts and axes over frequency, and the two-dimensional spectrum."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    curve, plane = figure.subplots(1, 2, width_ratios=(1.5, 1))
    f = found.frequency_lp_mm
    curve.fill_between(
        f, found.nnps_mm2 - 2 * found.standard_error_mm2, found.nnps_mm2 + 2 * found.standard_error_mm2, alpha=0.3
    )
    curve.semilogy(f, found.nnps_mm2, label="ring mean ± 2 standard errors")
    curve.semilogy(f, found.x_mm2, linewidth=0.8, label="along x")
    curve.semilogy(f, found.y_mm2, linewidth=0.8, label="along y")
    curve.semilogy(f, found.axis_x_mm2, ".", markersize=3, label="axis x (columns)")
    curve.semilogy(f, found.axis_y_mm2, ".", markersize=3, label="axis y (rows)")
    _frequency_axis(curve, found.pitch_mm)
    curve.set(ylabel="NNPS [mm²]", title=f"{found.frames} frames, {found.regions} regions, {found.mode}")
    curve.legend(fontsize=8)
    curve.grid(alpha=0.3)
    nyquist = 0.5 / found.pitch_mm
    half = np.fft.fftshift(np.log10(np.maximum(found.map_mm2, 1e-30)), axes=0)
    low, high = np.quantile(half, (0.005, 0.995))
    drawn = plane.imshow(
        half, extent=(0, nyquist, -nyquist, nyquist), origin="lower", cmap="viridis", vmin=low, vmax=high
    )
    plane.set(xlabel="u [lp/mm]", ylabel="v [lp/mm]")
    figure.colorbar(drawn, ax=plane, label="log10 NNPS [mm²]")
    return figure


def ctf_figure(found: CTF, pixels: NDArray[Any], edge: EdgeMTF | None = None) -> Figure:
    """Return two panels: the groups (and the edge, if one was measured) in the image, and the curves."""
    figure = Figure(figsize=(13, 5.6), layout="constrained")
    image, curve = figure.subplots(1, 2)
    edges = [] if edge is None else [one.roi for one in edge.edges]
    _show(image, pixels, [group.roi for group in found.groups], zoom=[*(g.roi for g in found.groups), *edges])
    for x, y, w, h in edges:
        image.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, edgecolor="C1", linewidth=1.2))
    for group, f in zip(found.groups, found.frequency_lp_mm, strict=True):
        x, y, w, h = group.roi
        label = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
        image.text(x + w + 1, y + h / 2, f"{f:.2f}", color="C0", fontsize=7, va="center", bbox=label)
    image.set_title("regions: bar groups with lp/mm" + (", edges in orange" if edges else ""), fontsize=10)
    curve.errorbar(
        found.frequency_lp_mm, found.ctf, 2 * found.standard_error, fmt="s", mfc="none", color="C7", label="CTF of bars"
    )
    curve.plot(found.frequency_lp_mm, found.mtf, "o-", color="C0", label="MTF of bars (Coltman)")
    if edge is not None:
        _mtf(curve, edge, "C1", "MTF of the edges")
    _frequency_axis(curve, found.pitch_mm)
    curve.set(ylabel="contrast or modulation transfer", ylim=(0, 1.05))
    curve.legend()
    curve.grid(alpha=0.3)
    return figure


def wires_figure(found: DuplexWire) -> Figure:
    """Return two panels: the profile across the wires, and the dips over the wire diameter."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    profile, dips = figure.subplots(1, 2, width_ratios=(1.8, 1))
    profile.plot(found.position_mm, found.profile, linewidth=0.8)
    for place, diameter in zip(found.pair_mm, found.diameter_mm, strict=True):
        profile.text(place, float(found.profile.max()) * 1.03, f"{diameter:g}", fontsize=7, ha="center", rotation=90)
    profile.set(xlabel="position across the wires [mm]", ylabel="attenuation", ylim=(None, 1.2 * found.profile.max()))
    dips.semilogx(found.diameter_mm, 100 * found.dip, "o-")
    dips.axhline(20, color="grey", linestyle=":")
    if np.isfinite(found.isrb_mm):
        dips.axvline(found.isrb_mm, color="C1", label=f"iSRb {found.isrb_mm:.3g} mm")
        dips.legend()
    ticks = [0.03, 0.05, 0.1, 0.2, 0.4, 0.8]
    dips.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    dips.set_xticks([], minor=True)
    dips.set(xlabel="wire diameter [mm]", ylabel="dip [%]")
    for axes in (profile, dips):
        axes.grid(alpha=0.3)
    return figure


def comparison_figure(image: NDArray[Any], reference: NDArray[Any], found: Comparison) -> Figure:
    """Return four panels: the two images on one grey scale, their difference, the map of SSIM."""
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    left, right, difference, likeness = figure.subplots(1, 4, sharex=True, sharey=True)
    low, high = np.quantile(reference, (0.002, 0.998))
    for axes, pixels, title in ((left, image, "image"), (right, reference, "reference")):
        drawn = axes.imshow(pixels, cmap="gray", vmin=low, vmax=high)
        axes.set_title(title)
    figure.colorbar(drawn, ax=right, shrink=0.8)
    error = image.astype(float) - reference.astype(float)
    reach = max(float(np.quantile(np.abs(error), 0.995)), 1e-12)
    figure.colorbar(difference.imshow(error, cmap="RdBu_r", vmin=-reach, vmax=reach), ax=difference, shrink=0.8)
    psnr = "identical" if found.identical else f"PSNR {found.psnr_dB:.2f} dB"
    difference.set_title(f"difference\n{psnr}, RMSE {found.rmse:.4g}")
    figure.colorbar(likeness.imshow(found.ssim_map, cmap="magma", vmin=0, vmax=1), ax=likeness, shrink=0.8)
    likeness.set_title(f"SSIM {found.ssim:.4f}\nfor a data range of {found.data_range:g}")
    return figure


def _show(axes: Axes, pixels: NDArray[Any], rois: Iterable[ROI], zoom: Iterable[ROI] = ()) -> None:
    """Draw an image with boxes around its regions, cut to what surrounds ``zoom``."""
    boxes = list(zoom)
    height, width = pixels.shape
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    if boxes:
        reach = 0.15 * max(max(x + w for x, _, w, _ in boxes) - min(x for x, *_ in boxes), 40)
        left, right = (min(x for x, *_ in boxes) - reach, max(x + w for x, _, w, _ in boxes) + reach)
        top, bottom = (min(y for _, y, *_ in boxes) - reach, max(y + h for _, y, _, h in boxes) + reach)
    shown = pixels[max(int(top), 0) : int(bottom), max(int(left), 0) : int(right)]
    low, high = np.quantile(shown, (0.005, 0.995))
    axes.imshow(pixels, cmap="gray", vmin=low, vmax=high)
    for x, y, w, h in rois:
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, edgecolor="C0", linewidth=1.2))
    axes.set(xlim=(max(left, 0) - 0.5, min(right, width) - 0.5), ylim=(min(bottom, height) - 0.5, max(top, 0) - 0.5))
    axes.set(xlabel="x [px]", ylabel="y [px]")


def _mtf(axes: Axes, found: EdgeMTF, colour: str, label: str) -> None:
    f = found.frequency_lp_mm
    axes.fill_between(f, found.mtf - 2 * found.noise, found.mtf + 2 * found.noise, color=colour, alpha=0.25)
    axes.plot(f, found.mtf, color=colour, label=label)
    axes.plot(f, found.noise, color=colour, linestyle=":", linewidth=1, label="noise of the edge")


def _frequency_axis(axes: Axes, pitch_mm: float) -> None:
    nyquist = 0.5 / pitch_mm
    axes.axvline(nyquist, color="grey", linestyle=":", linewidth=1)
    axes.text(
        nyquist, 0.98, "Nyquist ", ha="right", va="top", rotation=90, color="grey", transform=axes.get_xaxis_transform()
    )
    axes.set(xlabel="spatial frequency [lp/mm]", xlim=(0, 1.02 * nyquist))
