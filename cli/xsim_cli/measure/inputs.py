"""What the measuring commands share: their options, their image files, and complaints that name the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from xsim.errors import InputError
from xsim_cli.common import existing, numbers_of, say

if TYPE_CHECKING:
    from xsim.measure.checks import ROI
    from xsim_datasets.images import Density, Radiograph
    from xsim_datasets.real.corrections import Corrections

PitchOption = Annotated[
    float | None, typer.Option(help="Pixel pitch [mm]; needed unless the file says it, as DICOM does.")
]
RoiOption = Annotated[
    list[str] | None, typer.Option("--roi", metavar="X,Y,W,H", help="Region in pixels; repeat for several.")
]
Polarity = Literal["metal-dark", "metal-bright"]
PolarityOption = Annotated[
    Polarity | None,
    typer.Option(
        help="metal-dark, or metal-bright where the signal counts down from white.  [default: as the file says; else "
        "metal-dark]"
    ),
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


@dataclass(frozen=True)
class Greys:
    """How files become signals, which rise in proportion to the exposure: what corrects them, what they hold.

    Parameters
    ----------
    polarity : str, optional
        What metal is; as each file says if not given, and metal-dark where it says nothing.
    corrections : Corrections, optional
        Dark, flat and bad pixels.
    density : Density, optional
        What grey levels are where they are no exposures.
    """

    polarity: Polarity | None = None
    corrections: Corrections | None = None
    density: Density | None = None

    def read(self, path: Path, *, pages: bool = False) -> Radiograph:
        """Read one image file and correct it; what was repaired, and what speaks against its grey levels, is said."""
        from xsim_datasets.images import read_image

        radiograph = read_image(path, pages=pages, log=self.density is not None)
        if radiograph.doubts:
            say(f"{path}: grey levels in doubt: {'; '.join(radiograph.doubts)}")
        if self.corrections is None:
            return radiograph

        from xsim_datasets.real.corrections import corrected

        result = blame(path, corrected, radiograph, self.corrections)
        for note in result.notes[len(radiograph.notes) :]:
            say(f"{path}: {note}")
        return cast("Radiograph", result)

    def polarity_of(self, file: Radiograph) -> Polarity:
        """Return what metal is in a file."""
        return self.polarity or file.polarity or "metal-dark"

    def linear(self, file: Radiograph) -> list[Any]:
        """Return the pages as grey levels linear in the exposure, which may fall with it."""
        return [self._exposure(file, page) for page in file.images()]

    def signals(self, file: Radiograph) -> list[Any]:
        """Return the pages as signal."""
        return [self._signal(file, page) for page in file.images()]

    def full_scale(self, file: Radiograph) -> float | None:
        """Return the signal above which a file holds none; None where it has no such level."""
        if file.white is None:
            return None
        if self.density is not None:
            return self.signal_of(file, file.turned(file.white)) if self.density.polarity == "metal-dark" else None
        none, sign = self._none(file)
        return file.white - none if sign > 0 else none

    def signal_of(self, file: Radiograph, level: float) -> float:
        """Return the signal behind a grey level as it stands in the file."""
        import numpy as np

        return float(self._signal(file, np.array(file.turned(level))))

    def level_of(self, file: Radiograph, signal: float) -> float | None:
        """Return the grey level, as it stands in the file, of a signal; None where grey levels are densities."""
        if self.density is not None:
            return None
        none, sign = self._none(file)
        return file.turned(none + sign * signal)

    def decided(self, file: Radiograph) -> tuple[Greys, tuple[str, ...]]:
        """Return this with the polarity that a file's noise shows where nobody says it, and what to say about that."""
        from xsim_datasets.images.polarity import polarised

        if self.polarity is not None or file.polarity is not None:
            return self, ()
        found = polarised(file)
        told = found.notes if found.polarity == "metal-bright" or not found.seen else ()
        return replace(self, polarity=found.polarity), (*told, *found.doubts)

    def open_signal(self, path: Path, file: Radiograph, signal: Any, told: float | None) -> tuple[float, bool]:
        """Return the signal of the open field, and whether it was told or found; else the brightest part stands for it.

        Parameters
        ----------
        path, file : Path, Radiograph
            The file, after `read`.
        signal : (H, W) array
            A page of it, as `signals` gives it.
        told : float, optional
            Grey level of the open field, as it stands in the file.

        Raises
        ------
        InputError
            If the level leaves no signal, or the image has none.
        """
        from xsim_datasets.images.scale import find_open_field

        if self.corrections is not None and self.corrections.flat_field is not None and file.open_field is not None:
            told = file.turned(file.open_field)
        if told is None:
            found: tuple[float, bool] = blame(path, find_open_field, signal)
            return found
        level = self.signal_of(file, told)
        if not level > 0:
            raise InputError(f"{path}: --open-field {told:g} leaves no signal: give the grey level of the bare beam")
        return level, True

    def _exposure(self, file: Radiograph, page: Any) -> Any:
        return page if self.density is None else self.density.exposure(page, file.white)

    def _signal(self, file: Radiograph, page: Any) -> Any:
        if self.density is not None:
            return self.density.exposure(page, file.white)
        none, sign = self._none(file)
        if sign > 0:
            return page if none == 0 else page.astype(float) - none
        return none - page.astype(float)

    def _none(self, file: Radiograph) -> tuple[float, int]:
        """Return the grey level of no signal, and whether grey levels rise (1) or fall (-1) from there."""
        polarity = self.polarity_of(file)
        # A zero of the file's own goes with the polarity that the file says.
        zero = file.zero if file.polarity in {None, polarity} else None
        if polarity == "metal-dark":
            return zero or 0.0, 1
        if zero is None and file.white is None:
            raise InputError("polarity metal-bright needs a format with a white level: give integer grey levels")
        return (file.white or 0.0) if zero is None else zero, -1


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


def blame(path: Path, measure: Any, *args: Any, **options: Any) -> Any:
    """Run a measurement; its complaints name the file."""
    try:
        return measure(*args, **options)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def edges_of(
    paths: Sequence[Path],
    files: Sequence[Radiograph],
    pitch_mm: float,
    regions: Sequence[ROI],
    greys: Greys,
    **options: Any,
) -> list[Any]:
    """Return the MTF of the edge in every region of every image; in all of an image if there are none."""
    from xsim.measure.edge import edge_mtf

    found = []
    for path, file in zip(paths, files, strict=True):
        (page,) = greys.linear(file)
        full = file.white if greys.density is None else greys.full_scale(file)
        found += [
            blame(path, edge_mtf, page, pitch_mm, roi=region, full_scale=full, **options)
            for region in (regions or (None,))
        ]
    return found


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
