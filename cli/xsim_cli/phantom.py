"""``xsim phantom``: boards, objects, meshes and test targets as material thickness maps, with a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xsim.errors import InputError
from xsim.plugins import plugins
from xsim_cli.common import ForceOption, JsonOption, check_output, emit_json, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from xsim.phantoms import Phantom, View
    from xsim.phantoms.mesh import Mesh

app = typer.Typer(
    no_args_is_help=True,
    help="Boards, castings, welds and other objects, meshes, test targets.",
    epilog="Example: xsim phantom random --seed 7 -o board.npz",
)

OutOption = Annotated[Path, typer.Option("-o", "--out", help="Phantom to write (.npz); the picture lies beside it.")]
SizeOption = Annotated[int, typer.Option("--size", help="Pixels along each side of the window.")]
PixelOption = Annotated[float, typer.Option("--pixel-um", help="Pixel of the phantom [um].")]
DefectsOption = Annotated[bool, typer.Option("--mark-defects", help="Outline the defects in the picture.")]


def _outputs(out: Path, force: bool) -> tuple[Path, Path]:
    """Return the two paths to write, checked before any work is done."""
    if out.suffix != ".npz":
        raise InputError(f"{out}: is no .npz: name the output FILE.npz")
    picture = out.with_suffix(".png")
    return check_output(out, force=force), check_output(picture, force=force)


def _write(
    phantom: Phantom,
    outputs: tuple[Path, Path],
    command: str,
    *,
    marked: bool = False,
    json_: bool,
    more: dict[str, object] | None = None,
) -> None:
    """Write a phantom and its picture, and say what it holds; ``more`` is for the JSON document."""
    from collections import Counter

    from xsim.phantoms.phantom import write_preview

    phantom.save(outputs[0])
    write_preview(phantom, outputs[1], defects=marked)
    defects = Counter(defect.kind for defect in phantom.defects)
    if json_:
        facts = ("name", "family", "seed", "shape", "pixel_mm", "materials")
        payload = {"path": outputs[0], "preview": outputs[1], **{name: getattr(phantom, name) for name in facts}}
        emit_json(f"phantom-{command}", payload | {"defects": defects} | (more or {}))
        return
    found = ", ".join(f"{count} {kind}" for kind, count in defects.items()) or "none"
    say(f"{phantom.name}: {phantom.shape[1]} x {phantom.shape[0]} pixels of {1e3 * phantom.pixel_mm:g} um")
    say(f"materials: {', '.join(phantom.materials)}; defects: {found}")
    say(f"wrote {outputs[0]} and {outputs[1]}")


@app.command("random", epilog="Example: xsim phantom random --seed 7 -o board.npz --mark-defects")
def random(
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same board.")] = 0,
    size: SizeOption = 1024,
    pixel_um: PixelOption = 24.0,
    tilt_deg: Annotated[
        float | None,
        typer.Option("--tilt-deg", help="Oblique angle [deg], 0 to 45; as seed and recipe have it if not given."),
    ] = None,
    out: OutOption = Path("phantom.npz"),
    mark_defects: DefectsOption = False,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Draw a random board with labelled defects."""
    from xsim.phantoms import random_board
    from xsim.units import mm_from_um

    outputs = _outputs(out, force)
    phantom = random_board(seed, (size, size), mm_from_um(pixel_um), tilt_deg=tilt_deg)
    _write(phantom, outputs, "random", marked=mark_defects, json_=json_)


def _window(text: str | None, size: int, pixel_mm: float) -> tuple[float | None, float | None, tuple[int, int]]:
    """Return corner [mm] and shape of a window given as X,Y,W,H [mm]."""
    if text is None:
        return None, None, (size, size)
    try:
        x, y, width, height = (float(word) for word in text.split(","))
    except ValueError:
        raise InputError(f"window '{text}': give X,Y,W,H in mm, e.g. 10,20,20.48,20.48") from None
    # NaN fails the comparison.
    if not (0.0 < width < 1e4 and 0.0 < height < 1e4):
        raise InputError(f"window '{text}': width and height must be above 0 mm: give X,Y,W,H in mm")
    return x, y, (max(1, round(height / pixel_mm)), max(1, round(width / pixel_mm)))


