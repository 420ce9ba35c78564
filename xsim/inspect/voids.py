"""Voids of the solder balls of a radiograph: the balls found, each one fitted, its void share judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from xsim.errors import check_range
from xsim.inspect.candidates import Spot, find_spots, optical_density
from xsim.inspect.fit import DEFAULT_COLLAPSE, HARDENING, OWN, Fit, Prior, ball_of
from xsim.inspect.grids import Grid, Site, find_grids
from xsim.inspect.limits import Limit, limit_of, verdict_of
from xsim.inspect.patch import Patch, cut_patch
from xsim.inspect.result import JudgedBall, SeenVoid, VoidReport
from xsim.inspect.search import MOST_VOIDS, Look, first_look, search, see_through
from xsim.inspect.share import Share, rate_of, share_of
from xsim.inspect.sight import Optics, Sight
from xsim.measure.checks import grey_image

__all__ = ["inspect_voids"]

_SMALLEST_PX = 48
"""Below, not even one ball has its surroundings."""

_LEAST_CONTRAST = 0.1
"""Optical density of a spot that is looked at."""

_LARGEST_SHARE = 0.17
"""Radius of the largest ball [side of the image]; it needs its surroundings."""

_RIM = 1.18
"""Radius of a ball over that of its rim, where its density is half: 1.11 where it is sharp, 1.25 where blurred."""

_REACH, _GAP = 1.6, 0.5
"""How far around its centre a ball is fitted: so many radii, at most to the middle between two balls."""

_SMALL_PX = 10.0
"""Radius below which a ball is not judged [px]: of 9 px, voids of a tenth of the area were missed on LR images."""

_DARK = 5e-3
"""Grey under a ball below which it is not judged: glare and electronic noise are as much, and unknown."""

_BLACK = 3.2
"""Optical density around a spot from which it is nothing to be seen: 4 % of the open field."""

_CROSSED, _STRUCTURE, _RAISED = 0.085, 0.35, 3.0
"""Fine structure around a ball, spread of the background and factor on the noise from which the fit does not hold."""

_UNLIKE = 0.08
"""Difference from the usual radius of a grid [relative] from which it is no single ball."""

_ALONE_ROUND, _MOST_ALONE = 0.95, 3
"""Roundness of what counts as a ball without a grid, and how many of them: more are other parts."""

_UNSEEN = "voids too small to be seen: as many as those that are seen in the same grid let expect"
"""What is said of every report: the shares hold more than what is outlined."""


@dataclass(eq=False)
class _Case:
    """One ball on its way to a verdict."""

    grid: int
    spot: Spot
    reason: str = ""
    patch: Patch | None = None
    prior: Prior | None = None
    look: Look | None = None
    best: Fit | None = None
    share: Share | None = None
    judged: JudgedBall | None = None


def inspect_voids(
    image: ArrayLike,
    optics: Optics,
    *,
    limit: Limit | None = None,
    kvp: float = 70.0,
    std: ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VoidReport:
    """Find the solder balls of a radiograph and measure what share of each one's area voids take.

    The image must be taken straight through the board. Each ball is fitted, through the detector's blur, as a barrel of
    solder less spheres, on a background that is free within what is seen around it; the share is the area of the union
    of the spheres' outlines over that of the ball's. Its interval holds noise, what the background may hide, how many
    voids there may be, the blur's uncertainty, and the shape of voids.

    Parameters
    ----------
    image : (H, W) array
        Grey values linear in exposure, open field 1, metal dark; as it was taken, or restored.
    optics : Optics
        Blur and noise of the image.
    limit : Limit, optional
        What balls are judged by; that of class 2 if not given.
    kvp : float
        Tube voltage [kV], for the hardening of the beam by solder: 50 to 120.
    std : (H, W) array, optional
        Standard deviation of each pixel, of posterior samples.
    progress : callable, optional
        Called with balls done and balls in all.

    Returns
    -------
    VoidReport
        An image without balls gives an empty one.

    Raises
    ------
    InputError
        If the image is too small, not two-dimensional or not finite; PhysicsRangeError for a tube voltage out of range.
    """
    check_range("tube voltage", kvp, 40.0, 150.0, "kV")
    grey = optics.shown(grey_image(image, smallest_px=_SMALLEST_PX))
    spread = None if std is None else grey_image(std, smallest_px=_SMALLEST_PX)
    limit = limit or limit_of()
    grids = _balls(grey)
    sight = Sight.of(grey, optics, spread)
    hardening = float(np.interp(kvp, list(HARDENING), list(HARDENING.values())))
    cases: list[_Case] = []
    total = sum(len(grid.sites) for grid in grids)
    done = 0
    for number, grid in enumerate(grids, start=1):
        own = [_Case(number if len(grid.sites) > 1 else 0, site.spot, "hidden" * site.hidden) for site in grid.sites]
        for case in own:
            _look(sight, grid, case, hardening)
        under = _learn(own)
        for case in own:
            _search(case, under, optics)
            done += 1
            if progress is not None:
                progress(done, total)
        rate = rate_of([case.share for case in own if case.share is not None])
        for case in own:
            _judge(case, rate, limit)
        cases += own
    return VoidReport(_numbered(cases), limit, (f"hardening of solder as at {kvp:g} kV", _UNSEEN))


def _balls(grey: NDArray[np.float64]) -> list[Grid]:
    """Return the ball grids of an image, or single balls, each as a grid of one, where there is no grid."""
    density = optical_density(gaussian_filter(grey, 0.7))
    spots = find_spots(density, _LEAST_CONTRAST, max(_LARGEST_SHARE * min(grey.shape), 4.0), 0.5)
    # Behind what lets nothing through noise makes spots of its own.
    spots = [
        s for s in spots if density[round(s.y) % len(density), round(s.x) % density.shape[1]] - s.contrast < _BLACK
    ]
    grids = find_grids(density, spots)
    if grids:
        return grids
    darkest = max((spot.contrast for spot in spots), default=0.0)
    alone = [s for s in spots if s.round_share >= _ALONE_ROUND and s.contrast > max(0.5 * darkest, 0.5)]
    if len(alone) > _MOST_ALONE:
        return []
    return [Grid(4.0 * spot.radius, spot.radius, (Site(spot),)) for spot in alone]


def _look(sight: Sight, grid: Grid, case: _Case, hardening: float) -> None:
    """Fit a ball without voids, unless it cannot be judged anyway."""
    spot, radius = case.spot, _RIM * grid.radius
    height, width = sight.grey.shape
    if case.reason:
        case.reason = "hidden behind something as dark as a ball"
        return
    if min(spot.y, spot.x, height - 1 - spot.y, width - 1 - spot.x) < radius + 2.0:
        case.reason = "cut by the image's border"
        return
    if radius < _SMALL_PX:
        case.reason = f"{2 * radius:.0f} pixels across: {2 * _SMALL_PX:.0f} are needed, magnify"
        return
    middle = sight.grey[
        round(spot.y - 0.3 * radius) : round(spot.y + 0.3 * radius) + 1,
        round(spot.x - 0.3 * radius) : round(spot.x + 0.3 * radius) + 1,
    ]
    if float(middle.mean()) < _DARK:
        case.reason = "too dark to see through: raise the tube voltage"
        return
    reach = min(_REACH * radius, radius + _GAP * (grid.pitch - 2.0 * radius))
    case.patch = cut_patch(sight, spot.y, spot.x, radius, max(reach, radius + 3.0))
    density = np.log(max(1.4 * spot.contrast, 0.3))
    case.prior = Prior(
        np.array([spot.y, spot.x, np.log(radius), density, 0.5, hardening, np.log(DEFAULT_COLLAPSE[0]), 0.4]),
        np.array([3.0, 3.0, 0.1, 0.4, 0.25, 0.25 * hardening, DEFAULT_COLLAPSE[1], 0.25]),
    )
    case.look = first_look(case.patch, case.prior, _CROSSED)


def _learn(cases: Sequence[_Case]) -> float:
    """Give each ball what the others of its grid say, and return the spread of the background under balls."""
    seen = [case for case in cases if case.look is not None]
    if not seen:
        return 0.0
    theta = np.median([case.look.fit.theta[:OWN] for case in seen if case.look], axis=0)
    for case in seen:
        assert case.prior is not None
        assert case.look is not None
        mean, spread = case.prior.mean.copy(), case.prior.spread.copy()
        if len(seen) >= 4:
            # Radius, density, land and its copper are alike in a grid; place, hardening and collapse stay as they were.
            mean[[2, 3, 4, 7]], spread[[2, 3, 4, 7]] = theta[[2, 3, 4, 7]], (0.06, 0.12, 0.06, 0.15)
            if abs(case.look.fit.theta[2] - theta[2]) > _UNLIKE:
                case.reason = "of another size than the others: a bridge, two balls, or no ball"
        case.prior = Prior(mean, spread)
        if max(case.look.structure / _CROSSED, case.patch.structure / _STRUCTURE if case.patch else 0.0) > 1.0:
            case.reason = case.reason or "crossed by something else: a hole's rim or a part's edge"
        elif case.look.raised > _RAISED:
            case.reason = case.reason or "not like a ball: its residuals exceed the noise"
    # Only balls that will be judged say what lies under such: parts that cross others would hide voids in these.
    clear = [case for case in seen if not case.reason] or seen
    hidden = np.concatenate([see_through(c.patch, c.look.fit) for c in clear if c.patch and c.look])
    return max(1.4826 * float(np.median(np.abs(hidden))), 0.02)


def _search(case: _Case, under: float, optics: Optics) -> None:
    """Look for the voids of a ball."""
    if case.reason or case.look is None or case.patch is None or case.prior is None:
        return
    found = search(case.patch, case.look.fit, case.prior, under)
    if found.best.count >= MOST_VOIDS:
        case.reason = "too uneven to tell voids apart: froth, or a hole behind it"
        return
    case.best, case.share = found.best, share_of(found, optics)


def _judge(case: _Case, rate: float, limit: Limit) -> None:
    """Compare what voids take of a ball with the limit; ``rate`` is how many voids a ball of its grid has."""
    spot = case.spot
    outline = (spot.x, spot.y, 2.0 * _RIM * spot.radius)
    if case.look is not None:
        theta = case.look.fit.theta
        outline = (float(theta[1]), float(theta[0]), 2.0 * float(np.exp(theta[2])))
    if case.best is None or case.share is None:
        case.judged = JudgedBall(0, case.grid, *outline, "not judged", case.reason)
        return
    share = case.share.with_unseen(rate)
    ball, _, voids = ball_of(case.best.solder)
    covariance = case.best.covariance
    assert covariance is not None
    case.judged = JudgedBall(
        0,
        case.grid,
        float(ball[1]),
        float(ball[0]),
        2.0 * float(ball[2]),
        verdict_of(share.low, share.high, limit),
        "",
        share.value,
        share.low,
        share.high,
        case.share.value,
        2.0 * float(ball[2] * np.sqrt(max(float(covariance[2, 2]), 0.0))),
        share.unseen,
        tuple(SeenVoid(float(x), float(y), 2.0 * float(r)) for y, x, r in voids),
    )


def _numbered(cases: Sequence[_Case]) -> tuple[JudgedBall, ...]:
    """Return the balls, grid by grid and line by line, numbered from 1."""
    balls = [case.judged for case in cases if case.judged is not None]
    balls.sort(key=lambda ball: (ball.grid, round(ball.y_px / max(ball.diameter_px, 1.0)), ball.x_px))
    return tuple(replace(ball, number=number) for number, ball in enumerate(balls, start=1))
