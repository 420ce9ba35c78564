"""Read a store: its physics, its table and its pairs."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import tensorstore
import zarr
from numpy.typing import NDArray

import xsim
from xsim import Degradation
from xsim.errors import DamageError, InputError, MissingFileError, NoSuchSampleError, UnknownNameError
from xsim.keywords import names_keywords
from xsim_datasets.store.folder import Folder, LocalFolder, is_url, open_folder
from xsim_datasets.store.manifest import Manifest
from xsim_datasets.store.schema import FILL_VALUE, FORMAT, SPLITS, Encoding

__all__ = ["PairArray", "PairStore"]

_NEEDED = {"plan", "pitch_mm", "setups", "splits", "families", "defect_kinds", "designs", "versions"}


_used = False
"""Whether this process has threads of tensorstore's; its pool is one for all arrays."""

_forked = False
"""Whether this process was forked from one that had them: they are not here, and reading would wait for them for ever
or abort (google/tensorstore#61)."""


def _after_fork() -> None:
    global _forked  # noqa: PLW0603  (of the process, as its threads are)
    _forked = _forked or _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class PairArray:
    """The codes of a store's pairs, read by tensorstore, which decodes several pairs at once.

    A copy that is pickled opens the files again where it arrives, and only when it is read. A process that was forked
    from one that has read with tensorstore, as a worker of torch's data loaders is on Linux, reads with zarr-python
    instead: the same codes, at about a third of the speed (workers that are spawned keep tensorstore's).

    Parameters
    ----------
    path : str
        Path or URL of the store.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._array: Any = None
        self._parent: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_array": None, "_parent": None}

    def read(self, index: int | list[int]) -> NDArray[np.uint16]:
        """Return one pair, uint16 (2, H, W), or several, (B, 2, H, W).

        Raises
        ------
        DamageError
            If a pair is missing or its checksum fails.
        """
        try:
            codes = self._read_forked(index) if _forked else self._read(index)
        except (ValueError, RuntimeError) as error:
            raise DamageError(f"{self._path}: sample {index} is damaged: run xsim dataset verify") from error
        if codes.size and codes.max() == FILL_VALUE:
            raise DamageError(f"{self._path}: sample {index} is missing: run xsim dataset verify")
        return codes

    def _read(self, index: int | list[int]) -> NDArray[np.uint16]:
        global _used  # noqa: PLW0603
        if self._array is None:
            _used = True
            self._array = tensorstore.open(_spec(self._path), open=True, read=True).result()
        pairs = self._array[index]
        # numpy asks for huge pages; memory of tensorstore's own comes in small ones, which cost as much as decoding.
        codes = np.empty(pairs.shape, np.uint16)
        tensorstore.array(codes).write(pairs).result()
        return codes

    def _read_forked(self, index: int | list[int]) -> NDArray[np.uint16]:
        if not isinstance(self._array, zarr.Array):
            self._parent = self._array  # kept: threads that are not here would be asked to let it go
            self._array = zarr.open_array(_plain_name(self._path), path="pairs", mode="r")
        found = self._array.oindex[np.asarray(index)] if isinstance(index, list) else self._array[index]
        return np.asarray(found, dtype=np.uint16)


@names_keywords
class PairStore:
    """A finished store of HR/LR pairs; make one with `PairStore.open`.

    It may be pickled: a copy opens the pairs again where it arrives, e.g. in a worker of a data loader.

    Attributes
    ----------
    path : str
        Path or URL.
    attributes : dict
        What the store says about itself: format, plan with the recipe, versions, set-ups, splits.
    manifest : Manifest
        Digest and length of every file.
    array : PairArray
        The codes of the pairs, and what reads them.
    """

    def __init__(self, path: str, attributes: dict[str, Any], manifest: Manifest) -> None:
        self.path = path
        self.attributes = attributes
        self.manifest = manifest
        self.array = PairArray(path)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a store.

        Raises
        ------
        MissingFileError
            If there is nothing at ``path``.
        DamageError
            If the store is not finished, one of its documents was altered, or a shard is no plain file.
        InputError
            If it is no store of xsim, or of a newer format.
        """
        name = str(path)
        folder = open_folder(name)
        cls.check_exists(folder)
        manifest = Manifest.read(folder)
        document = manifest.sound_document(folder, "zarr.json")
        manifest.sound_document(folder, "pairs/zarr.json")
        own = document.get("attributes", {}).get("xsim", {})
        if own.get("format") != FORMAT:
            raise InputError(f"{name}: its format is {own.get('format')!r}: this xsim reads {FORMAT!r}")
        if missing := _NEEDED - set(own):
            raise DamageError(f"{name}: its attributes lack {', '.join(sorted(missing))}: run xsim dataset verify")
        _check_plain(folder, manifest)
        return cls(name, own, manifest)

    @staticmethod
    def check_exists(folder: Folder) -> None:
        """Raise where a path holds no store at all.

        Raises
        ------
        MissingFileError
            If there is nothing.
        DamageError
            If only the work of an interrupted run is there.
        """
        if not isinstance(folder, LocalFolder) or folder.path.is_dir():
            return
        partial = Path(f"{folder.name.rstrip('/')}.partial")
        if partial.is_dir():
            raise DamageError(f"{folder.name}: is not finished, {partial} holds a part: make it with --resume")
        raise MissingFileError(f"{folder.name}: no such store: check the path")

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return one pair (hr, lr), see `read`; from the end where ``index`` is below zero.

        Raises
        ------
        NoSuchSampleError
            If there is no such sample, which ends a loop over the store.
        """
        number = operator.index(index)
        if not -self.n <= number < self.n:
            raise NoSuchSampleError(f"{self.path}: has no sample {number}: give 0 to {self.n - 1}")
        return self.read(number % self.n)

    def __repr__(self) -> str:
        height, width = self.shape
        pitch = self.attributes["pitch_mm"]
        pixels = "several pitches" if pitch is None else f"{pitch:g} mm"
        kind = type(self).__name__
        return f"<{kind} {self.path}: {self.n} {self.origin} pairs of {height} x {width} px, {pixels}>"

    @property
    def n(self) -> int:
        """How many pairs there are."""
        return int(self.attributes["plan"]["n"])

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (H, W) of every image."""
        return int(self.attributes["plan"]["height"]), int(self.attributes["plan"]["width"])

    @property
    def pairs_per_shard(self) -> int:
        """How many pairs one file holds."""
        return int(self.attributes["plan"]["pairs_per_shard"])

    @property
    def pitch_mm(self) -> float:
        """Pixel pitch [mm].

        Raises
        ------
        InputError
            If the set-ups differ in it (ask `pitch_of` a sample).
        """
        if self.attributes["pitch_mm"] is None:
            raise InputError(f"{self.path}: its set-ups differ in pitch: ask for the pitch of a sample")
        return float(self.attributes["pitch_mm"])

    def pitch_of(self, index: int) -> float:
        """Return the pixel pitch of one sample [mm]."""
        common = self.attributes["pitch_mm"]
        return self.degradation_of(index).pitch_mm if common is None else float(common)

    @property
    def origin(self) -> str:
        """``"simulated"`` or ``"real"``."""
        return str(self.attributes["plan"]["origin"])

    @property
    def encoding(self) -> Encoding:
        """The line between codes and grey levels."""
        plan = self.attributes["plan"]
        return Encoding(float(plan["scale"]), float(plan["offset"]))

    @property
    def degradation(self) -> Degradation:
        """What lies between the HR and the LR detector.

        Raises
        ------
        InputError
            If the store has several set-ups (ask `degradation_of` a sample) or none (real pairs without one).
        """
        count = len(self.attributes["setups"])
        if count != 1:
            raise InputError(f"{self.path}: has {count} set-ups: ask for the degradation of a sample")
        return self._degradations[0]

    def degradation_of(self, index: int) -> Degradation:
        """Return what lies between the HR and the LR detector of one sample.

        Raises
        ------
        InputError
            If the store does not know: real pairs without a recipe or a calibration.
        """
        if not self._degradations:
            raise InputError(f"{self.path}: says nothing about its detectors: measure them with xsim calibrate")
        return self._degradations[int(self.table["setup"][self._checked(index)])]

    @cached_property
    def _degradations(self) -> list[Degradation]:
        return [xsim.Degradation.from_dict(setup["degradation"]) for setup in self.attributes["setups"]]

    @cached_property
    def table(self) -> dict[str, NDArray[Any]]:
        """The columns of the table, (n,) each: seed, family, split and design (names), setup, source, and numbers."""
        columns = self._columns("table")
        columns["design"] = np.array(self.attributes["designs"])[columns["design"]]
        columns["split"] = np.array(SPLITS)[columns["split"]]
        return columns

    @cached_property
    def defects(self) -> dict[str, NDArray[Any]]:
        """The labelled defects of all samples, a row each: sample, kind (names), y_px, x_px, size_mm, value."""
        columns = self._columns("defects")
        columns["kind"] = np.array([*self.attributes["defect_kinds"], ""])[columns["kind"]]
        return columns

    @cached_property
    def physics(self) -> dict[str, NDArray[Any]]:
        """The tables of MTF and NNPS: ``frequency_lp_mm`` (F,), and a row of each curve per set-up, (setups, F)."""
        return self._columns("physics")

    def summary(self) -> dict[str, Any]:
        """Return what is in the store, for people and programs; JSON types."""
        plan, table = self.attributes["plan"], self.table
        families = {split: int(np.unique(table["family"][table["split"] == split]).size) for split in SPLITS}
        return {
            "path": self.path,
            "origin": self.origin,
            "recipe": plan["recipe"].get("name", ""),
            "recipe_hash": plan["recipe_hash"],
            "n": self.n,
            "size": self.shape[1],
            "shape": list(self.shape),
            "pitch_mm": self.attributes["pitch_mm"],
            "families": self.attributes["families"],
            "splits": self.attributes["splits"],
            "split_families": families,
            "setups": len(self.attributes["setups"]),
            "defects": len(self.defects["sample"]),
            "clipped_pixels": int(table["hr_clipped"].sum() + table["lr_clipped"].sum()),
            "seed": plan["seed"],
            "bytes": sum(entry.length for entry in self.manifest.files.values()),
            "digest": self.manifest.digest,
            "versions": self.attributes["versions"],
        }

    def indices(self, split: str) -> NDArray[np.int64]:
        """Return the samples of a split, in order.

        Raises
        ------
        UnknownNameError
            If there is no such split.
        """
        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
        return np.flatnonzero(self.table["split"] == split)

    def select(self, samples: str | None = None, split: str | None = None) -> list[int]:
        """Return the samples that a text such as ``"0,3,10-19"`` and a split name, in order; all without either.

        Raises
        ------
        InputError
            If the text is no list of numbers and ranges, names a sample that is not there, or nothing is left.
        """
        inside = range(self.n) if split is None else self.indices(split).tolist()
        wanted = set(inside)
        if samples is not None:
            named: set[int] = set()
            for part in samples.split(","):
                low, dash, high = part.strip().partition("-")
                if not low.isdecimal() or (dash and not high.isdecimal()):
                    raise InputError(f"samples '{samples}': give numbers and ranges such as 0,3,10-19")
                named |= set(range(self._checked(int(low)), self._checked(int(high or low)) + 1))
            wanted &= named
        if not wanted:
            raise InputError(f"{self.path}: no sample is left by samples '{samples}' and split '{split}': ask for more")
        return sorted(wanted)

    def read(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return one pair (hr, lr), float32 (H, W) each, open field = 1.

        Raises
        ------
        DamageError
            If the pair is missing or its checksum fails.
        """
        codes = self.array.read(self._checked(index))
        return self.encoding.decode(codes[0]), self.encoding.decode(codes[1])

    def read_batch(self, indices: Sequence[int] | NDArray[np.integer]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return pairs (hr, lr), float32 (B, H, W) each; one call is faster than a loop over `read`."""
        codes = self.read_codes(indices)
        return self.encoding.decode(codes[:, 0]), self.encoding.decode(codes[:, 1])

    def read_codes(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint16]:
        """Return pairs as they are stored, uint16 (B, 2, H, W).

        Raises
        ------
        DamageError
            If a pair is missing or its checksum fails.
        """
        return self.array.read([self._checked(index) for index in indices])

    def _checked(self, index: int | np.integer) -> int:
        if not 0 <= index < self.n:
            raise InputError(f"{self.path}: has no sample {index}: give 0 to {self.n - 1}")
        return int(index)

    def _columns(self, name: str) -> dict[str, NDArray[Any]]:
        folder = open_folder(self.path)
        keys = [key for key in self.manifest.files if key.startswith(f"{name}/")]
        files = {key: self.manifest.sound_bytes(folder, key) for key in keys}
        buffer = zarr.core.buffer.default_buffer_prototype().buffer
        store = zarr.storage.MemoryStore({key: buffer.from_bytes(data) for key, data in files.items()})
        group = zarr.open_group(store, path=name, mode="r")
        return {key: np.asarray(array[...]) for key, array in group.arrays()}


def _check_plain(folder: Folder, manifest: Manifest) -> None:
    """Refuse a shard that is no file: tensorstore would wait for ever on a pipe."""
    if not isinstance(folder, LocalFolder):
        return
    with os.scandir(folder.path / "pairs") as entries:
        for entry in entries:
            if f"pairs/{entry.name}" in manifest.files and not entry.is_file():
                raise DamageError(f"{folder.name}/pairs/{entry.name}: is no plain file: run xsim dataset verify")


def _plain_name(path: str) -> str:
    return path if is_url(path) else str(Path(path).absolute())


def _spec(path: str) -> dict[str, Any]:
    """Return tensorstore's description of the array of pairs."""
    if not is_url(path):
        kvstore: dict[str, Any] = {"driver": "file", "path": f"{Path(path).absolute()}/pairs/"}
    else:
        url = urlsplit(path)
        if url.scheme != "s3":
            raise InputError(f"{path}: pairs are read from folders and s3:// only: copy the store to one of them")
        kvstore = {"driver": "s3", "bucket": url.netloc, "path": f"{url.path.strip('/')}/pairs/"}
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            kvstore |= {"endpoint": endpoint, "aws_region": os.environ.get("AWS_DEFAULT_REGION", "us-east-1")}
    return {"driver": "zarr3", "kvstore": kvstore}
