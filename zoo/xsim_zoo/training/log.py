"""What a run leaves for people and programs to look at: JSON lines, TensorBoard, pictures."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from xsim.errors import InputError
from xsim.files.whole import whole_file

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from xsim_zoo.training.folder import RunFolder

__all__ = ["RunLog", "save_picture"]


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

    Raises
    ------
    InputError
        If TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: RunFolder, *, active: bool = True, tensorboard: bool = False) -> None:
        self._active = active
        self._pictures = folder.path / "pictures"
        self._lines = folder.log.open("a", encoding="utf-8") if active else None
        self._board = _board(folder.path / "tensorboard") if active and tensorboard else None

    def write(self, step: int, record: dict[str, Any]) -> None:
        """Write one record; it is on disk for others to read when this returns."""
        if self._lines is None:
            return
        self._lines.write(json.dumps({"step": step, **record}) + "\n")
        self._lines.flush()
        if self._board is not None:
            for name, value in record.items():
                self._board.add_scalar(name.replace("_", "/", 1), value, step)

    def picture(self, step: int, images: list[NDArray[np.floating]]) -> None:
        """Draw images of one shape side by side, black 0 to white 1."""
        if self._active:
            self._pictures.mkdir(exist_ok=True)
            save_picture(self._pictures / f"step-{step:08d}.png", images)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in (self._lines, self._board):
            if writer is not None:
                writer.close()


def _board(path: Path) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError("tensorboard is not installed: pip install tensorboard, or leave the setting off")
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  (slow to import, seldom wanted)

    return SummaryWriter(str(path))


def save_picture(path: Path, images: list[NDArray[np.floating]]) -> None:
    """Write images of one shape side by side as an 8-bit picture to look at, never to measure on."""
    from PIL import Image  # noqa: PLC0415  (a picture a validation)

    row = np.concatenate([np.clip(image, 0.0, 1.0) for image in images], axis=1)
    with whole_file(path) as partial:
        Image.fromarray(np.rint(row * 255).astype(np.uint8)).save(partial, format="PNG")
