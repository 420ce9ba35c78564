"""What xsim makes of real radiographs: the record behind docs/explanation/radiographs.md, remade by one command.

    python docs/radiographs.py FOLDER    # of the files named below; then `python docs/figures.py`

The radiographs are other people's and stay out of the project: FOLDER holds them (``--list`` says which, whose, and
under which licence). What is kept is what was measured: verdicts, figures, and grey levels along one line of each,
before and after. A file that is not there keeps the entry that it had.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = ROOT / "docs" / "records" / "radiographs.json"
PICTURE: Final = ROOT / "docs" / "images" / "radiographs.png"

_DIGITS: Final = 4
_MEAN_OVER_PX: Final = 8
"""Neighbouring lines that a profile is the mean of: less of its noise, and no less of what runs across it."""


@dataclass(frozen=True)
class Line:
    """Where grey levels are shown: along an axis, at a place across it, from and to a pixel."""

    along: str
    at: int
    first: int
    last: int
    across: str


@dataclass(frozen=True)
class Radiograph:
    """A file, what it shows, whose it is, the line that is shown of it, and options that its user would give."""

    file: str
    shows: str
    source: str
    licence: str
    line: Line
    options: tuple[str, ...] = ()


RADIOGRAPHS: Final = (
    Radiograph(
        "dot_pattern_03.jpg",
        "a target of dots in a synchrotron's beam, with dirt on a mirror or a scintillator, JPEG of 8 bits",
        "discorpy",
        "Apache-2.0",
        Line("x", 1274, 1800, 2000, "dots"),
    ),
    Radiograph(
        "battery_tabs.jpg",
        "a lithium-ion cell: tabs and electrodes; a micro-CT projection, kept as JPEG of 8 bits",
        "MIM-SP/CT4Batt",
        "MIT",
        Line("y", 650, 500, 760, "electrodes"),
    ),
    Radiograph(
        "hand_cr_jpeg2000.dcm",
        "a hand on an image plate (CR), DICOM, JPEG 2000, MONOCHROME1",
        "pydicom's test files",
        "MIT",
        Line("x", 880, 600, 1100, "bones"),
    ),
    Radiograph(
        "leeds_tor18_line_pairs.dcm",
        "a Leeds TOR-18 chart on a flat panel of a linear accelerator, DICOM, metal bright",
        "pylinac's demonstration files",
        "MIT",
        Line("y", 580, 310, 460, "groups of bars"),
    ),
    Radiograph(
        "line_pattern_01.jpg",
        "a grid target in a synchrotron's beam, JPEG of 8 bits",
        "discorpy",
        "Apache-2.0",
        Line("x", 1034, 1000, 1200, "wires"),
    ),
)


def restored(path: Path, output: Path, options: tuple[str, ...]) -> tuple[int, dict[str, Any], str]:
    """Run the command that a user would, and return how it ended, its document, and its last complaint."""
    floors = os.pathsep.join(str(ROOT / floor) for floor in (".", "datasets", "zoo", "cli"))
    words = ["zoo", "run", "physics-sde", str(path), "-o", str(output), "--json", *options]
    done = subprocess.run(
        [sys.executable, "-m", "xsim_cli.app", *words],
        env={**os.environ, "PYTHONPATH": floors}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in {0, 2}:
        raise SystemExit(f"{path}: ended with {done.returncode}, which says nothing of it\n{done.stderr[-500:]}")
    said = [line for line in done.stderr.splitlines() if line.startswith("xsim: ")]
    document = json.loads(done.stdout) if done.stdout.strip() else {"files": []}
    return done.returncode, document, said[-1].removeprefix("xsim: ").replace(f"{path}: ", "") if said else ""


def profile(path: Path, line: Line) -> list[float]:
    """Return grey levels along a line, as read, the mean of some lines beside one another."""
    sys.path[:0] = [str(ROOT), str(ROOT / "datasets")]
    from xsim_datasets.images import read_image  # noqa: PLC0415 (after its folder is on the path)

    pixels = np.asarray(read_image(path).pixels, dtype=np.float64)
    across = slice(line.at - _MEAN_OVER_PX // 2, line.at + _MEAN_OVER_PX // 2)
    part = pixels[line.first : line.last, across].mean(axis=1) if line.along == "y" else (
        pixels[across, line.first : line.last].mean(axis=0))  # fmt: skip
    return [round(float(value), _DIGITS) for value in part]


def entry_of(radiograph: Radiograph, folder: Path) -> dict[str, Any]:
    """Return what was found of one radiograph."""
    path = folder / radiograph.file
    with tempfile.TemporaryDirectory(prefix="xsim-real-") as scratch:
        output = Path(scratch) / f"restored{'.dcm' if path.suffix == '.dcm' else '.tif'}"
        code, document, said = restored(path, output, radiograph.options)
        entry: dict[str, Any] = {**asdict(radiograph), "code": code, "said": said}
        if not document["files"]:
            return entry
        (found,) = document["files"]
        kept = ("shape", "dtype", "polarity", "polarity_seen", "open_field", "open_field_seen", "pitch_mm")
        entry |= {name: found[name] for name in kept}
        entry["bad_pixels"] = found["bad_pixels"]["count"]
        # What a file says about people stays in it.
        entry["notes"] = [note for note in found["notes"] if "people" not in note]
        names = ("f50_cycles_px", "f50_lp_mm", "noise_open_field", "edges")
        entry["detector"] = {name: found["detector"][name] for name in names if name in found["detector"]}
        entry["consistency"] = {
            name: found["consistency"][name]
            for name in ("verdict", "consistent", "judged", "doubts", "checked_share", "chi2")
        }
        entry["places"] = len(found["consistency"]["suspects"])
        entry["before"] = profile(path, radiograph.line)
        entry["after"] = profile(output, radiograph.line)
    return entry


def draw(entries: list[dict[str, Any]]) -> None:
    """Draw the lines, before and after."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (only where something is drawn)
    from matplotlib.figure import Figure  # noqa: PLC0415

    shown = [entry for entry in entries if "after" in entry]
    figure = Figure(figsize=(10, 2.3 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, entry in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        line = entry["line"]
        places = np.arange(line["first"], line["first"] + len(entry["before"]))
        axes.plot(places, entry["before"], color="0.55", lw=1.6, label="before")
        axes.plot(places, entry["after"], color="C3", lw=1.0, label="after")
        other = {"x": "y", "y": "x"}[line["along"]]
        where = f"{line['across']}, along {line['along']} at {other} = {line['at']}"
        axes.set_title(f"{entry['file']}: {where}", fontsize=9, loc="left")
        axes.set_ylabel("grey level", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.margins(x=0)
    figure.axes[0].legend(loc="upper right", fontsize=8)
    figure.axes[-1].set_xlabel("pixel", fontsize=8)
    figure.savefig(PICTURE, dpi=100)


def main() -> int:
    """Restore what is there, keep the record, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where the radiographs are")
    parser.add_argument("--list", action="store_true", help="name them, with their sources and licences")
    parser.add_argument("--only", nargs="+", metavar="FILE", help="only these")
    words = parser.parse_args()
    if words.list or words.folder is None:
        for one in RADIOGRAPHS:
            print(f"{one.file}: {one.shows}; of {one.source}, {one.licence}")
        return 0
    kept = json.loads(RECORD.read_text(encoding="utf-8"))["radiographs"] if RECORD.is_file() else []
    entries = {entry["file"]: entry for entry in kept}
    for one in RADIOGRAPHS:
        if (words.folder / one.file).is_file() and (not words.only or one.file in words.only):
            print(f"{one.file} ...", file=sys.stderr)
            entries[one.file] = entry_of(one, words.folder)
    made = [entries[one.file] for one in RADIOGRAPHS if one.file in entries]
    if not made:
        print(f"radiographs: {words.folder}: holds none of them: see --list", file=sys.stderr)
        return 2
    RECORD.write_text(json.dumps({"schema": "xsim.radiographs/1", "radiographs": made}) + "\n", encoding="utf-8")
    draw(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
