"""The glass weave of laminate: a faint exchange of glass for resin along both yarn directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.phantoms.view import View

__all__ = ["STYLES", "Ply", "Weave", "draw_weave"]

# style -> yarn pitch along warp and fill [mm], ply thickness [mm] (yarns per inch: 7628 44x32, 2116 60x58, 1080 60x47)
STYLES = {
    "7628": (0.58, 0.79, 0.17),
    "2116": (0.42, 0.44, 0.10),
    "1080": (0.42, 0.54, 0.064),
    "106": (0.45, 0.45, 0.04),
}
# FR-4 is 60 % glass by weight: 2.58 and 1.40 g/cm3 make 45 % by volume.
GLASS_SHARE = 0.45
# Share of the laminate that is given as glass and resin apart, so that the weave has something to move.
MOVABLE = 0.15


@dataclass(frozen=True)
class Ply:
    """One layer of cloth: yarn pitches [mm], direction [rad], phases [turns] and height [mm]."""

    pitch_x: float
    pitch_y: float
    angle: float
    phase_x: float
    phase_y: float
    z_mm: float


@dataclass(frozen=True)
class Weave:
    """The cloth of a laminate.

    Attributes
    ----------
    laminate, resin : str
        Materials; the glass is ``E-glass``.
    plies : tuple of Ply
        Its layers.
    strength : float
        Peak exchange of one ply as a share of the laminate's path.
    """

    laminate: str
    resin: str
    plies: tuple[Ply, ...]
    strength: float

    def apply(self, maps: dict[str, NDArray[np.float32]], view: View) -> None:
        """Move paths from the laminate to glass and resin, in place; ``maps`` holds all three [mm]."""
        table = np.cos(np.linspace(0.0, 2.0 * math.pi, 1024, endpoint=False)).astype(np.float32)
        waves = np.array([_wave(ply, view) for ply in self.plies])
        args = (maps[self.laminate], maps["E-glass"], maps[self.resin])
        _exchange(*args, waves, table, MOVABLE, GLASS_SHARE, self.strength)


def _wave(ply: Ply, view: View) -> list[float]:
    """Return phase and its steps along u and v, in turns, of both yarn directions."""
    a, b, ox, oy = view.plane(ply.z_mm)
    cosine, sine = math.cos(ply.angle), math.sin(ply.angle)
    found = []
    for ex, ey, pitch, phase in ((cosine, sine, ply.pitch_x, ply.phase_x), (-sine, cosine, ply.pitch_y, ply.phase_y)):
        found += [phase + (ox * ex + oy * ey) / pitch, (a * ex + b * ey) / pitch, (a * ey - b * ex) / pitch]
    return found


@numba.njit(cache=True, error_model="numpy")
def _exchange(laminate, glass, resin, waves, table, movable, share, strength):  # type: ignore[no-untyped-def]
    size = table.shape[0]
    for i in range(laminate.shape[0]):
        for j in range(laminate.shape[1]):
            path = laminate[i, j]
            if path <= 0.0:
                continue
            pattern = 0.0
            for k in range(waves.shape[0]):
                w = waves[k]
                for d in range(2):
                    turns = w[3 * d] + w[3 * d + 1] * (j + 0.5) + w[3 * d + 2] * (i + 0.5)
                    pattern += 0.5 * table[int((turns - np.floor(turns)) * size) % size]
            moved = movable * path
            more = min(1.0 - share, max(-share, strength / movable * pattern))
            laminate[i, j] = path - moved
            glass[i, j] += moved * (share + more)
            resin[i, j] += moved * (1.0 - share - more)


def draw_weave(rng: np.random.Generator, laminate: str, height_mm: float) -> Weave:
    """Draw the cloth of a laminate of this height: two to six visible plies of one style, nearly aligned."""
    pitch_x, pitch_y, thick = STYLES[str(rng.choice(list(STYLES)))]
    count = int(np.clip(height_mm / (1.3 * thick), 2, 6))
    plies = tuple(
        Ply(
            pitch_x,
            pitch_y,
            math.radians(float(rng.normal(0.0, 0.7))),
            float(rng.random()),
            float(rng.random()),
            height_mm * (k + 0.5) / count,
        )
        for k in range(count)
    )
    resin = "epoxy-Br" if laminate == "FR-4" else "epoxy-HF"
    return Weave(laminate, resin, plies, float(rng.uniform(0.004, 0.02)) / math.sqrt(count))
