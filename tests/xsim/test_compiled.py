"""Compiled loops where the packages lie in a folder that nobody may write to."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest
from numba.core import caching

from xsim.compiled import compiled


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave numba no folder but the one it is told."""
    told = [kind for kind in caching.CacheImpl._locator_classes if "UserProvided" in kind.__name__]
    assert told
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", told)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")


def plus_one(x):
    return x + 1


@pytest.mark.usefixtures("read_only")
def test_machine_code_goes_to_the_cache_of_xsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(plus_one)
    monkeypatch.setenv("XSIM_CACHE", str(tmp_path))
    assert compiled()(plus_one)(1) == 2
    assert list((tmp_path / "compiled").rglob("*.nbc"))
    assert compiled(error_model="numpy")(plus_one)(2) == 3


@pytest.mark.usefixtures("read_only")
def test_where_nothing_can_be_kept_it_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XSIM_CACHE", str(tmp_path / "file" / "cache"))
    assert compiled()(plus_one)(1) == 2
