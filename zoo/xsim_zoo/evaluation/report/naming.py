"""What the report calls things: metrics, restorers, and how their numbers are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim_zoo.evaluation.report.tables import Text

if TYPE_CHECKING:
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["HR", "LR", "METRICS", "Metric", "Naming"]

LR, HR = "lr", "hr"
"""Labels of the input as it is and of the reference."""

_NAMES = {LR: "LR as it is", HR: "HR reference"}
_CONTENDER_STYLES = 8


@dataclass(frozen=True)
class Metric:
    """How a metric is called and written, and which way is better."""

    label: str
    spec: str
    better: str


METRICS = {
    "psnr_dB": Metric("PSNR [dB]", ".2f", "higher is better"),
    "ssim": Metric("SSIM", ".4f", "higher is better, at most 1"),
    "rmse": Metric("RMSE [open field]", ".5f", "lower is better"),
    "bias": Metric("bias [open field]", "+.5f", "0 is best"),
    "unsupported": Metric("unsupported power", ".4f", "power where the measurement says nothing; that of HR is right"),
}


@dataclass(frozen=True)
class Naming:
    """The restorers of one evaluation: their names for people and the style of their curves."""

    labels: tuple[str, ...]

    @classmethod
    def of(cls, evaluation: Evaluation) -> Naming:
        """Return the naming of an evaluation."""
        return cls(evaluation.labels)

    def name(self, label: str) -> str:
        """Return what people read for a label."""
        return _NAMES.get(label, label)

    def style(self, label: str) -> int:
        """Return the style of a label's curves: 0 for LR, 1 for HR, then one each; the ninth restorer shares."""
        if label in (LR, HR):
            return (LR, HR).index(label)
        return 2 + self.labels.index(label) % _CONTENDER_STYLES

    def cell(self, label: str) -> Text:
        """Return a table's cell with the name and its mark."""
        return Text(self.name(label), self.style(label))

    def metric(self, key: str, unit: str) -> Metric:
        """Return how a metric is written; one that is not known is called by its key."""
        return METRICS.get(key) or Metric(f"{key} [{unit}]" if unit else key, ".4g", "")
