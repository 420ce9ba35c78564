"""The process that restores one dropped file: a job as JSON on stdin, what happens as lines of JSON on stdout.

A process of its own gives memory back, can be stopped at once, and takes the server down with nothing that fails in it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from xsim.errors import XsimError, ran_out_of_memory

__all__ = ["main"]


def _tell(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _end_with_server() -> None:
    """Wait until the server closes its end of the pipe, which it does however it ends, and end with it."""
    # Not through sys.stdin: Python waits for its lock when it ends.
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    """Do the job that stdin names."""
    # Ctrl-C reaches every process of a terminal; the server decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    try:
        _restore(Path(job["input"]), Path(job["output"]), job["restorer"], job["settings"], job["corrections"])
    except XsimError as error:
        _tell(error=str(error))
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        _tell(error="out of memory: free some, or cut the image")


def _restore(source: Path, output: Path, name: str, given: dict[str, Any], frames: dict[str, str]) -> None:
    from xsim.detector.named import resolve
    from xsim_cli.corrections import corrections_of
    from xsim_zoo.run.estimates import Estimates
    from xsim_zoo.run.files import FileRestorer, forecast
    from xsim_zoo.run.jobs import FileJob
    from xsim_zoo.run.settings import RunSettings
    from xsim_zoo.weights.card import suited
    from xsim_zoo.weights.loading import load

    if given["detectors"] not in {"image", "weights"}:
        given["detectors"] = str(resolve(given["detectors"]))
    settings = RunSettings(**given)
    dark, flat = (Path(frames[kind]) if kind in frames else None for kind in ("dark", "flat"))
    told: Any = {"open_field": settings.open_field, "polarity": settings.polarity, "scale": settings.scale}
    corrections = corrections_of(dark, flat, frames["bad_pixels"], names=("dark frames", "flat frames"), **told)
    best = suited(name, steps=settings.steps, samples=settings.samples)
    if best is not None and best[0] != name:
        _tell(note=f"weights {best[0]}, for {best[1]}")
    restorer = load(name, None if best is None else Path(best[0]))
    job, estimates = FileJob(source, output), Estimates([source], corrections)
    expected = forecast(restorer, job, settings, estimates, corrections)
    _tell(tiles=expected["tiles"], seconds=expected["seconds"])
    for note in expected["notes"]:
        _tell(note=note)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        _tell(done=done)

    how: Any = {"on_tile": count, "estimates": estimates, "corrections": corrections}
    _tell(entry=FileRestorer(restorer, settings, report=True, **how)(job))


if __name__ == "__main__":
    main()
