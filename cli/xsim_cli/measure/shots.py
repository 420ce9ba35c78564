"""The shots of a detector sheet as options, and the sheet that follows from them: for ``e2597`` and ``e2737``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim_cli.common import numbers_of
from xsim_cli.measure.inputs import Greys, Polarity, blame, common_pitch, image_files, region_of

if TYPE_CHECKING:
    from xsim.measure.sheet import Sheet

DuplexOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--duplex-wire", metavar="IMAGE", help="Image of a duplex wire gauge; repeat for the other direction."
    ),
]
DuplexRoiOption = Annotated[
    list[str] | None,
    typer.Option("--duplex-roi", metavar="X,Y,W,H", help="Where the gauge lies [px]; once for each image."),
]
SrbOption = Annotated[float | None, typer.Option(help="Resolution to normalise SNR to, instead of a gauge's [mm].")]
FlatsOption = Annotated[
    list[Path] | None,
    typer.Option("--flats", metavar="DIR", help="Corrected flats of one dose, two or more; repeat for more doses."),
]
KermaOption = Annotated[
    list[float] | None,
    typer.Option("--kerma-uGy", metavar="UGY", help="Air kerma of a frame [uGy]; once for each --flats."),
]
WedgeOption = Annotated[
    list[Path] | None,
    typer.Option("--wedge", metavar="IMAGE", help="Image of a step wedge; repeat for more frames of the same."),
]
WedgeMmOption = Annotated[
    str | None, typer.Option("--wedge-mm", metavar="T,T,...", help="Thickness of every step in view [mm].")
]
FullScaleOption = Annotated[
    float | None, typer.Option(help="Largest grey value of the detector.  [default: the format's white]")
]
LagOption = Annotated[
    Path | None,
    typer.Option("--lag", metavar="DIR", help="Successive frames in order: exposed ones, then without the beam."),
]
DarkOption = Annotated[
    Path | None, typer.Option("--dark", metavar="DIR", help="Frames without radiation: offset, noise, noisy pixels.")
]
BadOption = Annotated[
    Path | None,
    typer.Option("--bad-pixels", metavar="DIR", help="Flats without gain correction or repair, for bad pixels."),
]
IsrOption = Annotated[
    Path | None,
    typer.Option("--isr", metavar="IMAGE", help="Image of an opaque plate's slanted edge: internal scatter."),
]
IsrMmOption = Annotated[float, typer.Option(help="How far from the edge internal scatter begins [mm].")]


@dataclass(frozen=True)
class Shots:
    """The files of a sheet, as the options gave them; see the options for each.

    Parameters
    ----------
    pitch_mm, srb_mm, kerma_uGy, wedge_mm, full_scale, isr_mm, polarity, duplex_roi
        What is told beside the files.
    duplex, flats, wedge : lists of Path
        Gauges, folders of flats, wedges.
    lag, dark, bad, isr : Path, optional
        Folders of frames, and the edge.
    """

    pitch_mm: float | None
    duplex: Sequence[Path]
    duplex_roi: Sequence[str]
    srb_mm: float | None
    flats: Sequence[Path]
    kerma_uGy: Sequence[float]
    wedge: Sequence[Path]
    wedge_mm: str | None
    full_scale: float | None
    lag: Path | None
    dark: Path | None
    bad: Path | None
    isr: Path | None
    isr_mm: float
    polarity: Polarity | None

    @property
    def greys(self) -> Greys:
        """How their grey levels are read."""
        return Greys(self.polarity)

    def files(self) -> tuple[Path, ...]:
        """Return all files, with folders opened, after checking that options fit each other.

        Raises
        ------
        InputError
            If no shot is given, or an option lacks its partner.
        """
        if len(self.flats) != len(self.kerma_uGy):
            raise InputError(
                f"{len(self.flats)} --flats and {len(self.kerma_uGy)} --kerma-uGy: give one kerma for each folder"
            )
        if bool(self.wedge) != bool(self.wedge_mm):
            raise InputError("--wedge and --wedge-mm: give both, the thickness of every step in view")
        if self.duplex_roi and len(self.duplex_roi) != len(self.duplex):
            raise InputError("--duplex-roi: give one for each --duplex-wire, in the same order")
        shots = (*self.duplex, *self.flats, *self.wedge, self.lag, self.dark, self.bad, self.isr)
        given = [path for path in shots if path is not None]
        if not given:
            raise InputError("no shots: give --duplex-wire, --flats, --wedge, --lag, --dark, --bad-pixels or --isr")
        return image_files(given)

    def named(self) -> dict[str, list[str]]:
        """Return the files' names by option, for the sheet's record; what was not given is not in it."""
        found = {
            "duplex_wire": self.duplex, "flats": self.flats, "wedge": self.wedge,
            **{key: [path] for key, path in (("lag", self.lag), ("dark", self.dark), ("bad_pixels", self.bad),
                                             ("isr", self.isr)) if path is not None},
        }  # fmt: skip
        return {key: [path.name for path in paths] for key, paths in found.items() if paths}


def measured_sheet(shots: Shots) -> Sheet:
    """Return the sheet of the shots: each part from its own, and none without."""
    from xsim.measure.resolution import duplex_wire
    from xsim.measure.sheet import Sheet, dose_snr, efficiency, image_lag, internal_scatter, read_wedge

    if shots.srb_mm is not None and not shots.srb_mm > 0:
        raise InputError(f"--srb-mm {shots.srb_mm:g}: give a resolution above 0")
    pitch = _pitch(shots)
    gauges = [
        blame(path, duplex_wire, _signal(path, shots), pitch, roi=region_of(roi) if roi else None)
        for path, roi in zip(shots.duplex, shots.duplex_roi or [""] * len(shots.duplex), strict=True)
    ]
    told = sorted(zip(shots.kerma_uGy, shots.flats, strict=True))
    doses = [blame(path, _dose, dose_snr, path, kerma, shots) for kerma, path in told]
    dark = list(_frames(shots.dark, shots)) if shots.dark else []
    sheet = Sheet(pitch, gauges=tuple(gauges), srb_given_mm=shots.srb_mm, doses=tuple(doses))
    parts: dict[str, Any] = {}
    if doses:
        parts["efficiency"] = efficiency(doses, sheet.resolution_mm)
    if shots.wedge:
        files = [shots.greys.read(path) for path in shots.wedge]
        frames = [page for file in files for page in shots.greys.signals(file)]
        full = shots.full_scale if shots.full_scale is not None else shots.greys.full_scale(files[0])
        parts["wedge"] = blame(
            shots.wedge[0], read_wedge, frames, numbers_of(shots.wedge_mm or "", "--wedge-mm"), full_scale=full
        )
    if shots.lag:
        parts["lag"] = blame(shots.lag, image_lag, list(_frames(shots.lag, shots)), dark)
    if shots.isr:
        parts["scatter"] = blame(
            shots.isr, internal_scatter, _signal(shots.isr, shots), pitch, distance_mm=shots.isr_mm
        )
    return _with_pixels(sheet, parts, shots, dark)


def _with_pixels(sheet: Sheet, parts: dict[str, Any], shots: Shots, dark: list[Any]) -> Sheet:
    """Return the sheet with its other parts, and with bad pixels where their shots are given."""
    from dataclasses import replace

    import numpy as np

    from xsim.measure.checks import grey_image
    from xsim.measure.sheet import bad_pixels

    if dark:
        stack = np.array([blame(shots.dark or Path(), grey_image, frame) for frame in dark])
        parts["offset"] = float(np.median(stack))
        if len(stack) > 1:
            parts["dark_noise"] = float(np.median(stack.std(axis=0, ddof=1)))
    if shots.bad or dark:
        corrected: list[Any] = []
        if shots.flats:
            brightest = max(zip(shots.kerma_uGy, shots.flats, strict=True))[1]
            corrected = list(_frames(brightest, shots))
        parts["bad"] = blame(
            shots.bad or shots.dark or Path(),
            bad_pixels,
            dark=dark,
            raw=list(_frames(shots.bad, shots)) if shots.bad else [],
            corrected=corrected,
            after=parts["lag"].first if "lag" in parts else None,
        )
    return replace(sheet, **parts)


def _pitch(shots: Shots) -> float:
    """Return the pitch that was given, or that the files name."""
    files = shots.files()
    return common_pitch(
        shots.pitch_mm, files, [] if shots.pitch_mm is not None else [shots.greys.read(path) for path in files]
    )


def _frames(path: Path, shots: Shots) -> Iterator[Any]:
    """Yield the frames of a folder or of a file's pages, as signal."""
    for name in image_files([path]):
        yield from shots.greys.signals(shots.greys.read(name, pages=True))


def _dose(measure: Any, path: Path, kerma: float, shots: Shots) -> Any:
    """Measure the flats of one folder; their format's white level is that of the first."""
    full = shots.greys.full_scale(shots.greys.read(image_files([path])[0]))
    return measure(list(_frames(path, shots)), kerma, full_scale=full)


def _signal(path: Path, shots: Shots) -> Any:
    """Return the one image of a file, as signal."""
    (signal,) = shots.greys.signals(shots.greys.read(path))
    return signal
