"""Detector sheets measured on simulated shots, beside the closed forms of the detectors that made them.

    OMP_NUM_THREADS=1 python benchmarks/detector_sheets.py [--pitches 0.025 0.05 0.1 0.2] [--screens 33.91 134.55]

One row a detector: SRb (which wire pair is the first not resolved: told in elements of the gauge between measured and
true), iSRb and dSNRn at 1 mGy, contrast sensitivity of an aluminium wedge, all by the code of ``xsim measure e2597`` on
images that the whole imaging chain made (projection, blur, coloured noise, sampling), beside ``xsim detector --sheet``.
Ends with exit code 1 where a detector misses: SRb by more than one element, iSRb by 5 %, SNRn by 3 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xsim.detector.detector import Detector, Screen, Sensor
from xsim.detector.response import DetectorResponse
from xsim.imaging.pair import simulate_pair
from xsim.imaging.setup import PairSetup
from xsim.measure.resolution import WIRE_DIAMETERS_MM, duplex_wire
from xsim.measure.sheet import Sheet, dose_snr, efficiency, read_wedge, sheet_of_model
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.targets import target
from xsim.recipes import paper

GAUGE_MM, FINE_MM = (30.0, 20.0), 0.0125
"""Window on the duplex wire gauge, whose fifteen pairs take 24 mm, and its grid: under half of the thinnest wire."""
WEDGE_MM = tuple(round(0.6 * (step + 1), 1) for step in range(10))
DOSES_UGY = (300.0, 800.0, 2000.0)
FRAMES = 3
FLAT_PX = 300
ISRB_LIMIT, SNRN_LIMIT = 0.05, 0.03


@dataclass(frozen=True)
class Compared:
    """A detector's measured sheet and its model's."""

    name: str
    measured: Sheet
    model: Sheet

    @property
    def elements(self) -> int:
        """Return how many elements of the gauge lie between the measured and the true SRb."""
        found, true = (
            WIRE_DIAMETERS_MM.index(sheet.srb_mm) if sheet.srb_mm else len(WIRE_DIAMETERS_MM)
            for sheet in (self.measured, self.model)
        )
        return abs(found - true)

    def error(self, figure: str) -> float:
        """Return the relative error of a figure; NaN where one of both has none."""
        found, true = self.measured.figures().get(figure), self.model.figures().get(figure)
        return float("nan") if found is None or true is None else found / true - 1.0

    @property
    def holds(self) -> bool:
        """Whether SRb, iSRb and SNRn lie within what is asked; an iSRb that the gauge cannot give is none."""
        isrb = self.error("isrb_mm")
        resolution = self.elements <= 1 and (np.isnan(isrb) or abs(isrb) <= ISRB_LIMIT)
        return resolution and abs(self.error("dsnr_1mGy")) <= SNRN_LIMIT


def setup_of(pitch_mm: float, screens: tuple[float, float], kerma_uGy: float = 500.0) -> PairSetup:
    """Return two detectors of one pitch in one beam, whose wells hold the brightest dose."""
    sensor = Sensor(pitch_mm=pitch_mm, full_well_e=5e10 * pitch_mm**2, adc_bits=24, flat_frames=0, gain_sd=0.0)
    hr, lr = (Detector(Screen(mass), sensor) for mass in screens)
    return replace(paper(), hr=hr, lr=lr, kerma_uGy=kerma_uGy, hr_frames=1, lr_frames=1)


def compare(pitch_mm: float, screens: tuple[float, float]) -> list[Compared]:
    """Measure both detectors of a pitch on simulated shots."""
    setup = setup_of(pitch_mm, screens)
    height, width = (round(side / FINE_MM) for side in GAUGE_MM[::-1])
    averaged = replace(setup, hr_frames=20, lr_frames=20)
    gauge = simulate_pair(target("duplex-wire", (height, width), FINE_MM), averaged, 1)
    # Steps of 8 mm: wider than the tails of any screen.
    cell = pitch_mm / 2
    wide = (round(24 / cell), round(96 / cell))
    wedge = _images(target("wedge", wide, cell, material="Al", thickness_mm=WEDGE_MM[-1]), setup, 2)
    air = target("flat", (2 * FLAT_PX, 2 * FLAT_PX), cell, thickness_mm=1e-6)
    flats = {dose: _images(air, replace(setup, kerma_uGy=dose), FRAMES) for dose in DOSES_UGY}
    rows = []
    for index, response in enumerate((setup.hr_response, setup.lr_response)):
        wires = duplex_wire((gauge.hr, gauge.lr)[index], pitch_mm)
        doses = tuple(dose_snr(frames[index], dose) for dose, frames in flats.items())
        sheet = Sheet(
            pitch_mm, (wires,), doses=doses,
            efficiency=efficiency(doses, None if np.isnan(wires.isrb_mm) else wires.isrb_mm),
            wedge=read_wedge(wedge[index], WEDGE_MM),
        )  # fmt: skip
        rows.append(Compared(f"{screens[index]:g} mg/cm2, {pitch_mm:g} mm", sheet, _model(response)))
    return rows


def _model(response: DetectorResponse) -> Sheet:
    return sheet_of_model(response, wedge=("Al", WEDGE_MM))


def _images(phantom: Phantom, setup: PairSetup, frames: int) -> tuple[list[NDArray[np.float32]], ...]:
    """Return frames of both detectors of one object."""
    pairs = [simulate_pair(phantom, setup, 1, sample=frame) for frame in range(frames)]
    return [pair.hr for pair in pairs], [pair.lr for pair in pairs]


def table(rows: Sequence[Compared]) -> list[str]:
    """Return the table of measured and true figures."""
    titles = ("iSRb [mm]", "dSNR at 1 mGy", "dSNRn at 1 mGy", "CSa [%]")
    lines = [
        "  ".join([f"{'detector':<24}", f"{'SRb [mm]':>13}", "el.", *(f"{title:>14} {'':>7}" for title in titles)])
    ]
    for row in rows:
        cells = [f"{row.name:<24}", f"{row.measured.srb_mm or 0:>6g}/{row.model.srb_mm or 0:<6g}", f"{row.elements:>3}"]
        for name, form in (("isrb_mm", ".4f"), ("dsnr_1mGy", ".0f"), ("dsnrn_1mGy", ".0f"), ("csa_percent", ".3f")):
            both = [sheet.figures().get(name) for sheet in (row.measured, row.model)]
            shown = "/".join("-" if value is None else format(value, form) for value in both)
            cells.append(f"{shown:>14} {100 * row.error(name):>+6.1f}%")
        lines.append("  ".join([*cells, "" if row.holds else "MISSED"]))
    return lines


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pitches", type=float, nargs="+", default=[0.025, 0.05, 0.1, 0.2], help="[mm]")
    parser.add_argument("--screens", type=float, nargs=2, default=[33.91, 134.55], help="[mg/cm2]")
    given = parser.parse_args()
    rows = []
    for pitch in given.pitches:
        rows += compare(pitch, (given.screens[0], given.screens[1]))
        print("\n".join(table(rows)[-2:]), flush=True)
    print("\nmeasured/true\n" + "\n".join(table(rows)))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
