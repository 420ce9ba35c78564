"""Pages to test: one with every section, one of hostile names, one with most sections absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.zoo.evaluation.example import example_evaluation
from xsim_zoo.evaluation.report.page import write_report
from xsim_zoo.evaluation.results import section_names

if TYPE_CHECKING:
    from pathlib import Path

    from xsim_zoo.evaluation.results import Evaluation

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'&{{7*7}}"
FORMULA = "=HYPERLINK(1)"


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    return example_evaluation(images=6, worst=4)


@pytest.fixture(scope="session")
def page(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(evaluation, tmp_path_factory.mktemp("whole") / "out.html")[0]


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hostile = example_evaluation((FORMULA, "long-" * 60, HOSTILE), worst=1)
    return write_report(hostile, tmp_path_factory.mktemp("hostile") / "out.html")[0]


@pytest.fixture(scope="session")
def bare_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bare = example_evaluation(absent={section: f"no {section} here, and this is why" for section in section_names()})
    return write_report(bare, tmp_path_factory.mktemp("bare") / "out.html")[0]
