"""``xsim calibrate`` of one detector: its files and numbers become a detector, and lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsim.errors import InputError
from xsim_cli.measure.blind import look
from xsim_cli.measure.inputs import Greys, common_pitch, edges_of, regions_of

if TYPE_CHECKING:
    from xsim.measure.edge import EdgeMTF
    from xsim.measure.one_detector.data_sheet import DataSheet
    from xsim.measure.one_detector.result import OneDetector
    from xsim.spectrum import Spectrum
    from xsim_cli.common import Outputs


@dataclass(frozen=True)
class Shots:
    """Image files of one detector: edges, open fields, radiographs; region and open field of some; what greys mean."""

    edges: Sequence[Path]
    flats: Sequence[Path]
    images: Sequence[Path]
    edge_roi: str | None
    open_field: float | None
    greys: Greys


@dataclass(frozen=True, kw_only=True)
class Told:
    """Numbers of a data sheet, as the options have them."""

    srb_mm: float | None
    mtf_at: Sequence[str]
    mtf_csv: Path | None
    snrn: float | None
    dqe0: float | None
    mass_thickness_mg_cm2: float | None


def calibrate_one(
    shots: Shots,
    told: Told,
    out: Path,
    outputs: Outputs,
    spectrum: Spectrum,
    *,
    phosphor: str,
    pitch_mm: float | None,
    kerma_uGy: float | None,
    fill_factor: float,
) -> None:
    """Make one detector of what there is, write it, and say what it is and what it came from."""
    from xsim.detector.detector import Screen, Sensor
    from xsim.measure.one_detector.make import NOMINAL_KERMA_UGY, make_detector
    from xsim.measure.one_detector.seen import detector_seen

    if shots.images:
        seen = look(shots.images, shots.greys, pitch_mm=pitch_mm, open_field=shots.open_field)
        if seen.found.pitch_mm is None:
            raise InputError(f"{shots.images[0]}: says no pixel pitch: give --pitch-mm")
        thickness = told.mass_thickness_mg_cm2
        found = detector_seen(
            seen.found,
            screen=None if thickness is None else Screen(thickness, phosphor),
            phosphor=phosphor,
            sensor=Sensor(pitch_mm=seen.found.pitch_mm, fill_factor=fill_factor),
            kerma_uGy=NOMINAL_KERMA_UGY if kerma_uGy is None else kerma_uGy,
            spectrum=spectrum,
            warnings=seen.remarks,
        )
    else:
        pitch, edges, frames, white = _read_shots(shots, pitch_mm)
        found = make_detector(
            edges=edges,
            flats=frames,
            sheet=_sheet(told, kerma_uGy, pitch),
            sensor=Sensor(pitch_mm=pitch, fill_factor=fill_factor),
            spectrum=spectrum,
            phosphor=phosphor,
            full_scale=white,
        )
    _say(found, out, outputs)


def calibrate_artist(
    file: Path, out: Path, outputs: Outputs, spectrum: Spectrum, *, kerma_uGy: float | None, fill_factor: float
) -> None:
    """Make a detector of a file of aRTist, write it, and say what was taken from the file and what was assumed."""
    from dataclasses import replace

    from xsim.detector.detector import Sensor
    from xsim.measure.one_detector.make import make_detector
    from xsim_datasets.scan.artist import read_artdet

    artist = read_artdet(file)
    sensor = Sensor(pitch_mm=artist.pitch_mm, fill_factor=fill_factor)
    sheet, screen = artist.sheet(spectrum, sensor.aperture_mm, kerma_uGy), artist.screen()
    found = make_detector(
        sheet=sheet, sensor=sensor, spectrum=spectrum, phosphor="Gd2O2S" if screen is None else screen[0]
    )
    remarks = [*artist.remarks, f"{file.name}: the beam is not in it: {spectrum.kvp:g} kV is taken, see --kvp"]
    if sheet.srb_mm != artist.srb_mm:
        remarks.append(f"{file.name}: says less blur than pixels of {artist.pitch_mm:g} mm have: theirs is taken")
    if screen is None:
        remarks.append(f"{file.name}: interacts as no screen that xsim knows: it is taken for Gd2O2S behind objects")
    _say(replace(found, warnings=(*remarks, *found.warnings)), out, outputs)


def _say(found: OneDetector, out: Path, outputs: Outputs) -> None:
    """Write a detector, and what it is, for people or programs."""
    found.write(out)
    table = _table(found)
    payload = {"path": out, "detector": _document(found, table), "warnings": found.warnings}
    outputs.write(
        "calibrate",
        payload,
        _lines(out, found),
        table=table,
        figure=lambda figures: figures.one_detector_figure(found),
    )


def _read_shots(shots: Shots, pitch_mm: float | None) -> tuple[float, list[EdgeMTF], list[Any], float | None]:
    """Return the pitch [mm], the edges measured, the open frames, and the white level of their format."""
    greys = shots.greys
    plates = [greys.read(path) for path in shots.edges]
    files = [greys.read(path, pages=True) for path in shots.flats]
    paths = [*shots.edges, *shots.flats]
    if not paths and pitch_mm is None:
        raise InputError("a data sheet without a pixel pitch says little: give --pitch-mm")
    pitch = common_pitch(pitch_mm, paths, [*plates, *files])
    edges = edges_of(shots.edges, plates, pitch, regions_of([shots.edge_roi] if shots.edge_roi else None), greys)
    frames = [page for file in files for page in greys.signals(file)]
    return pitch, edges, frames, greys.full_scale(files[0]) if files else None


def _sheet(told: Told, kerma_uGy: float | None, pitch_mm: float) -> DataSheet:
    from xsim.degradation.target import of_csv
    from xsim.measure.one_detector.data_sheet import DataSheet

    curve = None
    if told.mtf_csv is not None:
        table = of_csv(told.mtf_csv, pitch_mm)
        curve = (table.frequency / pitch_mm, table.mtf)
    return DataSheet(
        srb_mm=told.srb_mm,
        mtf_points=tuple(_point(text) for text in told.mtf_at),
        mtf_curve=curve,
        snrn=told.snrn,
        dqe0=told.dqe0,
        kerma_uGy=kerma_uGy,
        mass_thickness_mg_cm2=told.mass_thickness_mg_cm2,
    )


def _point(text: str) -> tuple[float, float]:
    try:
        frequency, value = (float(part) for part in text.split(":"))
    except ValueError:
        raise InputError(f"--mtf-at {text}: give F:VALUE, a frequency [lp/mm] and the MTF there, e.g. 2:0.45") from None
    return frequency, value


def _table(found: OneDetector) -> dict[str, Any]:
    """Return the curves with their bands up to Nyquist, by column."""
    import numpy as np

    known = found.known
    assert known.pitch_mm is not None
    f = np.linspace(0.0, 0.5, 51)
    blur, rms = known.blur_spread or 1.0, known.noise_spread or 1.0
    nnps = np.interp(f, known.frequency, known.noise_power) * known.pitch_mm**2
    return {
        "frequency_lp_mm": f / known.pitch_mm,
        "mtf": known.mtf_at(f),
        "mtf_low": known.mtf_at(f * blur),
        "mtf_high": known.mtf_at(f / blur),
        "nnps_mm2": nnps,
        "nnps_low_mm2": nnps / rms**2,
        "nnps_high_mm2": nnps * rms**2,
    }


def _document(found: OneDetector, table: dict[str, Any]) -> dict[str, Any]:
    measured = found.detector.measured
    assert measured is not None
    return {
        **found.known.to_dict(),
        **{name: table[name] for name in ("mtf_low", "mtf_high", "nnps_mm2", "nnps_low_mm2", "nnps_high_mm2")},
        "mtf_source": measured.mtf_source,
        "nnps_source": measured.nnps_source,
        "srb_mm": found.srb_mm,
        "mass_thickness_mg_cm2": found.detector.screen.mass_thickness_mg_cm2,
        "phosphor": found.detector.screen.phosphor,
    }


def _lines(out: Path, found: OneDetector) -> Iterator[str]:
    about, measured = found.known.to_dict(), found.detector.measured
    assert measured is not None
    yield (
        f"f50 {about['f50_lp_mm']:.3g} lp/mm ({about['f50_low_lp_mm']:.3g} to {about['f50_high_lp_mm']:.3g}), "
        f"SRb {found.srb_mm:.3f} mm: from {measured.mtf_source}"
    )
    rms, low, high = (100 * about[name] for name in ("noise_open_field", "noise_low", "noise_high"))
    yield (
        f"noise {rms:.3g} % of the open field ({low:.3g} to {high:.3g}) at {measured.kerma_uGy:g} uGy: "
        f"from {measured.nnps_source}"
    )
    screen = found.detector.screen
    yield f"behind objects as {screen.mass_thickness_mg_cm2:.3g} mg/cm2 of {screen.phosphor}; written to {out}"
