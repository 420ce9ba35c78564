"""Void shares of labelled solder balls: bias, coverage of the intervals, balls found and missed, false ones.

Run: python benchmarks/voids.py -o FOLDER [--balls 200] [--restorer physics-sde] [--gerber FOLDER] [--windows N]
Random boards of all pitches and rule classes, and windows of a real board where its Gerber files are given, are imaged
magnified, as balls are inspected, through the paper's thick screen (LR), and restored. Every ball of a grid that stands
whole in the image, and is not hidden behind a part, counts. Bias and errors in percent of the ball's area.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import xsim
from xsim import recipes
from xsim.degradation.known import KnownDetector
from xsim.files.whole import write_whole
from xsim.imaging.geometry import Geometry
from xsim.inspect import Optics, inspect_voids
from xsim.phantoms import Phantom
from xsim.phantoms.assembly import assemble
from xsim.phantoms.board import BoardRecipe, draw_layout, draw_view
from xsim.phantoms.defects import DefectLog, check_rates
from xsim.phantoms.parts.grid_arrays import Bga
from xsim.phantoms.view import View
from xsim.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.imaging.setup import PairSetup
    from xsim.inspect import VoidReport

FIRST_SEED: Final = 43_000
"""Boards of seeds 3000 to 3039, 41000 to 41028 and 52000 to 52027 were looked at while the count was mended."""
FINE_MM, MAGNIFICATIONS = 0.6, (6.0, 3.0)
"""Grids of a finer pitch [mm] are magnified more: a ball is then 25 to 48 pixels across."""
SPOT_MM: Final = 0.01
SIDE: Final = 576
RATES: Final = {"ball-void": 0.5}
"""Half of all balls have voids, twice as many as boards usually have; all other defects as usual."""


def magnification_of(pitch_mm: float) -> float:
    """Return how many times a grid is magnified."""
    return MAGNIFICATIONS[pitch_mm >= FINE_MM]


def pixel_mm(magnification: float) -> float:
    """Return the pixel of the phantoms [mm]: half of the detector's, seen on the object."""
    return 0.024 / magnification


def setup(magnification: float) -> PairSetup:
    """Return the paper's detectors behind a board that is magnified by a tube with a focal spot of 10 um."""
    distance = 600.0
    geometry = Geometry(source_detector_mm=distance, source_object_mm=distance / magnification, focal_spot_mm=SPOT_MM)
    return replace(recipes.paper(), geometry=geometry)


def with_spot(known: KnownDetector, chosen: PairSetup) -> KnownDetector:
    """Return a detector with the penumbra of the tube's focal spot in its MTF, as measured in this geometry."""
    width_px = chosen.geometry.focal_spot_mm * (chosen.geometry.magnification - 1.0) / chosen.pitch_mm
    # A Gaussian of this full width at half maximum.
    spot = np.exp(-0.25 * (math.pi * width_px * known.frequency) ** 2 / math.log(2.0))
    return replace(known, mtf=known.mtf * spot)


def board_window(seed: int) -> tuple[Phantom, float] | None:
    """Return a window of a random board around one of its balls, and its pitch [mm]; None where it has no grid."""
    recipe = BoardRecipe(tilt_share=0.0, anchors=(1, 3), defect_rates=RATES)
    whole = draw_view(seed, (900, 900), 0.024, recipe)
    layout = draw_layout(seed, whole, recipe)
    arrays = [item for item in layout.placed if isinstance(item.part, Bga)]
    if not arrays:
        return None
    random = generator(seed, stage="voids-window")
    log = DefectLog(check_rates(RATES), generator(seed, stage="defects"))
    scene = assemble(layout, generator(seed, stage="assembly"), log, weave_share=recipe.weave_share)
    item = arrays[int(random.integers(len(arrays)))]
    assert isinstance(item.part, Bga)
    site = item.part.sites[int(random.integers(len(item.part.sites)))]
    magnification = magnification_of(item.part.pitch)
    size = pixel_mm(magnification)
    x, y, _ = item.frame.point(*item.part.place(*site))
    view = View((SIDE, SIDE), size, (x, y), rotation_deg=whole.rotation_deg, source_mm=600.0 / magnification)
    materials, maps, heights = scene.render(view)
    name = f"{layout.rule.name}, {layout.stackup.layers} layers, pitch {item.part.pitch} mm"
    phantom = Phantom(materials, maps, size, f"voids-{seed}", name, seed, log.defects(view), heights, log.balls(view))
    return phantom, item.part.pitch


