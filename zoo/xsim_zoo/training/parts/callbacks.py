"""Who else is told how a run goes: loggers of other packages.

A factory ``(folder, settings)`` returns an object with ``log(step, record)``, and ``picture(step, image)`` and
``close()`` if it wants them. One that fails is warned of and told no more: a training does not die of its logger.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, XsimWarning
from xsim_zoo.training.parts.named import part_of

__all__ = ["Callback", "Callbacks"]


class Callback(Protocol):
    """What a factory returns."""

    def log(self, step: int, record: Mapping[str, float], /) -> None:
        """Take the figures of a step or of a validation.

        Of a step: loss, lr, gradient, seconds, waited, and of several processes the share of each (loss_of_0, ...); of
        a validation: validation_psnr_dB, ...
        """


class Callbacks:
    """The callbacks of a run.

    Parameters
    ----------
    names : sequence of str
        MODULE:CALLABLE of each factory.
    folder : Path
        The run's folder, which they are told.
    settings : dict
        The run's settings, which they are told.

    Raises
    ------
    InputError
        If a factory cannot be had, or fails.
    """

    def __init__(self, names: Sequence[str], folder: Path, settings: dict[str, Any]) -> None:
        self._told: dict[str, Any] = {}
        for name in names:
            try:
                self._told[name] = part_of("callback", name)(folder, settings)
            except InputError:
                raise
            except Exception as error:
                raise InputError(
                    f"callback '{name}' cannot start ({error!r:.200}): repair it, or leave it out"
                ) from error

    def log(self, step: int, record: dict[str, Any]) -> None:
        """Tell them the figures of a step."""
        self._tell("log", step, dict(record))

    def picture(self, step: int, image: NDArray[np.floating]) -> None:
        """Show them an image (H, W), black 0 to white 1."""
        self._tell("picture", step, image)

    def close(self) -> None:
        """Tell them that the run ends, whatever ended it."""
        self._tell("close")

    def _tell(self, method: str, *what: Any) -> None:
        for name, callback in list(self._told.items()):
            if method != "log" and not hasattr(callback, method):
                continue
            try:
                getattr(callback, method)(*what)
            except Exception as error:  # noqa: BLE001  (whatever another package raises)
                del self._told[name]
                warnings.warn(
                    f"callback '{name}' failed ({error!r:.200}) and is told no more: the training goes on",
                    XsimWarning,
                    stacklevel=2,
                )
