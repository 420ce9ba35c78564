"""Which files to restore, and where each result goes; decided before torch is imported and anything computed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xsim.errors import EnvironmentFaultError, InputError, MissingFileError, XsimError, ran_out_of_memory
from xsim.files.documents import read_json
from xsim.names import name_key, tells_case
from xsim_datasets.images import Radiograph, kind_of_name, suffixes, written_kind

__all__ = ["RECORD_SCHEMA", "FileJob", "images_of", "plan", "read_record"]

RECORD_SCHEMA = "xsim.zoo.run.file/1"
"""Schema of the JSON record that lies beside each result."""

_ADDED = "_restored"
_STD, _PICTURE = "_std", "_picture"
"""What the names of a result and its companions end in; files with such names are no inputs."""

_GLOB = frozenset("*?[")
"""Characters that make a name a pattern: Windows' shell hands patterns on as they are."""

_DICOM = ".dcm"
_OTHER_SUFFIX = {"jpeg": ".png", "bmp": ".png"}
"""JPEG would lose what was restored, and BMP holds no record of it; their results are PNG of the same 8 bits."""


@dataclass(frozen=True)
class FileJob:
    """One file to restore.

    Parameters
    ----------
    input, output : Path
        Where the image is, and where its result goes.
    """

    input: Path
    output: Path

    @property
    def record(self) -> Path:
        """The JSON record: every number of the run, beside the result."""
        return self.output.with_name(f"{self.output.name}.json")

    @property
    def std(self) -> Path:
        """The map of the samples' standard deviation, floating-point TIFF."""
        return self.output.with_name(f"{self.output.stem}{_STD}.tif")

    @property
    def picture(self) -> Path:
        """The picture of the restoration, PNG."""
        return self.output.with_name(f"{self.output.stem}{_PICTURE}.png")

    @property
    def report(self) -> Path:
        """The page about the restoration, HTML."""
        return self.output.with_name(f"{self.output.name}.html")

    def written(self, *, std: bool, picture: bool) -> tuple[Path, ...]:
        """Return what is written of it under a name that another result may bear too."""
        more = ((self.std, std), (self.picture, picture))
        return (self.output, *(path for path, asked in more if asked))

    def facts(self, source: Radiograph) -> dict[str, Any]:
        """Return what reports of a run say of the file itself, as JSON types."""
        return {
            "input": str(self.input),
            "output": str(self.output),
            "shape": list(source.shape),
            "pages": source.pages,
            "dtype": str(source.dtype),
        }

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Let errors name the file first, as every line of the program does."""
        try:
            yield
        except XsimError as error:
            if str(error).startswith((f"{self.input}: ", str(self.output.with_name(self.output.stem)))):
                raise
            raise (InputError if isinstance(error, InputError) else type(error))(f"{self.input}: {error}") from error
        except (MemoryError, RuntimeError) as error:
            if not ran_out_of_memory(error):
                raise
            raise EnvironmentFaultError(
                f"{self.input}: out of memory: free some, give smaller tiles with --tile, or cut the image"
            ) from error


def plan(inputs: Sequence[Path], output: Path | None, *, std: bool = False, picture: bool = False) -> list[FileJob]:
    """Decide what is restored to where.

    Parameters
    ----------
    inputs : sequence of Path
        Files, folders (with all that lies below them) and patterns.
    output : Path, optional
        A file for one input, else a folder, which is made; None puts each result beside its input, with
        ``_restored`` in its name.
    std, picture : bool
        Whether maps of the spread and pictures are going to lie beside the results.

    Raises
    ------
    MissingFileError
        If a folder or pattern holds no image.
    InputError
        If two results would be one file, as also where only case tells their names apart and their folder takes no
        notice of it; if a result would be an input; if the name of a file is given for a folder; or if the folder
        cannot be written to.
    """
    found = [pair for given in inputs for pair in images_of(given)]
    single = len(found) == 1 and len(inputs) == 1 and not inputs[0].is_dir()
    jobs = [FileJob(path, _target(path, inside, output, single=single)) for path, inside in found]
    _check_targets(jobs, std=std, picture=picture)
    return jobs


def images_of(given: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each image and its path below the file, folder or pattern that was given.

    Raises
    ------
    MissingFileError
        If a folder or pattern holds no image.
    """
    if given.is_dir():
        paths = sorted(path for path in given.rglob("*") if path.suffix.lower() in suffixes() and _is_input(path))
        if not paths:
            raise MissingFileError(f"{given}: holds no image: known are {', '.join(suffixes())}")
        yield from ((path, path.relative_to(given)) for path in paths)
    elif _GLOB & set(given.name) and not given.exists():
        paths = sorted(path for path in given.parent.glob(given.name) if _is_input(path))
        if not paths:
            raise MissingFileError(f"{given}: no file fits this pattern: check it")
        yield from ((path, Path(path.name)) for path in paths)
    else:
        yield given, Path(given.name)