def gerber_windows(folder: Path) -> Iterator[tuple[Phantom, float]]:
    """Yield windows of a real board around corners of its ball grid arrays, and their pitch [mm]."""
    from xsim.phantoms.gerber import GerberBoard

    board = GerberBoard.load(folder)
    for number, (found, _) in enumerate((f, b) for f, b in board.parts if isinstance(f.part, Bga)):
        assert isinstance(found.part, Bga)
        width, height = found.part.size_mm
        pitch = found.part.pitch
        pixel = pixel_mm(magnification_of(pitch))
        size = SIDE * pixel
        for across, down in ((-0.3, -0.3), (0.3, 0.3)):
            x, y = found.x + across * width - 0.5 * size, found.y + down * height - 0.5 * size
            seed = FIRST_SEED + number
            yield board.window(x, y, shape=(SIDE, SIDE), pixel_mm=pixel, seed=seed, defect_rates=RATES), pitch


@dataclass(frozen=True)
class Row:
    """One labelled ball and what was said of it."""

    source: str
    image: str
    family: str
    true_share: float
    voids: int
    found: bool
    verdict: str = ""
    reason: str = ""
    share: float = math.nan
    low: float = math.nan
    high: float = math.nan
    smallest: float = math.nan


MOST_PLAIN: Final = 4
HIDDEN: Final = 0.04
"""Grey around a ball below which a part hides it: it then counts neither as found nor as missed."""


def is_hidden(grey: NDArray[np.floating], x: float, y: float, radius: float) -> bool:
    """Say whether a part as dark as a ball lies before one, by the sharp image (H, W)."""
    rows, columns = np.ogrid[: grey.shape[0], : grey.shape[1]]
    distance = np.hypot(rows - y, columns - x)
    ring = (distance > 1.1 * radius) & (distance < 1.4 * radius)
    # A tenth of the ring in the dark: a part's edge goes through the ball.
    return bool(np.quantile(grey[ring], 0.1) < HIDDEN)


def compare(
    phantom: Phantom, report: VoidReport, image: str, source: str, hr: NDArray[np.floating]
) -> tuple[list[Row], int]:
    """Return a row for each whole ball of a phantom, and how many balls were found that are none."""
    side = hr.shape[0]
    scale = side / phantom.shape[0]
    rows, truth = [], []
    for ball in phantom.balls:
        x, y = ball.x_px * scale - 0.5, ball.y_px * scale - 0.5
        radius = 0.5 * ball.diameter_mm / phantom.pixel_mm * scale
        truth.append((x, y, radius))
        if min(x, y, side - 1 - x, side - 1 - y) < radius or ball.kind != "ball":
            continue
        if is_hidden(hr, x, y, radius):
            continue
        near = [one for one in report.balls if math.hypot(one.x_px - x, one.y_px - y) < 0.6 * radius]
        if not near:
            rows.append(Row(source, image, phantom.family, ball.void_share, ball.voids, found=False))
            continue
        one = near[0]
        rows.append(
            Row(source, image, phantom.family, ball.void_share, ball.voids, True, one.verdict, one.reason,
                *(math.nan if value is None else value for value in (one.void_share, one.low, one.high, one.unseen)))
        )  # fmt: skip
    # A ball whose middle lies just outside the window is no false one.
    inside = [one for one in report.balls if 0.0 < one.x_px < side - 1 and 0.0 < one.y_px < side - 1]
    false = sum(
        all(math.hypot(one.x_px - x, one.y_px - y) > 0.6 * radius for x, y, radius in truth)
        for one in inside
        if min(one.x_px, one.y_px, side - 1 - one.x_px, side - 1 - one.y_px) > 0.5 * one.diameter_px
    )
    return rows, false


def summary(rows: list[Row], false: int) -> dict[str, float]:
    """Return the figures of a set of balls."""
    found = [row for row in rows if row.found]
    judged = [row for row in found if row.verdict != "not judged"]
    error = np.array([100.0 * (row.share - row.true_share) for row in judged])
    held = np.array([row.low <= row.true_share <= row.high for row in judged], dtype=bool)
    # Four voids of some size is the most that balls have: more are froth.
    plain = np.array([row.voids <= MOST_PLAIN for row in judged], dtype=bool)
    holed = np.array([row.voids > 0 for row in judged], dtype=bool)
    width = np.array([100.0 * (row.high - row.low) for row in judged])
    wrong = [
        row for row in judged if (row.verdict == "pass") != (row.true_share <= 0.25) and row.verdict != "undecided"
    ]

    def mean(values: NDArray[np.floating] | NDArray[np.bool_]) -> float:
        return float(values.mean()) if len(values) else math.nan

    return {
        "balls": len(rows),
        "found_percent": 100.0 * len(found) / max(len(rows), 1),
        "false_percent": 100.0 * false / max(len(rows), 1),
        "judged": len(judged),
        "not_judged_percent": 100.0 * (len(found) - len(judged)) / max(len(found), 1),
        "bias": mean(error),
        "bias_standard_error": float(error.std() / math.sqrt(len(error))) if len(error) else math.nan,
        "froth": int((~plain).sum()),
        "bias_without_froth": mean(error[plain]),
        "rms_error": float(np.sqrt(mean(error**2))),
        "coverage_percent": 100.0 * mean(held),
        "coverage_with_voids_percent": 100.0 * mean(held[holed]),
        "median_width": float(np.median(width)) if len(width) else math.nan,
        "undecided": sum(row.verdict == "undecided" for row in judged),
        "wrong_verdicts": len(wrong),
    }


