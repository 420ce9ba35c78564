"""``xsim view``: serve a folder's reports, and a form to restore radiographs, on 127.0.0.1 only."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from xsim.errors import InputError
from xsim_cli.common import JsonOption, emit_json, existing, say

app = typer.Typer()


@app.command(epilog="Example: xsim view radiographs")
def view(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder whose reports are shown, and where results are saved.")
    ] = Path(),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; a free one if 0.", min=0, max=65535)] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    json_: JsonOption = False,
) -> None:
    """Restore and look at radiographs in a browser: drop a file, choose, watch, compare, save. Ctrl-C ends it.

    Nothing but programs on this machine can reach it, and of these only who knows the address that is printed.
    """
    if not existing(folder).is_dir():
        raise InputError(f"{folder}: is no folder: give the one whose reports are to be shown")
    from xsim_cli.view.server import serving
    from xsim_cli.view.session import Session

    with _one_interrupt(), Session(folder) as session, serving(session, port) as server:
        try:
            if json_:
                emit_json("view", {"url": server.url, "port": server.server_port, "folder": folder.resolve()})
            else:
                say(f"{server.url}: reports of {folder.resolve()}; Ctrl-C ends it")
            if not (no_browser or json_):
                _open(server.url)
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            unsaved = ", the result that was not saved is gone" if session.unsaved else ""
            say(f"ended{unsaved}")


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """Take Ctrl-C once: a second one, of an impatient hand or a program's, must not stop the tidying up.

    Once it was taken the program ends, and what comes then stays ignored to the last: Python gives up its handlers
    before its process is gone.
    """

    def take(signum: int, frame: object) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, take)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is take:
            signal.signal(signal.SIGINT, before)


def _open(url: str) -> None:
    """Show an address in the user's browser, without waiting for it: those of a terminal run until they are left."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
