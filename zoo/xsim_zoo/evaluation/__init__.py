"""Judge restorers on held-out pairs: an evaluation whose every number states its interval and its origin."""

from xsim_zoo.evaluation.engine import evaluate
from xsim_zoo.evaluation.entrants import Entrant
from xsim_zoo.evaluation.options import Options
from xsim_zoo.evaluation.results import Evaluation

__all__ = ["Entrant", "Evaluation", "Options", "evaluate"]