def print_table(table: dict[str, dict[str, float]]) -> None:
    """Print the figures, one column a set."""
    names = list(table)
    print(f"{'':30}" + "".join(f"{name:>20}" for name in names))
    for key in next(iter(table.values())):
        print(f"{key:30}" + "".join(f"{table[name][key]:20.2f}" for name in names), flush=True)


def main() -> None:
    """Read the command line, image boards, inspect, compare, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the table")
    parser.add_argument("--balls", type=int, default=200, help="labelled balls of random boards")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--restorer", default="physics-sde", help="restorer; 'none' for LR alone")
    parser.add_argument("--gerber", type=Path, help="folder of Gerber files of a real board")
    parser.add_argument("--windows", type=int, help="windows of it, all if not given")
    arguments = parser.parse_args()
    restorer = None
    if arguments.restorer != "none":
        import xsim_zoo

        restorer = xsim_zoo.load(arguments.restorer, device="cpu")
    rows: list[Row] = []
    false: Counter[tuple[str, str]] = Counter()

    def inspect(phantom: Phantom, pitch: float, source: str, seed: int) -> None:
        chosen = setup(magnification_of(pitch))
        responses = (chosen.lr_response, chosen.hr_response)
        known, hr = (with_spot(KnownDetector.of_response(one), chosen) for one in responses)
        optics = {"LR": Optics.of_image(known), "restored": Optics.of_restored(known, hr.frequency, hr.mtf)}
        pair = xsim.simulate_pair(phantom, chosen, seed=seed)
        lr = pair.lr
        images = {"LR": lr} | ({} if restorer is None else {"restored": restorer.restore_array(lr)})
        for name, image in images.items():
            report = inspect_voids(image, optics[name])
            more, wrong = compare(phantom, report, name, source, pair.hr)
            rows.extend(more)
            false[source, name] += wrong
            print(f"{phantom.name} ({phantom.family}), {name}: {json.dumps(summary(more, wrong))}", flush=True)

    seed, pitches, total = arguments.first_seed, Counter[float](), 0
    while total < arguments.balls:
        window = board_window(seed)
        # Fine grids show many balls at once: no pitch may be much more than a third of those that count. With less only
        # rare pitches are left in the end, and dozens of boards are drawn for one of them.
        if window is not None and pitches[window[1]] < arguments.balls // 3:
            inspect(*window, "random", seed)
            counted = sum(row.source == "random" and row.image == "LR" for row in rows)
            pitches[window[1]] += counted - total
            total = counted
            print(f"{total} of {arguments.balls} balls", flush=True)
        seed += 1
    print(f"random boards: seeds {arguments.first_seed} to {seed - 1}")
    windows = gerber_windows(arguments.gerber) if arguments.gerber else ()
    for number, window in enumerate(islice(windows, arguments.windows)):
        inspect(*window, arguments.gerber.name, FIRST_SEED + number)
    table = {
        f"{source} {image}": summary([r for r in rows if (r.source, r.image) == (source, image)], false[source, image])
        for source, image in dict.fromkeys((row.source, row.image) for row in rows)
    }
    print_table(table)
    reasons = {
        name: Counter(row.reason for row in rows if f"{row.source} {row.image}" == name and row.reason)
        for name in table
    }
    for name, counted in reasons.items():
        print(f"{name}, not judged: " + ("; ".join(f"{n} {why}" for why, n in counted.most_common()) or "none"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    document = {
        "first_seed": arguments.first_seed, "last_seed": seed - 1, "rates": RATES,
        "table": table, "not_judged": reasons, "balls": [asdict(row) for row in rows],
    }  # fmt: skip
    write_whole(arguments.output / "voids.json", json.dumps(document, indent=1).encode())


if __name__ == "__main__":
    main()
