"""The table as text for a terminal, and as the page of the documentation."""

from __future__ import annotations

import math
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import xsim
from suite.areas import AREAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from suite.rows import Row

    Found = Mapping[str, tuple[list[Row], float, str]]

__all__ = ["identity", "markdown", "text"]

COMMAND = "python benchmarks/run_all.py"
_COLUMNS = ("what", "figure", "floor", "times floor", "peer", "times as fast", "note")
_PACKAGES = ("numpy", "scipy", "numba", "torch", "zarr", "tensorstore", "diffusers", "gvxr", "pysaber", "deepinv")


def identity(seconds: float) -> list[str]:
    """Return the lines that say what the figures hold for: program, versions, machine, load, time taken."""
    versions = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}, load average {os.getloadavg()[0]:.1f} at the end"
    return [
        f"xsim {xsim.__version__}, Python {platform.python_version()}, {', '.join(versions)}",
        f"{_processor()}, {cores} cores, {system}",
        f"{datetime.now(UTC):%Y-%m-%d}, {seconds / 60:.1f} minutes",
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown processor"


def _number(value: float | None, unit: str = "") -> str:
    if value is None or math.isnan(value):
        return ""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 3)}f}{' ' if unit else ''}{unit}"


def _cells(row: Row) -> tuple[str, ...]:
    floor = f"{_number(row.floor_figure, row.unit)} ({row.floor})" if row.floor else ""
    peer = f"{_number(row.peer_figure, row.unit)} ({row.peer})" if row.peer_figure is not None else row.peer
    return (
        row.what,
        _number(row.figure, row.unit),
        floor,
        _number(row.times_floor),
        peer,
        _number(row.times_faster),
        row.note,
    )


def text(found: Found, made: Iterable[str]) -> str:
    """Return the table for a terminal."""
    rows = [("", *_COLUMNS[1:])] + [_cells(row) for rows, _, _ in found.values() for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
    lines = [*made, ""]
    places = iter(rows)
    lines.append(_padded(next(places), widths))
    for name, (area, memory_MB, why) in found.items():
        state = f"failed: {why}" if why else f"peak memory {memory_MB:.0f} MB"
        lines += ["", f"{AREAS[name].title} ({state})"]
        lines += [_padded(next(places), widths) for _ in area]
    return "\n".join(lines)


def _padded(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
    return "  ".join([*padded, cells[-1]]).rstrip()


def markdown(found: Found, made: Iterable[str]) -> str:
    """Return the page of the documentation; below each heading stands the command that measures it."""
    lines = [
        "# Benchmarks",
        "",
        "Every figure stands beside its floor, the time of the arithmetic that no program doing the same work can",
        "leave out, and beside a peer that does the same work, both measured in the same run. Times are CPU times of",
        "one thread, the least of some runs, unless they say wall. This page is written by",
        "",
        f"    {COMMAND} --write docs/benchmarks.md",
        "",
        "(`make bench` prints the table.) Peers are installed with `pip install -r benchmarks/peers.txt`; those that",
        "could not take part are named with the reason. How well each restorer restores is another table, that of",
        "`python benchmarks/headline.py -o OUT`.",
        "",
        *(f"- {line}" for line in made),
        "",
    ]
    for name, (rows, memory_MB, why) in found.items():
        area = AREAS[name]
        lines += [f"## {area.title}", "", f"`{COMMAND} --areas {name}`; longer: `{area.longer}`.", ""]
        if why:
            lines += [f"Failed: {why}", ""]
            continue
        lines += [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
        lines += ["", f"Peak memory of the process: {memory_MB:.0f} MB.", ""]
    return "\n".join(lines)
