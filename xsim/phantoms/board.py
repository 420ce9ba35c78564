"""Random boards: a piece of a printed circuit board with its parts and defects, drawn from a recipe and a seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from xsim.errors import InputError, UnknownNameError, check_range, check_shape
from xsim.keywords import names_keywords
from xsim.phantoms.assembly import assemble
from xsim.phantoms.defects import DefectLog, check_rates
from xsim.phantoms.design.layout import BoardLayout
from xsim.phantoms.design.placement import choose, place_parts
from xsim.phantoms.design.routing import Router, fan_out, join_nets, lay_bundles, widen_tracks
from xsim.phantoms.design.rules import CLASSES, draw_stackup
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.view import SOURCE_RANGE_MM, View
from xsim.seeds import check_seed, generator

__all__ = ["BoardRecipe", "draw_layout", "draw_view", "random_board"]


@names_keywords
@dataclass(frozen=True, kw_only=True)
class BoardRecipe:
    """The population that ``random_board`` draws from.

    Attributes
    ----------
    layers : mapping of int to float
        Weight of each number of copper layers, 2 to 12.
    rules : mapping of str to float
        Weight of each rule class: "standard", "fine", "dense".
    bromine_share, lead_share, weave_share, tilt_share : float
        Shares of boards with brominated laminate, tin-lead solder, visible cloth and an oblique view.
    most_tilt_deg : float
        Largest oblique angle [deg].
    source_mm : float
        Height of the focal spot above the lower face of the board [mm], 3 or more: that of a set-up is
        ``setup.geometry.source_mm``. Parts that would rise above seven tenths of it are left out.
    anchors, small : (int, int)
        Range of the number of large and of small parts in a view.
    edge_share : float
        Share of views that show an edge of the board.
    defect_rates : mapping of str to float
        Rates that replace the usual ones of ``xsim.phantoms.defects.KINDS``.

    Raises
    ------
    InputError
        For a weight, share or range that makes no sense, naming it.
    """

    layers: Mapping[int, float] = field(default_factory=lambda: {2: 0.3, 4: 0.3, 6: 0.18, 8: 0.14, 12: 0.08})
    rules: Mapping[str, float] = field(default_factory=lambda: {"standard": 0.4, "fine": 0.4, "dense": 0.2})
    bromine_share: float = 0.7
    lead_share: float = 0.1
    weave_share: float = 0.6
    tilt_share: float = 0.2
    most_tilt_deg: float = 45.0
    source_mm: float = 500.0
    anchors: tuple[int, int] = (1, 4)
    small: tuple[int, int] = (8, 60)
    edge_share: float = 0.2
    defect_rates: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.rules:
            if name not in CLASSES:
                raise UnknownNameError("rule class", name, CLASSES)
        for count in self.layers:
            if count not in (2, 4, 6, 8, 10, 12):
                raise InputError(f"{count} copper layers: give 2, 4, 6, 8, 10 or 12")
        for what, weights in (("layers", self.layers), ("rules", self.rules)):
            if not weights or min(weights.values()) < 0.0 or sum(weights.values()) <= 0.0:
                raise InputError(f"weights of {what} {dict(weights)}: give numbers of 0 or more, one above 0")
        for what in ("bromine_share", "lead_share", "weave_share", "tilt_share", "edge_share"):
            check_range(what, getattr(self, what), 0.0, 1.0)
        check_range("most_tilt_deg", self.most_tilt_deg, 0.0, 45.0, "deg")
        check_range("source distance", self.source_mm, *SOURCE_RANGE_MM, "mm")
        for what, (low, high) in (("anchors", self.anchors), ("small", self.small)):
            if not 0 <= low <= high <= 500:
                raise InputError(f"range of {what} {low} to {high}: give 0 <= low <= high <= 500")
        check_rates(self.defect_rates)


# Copper that a view does not show need not be routed: the board goes on this far beyond the window [mm].
MARGIN_MM = 1.0
# Parts end below this share of the source's height: nearer to the tube a pixel's rays would spread over half of them.
ROOM = 0.7
# Beyond this a window is a panel, and routing it takes minutes.
MOST_MM = 120.0


@names_keywords
def random_board(
    seed: int,
    shape: tuple[int, int] = (1024, 1024),
    pixel_mm: float = 0.024,
    *,
    recipe: BoardRecipe | None = None,
    tilt_deg: float | None = None,
    rotation_deg: float | None = None,
) -> Phantom:
    """Draw a random view of a random board.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1. Same seed and parameters, same phantom, whatever was drawn before.
    shape : (H, W)
        Pixels of the view.
    pixel_mm : float
        Pixel of the phantom's grid [mm], finer than the detector's.
    recipe : BoardRecipe, optional
        The population; the usual one if not given.
    tilt_deg, rotation_deg : float, optional
        Oblique angle and turn of the view [deg]; drawn from the seed if not given.

    Returns
    -------
    Phantom
        With its defects labelled; ``family`` names its rule class, layers and anchor part.

    Raises
    ------
    InputError
        For a seed, window or angle out of range.
    """
    recipe = recipe or BoardRecipe()
    check_seed(seed)
    shape = check_shape(shape)
    view = draw_view(seed, shape, pixel_mm, recipe, tilt_deg=tilt_deg, rotation_deg=rotation_deg)
    layout = draw_layout(seed, view, recipe)
    log = DefectLog(check_rates(recipe.defect_rates), generator(seed, stage="defects"))
    room_mm = ROOM * recipe.source_mm
    if layout.stackup.height_mm > room_mm:
        raise InputError(
            f"a board of {layout.stackup.height_mm:.2g} mm has no room under a source at {recipe.source_mm:g} mm: "
            "lower the magnification or move the detector away"
        )
    rng = generator(seed, stage="assembly")
    scene = assemble(layout, rng, log, weave_share=recipe.weave_share, room_mm=room_mm)
    materials, maps, heights = scene.render(view)
    anchor = type(layout.placed[0].part).__name__.lower() if layout.placed else "bare"
    family = f"{layout.rule.name}-{layout.stackup.layers}-{anchor}"
    return Phantom(
        materials, maps, pixel_mm, f"board-{seed}", family, seed, log.defects(view), heights, log.balls(view)
    )


def draw_view(
    seed: int,
    shape: tuple[int, int],
    pixel_mm: float,
    recipe: BoardRecipe,
    *,
    tilt_deg: float | None = None,
    rotation_deg: float | None = None,
) -> View:
    """Draw how a board is looked at: mostly straight, nearly aligned, sometimes oblique.

    Parameters are those of `random_board`; the view has a random stream of its own.

    Raises
    ------
    InputError
        For a window that is empty, huge or wider than 120 mm.
    """
    rng = generator(seed, stage="view")
    turn = 90.0 * int(rng.integers(4)) + float(rng.normal(0.0, 2.0))
    tilt = float(rng.uniform(5.0, recipe.most_tilt_deg)) if rng.random() < recipe.tilt_share else 0.0
    azimuth = float(rng.uniform(0.0, 360.0))
    view = View(
        (int(shape[0]), int(shape[1])),
        pixel_mm,
        rotation_deg=turn if rotation_deg is None else rotation_deg,
        tilt_deg=tilt if tilt_deg is None else tilt_deg,
        azimuth_deg=azimuth,
        source_mm=recipe.source_mm,
    )
    width, height = view.size_mm
    if max(width, height) > MOST_MM:
        raise InputError(
            f"window of {width:g} x {height:g} mm: random boards go up to {MOST_MM:g} mm: give fewer or smaller pixels"
        )
    return view


def _outline(rng: np.random.Generator, view: View, height_mm: float, edge_share: float) -> tuple[float, ...]:
    """Return the board's edges around the window's footprint; sometimes one or two of them inside it."""
    angle = math.radians(view.rotation_deg)
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    width, height = view.size_mm
    reach = (0.5 * (cosine * width + sine * height), 0.5 * (sine * width + cosine * height))
    slopes = view.slope()
    edges = [0.0] * 4
    for axis in range(2):
        shift = sorted((0.0, slopes[axis] * height_mm))
        edges[axis] = shift[0] - reach[axis] - MARGIN_MM
        edges[axis + 2] = shift[1] + reach[axis] + MARGIN_MM
    if rng.random() < edge_share:
        for _ in range(int(rng.integers(1, 3))):
            side = int(rng.integers(4))
            edges[side] *= float(rng.uniform(0.5, 0.95))
    return tuple(edges)


def draw_layout(seed: int, view: View, recipe: BoardRecipe) -> BoardLayout:
    """Design the piece of board that a view shows: stack-up, parts, nets, tracks; valid by its rule class."""
    rng = generator(seed, stage="design")
    layers, rule = choose(rng, recipe.layers), CLASSES[choose(rng, recipe.rules)]
    bromine, lead = rng.random() < recipe.bromine_share, rng.random() < recipe.lead_share
    stackup = draw_stackup(rng, layers=layers, bromine=bool(bromine), lead=bool(lead))
    x0, y0, x1, y1 = _outline(rng, view, stackup.height_mm, recipe.edge_share)
    layout = BoardLayout(stackup, rule, (x0, y0, x1, y1))
    # Numbers of parts are meant for a window of 25 mm.
    area = (x1 - x0) * (y1 - y0) / 700.0
    anchors = _scaled(rng, recipe.anchors, area)
    place_parts(layout, rng, anchors=anchors, small=_scaled(rng, recipe.small, area))
    links = join_nets(layout, rng, power_share=0.08)
    fan_out(layout, rng)
    buses = _scaled(rng, (1, 6), area)
    lay_bundles(layout, rng, buses=buses, pairs=_scaled(rng, (0, 6), area), serpentines=_scaled(rng, (0, 3), area))
    router = Router(layout)
    links.sort(key=lambda link: math.dist((link[0].x, link[0].y), (link[1].x, link[1].y)) if link[1] else 15.0)
    for one, two in links:
        router.route(one, two, rng)
    widen_tracks(layout, rng, share=float(rng.uniform(0.05, 0.4)))
    return layout


def _scaled(rng: np.random.Generator, span: tuple[int, int], area: float) -> int:
    count = int(rng.integers(span[0], span[1] + 1))
    return max(min(count, 1), round(count * min(area, 20.0)))