@app.command("gerber", epilog="Example: xsim phantom gerber my_board/ --window 10,20,20,20 --pixel-um 20 -o board.npz")
def gerber(
    folder: Annotated[Path, typer.Argument(help="Folder with the board's Gerber and Excellon files.")],
    window: Annotated[
        str | None, typer.Option("--window", help="X,Y,W,H [mm] from the board's upper left corner.")
    ] = None,
    size: SizeOption = 1024,
    pixel_um: PixelOption = 20.0,
    height_mm: Annotated[float, typer.Option("--height-mm", help="Thickness of the laminate [mm].")] = 1.6,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="FILE=ROLE, e.g. my.art=copper:1; may be repeated.")
    ] = None,
    parts: Annotated[bool, typer.Option("--parts/--no-parts", help="Draw the parts that lands give away.")] = True,
    tilt_deg: Annotated[float, typer.Option("--tilt-deg", help="Oblique angle [deg], 0 to 45.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Chance of joints and voids.")] = 0,
    out: OutOption = Path("phantom.npz"),
    mark_defects: DefectsOption = False,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Look at a window of a real board."""
    from xsim.phantoms.gerber import GerberBoard
    from xsim.units import mm_from_um

    outputs = _outputs(out, force)
    pixel_mm = mm_from_um(pixel_um)
    if not 0.1 <= pixel_um <= 1e4:
        raise InputError(f"pixel {pixel_um:g} um is out of range: give 0.1 to 10000 um")
    x, y, shape = _window(window, size, pixel_mm)
    roles = dict(_role(text) for text in layer or ())
    board = GerberBoard.load(folder, roles=roles, height_mm=height_mm)
    phantom = board.window(x, y, shape=shape, pixel_mm=pixel_mm, parts=parts, seed=seed, tilt_deg=tilt_deg)
    _write(phantom, outputs, "gerber", marked=mark_defects, json_=json_)


def _role(text: str) -> tuple[str, str]:
    name, found, role = text.partition("=")
    if not found:
        raise InputError(f"layer '{text}': give FILE=ROLE, e.g. my.art=copper:1")
    return name, role


@app.command("target", epilog="Example: xsim phantom target edge --angle-deg 3 --material W -o edge.npz")
def target(
    name: Annotated[
        str, typer.Argument(help="edge, bars, duplex-wire, wedge, discs, star, flat, disc-array, wedge-17, spiral.")
    ],
    size: SizeOption = 1024,
    pixel_um: PixelOption = 24.0,
    angle_deg: Annotated[
        float | None, typer.Option("--angle-deg", help="Turn of the target [deg]; its own if not given.")
    ] = None,
    material: Annotated[
        str | None, typer.Option("--material", help="What it is made of, e.g. W or Cu; its own if not given.")
    ] = None,
    thickness_mm: Annotated[
        float | None, typer.Option("--thickness-mm", help="Its thickness [mm]; its own if not given.")
    ] = None,
    out: OutOption = Path("phantom.npz"),
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Draw a test target."""
    from xsim.materials import material as lookup
    from xsim.phantoms.targets import target as draw
    from xsim.units import mm_from_um

    outputs = _outputs(out, force)
    if material is not None:
        lookup(material)
    phantom = draw(
        name, (size, size), mm_from_um(pixel_um), angle_deg=angle_deg, material=material, thickness_mm=thickness_mm
    )
    _write(phantom, outputs, "target", json_=json_)


# What each kind of object shows, for its help: short enough for the list of commands.
_OBJECTS = {
    "casting": "a random casting with labelled flaws",
    "weld": "a random weld with gauges and labelled flaws",
    "machined": "a random machined part or assembly",
    "wedge": "a random step wedge or ramp with holes",
    "texture": "a random foam, heap, weave or rough plate",
}


def _object_command(kind: str, about: str) -> Callable[..., None]:
    """Return the command that draws a kind of object."""

    def draw(
        seed: Annotated[int, typer.Option("--seed", help="Same seed, same object.")] = 0,
        size: SizeOption = 1024,
        pixel_um: PixelOption = 100.0,
        material: Annotated[
            str | None, typer.Option("--material", help="What it is made of; as the seed has it if not given.")
        ] = None,
        thickness_mm: Annotated[
            float | None, typer.Option("--thickness-mm", help="Its usual thickness [mm]; as the seed has it.")
        ] = None,
        tilt_deg: Annotated[
            float | None, typer.Option("--tilt-deg", help="Oblique angle [deg], 0 to 45; as the seed has it.")
        ] = None,
        out: OutOption = Path("phantom.npz"),
        mark_defects: DefectsOption = False,
        force: ForceOption = False,
        json_: JsonOption = False,
    ) -> None:
        from xsim.phantoms.objects.registry import drawer
        from xsim.units import mm_from_um

        outputs = _outputs(out, force)
        phantom = drawer(kind)(
            seed,
            (size, size),
            mm_from_um(pixel_um),
            material=material,
            thickness_mm=thickness_mm,
            tilt_deg=tilt_deg,
        )
        _write(phantom, outputs, kind, marked=mark_defects, json_=json_)

    draw.__doc__ = f"Draw {about}."
    return draw


