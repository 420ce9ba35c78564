"""Whom the check accuses: good images of many detectors, the same with a feature planted or removed, and misread ones.

    OMP_NUM_THREADS=1 python benchmarks/verdicts.py    # 40 images of 8 detectors, 15 minutes of a core
    OMP_NUM_THREADS=1 python benchmarks/verdicts.py --detectors 2 --boards 2

Detectors and beams are drawn from the recipe `universal` by a seed of their own, boards by seeds that no training has.
A feature counts where an ideal observer, who knows where to look, sees it in the measurement at a signal to noise ratio
of 45: the check looks everywhere, and grants the link its tolerance. Misread images are the good ones as files, told
wrongly or written badly; they should be called anything but consistent.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parents[1]))
import xsim_zoo
from tests.zoo.check.test_consistency import visibility
from xsim.errors import InputError
from xsim.imaging.pair import simulate_pair
from xsim.phantoms import random_board
from xsim_datasets.images import read_image
from xsim_datasets.real.corrections import Corrections, corrected
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import load_recipe
from xsim_zoo.check.consistency import border_px, check
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.run.restore import restore

Pixels = NDArray[np.float32]

SIDE_PX = 320
OPEN_FIELD = 50_000
SETUP_SEED = 77
BOARD_SEED = 960_000
VISIBLE = 45.0


def disc(y0: int, x0: int, radius: int) -> NDArray[np.bool_]:
    """Return a disc."""
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    return np.asarray((rows - y0) ** 2 + (columns - x0) ** 2 <= radius**2)


def planted(x: Pixels, rng: np.random.Generator, border: int) -> Pixels:
    """Return the image with a disc that is not there."""
    y0, x0 = rng.integers(border + 16, SIDE_PX - border - 16, 2)
    changed = x.copy()
    changed[disc(y0, x0, int(rng.integers(4, 12)))] *= rng.choice([0.7, 1.4])
    return changed


def removed(x: Pixels, rng: np.random.Generator, border: int) -> Pixels:
    """Return the image without its strongest detail, which the grey around it replaces."""
    detail = gaussian_filter(np.abs(x - gaussian_filter(x, 6)), 3)
    inner = np.s_[border + 16 : -border - 16, border + 16 : -border - 16]
    y0, x0 = np.add(np.unravel_index(np.argmax(detail[inner]), detail[inner].shape), border + 16)
    radius = int(rng.integers(6, 14))
    changed = x.copy()
    changed[disc(y0, x0, radius)] = np.median(x[disc(y0, x0, radius + 6) & ~disc(y0, x0, radius)])
    return changed


def visible(x: Pixels, y: Pixels, how: Callable[..., Pixels], restorer: Restorer, seed: int) -> Pixels:
    """Return the image with a feature that can be seen: of several draws the first that can."""
    for draw in range(12):
        changed = how(x, np.random.default_rng([seed, draw]), border_px(restorer))
        if visibility(x, changed, y, restorer) >= VISIBLE:  # type: ignore[no-untyped-call]
            return changed
    raise SystemExit("no feature that the MTF lets through was drawn: take other seeds")


def misread(y: Pixels, pitch_mm: float, folder: Path, restorer: Restorer) -> dict[str, str]:
    """Return the verdicts of an image that is told or written wrongly."""
    grey = np.rint(y * OPEN_FIELD).clip(0, 65535).astype(np.uint16)
    hot = grey.copy()
    hot[np.random.default_rng(1).random(grey.shape) < 1e-3] = 65535

    def verdict(pixels: NDArray[Any], name: str = "a.tif", *, find: bool = True, **told: Any) -> str:
        path = folder / name
        if path.suffix == ".jpg":
            Image.fromarray((pixels >> 8).astype(np.uint8)).save(path, quality=90)
        else:
            tifffile.imwrite(path, pixels, resolution=(10 / pitch_mm,) * 2, resolutionunit="CENTIMETER")
        try:
            # As the program reads it: bad pixels are repaired, unless --bad-pixels none.
            image = corrected(read_image(path, pages=True), Corrections(find=find))
            done = restore(restorer, image, **({"detectors": "weights"} | told))
        except InputError as error:
            return f"refused: {error}"
        repaired = image.bad_pixels.to_dict()["count"] if find else 0
        return f"{done.scale.polarity}, {repaired} bad pixels repaired, {done.consistency.verdict}"

    return {
        "as it is": verdict(grey, open_field=OPEN_FIELD),
        "inverted, and nothing said": verdict(65535 - grey),
        "inverted, air taken for 65535": verdict(65535 - grey, open_field=65535),
        "inverted, and said to be metal-dark": verdict(65535 - grey, open_field=65535, polarity="metal-dark"),
        "open field a hundred times what it is": verdict(grey, open_field=100 * OPEN_FIELD),
        "open field half of what it is": verdict(grey, open_field=OPEN_FIELD / 2),
        "hot pixels": verdict(hot, open_field=OPEN_FIELD),
        "hot pixels, left as they are": verdict(hot, find=False, open_field=OPEN_FIELD),
        "lossy": verdict(grey, "a.jpg", open_field=OPEN_FIELD >> 8),
    }


def main() -> None:
    """Read the command line, and print a line for each detector."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", type=int, default=8)
    parser.add_argument("--boards", type=int, default=5, help="boards of each detector")
    parser.add_argument("--restorer", default="wiener")
    arguments = parser.parse_args()
    recipe = load_recipe("universal")
    base = xsim_zoo.load(arguments.restorer, "universal" if arguments.restorer == "physics-sde" else None, device="cpu")
    accused, found, wrong = 0, {"planted": 0, "removed": 0}, {}
    print(f"{arguments.restorer}, {arguments.detectors} detectors, {arguments.boards} boards of {SIDE_PX} px each\n")
    for number in range(arguments.detectors):
        setup = setup_of(recipe.imaging.drawn(SETUP_SEED, number))
        between = setup.degradation()
        restorer = base.with_physics(base.physics.between(between))
        object_mm = setup.pitch_mm / setup.geometry.magnification
        here = [0, 0, 0]
        for board in range(arguments.boards):
            seed = BOARD_SEED + 100 * number + board
            phantom = random_board(seed, (2 * SIDE_PX + 64,) * 2, object_mm / 2)
            y = np.ascontiguousarray(simulate_pair(phantom, setup, seed=seed).lr[:SIDE_PX, :SIDE_PX])
            x = restorer.restore_array(y)
            here[0] += not check(y, x, restorer).consistent
            for place, how in enumerate((planted, removed), 1):
                here[place] += not check(y, visible(x, y, how, restorer, seed), restorer).consistent
        accused += here[0]
        found["planted"] += here[1]
        found["removed"] += here[2]
        print(
            f"pitch {setup.pitch_mm * 1e3:3.0f} um, border {border_px(restorer):2d} px: {here[0]} of "
            f"{arguments.boards} good ones accused, planted {here[1]}, removed {here[2]} found",
            flush=True,
        )
        if number == 0:
            with tempfile.TemporaryDirectory() as folder:
                wrong = misread(y, setup.pitch_mm, Path(folder), restorer)
    count = arguments.detectors * arguments.boards
    print(f"\nof {count}: {accused} good ones accused; planted {found['planted']}, removed {found['removed']} found\n")
    for what, verdict in wrong.items():
        print(f"{what}: {verdict}")


if __name__ == "__main__":
    main()
