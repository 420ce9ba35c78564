"""Programs to hurt, and the count of what was done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import FAULTS
from tests.faults.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Start programs in no time; see `tests.faults.programs`."""
    with Programs(tmp_path_factory.mktemp("programs")) as started:
        yield started


@pytest.fixture
def injected(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Count faults of a kind for the report at the end."""
    # A plain dictionary: parallel test processes hand reports over as plain types.
    counts: dict[str, int] = {}
    properties: list[tuple[str, Any]] = request.node.user_properties
    properties.append((FAULTS, counts))

    def count(kind: str, number: int = 1) -> None:
        counts[kind] = counts.get(kind, 0) + number

    return count


@pytest.fixture(scope="session")
def store(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of twelve small pairs."""
    path = tmp_path_factory.mktemp("store") / "pairs.zarr"
    ended = programs.run(["dataset", "make", "tiny", "-o", path, "-n", "12", "--size", "96", "--json"])
    assert ended.code == 0, ended.err
    return path


@pytest.fixture(scope="session")
def images(programs: Programs, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pairs as TIFF, in ``hr`` and ``lr``."""
    path = tmp_path_factory.mktemp("images") / "tiffs"
    ended = programs.run(["dataset", "export", store, "-o", path])
    assert ended.code == 0, ended.err
    return path
