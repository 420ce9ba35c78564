"""One table of many restored radiographs, the worst first, with a link to the page of each."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from xsim.errors import InputError
from xsim.files.plain import IMAGE, open_plain
from xsim_datasets.images import publish
from xsim_zoo.pages.page import environment, inline, policy
from xsim_zoo.run.jobs import FileJob, read_record
from xsim_zoo.run.report.judgement import Judgement, judged

__all__ = ["Row", "check_index", "index_path", "records_in", "rows_of", "write_index"]

_PACKAGE: Final = "xsim_zoo.run.report"

_NAME: Final = "index.html"

_OURS: Final = '<meta name="generator" content="xsim index">'
"""What tells an index of an earlier run, which is made anew, from a page of somebody else's, which stays."""

_HEAD_BYTES: Final = 65536
"""Within so many bytes of a page of ours that line stands."""


@dataclass(frozen=True)
class Row:
    """A restored radiograph in the table.

    Parameters
    ----------
    name : str
        Name of the result.
    link : str
        Where its page is, as a URL relative to the table; empty where it has none.
    judgement : Judgement
        What the check says.
    entry : mapping
        The entry of its record, which may be of another hand.
    restorer : str
        What restored it.
    """

    name: str
    link: str
    judgement: Judgement
    entry: Mapping[str, Any]
    restorer: str

    @property
    def chi2(self) -> float | None:
        """Largest chi2, of a place that fails where there is one, else of a band."""
        return self.judgement.chi2

    @property
    def chi2_text(self) -> str:
        """The same as text."""
        return "" if self.chi2 is None else f"{self.chi2:.3g}"

    @property
    def noise(self) -> float | None:
        """Noise power in units of what is expected."""
        return _number(_mapping(self.entry.get("consistency")).get("noise_factor"))

    @property
    def noise_text(self) -> str:
        """The same as text."""
        return "not told" if self.noise is None else f"{self.noise:.2g}"

    @property
    def where(self) -> str:
        """Where it is worst."""
        worst = self.judgement.worst
        return "" if worst is None else f"y {worst.y}, x {worst.x}; {worst.band}"

    @property
    def size(self) -> str:
        """Height and width [px]."""
        return " x ".join(str(side) for side in self._sides)

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return math.prod(self._sides)

    @property
    def _sides(self) -> list[int]:
        shape = self.entry.get("shape")
        return [side for side in shape if isinstance(side, int)] if isinstance(shape, list) else []

    @property
    def pitch_mm(self) -> float | None:
        """Pixel pitch [mm]."""
        return _number(self.entry.get("pitch_mm"))

    @property
    def pitch_text(self) -> str:
        """The same as text."""
        return "not known" if self.pitch_mm is None else f"{self.pitch_mm:g}"

    @property
    def seconds(self) -> float | None:
        """Time that the restoration took [s]."""
        return _number(self.entry.get("seconds"))

    @property
    def seconds_text(self) -> str:
        """The same as text."""
        return "" if self.seconds is None else f"{self.seconds:.1f}"


def rows_of(records: Iterable[Path], folder: Path) -> list[Row]:
    """Return the rows of a table, the worst first; what is no record of this program is left out.

    Parameters
    ----------
    records : iterable of Path
        Records of results.
    folder : Path
        Where the table stands: links are relative to it.
    """
    rows = [row for path in records if (row := _row(path, folder)) is not None]
    return sorted(rows, key=lambda row: (-row.judgement.severity, row.name))


def records_in(folder: Path) -> Iterator[Path]:
    """Yield the records that lie in a folder, which may have been written by anybody."""
    for path in sorted(folder.glob("*.json")):
        if path.is_file() and read_record(path) is not None:
            yield path


def _row(path: Path, folder: Path) -> Row | None:
    record = read_record(path)
    if record is None or not isinstance(record.get("entry"), dict):
        return None
    entry = record["entry"]
    # Names come from where the record lies, never from what it says.
    output = path.with_name(path.name.removesuffix(".json"))
    page = FileJob(output, output).report
    # A name may begin like the scheme of a URL.
    link = f"./{quote(os.path.relpath(page, folder).replace(os.sep, '/'))}" if page.is_file() else ""
    restorer = str(_mapping(record.get("identity")).get("restorer", ""))
    return Row(output.name, link, judged(_mapping(entry.get("consistency"))), entry, restorer)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def index_path(jobs: Sequence[FileJob], output: Path | None) -> Path:
    """Return where the table of a run goes: into the folder of its results, or the nearest that holds all of them."""
    if output is not None and (len(jobs) != 1 or output.is_dir()):
        return output / _NAME
    return Path(os.path.commonpath([job.output.absolute().parent for job in jobs])) / _NAME


def check_index(path: Path, *, force: bool = False) -> None:
    """Refuse, before anything is computed, a table that could not be written.

    Raises
    ------
    InputError
        If a page of somebody else stands there and ``force`` is off, or the folder may not be written to.
    """
    if path.exists() and not force and not _is_ours(path):
        raise InputError(f"{path}: exists already and is no index of reports: give another output or --force")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: may not be written to: give a folder for results and index with -o")


def _is_ours(path: Path) -> bool:
    try:
        with open_plain(path, IMAGE) as file:
            return _OURS in file.read(_HEAD_BYTES).decode(errors="replace")
    except (OSError, InputError):
        return False


def write_index(
    path: Path, jobs: Sequence[FileJob], failed: Sequence[Mapping[str, str]] = (), *, force: bool = False
) -> Path:
    """Write the table of a run; results of earlier runs in the same folders are in it too.

    Parameters
    ----------
    path : Path
        The HTML file to make; an index of an earlier run is replaced.
    jobs : sequence of FileJob
        What was restored.
    failed : sequence of mappings
        ``input`` and ``error`` of what could not be.
    force : bool
        Replace a page that is no index.

    Raises
    ------
    InputError
        If a page of somebody else stands there.
    EnvironmentFaultError
        If the disk is full or fails.
    """
    check_index(path, force=force)
    folders = sorted({job.output.absolute().parent for job in jobs})
    records = [record for folder in folders for record in records_in(folder)]
    styles = (inline("base.css"), inline("report.css", _PACKAGE))
    scripts = (inline("table.js"),)
    text = environment(_PACKAGE).get_template("index.html").render(
        rows=rows_of(records, path.absolute().parent),
        failed=[{"input": Path(one["input"]).name, "error": one["error"]} for one in failed],
        styles=styles,
        scripts=scripts,
        policy=policy(styles, scripts),
    )  # fmt: skip
    publish(path, lambda part: part.write_text(text, encoding="utf-8"), force=True)
    return path
