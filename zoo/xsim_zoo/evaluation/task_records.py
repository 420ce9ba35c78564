"""The rows of an evaluation that say how the inspection tasks went."""

from __future__ import annotations

from xsim_zoo.evaluation.records import Estimate, Numbers, Row

__all__ = ["FeatureScore", "OpenScore", "VoidScore", "VoidSize"]


class VoidSize(Row):
    """How many of the voids of a class, given by their area in % of the ball, are seen."""

    from_percent: float
    to_percent: float
    balls: int
    seen: int


class VoidScore(Row):
    """Void area of solder balls, measured against labelled, in % of the ball's area (Bland-Altman).

    ``change`` is the mean absolute error less that on the LR image, paired by ball. Voids are seen that stand out
    from all but one in twenty of the sound balls.
    """

    restorer: str
    balls: int
    mean_absolute_error: float
    change: Estimate
    bias: float
    limit_low: float
    limit_high: float
    sizes: tuple[VoidSize, ...]
    labelled: Numbers
    measured: Numbers


class OpenScore(Row):
    """Detectability of a gap in a track of copper, by observers who know where it would be.

    ``auc`` and ``d_prime`` belong to a matched filter that does not whiten the noise, as an eye does not; ``change``
    is its AUC less that on the LR image, paired by track. ``d_prime_best`` belongs to the Hotelling observer of the
    same channels, the best linear one: what restoring does not raise, it did not find in the measurement.
    """

    restorer: str
    gap_mm: float
    copper_mm: float
    present: int
    absent: int
    auc: Estimate
    change: Estimate
    d_prime: float
    d_prime_best: float


class FeatureScore(Row):
    """Small features missed, and features that stand where there are none, per cm2 of board.

    ``missed`` dots are weaker than the image's own peaks that occur once per cm2 where nothing is (``threshold``), so
    that every image is judged at the same rate of false calls. ``invented`` are peaks where nothing is that look like
    the dots and that noise of the image's own strength does not explain.
    """

    restorer: str
    area_cm2: float
    features: int
    threshold: float
    missed: int
    invented: int
    missed_per_cm2: float
    invented_per_cm2: float
    change: Estimate
