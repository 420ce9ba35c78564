"""A whole evaluation made of plausible numbers, for tests of what reads evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xsim_zoo.evaluation import records as r
from xsim_zoo.evaluation.probes.bars import BarProbe
from xsim_zoo.evaluation.probes.chi2 import BandScore
from xsim_zoo.evaluation.probes.coverage import Coverage
from xsim_zoo.evaluation.probes.differences import Difference
from xsim_zoo.evaluation.probes.edges import EdgeProbe
from xsim_zoo.evaluation.probes.features import FeatureScore
from xsim_zoo.evaluation.probes.mismatch import MismatchScore
from xsim_zoo.evaluation.probes.noise import NoiseProbe, Resolution
from xsim_zoo.evaluation.probes.opens import OpenScore
from xsim_zoo.evaluation.probes.power import Curve
from xsim_zoo.evaluation.probes.shapes import ShapeScore
from xsim_zoo.evaluation.probes.shown import Shown, picture
from xsim_zoo.evaluation.probes.voids import VoidScore, VoidSize
from xsim_zoo.evaluation.results import Evaluation
from xsim_zoo.evaluation.results import sections as known_sections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LABELS = ("wiener", "unet", "physics-sde")
_FREQUENCY = tuple(float(f) for f in np.arange(0.5, 10.01, 0.5))
_METRICS = (("psnr_dB", "dB", 26.0, 4.0), ("ssim", "", 0.85, 0.04), ("rmse", "", 0.05, -0.01))
_BANDS = ((0.3, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 10.4))


def _estimate(mean: float, half: float) -> r.Estimate:
    return r.Estimate(mean=mean, low=mean - half, high=mean + half)


def _falling(width: float) -> tuple[float, ...]:
    return tuple(float(np.exp(-((f / width) ** 1.5))) for f in _FREQUENCY)


def _provenance(labels: Sequence[str], images: int) -> r.Provenance:
    data = r.DataSource(
        path="pairs.zarr", digest="5e8248a0" * 8, origin="simulated", recipe="paper", recipe_hash="ab12" * 16, seed=11,
        split="test", images=images, families=images, shape=(512, 512), pitch_mm=0.048,
    )  # fmt: skip
    competitors = tuple(
        r.CompetitorRecord(
            label=label, restorer=label, weights=f"{label}.safetensors", digest="22733510" * 8,
            parameters=0 if label == "wiener" else 535852, steps=3 if "sde" in label else 1, eta=0.0, sharpness=1.0,
            linked=True, learned=label != "wiener", trained_on="train.zarr", trained_pairs=307, trained_steps=1900,
            leak="no family in common",
        )
        for label in labels
    )  # fmt: skip
    return r.Provenance(
        data=data, contenders=competitors, settings={"seed": 0, "resamples": 2000, "quick": False},
        versions={"xsim": "0.1.0", "torch": "2.13.0", "numpy": "2.4.0", "python": "3.11.9"}, device="cpu",
        data_range=1.0, border_px=16, created="2026-01-01T12:00:00+00:00", seconds=431.0,
    )  # fmt: skip


def _images(labels: Sequence[str], images: int) -> tuple[r.ImageScore, ...]:
    rng = np.random.default_rng(5)
    rows = []
    for rank, label in enumerate(["lr", *labels]):
        for sample in range(images):
            psnr = 26.0 + 4.0 * rank + float(rng.normal(0, 1.5))
            rows.append(
                r.ImageScore(
                    restorer=label, sample=sample, family=str(2**63 + sample),
                    design=("bga", "dense", "mixed")[sample % 3], setup=0, kerma_uGy=42.56,
                    psnr_dB=psnr, ssim=0.85 + 0.04 * rank + 0.005 * float(rng.normal()),
                    rmse=10 ** (-psnr / 20), bias=1e-4, band_lp_mm=_BANDS, chi2=(1.4, 1.1, 0.7, 0.6, 0.9),
                    unsupported=0.001, grey_residual=0.004, reference_power=_falling(4.0),
                    power_ratio=_falling(3.0 + 2.0 * rank), transfer=_falling(2.5 + 2.0 * rank), outside=0.0,
                    seconds=0.4,
                )
            )  # fmt: skip
    return tuple(rows)


def _summary(labels: Sequence[str], images: int) -> tuple[r.MetricSummary, ...]:
    return tuple(
        r.MetricSummary(
            restorer=label, metric=metric, unit=unit, estimate=_estimate(base + step * rank, abs(step) / 4),
            median=base + step * rank, images=images, families=images, infinite=0,
        )
        for metric, unit, base, step in _METRICS
        for rank, label in enumerate(["lr", *labels])
    )  # fmt: skip


def _tables(labels: Sequence[str], images: int) -> dict[str, Any]:
    everyone = ["lr", *labels]
    return {
        "differences": tuple(
            Difference(
                restorer=label, against=other, metric=metric, unit=unit, estimate=_estimate(step, abs(step) / 5),
                p=0.003, images=images, families=images,
            )
            for metric, unit, _, step in _METRICS
            for i, label in enumerate(labels)
            for other in labels[:i]
        ),
        "power": tuple(
            Curve(
                restorer=label, quantity=quantity, frequency_lp_mm=_FREQUENCY, value=_falling(width),
                low=tuple(v - 0.02 for v in _falling(width)), high=tuple(v + 0.02 for v in _falling(width)),
            )
            for rank, label in enumerate(everyone)
            for quantity, width in (("power ratio", 3.0 + 2.0 * rank), ("coherent transfer", 2.5 + 2.0 * rank))
        ),
        "chi2": tuple(
            BandScore(
                restorer=label, band_lp_mm=_BANDS, value=tuple(_estimate(v, 0.1) for v in (1.4, 1.1, 0.7, 0.6, 0.9))
            )
            for label in labels
        ),
    }  # fmt: skip


def _probes(labels: Sequence[str]) -> dict[str, Any]:
    everyone = ["lr", *labels]
    return {
        "edges": tuple(
            EdgeProbe(
                restorer=label, contrast=contrast, dose=dose, polarity="metal-left", direction=direction,
                angle_deg=angle, draws=16, frequency_lp_mm=_FREQUENCY,
                transfer=tuple(v if v > 0.05 else None for v in _falling((3.0 + 2.0 * rank) * (1 + contrast))),
                noise_floor=0.02, overshoot=0.03 * rank, undershoot=0.0,
            )
            for rank, label in enumerate(everyone)
            for contrast in (0.02, 0.1, 0.3, 0.8)
            for dose in (0.25, 1.0, 4.0)
            for direction, angle in (("vertical", 3.0), ("horizontal", 5.0))
        ),
        "bars": tuple(
            BarProbe(
                restorer=label, contrast=0.4, draws=8, frequency_lp_mm=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0),
                ctf=(*(float(np.exp(-f / (2.0 + rank))) for f in (1, 2, 3, 4, 5, 6, 8)), None),
                standard_error=(0.01,) * 7 + (None,),
            )
            for rank, label in enumerate([*everyone, "hr"])
        ),
        "noise": tuple(
            NoiseProbe(
                restorer=label, frames=16, frequency_lp_mm=_FREQUENCY,
                nnps_mm2=tuple(2e-6 * v for v in _falling(3.0 + rank)), gain=_falling(3.0 + rank),
                snr=160.0 + 40 * rank, snr_blocks=150.0,
            )
            for rank, label in enumerate(everyone)
        ),
        "resolution": tuple(
            Resolution(
                restorer=label, srb_mm=None if label == "lr" else 0.16 - 0.03 * rank, snr=160.0 + 40 * rank,
                snr_n=None if label == "lr" else 90.0 + 60 * rank,
                note="no pair of the gauge is resolved" if label == "lr" else "",
            )
            for rank, label in enumerate([*everyone, "hr"])
        ),
    }  # fmt: skip


def _tasks(labels: Sequence[str]) -> dict[str, Any]:
    labelled = tuple(float(v) for v in np.linspace(2.0, 40.0, 25))
    return {
        "voids": tuple(
            VoidScore(
                restorer=label, balls=25, mean_absolute_error=3.0 - 0.5 * rank, change=_estimate(-0.5 * rank, 0.3),
                bias=-1.0, limit_low=-4.0, limit_high=2.0, labelled=labelled,
                sizes=tuple(
                    VoidSize(from_percent=low, to_percent=high, balls=12, seen=min(12, 3 * place + 3 * rank))
                    for place, (low, high) in enumerate([(2.0, 10.0), (10.0, 40.0)])
                ),
                measured=tuple(v - 1.0 + 0.3 * (i % 5) for i, v in enumerate(labelled)),
            )
            for rank, label in enumerate(["lr", *labels, "hr"])
        ),
        "opens": tuple(
            OpenScore(
                restorer=label, gap_mm=gap, copper_mm=copper, present=40, absent=40,
                auc=_estimate(min(0.6 + 100 * gap * copper, 0.99), 0.04), change=_estimate(0.02 * rank, 0.01),
                d_prime=20 * gap, d_prime_best=25 * gap,
            )
            for rank, label in enumerate(["lr", *labels, "hr"])
            for gap in (0.02, 0.04, 0.08)
            for copper in (0.035, 0.07)
        ),
        "features": tuple(
            FeatureScore(
                restorer=label, area_cm2=6.0, features=90, threshold=0.004, missed=12 - 3 * rank, invented=rank,
                missed_per_cm2=(12 - 3 * rank) / 6.0, invented_per_cm2=rank / 6.0,
                change=_estimate(-0.5 * rank, 0.2),
            )
            for rank, label in enumerate(["lr", *labels])
        ),
        "coverage": tuple(
            Coverage(
                restorer=labels[-1], samples=8, images=4, region=region, nominal=(0.5, 0.8, 0.95),
                covered=(0.44, 0.72, 0.88), spread=0.006, error=0.008, crps=0.004, psnr_mean_dB=39.6,
                psnr_sample_dB=38.5,
            )
            for region in ("all", "flat", "edge")
        ),
        "shapes": tuple(
            ShapeScore(restorer=label, shape=shape, psnr_dB=30.0 + rank, ssim=0.9, gain_dB=4.0, weak_error=0.4)
            for rank, label in enumerate(labels)
            for shape in ("disc-array", "wedge-17", "spiral")
        ),
        "mismatch": tuple(
            MismatchScore(
                restorer=label, condition=condition, psnr_dB=37.0, ssim=0.95, change_dB=_estimate(-1.0, 0.2), images=8
            )
            for label in labels
            for condition in ("MTF -10 %", "MTF +10 %", "dose x 0.5", "dose x 2", "0.5 px shift")
        ),
    }  # fmt: skip


def _shown(labels: Sequence[str], count: int) -> tuple[Shown, ...]:
    y, x = np.mgrid[0:64, 0:64] / 64.0
    sharp = 0.6 + 0.3 * np.sign(np.sin(20 * x) * np.sin(14 * y))
    soft = 0.6 + 0.2 * np.sin(20 * x) * np.sin(14 * y)
    roles = ("typical",) + ("worst",) * count
    return tuple(
        Shown(
            restorer=label, role=role, sample=number, family=str(2**63 + number), design="bga", psnr_dB=30.0 + number,
            ssim=0.8 + 0.01 * number, window=(32, 48, 64, 64), lr=picture(soft, 0.0, 1.1),
            restored=picture(0.7 * sharp + 0.3 * soft, 0.0, 1.1), hr=picture(sharp, 0.0, 1.1),
            ssim_map=picture(1 - np.abs(sharp - soft), -1.0, 1.0),
        )
        for label in labels
        for number, role in enumerate(roles)
    )  # fmt: skip


def _any_rows(model: type[r.Row], labels: Sequence[str]) -> tuple[r.Row, ...]:
    """Return a row for each label whose numbers are 1 and whose texts are one word."""
    plain: dict[Any, Any] = {"str": "word", "float": 1.0, "int": 1, str: "word", float: 1.0, int: 1}
    values = {name: plain[field.annotation] for name, field in model.model_fields.items()}
    return tuple(model.model_validate({**values, "restorer": label}) for label in labels)


def example_evaluation(
    labels: Sequence[str] = LABELS, *, images: int = 12, worst: int = 10, absent: Mapping[str, str] | None = None
) -> Evaluation:
    """Return an evaluation with every section, except those that ``absent`` gives a reason for."""
    absent = dict(absent or {})
    sections = {**_probes(labels), **_tasks(labels), **_tables(labels, images), "shown": _shown(labels, worst)}
    # A new probe is tested as soon as it is registered.
    sections |= {name: _any_rows(one.row, labels) for name, one in known_sections().items() if name not in sections}
    sections |= dict.fromkeys(absent, ())
    return Evaluation(
        provenance=_provenance(labels, images),
        verdicts=(
            r.Verdict(
                level="fail",
                check="small features",
                text="of 90 dots, on LR 12 missed, 0 invented",
                findings=(
                    r.Finding(restorer=labels[0], level="pass", text="9 missed, 0 invented"),
                    r.Finding(restorer=labels[-1], level="fail", text="3 missed, 2 invented"),
                ),
            ),
            r.Verdict(level="warn", check="mismatch", text="PSNR lost where the MTF is 10 % lower"),
            r.Verdict(level="pass", check="learned against classical", text="PSNR less that of wiener"),
        ),
        images=_images(labels, images),
        summary=_summary(labels, images),
        limits=(
            "Simulated boards only.",
            "A restored image is not for acceptance without the raw image kept (ISO 17636-2).",
        ),
        absent=absent,
        sections=sections,
    )
