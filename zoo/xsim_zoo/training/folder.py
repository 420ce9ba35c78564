"""The folder of a training run: its settings, its log, and states from which it goes on as if never stopped.

A state is one safetensors file whose name ends with the digest of its content: it is whole or it is passed over.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from xsim.errors import DamageError, InputError, MissingFileError
from xsim.files.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

__all__ = ["RunFolder"]

_STATE = re.compile(r"state-(\d{8})-([0-9a-f]{16})\.safetensors")
_KEPT = 2


class RunFolder:
    """Files of one run.

    Parameters
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def weights(self) -> Path:
        """Where the best weights lie, their card beside them."""
        return self.path / "weights.safetensors"

    @property
    def log(self) -> Path:
        """One JSON line a step or validation."""
        return self.path / "log.jsonl"

    def start(self, settings: dict[str, Any]) -> None:
        """Make the folder and write the run's settings.

        Raises
        ------
        InputError
            If a run or weights are there already, or no folder can be.
        """
        if self._settings.exists():
            raise InputError(f"{self.path}: holds a run already: go on with --resume, or give another folder")
        if self.weights.exists() or self.weights.with_suffix(".json").exists():
            raise InputError(f"{self.path}: holds weights already, which a run would replace: give another folder")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"{self.path}: is not a folder: give another one") from error
        except PermissionError as error:
            raise InputError(f"{self.path}: may not be written to: give another folder") from error
        write_whole(self._settings, json.dumps(settings, indent=1).encode(), replace=False)

    def settings(self) -> dict[str, Any]:
        """Return the settings that the run was started with.

        Raises
        ------
        MissingFileError
            If there is no run.
        DamageError
            If they cannot be read.
        """
        if not self._settings.is_file():
            raise MissingFileError(f"{self.path}: holds no run to resume: start it without --resume")
        try:
            settings: dict[str, Any] = json.loads(self._settings.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DamageError(f"{self._settings}: is damaged ({error}): start the run anew") from error
        return settings

    @property
    def _settings(self) -> Path:
        return self.path / "run.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the lock dies with the process.

        Raises
        ------
        InputError
            If another process trains here.
        """
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(f"{self.path}: is in use by another training: wait, or give another folder") from error
            yield

    def save_state(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Write a state, then drop all but the newest two."""
        content = save_safetensors(tensors)
        digest = hashlib.sha256(content).hexdigest()[:16]
        write_whole(self.path / f"state-{step:08d}-{digest}.safetensors", content)
        for _, path in self._states()[_KEPT:]:
            path.unlink(missing_ok=True)

    def newest_state(self) -> tuple[int, dict[str, Tensor]] | None:
        """Return step and tensors of the newest sound state, None if there is none; torn ones are passed over."""
        for step, path in self._states():
            content = path.read_bytes()
            match = _STATE.fullmatch(path.name)
            if match and hashlib.sha256(content).hexdigest()[:16] == match[2]:
                return step, load_safetensors(content)
        return None

    def _states(self) -> list[tuple[int, Path]]:
        """Return step and path of all states, newest first."""
        found = [(match, path) for path in self.path.iterdir() if (match := _STATE.fullmatch(path.name))]
        return sorted(((int(match[1]), path) for match, path in found), reverse=True)

    def trim_log(self, step: int) -> None:
        """Drop log lines after ``step``: a resumed run writes them again."""
        if not self.log.is_file():
            return
        kept = [line for line in self.log.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
        write_whole(self.log, "".join(line + "\n" for line in kept).encode())


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a torn last line
