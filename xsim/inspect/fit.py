"""Least squares fit of a ball with so many voids to its patch: Gauss-Newton with priors, on a background that is free.

What is found in the object is seen through the detector: object = background x ball, image = transfer * object + veil.
The background is a plane times bumps of an unknown density, each with a prior of its own: traces and planes under the
ball; and, where it is asked for, a plated hole, whose light middle looks like a void but whose wall is dark.
The bumps are linear near the solution, so that their normal equations are made once a fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.inspect.patch import Patch
from xsim.inspect.shape import BALL, HOLE, VOID, depth_of, hole_light, transmission

__all__ = [
    "DEFAULT_COLLAPSE",
    "HARDENING",
    "HOLE_MEAN",
    "HOLE_SPREAD",
    "OWN",
    "VEIL",
    "Fit",
    "Prior",
    "ball_of",
    "fit",
    "start_of",
]

Array = NDArray[np.float64]

OWN = 8
"""Unknowns of a ball without voids: y, x, log radius, log density, land w, hardening, log collapse, lands' density."""

DEFAULT_COLLAPSE = (0.78, 0.06)
"""Height of a joint over the ball's diameter and its relative spread: joints of .7 to .85 are usual."""

HARDENING: dict[float, float] = {50.0: 0.31, 70.0: 0.61, 90.0: 0.96, 120.0: 0.91}
"""Hardening of solder by tube voltage [kV], as `xsim.inspect.shape.transmission` takes it, behind 1.6 mm FR-4 and .1 mm
copper, by `xsim.imaging.projection` with 2.5 mm Al (50 kV: 1 mm; 120 kV: and .2 mm Cu); mean of the paper's screens."""

VEIL = 0.01
"""Spread of a veil of light all over a ball, and of its slope: what glare leaves in a corrected image."""

_STEPS = np.array([0.05, 0.05, 0.01, 0.02, 0.01, 0.04, 0.02, 0.02])
"""Steps of the difference quotients, in the order of the unknowns; .08 px for voids."""

_LARGEST = np.array([2.0, 2.0, 0.2, 0.3, 0.2, 0.4, 0.2, 0.3])
"""Largest change in one iteration; 2 px for voids."""

_VOID_WIDTH_PX = 100.0
"""Spread of the prior of a void's place and radius: none to speak of."""

HOLE_MEAN, HOLE_SPREAD = np.array([0.35, 1.5]), np.array([0.25, 1.0])
"""What is known of a plated hole: density of what the drill took, laminate and some copper, and of its wall: 1.6 mm of
copper end on let nothing through, but leaning by a degree it is wider and lighter."""

_HOLE_STEPS, _HOLE_LARGEST = np.array([0.08, 0.08, 0.08, 0.02, 0.05]), np.array([2.0, 2.0, 2.0, 0.15, 0.5])
"""As those of the other unknowns, for a hole's."""

_DONE = 0.05
"""Fall of the sum of squares below which an iteration was the last."""


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known of a ball before its pixels are looked at: mean and spread of its unknowns, each (OWN,)."""

    mean: Array
    spread: Array


@dataclass(frozen=True, eq=False)
class Fit:
    """A ball as fitted.

    Parameters
    ----------
    theta : (OWN + 3 K + 5 holes,) array
        Unknowns of the ball, of its K voids, and of holes.
    background : (B,) array
        Density of each bump, its sign turned: what is above 0 is lighter.
    veil : (3,) array
        Veil, and its slopes over the patch.
    cost : float
        Sum of squares with the priors' shares.
    chi2 : float
        Mean square of the residuals over their standard deviation.
    covariance : array
        Of ``theta``.
    log_volume : float
        Half the log determinant of the covariance of all unknowns.
    image, ball, ground : (h, w) arrays
        Fitted image, transmission of the ball, background.
    fixed : (B + 3, n) array
        Derivatives of the pixels by background and veil.
    holes : int
        Plated holes of the board at the ball.
    """

    theta: Array
    background: Array
    veil: Array
    cost: float = np.inf
    chi2: float = np.inf
    covariance: Array | None = None
    log_volume: float = 0.0
    image: Array | None = None
    ball: Array | None = None
    ground: Array | None = None
    fixed: Array | None = None
    holes: int = 0

    @property
    def solder(self) -> Array:
        """Return the unknowns of the ball and its voids, without the holes'."""
        return self.theta[: len(self.theta) - HOLE * self.holes]

    @property
    def count(self) -> int:
        """Return the number of voids."""
        return (len(self.theta) - OWN - HOLE * self.holes) // VOID

    def with_void(self, void: Array) -> Fit:
        """Return a start for a fit with one more void (y, x, radius)."""
        end = len(self.solder)
        theta = np.concatenate([self.theta[:end], void, self.theta[end:]])
        return Fit(theta, self.background, self.veil, holes=self.holes)

    def with_hole(self, hole: Array) -> Fit:
        """Return a start for a fit with one more hole; see `xsim.inspect.shape.HOLE`."""
        return Fit(np.concatenate([self.theta, hole]), self.background, self.veil, holes=self.holes + 1)

    def void_as_hole(self, number: int) -> Fit:
        """Return a start for a fit in which a void, from 0, is a hole."""
        first = OWN + VOID * number
        hole = np.concatenate([self.theta[first : first + VOID], HOLE_MEAN])
        theta = np.concatenate([np.delete(self.theta, np.s_[first : first + VOID]), hole])
        return Fit(theta, self.background, self.veil, holes=self.holes + 1)


