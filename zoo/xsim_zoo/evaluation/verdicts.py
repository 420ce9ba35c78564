"""The first page: what an evaluation found, in one line each, what failed first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.evaluation.entrants import INPUT
from xsim_zoo.evaluation.leakage import UNKNOWN
from xsim_zoo.evaluation.records import Estimate, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["verdicts_of"]

_FEW_FAMILIES = 10
_CHI2_FROM_LP_MM = 2.0
"""Below it one link cannot say what many materials do, and chi2 says so too."""
_CHI2_LIMIT = 1.5
_UNSUPPORTED_LIMIT = 0.02
_SHARPNESS = (0.5, 1.25)
_SHARPNESS_AT_LP_MM = 4.0
_COVERAGE_LIMIT = 0.1
_LOSS_LIMIT_DB = 3.0

_ORDER = {"fail": 0, "warn": 1, "pass": 2}


def verdicts_of(evaluation: Evaluation) -> tuple[Verdict, ...]:
    """Return the verdicts on an evaluation whose sections are filled."""
    lines = [
        *_trust(evaluation),
        *_gain(evaluation),
        *_baseline(evaluation),
        *_consistency(evaluation),
        *_sharpness(evaluation),
        *_tasks(evaluation),
        *_uncertainty(evaluation),
        *_mismatch(evaluation),
    ]
    return tuple(sorted(lines, key=lambda line: _ORDER[line.level]))


def _trust(evaluation: Evaluation) -> Iterator[Verdict]:
    """Say what limits all the rest: leaks, few families, missing links, missing sections."""
    for contender in evaluation.provenance.contenders:
        if contender.leak == UNKNOWN:
            yield Verdict(level="warn", check="leaks", text=f"{contender.label}: a leak is {UNKNOWN}")
        if not contender.linked and contender.steps > 1 and contender.eta == 0 and contender.learned:
            yield Verdict(
                level="warn", check="link", text=f"{contender.label} takes {contender.steps} steps without a link"
            )
    families = evaluation.provenance.data.families
    if families < _FEW_FAMILIES:
        yield Verdict(
            level="warn", check="families", text=f"{families} board families: intervals from so few are too narrow"
        )
    missing = [name for name, reason in evaluation.absent.items() if reason != "not asked for"]
    if missing:
        yield Verdict(level="warn", check="sections", text=f"absent: {', '.join(missing)}")


def _interval(estimate: Estimate, unit: str, digits: int = 2) -> str:
    text = f"{estimate.mean:+.{digits}f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" [{estimate.low:+.{digits}f}, {estimate.high:+.{digits}f}]"
    return f"{text} {unit}".rstrip()


def _level(estimate: Estimate) -> str:
    if estimate.low is not None and estimate.low > 0:
        return "pass"
    return "fail" if estimate.high is not None and estimate.high < 0 else "warn"


def _gain(evaluation: Evaluation) -> Iterator[Verdict]:
    """Compare every restorer with the LR image as it is, by SSIM."""
    means = {row.restorer: row.estimate for row in evaluation.summary if row.metric == "ssim"}
    before = means[INPUT]
    for label in evaluation.labels:
        after = means[label]
        apart = after.low is not None and before.high is not None and after.low > before.high
        worse = after.high is not None and before.low is not None and after.high < before.low
        yield Verdict(
            level="pass" if apart else "fail" if worse else "warn",
            check="restores",
            text=f"{label}: SSIM {after.mean:.4f}, the LR images as they are {before.mean:.4f}",
        )


def _baseline(evaluation: Evaluation) -> Iterator[Verdict]:
    """Compare every learned restorer with the best one that does not learn."""
    psnr = {row.restorer: row.estimate.mean for row in evaluation.summary if row.metric == "psnr_dB"}
    learned = {contender.label: contender.learned for contender in evaluation.provenance.contenders}
    classical = [label for label in evaluation.labels if not learned[label] and label in psnr]
    if not classical:
        return
    best = max(classical, key=lambda label: psnr[label])
    for row in evaluation.differences:
        if row.metric != "psnr_dB" or best not in (row.restorer, row.against):
            continue
        other = row.against if row.restorer == best else row.restorer
        if not learned[other]:
            continue
        estimate = row.estimate if row.against == best else _negated(row.estimate)
        text = f"{other} against {best}: {_interval(estimate, 'dB')}, {row.families} families"
        yield Verdict.model_validate({"level": _level(estimate), "check": "beats the best classical", "text": text})


def _negated(estimate: Estimate) -> Estimate:
    low, high = estimate.low, estimate.high
    return Estimate(mean=-estimate.mean, low=None if high is None else -high, high=None if low is None else -low)


def _consistency(evaluation: Evaluation) -> Iterator[Verdict]:
    for row in evaluation.chi2:
        if row.restorer == INPUT:
            continue
        judged = [
            (band, value.mean)
            for band, value in zip(row.band_lp_mm, row.value, strict=True)
            if band[0] >= _CHI2_FROM_LP_MM
        ]
        if not judged:
            continue
        band, worst = max(judged, key=lambda item: item[1])
        yield Verdict(
            level="fail" if worst > _CHI2_LIMIT else "pass",
            check="consistent with the measurement",
            text=f"{row.restorer}: largest chi2 {worst:.2f}, at {band[0]:g} to {band[1]:.3g} lp/mm",
        )
    for mean in evaluation.summary:
        if mean.metric == "unsupported" and mean.restorer != INPUT and mean.estimate.mean > _UNSUPPORTED_LIMIT:
            share = f"{100 * mean.estimate.mean:.1f} % of the answer's power"
            yield Verdict(
                level="warn", check="unsupported power", text=f"{mean.restorer}: {share} is beyond what was measured"
            )


def _sharpness(evaluation: Evaluation) -> Iterator[Verdict]:
    for curve in evaluation.power:
        if curve.quantity != "power ratio" or curve.restorer == INPUT:
            continue
        at = min(
            range(len(curve.frequency_lp_mm)), key=lambda index: abs(curve.frequency_lp_mm[index] - _SHARPNESS_AT_LP_MM)
        )
        value = curve.value[at]
        if value is None:
            continue
        low, high = _SHARPNESS
        said = "smoother than" if value < low else "livelier than" if value > high else "near"
        yield Verdict(
            level="pass" if low <= value <= high else "warn",
            check="sharpness",
            text=f"{curve.restorer}: power at {curve.frequency_lp_mm[at]:g} lp/mm is {value:.2f} of HR's, {said} it",
        )


def _tasks(evaluation: Evaluation) -> Iterator[Verdict]:
    """Compare every restorer's task scores with those of the LR image."""
    voids = {row.restorer: row.mean_absolute_error for row in evaluation.voids}
    invented = {row.restorer: row.invented_per_cm2 for row in evaluation.features}
    missed = {row.restorer: row.missed_per_cm2 for row in evaluation.features}
    for label in evaluation.labels:
        yield from _task("void area", label, voids, "% of the ball")
        yield from _task("missed features", label, missed, "per cm2")
        yield from _task("invented features", label, invented, "per cm2")
    smallest = min((row.gap_mm for row in evaluation.opens), default=0.0)
    areas = {row.restorer: row.auc for row in evaluation.opens if row.gap_mm == smallest}
    for label in evaluation.labels:
        if label in areas and INPUT in areas:
            worse = areas[label].high is not None and (areas[label].high or 0.0) < areas[INPUT].mean
            yield Verdict(
                level="fail" if worse else "pass",
                check="open tracks",
                text=f"{label}: AUC {areas[label].mean:.2f} at a gap of {1000 * smallest:g} um, LR "
                f"{areas[INPUT].mean:.2f}",
            )


