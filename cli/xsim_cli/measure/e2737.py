"""``xsim measure e2737``: a detector's periodic check against its baseline, in the manner of ASTM E2737."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim_cli.common import CsvOption, ForceOption, JsonOption, Outputs, PlotOption, check_output, existing, report
from xsim_cli.measure.e2597 import sheet_lines, sheet_payload, write_file
from xsim_cli.measure.inputs import PitchOption, PolarityOption
from xsim_cli.measure.shots import (
    BadOption,
    DarkOption,
    DuplexOption,
    DuplexRoiOption,
    FlatsOption,
    FullScaleOption,
    IsrMmOption,
    IsrOption,
    KermaOption,
    LagOption,
    Shots,
    SrbOption,
    WedgeMmOption,
    WedgeOption,
    measured_sheet,
)

if TYPE_CHECKING:
    from xsim.measure.sheet import Check, Trend

BEYOND_EXIT = 3
"""Exit code where a figure lies beyond its limit: the check ran, and was not passed."""

BaselineOption = Annotated[
    Path | None,
    typer.Option(metavar="TOML", help="Baseline to check against: a file of --new-baseline or of e2597 -o."),
]
NewBaselineOption = Annotated[
    Path | None, typer.Option(metavar="TOML", help="Write the baseline from these shots, with limits to edit.")
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="FIGURE=PERCENT", help="How much a figure may get worse; repeat. Overrules the baseline's."
    ),
]
LogOption = Annotated[
    Path | None, typer.Option(metavar="JSONL", help="Log to which the check is added; its trends are told.")
]
DateOption = Annotated[
    str | None, typer.Option("--date", metavar="ISO", help="When the shots were taken.  [default: now]")
]


def e2737(
    baseline: BaselineOption = None,
    new_baseline: NewBaselineOption = None,
    limits: LimitOption = None,
    log: LogOption = None,
    date: DateOption = None,
    pitch_mm: PitchOption = None,
    duplex_wire: DuplexOption = None,
    duplex_roi: DuplexRoiOption = None,
    srb_mm: SrbOption = None,
    flats: FlatsOption = None,
    kerma_uGy: KermaOption = None,
    wedge: WedgeOption = None,
    wedge_mm: WedgeMmOption = None,
    full_scale: FullScaleOption = None,
    lag: LagOption = None,
    dark: DarkOption = None,
    bad_pixels: BadOption = None,
    isr: IsrOption = None,
    isr_mm: IsrMmOption = 1.0,
    polarity: PolarityOption = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Check a detector against its baseline, and keep a log. In the manner of ASTM E2737.

    The shots are those of e2597, taken as they were for the baseline. Exit code 3: a figure lies beyond its limit.
    """
    if (baseline is None) == (new_baseline is None):
        raise InputError("give --baseline to check against, or --new-baseline to write one")
    shots = Shots(
        pitch_mm, duplex_wire or [], duplex_roi or [], srb_mm, flats or [], kerma_uGy or [], wedge or [], wedge_mm,
        full_scale, lag, dark, bad_pixels, isr, isr_mm, polarity,
    )  # fmt: skip
    inputs = (*shots.files(), *([existing(baseline)] if baseline else []))
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=inputs)
    if new_baseline is not None:
        if log is not None or plot is not None or csv is not None:
            raise InputError("--log, --plot and --csv belong to a check: give them with --baseline")
        check_output(new_baseline, force=force, inputs=inputs)
        _begin(new_baseline, shots, _limits(limits), json_=json_)
        return
    assert baseline is not None
    _check_against(baseline, shots, outputs, limits=_limits(limits), log=log, date=date)


def _begin(path: Path, shots: Shots, limits: dict[str, float], *, json_: bool) -> None:
    """Write a baseline with the limits of its figures."""
    from xsim.measure.sheet import LIMITS

    sheet = measured_sheet(shots)
    held = {name: limits.get(name, LIMITS[name][0]) for name in sheet.figures()}
    write_file(path, sheet, shots, limits=held)
    lines = [*sheet_lines(sheet), f"baseline written to {path}; its limits are in the table [limits]"]
    report("measure.e2737", {**sheet_payload(sheet), "baseline": path, "limits": held}, lines, json_=json_)


