"""The figures of the commands: spectra, detectors, calibrations, and what was measured where in an image.

matplotlib takes longer to import than most commands to run: import this module where a figure is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

if TYPE_CHECKING:
    from xsim.detector.performance import Performance
    from xsim.measure.bars import CTF
    from xsim.measure.blind import BlindDetector
    from xsim.measure.calibration import Calibration
    from xsim.measure.checks import ROI
    from xsim.measure.edge import EdgeMTF
    from xsim.measure.noise import NNPS
    from xsim.measure.one_detector.result import OneDetector
    from xsim.measure.resolution import DuplexWire
    from xsim.measure.similarity import Comparison
    from xsim.spectrum import Spectrum

__all__ = [
    "blind_figure",
    "calibration_figure",
    "comparison_figure",
    "ctf_figure",
    "detector_figure",
    "mtf_figure",
    "nnps_figure",
    "one_detector_figure",
    "spectrum_figure",
    "wires_figure",
]


def spectrum_figure(beam: Spectrum, title: str) -> Figure:
    """Return one panel: photons per energy, and their mean energy."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    width = float(beam.energy_keV[1] - beam.energy_keV[0])
    axes.stairs(
        beam.fluence_per_mm2_uGy / width,
        [*(beam.energy_keV - width / 2), beam.energy_keV[-1] + width / 2],
        fill=True,
        alpha=0.4,
        color="tab:blue",
    )
    axes.axvline(beam.mean_energy_keV, color="black", linestyle="--", linewidth=1)
    axes.text(beam.mean_energy_keV, axes.get_ylim()[1] * 0.95, f"  mean {beam.mean_energy_keV:.1f} keV", va="top")
    axes.set(
        xlabel="photon energy [keV]",
        ylabel="photons / (mm² µGy keV)",
        title=title,
        xlim=(0, beam.kvp),
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    return figure


def detector_figure(table: Mapping[str, Performance], bands: Mapping[str, Mapping[str, Any]] | None = None) -> Figure:
    """Return a figure of three panels: MTF (dashed: without the pixel), NNPS and DQE of every detector.

    Parameters
    ----------
    table : mapping of name to Performance
        The detectors, each with its own frequencies.
    bands : mapping, optional
        Within what the curves of a detector lie, by name, see `xsim.detector.optics_fit.posterior_bands`.
    """
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    mtf, nnps, dqe = figure.subplots(1, 3)
    for index, (name, item) in enumerate(table.items()):
        colour, f = f"C{index % 10}", item.frequency_lp_mm
        marker = "o" if len(f) < 12 else ""
        mtf.plot(f, item.mtf, color=colour, marker=marker, label=name)
        mtf.plot(f, item.mtf_screen, color=colour, linestyle="--", linewidth=1)
        nnps.semilogy(f, item.nnps_mm2, color=colour, marker=marker)
        dqe.plot(f, item.dqe, color=colour, marker=marker)
        if bands and name in bands:
            for axes, key, unit in ((mtf, "mtf", ""), (nnps, "nnps", "_mm2"), (dqe, "dqe", "")):
                ends = bands[name][f"{key}_low{unit}"], bands[name][f"{key}_high{unit}"]
                axes.fill_between(f, *ends, color=colour, alpha=0.2, linewidth=0)
    for nyquist in {0.5 / item.pitch_mm for item in table.values()}:
        for axes in (mtf, nnps, dqe):
            axes.axvline(nyquist, color="grey", linestyle=":", linewidth=1)
        mtf.text(nyquist, 0.98, "Nyquist ", ha="right", va="top", rotation=90, color="grey")
    mtf.set(ylabel="presampled MTF (dashed: screen alone)", ylim=(0, 1.02))
    nnps.set(ylabel="digital NNPS [mm²]")
    highest = max(float(np.max(item.dqe)) for item in table.values())
    dqe.set(ylabel="DQE", ylim=(0, min(1.0, 1.15 * highest)))
    for axes in (mtf, nnps, dqe):
        axes.set(xlabel="spatial frequency [lp/mm]", xlim=(0, None))
        axes.grid(alpha=0.3)
    figure.legend(*mtf.get_legend_handles_labels(), loc="outside upper center", ncols=min(len(table), 5))
    return figure


def calibration_figure(found: Calibration) -> Figure:
    """Return four panels: MTFs, noise spectra with Sigma_1, B_1, the grey-level link."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    (mtf, noise), (ratio, link) = figure.subplots(2, 2)
    for colour, name, one in (("C0", "HR", found.hr), ("C1", "LR", found.lr)):
        edge, spectrum = one.mtf, one.nnps
        mtf.plot(edge.frequency_lp_mm, edge.mtf, ".", color=colour, markersize=3, label=f"{name} measured")
        mtf.plot(one.frequency_lp_mm, one.mtf_fit, color=colour, label=f"{name} fit")
        mtf.plot(edge.frequency_lp_mm, edge.noise, ":", color=colour, linewidth=1, label=f"{name} noise")
        noise.errorbar(
            spectrum.frequency_lp_mm, spectrum.nnps_mm2, 2 * spectrum.standard_error_mm2, fmt=".", color=colour,
            markersize=3, elinewidth=0.6, label=f"{name}, {spectrum.frames} flats",
        )  # fmt: skip
        noise.plot(one.frequency_lp_mm, one.nnps_fit_mm2, color=colour)
    table = found.degradation
    nyquist = found.hr.frequency_lp_mm[-1]
    shown = table.frequency_lp_mm <= nyquist
    f = table.frequency_lp_mm[shown]
    noise.plot(f, table.Sigma_1_mm2[shown], "k--", label="$\\Sigma_1$")
    noise.set(yscale="log", ylabel="NNPS [mm²]")
    B, sd = table.B_1[shown], found.B_1_sd[shown]
    ratio.fill_between(f, B - 2 * sd, B + 2 * sd, color="C2", alpha=0.3)
    ratio.plot(f, B, color="C2", label="$B_1$ ± 2 standard deviations")
    ratio.set(ylabel="MTF LR / MTF HR", ylim=(0, 1.05))
    mtf.set(ylabel="presampled MTF", ylim=(0, 1.05))
    for axes in (mtf, noise, ratio):
        axes.set(xlabel="spatial frequency [lp/mm]", xlim=(0, nyquist))
    grey = np.linspace(0, 1, 200)
    link.plot(grey, table.link.forward(grey), color="C3", label=f"from {table.link.source}")
    link.plot(table.link.hr_grey, table.link.lr_grey, "o", color="C3", markersize=3)
    link.plot([0, 1], [0, 1], ":", color="grey", label="equal greys")
    link.set(xlabel="HR grey", ylabel="LR grey", xlim=(0, 1.02), ylim=(0, 1.05), title="grey-level link")
    for axes in (mtf, noise, ratio, link):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


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
    left, right, difference, similarity = figure.subplots(1, 4, sharex=True, sharey=True)
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
    figure.colorbar(similarity.imshow(found.ssim_map, cmap="magma", vmin=0, vmax=1), ax=similarity, shrink=0.8)
    similarity.set_title(f"SSIM {found.ssim:.4f}\nfor a data range of {found.data_range:g}")
    return figure


def blind_figure(found: BlindDetector, pixels: NDArray[Any]) -> Figure:
    """Return three panels: where edges and flat parts of the first image lie, the MTF, the noise's spectrum."""
    figure = Figure(figsize=(15, 4.6), layout="constrained")
    image, mtf, noise = figure.subplots(1, 3)
    image.imshow(pixels, cmap="gray", vmin=float(np.quantile(pixels, 0.005)), vmax=float(np.quantile(pixels, 0.995)))
    for _, row, column in found.flat_places[found.flat_places[:, 0] == 0]:
        image.add_patch(Rectangle((column, row), 31, 31, color="tab:green", alpha=0.12, linewidth=0))
    for number, y, x, angle in found.edge_places:
        if number == 0:
            along = 14 * np.array([-np.sin(angle), np.cos(angle)])
            image.plot([x - along[0], x + along[0]], [y - along[1], y + along[1]], color="tab:red", linewidth=1.6)
    image.set(title=f"{found.edges} edges (red), flat parts (green)", xlabel="x [px]", ylabel="y [px]")
    scale, unit = (1.0, "cycles/px") if found.pitch_mm is None else (found.pitch_mm, "lp/mm")
    mtf.fill_between(found.frequency / scale, found.low, found.high, alpha=0.3, label="95 %")
    mtf.plot(found.frequency / scale, found.mtf)
    mtf.set(title=f"f50 {found.f50 / scale:.3g} {unit}", ylabel="presampled MTF", ylim=(0, 1.02))
    noise.plot(found.noise.frequency / scale, found.noise.power, marker=".")
    noise.set(title=f"noise {100 * found.noise.rms:.2g} % of the open field", ylabel="power, as white noise's variance")
    noise.set_yscale("log")
    for axes in (mtf, noise):
        axes.set_xlabel(f"spatial frequency [{unit}]")
        axes.grid(alpha=0.3)
    return figure


def one_detector_figure(found: OneDetector) -> Figure:
    """Return two panels: MTF and NNPS of one detector, each with the band of its spread."""
    known = found.known
    assert known.pitch_mm is not None
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    mtf, noise = figure.subplots(1, 2)
    f = np.linspace(0.0, 0.5, 201)
    measured, blur, rms = found.detector.measured, known.blur_spread or 1.0, known.noise_spread or 1.0
    assert measured is not None
    lp_mm, power = f / known.pitch_mm, np.interp(f, known.frequency, known.noise_power) * known.pitch_mm**2
    mtf.fill_between(lp_mm, known.mtf_at(f * blur), known.mtf_at(f / blur), alpha=0.3, label="95 %")
    mtf.plot(lp_mm, known.mtf_at(f), label=f"from {measured.mtf_source}")
    mtf.set(ylabel="presampled MTF", ylim=(0, 1.02), title=f"f50 {known.f50 / known.pitch_mm:.3g} lp/mm")
    noise.fill_between(lp_mm, power / rms**2, power * rms**2, alpha=0.3, label="95 %")
    noise.plot(lp_mm, power, label=f"from {measured.nnps_source}")
    noise.set(ylabel="NNPS [mm²]", yscale="log", title=f"noise {100 * known.noise_rms:.2g} % of the open field")
    for axes in (mtf, noise):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        _frequency_axis(axes, known.pitch_mm)
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
