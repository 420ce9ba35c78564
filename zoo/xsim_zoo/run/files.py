"""Restoring many files, or saying what it would take.

One bad file does not stop the rest, finished ones are skipped, nothing is overwritten.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from xsim._version import __version__
from xsim.detector.named import resolve
from xsim.errors import InputError, NotCertifiedError
from xsim.measure.checks import ROI
from xsim_datasets.images import Radiograph, anonymised, people_in, publish, read_image, rehearse, write_image
from xsim_datasets.real.corrections import Corrections, corrected
from xsim_zoo.network.tiles import bytes_per_px
from xsim_zoo.process.grid import PaddedGrid, blocks
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.run.estimates import Estimates
from xsim_zoo.run.jobs import RECORD_SCHEMA, FileJob, read_record
from xsim_zoo.run.restore import Restored, planned, restore
from xsim_zoo.run.settings import RunSettings

__all__ = ["FileRestorer", "forecast"]

_TRIAL_PX = 192
"""Side of the image that is timed [px]: large enough to keep the machine busy, done within a second."""

_BASE_BYTES = 3.5e8
"""The program itself [bytes]."""

_MOST_PAGES = 256
"""Pages of one file that are restored unless one is asked for: small ones too take tenths of a second each."""

_FILTER_BYTES_PER_PX = 38.0
_CHECK_BYTES_PER_PX = 48.0
"""Maps, spectra and states of a block, for each of its pixels [bytes], as measured on 4096 x 4096."""


@dataclass(frozen=True)
class FileRestorer:
    """Restores files in one way, and leaves beside each result a record of what was done.

    Parameters
    ----------
    restorer : Restorer
        What restores.
    settings : RunSettings
        How to restore.
    force : bool
        Replace results that exist.
    picture : bool
        Draw a picture of each result beside it.
    report : bool
        Write a page about each result beside it.
    on_tile : callable, optional
        Called after every tile of the network.
    estimates : Estimates, optional
        Where detectors that are estimated are kept for other files.
    strict : bool
        Write no image that its check does not vouch for.
    corrections : Corrections
        Dark, flat and bad pixels of all files.
    anonymise : bool
        Leave out of results what the file says about people.
    roi : (x, y, width, height), optional
        What pictures enlarge [px]; where most has changed if not given.
    """

    restorer: Restorer
    settings: RunSettings
    force: bool = False
    picture: bool = False
    report: bool = False
    on_tile: Callable[[], None] | None = None
    estimates: Estimates = field(default_factory=Estimates)
    strict: bool = False
    corrections: Corrections = field(default_factory=Corrections)
    anonymise: bool = False
    roi: ROI | None = None

    def __call__(self, job: FileJob) -> dict[str, Any]:
        """Restore a file and return the entry of its record; one of an earlier run that did just this is skipped.

        Raises
        ------
        XsimError
            If it cannot be restored; the error names the file.
        """
        with job.named_errors():
            entry = self._finished(job)
            if entry is not None and self.strict and not entry["consistency"].get("consistent"):
                raise NotCertifiedError(
                    f"{entry['consistency']['verdict']}: written by an earlier run without --strict"
                )
            return entry or self._restored(job)

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What decides how a result comes out, its input aside."""
        weights = _restorer_digest(self.restorer)
        settings = asdict(self.settings)
        if settings["page"] is None:  # as in records of before there was a choice
            del settings["page"]
        if self.settings.detectors not in {"image", "weights"}:
            settings["detectors"] = _sha256(resolve(self.settings.detectors))
        more = {"anonymised": True} if self.anonymise else {}
        corrections = self.corrections.identity()
        who = {"restorer": self.restorer.name, "weights": weights}
        return {**who, "settings": settings, "corrections": corrections, **more}

    def _finished(self, job: FileJob) -> dict[str, Any] | None:
        """Return the entry of an earlier run that did just this, if its result is still there unaltered."""
        record = None if self.force else read_record(job.record)
        if record is None or not (job.output.is_file() and job.input.is_file()):
            return None
        if self.report and not job.report.is_file():
            return None
        same = (
            record.get("identity") == self._identity
            and record.get("input_sha256") == _sha256(job.input)
            and record.get("output_sha256") == _sha256(job.output)
        )
        return {**record["entry"], "skipped": True} if same else None

    def _companions(self, job: FileJob) -> list[Path]:
        """Return the files that are going to lie beside a result."""
        wanted = ((job.std, self.settings.samples), (job.picture, self.picture), (job.report, self.report))
        return [path for path, asked in wanted if asked]

    def _restored(self, job: FileJob) -> dict[str, Any]:
        began = time.perf_counter()
        for path in (job.output, *self._companions(job)):
            if path.exists() and not self.force:
                raise InputError(f"{path}: exists already: give another output or --force")
        source = corrected(
            _about_people(_read(job.input, self.settings.page), anonymise=self.anonymise), self.corrections
        )
        self._check_roi(source)
        # Nothing is computed that cannot be written.
        rehearse(job.output, source)
        result = restore(self.restorer, source, self.settings, on_tile=self.on_tile, estimates=self.estimates)
        if self.strict and not result.consistency.consistent:
            raise NotCertifiedError(f"{result.consistency.verdict}: not written, as of --strict (--keep writes it)")
        restored, clipped = result.radiograph()
        input_sha256 = _sha256(job.input)
        scale = {
            "open_field": result.open_field,
            "open_field_seen": result.scale.open_field_seen,
            "polarity": result.scale.polarity,
            "polarity_seen": result.scale.polarity_seen,
            "doubts": list(result.scale.doubts),
        }
        # What is stored in the result itself.
        stamp = {
            "software": f"xsim {__version__}",
            **self._identity,
            "input_sha256": input_sha256,
            **scale,
            "white": source.turned(result.scale.white),
            "pitch_mm": result.pitch_mm,
            "detector": result.detector(),
            "consistency": result.consistency.verdict,
        }
        entry = {
            **job.facts(source),
            "seconds": 0.0,
            **scale,
            "pitch_mm": result.pitch_mm,
            "clipped_pixels": clipped,
            "bounded_pixels": result.bounded_pixels,
            "bad_pixels": source.bad_pixels.to_dict(),
            "detector": result.detector(),
            "consistency": result.consistency.to_dict(),
            "notes": list(result.notes),
            "skipped": False,
        }
        job.output.parent.mkdir(parents=True, exist_ok=True)
        write_image(job.output, restored, force=self.force, stamp=stamp)
        if result.std is not None:
            entry["std"] = str(write_image(job.std, result.std_radiograph(), force=self.force, stamp=stamp))
        if self.picture:
            from xsim_zoo.run.figure import draw  # noqa: PLC0415  (matplotlib is slow to import)

            entry["picture"] = str(draw(job.picture, result, title=job.input.name, roi=self.roi, force=self.force))
        entry["seconds"] = round(time.perf_counter() - began, 3)
        self._record(job, input_sha256, entry, result)
        return entry

    def _check_roi(self, source: Radiograph) -> None:
        """Refuse a region that the image does not have, before anything is computed."""
        if self.roi is not None:
            from xsim_zoo.run.figure import check_roi  # noqa: PLC0415  (matplotlib is slow to import)

            check_roi(self.roi, source.shape)

    def _record(self, job: FileJob, input_sha256: str, entry: dict[str, Any], result: Restored) -> None:
        """Write the page and the record. The record says that all of a result is finished, so it comes last."""
        record = {
            "schema": RECORD_SCHEMA,
            "identity": self._identity,
            "version": __version__,
            "input_sha256": input_sha256,
            "output_sha256": _sha256(job.output),
            "entry": entry,
        }
        if self.report:
            from xsim_zoo.run.report.page import write_page  # noqa: PLC0415  (nothing of it where no page is wanted)

            entry["report"] = str(write_page(job.report, result, record, force=self.force))
        content = json.dumps(record, indent=1).encode()
        # One of an earlier run may be replaced.
        replaced = self.force or read_record(job.record) is not None
        publish(job.record, lambda part: part.write_bytes(content), force=replaced)


