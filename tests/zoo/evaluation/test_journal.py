"""The journal: what was found stays, what was torn goes, what is another's is not touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xsim.errors import DamageError, InputError
from xsim_zoo.evaluation.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


def test_findings_come_back(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, "a") as journal:
        journal.add("one", [{"x": 1.5}])
    with Journal(path, "a") as journal:
        assert "one" in journal
        assert journal["one"] == [{"x": 1.5}]
        journal.add("two", [])
    with Journal(path, "a") as journal:
        assert len(journal) == 2


@pytest.mark.parametrize("kept", [1, 7, 20])
def test_a_torn_last_line_is_dropped(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "journal"
    with Journal(path, "a") as journal:
        journal.add("one", 1)
        whole = path.stat().st_size
        journal.add("two", 2)
    path.write_bytes(path.read_bytes()[: whole + kept])
    with Journal(path, "a") as journal:
        assert "one" in journal
        assert "two" not in journal
        journal.add("two", 3)
    with Journal(path, "a") as journal:
        assert journal["two"] == 3


def test_a_file_torn_in_its_first_line_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"schema": "xsim.eval')
    with Journal(path, "a") as journal:
        journal.add("one", 1)
    with Journal(path, "a") as journal:
        assert journal["one"] == 1


def test_another_evaluation_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, "a") as journal:
        journal.add("one", 1)
    before = path.read_bytes()
    with pytest.raises(InputError, match="other data or settings"):
        Journal(path, "b")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "error"), [(b"a picture\n", DamageError), (b'{"a": 1}\n', InputError), (b"[1]\n", InputError)]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, error: type[Exception]) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(error):
        Journal(path, "a")
    assert path.read_bytes() == content


def test_numbers_that_are_no_json_do_not_pass(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", "a") as journal, pytest.raises(ValueError, match="JSON"):
        journal.add("one", float("nan"))
