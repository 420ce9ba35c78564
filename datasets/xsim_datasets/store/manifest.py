"""The manifest: length and SHA-256 of every file of a store, sealed last.

A zarr store cannot tell a missing chunk from an empty one, nor an edited document from the original. The manifest
can: a store is what its manifest lists, and a store without one is not finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xsim.errors import DamageError
from xsim_datasets.store.folder import Folder

__all__ = ["MANIFEST_KEY", "Entry", "Manifest", "entry_of"]

MANIFEST_KEY = "manifest.json"
_FORMAT = "xsim-manifest/1"


@dataclass(frozen=True)
class Entry:
    """Length [bytes] and SHA-256 of one file."""

    length: int
    sha256: str


def entry_of(data: bytes) -> Entry:
    """Return the entry of a file's bytes."""
    return Entry(len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Manifest:
    """What a finished store consists of."""

    files: Mapping[str, Entry]

    @property
    def digest(self) -> str:
        """One SHA-256 for the whole store."""
        return hashlib.sha256(self._body().encode()).hexdigest()

    def _body(self) -> str:
        files = {key: [entry.length, entry.sha256] for key, entry in sorted(self.files.items())}
        return json.dumps({"format": _FORMAT, "files": files}, indent=0, sort_keys=True)

    def to_bytes(self) -> bytes:
        """Return the document, with the digest of its own content as the seal."""
        return (self._body().removesuffix("\n}") + f',\n"seal": "{self.digest}"\n}}\n').encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest.

        Raises
        ------
        DamageError
            If the document was cut, edited or is none.
        """
        try:
            document = json.loads(data)
            manifest = cls({key: Entry(int(length), str(sha)) for key, (length, sha) in document["files"].items()})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamageError(f"{MANIFEST_KEY} is damaged ({type(error).__name__}): make the store again") from error
        # Every byte counts, so that a change that JSON does not see is a change all the same.
        if manifest.to_bytes() != data:
            raise DamageError(f"{MANIFEST_KEY} was altered: its seal does not match: make the store again")
        return manifest

    @classmethod
    def read(cls, folder: Folder) -> Manifest:
        """Read the manifest of a store.

        Raises
        ------
        DamageError
            If there is none (the store is not finished) or it is damaged.
        """
        try:
            data = folder.read(MANIFEST_KEY)
        except FileNotFoundError:
            raise DamageError(
                f"{folder.name}: has no {MANIFEST_KEY}: is no store of pairs, or not finished: make it with --resume"
            ) from None
        try:
            return cls.from_bytes(data)
        except DamageError as error:
            raise DamageError(f"{folder.name}: {error}") from error

    def sound_bytes(self, folder: Folder, key: str) -> bytes:
        """Return the bytes of a listed file.

        Raises
        ------
        DamageError
            If they cannot be read or are not those that were sealed.
        """
        try:
            data = folder.read(key)
        except OSError as error:
            raise DamageError(f"{folder.name}/{key}: cannot be read: run xsim dataset verify") from error
        if self.files.get(key) != entry_of(data):
            raise DamageError(f"{folder.name}/{key}: was altered: run xsim dataset verify")
        return data

    def sound_document(self, folder: Folder, key: str) -> dict[str, Any]:
        """Return a listed JSON document.

        Raises
        ------
        DamageError
            If it is none, or not the one that was sealed.
        """
        try:
            document = json.loads(self.sound_bytes(folder, key))
        except (ValueError, RecursionError) as error:
            raise DamageError(f"{folder.name}/{key}: is no JSON ({error}): make the store again") from error
        if not isinstance(document, dict):
            raise DamageError(f"{folder.name}/{key}: holds no attributes: make the store again")
        return document
