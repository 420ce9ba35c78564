"""Make a store: plan, shards, table, manifest, name. Safe to kill at any moment, and resumable after that.

A local store is built beside its final name, in ``NAME.partial``, and gets the name when it is whole. In a bucket,
where nothing can be renamed, it is built in place, and its manifest, uploaded last, is what makes it a store.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from xsim._version import __version__
from xsim.errors import EnvironmentFaultError, InputError, XsimError
from xsim.files.whole import sync_folder
from xsim.keywords import names_keywords
from xsim_datasets.store.executors import Executor, ProcessPool, Serial, check_may_start_workers
from xsim_datasets.store.folder import Folder, LocalFolder, check_target, is_url, open_folder
from xsim_datasets.store.manifest import MANIFEST_KEY, Entry, Manifest, entry_of
from xsim_datasets.store.pieces import make_shards
from xsim_datasets.store.schema import FORMAT, SPLITS, encode_group
from xsim_datasets.store.shards import PARTS, Maker, Plan, ShardPart, gather, read_part

__all__ = ["MakeSummary", "estimate_bytes", "make_store"]

PLAN = "plan.json"
# Noisy 16-bit radiographs compress to this share of their size (notes: 1.3 to 1.5 times), rounded up.
_COMPRESSED_SHARE = 0.8


@dataclass(frozen=True)
class MakeSummary:
    """What was made."""

    path: str
    n: int
    seconds: float
    pairs_made: int
    digest: str

    @property
    def pairs_per_s(self) -> float:
        """Rate of the pairs that this run made."""
        return self.pairs_made / self.seconds if self.seconds > 0 else 0.0


def estimate_bytes(plan: Plan) -> int:
    """Return about how large the store will be [bytes]."""
    return int(plan.layout.raw_bytes * _COMPRESSED_SHARE) + 200 * plan.n


@names_keywords
def make_store(
    maker: Maker,
    plan: Plan,
    target: str,
    *,
    executor: Executor | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[int, int, int], None] | None = None,
) -> MakeSummary:
    """Make a store of HR/LR pairs.

    Parameters
    ----------
    maker : Maker
        Makes pair number i; must be picklable when the executor has processes.
    plan : Plan
        Size, seed and recipe.
    target : str
        Path of a folder that does not exist yet, or the URL of an object store.
    executor : Executor, optional
        Who runs the tasks, shards or pieces of them; by default one process of its own.
    resume : bool
        Go on with what an interrupted run left; its settings must be the same.
    force : bool
        Replace a store that exists (after success), and throw away what an interrupted run left.
    progress : callable, optional
        Is told, after every task, the pairs that this run made, the pairs that stand, and the pairs in all.

    Raises
    ------
    InputError
        If the target exists, is in use, or was begun with other settings; or if a worker imports a script that calls
        this outside ``if __name__ == "__main__":``.
    EnvironmentFaultError
        If the disk is full or fails, or a worker dies; ``resume`` goes on afterwards.
    """
    if not isinstance(executor, Serial):
        # Before the folder is looked at, which the process that does start workers holds.
        check_may_start_workers()
    started = time.monotonic()
    work = open_folder(target if is_url(target) else f"{target.rstrip('/')}.partial")
    identity = {"plan": asdict(plan), "versions": versions()}
    if _stands_already(target, identity, resume=resume, force=force):
        return MakeSummary(target, plan.n, time.monotonic() - started, 0, Manifest.read(open_folder(target)).digest)
    with work.locked() if isinstance(work, LocalFolder) else nullcontext():
        made = 0
        fresh = not work.names()
        with _cleared_if_refused(work) if fresh else nullcontext():
            begun = _begin(work, plan, identity, resume=resume, force=force)
            if not begun:
                made = _make_shards(work, plan, maker, executor or ProcessPool(1), progress)
        if not begun:
            _seal(work, plan, maker, identity)
        digest = _publish(work, target)
    return MakeSummary(target, plan.n, time.monotonic() - started, made, digest)


@contextmanager
def _cleared_if_refused(work: Folder) -> Iterator[None]:
    """Leave nothing of a start that is refused before a shard stands; what was made is kept for ``resume``."""
    try:
        yield
    except XsimError as error:
        left = set(work.names())
        # Of a full disk the plan stays where it could be written: what to go on with.
        if not left or (isinstance(error, InputError) and left == {PLAN}):
            work.delete(PLAN)
            if isinstance(work, LocalFolder):
                shutil.rmtree(work.path, ignore_errors=True)
        raise


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide the bytes of a store."""
    packages = ("numpy", "scipy", "numba", "zarr", "numcodecs", "spekpy", "xraylib")
    return {"xsim": __version__, **{name: metadata.version(name) for name in packages}}


def _stands_already(target: str, identity: Mapping[str, Any], *, resume: bool, force: bool) -> bool:
    """Refuse, before any work, a local target that must not be written; return whether it is the wanted store."""
    if is_url(target):
        return False
    final = Path(target)
    check_target(final, MANIFEST_KEY, "store", force=True)
    if not os.access(final.absolute().parent, os.W_OK | os.X_OK):
        raise InputError(f"{target}: its folder may not be written to: give another output")
    if not final.exists():
        return False
    same = resume and _identity_of(LocalFolder(final)) == _canonical(identity)
    if not force and not same:
        raise InputError(f"{target}: exists already: give another output or --force")
    if same:
        shutil.rmtree(_replaced(final), ignore_errors=True)
    return same


