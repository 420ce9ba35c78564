"""What the measuring commands share: their options, their image files, and complaints that name the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from xsim.errors import InputError
from xsim_cli.common import existing, numbers_of, say

if TYPE_CHECKING:
    from xsim.measure.checks import ROI
    from xsim_datasets.images import Radiograph
    from xsim_datasets.real.corrections import Corrections

PitchOption = Annotated[
    float | None, typer.Option(help="Pixel pitch [mm]; needed unless the file says it, as DICOM does.")
]
RoiOption = Annotated[
    list[str] | None, typer.Option("--roi", metavar="X,Y,W,H", help="Region in pixels; repeat for several.")
]
PolarityOption = Annotated[
    Literal["metal-dark", "metal-bright"],
    typer.Option(help="metal-dark, or metal-bright where the signal counts down from white."),
]


def image_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files, with folders opened; every path must exist."""
    from xsim_datasets.images import suffixes

    files: list[Path] = []
    for path in paths:
        if existing(path).is_dir():
            inside = sorted(item for item in path.iterdir() if item.suffix.lower() in suffixes())
            if not inside:
                raise InputError(f"{path}: holds no images: give a folder with some")
            files += inside
        else:
            files.append(path)
    return tuple(files)


def read(path: Path, corrections: Corrections | None = None, *, pages: bool = False) -> Radiograph:
    """Read one image file, and correct it; what was repaired is said."""
    from xsim_datasets.images import read_image

    radiograph = read_image(path, pages=pages)
    if corrections is None:
        return radiograph

    from xsim_datasets.real.corrections import corrected

    result = blame(path, corrected, radiograph, corrections)
    for note in result.notes[len(radiograph.notes) :]:
        say(f"{path}: {note}")
    return cast("Radiograph", result)


def repairs_of(paths: Sequence[Path], files: Sequence[Radiograph]) -> dict[str, Any]:
    """Return which bad pixels of each file were repaired, for JSON."""
    from xsim_datasets.real.corrections import Corrected

    bad = {path: file.bad_pixels for path, file in zip(paths, files, strict=True) if isinstance(file, Corrected)}
    return {"bad_pixels": [{"input": str(path)} | found.to_dict() for path, found in bad.items()]}


def common_pitch(given: float | None, paths: Sequence[Path], files: Sequence[Radiograph]) -> float:
    """Return the pitch that was given, else the one that all files name."""
    if given is not None:
        return given
    named = {file.pitch_mm for file in files}
    if named == {None} or len(named) > 1:
        raise InputError(f"{paths[0]}: says no pixel pitch: give --pitch-mm")
    (pitch,) = named
    assert pitch is not None
    return pitch


def signals(file: Radiograph, polarity: str) -> list[Any]:
    """Return the pages as signal, rising with exposure."""
    if polarity == "metal-dark":
        return list(file.images())
    if file.white is None:
        raise InputError("polarity metal-bright needs a format with a white level: give integer grey levels")
    return [file.white - page.astype(float) for page in file.images()]


def blame(path: Path, measure: Any, *args: Any, **options: Any) -> Any:
    """Run a measurement; its complaints name the file."""
    try:
        return measure(*args, **options)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def edges_of(
    paths: Sequence[Path], files: Sequence[Radiograph], pitch_mm: float, regions: Sequence[ROI], **options: Any
) -> list[Any]:
    """Return the MTF of the edge in every region of every image; in all of an image if there are none."""
    from xsim.measure.edge import edge_mtf

    return [
        blame(path, edge_mtf, file.pixels, pitch_mm, roi=region, full_scale=file.white, **options)
        for path, file in zip(paths, files, strict=True)
        for region in (regions or (None,))
    ]


def region_of(text: str) -> ROI:
    """Return the region that ``X,Y,W,H`` names."""
    numbers = numbers_of(text, "--roi")
    if len(numbers) != 4 or any(number != int(number) for number in numbers):
        raise InputError(f"--roi {text}: give four whole numbers X,Y,W,H")
    x, y, w, h = (int(number) for number in numbers)
    return x, y, w, h


def regions_of(texts: Sequence[str] | None) -> list[ROI]:
    """Return the regions of a repeated option."""
    return [region_of(text) for text in texts or ()]
