"""Radiographs of detectors that nobody names, restored from the file alone; and what not knowing them costs.

    OMP_NUM_THREADS=1 python benchmarks/any_detector.py                      # everything, about an hour of one core
    OMP_NUM_THREADS=1 python benchmarks/any_detector.py --sets foreign       # 24 images of no model of this project
    OMP_NUM_THREADS=1 python benchmarks/any_detector.py --sets boards --count 12

``foreign`` restores the held-out images of `tests/xsim/measure/blind/foreign.py` as TIFF files and compares with the
scene at the sharpness that the program says it aimed at. The bar is a Wiener filter that is told the true MTF, the true
noise and the true spectrum of that very scene. ``boards`` restores simulated boards of the paper's detectors three
times, told them, told a data sheet of the LR detector, and told nothing, all to the sharpness of the paper's HR
detector, in LR grey. PSNR has data range 1 (the open field) and leaves out 32 pixels at the edges.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "xsim" / "measure" / "blind"))
import foreign as made

import xsim_zoo
from xsim.degradation.known import KnownDetector
from xsim.degradation.target import Target
from xsim.errors import InputError
from xsim.imaging.pair import simulate_pair
from xsim.phantoms import random_board
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import load_recipe
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.prior import RadialSpectrum

Image = NDArray[np.float64]

OPEN_FIELD = 50_000.0
"""Grey level of the open field in the files: as `xsim simulate` writes it."""

EDGE_PX = 32


def psnr_dB(image: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Return PSNR with data range 1, the edges left out."""
    inside = (slice(EDGE_PX, -EDGE_PX),) * 2
    return float(-10 * np.log10(np.mean((np.asarray(image, float)[inside] - truth[inside]) ** 2)))


def bar(one: made.Foreign, target: Target, truth: Image) -> float:
    """Return the PSNR of a Wiener filter that knows all but the scene's phases."""
    f = np.linspace(0.0, 0.75, 301)
    known = KnownDetector("truth", f, np.maximum(one.mtf(f), 0.0), one.noise_power(f), one.pitch_mm)
    spectrum = RadialSpectrum.measure([torch.as_tensor(truth)], [one.pitch_mm])
    wiener = xsim_zoo.load("wiener", device="cpu").with_physics(Physics(known.degradation(target), spectrum))
    return psnr_dB(wiener.restore_array(one.image.astype(np.float32)), truth)


def foreign(seeds: list[int], px: int, name: str) -> None:
    """Print a line for each foreign image, and what they are together."""
    restorer = xsim_zoo.load(name, device="cpu")
    rows = []
    print(f"{name}, {len(seeds)} foreign images of {px} px, from the file alone\n")
    print("seed  image                                          |MTF err|  noise   before   after    bar   share    s")
    for seed in seeds:
        one = made.foreign(seed, px)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.tif"
            grey = np.rint(one.image * OPEN_FIELD).clip(0, 65535).astype(np.uint16)
            resolution = (10 / one.pitch_mm,) * 2
            tifffile.imwrite(path, grey, resolution=resolution, resolutionunit="CENTIMETER")
            began = time.process_time()
            try:
                done = restorer.restore(path, detectors="image", open_field=OPEN_FIELD)
            except InputError as error:
                print(f"{seed:5d} {one.name:46s} refused: {error}", flush=True)
                continue
            seconds = time.process_time() - began
        known, target = done.detectors.known, done.detectors.target
        assert known is not None
        assert target is not None
        f = np.linspace(0.0, 0.5, 101)
        true_mtf = one.mtf(f)
        mtf_error = float(np.abs(known.mtf_at(f) - true_mtf)[true_mtf > 0.2].max())
        noise_error = known.noise_rms / one.noise - 1
        held = 1 / (known.blur_spread or 1) <= made.f50_of(one.mtf) / known.f50 <= (known.blur_spread or 1)
        truth = one.sharp(target.mtf_at)
        before, after, best = psnr_dB(one.image, truth), psnr_dB(done.image, truth), bar(one, target, truth)
        share = (after - before) / (best - before)
        rows.append((mtf_error, abs(noise_error), held, after - before, best - before, share))
        print(
            f"{seed:5d} {one.name:46s} {mtf_error:.3f}   {100 * noise_error:+5.1f} %  {before:6.2f}  {after:6.2f}  "
            f"{best:6.2f}  {share:5.2f}  {seconds:4.1f}",
            flush=True,
        )
    table = np.array(rows, float)
    mid, worst = np.median(table, axis=0), table.max(axis=0)
    print(
        f"\n{len(rows)} of {len(seeds)} restored; |MTF error| median {mid[0]:.3f}, worst {worst[0]:.3f}; noise error "
        f"median {100 * mid[1]:.1f} %, worst {100 * worst[1]:.1f} %; intervals of f50 that hold the truth "
        f"{100 * table[:, 2].mean():.0f} %\ngain: median {mid[3]:.2f} dB, least {table[:, 3].min():.2f} dB (bar: "
        f"median {mid[4]:.2f} dB); share of the bar's gain: median {mid[5]:.2f}, least {table[:, 5].min():.2f}\n"
    )


