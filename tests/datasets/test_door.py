"""``import xsim_datasets`` offers its public names, and imports what they need only when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import xsim_datasets
from xsim_datasets.store.reader import PairStore


def test_a_name_is_that_of_its_module() -> None:
    assert xsim_datasets.PairStore is PairStore
    with pytest.raises(AttributeError, match="no attribute 'PairsStore'"):
        xsim_datasets.PairsStore  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, xsim_datasets; print(*sorted({'numpy', 'zarr', 'pydantic', 'xsim'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
