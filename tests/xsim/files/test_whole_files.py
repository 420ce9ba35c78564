"""Files appear whole or not at all, and two writers never mix."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from xsim.errors import EnvironmentFaultError, InputError
from xsim.files.whole import locked, whole_file, whole_folder, write_whole

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with whole_file(target) as partial:
        partial.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    assert names(tmp_path) == ["a.txt"]


def test_the_old_file_stays_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_whole(target, b"old")
    with pytest.raises(EnvironmentFaultError, match="no such file"), whole_file(target) as partial:
        shutil.copy(tmp_path / "missing", partial)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "make room"), (errno.EROFS, "give another output"), (errno.EIO, "see to the disk")],
)
def test_what_the_disk_says_is_passed_on_with_advice(tmp_path: Path, number: int, advice: str) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(EnvironmentFaultError, match=rf"a\.txt: .*{advice}"), whole_file(target):
        raise OSError(number, os.strerror(number))
    assert names(tmp_path) == []


def test_a_file_that_exists_is_replaced_only_where_it_may_be(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_whole(target, b"old", replace=False)
    with pytest.raises(InputError, match="exists already"):
        write_whole(target, b"new", replace=False)
    assert target.read_bytes() == b"old"
    write_whole(target, b"new")
    assert target.read_bytes() == b"new"


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with whole_file(target) as partial:
        partial.write_text("first")
        with pytest.raises(InputError, match="being written by another"):
            write_whole(target, b"second")
    assert target.read_text() == "first"


def test_what_a_killed_writer_left_is_taken_over(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    code = (
        "import os, sys; from pathlib import Path; from xsim.files.whole import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('a long text that is torn'); os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(target)], check=False, timeout=60)
    assert killed.returncode == -9
    assert names(tmp_path) == [".a.txt.partial"]
    write_whole(target, b"short")
    assert target.read_bytes() == b"short"
    assert names(tmp_path) == ["a.txt"]


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    (tmp_path / ".a.txt.partial").symlink_to(precious)
    with pytest.raises(EnvironmentFaultError):
        write_whole(tmp_path / "a.txt", b"new")
    assert precious.read_text() == "keep"


def test_rights_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a.txt", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with whole_folder(target) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "a.txt").write_text("whole")
        assert not target.exists()
    assert (target / "inner" / "a.txt").read_text() == "whole"
    assert names(tmp_path) == ["made"]


def test_a_folder_is_replaced_only_where_it_may_be_and_by_a_whole_one(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(InputError, match="exists already"), whole_folder(target):
        pass
    with pytest.raises(EnvironmentFaultError, match="make room"), whole_folder(target, replace=True):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(target) == ["old"]
    with whole_folder(target, replace=True) as partial:
        (partial / "new").touch()
    assert names(target) == ["new"]
    assert names(tmp_path) == ["made"]


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    with locked(tmp_path, by="training"):
        with pytest.raises(InputError, match="in use by another training"), locked(tmp_path, by="training"):
            pass
        assert names(tmp_path) == []
    with locked(tmp_path):
        pass


def test_a_folders_lock_dies_with_its_holder(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from xsim.files.whole import locked\n"
        "with locked(Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -9
    with locked(tmp_path):
        pass
