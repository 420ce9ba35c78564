"""``xsim calibrate`` of two detectors, measured from their edges and flats, and what lies between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsim.errors import InputError
from xsim_cli.measure.inputs import Greys, blame, common_pitch, edges_of, regions_of

if TYPE_CHECKING:
    from xsim.detector.detector import Screen
    from xsim.measure.calibration import Calibration, MeasuredDetector
    from xsim.spectrum import Spectrum
    from xsim_cli.common import Outputs

_CURVES = ("frequency_lp_mm", "B_1", "B_1_sd", "Sigma_1_mm2", "Sigma_1_sd_mm2")
"""Columns of the table, and keys of the JSON document."""


@dataclass(frozen=True)
class Pair:
    """Files of two detectors, HR and LR, and what their screens are.

    Parameters
    ----------
    hr_edges, lr_edges, hr_flats, lr_flats, hr_pairs, lr_pairs, wedges : sequences of Path
        Image files.
    rois : (hr, lr)
        Regions of the edges.
    mass_thicknesses_mg_cm2 : (hr, lr)
        Nominal screens [mg/cm2].
    hr_frames : int
        Frames averaged in HR images.
    greys : (hr, lr)
        What the grey levels of each one's images are, and what corrects them.
    """

    hr_edges: Sequence[Path]
    lr_edges: Sequence[Path]
    hr_flats: Sequence[Path]
    lr_flats: Sequence[Path]
    hr_pairs: Sequence[Path]
    lr_pairs: Sequence[Path]
    wedges: Sequence[Path]
    rois: tuple[str | None, str | None]
    mass_thicknesses_mg_cm2: tuple[float, float]
    hr_frames: int
    greys: tuple[Greys, Greys]


def calibrate_two(
    files: Pair,
    out: Path,
    outputs: Outputs,
    spectrum: Spectrum,
    *,
    pitch_mm: float | None,
    kerma_uGy: float | None,
    fill_factor: float,
) -> None:
    """Measure both detectors, find what lies between them, write it, and say what was found."""
    from xsim.detector.detector import Screen
    from xsim.measure import calibration
    from xsim.measure.one_detector.make import NOMINAL_KERMA_UGY
    from xsim.measure.wedge import link_from_wedge

    _check_link_images(files)
    shared: Any = {
        "pitch_mm": pitch_mm,
        "kerma_uGy": NOMINAL_KERMA_UGY if kerma_uGy is None else kerma_uGy,
        "fill_factor": fill_factor,
    }
    screens = [Screen(one) for one in files.mass_thicknesses_mg_cm2]
    first, second = files.greys
    hr = _measured(files.hr_edges, files.hr_flats, screens[0], first, roi=files.rois[0], **shared)
    lr = _measured(files.lr_edges, files.lr_flats, screens[1], second, roi=files.rois[1], **shared)
    images = zip(files.hr_pairs, files.lr_pairs, strict=True)
    pairs = [(_linear(x, hr, first), _linear(y, lr, second)) for x, y in images]
    link = None
    if files.wedges:
        both = zip(files.wedges, (hr, lr), files.greys, strict=True)
        steps = (_linear(path, detector, greys) for path, detector, greys in both)
        link = blame(files.wedges[0], link_from_wedge, *steps)
    found = calibration.calibrate(hr, lr, spectrum, hr_frames=files.hr_frames, pairs=pairs, link=link)
    calibration.write_calibration(out, found)
    _write(outputs, out, found)


def _write(outputs: Outputs, out: Path, found: Calibration) -> None:
    """Write table and figure, and say what was found."""
    between = found.degradation
    curves = (between.frequency_lp_mm, between.B_1, found.B_1_sd, between.Sigma_1_mm2, found.Sigma_1_sd_mm2)
    table = dict(zip(_CURVES, curves, strict=True))
    outputs.write(
        "calibrate",
        {"path": out, **table, **_facts(found)},
        _lines(out, found),
        table=table,
        figure=lambda figures: figures.calibration_figure(found),
    )


def _check_link_images(files: Pair) -> None:
    sharp, blurred, wedges = files.hr_pairs, files.lr_pairs, files.wedges
    if len(sharp) != len(blurred):
        raise InputError(f"{len(sharp)} HR and {len(blurred)} LR images of pairs: give one LR for each HR")
    if len(wedges) == 1 or (wedges and sharp):
        raise InputError("the grey-level link needs --hr-wedge and --lr-wedge, or pairs, or none of them")


def _linear(path: Path, detector: MeasuredDetector, greys: Greys) -> Any:
    """Return an image with its open field at 1."""
    (signal,) = greys.signals(greys.read(path))
    return signal / detector.nnps.mean


def _measured(
    edges: Sequence[Path],
    flats: Sequence[Path],
    screen: Screen,
    greys: Greys,
    *,
    roi: str | None,
    pitch_mm: float | None,
    kerma_uGy: float,
    fill_factor: float,
) -> MeasuredDetector:
    """Return a detector measured from files."""
    from xsim.detector.detector import Sensor
    from xsim.measure.calibration import measure_detector

    images = [greys.read(path) for path in edges]
    pitch = common_pitch(pitch_mm, edges, images)
    curves = edges_of(edges, images, pitch, regions_of([roi] if roi else None), greys)
    files = [greys.read(path, pages=True) for path in flats]
    frames = [page for file in files for page in greys.signals(file)]
    sensor = Sensor(pitch_mm=pitch, fill_factor=fill_factor)
    measured: MeasuredDetector = blame(
        flats[0], measure_detector, curves, frames, kerma_uGy=kerma_uGy, screen=screen, sensor=sensor,
        full_scale=greys.full_scale(files[0]),
    )  # fmt: skip
    return measured


def _facts(found: Calibration) -> dict[str, Any]:
    return {
        "link": found.degradation.link.to_dict(),
        "hr_frames": found.hr_frames,
        "detectors": {
            name: {
                "frequency_lp_mm": one.frequency_lp_mm,
                "mtf": one.mtf_fit,
                "nnps_mm2": one.nnps_fit_mm2,
                "angle_deg": one.mtf.angle_deg,
                "noise_floor": one.mtf.noise_floor,
                "flats": one.nnps.frames,
                "open_field": one.nnps.mean,
            }
            for name, one in (("hr", found.hr), ("lr", found.lr))
        },
        "warnings": found.warnings,
    }


def _lines(out: Path, found: Calibration) -> Iterator[str]:
    import numpy as np

    table = found.degradation
    for f in np.arange(0.0, found.hr.frequency_lp_mm[-1] + 1e-9, 1.0):
        hr, lr = (np.interp(f, one.frequency_lp_mm, one.mtf_fit) for one in (found.hr, found.lr))
        B, sd, noise = (np.interp(f, table.frequency_lp_mm, y) for y in (table.B_1, found.B_1_sd, table.Sigma_1_mm2))
        yield f"{f:5.1f} lp/mm  MTF {hr:.3f} {lr:.3f}  B_1 {B:.3f} +- {sd:.3f}  Sigma_1 {noise:.3g} mm2"
    yield f"link from {table.link.source}, residual {table.link.residual:.2g}; written to {out}"
