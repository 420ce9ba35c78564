"""One process that restores a folder of good and bad files again and again, and says after each round how it stands.

``python -m tests.soak.folder FOLDER OUT`` writes a line of JSON a round, and ends with its standard input.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import tifffile
from PIL import Image

from tests.datasets.bad_files import CASES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fill", "rounds"]

_SIDE_PX = 96
_FEW_BAD = 20
"""Bad files of a round: there is one quiet moment a round, and there have to be many."""


def fill(folder: Path) -> tuple[int, int]:
    """Make the files, and return how many are good and how many are not."""
    folder.mkdir()
    noise = np.random.default_rng(3).normal(40000, 200, (_SIDE_PX, _SIDE_PX))
    noise[_SIDE_PX // 3 : _SIDE_PX // 2, 20:-20] *= 0.6
    image = noise.astype(np.uint16)
    tifffile.imwrite(folder / "good-1.tif", image)
    tifffile.imwrite(folder / "good-2.tif", image, compression="zlib", predictor=True, tile=(32, 32))
    Image.fromarray(image).save(folder / "good-3.png")
    np.save(folder / "good-4.npy", image)
    made = 0
    # Files alone: folders and pipes of the catalogue are no files that stand in a folder of radiographs.
    for case in CASES:
        path = folder / case.name
        if case.pixels is None and made < _FEW_BAD and not path.exists():
            case.make(path)
            made += path.is_file() and not path.is_symlink()
    return 4, made


def rounds(folder: Path, output: Path, end: threading.Event, report: io.TextIOBase) -> None:
    """Restore all files until the end, the whole command each time."""
    from xsim_cli.app import main

    arguments = ["zoo", "run", "wiener", str(folder), "-o", str(output), "--force", "--json"]
    arguments += ["--pitch-mm", "0.048", "--detectors", "weights", "--report"]
    process = psutil.Process()
    while not end.is_set():
        said, errors = io.StringIO(), io.StringIO()
        code = 0
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
            try:
                main(arguments)
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else 1
        gc.collect()
        told = {"code": code, "internal": "internal error" in errors.getvalue() or "Traceback" in errors.getvalue()}
        told |= {"memory": process.memory_full_info().uss, "descriptors": process.num_fds()}
        told |= {"threads": process.num_threads(), "said": errors.getvalue()[-2000:] if told["internal"] else ""}
        report.write(json.dumps(told) + "\n")
        report.flush()


def main(words: Sequence[str]) -> None:
    """Restore until standard input ends, as it does however the parent ends."""
    end = threading.Event()

    def wait() -> None:
        while os.read(0, 1):
            pass
        end.set()

    threading.Thread(target=wait, daemon=True).start()
    rounds(Path(words[0]), Path(words[1]), end, sys.stdout)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1:])
