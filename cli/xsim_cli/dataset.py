"""``xsim dataset``: HR/LR pairs in zarr: make, import, verify, look at, export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from xsim.errors import InputError
from xsim_cli.common import (
    DetectorsOption,
    ForceOption,
    ImagingOption,
    JsonOption,
    check_output,
    emit_json,
    report,
    say,
)
from xsim_datasets.progress import Progress

app = typer.Typer(
    no_args_is_help=True,
    help="HR/LR pairs in zarr: make, import, verify, look at, export.",
    epilog="Example: xsim dataset make tiny -o tiny.zarr -n 64",
)

OutOption = Annotated[str, typer.Option("--out", "-o", help="The store to make: a folder, or a URL (s3://...).")]
WorkersOption = Annotated[int, typer.Option(min=1, help="Processes.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with what an interrupted run left.")]
StoreArgument = Annotated[str, typer.Argument(help="The store: a folder, or a URL such as s3://bucket/pairs.zarr.")]


@app.command(epilog="Example: xsim dataset make tiny -o tiny.zarr -n 64 --seed 1 --workers 2")
def make(
    recipe: Annotated[str, typer.Argument(help="A shipped name (paper, tiny, universal, anything) or a TOML file.")],
    out: OutOption,
    n: Annotated[int | None, typer.Option("-n", help="How many pairs; the recipe's number by default.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random, 0 to 2**64 - 1.")] = 0,
    size: Annotated[int | None, typer.Option(help="Side of the images [pixels]; the recipe's by default.")] = None,
    detectors: DetectorsOption = None,
    set_: ImagingOption = None,
    workers: WorkersOption = 1,
    cluster: Annotated[
        str | None, typer.Option(help="Dask scheduler that runs the work instead, tcp://HOST:PORT, or local:WORKERS.")
    ] = None,
    resume: ResumeOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, say the size, make nothing.")] = False,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Make a store of simulated HR/LR pairs. The same seed makes the same bytes, whatever the number of workers."""
    from xsim_datasets.recipe.recipe import imaging_settings, load_recipe
    from xsim_datasets.recipe.simulated import SimulatedMaker, plan_of
    from xsim_datasets.store.executors import DaskCluster, ProcessPool
    from xsim_datasets.store.writer import estimate_bytes, make_store

    settings = load_recipe(recipe, detectors=detectors, imaging=imaging_settings(set_ or ()), n=n, size_px=size)
    plan = plan_of(settings, seed)
    maker = SimulatedMaker(settings, plan.seed)
    try:
        maker.check()
    except InputError as error:
        raise InputError(f"{recipe}: {error}") from error
    size_GB = estimate_bytes(plan) / 1e9
    if dry_run:
        payload: dict[str, Any] = {"path": out, "n": plan.n, "size": plan.width, "estimated_bytes": int(size_GB * 1e9)}
        emit_json("dataset.make", payload) if json_ else say(f"{out}: would hold {plan.n} pairs, {size_GB:.2f} GB")
        return
    executor = DaskCluster(cluster) if cluster else ProcessPool(workers)
    with _kept(out), Progress(plan.n, "pairs", quiet=json_) as progress:
        summary = make_store(
            maker, plan, out, executor=executor, resume=resume, force=force, progress=_report_to(progress)
        )
    facts = _facts(out)
    if json_:
        emit_json("dataset.make", {**facts, "seconds": summary.seconds, "pairs_per_s": summary.pairs_per_s})
    else:
        say(f"{out}: {plan.n} pairs in {summary.seconds:.1f} s, {summary.pairs_per_s:.1f} pairs/s, {_splits(facts)}")


@app.command(epilog="Example: xsim dataset schema > recipe.schema.json")
def schema(json_: JsonOption = False) -> None:
    """Print the JSON schema of recipes. Editors check TOML with it as it is written."""
    from xsim_datasets.recipe.recipe import Recipe, recipe_names

    recipe = Recipe.model_json_schema()
    payload = {"recipes": recipe_names(), "recipe": recipe}
    report("dataset.schema", payload, [json.dumps(recipe, indent=1)], json_=json_)


