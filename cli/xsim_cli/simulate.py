"""``xsim simulate``: one HR/LR pair as 16-bit TIFF, a picture, and every setting."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim_cli.common import DetectorsOption, ForceOption, ImagingOption, JsonOption, emit_json, existing, say
from xsim_cli.scan import is_scan, run_scan

if TYPE_CHECKING:
    from xsim.imaging.setup import PairSetup
    from xsim_datasets.recipe.recipe import Recipe

app = typer.Typer()


ViewsOption = Annotated[int | None, typer.Option(help="Take a scan of so many views instead of one pair.")]
ArcOption = Annotated[
    float | None, typer.Option(metavar="DEG", help="Scan: the object turns by this angle; 360 if nothing is said.")
]
LaminographyOption = Annotated[
    float | None, typer.Option(metavar="DEG", help="Scan: it turns under a beam tilted by this angle, 1 to 45.")
]
TomosynthesisOption = Annotated[
    float | None, typer.Option(metavar="DEG", help="Scan: tube and detector move sideways over this angle, to 90.")
]
StartOption = Annotated[float | None, typer.Option(metavar="DEG", help="Scan: angle of the first view.")]
MeshOption = Annotated[Path | None, typer.Option(help="Scan: a mesh [mm] instead of a random board.")]
MaterialOption = Annotated[
    list[str] | None, typer.Option("--material", help="Scan: MATERIAL of the mesh, or PART=MATERIAL; repeat for more.")
]
ScenarioOption = Annotated[
    Path | None, typer.Option(help="Scan: a CTSimU scenario (JSON) that says course, beam, pixels and mesh.")
]


@app.command(
    epilog="Examples: xsim simulate --seed 7 --size 512 -o pair; xsim simulate --seed 7 --size 256 --views 90 "
    "--laminography 30 -o scan"
)
def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to make.")],
    phantom: Annotated[
        Path | None, typer.Argument(help="A phantom, .npz; a random board of --seed if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of board and noise, 0 to 2**64 - 1.")] = 0,
    recipe: Annotated[str, typer.Option(help="Set-up: a shipped recipe (paper, ...) or a TOML file.")] = "paper",
    detectors: DetectorsOption = None,
    set_: ImagingOption = None,
    size: Annotated[int, typer.Option(help="Side of a random board's images, or of a scan's [pixels].")] = 512,
    views: ViewsOption = None,
    arc: ArcOption = None,
    laminography: LaminographyOption = None,
    tomosynthesis: TomosynthesisOption = None,
    start_deg: StartOption = None,
    mesh: MeshOption = None,
    material: MaterialOption = None,
    scenario: ScenarioOption = None,
    clean: Annotated[bool, typer.Option("--clean", help="Write the images without noise as well.")] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="28 energies instead of all: two grey levels off at most.")
    ] = False,
    noise: Annotated[str | None, typer.Option(help="filtered, layered or, to compare, white-then-blurred.")] = None,
    kerma_uGy: Annotated[float | None, typer.Option("--kerma-uGy", help="Air kerma of a frame [uGy].")] = None,
    hr_frames: Annotated[int | None, typer.Option(help="Frames averaged into the HR image.")] = None,
    lr_frames: Annotated[int | None, typer.Option(help="Frames averaged into the LR image.")] = None,
    source_detector_mm: Annotated[float | None, typer.Option(help="From the focal spot to the screen [mm].")] = None,
    source_object_mm: Annotated[float | None, typer.Option(help="From the focal spot to the object [mm].")] = None,
    focal_spot_mm: Annotated[float | None, typer.Option(help="Focal spot [mm].")] = None,
    scatter: Annotated[float | None, typer.Option(help="Scatter-to-primary ratio per mean free path.")] = None,
    glare: Annotated[float | None, typer.Option(help="Share of the light that the detector spreads widely.")] = None,
    shift_px: Annotated[tuple[float, float] | None, typer.Option(help="Shift of LR to HR, dy dx [pixels].")] = None,
    open_field: Annotated[int, typer.Option(help="Grey level of the open field in the TIFFs.")] = 50_000,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Image a board with both screens and write the pair, or a scan of many views, as a folder.

    Options without a default are as the recipe has them.
    """
    given = SimpleNamespace(**locals())
    if is_scan(given):
        run_scan(given, _setup(given))
    else:
        _run_pair(given)


def _run_pair(given: SimpleNamespace) -> None:
    """Simulate one pair and write it."""
    from xsim.imaging.pair import simulate_pair
    from xsim_datasets.pair_folder import check_pair_folder, write_pair

    out, force = given.out, given.force
    check_pair_folder(out, force=force)
    setup = _setup(given)
    phantom = _phantom(given.phantom, given.seed, given.size, setup)
    pair = simulate_pair(phantom, setup, given.seed, clean=given.clean)
    index = write_pair(pair, out, recipe=given.recipe, open_field=given.open_field, force=force)
    unsound = ", ".join(f"{count} pixels {name.replace('_', ' ')}" for name, count in index["counts"].items() if count)
    if given.json_:
        emit_json("simulate", {"path": out, **{key: value for key, value in index.items() if key != "schema"}})
    else:
        say(f"{out}: {index['hr']}, {index['lr']}, {index['picture']}, pair.json{': ' + unsound if unsound else ''}")


def _setup(given: SimpleNamespace) -> PairSetup:
    """Return the recipe's set-up with what the command line changes."""
    from xsim_datasets.recipe.recipe import imaging_settings, load_recipe

    changes: dict[str, Any] = {
        "geometry": {
            name: getattr(given, name) for name in ("source_detector_mm", "source_object_mm", "focal_spot_mm")
        },
        "scatter": {"ratio_per_depth": given.scatter, "glare": given.glare},
        "registration_px": given.shift_px,
        "method": "fast" if given.fast else None,
        **{name: getattr(given, name) for name in ("noise", "kerma_uGy", "hr_frames", "lr_frames")},
    }
    settings = load_recipe(given.recipe, detectors=given.detectors, imaging=imaging_settings(given.set_ or ()))
    return _changed_setup(settings, given.seed, changes)


def _changed_setup(recipe: Recipe, seed: int, changes: dict[str, Any]) -> PairSetup:
    """Return a recipe's set-up with what the command line changes; None leaves the recipe's value."""
    from dataclasses import replace

    from xsim_datasets.recipe.imaging import setup_of

    def changed(part: Any, values: dict[str, Any]) -> Any:
        given = {name: value for name, value in values.items() if value is not None}
        nested = {name: changed(getattr(part, name), value) for name, value in given.items() if isinstance(value, dict)}
        return replace(part, **{**given, **nested})

    setup: PairSetup = changed(setup_of(recipe.imaging.drawn(seed, 0)), changes)
    return setup


def _phantom(path: Path | None, seed: int, size: int, setup: PairSetup) -> Any:
    """Return the phantom of a file, or a random board drawn twice as fine as the detector's pixels."""
    from xsim.phantoms import BoardRecipe, Phantom, random_board

    if path is not None:
        return Phantom.load(existing(path))
    if not 16 <= size <= 8192:
        raise InputError(f"size {size} pixels is not usable: give 16 to 8192")
    pixel_mm = setup.pitch_mm / setup.geometry.magnification / 2
    recipe = BoardRecipe(source_mm=setup.geometry.board_source_mm)
    return random_board(seed, (2 * size, 2 * size), pixel_mm, recipe=recipe)