def boards(count: int, px: int) -> None:
    """Print what it costs not to be told the paper's detectors."""
    recipe = load_recipe("paper")
    restorer = xsim_zoo.load("physics-sde", device="cpu")
    lost = []
    print(f"physics-sde, {count} boards of the paper's detectors, {px} px, LR grey: told them, told nothing\n")
    print("seed   before    told   blind    loss   what was assumed")
    for seed in range(10_000, 10_000 + count):
        setup = setup_of(recipe.imaging.drawn(seed, 0))
        pixel_mm = setup.pitch_mm / setup.geometry.magnification / 2
        pair = simulate_pair(random_board(seed, (2 * px, 2 * px), pixel_mm), setup, seed)
        y = np.asarray(pair.lr)
        truth = setup.degradation().linked(np.asarray(pair.hr))
        told = restorer.restore(y, detectors="weights", grey="lr", pitch_mm=setup.pitch_mm)
        with tempfile.TemporaryDirectory() as folder:
            between = setup.degradation()
            assert between.mtf_hr is not None
            target = Path(folder) / "hr.csv"
            rows = (f"{f},{m}" for f, m in zip(between.frequency_lp_mm, between.mtf_hr, strict=True))
            target.write_text("\n".join(["frequency_lp_mm,mtf", *rows]))
            try:
                blind = restorer.restore(y, detectors="image", target=str(target), pitch_mm=setup.pitch_mm)
            except InputError as error:
                print(f"{seed}  refused: {error}", flush=True)
                continue
        scores = [psnr_dB(image, truth) for image in (y, told.image, blind.image)]
        lost.append(scores[1] - scores[2])
        known = blind.detectors.known
        assert known is not None
        print(
            f"{seed}  {scores[0]:6.2f}  {scores[1]:6.2f}  {scores[2]:6.2f}  {lost[-1]:+6.2f}   f50 "
            f"{known.f50 / setup.pitch_mm:.2f} lp/mm, noise {100 * known.noise_rms:.2f} %",
            flush=True,
        )
    print(f"\n{len(lost)} of {count} restored; loss median {np.median(lost):.2f} dB, most {max(lost):.2f} dB\n")


def main() -> int:
    """Measure the sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--px", type=int, default=768, help="side of the images [px]")
    parser.add_argument("--sets", nargs="+", choices=("foreign", "boards"), default=["foreign", "boards"])
    parser.add_argument("--count", type=int, default=24, help="images of each set")
    parser.add_argument("--restorer", default="physics-sde", help="restorer of the foreign images")
    words = parser.parse_args()
    if "foreign" in words.sets:
        foreign(list(made.HELD_OUT)[: words.count], words.px, words.restorer)
    if "boards" in words.sets:
        boards(words.count, words.px)
    return 0


if __name__ == "__main__":
    sys.exit(main())
