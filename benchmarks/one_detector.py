"""What it costs to know a detector from one plate and five flats, or from a data sheet, in place of its true tables.

    OMP_NUM_THREADS=1 python benchmarks/one_detector.py                  # both, 10 minutes of one core
    OMP_NUM_THREADS=1 python benchmarks/one_detector.py --sets sheets --count 8

``plates`` takes a flat panel of .139 mm that no model of this project made, as that of docs/tutorials/one-plate.md: a
plate and five open frames of it make a detector file, and six scenes of `tests/xsim/measure/blind/foreign.py` are
restored told that file and told the truth, to the same sharpness. ``sheets`` takes boards of the paper's detectors, as
`benchmarks/any_detector.py` does, and tells of their LR detector what sheets say: MTF values or the screen's thickness,
iSRb, or SRb as the first wire pair of ISO 19232-5 that is not seen; SNRn to two digits, and the dose. PSNR has data
range 1 (the open field), and leaves out 32 pixels at the edges.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "xsim" / "measure" / "blind"))
import foreign as made
from any_detector import PaperBoard, psnr_dB

import xsim_zoo
from xsim.detector.performance import REFERENCE_SRB_MM, basic_spatial_resolution_mm
from xsim.detector.response import DetectorResponse
from xsim.detector.sensor import Sensor
from xsim.measure.edge import edge_mtf
from xsim.measure.one_detector.data_sheet import DataSheet
from xsim.measure.one_detector.make import NOMINAL_KERMA_UGY, make_detector
from xsim.measure.one_detector.result import Blur, Noise, OneDetector, join, table_grid
from xsim.measure.resolution import WIRE_DIAMETERS_MM
from xsim.spectrum import preset_spectrum

Image = NDArray[np.float64]

PITCH_MM = 0.139
RMS, WHITE = 0.01, 0.25
"""Noise of a pixel at the open field, and the share of its variance that is white, as in the tutorial."""

SCENES = 6
TILT_DEG = 3.0
PLATE = 0.1
"""Transmission of the plate."""


def screen(f: Image) -> Image:
    """Return the MTF of the panel's screen over |f| [cycles/px]."""
    return np.asarray(0.9 / (1 + (f / 0.32) ** 2) + 0.1 * np.exp(-f / 0.08))


def mtf2(fx: Image, fy: Image) -> Image:
    """Return the MTF of the panel over both axes; nine tenths of a pixel's width see light."""
    return np.asarray(screen(np.hypot(fx, fy)) * np.sinc(0.9 * fx) * np.sinc(0.9 * fy))


def noise_power(f: Image) -> Image:
    """Return the power of the panel's noise at grey 1 over |f| [cycles/px]; its mean over the plane is the variance."""
    axis = np.fft.fftfreq(256)
    plane = np.hypot(axis[:, None], axis[None, :])
    return np.asarray(RMS**2 * (WHITE + (1 - WHITE) * screen(f) ** 2 / (screen(plane) ** 2).mean()))


def seen(attenuation: NDArray[np.float32], rng: np.random.Generator) -> Image:
    """Return an image of an object by the panel, with its noise."""
    clean = made.blurred(attenuation, mtf2)[made.MARGIN : -made.MARGIN, made.MARGIN : -made.MARGIN]
    return clean + RMS * np.sqrt(np.clip(clean, 0, None)) * made.coloured(rng, clean.shape, noise_power)


def plate(px: int, rng: np.random.Generator) -> Image:
    """Return an image of the straight edge of a plate as large as one likes, by the integral over its normal's OTF."""
    angle = np.radians(TILT_DEG)
    y, x = np.mgrid[:px, :px] - (px - 1) / 2
    step = 1 / (4 * px)
    f = (np.arange(int(4 / step)) + 0.5) * step
    otf = mtf2(f * np.cos(angle), f * np.sin(angle))
    away = np.linspace(-px, px, 8 * px + 1)
    # Sum of sines at half-odd multiples: a sine transform, zero in the middle.
    esf = 0.5 + np.array([step * np.sum(otf * np.sin(2 * np.pi * f * d) / (np.pi * f)) for d in away[4 * px :]])
    across = x * np.cos(angle) + y * np.sin(angle)
    # A line between the points would blur by their distance.
    clean = PLATE + (1 - PLATE) * CubicSpline(away, np.concatenate([1 - esf[:0:-1], esf]))(across)
    return clean + RMS * np.sqrt(clean) * made.coloured(rng, clean.shape, noise_power)


def panel(px: int) -> tuple[OneDetector, OneDetector]:
    """Return the panel as one plate and five flats tell it, and as it is."""
    rng = np.random.default_rng(4)
    sensor = Sensor(pitch_mm=PITCH_MM)
    grid = table_grid(sensor)
    edge = edge_mtf(plate(px, rng), PITCH_MM, frequency_lp_mm=grid)
    flats = [1 + RMS * made.coloured(rng, (px, px), noise_power) for _ in range(5)]
    beam = preset_spectrum("paper")
    measured = make_detector(edges=[edge], flats=flats, sensor=sensor, spectrum=beam, phosphor="CsI")
    f = grid * PITCH_MM
    blur = Blur(grid, mtf2(f, np.zeros_like(f)), "truth", 1.0)
    noise = Noise(grid, noise_power(f) * PITCH_MM**2, "truth", 1.0)
    true = join(
        blur,
        noise,
        screen=measured.detector.screen,
        sensor=sensor,
        kerma_uGy=NOMINAL_KERMA_UGY,
        spectrum=beam,
    )
    return measured, true