def _read(path: Path, page: int | None) -> Radiograph:
    """Return the pages of a file that are to be restored.

    Raises
    ------
    InputError
        If it has no such page, or so many that nobody has asked for hours of work.
    """
    source = read_image(path, pages=True)
    if page is not None and page > source.pages:
        raise InputError(f"{path}: has {source.pages} page(s): give --page 1 to {source.pages}")
    if page is None and source.pages > _MOST_PAGES:
        raise InputError(
            f"{path}: holds {source.pages} pages, of which {_MOST_PAGES} at most are restored at once: give one with "
            "--page, or split it into files"
        )
    return source if page is None else replace(source, pixels=list(source.images())[page - 1])


def _about_people(source: Radiograph, anonymise: bool) -> Radiograph:
    """Return a radiograph without what it says about people, or one that says what it hands on."""
    found = people_in(source)
    if anonymise:
        source = anonymised(source)
        note = "left out what the file says about people; its name, and text in its pixels, are as they were"
        return replace(source, notes=(*source.notes, note))
    if not found:
        return source
    note = f"the result says about people what the file says ({', '.join(found)}): --anonymise leaves it out"
    return replace(source, notes=(*source.notes, note))


def _restorer_digest(restorer: Restorer) -> str:
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


def forecast(
    restorer: Restorer,
    job: FileJob,
    settings: RunSettings,
    estimates: Estimates | None = None,
    corrections: Corrections | None = None,
) -> dict[str, Any]:
    """Return what restoring one file would take; ``estimates`` and ``corrections`` as in `FileRestorer`.

    Returns
    -------
    dict
        ``input``, ``output``, ``shape``, ``pages``, ``dtype``, ``pitch_mm``, ``open_field``, ``notes``, ``blocks``,
        ``bad_pixels``, ``tiles`` (evaluations of the network), ``memory_bytes`` and ``seconds`` (of one trial tile,
        scaled up).

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    with job.named_errors():
        corrections = corrections or Corrections()
        source = corrected(_read(job.input, settings.page), corrections)
        rehearse(job.output, source)
        plan = planned(restorer, source, settings, estimates=estimates)
    restorer = plan.restorer
    parts = blocks(PaddedGrid.around(source.shape))
    evaluations = settings.steps_of(restorer) * settings.restorations * len(parts) * source.pages
    tiles, largest = 0, 0.0
    if plan.network is not None and isinstance(restorer, LearnedRestorer):
        cut = list(plan.network.tiles(parts[0].shape))
        tiles = len(cut) * evaluations
        largest = max((r.stop - r.start) * (c.stop - c.start) for r, c in cut) * bytes_per_px(restorer.network)
    pixels = int(np.prod(source.pixels.shape))
    # Grey levels and the answer; of flips one and their mean; of samples one, their mean and their spread.
    whole = source.dtype.itemsize + (12 if settings.samples else 8 if settings.flips else 4)
    block = max(largest + _FILTER_BYTES_PER_PX * np.prod(parts[0].shape), _CHECK_BYTES_PER_PX * np.prod(parts[0].shape))
    return {
        **job.facts(source),
        "pitch_mm": plan.pitch_mm,
        "open_field": source.turned(plan.scale.open_field),
        "notes": list(plan.notes),
        "blocks": len(parts),
        "tiles": tiles,
        "bad_pixels": source.bad_pixels.to_dict(),
        "memory_bytes": int(_BASE_BYTES + block + whole * pixels + corrections.bytes_per_px * np.prod(source.shape)),
        "seconds": round(_trial_s_per_px(restorer, settings) * pixels * settings.restorations, 1),
    }


def _trial_s_per_px(restorer: Restorer, settings: RunSettings) -> float:
    """Time a small image; the first run warms up and is not counted."""
    image = np.ones((_TRIAL_PX, _TRIAL_PX), np.float32)
    for _ in range(2):
        began = time.perf_counter()
        restorer.restore_array(image, steps=settings.steps_of(restorer))
    return (time.perf_counter() - began) / np.prod(PaddedGrid.around(image.shape).padded)