@app.command(epilog="Example: xsim dataset info tiny.zarr --json")
def info(store: StoreArgument, json_: JsonOption = False) -> None:
    """Say what is in a store: pairs, physics, splits, provenance."""
    facts = _facts(store)
    names = ("path", "origin", "recipe", "n", "size", "pitch_mm", "families", "splits", "seed", "bytes", "digest")
    lines = (f"{name:10} {_splits(facts) if name == 'splits' else facts[name]}" for name in names)
    report("dataset.info", facts, lines, json_=json_)


@app.command(epilog="Example: xsim dataset verify tiny.zarr")
def verify(
    store: StoreArgument,
    full: Annotated[bool, typer.Option("--full", help="Decode every pair as well.")] = False,
    json_: JsonOption = False,
) -> None:
    """Check that a store is whole and unaltered. Everything that is not is named, and the exit code is 1."""
    from xsim_datasets.store.verify import verify_store

    found = verify_store(store, full=full)
    problems = [{"item": problem.item, "what": problem.what} for problem in found.problems]
    payload = {"ok": found.ok, "checked": found.checked, "problems": problems}
    report("dataset.verify", payload, (f"{problem.item}: {problem.what}" for problem in found.problems), json_=json_)
    if not json_:
        say(f"{store}: {found.checked} files checked, {len(problems) or 'no'} problems")
    if not found.ok:
        raise typer.Exit(1)


FramesOption = Annotated[
    Path | None, typer.Option(help="Folder of frames: dark without beam, flat without object; they are averaged.")
]
ImportPolarityOption = Annotated[
    Literal["metal-dark", "metal-bright"] | None,
    typer.Option(help="What metal is in the images; by default what the files say, or else metal-dark."),
]
ScaleOption = Annotated[
    Literal["linear", "log"],
    typer.Option(help="What grey levels follow: the exposure, or its logarithm (needs --log-factor)."),
]
LogFactorOption = Annotated[
    float | None,
    typer.Option(
        help="Grey levels per factor e of the exposure: exposure = air's * exp(-(grey - air's grey) / FACTOR) "
        "where metal is bright, exp(+...) where it is dark. Levels per decade are 2.3026 times as many."
    ),
]
BoardOption = Annotated[
    str | None, typer.Option(help="Regular expression on names outside board folders; group 1 is the board.")
]


