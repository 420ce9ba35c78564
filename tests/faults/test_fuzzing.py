"""A few damaged files of every kind in the quick tests, many more in the slow ones."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.fuzz import FUZZERS, fuzz
from tests.faults.programs import FLOORS, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = 40


@pytest.mark.parametrize("name", FUZZERS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused(name: str, injected: Callable[..., None]) -> None:
    fuzz(name, examples=EXAMPLES, number=0)
    injected(f"damaged {name}", EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUZZERS)
def test_for_longer_in_little_memory(name: str, injected: Callable[..., None], pytestconfig: pytest.Config) -> None:
    seconds = pytestconfig.getoption("--fuzz-seconds")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.faults.fuzz", name, str(seconds)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join(FLOORS), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=seconds + 600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    injected(f"damaged {name}", int(done.stdout))
