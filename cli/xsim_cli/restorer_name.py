"""The argument that names a restorer, checked before anything heavy is imported."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["RestorerName"]


def _known(name: str) -> str:
    from xsim.errors import InputError, UnknownNameError
    from xsim_zoo.restorers.registry import check_name

    try:
        return check_name(name)
    except UnknownNameError:
        from xsim_zoo.weights.card import read_card, shipped

        if name not in shipped():
            raise
        owner = read_card(shipped()[name].with_suffix(".json")).restorer
        raise InputError(f"'{name}' are weights, not a restorer: say {owner} --weights {name}") from None


RestorerName = Annotated[str, typer.Argument(help="Name of a restorer, see `xsim zoo list`.", callback=_known)]
