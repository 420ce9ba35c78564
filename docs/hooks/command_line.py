"""Write the reference of the command line from the program itself.

The commands are Typer's, with its own copy of click, which `mkdocs-click` does not take for click commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from xsim_cli.app import COMMANDS, app

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """# Command line

Every command has `--help` with an example, `--json` (see [JSON and exit codes](json.md)) and `--debug` (a traceback
where something fails). This page is written by the program itself when the site is built.

"""
_EVERYWHERE = {"help", "json_", "debug"}


def command_line_page() -> str:
    """Return the page in Markdown: every command with its arguments, options and example."""
    program: Any = typer.main.get_command(app)
    context = type(program).context_class(program, info_name="xsim")
    lines = [_HEAD, "| command | what it does |", "|---|---|"]
    lines += [f"| [`xsim {name}`](#xsim-{name}) | {about} |" for name, (_, about) in COMMANDS.items()]
    lines += ["", "## xsim", "", _table(program)]
    for name in COMMANDS:
        _, command, _ = program.resolve_command(context, [name])  # imports what lies behind the lazy group
        lines += _sections(command, f"xsim {name}")
    return "\n".join(lines) + "\n"


def _sections(command: Any, path: str) -> Iterator[str]:
    """Yield the section of a command, then those of its own commands."""
    children = getattr(command, "commands", {})
    yield f"\n{'##' if path.count(' ') == 1 else '###'} {path}\n"
    yield _text(command.help) + "\n"
    if not children:
        context = type(command).context_class(command, info_name=path)
        usage = command.get_usage(context).removeprefix("Usage: ")
        yield f"```text\n{' '.join(usage.split())}\n```\n"
        yield _table(command)
    if command.epilog:
        yield "\n".join(f"- {_example(part)}" for part in command.epilog.split("||")) + "\n"
    for name, child in children.items():
        yield from _sections(child, f"{path} {name}")


def _example(text: str) -> str:
    about, _, line = text.strip().rpartition(": ")
    return f"{about.strip()}: `{line.strip()}`"


def _table(command: Any) -> str:
    """Return the table of a command's arguments and options; those that every command has are left out."""
    rows = [_row(param) for param in command.params if param.name not in _EVERYWHERE]
    return "\n".join(["| argument, option | what | default |", "|---|---|---|", *rows, ""]) if rows else ""


def _row(param: Any) -> str:
    names = [*param.opts, *param.secondary_opts] if param.param_type_name == "option" else [param.make_metavar(None)]
    if param.required:
        default = "required"
    elif param.default in (None, (), [], False) or getattr(param, "is_flag", False):
        default = ""
    else:
        default = f"`{param.default}`"
    return f"| {', '.join(f'`{name}`' for name in names)} | {_text(param.help)}{_choices(param)} | {default} |"


def _choices(param: Any) -> str:
    choices = [f"`{getattr(choice, 'value', choice)}`" for choice in getattr(param.type, "choices", ())]
    return f" One of {', '.join(choices)}." if choices else ""


def _text(text: str | None) -> str:
    """Return help text as Markdown: angle brackets, bars and stars of it are meant literally."""
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
