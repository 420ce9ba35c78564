"""``xsim detectors``: name a detector file once, and say the name wherever a file is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError, XsimError
from xsim_cli.common import CsvOption, ForceOption, JsonOption, Outputs, PlotOption, existing, report

if TYPE_CHECKING:
    from xsim.degradation.known_file import KnownFile

app = typer.Typer(
    no_args_is_help=True,
    help="Detectors by name: add, list, show, remove.",
    epilog="Example: xsim detectors add bench3 detectors.toml",
)

NameArgument = Annotated[str, typer.Argument(help="Name of a detector: letters, digits, - and _.")]
TargetOption = Annotated[
    str | None,
    typer.Option(
        metavar="MG_CM2|CSV",
        help="What takes the place of HR: a Gd2O2S screen [mg/cm2], a CSV file of an MTF, or auto.  "
        "[default: HR of a file of two, else auto]",
    ),
]


@app.command(epilog="Example: xsim detectors add bench3 detectors.toml")
def add(
    name: NameArgument,
    file: Annotated[
        Path, typer.Argument(help="TOML file of one or two detectors: of `xsim calibrate`, or `xsim detector --save`.")
    ],
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Keep a detector file under a name. The file is copied: the original may change or go."""
    from xsim.detector.named import check_name, keep, named_detectors

    if check_name(name) in named_detectors() and not force:
        raise InputError(f"a detector is named '{name}' already: give another name or --force")
    from xsim.degradation.known_file import read_known
    from xsim.files.plain import TOML, read_plain

    found = read_known(existing(file))
    path = keep(name, read_plain(file, TOML), force=force)
    report("detectors.add", {"name": name, "path": path, **_facts(found)}, [f"{name}: {_line(found)}"], json_=json_)


@app.command("list", epilog="Example: xsim detectors list --json")
def list_(json_: JsonOption = False) -> None:
    """List the named detectors. One that cannot be used is listed with the reason."""
    from xsim.detector.named import named_detectors, store_folder

    rows: list[dict[str, Any]] = []
    lines = []
    files = named_detectors()
    if files:
        from xsim.degradation.known_file import read_known
    for name, path in files.items():
        row = {"name": name, "path": path}
        try:
            found = read_known(path)
        except XsimError as error:
            rows.append({**row, "error": str(error)})
            lines.append(f"{name:16s} cannot be used: {error}")
        else:
            rows.append({**row, "error": None, **_facts(found)})
            lines.append(f"{name:16s} {_line(found)}")
    if not files:
        lines = ["none yet: add one by `xsim detectors add NAME FILE`"]
    report("detectors.list", {"folder": store_folder(), "detectors": rows}, lines, json_=json_)


@app.command(epilog="Example: xsim detectors show bench3 --plot bench3.png")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Name of a detector, or a detector file.")],
    target: TargetOption = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Show MTF, NNPS, B_1 and Sigma_1, with bands.

    B_1 and Sigma_1, which a restorer undoes, lie between the two detectors of a file, or between a target and its one.
    Bands hold 95 %, and are given where the file says how sure its curves are.
    """
    from xsim.detector.named import resolve

    path = resolve(name)
    csv_target = [Path(target)] if target is not None and Path(target).is_file() else []
    outputs = Outputs(csv, plot, force=force, json_=json_, inputs=(path, *csv_target))

    from xsim_cli.detectors.shown import shown

    found = shown(path, target)
    outputs.write(
        "detectors.show",
        {"name": name, **found.to_dict()},
        found.lines(),
        table=found.table(),
        figure=lambda _: _figure(found),
    )


@app.command(epilog="Example: xsim detectors remove bench3")
def remove(name: NameArgument, json_: JsonOption = False) -> None:
    """Remove a named detector. Files that it was added from stay."""
    from xsim.detector.named import remove as remove_named

    path = remove_named(name)
    report("detectors.remove", {"name": name, "path": path}, [f"{name}: removed"], json_=json_)


def _figure(found: Any) -> Any:
    from xsim_cli.detectors.figure import detector_file_figure

    return detector_file_figure(found)


def _facts(found: KnownFile) -> dict[str, Any]:
    """Return what a list says of a detector file."""
    lr = found.lr
    return {
        "count": len(found.detectors),
        "source": lr.source,
        "pitch_mm": lr.pitch_mm,
        "f50_lp_mm": lr.f50 / lr.table_pitch_mm,
        "noise_open_field": lr.noise_rms,
    }


def _line(found: KnownFile) -> str:
    facts = _facts(found)
    what = "HR and LR" if facts["count"] == 2 else "one detector"
    return (
        f"{what}, {facts['source']}, {facts['pitch_mm']:g} mm pixels, MTF 50 % at {facts['f50_lp_mm']:.3g} lp/mm, "
        f"noise {100 * facts['noise_open_field']:.2g} % of the open field"
    )