@app.command(
    "import",
    epilog="Example: xsim dataset import --hr thin --lr thick --pitch-mm 0.048 --hr-flat f1 --lr-flat f2 -o real.zarr",
)
def import_(
    hr: Annotated[Path, typer.Option(help="Folder of HR images: NAME.tif, BOARD/NAME.tif or BOARD/NAME/FRAME.tif.")],
    lr: Annotated[Path, typer.Option(help="Folder of LR images with the same names.")],
    pitch_mm: Annotated[float, typer.Option(help="Pixel pitch of both detectors [mm].")],
    out: OutOption,
    hr_dark: FramesOption = None,
    hr_flat: FramesOption = None,
    lr_dark: FramesOption = None,
    lr_flat: FramesOption = None,
    polarity: ImportPolarityOption = None,
    scale: ScaleOption = "linear",
    log_factor: LogFactorOption = None,
    hr_open_field: Annotated[float | None, typer.Option(help="Open field of HR files without flats [grey].")] = None,
    lr_open_field: Annotated[float | None, typer.Option(help="Open field of LR files without flats [grey].")] = None,
    board: BoardOption = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe whose screens and beam took them, if it is known.")] = None,
    workers: WorkersOption = 1,
    resume: ResumeOption = False,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Import real pairs into a store. They are averaged, dark and flat corrected, and registered."""
    from xsim_datasets.real.correction import FlatField
    from xsim_datasets.real.importing import find_positions, prepare_import
    from xsim_datasets.recipe.recipe import load_recipe
    from xsim_datasets.store.executors import ProcessPool
    from xsim_datasets.store.writer import make_store

    positions = find_positions(hr, lr, **({} if board is None else {"board": board}))
    how: dict[str, Any] = {"polarity": polarity, "scale": scale, "log_factor": log_factor}
    maker, plan = prepare_import(
        positions,
        FlatField.of_folders(hr_dark, hr_flat, open_field=hr_open_field, **how),
        FlatField.of_folders(lr_dark, lr_flat, open_field=lr_open_field, **how),
        pitch_mm=pitch_mm,
        nominal=None if recipe is None else load_recipe(recipe),
    )
    with _kept(out):
        summary = make_store(maker, plan, out, executor=ProcessPool(workers), resume=resume, force=force)
    for warning in maker.warnings:
        say(f"warning: {warning}")
    facts = _facts(out)
    if json_:
        registration = [
            {"name": position.name, "board": position.board, **asdict(similarity)}
            for position, similarity in zip(maker.positions, maker.similarities, strict=True)
        ]
        facts |= {"seconds": summary.seconds, "registration": registration, "warnings": maker.warnings}
        emit_json("dataset.import", facts)
        return
    for position, found in zip(maker.positions, maker.similarities, strict=True):
        say(
            f"{position.name}: LR lies {found.shift_x_px:+.2f}, {found.shift_y_px:+.2f} px (x, y) off, turned "
            f"{found.rotation_deg:+.3f} deg, magnified {found.magnification:.5f}; residual {found.residual_px:.2f} px"
        )
    say(f"{out}: {plan.n} real pairs of {facts['families']} boards, {plan.width} x {plan.height} px, {_splits(facts)}")


SamplesOption = Annotated[str | None, typer.Option("--samples", help="Which: numbers and ranges such as 0,3,10-19.")]
SplitOption = Annotated[str | None, typer.Option("--split", help="Only those of train, validation or test.")]


@app.command(epilog="Example: xsim dataset preview tiny.zarr -o tiny.png --samples 0-7")
def preview(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture to write (PNG).")],
    samples: SamplesOption = None,
    split: SplitOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Draw a contact sheet of pairs, with their labelled defects. The first eight, unless told which."""
    from xsim_datasets.pictures import draw_preview
    from xsim_datasets.store.reader import PairStore

    check_output(out, force=force)
    pairs = PairStore.open(store)
    indices = pairs.select(samples, split)[: 8 if samples is None else None]
    draw_preview(pairs, out, indices=indices, force=force)
    if json_:
        emit_json("dataset.preview", {"path": store, "picture": out, "samples": indices})
    else:
        say(f"{out}: {len(indices)} of {pairs.n} pairs; the store holds {_splits(pairs.summary())}")


@app.command(epilog="Example: xsim dataset export tiny.zarr -o tiffs --split test")
def export(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    samples: SamplesOption = None,
    split: SplitOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write pairs as 16-bit TIFFs. They go to hr/ and lr/, their rows of the table to pairs.json."""
    from xsim_datasets.pair_folder import export_pairs
    from xsim_datasets.store.reader import PairStore

    pairs = PairStore.open(store)
    indices = pairs.select(samples, split)
    with Progress(len(indices), "pairs", quiet=json_) as progress:
        document = export_pairs(pairs, out, indices=indices, force=force, progress=_report_to(progress))
    count = len(document["pairs"])
    if json_:
        emit_json("dataset.export", {"path": store, "folder": out, "pairs": count, "index": "pairs.json"})
    else:
        say(f"{out}: {count} pairs, open field at {document['open_field']}")


def _report_to(progress: Progress) -> Callable[[int, int, int], None]:
    """Return what a maker calls with the pairs that it made, the pairs that stand, and the pairs in all."""

    def report(made: int, done: int, total: int) -> None:
        progress.start = done - made
        progress.step(done)

    return report


@contextmanager
def _kept(out: str) -> Iterator[None]:
    """End, when the work is interrupted, with a line that says that nothing done is lost."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        say(f"xsim: {out}: interrupted: the shards that are done are kept: go on with --resume")
        raise SystemExit(end.code if isinstance(end, SystemExit) else 130) from None


def _facts(path: str) -> dict[str, Any]:
    from xsim_datasets.store.reader import PairStore

    return PairStore.open(path).summary()


def _splits(facts: dict[str, Any]) -> str:
    families = facts["split_families"]
    return ", ".join(
        f"{count} {name} (of {families[name]} {'family' if families[name] == 1 else 'families'})"
        for name, count in facts["splits"].items()
    )
