"""Programs that are run with a fault planted in them, and how they ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.faults.plants import Plant

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Ended", "Programs"]

ROOT = Path(__file__).parents[2]
FLOORS = [str(ROOT / floor) for floor in (".", "datasets", "zoo", "cli")]


@dataclass(frozen=True)
class Ended:
    """How a program ended: exit code (minus the signal's number where one ended it), output, and the steps it took."""

    code: int
    out: str
    err: str
    seconds: float
    steps: tuple[str, ...]

    def check_manners(self) -> None:
        """Check that there is no traceback, and that what failed was said in one line, or one for each file."""
        assert "Traceback" not in self.err, self.err
        complaints = [line for line in self.err.splitlines() if line.startswith("xsim: ")]
        assert bool(complaints) == (self.code > 0 and self.code not in {130, 143}), f"{self.code}: {self.err}"
        assert len(set(complaints)) == len(complaints), self.err
        assert "internal error" not in self.err, self.err


class Programs:
    """Starts programs by forking a process that has everything imported; see `tests.faults.zygote`.

    Parameters
    ----------
    folder : Path
        Where it keeps what the programs say.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(FLOORS), "PYTHONUNBUFFERED": "1"}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        assert self._answer() == "ready"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        try:
            self._zygote.wait(60)
        except subprocess.TimeoutExpired:
            self._zygote.kill()

    def _answer(self) -> str:
        assert self._zygote.stdout is not None
        return self._zygote.stdout.readline().strip()

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        folder: Path | None = None,
        environment: dict[str, str] | None = None,
        kill_after_s: float = 0.0,
        number: int = signal.SIGKILL,
        timeout_s: float = 300.0,
        stdout: str = "",
        **planted: Any,
    ) -> Ended:
        """Run the program once; what is ``planted`` are the parameters of `Plant`."""
        out, err, ledger = (self._folder / name for name in ("stdout", "stderr", "ledger"))
        ledger.unlink(missing_ok=True)
        order = {
            "arguments": [str(word) for word in arguments],
            "folder": str(folder or self._folder),
            "environment": environment or {},
            "kill_after_s": kill_after_s,
            "signal": int(number),
            "timeout_s": timeout_s,
            "stdout": stdout or str(out),
            "stderr": str(err),
            "plant": asdict(Plant(ledger=str(ledger), **planted)),
        }
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()
        answer = json.loads(self._answer())
        assert answer["seconds"] < timeout_s, f"hung: {arguments}"
        said = "" if stdout else out.read_text(encoding="utf-8")
        steps = tuple(ledger.read_text(encoding="utf-8").splitlines()) if ledger.exists() else ()
        return Ended(answer["code"], said, err.read_text(encoding="utf-8"), answer["seconds"], steps)