def ball_of(theta: Array) -> tuple[Array, float, Array]:
    """Return what `xsim.inspect.shape.transmission` takes: the ball, its height [px], its voids (K, 3)."""
    radius, density = float(np.exp(theta[2])), float(np.exp(theta[3]))
    hardening, land = max(float(theta[5]), 0.0), float(np.clip(theta[4], 0.1, 1.0))
    depth = depth_of(density, hardening)
    ball = np.array([theta[0], theta[1], radius, depth, land, hardening, max(float(theta[7]), 0.0)])
    assert len(ball) == BALL
    return ball, 2.0 * radius * float(np.exp(theta[6])), theta[OWN:].reshape(-1, VOID)


def start_of(patch: Patch, prior: Prior) -> Fit:
    """Return where a fit begins: a ball without voids as the prior has it."""
    return Fit(prior.mean.copy(), np.zeros(len(patch.bumps)), np.zeros(3))


def fit(
    patch: Patch, start: Fit, prior: Prior, spread: Array, *, iterations: int = 6, fixed: Array | None = None
) -> Fit:
    """Fit a ball with as many voids as the start has.

    Parameters
    ----------
    patch : Patch
        The pixels.
    start : Fit
        Where to begin.
    prior : Prior
        What is known of the ball.
    spread : (B,) array
        Spread of the density of each bump of the background.
    iterations : int
        At most.
    fixed : array, optional
        Derivatives by background and veil of a fit nearby: good enough to look for voids, not for an answer.
    """
    problem = _Problem(patch, prior, spread, start.count, start.holes)
    here = problem.at(start.theta, start.background, start.veil)
    fixed = problem.fixed_columns(here) if fixed is None else fixed
    square = fixed @ fixed.T
    damping = 1e-3
    for _ in range(iterations):
        columns = problem.ball_columns(here)
        cross = columns @ fixed.T
        normal = np.block([[columns @ columns.T, cross], [cross.T, square]]) + np.diag(problem.precision)
        slope = np.concatenate([columns @ here.residual, fixed @ here.residual]) - problem.pull(here)
        better, damping = problem.step(here, normal, slope, damping)
        if better is None:
            break
        gain, here = here.cost - better.cost, better
        if gain < _DONE:
            break
    return problem.result(here, fixed)


@dataclass(eq=False)
class _State:
    theta: Array
    background: Array
    veil: Array
    image: Array
    ball: Array
    ground: Array
    residual: Array
    cost: float