def _replaced(final: Path) -> Path:
    """Return where the store that ``--force`` replaces waits until its successor has the name."""
    return final.with_name(f".{final.name}.replaced-by-xsim")


def _canonical(identity: Mapping[str, Any]) -> bytes:
    return json.dumps(identity, sort_keys=True, allow_nan=False).encode()


def _identity_of(store: Folder) -> bytes:
    """Return what a sealed store says about its plan and versions."""
    own = json.loads(store.read("zarr.json"))["attributes"]["xsim"]
    return _canonical({"plan": own["plan"], "versions": own["versions"]})


def _begin(work: Folder, plan: Plan, identity: Mapping[str, Any], *, resume: bool, force: bool) -> bool:
    """Prepare the work folder; return whether an earlier run has sealed it already."""
    left = set(work.names())
    if left and not resume and not force:
        raise InputError(f"{work.name}: a run left its work there: go on with --resume, or start anew with --force")
    if left and not resume:
        for key in left:
            work.delete(key)
        left = set()
    if not left & {PLAN, MANIFEST_KEY}:
        _check_space(work, plan)
        work.write(PLAN, _canonical(identity))
        return False
    sealed = MANIFEST_KEY in left
    begun = _identity_of(work) if sealed else work.read(PLAN)
    if begun != _canonical(identity):
        raise InputError(f"{work.name}: was begun with other settings or versions: repeat those, or give --force")
    return sealed


def _check_space(work: Folder, plan: Plan) -> None:
    if not isinstance(work, LocalFolder):
        return
    needed, free = estimate_bytes(plan), work.free_bytes()
    if needed > free:
        raise EnvironmentFaultError(
            f"{work.name}: no space left: about {needed / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free: "
            "make room, or make fewer or smaller pairs"
        )


def _make_shards(
    work: Folder, plan: Plan, maker: Maker, executor: Executor, progress: Callable[[int, int, int], None] | None
) -> int:
    """Make every shard that does not stand yet; return the number of pairs made."""
    missing = [shard for shard in range(plan.layout.shards) if not _stands(work, plan, shard)]
    done = plan.n - sum(len(plan.layout.samples(shard)) for shard in missing)

    def said(made: int) -> None:
        if progress:
            progress(made, done + made, plan.n)

    return make_shards(work, plan, maker, executor, missing, said)


def _stands(work: Folder, plan: Plan, shard: int) -> bool:
    """Return whether a shard and its part are whole; a resumed run believes bytes, not names."""
    part = read_part(work, plan, shard)
    with suppress(FileNotFoundError):
        return part is not None and entry_of(work.read(plan.layout.key(shard))) == part.entry
    return False


def _seal(work: Folder, plan: Plan, maker: Maker, identity: Mapping[str, Any]) -> None:
    """Gather the parts into the table, write the documents, and the manifest last.

    Raises
    ------
    InputError
        If another maker has begun the same target meanwhile, which only an object store lets it do.
    """
    if work.read(PLAN) != _canonical(identity):
        raise InputError(f"{work.name}: another xsim has begun it anew with other settings: give another output")
    shards: dict[str, Entry] = {}
    table, designs, defects, kinds = gather(_parts(work, plan, shards))
    splits = {name: int(np.count_nonzero(table["split"] == code)) for code, name in enumerate(SPLITS)}
    about = {
        "format": FORMAT,
        **identity,
        **maker.attributes(),
        "defect_kinds": kinds,
        "designs": designs,
        "splits": splits,
        "families": int(np.unique(table["family"]).size),
    }
    documents = {
        **encode_group("", {}, {"xsim": about}),
        **encode_group("table", table, {"split": list(SPLITS), "design": designs}),
        **encode_group("defects", defects, {"kind": kinds}),
        **encode_group("physics", maker.tables(), {}),
        **plan.layout.documents(encoding=plan.encoding),
    }
    for key, data in documents.items():
        work.write(key, data)
    files = {**shards, **{key: entry_of(data) for key, data in documents.items()}}
    if isinstance(work, LocalFolder):
        work.sweep()
    work.write(MANIFEST_KEY, Manifest(files).to_bytes())


def _parts(work: Folder, plan: Plan, shards: dict[str, Entry]) -> Iterator[ShardPart]:
    """Yield the parts in order, and note the entries of their shards."""
    for shard in range(plan.layout.shards):
        part = read_part(work, plan, shard)
        if part is None:
            raise EnvironmentFaultError(f"{work.name}: parts vanished while it was made: run again with --resume")
        shards[plan.layout.key(shard)] = part.entry
        yield part


def _publish(work: Folder, target: str) -> str:
    """Remove the scaffold and give the store its name; return the store's digest."""
    manifest = Manifest.read(work)
    for key in work.names():
        if key == PLAN or key.startswith(PARTS):
            work.delete(key)
    if isinstance(work, LocalFolder):
        with suppress(FileNotFoundError):
            (work.path / PARTS).rmdir()
        final = Path(target)
        old = _replaced(final)
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)
            final.rename(old)
        work.path.rename(final)
        sync_folder(final.absolute().parent)
        shutil.rmtree(old, ignore_errors=True)
    return manifest.digest
