"""What every test shares: the report of the faults that were injected, and how long the fuzzers run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

FAULTS = "faults injected"
"""Name of the property under which a test says how many faults of which kind it has injected."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-seconds", type=float, default=20.0, help="how long each fuzzer runs in the slow tests [s]")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count the faults by kind; a test passes only if nothing was lost and nothing ended in a traceback."""
    survived, lost = Counter[str](), Counter[str]()
    failures = 0
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            found = dict(getattr(report, "user_properties", ())).get(FAULTS, {})
            failures += outcome != "passed" and "tests/faults/" in report.nodeid
            if getattr(report, "when", "") == "call":
                (survived if outcome == "passed" else lost).update(found)
    if not survived + lost:
        return
    terminalreporter.section(FAULTS)
    for kind in sorted(survived | lost):
        wrong = f", of which {lost[kind]} in tests that failed" if lost[kind] else ""
        terminalreporter.write_line(f"{survived[kind] + lost[kind]:8d}  {kind}{wrong}")
    verdict = "see the failures" if failures else "nothing lost, no traceback"
    terminalreporter.write_line(f"{(survived + lost).total():8d}  in all: {verdict}")