class _Problem:
    """The sum of squares of one patch, and its derivatives."""

    def __init__(self, patch: Patch, prior: Prior, spread: Array, count: int, holes: int) -> None:
        self.patch, self.prior, self.spread, self.count, self.holes = patch, prior, spread, count, holes
        self.end = OWN + VOID * count
        self.unknowns = self.end + HOLE * holes
        self.weight = patch.weight[patch.use]
        height, width = patch.shape
        rows, columns = np.mgrid[:height, :width]
        self.slopes = np.stack([np.ones(patch.shape), rows / height - 0.5, columns / width - 0.5])
        # A void's unknowns have no mean; a hole's densities have.
        self.mean = np.concatenate([prior.mean, np.zeros(VOID * count), *[np.zeros(3), HOLE_MEAN] * holes])
        self.known = np.concatenate([prior.spread**-2, np.zeros(VOID * count), *[np.zeros(3), HOLE_SPREAD**-2] * holes])
        places = np.concatenate([np.zeros(OWN), np.full(VOID * count, _VOID_WIDTH_PX**-2)])
        places = np.concatenate([places, *[np.array([*[_VOID_WIDTH_PX**-2] * 3, 0.0, 0.0])] * holes])
        self.precision = np.concatenate([self.known + places, spread**-2, np.full(3, VEIL**-2)])

    def light(self, theta: Array) -> Array:
        """Return what ball and holes let through."""
        patch = self.patch
        through = transmission(*ball_of(theta[: self.end]), patch.top, patch.left, patch.shape)
        for hole in theta[self.end :].reshape(-1, HOLE):
            through *= hole_light(hole, np.exp(theta[2]), patch.top, patch.left, patch.shape)
        return np.asarray(through)

    def at(self, theta: Array, background: Array, veil: Array) -> _State:
        """Return image and cost of some values of the unknowns."""
        patch = self.patch
        ball = self.light(theta)
        ground = patch.base * np.exp(np.tensordot(background, patch.bumps, 1))
        shown = patch.seen(patch.inside * ground * ball)
        image = patch.outside + shown + np.tensordot(veil, self.slopes, 1)
        residual = (patch.data - image)[patch.use] * self.weight
        known = (theta - self.mean) ** 2 @ self.known
        cost = residual @ residual + known + ((background / self.spread) ** 2).sum() + (veil**2).sum() / VEIL**2
        return _State(theta, background, veil, image, ball, ground, residual, float(cost))

    def fixed_columns(self, here: _State) -> Array:
        """Return the derivatives by background and veil."""
        bumps = self.patch.seen(self.patch.bumps * (self.patch.inside * here.ground * here.ball))
        return np.asarray(np.concatenate([bumps, self.slopes])[:, self.patch.use] * self.weight)

    def ball_columns(self, here: _State) -> Array:
        """Return the derivatives by the unknowns of ball and voids."""
        patch, maps = self.patch, []
        steps = np.concatenate([_STEPS, np.full(VOID * self.count, 0.08), *[_HOLE_STEPS] * self.holes])
        for number, step in enumerate(steps):
            theta = here.theta.copy()
            theta[number] += step
            maps.append(patch.inside * here.ground * (self.light(theta) - here.ball) / step)
        shown = patch.seen(np.array(maps))
        return np.asarray(shown[:, patch.use] * self.weight)

    def pull(self, here: _State) -> Array:
        """Return what the priors pull the unknowns back with."""
        own = (here.theta - self.mean) * self.known
        return np.concatenate([own, here.background / self.spread**2, here.veil / VEIL**2])

    def step(self, here: _State, normal: Array, slope: Array, damping: float) -> tuple[_State | None, float]:
        """Return a better state, None if there is none, and the damping for the next step."""
        unknowns = self.unknowns
        largest = np.concatenate([_LARGEST, np.full(VOID * self.count, 2.0), *[_HOLE_LARGEST] * self.holes])
        for _ in range(5):
            change = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), slope)
            theta = _allowed(here.theta + np.clip(change[:unknowns], -largest, largest), self.end)
            background = here.background + change[unknowns:-3]
            better = self.at(theta, background, here.veil + change[-3:])
            if better.cost < here.cost:
                return better, 0.2 * damping
            damping = 8.0 * max(damping, 1e-3)
        return None, damping

    def result(self, here: _State, fixed: Array) -> Fit:
        """Return the fit with its covariance."""
        columns = np.concatenate([self.ball_columns(here), fixed])
        normal = columns @ columns.T + np.diag(self.precision)
        sign, log_determinant = np.linalg.slogdet(normal)
        covariance = np.linalg.inv(normal)[: self.unknowns, : self.unknowns]
        return Fit(
            here.theta,
            here.background,
            here.veil,
            here.cost,
            float(here.residual @ here.residual) / max(int(self.patch.use.sum()), 1),
            covariance,
            -0.5 * float(log_determinant) if sign > 0 else -np.inf,
            here.image,
            here.ball,
            here.ground,
            fixed,
            self.holes,
        )


def _allowed(theta: Array, end: int) -> Array:
    """Return the unknowns within what they can be: voids lie within the ball, but for a third of their radius.

    From ``end`` on they are holes', which may stand beside the ball.
    """
    theta = theta.copy()
    theta[4], theta[5], theta[7] = np.clip(theta[4], 0.1, 1.0), np.clip(theta[5], 0.0, 2.5), max(theta[7], 0.0)
    radius, voids = float(np.exp(theta[2])), theta[OWN:end].reshape(-1, VOID)
    if len(voids):
        voids[:, 2] = np.clip(np.abs(voids[:, 2]), 0.3, 0.8 * radius)
        off = np.hypot(voids[:, 0] - theta[0], voids[:, 1] - theta[1])
        share = np.minimum(1.0, np.maximum(radius - 0.7 * voids[:, 2], 0.1) / np.maximum(off, 1e-9))
        voids[:, :2] = theta[:2] + (voids[:, :2] - theta[:2]) * share[:, None]
    for hole in theta[end:].reshape(-1, HOLE):
        hole[2:] = np.clip(hole[2:], (1.0, 0.0, 0.0), (1.2 * radius, 1.5, 5.0))
        off = float(np.hypot(*(hole[:2] - theta[:2])))
        hole[:2] = theta[:2] + (hole[:2] - theta[:2]) * min(1.0, (1.3 * radius + hole[2]) / max(off, 1e-9))
    return theta
