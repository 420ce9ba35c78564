"""Write the Gerber and Excellon files of a little two-layer board, for the tutorial on real boards.

Run: python examples/gerbers.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

WIDTH, HEIGHT = 30.0, 22.0  # mm
PITCH, BALLS = 0.8, 8  # of the ball grid
GRID = (6.0, 9.0)  # centre of its first land [mm]
CHIPS = [(20.0, 5.0 + 2.2 * row) for row in range(5)]  # centres of 0603 chips [mm]

HEAD = "%FSLAX46Y46*%\n%MOMM*%\n"
# Apertures: track, ball land, via land, chip land, via's clearance in the ground plane.
APERTURES = "%ADD10C,0.15*%\n%ADD11C,0.40*%\n%ADD12C,0.60*%\n%ADD13R,0.80X0.90*%\n%ADD14C,1.00*%\n"


def at(x: float, y: float, code: str) -> str:
    """Return one move (D02), line (D01) or flash (D03); coordinates in mm."""
    return f"X{round(1e6 * x)}Y{round(1e6 * y)}{code}*\n"


def layer(*parts: str) -> str:
    """Return a whole file."""
    return HEAD + APERTURES + "G01*\n" + "".join(parts) + "M02*\n"


def flashes(aperture: int, places: list[tuple[float, float]]) -> str:
    return f"D{aperture}*\n" + "".join(at(x, y, "D03") for x, y in places)


def tracks(lines: list[list[tuple[float, float]]]) -> str:
    return "D10*\n" + "".join(at(*line[0], "D02") + "".join(at(*end, "D01") for end in line[1:]) for line in lines)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]


def region(corners: list[tuple[float, float]]) -> str:
    return "G36*\n" + at(*corners[0], "D02") + "".join(at(*corner, "D01") for corner in corners[1:]) + "G37*\n"


def board() -> dict[str, str]:
    """Return the files by name."""
    steps = range(BALLS)
    balls = [(GRID[0] + PITCH * i, GRID[1] + PITCH * j) for j in steps for i in steps]
    # A dog-bone from every inner land to a via between four lands.
    vias = [(x + PITCH / 2, y + PITCH / 2) for x, y in balls if x < GRID[0] + 6.5 * PITCH and y < GRID[1] + 6.5 * PITCH]
    bones = [[(x - PITCH / 2, y - PITCH / 2), (x, y)] for x, y in vias]
    lands = [(x + side, y) for x, y in CHIPS for side in (-0.75, 0.75)]
    last = GRID[0] + PITCH * (BALLS - 1)
    fans = [
        [(last, GRID[1] + PITCH * k), (last + 3.0 - 0.3 * k, GRID[1] + PITCH * k), (CHIPS[k][0] - 3.0, CHIPS[k][1]),
         (CHIPS[k][0] - 0.75, CHIPS[k][1])]
        for k in range(len(CHIPS))
    ]  # fmt: skip
    rails = [[(CHIPS[0][0] + 0.75, CHIPS[0][1]), (24.0, 5.0), (24.0, 17.0), (5.0, 17.0), (5.0, 4.0)]]
    posts = [(2.5, 2.5), (27.5, 2.5), (2.5, 19.5), (27.5, 19.5)]
    drill = "M48\nMETRIC,TZ\nT1C0.25\nT2C2.2\n%\nG90\nT1\n" + "".join(f"X{x:.3f}Y{y:.3f}\n" for x, y in vias)
    return {
        "blinky.gtl": layer(
            flashes(11, balls), flashes(12, vias), flashes(13, lands), tracks(bones), tracks(fans), tracks(rails)
        ),
        "blinky.gbl": layer(
            region(rectangle(0.5, 0.5, WIDTH - 0.5, HEIGHT - 0.5)), "%LPC*%\n", flashes(14, vias), "%LPD*%\n",
            flashes(12, vias),
        ),
        "blinky.gts": layer(flashes(11, balls), flashes(13, lands)),
        "blinky.gbs": layer(),
        "blinky.gtp": layer(flashes(11, balls), flashes(13, lands)),
        "blinky.gko": layer(tracks([rectangle(0.0, 0.0, WIDTH, HEIGHT)])),
        "blinky.drl": drill + "T2\n" + "".join(f"X{x:.3f}Y{y:.3f}\n" for x, y in posts) + "M30\n",
    }  # fmt: skip


def main(folder: Path) -> None:
    """Write the board into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in board().items():
        (folder / name).write_text(text, encoding="utf-8")
    print(f"{folder}: {len(board())} files of a board of {WIDTH:g} x {HEIGHT:g} mm")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "blinky"))