def _check_against(
    baseline: Path, shots: Shots, outputs: Outputs, *, limits: dict[str, float], log: Path | None, date: str | None
) -> None:
    """Compare with a baseline, add to the log, print, and leave with exit code 3 where a limit is passed."""
    from xsim.measure.sheet import append_check, compare, read_figures, read_log, trends

    when = _when(date)
    before, tables = read_figures(baseline)
    held = {**tables.get("limits", {}), **limits}
    if log is not None:
        # A log that cannot be added to is said before any work.
        read_log(_log_path(log))
    sheet = measured_sheet(shots)
    checks = compare(before, sheet.figures(), held)
    entries = append_check(log, when, checks, shots=shots.named()) if log is not None else []
    drifts = trends(entries, checks)
    beyond = [one.name for one in checks if one.within is False]
    payload: dict[str, Any] = {
        "verdict": "beyond limits" if beyond else "within limits",
        "beyond": beyond,
        "time": when.isoformat(timespec="seconds"),
        "checks": [vars(one) for one in checks],
        "trends": [one.document() for one in drifts],
        "log_entries": len(entries),
        "sheet": sheet.document(),
        "warnings": (*sheet.warnings, *_left_out(checks)),
    }
    outputs.write(
        "measure.e2737",
        payload,
        _lines(checks, drifts, beyond),
        table={name: [getattr(one, name) for one in checks] for name in vars(checks[0])},
        figure=lambda _: _plot(checks, entries),
    )
    if beyond:
        raise typer.Exit(BEYOND_EXIT)


def _plot(checks: Sequence[Check], entries: Sequence[dict[str, Any]]) -> Any:
    from xsim_cli.measure.sheet_figure import check_figure

    return check_figure(checks, entries)


def _left_out(checks: Sequence[Check]) -> tuple[str, ...]:
    missing = [one.name for one in checks if one.value is None]
    return (f"not measured, though the baseline holds them: {', '.join(missing)}",) if missing else ()


def _when(text: str | None) -> datetime:
    if text is None:
        return datetime.now().astimezone()
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise InputError(f"--date {text}: give one like 2026-05-31 or 2026-05-31T14:00") from None


def _log_path(path: Path) -> Path:
    """Return a log's path if its folder exists."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder: give a file for the log")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: its folder does not exist: make {path.absolute().parent} first")
    return path


def _limits(texts: Sequence[str] | None) -> dict[str, float]:
    """Return the limits of a repeated ``--limit``."""
    from xsim.measure.sheet.stability import checked_limits

    found: dict[str, float] = {}
    for text in texts or ():
        name, equals, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"--limit {text}: give one like isrb_mm=10")
    return checked_limits(found)


def _lines(checks: Sequence[Check], drifts: Sequence[Trend], beyond: Sequence[str]) -> Iterator[str]:
    from xsim.measure.sheet import FIGURES

    by_name = {one.name: one for one in drifts}
    for one in checks:
        if one.value is None:
            continue
        what, unit = FIGURES[one.name]
        change = "" if one.change_percent is None else f"{one.change_percent:+.1f} %"
        verdict = "within" if one.within else "BEYOND"
        values = f"{one.baseline:>9.4g} -> {one.value:>9.4g} {unit:<3} {change:>9}"
        yield f"{what:<48} {values}  {verdict} {one.limit_percent:g} %"
        trend = by_name[one.name]
        if trend.drifts and trend.percent_per_year is not None:
            on = f", its limit on {trend.limit_on}" if trend.limit_on else ""
            yield f"    drifts by {trend.percent_per_year:+.1f} % a year over {trend.checks} checks{on}"
    yield f"beyond limits: {', '.join(beyond)}" if beyond else "within limits"
