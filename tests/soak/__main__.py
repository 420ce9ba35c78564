"""Half an hour of everything at once: does memory stay flat, and is nothing left behind?

``python -m tests.soak --minutes 30`` (`make soak`) restores a folder of good and bad files again and again in one
process, lets fifty browsers loose on one ``xsim view``, and kills and resumes ``xsim dataset make``, all three at once.
It ends with 0 if memory grows by no more than 1 % in ten minutes with its whole 95 % interval, no descriptor, thread,
process or temporary file is left, every killed data set came out whole, and nobody met an internal error.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.soak.browsers import PARALLEL, Browsers
from tests.soak.folder import fill
from tests.soak.killing import Killing
from tests.soak.series import Series

if TYPE_CHECKING:
    from typing import IO

ROOT = Path(__file__).parents[2]


class Restoring(threading.Thread):
    """Follows the process that restores a folder, see `tests.soak.folder`."""

    def __init__(self, folder: Path, output: Path, environment: dict[str, str]) -> None:
        super().__init__()
        self.series, self.rounds, self.wrong = Series(), 0, list[str]()
        command = [sys.executable, "-m", "tests.soak.folder", str(folder), str(output)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload]

    def run(self) -> None:
        """Note each round."""
        lines: IO[str] = self._process.stdout
        for line in lines:
            told = json.loads(line)
            self.rounds += 1
            self.series.seconds.append(time.monotonic())
            for name in ("memory", "descriptors", "threads"):
                getattr(self.series, name).append(told[name])
            # 3: some of several files failed.
            if told["internal"] or told["code"] != 3:
                self.wrong.append(f"zoo run: ended with {told['code']}: {told['said']}")

    def stop(self) -> int:
        """Let it finish its round, and return how it ended."""
        self._process.stdin.close()
        if self.ident is not None:
            self.join()
        return int(self._process.wait(60))


def left_in(folder: Path) -> list[str]:
    """Return what lies in a folder, by its path in it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def soak(folder: Path, seconds: float) -> list[str]:
    """Run everything for so long; print what was found, and return what does not hold."""
    temporary = folder / "temporary"
    temporary.mkdir()
    floors = os.pathsep.join(str(ROOT / floor) for floor in (".", "datasets", "zoo", "cli"))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "TMPDIR": str(temporary), "PYTHONPATH": floors}
    good, bad = fill(folder / "files")
    (folder / "view").mkdir()
    # Pipes and links of the catalogue cannot be dropped on a page.
    plain = [path for path in sorted((folder / "files").iterdir()) if path.is_file() and not path.is_symlink()]
    dropped = [path for path in plain if path.suffix in {".tif", ".png", ".dcm"}]
    browsers = Browsers(folder / "view", dropped, environment)
    restoring = Restoring(folder / "files", folder / "restored", environment)
    killing = Killing(folder / "stores", environment)
    parts = (restoring, browsers, killing)
    try:
        for part in parts:
            part.start()
        time.sleep(seconds)
    finally:
        ended = {"zoo run": restoring.stop(), "xsim view": browsers.stop()}
        killing.stop()
    left = left_in(temporary)
    print(f"zoo run, {restoring.rounds} times {good} good and {bad} bad files: {restoring.series}")
    asked = f"{browsers.requests} requests, {PARALLEL} at a time, and {browsers.jobs} files restored"
    print(f"xsim view, {asked}: {browsers.series}")
    print(f"dataset make, killed {killing.kills} times: {killing.whole} data sets whole after --resume")
    print(f"temporary files left: {len(left)}")
    wrong = [*restoring.wrong, *browsers.wrong, *killing.wrong]
    wrong += [f"{name}: ended with {code}" for name, code in ended.items() if code != 0]
    wrong += restoring.series.complaints("zoo run") + browsers.series.complaints("xsim view")
    wrong += [f"temporary file left: {name}" for name in left]
    wrong += [] if killing.kills else ["nothing was killed: run for longer"]
    return list(dict.fromkeys(wrong))


def main() -> int:
    """Run, and say what does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xsim-soak-") as folder:
        wrong = soak(Path(folder), 60 * words.minutes)
    for line in wrong[:40]:
        print(f"does not hold: {line}")
    print(f"soak of {words.minutes:g} minutes: {'holds' if not wrong else f'{len(wrong)} things do not hold'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
