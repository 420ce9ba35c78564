"""From the session's own folder into the user's: whole files, under names that are free."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

from xsim.errors import DamageError, InputError
from xsim.files.whole import whole_file
from xsim_datasets.images.bare import sidecar_path
from xsim_zoo.run.jobs import FileJob, plan, read_record

__all__ = ["free_output", "save"]


def free_output(source: Path, folder: Path) -> str:
    """Return the name of a file's result for which everything that belongs to it is free in a folder."""
    named = plan([source], None)[0].output
    for number in itertools.count(1):
        name = named.name if number == 1 else f"{named.stem}-{number}{named.suffix}"
        if not any(path.exists() for path in _belonging(FileJob(source, folder / name))):
            return name
    raise AssertionError  # there are more numbers than files


def _belonging(job: FileJob) -> tuple[Path, ...]:
    """Return a result and what may lie beside it, its record last: it says that all is there."""
    return job.output, sidecar_path(job.output), job.std, job.picture, job.report, job.record


def save(job: FileJob, folder: Path) -> list[Path]:
    """Copy a result and what belongs to it into a folder, each file whole, none over another.

    Parameters
    ----------
    job : FileJob
        Where they lie.
    folder : Path
        Where they go.

    Returns
    -------
    list of Path
        What was written, the record last.

    Raises
    ------
    InputError
        If one of the names is taken; then nothing is written.
    DamageError
        If the record is gone.
    EnvironmentFaultError
        If the disk is full or fails, or forbids it; the record is then missing, and what was copied is taken back.
    """
    record = read_record(job.record)
    if record is None:
        raise DamageError(f"{job.record.name}: is gone: restore the file again")
    moved = FileJob(Path(job.input.name), folder / job.output.name)
    both = zip(_belonging(job), _belonging(moved), strict=True)
    pairs = [(old, new) for old, new in both if old.exists() and old != job.record]
    taken = next((new for _, new in (*pairs, (None, moved.record)) if new.exists()), None)
    if taken is not None:
        raise InputError(f"{taken}: exists already: move it, then save again")
    places = {str(old): str(new) for old, new in pairs} | {str(job.input): job.input.name}
    record["entry"] = {key: places.get(value, value) if isinstance(value, str) else value
                       for key, value in record["entry"].items()}  # fmt: skip
    written: list[Path] = []
    try:
        for old, new in pairs:
            with whole_file(new, replace=False) as part:
                shutil.copyfile(old, part)
            written.append(new)
        with whole_file(moved.record, replace=False) as part:
            part.write_text(json.dumps(record, indent=1), encoding="utf-8")
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return [*written, moved.record]
