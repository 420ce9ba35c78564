"""The rows that every evaluation has; a probe's own rows stand in its file.

Numbers that could not be measured are None, never NaN, so that every row is plain JSON; frequencies are in lp/mm and
grey levels in units of the open field.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = [
    "INPUT",
    "LEAK_UNKNOWN",
    "LEFT_OUT",
    "TRUTH",
    "CompetitorRecord",
    "DataSource",
    "Estimate",
    "Finding",
    "ImageScore",
    "Level",
    "MaybeNumbers",
    "MetricSummary",
    "Numbers",
    "Picture",
    "Provenance",
    "Row",
    "Verdict",
    "finite",
]

INPUT, TRUTH = "lr", "hr"
"""Labels of the LR image as it is and of the HR image, which stand beside the restorers in every table."""

LEAK_UNKNOWN = "not ruled out: the card names no families of its training data"
"""What a competitor's record says where nothing is known of a leak."""

LEFT_OUT = "left out for their pitch"
"""Under which of the settings stands who was not judged on all images, as its weights hold for another pitch."""

Numbers = tuple[float, ...]
MaybeNumbers = tuple[float | None, ...]
Level = Literal["fail", "warn", "pass"]


def finite(value: float) -> float | None:
    """Return a number as rows hold it: None where it is infinite, or none at all."""
    return float(value) if math.isfinite(value) else None


class Row(BaseModel):
    """A frozen row; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(Row):
    """A mean with its 95 % interval, by cluster bootstrap over families; one family alone has no interval (None)."""

    mean: float
    low: float | None
    high: float | None


class DataSource(Row):
    """The pairs that were judged on; ``pitch_mm`` is None where their set-ups differ in pitch."""

    path: str
    digest: str
    origin: str
    recipe: str
    recipe_hash: str
    seed: int | None
    split: str
    images: int
    families: int
    shape: tuple[int, int]
    pitch_mm: float | None


class CompetitorRecord(Row):
    """A restorer as it took part: its label in every table, its weights and how it was run.

    ``weights`` is a file name, ``digest`` that of the tensors or, without any, of the card. ``trained_on`` says which
    data the weights learnt from, ``leak`` how overlap with the judged boards was ruled out.
    """

    label: str
    restorer: str
    weights: str
    digest: str
    parameters: int
    steps: int
    eta: float
    sharpness: float
    linked: bool
    learned: bool
    trained_on: str
    trained_pairs: int | None
    trained_steps: int | None
    leak: str
    flips: bool = False


class Provenance(Row):
    """Where the numbers come from: data, weights, settings, versions, and the time it took."""

    data: DataSource
    contenders: tuple[CompetitorRecord, ...]
    settings: dict[str, str | int | float | bool | None]
    versions: dict[str, str]
    device: str
    data_range: float
    border_px: int
    created: str
    seconds: float


class Finding(Row):
    """What a check found of one restorer, or of the evaluation as a whole (no name)."""

    restorer: str
    level: Level
    text: str


class Verdict(Row):
    """One question of the first page: ``text`` says what is compared, ``level`` is the worst of its findings."""

    level: Level
    check: str
    text: str
    findings: tuple[Finding, ...] = ()


class ImageScore(Row):
    """One restorer on one image.

    ``psnr_dB`` is None where the images are equal (infinite PSNR). ``unsupported`` is the share of the answer's power
    at frequencies of which the measurement says nothing. ``reference_power``, ``power_ratio`` and ``transfer`` stand
    at the frequencies of the section ``power``: power of the reference, that of the answer over it, and the coherent
    transfer Re <X_ref* X> / <|X_ref|^2>. ``outside`` is the share of pixels below 0 or above 1.1. The restorer "lr" is
    the input as it is.
    """

    restorer: str
    sample: int
    family: str
    design: str
    setup: int
    kerma_uGy: float | None
    psnr_dB: float | None
    ssim: float
    rmse: float
    bias: float
    band_lp_mm: tuple[tuple[float, float], ...]
    chi2: Numbers
    unsupported: float
    grey_residual: float
    reference_power: Numbers
    power_ratio: MaybeNumbers
    transfer: MaybeNumbers
    outside: float
    seconds: float


class MetricSummary(Row):
    """A metric of a restorer over all images: per image first, then over families."""

    restorer: str
    metric: str
    unit: str
    estimate: Estimate
    median: float
    images: int
    families: int
    infinite: int


class Picture(Row):
    """An 8-bit grey PNG whose black is ``low`` and white is ``high``."""

    width: int
    height: int
    low: float
    high: float
    png_base64: str