def _task(check: str, label: str, values: dict[str, float], unit: str) -> Iterator[Verdict]:
    if label not in values or INPUT not in values:
        return
    own, before = values[label], values[INPUT]
    yield Verdict(
        level="fail" if own > before else "pass",
        check=check,
        text=f"{label}: {own:.2f} {unit}, on the LR image {before:.2f}",
    )


def _uncertainty(evaluation: Evaluation) -> Iterator[Verdict]:
    for row in evaluation.coverage:
        gaps: Sequence[float] = [c - n for c, n in zip(row.covered, row.nominal, strict=True)]
        worst = max(gaps, key=abs)
        side = "narrow" if worst < 0 else "wide"
        text = f"{row.restorer}, {row.region}: coverage is off by {worst:+.2f}"
        good = abs(worst) <= _COVERAGE_LIMIT
        yield Verdict(
            level="pass" if good else "warn",
            check="uncertainty",
            text=text if good else f"{text}, its intervals are too {side}",
        )


def _mismatch(evaluation: Evaluation) -> Iterator[Verdict]:
    for label in evaluation.labels:
        rows = [row for row in evaluation.mismatch if row.restorer == label]
        if not rows:
            continue
        worst = min(rows, key=lambda row: row.change_dB.mean)
        yield Verdict(
            level="warn" if worst.change_dB.mean < -_LOSS_LIMIT_DB else "pass",
            check="mismatch",
            text=f"{label}: {_interval(worst.change_dB, 'dB')} under {worst.condition}, the worst",
        )
