"""Radiographs of detectors that nobody names, restored from the file alone; and what not knowing them costs.

    OMP_NUM_THREADS=1 python benchmarks/any_detector.py                      # everything, about an hour of one core
    OMP_NUM_THREADS=1 python benchmarks/any_detector.py --sets foreign       # 24 images of no model of this project
    OMP_NUM_THREADS=1 python benchmarks/any_detector.py --sets boards --count 12

``foreign`` restores the held-out images of `tests/xsim/measure/blind/foreign.py` as TIFF files and compares with the
scene at the sharpness that the program says it aimed at. The bar is a Wiener filter that is told the true MTF, the true
noise and the true spectrum of that very scene; beside it stands the filter `wiener` of this project, from the file
alone. ``boards`` restores simulated boards of the paper's detectors told them and told nothing, in LR grey; both are
compared at the sharpness that was aimed at by the latter. PSNR has
data range 1 (the open field) and leaves out 32 pixels at the edges.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
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
from xsim.grids import radial_frequency
from xsim.imaging.pair import Pair, simulate_pair
from xsim.imaging.setup import PairSetup
from xsim.phantoms import random_board
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import load_recipe
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.restorers.base import Restorer

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


def foreign(seeds: list[int], px: int, restorer: Restorer) -> None:
    """Print a line for each foreign image, and what they are together."""
    plain = xsim_zoo.load("wiener", device="cpu")
    rows, names = [], []
    print(f"{restorer.name}, {len(seeds)} foreign images of {px} px, from the file alone\n")
    print(
        "seed  image                                          |MTF err|  noise   before   after  wiener     bar   share"
        "    s"
    )
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
            filtered = plain.restore(path, detectors="image", open_field=OPEN_FIELD).image
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
        by_filter = psnr_dB(filtered, truth)
        share = (after - before) / (best - before)
        rows.append((mtf_error, abs(noise_error), held, after - before, best - before, share, after - by_filter))
        names.append(one.name)
        print(
            f"{seed:5d} {one.name:46s} {mtf_error:.3f}   {100 * noise_error:+5.1f} %  {before:6.2f}  {after:6.2f}  "
            f"{by_filter:6.2f}  {best:6.2f}  {share:5.2f}  {seconds:4.1f}",
            flush=True,
        )
    table = np.array(rows, float)
    mid, worst = np.median(table, axis=0), table.max(axis=0)
    print(
        f"\n{len(rows)} of {len(seeds)} restored; |MTF error| median {mid[0]:.3f}, worst {worst[0]:.3f}; noise error "
        f"median {100 * mid[1]:.1f} %, worst {100 * worst[1]:.1f} %; intervals of f50 that hold the truth "
        f"{100 * table[:, 2].mean():.0f} %\ngain: median {mid[3]:.2f} dB, least {table[:, 3].min():.2f} dB (bar: "
        f"median {mid[4]:.2f} dB); share of the bar's gain: median {mid[5]:.2f}, least {table[:, 5].min():.2f}"
    )
    metal = np.array([any(kind in name for kind in ("casting", "weld")) for name in names])
    for what, which in (("all", np.ones(len(names), bool)), ("castings and welds", metal)):
        if which.any():
            lead = table[which, 6]
            print(f"over wiener, {what} ({which.sum()}): median {np.median(lead):.2f} dB, least {lead.min():.2f} dB")
    print()


@dataclass(frozen=True)
class PaperBoard:
    """A board of the paper's detectors, LR image and what another sharpness than that of its HR screen would show."""

    setup: PairSetup
    pair: Pair

    @classmethod
    def of(cls, seed: int, px: int) -> PaperBoard:
        """Simulate the board of a seed."""
        setup = setup_of(load_recipe("paper").imaging.drawn(seed, 0))
        pixel_mm = setup.pitch_mm / setup.geometry.magnification / 2
        return cls(setup, simulate_pair(random_board(seed, (2 * px, 2 * px), pixel_mm), setup, seed))

    @property
    def y(self) -> Image:
        """The measurement (H, W)."""
        return np.asarray(self.pair.lr)

    def told(self, restorer: Restorer) -> Image:
        """Return what the restorer makes of it, told the detectors, in LR grey."""
        found = restorer.restore(self.y, detectors="weights", grey="lr", pitch_mm=self.setup.pitch_mm)
        return np.asarray(found.image, float)

    def at(self, target: Target, image: Image) -> Image:
        """Return an image of HR sharpness at that of a target: softer or sharper by the ratio of the curves."""
        between, frequency = self.setup.degradation(), radial_frequency(image.shape, 1.0)
        assert between.mtf_hr is not None
        hr = np.interp(frequency, between.frequency_lp_mm * self.setup.pitch_mm, between.mtf_hr)
        ratio = target.mtf_at(frequency) / np.maximum(hr, 0.02)
        return np.asarray(np.fft.irfft2(np.fft.rfft2(image) * ratio, s=image.shape))

    def truth(self, target: Target) -> Image:
        """Return HR in LR grey, at the sharpness of a target."""
        return self.at(target, np.asarray(self.setup.degradation().linked(np.asarray(self.pair.hr)), float))


def boards(count: int, px: int) -> None:
    """Print what it costs not to be told the paper's detectors, at the sharpness that is then aimed at."""
    restorer = xsim_zoo.load("physics-sde", device="cpu")
    lost = []
    print(f"physics-sde, {count} boards of the paper's detectors, {px} px, LR grey: told them, told nothing\n")
    print("seed   before    told   blind    loss   what was assumed")
    for seed in range(10_000, 10_000 + count):
        board = PaperBoard.of(seed, px)
        pitch_mm = board.setup.pitch_mm
        told = board.told(restorer)
        try:
            blind = restorer.restore(board.y, detectors="image", pitch_mm=pitch_mm)
        except InputError as error:
            print(f"{seed}  refused: {error}", flush=True)
            continue
        known, target = blind.detectors.known, blind.detectors.target
        assert known is not None
        assert target is not None
        truth = board.truth(target)
        scores = [psnr_dB(image, truth) for image in (board.y, board.at(target, told), blind.image)]
        lost.append(scores[1] - scores[2])
        agreed = "own tables" if target.name == "the HR detector" else ""
        print(
            f"{seed}  {scores[0]:6.2f}  {scores[1]:6.2f}  {scores[2]:6.2f}  {lost[-1]:+6.2f}   f50 "
            f"{known.f50 / pitch_mm:.2f} lp/mm, noise {100 * known.noise_rms:.2f} % {agreed}",
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
    parser.add_argument("--weights", help="its weights, where they are not those that ship")
    words = parser.parse_args()
    if "foreign" in words.sets:
        restorer = xsim_zoo.load(words.restorer, words.weights, device="cpu")
        foreign(list(made.HELD_OUT)[: words.count], words.px, restorer)
    if "boards" in words.sets:
        boards(words.count, words.px)
    return 0


if __name__ == "__main__":
    sys.exit(main())
