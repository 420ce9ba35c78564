"""Run a page of the documentation: its commands, its Python, its files, in order, and compare what they print.

Run: python docs/run_page.py docs/tutorials/first-pair.md [--folder EMPTY_FOLDER] [--update]

``sh`` blocks run in bash, ``python`` blocks in one interpreter a page, and a block with a ``title`` becomes the file of
that name. A ``text`` block right after a block is what it prints: compared without regard to numbers, and with ``...``
for any lines. ``--update`` writes what was printed back into the page, and the pictures that images with
``data-from="FILE"`` name into the documentation. ``XSIM`` is the root of the repository.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import traceback
import types
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^```(?P<kind>\w+)(?P<rest>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_PICTURE = re.compile(r'!\[[^\]]*\]\((?P<target>[^)]+)\)\{[^}]*data-from="(?P<source>[^"]+)"')
_NUMBER = re.compile(r"-?\d[\d.,:]*(e[+-]?\d+)?")
_WIDEST_PX = 1000


class PageError(Exception):
    """A block that failed, or printed something else than the page shows."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Parameters
    ----------
    kind : str
        Its language.
    text : str
        What stands in it.
    title : str or None
        The file that it is.
    line : int
        Where it begins in the page.
    span : (first, last)
        Where ``text`` stands in the page [characters].
    shown : Block, optional
        The ``text`` block right after it.
    """

    kind: str
    text: str
    title: str | None
    line: int
    span: tuple[int, int]
    shown: Block | None = None


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, each ``text`` block with the one that prints it."""
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(page):
        title = _TITLE.search(match["rest"])
        line = page.count("\n", 0, match.start()) + 1
        block = Block(match["kind"], match["text"], title[1] if title else None, line, match.span("text"))
        if block.kind == "text" and found and not page[end : match.start()].strip():
            found[-1] = Block(**{**vars(found[-1]), "shown": block})
        else:
            found.append(block)
        end = match.end()
    return found


def aligned(shown: str, printed: str) -> list[str] | None:
    """Return the lines of a page as they are printed now; None where the page shows something else.

    Words must be the same, numbers may differ, and a line ``...`` stands for any lines.
    """
    wanted = shown.strip("\n").splitlines()
    given = printed.rstrip().strip("\n").splitlines()
    found: list[str] = []
    skip = False
    for line in wanted:
        if line.strip() == "...":
            skip = True
            found.append(line)
            continue
        if skip:
            while given and _words(given[0]) != _words(line):
                given.pop(0)
        if not given or _words(given[0]) != _words(line):
            return None
        found.append(given.pop(0).rstrip())
        skip = False
    return found if skip or not given else None


def _words(line: str) -> list[str]:
    return _NUMBER.sub("#", line).split()


class Runner:
    """Runs the blocks of one page in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # A module of its own: dataclasses look theirs up.
        self._module = sys.modules["__page__"] = types.ModuleType("__page__")
        self._environment = {
            **os.environ,
            "XSIM_CONFIG": str(folder / ".config"),  # what a page names stays the page's own
            "XSIM": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
        }

    def run(self, block: Block) -> str | None:
        """Run a block and return what it printed; None for one that is only to be read."""
        if block.title:
            path = self._folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            return None
        if block.kind == "sh":
            return self._shell(block)
        if block.kind == "python":
            return self._python(block)
        return None

    def _shell(self, block: Block) -> str:
        done = subprocess.run(
            ["bash", "-eu", "-c", block.text],
            cwd=self._folder, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PageError(f"line {block.line}: ended with {done.returncode}:\n{block.text}\n{done.stdout}")
        return done.stdout

    def _python(self, block: Block) -> str:
        printed = io.StringIO()
        try:
            with contextlib.chdir(self._folder), contextlib.redirect_stdout(printed):
                code = compile(block.text, f"<line {block.line}>", "exec", dont_inherit=True)
                exec(code, vars(self._module))
        except BaseException as error:
            raise PageError(f"line {block.line}:\n{block.text}\n{traceback.format_exc()}") from error
        return printed.getvalue()


def run_page(path: Path, folder: Path, *, update: bool = False) -> int:
    """Run a page in a folder and return how many blocks ran.

    Raises
    ------
    PageError
        At the first block that fails or prints something else than the page shows.
    """
    page = path.read_text(encoding="utf-8")
    runner = Runner(folder)
    changes: list[tuple[tuple[int, int], str]] = []
    count = 0
    for block in blocks(page):
        printed = runner.run(block)
        count += printed is not None
        if printed is None or block.shown is None:
            continue
        lines = aligned(block.shown.text, printed)
        if lines is None and not update:
            raise PageError(f"line {block.shown.line}: the page shows\n{block.shown.text}\nbut it is\n{printed}")
        changes.append((block.shown.span, "\n".join(lines or printed.rstrip().splitlines()) + "\n"))
    pictures = [(path.parent / match["target"], folder / match["source"]) for match in _PICTURE.finditer(page)]
    for target, source in pictures:
        if not source.is_file():
            raise PageError(f"no block makes {source.name}, the picture {target.name}")
        if update:
            _publish(source, target)
    for (first, last), text in reversed(changes):
        page = page[:first] + text + page[last:]
    if update:
        path.write_text(page, encoding="utf-8")
    return count


def _publish(source: Path, target: Path) -> None:
    """Write a picture as small as a page needs it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as picture:
        small = picture.convert("RGB")
        small.thumbnail((_WIDEST_PX, 4 * _WIDEST_PX), Image.Resampling.LANCZOS)
        small.save(target, optimize=True)


def main() -> None:
    """Run the page that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--folder", type=Path, help="empty folder to work in; a temporary one by default")
    parser.add_argument("--update", action="store_true", help="write what is printed and drawn into the documentation")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xsim-page-")))
        try:
            count = run_page(arguments.page.resolve(), folder, update=arguments.update)
        except PageError as error:
            sys.exit(f"{arguments.page}: {error}")
    print(f"{arguments.page}: {count} blocks ran")


if __name__ == "__main__":
    main()
