"""The first page: one verdict for each question, with what it found of every restorer; what failed stands first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.evaluation.entrants import INPUT
from xsim_zoo.evaluation.finding import interval, level_of, negated, verdict
from xsim_zoo.evaluation.leakage import UNKNOWN
from xsim_zoo.evaluation.records import Estimate, Finding
from xsim_zoo.evaluation.task_verdicts import features, tracks, voids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xsim_zoo.evaluation.records import Level, Verdict
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
    """Return the verdicts on an evaluation whose sections are filled; questions without an answer are left out."""
    data = evaluation.provenance.data
    basis = f"{data.images} images of {data.families} board families"
    psnr = {row.restorer: row.estimate.mean for row in evaluation.summary if row.metric == "psnr_dB"}
    ssim = {row.restorer: row.estimate for row in evaluation.summary if row.metric == "ssim"}
    best = _best_classical(evaluation, psnr)
    found = (
        verdict("what this rests on", basis, _basis(evaluation)),
        verdict("closer to HR", f"SSIM of the LR images is {ssim[INPUT].mean:.4f}", _gain(evaluation, ssim)),
        verdict("learned against classical", f"PSNR less that of {best}, the best without training", _learned(
            evaluation, best
        )),
        verdict("consistent with the measurement", f"largest chi2 above {_CHI2_FROM_LP_MM:g} lp/mm, 1 is noise alone", (
            _consistency(evaluation)
        )),
        verdict("sharpness", f"power at {_SHARPNESS_AT_LP_MM:g} lp/mm over that of HR", _sharpness(evaluation)),
        voids(evaluation),
        tracks(evaluation),
        features(evaluation),
        verdict("uncertainty", "coverage of the samples' intervals less what they promise", _uncertainty(evaluation)),
        verdict("other detectors than stated", "PSNR lost in the worst of the mismatch tests", _mismatch(evaluation)),
    )  # fmt: skip
    return tuple(sorted((item for item in found if item is not None), key=lambda item: _ORDER[item.level]))


def _basis(evaluation: Evaluation) -> Iterator[Finding]:
    """Yield what limits all the rest: leaks, few families, missing links, missing sections."""
    for contender in evaluation.provenance.contenders:
        if contender.leak == UNKNOWN:
            yield Finding(restorer=contender.label, level="warn", text=f"a leak is {UNKNOWN}")
        if not contender.linked and contender.steps > 1 and contender.eta == 0 and contender.learned:
            yield Finding(restorer=contender.label, level="warn", text=f"takes {contender.steps} steps without a link")
    if evaluation.provenance.data.families < _FEW_FAMILIES:
        yield Finding(restorer="", level="warn", text="intervals from so few families are too narrow")
    missing = [name for name, reason in evaluation.absent.items() if reason != "not asked for"]
    if missing:
        yield Finding(restorer="", level="warn", text=f"absent: {', '.join(missing)}")


def _gain(evaluation: Evaluation, ssim: dict[str, Estimate]) -> Iterator[Finding]:
    """Compare every restorer with the LR image as it is."""
    before = ssim[INPUT]
    for label in evaluation.labels:
        after = ssim[label]
        apart = after.low is not None and before.high is not None and after.low > before.high
        worse = after.high is not None and before.low is not None and after.high < before.low
        level: Level = "pass" if apart else "fail" if worse else "warn"
        yield Finding(restorer=label, level=level, text=f"{after.mean:.4f}")


def _best_classical(evaluation: Evaluation, psnr: dict[str, float]) -> str:
    """Return the restorer of highest PSNR that does not learn; empty if there is none."""
    classical = [item.label for item in evaluation.provenance.contenders if not item.learned and item.label in psnr]
    return max(classical, key=lambda label: psnr[label], default="")


def _learned(evaluation: Evaluation, best: str) -> Iterator[Finding]:
    """Compare every learned restorer with the best one that does not learn, on the same images."""
    learned = {contender.label for contender in evaluation.provenance.contenders if contender.learned}
    for row in evaluation.differences:
        other = row.against if row.restorer == best else row.restorer
        if row.metric == "psnr_dB" and best in (row.restorer, row.against) and other in learned:
            estimate = row.estimate if row.against == best else negated(row.estimate)
            yield Finding(restorer=other, level=level_of(estimate), text=interval(estimate, "dB"))


def _consistency(evaluation: Evaluation) -> Iterator[Finding]:
    beyond = {row.restorer: row.estimate.mean for row in evaluation.summary if row.metric == "unsupported"}
    for row in evaluation.chi2:
        judged = [
            (value.mean, band)
            for band, value in zip(row.band_lp_mm, row.value, strict=True)
            if band[0] >= _CHI2_FROM_LP_MM
        ]
        if row.restorer == INPUT or not judged:
            continue
        worst, band = max(judged)
        text = f"{worst:.2f} at {band[0]:g} to {band[1]:.3g} lp/mm"
        unsupported = beyond.get(row.restorer, 0.0)
        if unsupported > _UNSUPPORTED_LIMIT:
            text += f", and {100 * unsupported:.1f} % of its power is beyond what was measured"
        level: Level = "fail" if worst > _CHI2_LIMIT else "warn" if unsupported > _UNSUPPORTED_LIMIT else "pass"
        yield Finding(restorer=row.restorer, level=level, text=text)


def _sharpness(evaluation: Evaluation) -> Iterator[Finding]:
    low, high = _SHARPNESS
    for curve in evaluation.power:
        if curve.quantity != "power ratio" or curve.restorer == INPUT:
            continue
        apart = [abs(frequency - _SHARPNESS_AT_LP_MM) for frequency in curve.frequency_lp_mm]
        value = curve.value[apart.index(min(apart))]
        if value is None:
            continue
        said = ", smoother than HR" if value < low else ", livelier than HR" if value > high else ""
        yield Finding(restorer=curve.restorer, level="warn" if said else "pass", text=f"{value:.2f}{said}")


def _uncertainty(evaluation: Evaluation) -> Iterator[Finding]:
    for label in evaluation.labels:
        gaps = [
            (covered - nominal, row.region)
            for row in evaluation.coverage
            if row.restorer == label
            for covered, nominal in zip(row.covered, row.nominal, strict=True)
        ]
        if not gaps:
            continue
        worst, region = max(gaps, key=lambda gap: abs(gap[0]))
        good = abs(worst) <= _COVERAGE_LIMIT
        said = "" if good else ", its intervals are too narrow" if worst < 0 else ", its intervals are too wide"
        yield Finding(restorer=label, level="pass" if good else "warn", text=f"{worst:+.2f} ({region}){said}")


def _mismatch(evaluation: Evaluation) -> Iterator[Finding]:
    for label in evaluation.labels:
        rows = [row for row in evaluation.mismatch if row.restorer == label]
        if not rows:
            continue
        worst = min(rows, key=lambda row: row.change_dB.mean)
        level: Level = "warn" if worst.change_dB.mean < -_LOSS_LIMIT_DB else "pass"
        yield Finding(restorer=label, level=level, text=f"{interval(worst.change_dB, 'dB')} under {worst.condition}")
