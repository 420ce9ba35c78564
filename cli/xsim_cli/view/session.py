"""What `xsim view` is doing: one file at a time, restored by a process of its own, kept until it is saved."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any, Final, Literal, Self

from xsim.errors import InputError
from xsim_cli.view.frames import Frames
from xsim_cli.view.options import safe_name
from xsim_cli.view.saving import free_output, save
from xsim_datasets.images.bare import sidecar_path
from xsim_zoo.run.jobs import FileJob

__all__ = ["WORKER", "Job", "Session"]

WORKER: Final = (sys.executable, "-P", "-m", "xsim_cli.view.worker")
"""-P: no module of the working folder, which may hold anything, takes the place of one of ours."""

State = Literal["receiving", "running", "done", "failed", "stopped"]

_PATIENCE_S: Final = 5.0
"""How long a process that was told to end may take before it is killed [s]."""


@dataclass
class Job:
    """A dropped file and what becomes of it.

    Parameters
    ----------
    number : int
        To tell it from others of the session.
    files : FileJob
        The dropped file and its result, in the session's own folder.
    """

    number: int
    files: FileJob
    state: State = "receiving"
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    tiles: int = 0
    done: int = 0
    expected_s: float | None = None
    notes: list[str] = field(default_factory=list)
    verdict: str = ""
    error: str = ""
    saved: list[str] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """Whether it is still going on."""
        return self.state in {"receiving", "running"}

    def shown(self) -> dict[str, Any]:
        """Return what the page is told, as JSON types."""
        keys = ("number", "state", "tiles", "done", "expected_s", "notes", "verdict", "error", "saved")
        elapsed_s = (self.ended or time.monotonic()) - self.began
        return {
            "name": self.files.input.name,
            "elapsed_s": round(elapsed_s, 1),
            **{key: getattr(self, key) for key in keys},
        }


class Session:
    """Files that are dropped, restored and saved into one folder; what is not saved goes when the session ends.

    Parameters
    ----------
    folder : Path
        Where results are saved.
    command : sequence of str
        The process that restores, see `xsim_cli.view.worker`.
    """

    def __init__(self, folder: Path, command: Sequence[str] = WORKER) -> None:
        self.folder = folder.resolve()
        self._command = tuple(command)
        self.job: Job | None = None
        self._temporary = Path(tempfile.mkdtemp(prefix="xsim-view-"))
        self.frames = Frames(self._temporary / "frames")
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_process()
        shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def unsaved(self) -> bool:
        """Whether a result waits to be saved."""
        return self.job is not None and self.job.state == "done" and not self.job.saved

    # ---- from a dropped file to its result

    def begin(self, name: str, *, discard: bool = False, sidecar: str | None = None) -> Job:
        """Take the session's one place for a file that is about to be received.

        Parameters
        ----------
        name : str
            Its name, as the browser says it.
        discard : bool
            Whether a result that was not saved may go.
        sidecar : str, optional
            What describes the pixels of a RAW file.

        Raises
        ------
        InputError
            If another file is being restored, its result was not saved, or the name is none of an image.
        """
        kept = safe_name(name)
        with self._lock:
            if self.job is not None and self.job.busy:
                raise InputError(f"{self.job.files.input.name} is being restored: wait for it, or stop it")
            if self.unsaved and not discard:
                raise InputError("the last result was not saved: save it, or let it go")
            self._count += 1
            shutil.rmtree(self._temporary / str(self._count - 1), ignore_errors=True)
            place = self._temporary / str(self._count)
            source = place / "in" / kept
            source.parent.mkdir(parents=True)
            source.touch()  # a name with brackets is a pattern until a file is called so
            if sidecar is not None:
                sidecar_path(source).write_text(sidecar, encoding="utf-8")
            output = place / "out" / free_output(source, self.folder)
            output.parent.mkdir()
            self.job = Job(self._count, FileJob(source, output))
            return self.job

    def frame(self, given: Mapping[str, str], body: BufferedIOBase, length: int) -> int:
        """Take a frame that corrects what is dropped from now on, and return how many of its kind there are.

        Raises
        ------
        InputError
            If a file is being restored, which may need the frames of before, or the frame cannot be taken.
        """
        with self._lock:
            if self.job is not None and self.job.busy:
                raise InputError(f"{self.job.files.input.name} is being restored: wait for it, or stop it")
            return self.frames.take(given, body, length)

    def start(self, job: Job, options: dict[str, Any]) -> None:
        """Start the process that restores the file."""
        errors = (job.files.output.parent / ".stderr").open("w+", encoding="utf-8", errors="replace")
        with self._lock:
            self._process = subprocess.Popen(  # noqa: S603 - this program itself; the job goes in as JSON
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
            )
            job.state, job.began = "running", time.monotonic()
        task = {"input": str(job.files.input), "output": str(job.files.output), **options}
        threading.Thread(target=self._follow, args=(job, self._process, task, errors), daemon=True).start()

    def fail(self, job: Job, error: str) -> None:
        """Note that a file could not be received or restored."""
        with self._lock:
            if job.busy:
                job.state, job.error, job.ended = "failed", self._without_folders(error, job), time.monotonic()

    def stop(self) -> None:
        """Stop restoring.

        Raises
        ------
        InputError
            If nothing is being restored.
        """
        with self._lock:
            if self.job is None or self.job.state != "running":
                raise InputError("nothing is being restored")
            self.job.state, self.job.ended = "stopped", time.monotonic()
        self._end_process()

    def _follow(self, job: Job, process: subprocess.Popen[str], task: dict[str, Any], errors: IO[str]) -> None:
        """Hand the task to its process and note what it tells, until it ends."""
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdout, errors:
            with suppress(OSError):  # it died at once; how it ended says so below
                process.stdin.write(json.dumps(task) + "\n")
                process.stdin.flush()
            # Its end of this pipe stays open as long as this process lives, however that ends: it watches it.
            for line in process.stdout:
                self._note(job, json.loads(line))
            code = process.wait()
            with suppress(OSError):
                process.stdin.close()
            errors.seek(0)
            said = errors.read().strip().splitlines()
        if job.busy:
            why = said[-1] if said else "killed, perhaps as memory ran out" if code < 0 else "it said nothing"
            self.fail(job, f"the restoration ended without a result ({why})")

    def _note(self, job: Job, told: dict[str, Any]) -> None:
        with self._lock:
            if not job.busy:
                return
            if "tiles" in told:
                job.tiles, job.expected_s = told["tiles"], told["seconds"]
            if "done" in told:
                job.done = told["done"]
            if "note" in told:
                job.notes.append(self._without_folders(told["note"], job))
            if "error" in told:
                self.fail(job, told["error"])
            if "entry" in told:
                job.state, job.ended = "done", time.monotonic()
                job.verdict = told["entry"]["consistency"]["verdict"]

    def _without_folders(self, text: str, job: Job) -> str:
        """Return a text that names files as the user knows them, not where the session keeps them."""
        for folder in (job.files.input.parent, job.files.output.parent, self.frames.folder):
            text = text.replace(f"{folder}/", "")
        return text

    def _end_process(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # ---- the result

    def page(self, number: str) -> Path | None:
        """Return the page of a result that is ready, by the number of its job as an address says it."""
        job = self.job
        if job is None or str(job.number) != number or job.state != "done":
            return None
        return job.files.report

    def save(self) -> list[Path]:
        """Save the result and all that belongs to it into the folder.

        Raises
        ------
        InputError
            If there is none, it was saved already, or a file of that name exists.
        EnvironmentFaultError
            If the folder cannot be written to.
        """
        with self._lock:
            job = self.job
            if job is None or job.state != "done":
                raise InputError("there is no result to save")
            if job.saved:
                raise InputError("it was saved already")
            paths = save(job.files, self.folder)
            job.saved = [path.name for path in paths]
            return paths
