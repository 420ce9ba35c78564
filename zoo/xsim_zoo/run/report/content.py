"""What a page says in words and numbers: how a radiograph was restored, on which assumptions, from which files."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from xsim_datasets.images import Radiograph

__all__ = ["Facts", "file_says", "sections"]

Facts = tuple[tuple[str, str], ...]

_SETTINGS: Final[Mapping[str, str]] = {
    "steps": "steps of sampling",
    "sharpness": "sharpness",
    "samples": "posterior samples",
    "flips": "average over eight orientations",
    "seed": "seed",
    "pitch_mm": "pixel pitch given [mm]",
    "open_field": "open field given [grey]",
    "polarity": "polarity given",
    "white": "grey of no signal given",
    "tile_px": "tiles [px]",
    "precision": "precision of the network",
    "detectors": "detectors",
    "target": "target",
    "grey": "grey values",
    "hand_over": "may take other weights",
}
"""Names of settings for people; others are shown under their own."""

_LIBRARIES: Final = ("numpy", "scipy", "torch", "tifffile", "pydicom")

_DICOM: Final = (
    *("Modality", "Manufacturer", "ManufacturerModelName", "DetectorID", "StudyDescription", "SeriesDescription"),
    *("ImageComments", "ComponentManufacturer", "ComponentModelNumber", "MaterialName", "KVP", "ExposureTime"),
    *("XRayTubeCurrent", "PresentationIntentType", "AcquisitionDate", "ContentDate"),
)
"""Elements that say what was imaged and how; names of persons stay in the file."""

_TIFF: Final = {270: "description", 271: "make", 272: "model", 305: "software", 306: "date", 315: "artist"}

_LONGEST: Final = 2000
"""Characters of a text of the file that are shown: descriptions may hold whole documents."""


def sections(record: Mapping[str, Any], source: Radiograph) -> tuple[tuple[str, Facts], ...]:
    """Return headings, each with names and values.

    Parameters
    ----------
    record : mapping
        The record of the run, see `xsim_zoo.run.files`.
    source : Radiograph
        The input.
    """
    found = (
        ("Image", _image(record["entry"])),
        ("Detector", _detector(record["entry"].get("detector"))),
        ("What the file says", file_says(source)),
        ("Settings", _settings(record["identity"])),
        ("Files and digests (SHA-256)", _files(record)),
        ("Versions", _versions(str(record["version"]))),
    )
    return tuple((heading, facts) for heading, facts in found if facts)


def _image(entry: Mapping[str, Any]) -> Facts:
    height, width = entry["shape"]
    pitch_mm = entry["pitch_mm"]
    size = "" if pitch_mm is None else f", {height * pitch_mm:.4g} x {width * pitch_mm:.4g} mm"
    return (
        ("size", f"{height} x {width} px{size}"),
        *([("pages", f"{entry['pages']}; the first is shown")] if entry["pages"] > 1 else []),
        ("type", str(entry["dtype"])),
        ("pixel pitch", "not known" if pitch_mm is None else f"{pitch_mm:g} mm"),
        ("open field", f"grey level {entry['open_field']:.6g}"),
        ("polarity", f"{entry['polarity']}{'' if entry.get('polarity_seen', True) else ', a guess'}"),
        ("pixels clipped", str(entry["clipped_pixels"])),
        ("held to what transmission allows", f"{entry.get('bounded_pixels', 0)} pixels"),
        ("time taken", f"{entry['seconds']:.1f} s"),
    )


def _detector(found: Mapping[str, Any] | None) -> Facts:
    """Return what the image was restored with, and the sharpness that was aimed at."""
    if found is None:
        return ()
    per, unit = ("lp_mm", "lp/mm") if found.get("f50_lp_mm") is not None else ("cycles_px", "cycles/px")
    facts = [("source", str(found.get("source")))]
    f50 = found.get(f"f50_{per}")
    low, high = found.get(f"f50_low_{per}"), found.get(f"f50_high_{per}")
    if f50 is not None:
        facts.append(("MTF falls to a half at", f"{_interval(f50, low, high)} {unit}"))
    noise = found.get("noise_open_field")
    if noise is not None:
        interval = _interval(*(None if n is None else 100 * n for n in (noise, *_ends(found, "noise"))))
        facts.append(("noise of a pixel", f"{interval} % of the open field"))
    if found.get("target"):
        facts.append(("restored to the sharpness of", str(found["target"])))
    if found.get("edges"):
        facts.append(("estimated from", f"{found['edges']} edges, {_number(found.get('flat_mm2'))} mm2 of flat"))
    return tuple(facts)


def _ends(found: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    return found.get(f"{name}_low"), found.get(f"{name}_high")


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    ends = "" if low is None or high is None else f" ({low:.3g} to {high:.3g} at 95 %)"
    return f"{_number(value)}{ends}"


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, (int, float)) and math.isfinite(value) else "not known"


def file_says(source: Radiograph) -> Facts:
    """Return texts of a file about itself, which may say anything."""
    found: list[tuple[str, Any]] = []
    if source.kind == "tiff":
        texts = {code: value for code, _, _, value in source.header.get("tags", ()) if code in _TIFF}
        found = [(_TIFF[code], texts[code]) for code in _TIFF if code in texts]
    elif source.kind == "dicom":
        dataset = source.header.get("dataset")
        found = [(name, dataset.get(name)) for name in _DICOM if dataset is not None and dataset.get(name)]
    return tuple((name, _text(value)) for name, value in found if _text(value))


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    # Characters that print nothing may hide others.
    text = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text)} characters)"


def _settings(identity: Mapping[str, Any]) -> Facts:
    given = [
        (_SETTINGS.get(name, name.replace("_", " ")), _said(value))
        for name, value in identity["settings"].items()
        if not isinstance(value, Mapping)
    ]
    return (("restorer", str(identity["restorer"])), *given)


def _said(value: Any) -> str:
    if value is None:
        return "not given"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _files(record: Mapping[str, Any]) -> Facts:
    """Return names and digests; where the files lay says nothing to others, so folders are left out."""
    entry = record["entry"]
    names = [(what, PurePath(str(entry[what])).name) for what in ("input", "output")]
    return (
        *((f"{what}: {name}", str(record[f"{what}_sha256"])) for what, name in names),
        *((what, PurePath(str(entry[what])).name) for what in ("std", "picture") if entry.get(what)),
        ("physics and weights", str(record["identity"]["weights"])),
    )


def _versions(own: str) -> Facts:
    return (
        ("xsim", own),
        ("Python", platform.python_version()),
        *((name, version(name)) for name in _LIBRARIES),
        ("machine", f"{platform.system()} {platform.machine()}"),
    )
