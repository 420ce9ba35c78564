"""Is a store whole and unaltered? Every file against the manifest, and the manifest against the plan."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from xsim.errors import DamageError, XsimError
from xsim.keywords import names_keywords
from xsim_datasets.store.folder import Folder, open_folder
from xsim_datasets.store.manifest import MANIFEST_KEY, Manifest, entry_of
from xsim_datasets.store.reader import PairStore
from xsim_datasets.store.shards import Plan

__all__ = ["Problem", "VerifyReport", "verify_store"]

_BATCH = 16


@dataclass(frozen=True)
class Problem:
    """One damaged, missing, swapped or foreign item, and what is wrong with it."""

    item: str
    what: str


@dataclass
class VerifyReport:
    """What a verification found."""

    checked: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def add(self, item: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(item, what))


@names_keywords
def verify_store(path: str, *, full: bool = False) -> VerifyReport:
    """Check a store.

    Parameters
    ----------
    path : str
        Path or URL.
    full : bool
        Also decode every pair; without it the digests answer for the pixels.

    Raises
    ------
    MissingFileError
        If there is nothing at ``path``.
    """
    report = VerifyReport()
    folder = open_folder(path)
    PairStore.check_exists(folder)
    try:
        manifest = Manifest.read(folder)
    except DamageError as error:
        report.add(MANIFEST_KEY, str(error).removeprefix(f"{folder.name}: "))
        return report
    _check_files(folder, manifest, report)
    _check_foreign(folder, manifest, report)
    _check_plan(folder, manifest, report)
    if report.ok:
        # The contents are read only where the files are sound: one damage is reported once.
        _check_contents(path, report, full=full)
    return report


def _check_files(folder: Folder, manifest: Manifest, report: VerifyReport) -> None:
    """Compare every listed file with its entry."""
    owner = {entry.sha256: key for key, entry in manifest.files.items()}
    strange = folder.strange()
    for key, entry in sorted(manifest.files.items()):
        report.checked += 1
        if key in strange:
            report.add(key, strange[key])
            continue
        try:
            data = folder.read(key)
        except FileNotFoundError:
            report.add(key, "is missing")
            continue
        except OSError as error:
            report.add(key, f"cannot be read: {error.strerror or error}")
            continue
        found = entry_of(data)
        if found == entry:
            continue
        if found.sha256 in owner:
            report.add(key, f"holds the content of {owner[found.sha256]}")
        elif found.length != entry.length:
            report.add(key, f"has {found.length} bytes instead of {entry.length}")
        else:
            report.add(key, "is damaged: its digest does not match")


def _check_foreign(folder: Folder, manifest: Manifest, report: VerifyReport) -> None:
    """Name what stands in the store and is not of it."""
    own = {*manifest.files, MANIFEST_KEY}
    parents = {str(parent) for key in own for parent in PurePosixPath(key).parents}
    for key in folder.names():
        if key not in own:
            report.add(key, "is foreign: the manifest does not list it")
    for key, what in folder.strange().items():
        if key == MANIFEST_KEY or (what == "is an empty folder" and key not in own and key not in parents):
            report.add(key, what)


def _check_plan(folder: Folder, manifest: Manifest, report: VerifyReport) -> None:
    """Compare the manifest with what the plan says must exist: a hole may be sealed, too."""
    try:
        plan = Plan(**json.loads(folder.read("zarr.json"))["attributes"]["xsim"]["plan"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, XsimError):
        report.add("zarr.json", "does not say what the store holds")
        return
    wanted = {"zarr.json", "table/zarr.json", "defects/zarr.json", "physics/zarr.json"}
    wanted |= {plan.layout.key(shard) for shard in range(plan.layout.shards)}
    expected = plan.layout.documents(encoding=plan.encoding)
    before = plan.layout.documents()  # as stores of before 0.2 have it
    for key in sorted({*wanted, *expected} - set(manifest.files)):
        report.add(key, "is not in the manifest")
    listed = {key for key in manifest.files if key.startswith("pairs/")}
    for key in sorted(listed - wanted - set(expected)):
        report.add(key, "is in the manifest but not in the plan")
    for key, data in expected.items():
        if key in manifest.files and manifest.files[key] not in (entry_of(data), entry_of(before[key])):
            report.add(key, "is not the document of the store's plan")


def _check_contents(path: str, report: VerifyReport, *, full: bool) -> None:
    """Check that the table fits the pairs, that no family stands on two sides, and (``full``) that pairs decode."""
    try:
        store = PairStore.open(path)
        table = store.table
    except XsimError as error:
        report.add("table", str(error))
        return
    for name, column in table.items():
        if len(column) != store.n:
            report.add(f"table/{name}", f"has {len(column)} rows for {store.n} pairs")
            return
    sides = np.unique(np.stack([table["family"].astype(str), table["split"]]), axis=1)
    families, counts = np.unique(sides[0], return_counts=True)
    for family in families[counts > 1]:
        report.add("table/split", f"family {family} stands on two sides of the split")
    if full:
        for first in range(0, store.n, _BATCH):
            try:
                store.read_codes(range(first, min(first + _BATCH, store.n)))
            except DamageError as error:
                report.add(f"pairs [{first}:{first + _BATCH}]", str(error))
