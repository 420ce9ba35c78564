"""Ctrl-C and SIGTERM during a long job: the first asks to stop after the step, the second stops at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

__all__ = ["Interruption"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Catch the first SIGINT or SIGTERM while the context lasts; off the main thread it does nothing."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def wanted(self) -> bool:
        """Whether somebody asked to stop."""
        return self._number is not None

    def leave(self) -> NoReturn:
        """End the program the way the signal would: 130 or 143.

        Raises
        ------
        SystemExit
            Always.
        """
        raise SystemExit(128 + (self._number or signal.SIGINT))

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._number = number
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_back()
