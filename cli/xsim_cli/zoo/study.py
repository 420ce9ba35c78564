"""`xsim zoo study`: train, judge and table what one file describes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xsim_cli.common import DeviceOption, JsonOption, emit_json, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command ``study`` to the group ``zoo``."""
    app.command("study", epilog="Example: xsim zoo study study.toml -o studies/first")(study)


def study(
    file: Annotated[Path, typer.Argument(help="TOML file: rows, seeds, data and sets.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the study; it goes on where it stopped.")],
    workers: Annotated[int | None, typer.Option(help="Processes that judge; as many as cores if not given.")] = None,
    device: DeviceOption = "auto",
    json_: JsonOption = False,
) -> None:
    """Train and judge what a file lists, and table it.

    Every row is trained with every seed and judged on the same images; tables are CSV, JSON, Markdown and LaTeX.
    """
    from xsim_zoo.study.carry_out import carry_out
    from xsim_zoo.study.plan import load_study

    table = carry_out(load_study(file), output, device=device, workers=workers, say=(lambda _: None) if json_ else say)
    if json_:
        emit_json("zoo.study", {"folder": str(output), **table.to_dict()})
        return
    typer.echo(table.markdown())
    say(f"{output}: table.csv, table.json, table.md, table.tex")
