"""Shards made in pieces: every worker has work, and the bytes are those of one worker."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.datasets.fake import FakeMaker, fake_plan
from tests.datasets.store.test_store import digests
from xsim_datasets.store.executors import Serial
from xsim_datasets.store.folder import LocalFolder
from xsim_datasets.store.pieces import Piece, pieces_of, write_piece
from xsim_datasets.store.writer import make_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Many:
    """Runs tasks as many workers would, in another order, and may stop early or spoil what was written."""

    workers = 3

    def __init__(self, *, stop_after: int | None = None, spoil: Path | None = None) -> None:
        self.stop_after, self.spoil, self.tasks = stop_after, spoil, 0

    def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        shuffled = list(tasks)
        random.Random(3).shuffle(shuffled)
        for task in shuffled:
            if self.tasks == self.stop_after:
                raise KeyboardInterrupt
            self.tasks += 1
            done = function(task)
            if self.spoil and self.tasks == 1:
                path = self.spoil / done.key
                path.write_bytes(path.read_bytes()[:-1] + b"?")
            yield done


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("whole") / "fake.zarr"
    make_store(FakeMaker(), fake_plan(), str(path), executor=Serial())
    return digests(path)


@pytest.mark.parametrize("workers", [1, 2, 5, 64])
def test_pieces_are_every_pair_once_and_enough_for_all(workers: int) -> None:
    plan = fake_plan(100, pairs_per_shard=64)
    pieces = pieces_of(plan, [0, 1], workers)
    assert [index for piece in pieces for index in range(piece.start, piece.stop)] == list(range(100))
    assert all(piece.stop <= plan.layout.samples(piece.shard).stop for piece in pieces)
    assert len(pieces) == 2 if workers == 1 else len(pieces) >= min(100, 8 * workers)


def test_many_shards_are_taken_whole() -> None:
    plan = fake_plan(6400, pairs_per_shard=64)
    assert len(pieces_of(plan, list(range(100)), 4)) == 100


def test_the_bytes_are_those_of_one_worker(whole: dict[str, str], tmp_path: Path) -> None:
    many, told = Many(), []
    made = make_store(
        FakeMaker(), fake_plan(), str(tmp_path / "a.zarr"), executor=many, progress=lambda *counts: told.append(counts)
    )
    assert made.pairs_made == 20
    assert many.tasks == 20
    assert told[-1] == (20, 20, 20)
    assert digests(tmp_path / "a.zarr") == whole


def test_a_run_that_was_stopped_goes_on_with_its_pieces(whole: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    with pytest.raises(KeyboardInterrupt):
        make_store(FakeMaker(), fake_plan(), str(target), executor=Many(stop_after=7))
    left = list((tmp_path / "a.zarr.partial" / "parts").glob("*.piece"))
    assert len(left) == 7
    made: list[int] = []

    class Counted(FakeMaker):
        def sample(self, index: int) -> Any:
            made.append(index)
            return super().sample(index)

    make_store(Counted(), fake_plan(), str(target), executor=Many(), resume=True)
    assert len(made) == 13
    assert digests(target) == whole


def test_a_damaged_piece_is_made_anew(whole: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    make_store(FakeMaker(), fake_plan(), str(target), executor=Many(spoil=tmp_path / "a.zarr.partial"))
    assert digests(target) == whole


def test_a_piece_that_stands_is_left_alone(tmp_path: Path) -> None:
    piece, folder = Piece(0, 2, 4), LocalFolder(tmp_path)
    write_piece(str(tmp_path), fake_plan(), FakeMaker(), piece)
    stamp = (tmp_path / piece.key).stat().st_mtime_ns
    write_piece(str(tmp_path), fake_plan(), FakeMaker(), piece)
    assert (tmp_path / piece.key).stat().st_mtime_ns == stamp
    assert folder.names() == [piece.key]


def test_pairs_of_one_board_are_one_task() -> None:
    plan = replace(fake_plan(128, pairs_per_shard=64), recipe={"pairs_per_board": 8})
    assert {piece.stop - piece.start for piece in pieces_of(plan, [0, 1], 4)} == {8}
    assert {piece.start % 8 for piece in pieces_of(plan, [0, 1], 16)} == {0}
