"""The first page: what each question makes of an evaluation's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.zoo.evaluation.example import LABELS, example_evaluation
from xsim_zoo.evaluation.records import Estimate, Finding
from xsim_zoo.evaluation.verdicts import interval, level_of, negated, verdict, verdicts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from xsim_zoo.evaluation.probes.opens import OpenScore
    from xsim_zoo.evaluation.records import Level, Verdict
    from xsim_zoo.evaluation.results import Evaluation

GAIN = Estimate(mean=0.1, low=0.05, high=0.15)
LOSS = negated(GAIN)
NEITHER = Estimate(mean=0.01, low=-0.05, high=0.07)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return example_evaluation()


def _found(evaluation: Evaluation, check: str) -> Verdict | None:
    return next((item for item in verdicts_of(evaluation) if item.check == check), None)


def _with(evaluation: Evaluation, section: str, change: Callable[[Any], dict[str, object]]) -> Evaluation:
    rows = tuple(row.model_copy(update=change(row)) for row in getattr(evaluation, section))
    return evaluation.model_copy(update={"sections": {**evaluation.sections, section: rows}})


def test_every_question_has_one_verdict_and_what_failed_stands_first(evaluation: Evaluation) -> None:
    found = verdicts_of(evaluation)
    checks = [item.check for item in found]
    assert len(set(checks)) == len(checks) <= 9
    levels = [item.level for item in found]
    assert levels == sorted(levels, key=("fail", "warn", "pass").index)
    for item in found:
        labels = [finding.restorer for finding in item.findings]
        assert len(set(labels)) == len(labels), item.check


def test_a_verdict_is_as_bad_as_its_worst_finding() -> None:
    found = [Finding(restorer=str(level), level=level, text="") for level in ("pass", "fail", "warn")]
    for count, worst in ((1, "pass"), (2, "fail"), (3, "fail")):
        judged = verdict("x", "y", found[:count])
        assert judged is not None
        assert judged.level == worst
    assert verdict("x", "y", []) is None


def test_a_level_needs_the_whole_interval() -> None:
    assert [level_of(item) for item in (GAIN, LOSS, NEITHER)] == ["pass", "fail", "warn"]
    assert level_of(Estimate(mean=1.0, low=None, high=None)) == "warn"
    assert interval(LOSS, "dB") == "-0.10 [-0.15, -0.05] dB"


def _gaps(hr: float, lr: float, change: Estimate) -> Callable[[OpenScore], dict[str, object]]:
    """Return every gap as HR and LR show it, and a change of the restorers; narrower gaps are at chance."""

    def changed(row: OpenScore) -> dict[str, object]:
        if row.gap_mm < 0.08:
            return {"auc": Estimate(mean=0.52, low=0.45, high=0.6), "change": LOSS}
        mean = {"hr": hr, "lr": lr}.get(row.restorer, lr)
        return {"auc": Estimate(mean=mean, low=mean - 0.03, high=min(mean + 0.03, 1.0)), "change": change}

    return changed


@pytest.mark.parametrize(("change", "level"), [(GAIN, "pass"), (LOSS, "fail"), (NEITHER, "warn")])
def test_open_tracks_are_judged_only_where_hr_shows_them(
    evaluation: Evaluation, change: Estimate, level: Level
) -> None:
    judged = _found(_with(evaluation, "opens", _gaps(0.99, 0.8, change)), "open tracks")
    assert judged is not None
    assert judged.level == level
    assert [finding.restorer for finding in judged.findings] == list(LABELS)
    assert all(f"{interval(change, digits=3)} over 2 gaps" in finding.text for finding in judged.findings)


@pytest.mark.parametrize(("hr", "lr"), [(0.6, 0.55), (1.0, 0.99)])
def test_gaps_that_all_or_none_see_give_no_verdict(evaluation: Evaluation, hr: float, lr: float) -> None:
    assert _found(_with(evaluation, "opens", _gaps(hr, lr, LOSS)), "open tracks") is None


def test_void_areas_are_not_judged_where_hr_is_no_better_than_lr(evaluation: Evaluation) -> None:
    judged = _found(_with(evaluation, "voids", lambda _: {"change": LOSS}), "area of voids")
    assert judged is not None
    # The error falls: that is a gain.
    assert judged.level == "pass"
    assert _found(_with(evaluation, "voids", lambda _: {"mean_absolute_error": 2.0}), "area of voids") is None


def test_inventing_a_feature_outweighs_finding_others(evaluation: Evaluation) -> None:
    judged = _found(_with(evaluation, "features", lambda _: {"change": LOSS, "invented": 0}), "small features")
    assert judged is not None
    assert judged.level == "pass"
    judged = _found(
        _with(evaluation, "features", lambda row: {"change": LOSS, "invented": int(row.restorer == "unet")}),
        "small features",
    )
    assert judged is not None
    assert [item.restorer for item in judged.findings if item.level == "fail"] == ["unet"]
