"""The argument that names a restorer, checked before anything heavy is imported."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["RestorerName"]


def _known(name: str) -> str:
    from xsim_zoo.registry import check_name

    return check_name(name)


RestorerName = Annotated[str, typer.Argument(help="Name of a restorer, see `xsim zoo list`.", callback=_known)]
