"""Draw the contact sheet of the documentation: 24 random views and, where its files are given, 6 windows of LimeSDR.

Run: python examples/boards.py [-o docs/images/boards.png] [--limesdr FOLDER]
LimeSDR-QPCIe is by Lime Microsystems, CC-BY 3.0.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from xsim.phantoms import Phantom, random_board
from xsim.phantoms.gerber import GerberBoard
from xsim.phantoms.phantom import attenuation

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS, SHRINK, GAP = 6, 4, 4
SEEDS = tuple(range(100, 124))
# Upper left corners of windows of 20.5 mm [mm]: the FPGA twice, memories, radio, connectors, power.
WINDOWS = ((100.0, 32.0), (115.0, 45.0), (98.0, 17.0), (160.0, 40.0), (30.0, 20.0), (60.0, 80.0))


def thumbnail(phantom: Phantom) -> NDArray[np.uint8]:
    """Return what a detector without noise shows: transmission at 40 keV and a veil of 3 %, on a logarithmic scale."""
    height, width = (side // SHRINK * SHRINK for side in phantom.shape)
    transmission = np.exp(-attenuation(phantom)[:height, :width])
    small = transmission.reshape(height // SHRINK, SHRINK, width // SHRINK, SHRINK).mean(axis=(1, 3))
    dark = -np.log((small + 0.03) / 1.03)
    return np.round(255.0 * (1.0 - np.clip(dark / 3.5, 0.0, 1.0))).astype(np.uint8)


def sheet(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return pictures of one size in rows of six."""
    height, width = pictures[0].shape
    rows = -(-len(pictures) // COLUMNS)
    canvas = np.full((rows * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP), 255, np.uint8)
    for k, picture in enumerate(pictures):
        y, x = (k // COLUMNS) * (height + GAP), (k % COLUMNS) * (width + GAP)
        canvas[y : y + height, x : x + width] = picture
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/images/boards.png"))
    parser.add_argument("--limesdr", type=Path, help="folder of LimeSDR-QPCIe's Gerber files")
    arguments = parser.parse_args()
    pictures = [thumbnail(random_board(seed)) for seed in SEEDS]
    if arguments.limesdr:
        board = GerberBoard.load(arguments.limesdr)
        pictures += [thumbnail(board.window(x, y)) for x, y in WINDOWS]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet(pictures)).save(arguments.out, optimize=True)
    print(f"wrote {arguments.out}: {len(pictures)} views")


if __name__ == "__main__":
    main()
