"""Step wedges and ramps with drilled holes: known thicknesses of one material, as calibrations and trials use them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from xsim.keywords import names_keywords
from xsim.phantoms import solids
from xsim.phantoms.objects.gauges import duplex_gauge, hole_gauge, lead_letters, wire_gauge
from xsim.phantoms.objects.workpiece import USUAL_MM, Workpiece, check_flaw_rates, draw_workpiece, finish
from xsim.phantoms.phantom import Phantom

__all__ = ["FLAWS", "random_wedge"]

MATERIALS = tuple(USUAL_MM)
# Flat-bottomed holes are what is to be found here.
FLAWS = {"hole": 0.7}


@names_keywords
def random_wedge(
    seed: int,
    shape: tuple[int, int] = (1024, 1024),
    pixel_mm: float = 0.1,
    *,
    material: str | None = None,
    thickness_mm: float | None = None,
    flaw_rates: Mapping[str, float] | None = None,
    tilt_deg: float | None = None,
    rotation_deg: float | None = None,
) -> Phantom:
    """Draw a random step wedge or ramp with flat-bottomed holes, gauges and letters.

    Parameters are those of `xsim.phantoms.objects.castings.random_casting`; ``thickness_mm`` is that of the highest
    step.

    Returns
    -------
    Phantom
        With its holes labelled, graded by their depth; ``family`` names the design.

    Raises
    ------
    InputError
        For a seed, window, thickness, angle or rate out of range; UnknownNameError for an unknown material.
    """
    rates = check_flaw_rates(flaw_rates, FLAWS)
    piece = draw_workpiece(
        seed,
        shape,
        pixel_mm,
        rates,
        MATERIALS,
        material=material,
        path_mm=thickness_mm,
        tilt_deg=tilt_deg,
        rotation_deg=rotation_deg,
    )
    design = "ramp" if piece.rng.random() < 0.25 else "steps"
    tops = _ramp(piece) if design == "ramp" else _steps(piece)
    _drill(piece, tops)
    _lay_on(piece)
    return finish(piece, "wedge", design, seed)


def _steps(piece: Workpiece) -> list[tuple[float, float, float]]:
    """Draw a row of steps of even or geometric heights; return (x, width, height) of each [mm]."""
    rng = piece.rng
    count, long, wide = int(rng.integers(3, 13)), piece.share(0.6, 1.3), piece.share(0.3, 1.3)
    geometric, least = rng.random() < 0.4, float(rng.uniform(0.03, 0.3))
    step = long / count
    tops = []
    for k in range(count):
        share = least ** (1.0 - (k + 1.0) / count) if geometric else (k + 1.0) / count
        x = (k + 0.5) * step - 0.5 * long
        piece.solids.append(solids.prism(x, 0.0, 0.0, share * piece.path_mm, step, wide))
        tops.append((x, step, share * piece.path_mm))
    return tops


def _ramp(piece: Workpiece) -> list[tuple[float, float, float]]:
    """Draw a wedge that is high at its -x end, sometimes on a plate; return places for holes as `_steps` does."""
    rng, long, wide = piece.rng, piece.share(0.6, 1.3), piece.share(0.3, 1.3)
    high = piece.path_mm * float(rng.uniform(0.4, 0.95))
    plate = piece.path_mm - high
    piece.solids.append(solids.block((0.0, 0.0, plate + 0.5 * high), (long, wide, high), diagonal=True))
    piece.solids.append(solids.prism(0.0, 0.0, 0.0, plate, long, wide))
    return [(0.0, long / 6.0, plate)]


def _drill(piece: Workpiece, tops: list[tuple[float, float, float]]) -> None:
    """Drill a row of flat-bottomed holes from below into each step, wide ones first."""
    rng = piece.log.rng
    for x, width, height in tops:
        for k in range(int(rng.integers(1, 6))):
            bore = width * float(rng.uniform(0.08, 0.5)) * 0.75**k
            if bore < 2.0 * piece.pixel_mm or not piece.log.strikes("hole"):
                continue
            y = (k - 2.0) * 0.55 * width
            if piece.column(x, y):
                deep = height * float(rng.uniform(0.03, 1.0))
                hole = solids.cone(x, y, 0.0, deep, bore, bore)
                piece.voids.append(hole)
                piece.log.mark("hole", [hole], deep)


def _lay_on(piece: Workpiece) -> None:
    """Lay gauges and a number on some."""
    rng, top = piece.rng, piece.top_mm
    if rng.random() < 0.5:
        lay = (wire_gauge, hole_gauge, duplex_gauge)[int(rng.integers(3))]
        lay(piece, *piece.spot(rng, 0.3), top, float(rng.uniform(0.0, math.pi)), room_mm=piece.share(0.15, 0.5))
    if rng.random() < 0.5:
        text = "".join(rng.choice(list("0123456789ABCDEFHKLMNPRSTUVXZ"), int(rng.integers(1, 5))))
        lead_letters(piece, text, *piece.spot(rng, 0.35), top, 0.0, height_mm=piece.share(0.04, 0.12))
