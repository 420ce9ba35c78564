"""The first page: one verdict for each question, as bad as its worst finding; and what the numbers do not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xsim_zoo.evaluation.records import INPUT, LEAK_UNKNOWN, LEFT_OUT, Estimate, Finding, Level, Provenance, Verdict
from xsim_zoo.evaluation.results import Evaluation, sections

__all__ = ["interval", "level_of", "limits_of", "negated", "verdict", "verdicts_of"]

_FEW_FAMILIES = 10
"""Fewer families than these are too few for a percentile interval: drawn anew, one of them decides its ends."""

_EDGES = (
    "A nonlinear restorer has no single MTF: edge responses hold for the contrast and dose they were measured at, and "
    "boards full of straight edges make edges a trained object."
)
_CONSISTENCY = (
    "chi2 near or below 1 says that an answer does not contradict the measurement; it does not say that what the "
    "measurement is silent about is right."
)

_WORST_FIRST: tuple[Level, ...] = ("fail", "warn", "pass")


def verdict(check: str, text: str, findings: Iterable[Finding]) -> Verdict | None:
    """Return the verdict on a question, as bad as its worst finding; None without findings."""
    found = tuple(findings)
    if not found:
        return None
    worst = min((finding.level for finding in found), key=_WORST_FIRST.index)
    return Verdict(level=worst, check=check, text=text, findings=found)


def level_of(gain: Estimate) -> Level:
    """Return "pass" or "fail" where a gain's whole interval is above or below zero, "warn" where it holds zero."""
    if gain.low is not None and gain.low > 0:
        return "pass"
    return "fail" if gain.high is not None and gain.high < 0 else "warn"


def negated(estimate: Estimate) -> Estimate:
    """Return the estimate of what is lost where this one says what is gained, or the other way round."""
    low, high = estimate.low, estimate.high
    return Estimate(mean=-estimate.mean, low=None if high is None else -high, high=None if low is None else -low)


def interval(estimate: Estimate, unit: str = "", digits: int = 2) -> str:
    """Return a signed estimate with its interval and unit."""
    text = f"{estimate.mean:+.{digits}f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" [{estimate.low:+.{digits}f}, {estimate.high:+.{digits}f}]"
    return f"{text} {unit}".rstrip()


def verdicts_of(evaluation: Evaluation) -> tuple[Verdict, ...]:
    """Return the verdicts on an evaluation whose sections are filled; questions without an answer are left out."""
    data = evaluation.provenance.data
    basis = f"{data.images} images of {data.families} board families"
    ssim = {row.restorer: row.estimate for row in evaluation.summary if row.metric == "ssim"}
    own = sorted(sections().values(), key=lambda section: section.order if section.asked is None else section.asked)
    found = [
        verdict("what this rests on", basis, _basis(evaluation)),
        verdict("closer to HR", f"SSIM of the LR images is {ssim[INPUT].mean:.4f}", _gain(evaluation, ssim)),
        *(section.verdict(evaluation) for section in own if evaluation.sections[section.name]),
    ]
    return tuple(sorted((item for item in found if item is not None), key=lambda item: _WORST_FIRST.index(item.level)))


def _basis(evaluation: Evaluation) -> Iterator[Finding]:
    """Yield what limits all the rest: leaks, few families, missing links, missing sections."""
    for one in evaluation.provenance.contenders:
        if one.leak == LEAK_UNKNOWN:
            yield Finding(restorer=one.label, level="warn", text=f"a leak is {LEAK_UNKNOWN}")
        if not one.linked and one.steps > 1 and one.eta == 0 and one.learned:
            yield Finding(restorer=one.label, level="warn", text=f"takes {one.steps} steps without a link")
    if evaluation.provenance.data.families < _FEW_FAMILIES:
        yield Finding(restorer="", level="warn", text="intervals from so few families are too narrow")
    if left_out := evaluation.provenance.settings.get(LEFT_OUT):
        yield Finding(restorer="", level="warn", text=f"{LEFT_OUT}: {left_out}")
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


def limits_of(provenance: Provenance) -> tuple[str, ...]:
    """Return the limits that hold for this evaluation."""
    data = provenance.data
    similarity = (
        f"PSNR and SSIM refer to a data range of {provenance.data_range:g}, the open field. The reference is the HR "
        f"image with its noise; {provenance.border_px} pixels of border are left out, and nothing is clipped."
    )
    lines = [similarity, _EDGES, _CONSISTENCY]
    if data.origin == "simulated":
        lines.append(
            "Data, probes and physics come from one simulator: agreement between them says nothing about a real "
            "detector. Judge on registered real pairs as well."
        )
    if any(one.trained_steps for one in provenance.contenders):
        lines.append(
            "Each learned restorer stands for one training run; the spread between training seeds can exceed the "
            "differences shown here."
        )
    lines.append(
        "A restored image is no substitute for the measured one: for acceptance, keep and judge the unprocessed image."
    )
    return tuple(lines)