def plates(px: int, folder: Path) -> None:
    """Print what the file of one plate and five flats loses against the true tables."""
    measured, true = panel(px)
    paths = [folder / "measured.toml", folder / "true.toml"]
    for detector, path in zip((measured, true), paths, strict=True):
        detector.write(path)
    f = np.linspace(0.0, 0.5, 101)
    off = np.abs(measured.known.mtf_at(f) - mtf2(f, np.zeros_like(f))).max()
    print(
        f"one plate and five flats of {px} px: MTF off by {off:.3f} at most, "
        f"noise by {100 * (measured.known.noise_rms / true.known.noise_rms - 1):+.1f} %\n"
    )
    table = folder / "target.csv"
    lost: dict[str, list[float]] = {}
    for number in range(SCENES):
        rng = np.random.default_rng(100 + number)
        canvas = made.Canvas(px + 2 * made.MARGIN)
        made.OBJECTS[number](canvas, rng)
        image = seen(canvas.attenuation, rng)
        for name in ("wiener", "physics-sde"):
            restorer = xsim_zoo.load(name, device="cpu")
            first = restorer.restore(image, detectors=str(paths[1]), open_field=1.0)
            target = first.detectors.target
            assert target is not None
            rows = np.column_stack([f, target.mtf_at(f)])
            np.savetxt(table, rows, delimiter=",", header="frequency_cycles_px,mtf", comments="")
            truth = made.blurred(canvas.attenuation, lambda fx, fy, t=target: t.mtf_at(np.hypot(fx, fy)))
            truth = truth[made.MARGIN : -made.MARGIN, made.MARGIN : -made.MARGIN]
            scores = [
                psnr_dB(restorer.restore(image, detectors=str(path), open_field=1.0, target=str(table)).image, truth)
                for path in paths
            ]
            lost.setdefault(name, []).append(scores[1] - scores[0])
            print(
                f"{made.OBJECTS[number].__name__:8s} {name:12s} before {psnr_dB(image, truth):6.2f}  "
                f"measured {scores[0]:6.2f}  true {scores[1]:6.2f}  loss {lost[name][-1]:+.2f}",
                flush=True,
            )
    for name, values in lost.items():
        print(f"{name}: loss mean {np.mean(values):.2f} dB, most {max(values):.2f} dB")
    print()


def sheets_of(response: DetectorResponse) -> dict[str, DataSheet]:
    """Return what sheets say of a detector: more of its blur or less."""
    exact = basic_spatial_resolution_mm(response.otf)
    mtf = tuple((f, round(float(response.mtf(f)), 2)) for f in (1.0, 2.0, 4.0))
    rest = {"snrn": float(f"{REFERENCE_SRB_MM / exact / response.pixel_sigma:.2g}"), "kerma_uGy": response.kerma_uGy}
    return {
        "MTF at 1, 2, 4 lp/mm": DataSheet(mtf_points=mtf, **rest),
        "screen's thickness": DataSheet(mass_thickness_mg_cm2=response.screen.mass_thickness_mg_cm2, **rest),
        "iSRb": DataSheet(srb_mm=round(exact, 3), **rest),
        "SRb, a wire pair": DataSheet(srb_mm=max(d for d in WIRE_DIAMETERS_MM if d < exact), **rest),
    }


def sheets(count: int, px: int, folder: Path) -> None:
    """Print what it costs to know no more of the paper's LR detector than a data sheet says."""
    restorer = xsim_zoo.load("physics-sde", device="cpu")
    path = folder / "sheet.toml"
    lost: dict[str, list[float]] = {}
    print(f"physics-sde, {count} boards of the paper's detectors, {px} px: loss [dB] of a sheet for the tables\n")
    for seed in range(10_000, 10_000 + count):
        board = PaperBoard.of(seed, px)
        setup, told = board.setup, board.told(restorer)
        for name, sheet in sheets_of(setup.lr_response).items():
            sensor = Sensor(pitch_mm=setup.pitch_mm)
            make_detector(sheet=sheet, sensor=sensor, spectrum=setup.spectrum).write(path)
            done = restorer.restore(board.y, detectors=str(path), pitch_mm=setup.pitch_mm)
            target = done.detectors.target
            assert target is not None
            truth = board.truth(target)
            scores = [psnr_dB(one, truth) for one in (board.at(target, told), done.image)]
            lost.setdefault(name, []).append(scores[0] - scores[1])
            print(
                f"{seed}  {name:20s} told {scores[0]:6.2f}  sheet {scores[1]:6.2f}  loss {lost[name][-1]:+.2f}",
                flush=True,
            )
    print()
    for name, values in lost.items():
        print(f"{name:20s} loss median {np.median(values):.2f} dB, most {max(values):.2f} dB")
    print()


def main() -> int:
    """Measure the sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--px", type=int, default=768, help="side of the images [px]")
    parser.add_argument("--sets", nargs="+", choices=("plates", "sheets"), default=["plates", "sheets"])
    parser.add_argument("--count", type=int, default=5, help="boards")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if "plates" in words.sets:
            plates(words.px, Path(name))
        if "sheets" in words.sets:
            sheets(words.count, words.px, Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