_TAKEN = (*_OBJECTS, "random", "gerber", "target", "mesh", "phantoms", "plugin")
"""Names that packages cannot take, as `xsim.phantoms.objects.registry` has them: that module imports numpy."""

for _kind, _about in {
    **_OBJECTS,
    **{name: f"what the package {found.package} adds" for name, found in plugins("xsim.phantoms", _TAKEN).items()},
}.items():
    app.command(_kind, epilog=f"Example: xsim phantom {_kind} --seed 7 -o {_kind}.npz --mark-defects")(
        _object_command(_kind, _about)
    )


def _pose(text: str) -> tuple[float, float, float]:
    """Return three turns [deg] given as X,Y,Z."""
    try:
        x, y, z = (float(word) for word in text.split(","))
    except ValueError:
        raise InputError(f"pose '{text}': give turns about x, y and z in degrees, e.g. 90,0,30") from None
    return x, y, z


def material_table(texts: list[str]) -> dict[str, str]:
    """Return materials by the part that they are given for, checked; ``""`` stands for all others."""
    from xsim.materials import material

    table = {}
    for text in texts:
        part, found, name = text.rpartition("=")
        if found and not part:
            raise InputError(f"material '{text}': give MATERIAL, or PART=MATERIAL")
        material(name)
        table[part] = name
    return table


@app.command("mesh", epilog="Example: xsim phantom mesh part.stl --material Al --pose 90,0,30 -o part.npz")
def mesh(
    file: Annotated[Path, typer.Argument(help="Mesh of closed surfaces: STL, OBJ, PLY, OFF, GLB.")],
    material: Annotated[
        list[str], typer.Option("--material", help="MATERIAL of all parts, or PART=MATERIAL; may be repeated.")
    ],
    pose: Annotated[str, typer.Option("--pose", help="X,Y,Z: turns about these axes, in that order [deg].")] = "0,0,0",
    scale: Annotated[float, typer.Option("--scale", help="Millimetres to one unit of the file.")] = 1.0,
    size: SizeOption = 1024,
    pixel_um: Annotated[
        float | None,
        typer.Option("--pixel-um", help="Pixel of the phantom [um]; what shows the whole mesh if not given."),
    ] = None,
    tilt_deg: Annotated[float, typer.Option("--tilt-deg", help="Oblique angle [deg], 0 to 45.")] = 0.0,
    source_mm: Annotated[
        float | None, typer.Option("--source-mm", help="Height of the source [mm]; parallel rays if not given.")
    ] = None,
    out: OutOption = Path("phantom.npz"),
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Draw the exact thickness of a mesh, from any side."""
    from xsim.phantoms.mesh import draw_mesh, read_mesh

    outputs = _outputs(out, force)
    materials, turns = material_table(material), _pose(pose)
    posed = read_mesh(file, scale=scale).posed(turns)
    phantom = draw_mesh(posed, _mesh_view(posed, size, pixel_um, tilt_deg, source_mm), materials)
    parts = [{"name": part.name, "volume_mm3": part.volume_mm3} for part in posed.parts]
    if not json_:
        low, high = posed.bounds_mm
        extent = " x ".join(f"{side:.4g}" for side in high - low)
        count = f"{len(parts)} part{'s' if len(parts) > 1 else ''}"
        say(f"{file}: {count}, {posed.triangle_count} triangles, {extent} mm at {scale:g} mm to a unit")
    _write(phantom, outputs, "mesh", json_=json_, more={"parts": parts, "mm_per_unit": scale})


def _mesh_view(posed: Mesh, size: int, pixel_um: float | None, tilt_deg: float, source_mm: float | None) -> View:
    """Return the view that was asked for, or the one that shows the whole mesh."""
    from math import inf

    from xsim.phantoms import View
    from xsim.phantoms.mesh import fitting_view
    from xsim.units import mm_from_um

    source = inf if source_mm is None else source_mm
    pixel_mm = 1.0 if pixel_um is None else mm_from_um(pixel_um)
    view = View((size, size), pixel_mm, tilt_deg=tilt_deg, source_mm=source)
    return fitting_view(posed, (size, size), view) if pixel_um is None else view