def _is_input(path: Path) -> bool:
    """Whether a file of a folder is an image rather than a result, its companion, or a part of either."""
    if path.name.startswith(".") or not path.is_file():
        return False
    stem = path.stem.removesuffix(_STD).removesuffix(_PICTURE)
    owners = [path, *(path.with_name(f"{stem}{suffix}") for suffix in suffixes() if stem != path.stem)]
    return all(read_record(owner.with_name(f"{owner.name}.json")) is None for owner in owners)


def read_record(path: Path) -> dict[str, Any] | None:
    """Return a JSON record, or None where there is none that this program wrote."""
    try:
        record = read_json(path)
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == RECORD_SCHEMA else None


def _target(path: Path, inside: Path, output: Path | None, *, single: bool) -> Path:
    if path.suffix.lower() in suffixes():
        kind = kind_of_name(path)
    else:
        # Only DICOM is read under any name, of which dots may be a part.
        path, inside, kind = (Path(f"{path}{_DICOM}"), Path(f"{inside}{_DICOM}"), "dicom")
    suffix = _OTHER_SUFFIX.get(kind, path.suffix)
    if output is None:
        return path.with_name(f"{path.stem}{_ADDED}{suffix}")
    if single and output.suffix and not output.is_dir():
        written_kind(output)
        return output
    if output.suffix.lower() in suffixes() and not output.is_dir():
        raise InputError(f"{output}: names a file, and results go into a folder here: name a folder")
    return output / inside.with_suffix(suffix)


def _check_targets(jobs: Sequence[FileJob], *, std: bool, picture: bool) -> None:
    targets: dict[Path, Path] = {}
    alike: dict[str, Path] = {}
    sources = {name_key(str(job.input.absolute())): job.input for job in jobs}
    for job in jobs:
        for path in job.written(std=std, picture=picture):
            target, key = path.absolute(), name_key(str(path.absolute()))
            if target in targets:
                raise InputError(f"{job.input}: would be written to {path}, like {targets[target]}: rename one")
            if key in alike and not tells_case(_nearest(target.parent)):
                raise InputError(
                    f"{job.input}: would be written to {path}, like {targets[alike[key]]}, as that folder takes no "
                    "notice of case: rename one"
                )
            if any(_is_file(target, source) for source in (job.input, sources.get(key)) if source is not None):
                raise InputError(f"{path}: is also an input: give another output")
            targets[target] = job.input
            alike.setdefault(key, target)
    for folder in {target.parent for target in targets}:
        _check_folder(folder)


def _is_file(target: Path, source: Path) -> bool:
    """Whether a target is the file that a source is, by its name or by what the system says."""
    return target == source.absolute() or (target.exists() and source.exists() and target.samefile(source))


def _nearest(folder: Path) -> Path:
    """Return what exists of a folder's path."""
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, before anything is computed."""
    nearest = _nearest(folder)
    if not nearest.is_dir():
        raise InputError(f"{nearest}: is not a folder: give another output")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{nearest}: may not be written to: give another output with -o")
