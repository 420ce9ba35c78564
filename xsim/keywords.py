"""Keywords of public functions and classes: a wrong one is answered with the nearest that there is.

Python itself does so from 3.13 on, and type checkers and editors before anything runs; this is for Python 3.11 and
3.12.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import Any, TypeVar

from xsim.errors import UnknownNameError

__all__ = ["UnknownKeywordError", "check_keywords", "names_keywords"]

T = TypeVar("T", bound=Callable[..., Any])


class UnknownKeywordError(UnknownNameError, TypeError):
    """A function was given a keyword that it does not have."""


def check_keywords(kind: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse the first keyword that is not known.

    Parameters
    ----------
    kind : str
        What it should have named, e.g. ``"option"``.
    given, known : of str
        Keywords.

    Raises
    ------
    UnknownKeywordError
        Naming it, with the nearest that there are.
    """
    for name in given:
        if name not in known:
            raise UnknownKeywordError(kind, name, known)


def names_keywords(thing: T) -> T:
    """Let a function, or a class when it is made, answer a wrong keyword with the nearest that it has.

    What takes any keyword (``**options``) checks its own.
    """
    maker = thing.__init__ if inspect.isclass(thing) else thing
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = frozenset(item.name for item in inspect.signature(thing).parameters.values() if item.kind in by_name)
    # Fields of a model that have been called otherwise: names that it still takes, and does not show.
    known |= {
        str(name)
        for item in getattr(thing, "model_fields", {}).values()
        for name in getattr(item.validation_alias, "choices", ())
    }
    # restorer(y) is a call of its class, for whoever writes it.
    what = f"keyword of {thing.__qualname__.split('.')[-2] if thing.__name__ == '__call__' else thing.__name__}"

    @wraps(maker)
    def checked(*args: Any, **given: Any) -> Any:
        if not known.issuperset(given):
            check_keywords(what, given, known)
        return maker(*args, **given)

    if not inspect.isclass(thing):
        return checked  # type: ignore[return-value]  # of the same signature, which type checkers take from T
    thing.__init__ = checked  # type: ignore[method-assign]  # what a class decorator is for
    return thing
