"""Pieces of a shard: tasks small enough that every worker has one, joined by one writer into the shard.

A shard has one file and so one writer. Where there are fewer shards than would keep the workers busy, each is made in
pieces, which wait beside the parts, each with the digest of its bytes; when all of a shard stand, the process that
handed them out joins them. What is joined are the codes: the bytes of the shard do not depend on how it was cut.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xsim_datasets.store.executors import Executor
from xsim_datasets.store.folder import Folder, open_folder
from xsim_datasets.store.shards import PARTS, Maker, Plan, ShardContent, content_of, put_shard, write_shard

__all__ = ["Piece", "make_shards", "pieces_of", "write_piece"]

_TASKS_A_WORKER: Final = 8
"""Tasks of each worker at least: boards differ up to tenfold in their time, and the last task should not be waited for
long."""


@dataclass(frozen=True)
class Piece:
    """Some pairs of a shard.

    Parameters
    ----------
    shard : int
        Which shard.
    start, stop : int
        The pairs, numbered as in the store.
    """

    shard: int
    start: int
    stop: int

    @property
    def key(self) -> str:
        """Name of its file until the shard stands."""
        return f"{PARTS}{self.shard:08d}-{self.start:012d}-{self.stop:012d}.piece"


def pieces_of(plan: Plan, shards: list[int], workers: int) -> list[Piece]:
    """Return the tasks that make some shards: whole ones where these keep the workers busy, else pieces of equal size.

    Parameters
    ----------
    plan : Plan
        Layout of the store.
    shards : list of int
        Those that are missing.
    workers : int
        How many tasks run at a time.
    """
    spans = [plan.layout.samples(shard) for shard in shards]
    pairs = sum(len(span) for span in spans)
    longest = max((len(span) for span in spans), default=1)
    size = longest if workers == 1 else min(longest, max(1, pairs // (_TASKS_A_WORKER * workers)))
    # Pairs that show one board are made in one task, where it need be drawn only once.
    together = int(plan.recipe.get("pairs_per_board", 1))
    size = min(longest, -(-size // together) * together)
    return [
        Piece(shard, start, min(start + size, span.stop))
        for shard, span in zip(shards, spans, strict=True)
        for start in range(span.start, span.stop, size)
    ]


def write_piece(target: str, plan: Plan, maker: Maker, piece: Piece) -> Piece:
    """Make a piece, or the shard that it is the whole of, and write it; one that stands already is left alone.

    Parameters
    ----------
    target : str
        Path or URL of the folder that it is written to.
    plan, maker : Plan, Maker
        Size and layout of the store, and what makes its pairs.
    piece : Piece
        Which pairs.
    """
    if _is_whole(plan, piece):
        write_shard(target, plan, maker, piece.shard)
        return piece
    folder = open_folder(target)
    if _read(folder, plan, piece) is None:
        folder.write(piece.key, _to_bytes(content_of(plan, maker, range(piece.start, piece.stop))))
    return piece


def make_shards(
    folder: Folder, plan: Plan, maker: Maker, executor: Executor, missing: list[int], progress: Callable[[int], None]
) -> int:
    """Make shards and return how many pairs that were.

    Parameters
    ----------
    folder : Folder
        Where they are written to.
    plan, maker : Plan, Maker
        Size and layout of the store, and what makes its pairs.
    executor : Executor
        Who makes the pieces.
    missing : list of int
        The shards.
    progress : callable
        Is told the number of pairs after every task.
    """
    waiting = {shard: len(plan.layout.samples(shard)) for shard in missing}
    pieces = pieces_of(plan, missing, executor.workers)
    of_shard: dict[int, list[Piece]] = {}
    for piece in pieces:
        of_shard.setdefault(piece.shard, []).append(piece)
    made = 0
    for piece in executor.run(partial(write_piece, folder.name, plan, maker), pieces):
        made += piece.stop - piece.start
        waiting[piece.shard] -= piece.stop - piece.start
        if not waiting[piece.shard] and not _is_whole(plan, piece):
            _join(folder, plan, of_shard[piece.shard], maker)
        progress(made)
    return made


def _is_whole(plan: Plan, piece: Piece) -> bool:
    return piece.stop - piece.start == len(plan.layout.samples(piece.shard))


def _join(folder: Folder, plan: Plan, pieces: list[Piece], maker: Maker) -> None:
    """Write a shard from its pieces, and remove these; one that was damaged meanwhile is made anew."""
    span = plan.layout.samples(pieces[0].shard)
    whole = ShardContent(np.empty((len(span), 2, plan.height, plan.width), np.uint16), {}, [])
    for piece in pieces:
        content = _read(folder, plan, piece) or content_of(plan, maker, range(piece.start, piece.stop))
        whole.codes[piece.start - span.start : piece.stop - span.start] = content.codes
        for name, values in content.columns.items():
            whole.columns.setdefault(name, []).extend(values)
        whole.labels.extend(content.labels)
    put_shard(folder, plan, pieces[0].shard, whole)
    for piece in pieces:
        folder.delete(piece.key)


def _to_bytes(content: ShardContent) -> bytes:
    """Return a line of JSON, and the codes."""
    codes = content.codes.astype("<u2", copy=False).tobytes()
    about = {"sha256": _digest(content, codes), "columns": content.columns, "labels": content.labels}
    return json.dumps(about, allow_nan=False).encode() + b"\n" + codes


def _digest(content: ShardContent, codes: bytes) -> str:
    rows = json.dumps([content.columns, content.labels], allow_nan=False).encode()
    return hashlib.sha256(rows + codes).hexdigest()


def _read(folder: Folder, plan: Plan, piece: Piece) -> ShardContent | None:
    """Return a piece that stands, or None; as with shards, bytes are believed and not names."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        about, _, codes = folder.read(piece.key).partition(b"\n")
        data = json.loads(about)
        shape = (piece.stop - piece.start, 2, plan.height, plan.width)
        stored: NDArray[np.uint16] = np.frombuffer(codes, "<u2").reshape(shape)
        content = ShardContent(stored, dict(data["columns"]), list(data["labels"]))
        if _digest(content, codes) == data["sha256"]:
            return content
    return None
