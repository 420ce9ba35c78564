"""Bad files are refused in one line that names them, or read right; in bounded memory and time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.datasets.bad_files import CASES, Case
from xsim.errors import InputError
from xsim_datasets.images import read_image

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = [case for case in CASES if case.pixels is None]
READ = [case for case in CASES if case.pixels is not None]


def test_the_catalogue_is_as_long_as_promised():
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_refused_in_one_line(tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.name
    case.make(path)
    with pytest.raises(InputError) as caught:
        read_image(path, pages=True)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.count(str(path)) == 1
    assert case.says in message
    assert len(message.splitlines()) == 1
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("case", READ, ids=lambda case: case.name)
def test_read_right(tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.name
    case.make(path)
    read = read_image(path)
    np.testing.assert_array_equal(read.pixels, case.pixels)
    assert read.pixels.dtype.isnative


_MEASURE = """
import resource, sys
from pathlib import Path
from xsim_datasets.images import read_image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_image(path, pages=True)
    except Exception as error:
        assert type(error).__module__ == "xsim.errors", error
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_of_them_take_little_memory_and_time(tmp_path: Path) -> None:
    for case in CASES:
        case.make(tmp_path / case.name)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert float(done.stdout) < 500
