"""Restoring many files: one bad file does not stop the rest, finished ones are skipped, nothing is overwritten."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from xsim._version import __version__
from xsim.errors import EnvironmentFaultError, InputError, XsimError, ran_out_of_memory
from xsim_datasets.images import publish, read_image, write_image
from xsim_zoo.restorers.base import LearnedRestorer
from xsim_zoo.run.jobs import RECORD_SCHEMA, FileJob, read_record
from xsim_zoo.run.restore import Restored, restore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.run.settings import RunSettings

__all__ = ["Reporter", "RunReport", "restorer_digest", "run"]


class Reporter(Protocol):
    """Shows a person how a run goes on."""

    def begin(self, job: FileJob, number: int, count: int) -> None:
        """Show that a file begins."""

    def tile(self) -> None:
        """Show that a tile of the network is done."""

    def end(self, job: FileJob, entry: dict[str, Any]) -> None:
        """Show that a file is restored, or skipped."""

    def fail(self, job: FileJob, error: XsimError) -> None:
        """Show that a file failed."""


@dataclass
class RunReport:
    """What became of the files.

    Parameters
    ----------
    files : list of dict
        An entry for each restored or skipped file.
    failed : list of dict
        Input and error of each that failed.
    error : XsimError, optional
        The first of those errors.
    """

    files: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    error: XsimError | None = None

    @property
    def exit_code(self) -> int:
        """0, 3 where some files failed, and the error's own code where none is left."""
        if self.error is None:
            return 0
        return 3 if self.files else self.error.exit_code


def run(
    restorer: Restorer,
    jobs: Sequence[FileJob],
    settings: RunSettings,
    reporter: Reporter,
    *,
    force: bool = False,
    picture: bool = False,
) -> RunReport:
    """Restore files one after the other.

    Parameters
    ----------
    restorer : Restorer
        What restores.
    jobs : sequence of FileJob
        What `xsim_zoo.run.jobs.plan` decided.
    settings : RunSettings
        How to restore.
    reporter : Reporter
        Called at each file and tile.
    force : bool
        Replace results that exist.
    picture : bool
        Draw a picture of each result beside it.
    """
    identity = {"restorer": restorer.name, "weights": restorer_digest(restorer), "settings": settings.to_dict()}
    report = RunReport()
    for number, job in enumerate(jobs):
        reporter.begin(job, number, len(jobs))
        try:
            entry = _finished(job, identity, force=force)
            if entry is None:
                entry = _restore_file(restorer, job, settings, identity, reporter, force=force, picture=picture)
        except XsimError as error:
            _failed(report, reporter, job, job.named(error))
        except (MemoryError, RuntimeError) as error:
            if not ran_out_of_memory(error):
                raise
            what = EnvironmentFaultError(
                f"{job.input}: out of memory: free some, give smaller tiles with --tile, or cut the image"
            )
            what.__cause__ = error
            _failed(report, reporter, job, what)
        else:
            report.files.append(entry)
            reporter.end(job, entry)
    return report


def _failed(report: RunReport, reporter: Reporter, job: FileJob, error: XsimError) -> None:
    report.failed.append({"input": str(job.input), "error": str(error)})
    report.error = report.error or error
    reporter.fail(job, error)


def restorer_digest(restorer: Restorer) -> str:
    """Return the SHA-256 of what a restorer knows: its physics and its tensors."""
    digest = hashlib.sha256(json.dumps(restorer.physics.to_dict(), sort_keys=True).encode())
    if isinstance(restorer, LearnedRestorer):
        for name, tensor in sorted(restorer.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finished(job: FileJob, identity: dict[str, Any], *, force: bool) -> dict[str, Any] | None:
    """Return the entry of an earlier run that did just this, if its result is still there unaltered."""
    record = None if force else read_record(job.record)
    if record is None or not (job.output.is_file() and job.input.is_file()):
        return None
    same = (
        record.get("identity") == identity
        and record.get("input_sha256") == _sha256(job.input)
        and record.get("output_sha256") == _sha256(job.output)
    )
    return {**record["entry"], "skipped": True} if same else None


def _restore_file(
    restorer: Restorer,
    job: FileJob,
    settings: RunSettings,
    identity: dict[str, Any],
    reporter: Reporter,
    *,
    force: bool,
    picture: bool,
) -> dict[str, Any]:
    began = time.perf_counter()
    _check_free(job, settings, force=force, picture=picture)
    source = read_image(job.input, pages=True)
    result = restore(restorer, source, settings, on_tile=reporter.tile)
    restored, clipped = result.radiograph()
    input_sha256 = _sha256(job.input)
    stamp = _stamp(identity, input_sha256, result)
    job.output.parent.mkdir(parents=True, exist_ok=True)
    write_image(job.output, restored, force=force, stamp=stamp)
    entry = _entry(job, result, clipped)
    if result.std is not None:
        entry["std"] = str(write_image(job.std, result.std_radiograph(), force=force, stamp=stamp))
    if picture:
        from xsim_zoo.run.figure import draw  # noqa: PLC0415  (matplotlib is slow to import)

        entry["picture"] = str(draw(job.picture, result, title=job.input.name, force=force))
    entry["seconds"] = round(time.perf_counter() - began, 3)
    record = {
        "schema": RECORD_SCHEMA,
        "identity": identity,
        "version": __version__,
        "input_sha256": input_sha256,
        "output_sha256": _sha256(job.output),
        "entry": entry,
    }
    text = json.dumps(record, indent=1)
    # The record says that all of it is finished, so it comes last; one of an earlier run may be replaced.
    publish(job.record, lambda part: _write(part, text), force=force or read_record(job.record) is not None)
    return entry


def _check_free(job: FileJob, settings: RunSettings, *, force: bool, picture: bool) -> None:
    """Refuse results that exist before anything is computed."""
    wanted = [job.output, *([job.std] if settings.samples else []), *([job.picture] if picture else [])]
    for path in wanted:
        if path.exists() and not force:
            raise InputError(f"{path}: exists already: give another output or --force")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _stamp(identity: dict[str, Any], input_sha256: str, result: Restored) -> dict[str, Any]:
    """Return what is stored in the result itself: hashes, settings, scale and verdict."""
    return {
        "software": f"xsim {__version__}",
        **identity,
        "input_sha256": input_sha256,
        "open_field": result.open_field,
        "open_field_seen": result.scale.open_field_seen,
        "polarity": result.scale.polarity,
        "white": result.source.turned(result.scale.white),
        "pitch_mm": result.pitch_mm,
        "consistency": result.consistency.verdict,
    }


def _entry(job: FileJob, result: Restored, clipped: int) -> dict[str, Any]:
    return {
        "input": str(job.input),
        "output": str(job.output),
        "shape": list(result.source.shape),
        "pages": result.source.pages,
        "dtype": str(result.source.dtype),
        "seconds": 0.0,
        "open_field": result.open_field,
        "open_field_seen": result.scale.open_field_seen,
        "polarity": result.scale.polarity,
        "pitch_mm": result.pitch_mm,
        "clipped_pixels": clipped,
        "consistency": result.consistency.to_dict(),
        "notes": list(result.notes),
        "skipped": False,
    }
