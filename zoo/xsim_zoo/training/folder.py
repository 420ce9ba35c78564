"""The folder of a training run: its settings, its log, and states from which it goes on as if never stopped.

A state is one safetensors file whose name ends with the digest of its content: a damaged one is recognised and passed
over. The log is JSON lines, pictures, and TensorBoard where it is wanted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from xsim.errors import DamageError, InputError, MissingFileError
from xsim.files.documents import read_json, read_text
from xsim.files.plain import JOURNAL, WEIGHTS, read_plain
from xsim.files.whole import locked, whole_file, write_whole
from xsim_zoo.training.parts.callbacks import Callbacks

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RunFolder", "RunLog", "save_picture"]

_STATE = re.compile(r"state-(\d{8})-([0-9a-f]{16})\.safetensors")
_JUDGED = ("validation/psnr_dB", "validation/ssim")
"""What TensorBoard's table of settings shows beside them."""

_KEPT = 2
"""States that stay: the newest, and one before it should the newest have been damaged after it was written."""


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
            settings: dict[str, Any] = read_json(self._settings)
        except (ValueError, RecursionError) as error:
            raise DamageError(f"{self._settings}: is damaged ({error}): start the run anew") from error
        return settings

    def called(self, call: dict[str, Any]) -> None:
        """Write down how the run was called, this time, below the calls before it."""
        content = self.settings()
        write_whole(
            self._settings, json.dumps({**content, "calls": [*content.get("calls", []), call]}, indent=1).encode()
        )

    def extend(self, settings: dict[str, Any]) -> None:
        """Write the settings of a run that is to take more steps than it was started with."""
        write_whole(self._settings, json.dumps(settings, indent=1).encode(), replace=True)

    @property
    def _settings(self) -> Path:
        return self.path / "run.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder while it is trained in.

        The operating system drops the lock with its process, however that ends.

        Raises
        ------
        InputError
            If another process trains here.
        """
        with locked(self.path, by="training"):
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
            content = read_plain(path, WEIGHTS)
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
        kept = [line for line in read_text(self.log, JOURNAL).splitlines() if _step_of(line) <= step]
        write_whole(self.log, "".join(line + "\n" for line in kept).encode())


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a torn last line


class RunLog:
    """The log of one run, open while it trains.

    Parameters
    ----------
    folder : RunFolder
        Where ``log.jsonl``, ``pictures/`` and ``tensorboard/`` go.
    active : bool
        Whether this process writes; of many, one does.
    tensorboard : bool
        Write for TensorBoard as well.
    start : int
        Steps that are done: what TensorBoard holds of later ones is taken back.
    settings : dict, optional
        The run's settings, for TensorBoard.
    callbacks : Callbacks, optional
        Who else is told; closed with the log.

    Raises
    ------
    InputError
        If TensorBoard is wanted and not installed.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        active: bool = True,
        tensorboard: bool = False,
        start: int = 0,
        settings: dict[str, Any] | None = None,
        callbacks: Callbacks | None = None,
    ) -> None:
        self._active, self._callbacks = active, callbacks
        self._pictures = folder.path / "pictures"
        self._board = _board(folder.path / "tensorboard", start, settings or {}) if active and tensorboard else None
        self._lines = folder.log.open("a", encoding="utf-8") if active else None

    def write(self, step: int, record: dict[str, Any]) -> None:
        """Write one record; it is on disk for others to read when this returns."""
        if self._lines is None:
            return
        self._lines.write(json.dumps({"step": step, **record}) + "\n")
        self._lines.flush()
        if self._board is not None:
            for name, value in record.items():
                self._board.add_scalar(name.replace("_", "/", 1), value, step)
        if self._callbacks is not None:
            self._callbacks.log(step, record)

    def picture(self, step: int, what: str, images: list[NDArray[np.floating]]) -> None:
        """Draw images of one shape side by side, black 0 to white 1, and say what they are."""
        if not self._active:
            return
        self._pictures.mkdir(exist_ok=True)
        row = save_picture(self._pictures / f"step-{step:08d}.png", images)
        if self._board is not None:
            self._board.add_image(what, row, step, dataformats="HW")
        if self._callbacks is not None:
            self._callbacks.picture(step, row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in (self._lines, self._board, self._callbacks):
            if writer is not None:
                writer.close()


def _board(path: Path, start: int, settings: dict[str, Any]) -> Any:
    """Return TensorBoard's writer; what its files hold of steps after ``start``, which come again, it takes back."""
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError("tensorboard is not installed: pip install tensorboard, or leave the setting off")
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  (slow to import, seldom wanted)
    from torch.utils.tensorboard.summary import hparams  # noqa: PLC0415

    writer: Any = SummaryWriter(str(path), purge_step=start + 1 if start else None)
    plain = {
        key: value if isinstance(value, (bool, int, float, str)) else str(value) for key, value in settings.items()
    }
    # In the files of the run itself: torch's add_hparams would begin a run of its own below it.
    for summary in hparams(plain, dict.fromkeys(_JUDGED, 0.0)):  # type: ignore[no-untyped-call]
        writer.file_writer.add_summary(summary)
    return writer


def save_picture(path: Path, images: list[NDArray[np.floating]]) -> NDArray[np.floating]:
    """Write images of one shape side by side as an 8-bit picture to look at, never to measure on, and return it."""
    from PIL import Image  # noqa: PLC0415  (a picture a validation)

    row = np.concatenate([np.clip(image, 0.0, 1.0) for image in images], axis=1)
    with whole_file(path) as partial:
        Image.fromarray(np.rint(row * 255).astype(np.uint8)).save(partial, format="PNG")
    return row
