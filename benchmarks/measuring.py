"""Speed of measuring: MTF from an edge, NNPS from flats, and a whole calibration, each beside a floor.

    OMP_NUM_THREADS=1 python benchmarks/measuring.py [--size 1024] [--flats 16]

CPU time, least of the repeats. The floors are the one thing that each measurement cannot do without: sorting every
pixel into its place across the edge (``bincount``), the Fourier transforms of all half-overlapping regions, and for
the calibration the measurements it consists of. Accuracy stands beside speed: the largest error of the MTF up to
Nyquist, and the mean ratio of the NNPS, against the detector that made the images.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

from xsim.imaging.pair import simulate_pair
from xsim.measure.calibration import calibrate, measure_detector
from xsim.measure.edge import edge_mtf
from xsim.measure.noise import nnps
from xsim.phantoms.targets import target
from xsim.recipes import paper

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xsim.imaging.setup import PairSetup
    from xsim.measure.calibration import MeasuredDetector

REGION_PX = 256
ANGLES_DEG = (2.5, 4.0)


@dataclass(frozen=True)
class Timing:
    """A measurement's CPU time [ms], that of its floor, and how accurate it was."""

    what: str
    ms: float
    floor: str
    floor_ms: float
    accuracy: str


@dataclass(frozen=True)
class Shots:
    """Edges and flats of both detectors as the imaging chain makes them.

    Parameters
    ----------
    size : int
        Side of the images [px].
    flats : int
        Number of flats.
    """

    size: int
    flats: int

    @cached_property
    def setup(self) -> PairSetup:
        """Return the paper's set-up."""
        return paper()

    @cached_property
    def edges(self) -> dict[str, list[NDArray[np.float32]]]:
        """Return an edge of copper at each angle, seen by both detectors."""
        return self._seen([("edge", angle) for angle in ANGLES_DEG])

    @cached_property
    def open_fields(self) -> dict[str, list[NDArray[np.float32]]]:
        """Return flats of a thin even sheet, seen by both detectors."""
        return self._seen([("flat", 0.0)] * self.flats)

    def _seen(self, targets: list[tuple[str, float]]) -> dict[str, list[NDArray[np.float32]]]:
        seen: dict[str, list[NDArray[np.float32]]] = {"hr": [], "lr": []}
        for number, (name, angle) in enumerate(targets):
            shape, pixel_mm = (2 * self.size, 2 * self.size), self.setup.pitch_mm / 2
            thickness_mm = 0.3 if name == "edge" else 1e-3
            phantom = target(name, shape, pixel_mm, angle_deg=angle, material="Cu", thickness_mm=thickness_mm)
            pair = simulate_pair(phantom, self.setup, 1, sample=number)
            seen["hr"].append(pair.hr)
            seen["lr"].append(pair.lr)
        return seen

    def measured(self, side: str) -> MeasuredDetector:
        """Measure one of the detectors from its edges and flats."""
        edges = [edge_mtf(image, self.setup.pitch_mm) for image in self.edges[side]]
        detector = self.setup.hr if side == "hr" else self.setup.lr
        flats = self.open_fields[side]
        return measure_detector(
            edges, flats, kerma_uGy=self.setup.kerma_uGy, screen=detector.screen, sensor=detector.sensor
        )


def cpu_ms(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least CPU time of one call [ms]."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def of_edge(shots: Shots) -> Timing:
    """Time the MTF of one edge."""
    image, pitch_mm = shots.edges["lr"][0], shots.setup.pitch_mm
    place = np.random.default_rng(0).integers(0, 4 * image.shape[0], image.size)
    values = image.ravel()
    found = edge_mtf(image, pitch_mm)
    truth = shots.setup.lr_response.mtf(found.frequency_lp_mm)
    return Timing(
        f"MTF of an edge, {image.shape[0]} x {image.shape[1]}",
        cpu_ms(lambda: edge_mtf(image, pitch_mm)),
        "bincount of its pixels",
        cpu_ms(lambda: np.bincount(place, values)),
        f"error {np.max(np.abs(found.mtf - truth)):.3f} at most",
    )


def of_flats(shots: Shots) -> Timing:
    """Time the NNPS of all flats."""
    flats, pitch_mm = shots.open_fields["lr"], shots.setup.pitch_mm
    found = nnps(flats, pitch_mm)
    response = shots.setup.lr_response
    rings = (found.frequency_lp_mm > 1.0) & (found.frequency_lp_mm < 8.0)
    # One frame holds the noise of its gain map besides its own.
    own, fixed = response.frames_factors(1)
    ratio = np.mean(found.nnps_mm2[rings] / (own * response.nnps(found.frequency_lp_mm[rings]) + fixed))
    regions = max(1, (shots.size - REGION_PX) // (REGION_PX // 2) + 1) ** 2 * len(flats)
    region = np.random.default_rng(0).random((REGION_PX, REGION_PX))
    return Timing(
        f"NNPS of {len(flats)} flats, {shots.size} x {shots.size}",
        cpu_ms(lambda: nnps(flats, pitch_mm), 1),
        f"rfft2 of its {regions} regions",
        regions * cpu_ms(lambda: scipy.fft.rfft2(region), 20),
        f"{100 * (ratio - 1):+.1f} % in the mean",
    )


def of_calibration(shots: Shots) -> Timing:
    """Time a calibration from edges and flats to a degradation."""
    shots.edges, shots.open_fields  # noqa: B018  (made before the clock starts)

    def whole() -> object:
        return calibrate(shots.measured("hr"), shots.measured("lr"), shots.setup.spectrum)

    parts = cpu_ms(lambda: (shots.measured("hr"), shots.measured("lr")), 1)
    return Timing(
        f"calibration of both detectors: {len(ANGLES_DEG)} edges, {shots.flats} flats each",
        cpu_ms(whole, 1),
        "its edges and flats measured",
        parts,
        "",
    )


def timings(size: int, flats: int) -> list[Timing]:
    """Return all timings."""
    shots = Shots(size, flats)
    return [of_edge(shots), of_flats(shots), of_calibration(shots)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="side of the images [pixels]")
    parser.add_argument("--flats", type=int, default=16)
    options = parser.parse_args()
    for one in timings(options.size, options.flats):
        print(f"{one.what:52} {one.ms:8.0f} ms   {one.floor:32} {one.floor_ms:8.1f} ms   {one.accuracy}")


if __name__ == "__main__":
    main()
