"""The rows of an evaluation: one small model for each kind of finding.

Numbers that could not be measured are None, never NaN, so that every row is plain JSON; frequencies are in lp/mm and
grey levels in units of the open field.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = [
    "BandScore",
    "BarProbe",
    "Contender",
    "Coverage",
    "Curve",
    "DataSource",
    "Difference",
    "EdgeProbe",
    "Estimate",
    "Finding",
    "ImageScore",
    "MismatchScore",
    "NoiseProbe",
    "Picture",
    "Provenance",
    "Resolution",
    "Row",
    "ShapeScore",
    "Shown",
    "Summary",
    "Verdict",
]

Numbers = tuple[float, ...]
MaybeNumbers = tuple[float | None, ...]
Level = Literal["fail", "warn", "pass"]


class Row(BaseModel):
    """A frozen row; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(Row):
    """A mean with its 95 % interval, by cluster bootstrap over families; one family alone has no interval (None)."""

    mean: float
    low: float | None
    high: float | None


class DataSource(Row):
    """The pairs that were judged on."""

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
    pitch_mm: float


class Contender(Row):
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


class Provenance(Row):
    """Where the numbers come from: data, weights, settings, versions, and the time it took."""

    data: DataSource
    contenders: tuple[Contender, ...]
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


class Summary(Row):
    """A metric of a restorer over all images: per image first, then over families."""

    restorer: str
    metric: str
    unit: str
    estimate: Estimate
    median: float
    images: int
    families: int
    infinite: int


class Difference(Row):
    """A metric of ``restorer`` less that of ``against``, paired by image; ``p`` is adjusted by Holm's method."""

    restorer: str
    against: str
    metric: str
    unit: str
    estimate: Estimate
    p: float
    images: int
    families: int


class Curve(Row):
    """A quantity of a restorer against frequency, with its 95 % interval where there is one."""

    restorer: str
    quantity: str
    frequency_lp_mm: Numbers
    value: MaybeNumbers
    low: MaybeNumbers | None = None
    high: MaybeNumbers | None = None


class BandScore(Row):
    """chi2 of a restorer in bands of frequencies: 1 for posterior samples, below 1 for estimates."""

    restorer: str
    band_lp_mm: tuple[tuple[float, float], ...]
    value: tuple[Estimate, ...]


class EdgeProbe(Row):
    """Signal response of a restorer to one slanted edge, the noise averaged away before the edge was fitted.

    ``transfer`` is its MTF over that of the HR screen, ``restorer`` "lr" the LR image's own. ``contrast`` is the step
    over the brighter side, ``dose`` relative to the set-up's. Overshoot and undershoot are shares of the step.
    """

    restorer: str
    contrast: float
    dose: float
    polarity: Literal["metal-left", "metal-right"]
    direction: Literal["vertical", "horizontal"]
    angle_deg: float
    draws: int
    frequency_lp_mm: Numbers
    transfer: MaybeNumbers
    noise_floor: float
    overshoot: float
    undershoot: float


class BarProbe(Row):
    """Modulation of bar groups over that of very wide bars; the restorers "lr" and "hr" are the two images."""

    restorer: str
    contrast: float
    draws: int
    frequency_lp_mm: Numbers
    ctf: MaybeNumbers
    standard_error: MaybeNumbers


class NoiseProbe(Row):
    """Noise of a restored flat field over realisations of the noise, by frequency."""

    restorer: str
    frames: int
    frequency_lp_mm: Numbers
    nnps_mm2: MaybeNumbers
    gain: MaybeNumbers
    snr: float
    snr_blocks: float


class Resolution(Row):
    """Basic spatial resolution from the duplex wire gauge, SNR of the flat field, and SNR normalised to it."""

    restorer: str
    srb_mm: float | None
    snr: float
    snr_n: float | None
    note: str = ""


class Coverage(Row):
    """How often the central intervals of posterior samples hold the truth, and how wide they are."""

    restorer: str
    samples: int
    images: int
    region: str
    nominal: Numbers
    covered: Numbers
    spread: float
    error: float
    crps: float
    psnr_mean_dB: float
    psnr_sample_dB: float


class ShapeScore(Row):
    """A shape that no training board shows.

    ``weak_error`` is the power of the answer's error over that of the clean image's structure at the frequencies where
    B_1 is below 0.25; leaving them empty costs 1.
    """

    restorer: str
    shape: str
    psnr_dB: float | None
    ssim: float
    gain_dB: float | None
    weak_error: float | None


class MismatchScore(Row):
    """What a restorer loses where the detector is not what it was told: mean change against the stated physics."""

    restorer: str
    condition: str
    psnr_dB: float
    ssim: float
    change_dB: Estimate
    images: int


class Picture(Row):
    """An 8-bit grey PNG whose black is ``low`` and white is ``high``."""

    width: int
    height: int
    low: float
    high: float
    png_base64: str


class Shown(Row):
    """A window of one image as a restorer left it: LR, restored, HR and the SSIM map.

    ``role`` is "worst" for the images of lowest SSIM and "typical" for the one of median SSIM; ``window`` is
    (y, x, height, width) in pixels, around the place of lowest SSIM for the worst.
    """

    restorer: str
    role: Literal["worst", "typical"]
    sample: int
    family: str
    design: str
    psnr_dB: float | None
    ssim: float
    window: tuple[int, int, int, int]
    lr: Picture
    restored: Picture
    hr: Picture
    ssim_map: Picture
