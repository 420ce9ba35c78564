"""The program's entry: a table of lazy commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

try:
    from xsim._version import DISTRIBUTION, namesakes
    from xsim.errors import XsimError, XsimWarning, nearest, ran_out_of_memory
except ModuleNotFoundError as missing:
    if not (missing.name or "").startswith("xsim."):
        raise
    # No error class of ours can be had, as the package that holds them is not ours.
    sys.stderr.write(
        "xsim: another package has put itself in the place of xsim's files: pip uninstall xsim, then "
        "pip install --force-reinstall xsim-xray\n"
    )
    sys.exit(2)

__all__ = ["app", "main"]

# name -> (module that holds `app`, one line of help). The module is imported only when its command is called.
COMMANDS: dict[str, tuple[str, str]] = {
    "spectrum": ("xsim_cli.spectrum", "X-ray spectra: fluence per keV and uGy, mean energy, HVL."),
    "detector": ("xsim_cli.detector", "Screens and detectors: absorption, MTF, NNPS, DQE, SRb, SNRn."),
    "phantom": ("xsim_cli.phantom", "Boards and test targets as material thickness maps."),
    "simulate": ("xsim_cli.simulate", "One HR/LR pair as 16-bit TIFF, with every setting."),
    "dataset": ("xsim_cli.dataset", "HR/LR pairs in zarr: make, import, verify, look at, export."),
    "measure": ("xsim_cli.measure.commands", "MTF, NNPS, CTF of images; PSNR and SSIM of two."),
    "inspect": ("xsim_cli.inspect.commands", "Voids of solder balls: shares with intervals, limits by class."),
    "calibrate": ("xsim_cli.calibrate", "Measure your own two detectors and what lies between them."),
    "detectors": ("xsim_cli.detectors.commands", "Detectors by name: add, list, show, remove."),
    "zoo": ("xsim_cli.zoo.commands", "Restorers: list, train, finetune, run, evaluate, export."),
    "view": ("xsim_cli.view.commands", "Restore and look at radiographs in a browser."),
    "doctor": ("xsim_cli.doctor", "What works, what is missing, and the command that mends it."),
}


def _complete(command: Any) -> Any:
    """Return a command, with those below it, as the program shows it.

    Help texts are taken literally: rich's markup would swallow units like [mm]. Every command that does something shows
    ``--debug``, which `main` takes from anywhere on the command line; so no command needs to know of it. Completion is
    installed for the whole program, so the groups do not offer it again.
    """
    command.rich_markup_mode = None
    command.params = [param for param in command.params if param.name not in {"install_completion", "show_completion"}]
    children = getattr(command, "commands", {})
    for child in children.values():
        _complete(child)
    if not children:
        about = "Show a traceback when something fails."
        command.params.append(TyperOption(param_decls=["--debug"], is_flag=True, expose_value=False, help=about))
    return command


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called, so that ``--help`` stays fast."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002
        """Return a stub that knows its help line; the real command comes from ``resolve_command``."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the module behind the name and return its command."""
        name = args[0] if args else ""
        if name not in COMMANDS:
            if name and not name.startswith("-"):
                close = nearest(name, COMMANDS)
                hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(COMMANDS)}"
                ctx.fail(f"no command '{name}': {hint}")
            return super().resolve_command(ctx, args)
        module = importlib.import_module(COMMANDS[name][0])
        command = _complete(typer.main.get_command(module.app))
        command.name = name
        return name, command, args[1:]

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C ends it with the program's line, where Typer would print an empty one."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _fail("interrupted", 130)


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: xsim zoo run physics-sde board.tif -o restored.tif",
)


def _version(wanted: bool) -> None:
    if wanted:
        from xsim._version import __version__

        typer.echo(f"xsim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and leave.", callback=_version, is_eager=True
    ),
) -> None:
    """Simulate an indirect X-ray imaging system, and restore what its thick screens blur."""


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    try:
        print(f"xsim: {line}", file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        code = code or 1
    sys.exit(code)


def _terminate(signum: int, frame: object) -> NoReturn:
    signal.signal(signum, signal.SIG_IGN)  # `timeout` sends it twice: the second must not stop the tidying up
    raise SystemExit(128 + signum)


_usual_format = warnings.formatwarning


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return the one line of xsim's own warnings; where in the code they arise says nothing to people."""
    if issubclass(category, XsimWarning):
        return f"xsim: {' '.join(str(message).split())}\n"
    return _usual_format(message, category, filename, lineno, line)


def _run(args: Sequence[str] | None) -> None:
    for other in namesakes():
        sys.stderr.write(
            f"xsim: warning: {other} is installed beside {DISTRIBUTION}, and both are called xsim: "
            f"pip uninstall xsim, then pip install --force-reinstall {DISTRIBUTION}\n"
        )
    result = app(args=args, standalone_mode=False)
    if isinstance(result, int) and result:
        sys.exit(result)
    sys.stdout.flush()


def main(args: Sequence[str] | None = None) -> None:
    """Run the program; every error ends as one line on stderr and the exit code that the contract names."""
    given = list(sys.argv[1:] if args is None else args)
    words = [word for word in given if word != "--debug"]
    debug = len(words) < len(given)
    signal.signal(signal.SIGTERM, _terminate)
    warnings.formatwarning = _format_warning
    try:
        _run(words)
    except SystemExit:
        raise
    except KeyboardInterrupt:
        if args is None:  # this process is the program's, and ends
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing more to say, and Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        if (text := _help_of(error)) is not None:
            sys.stderr.write(f"{text}\n")
            sys.exit(2)
        _fail(*_explain(error))


def _help_of(error: Exception) -> str | None:
    """Return the help that Typer raises as an error where a group is called without a command."""
    context, message = getattr(error, "ctx", None), getattr(error, "message", None)
    return message if context is not None and message == context.get_help() else None


def _explain(error: Exception) -> tuple[str, int]:
    """Return the line and the exit code for an error."""
    if isinstance(error, XsimError):
        return str(error), error.exit_code
    if hasattr(error, "format_message"):  # a usage error of Typer's own click
        return error.format_message().rstrip(".") + ": see --help", 2
    if isinstance(error, typer.Abort):
        return "aborted", 130
    if ran_out_of_memory(error):
        return "out of memory: use smaller images, tiles or batches", 1
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", 1
    return f"internal error ({type(error).__name__}: {error}): rerun with --debug and report it", 1


if __name__ == "__main__":
    main()
