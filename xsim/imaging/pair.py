"""One phantom, two screens: the co-registered pair of radiographs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsim import notebook
from xsim.detector.detector import DetectorResponse
from xsim.errors import InputError
from xsim.imaging.acquisition import Shot, acquire, fixed_pattern
from xsim.imaging.exposure import imager
from xsim.imaging.geometry import DetectorPlane, Geometry, resample
from xsim.imaging.material_scatter import scattered_beams
from xsim.imaging.noise import hit_noise, hit_source, noise_sources
from xsim.imaging.projection import Beam, project
from xsim.imaging.scatter import Scatter, add_glare, add_scatter
from xsim.imaging.setup import PairSetup
from xsim.keywords import names_keywords
from xsim.phantoms import Phantom
from xsim.seeds import check_seed, generator, torch_seed
from xsim.spectrum import Spectrum

__all__ = ["Pair", "simulate_pair"]


@names_keywords
@dataclass(frozen=True, eq=False)
class Pair:
    """What the two cameras write of one object.

    Parameters
    ----------
    hr, lr : (H, W) float32 arrays
        Corrected images, open field 1.
    hr_clean, lr_clean : (H, W) float32 arrays or None
        The same without any noise or fixed pattern.
    pitch_mm : float
        Pixel pitch [mm].
    settings : dict
        Everything that the pair depends on, as JSON types.
    counts : dict
        Pixels of each image that were saturated or defective.
    labels : list of dict
        The phantom's defects where they appear: class, centre in the images' pixels (centre of the first at 0.5),
        size [mm] and value.
    """

    hr: NDArray[np.float32]
    lr: NDArray[np.float32]
    hr_clean: NDArray[np.float32] | None
    lr_clean: NDArray[np.float32] | None
    pitch_mm: float
    settings: dict[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    labels: list[dict[str, Any]] = field(default_factory=list)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: both images on one grey scale."""
        low, high = notebook.window(self.hr, self.lr)
        images = {"HR": self.hr, "LR": self.lr}
        shown = [notebook.picture(image, name, low=low, high=high) for name, image in images.items()]
        height, width = self.hr.shape
        lines = {
            "size": f"{height} x {width} px of {self.pitch_mm:g} mm",
            "seed": self.settings.get("seed", "?"),
            "grey": f"black {low:.3f}, white {high:.3f}; open field 1",
            "labelled defects": len(self.labels),
        }
        return notebook.page("HR/LR pair", notebook.row(shown), notebook.table(lines))


@names_keywords
def simulate_pair(
    phantom: Phantom, setup: PairSetup, seed: int, *, sample: int = 0, place: int | None = None, clean: bool = False
) -> Pair:
    """Image a phantom with both detectors of a set-up.

    Every stage of every image draws from a generator of its own: the same pair comes out whatever the worker or the
    order, and a stage that draws more numbers does not shift those of another.

    Parameters
    ----------
    phantom : Phantom
        The object, drawn at the detector's pixel or finer.
    setup : PairSetup
        Beam, detectors, dose, geometry.
    seed : int
        Seed of the run, 0 to 2**64 - 1.
    sample : int
        Index of the pair in the run.
    place : int, optional
        Sample on whose window of the detectors the pair falls, its own if not given: pairs of one scan share one.
    clean : bool
        Whether the images without noise are returned too.

    Raises
    ------
    InputError
        If the phantom is coarser than the detector's pixel, or smaller than one, or is none.
    UnknownNameError
        If a material is not known.
    """
    if not (isinstance(phantom, Phantom) and isinstance(setup, PairSetup)):
        raise InputError(
            "simulate_pair takes a Phantom, then a PairSetup; "
            f"{type(phantom).__name__} and {type(setup).__name__} were given"
        )
    check_seed(seed)
    plane = setup.geometry.plane(phantom.shape, phantom.pixel_mm, setup.pitch_mm)
    responses = {"hr": setup.hr_response, "lr": setup.lr_response}
    sources = {side: noise_sources(response, setup.noise) for side, response in responses.items()}
    hits = [source for response in responses.values() if (source := hit_source(response)) is not None]
    wanted = list(dict.fromkeys([*responses.values(), *sources["hr"], *sources["lr"], *hits]))
    projected = zip(wanted, project(phantom, wanted, method=setup.method), strict=True)
    side_mm = phantom.pixel_mm * setup.geometry.magnification
    veils = _veils(phantom, setup, wanted, plane, side_mm)
    # Veiling glare is light: direct hits have none.
    bare = replace(setup.scatter, glare=0.0)
    beams = {
        response: _on_plane(beam, plane, side_mm, bare if response in hits else setup.scatter, veils.get(response))
        for response, beam in projected
    }
    (hr, hr_clean), (lr, lr_clean) = (
        _shoot(setup, side, plane, response, beams, sources[side], (seed, sample, place), clean=clean)
        for side, response in responses.items()
    )
    return Pair(
        hr=hr.image,
        lr=lr.image,
        hr_clean=hr_clean,
        lr_clean=lr_clean,
        pitch_mm=setup.pitch_mm,
        settings={
            "seed": seed,
            "sample": sample,
            "phantom": {
                "name": phantom.name,
                "family": phantom.family,
                "seed": phantom.seed,
                "materials": list(phantom.materials),
                "shape": list(phantom.shape),
                "pixel_mm": phantom.pixel_mm,
            },
            "setup": setup.to_dict(),
        },
        counts={
            f"{side}_{kind}": getattr(shot, kind)
            for side, shot in (("hr", hr), ("lr", lr))
            for kind in ("saturated", "defective")
        },
        labels=_labels(phantom, plane, side_mm / plane.pixel_mm),
    )


def _veils(
    phantom: Phantom, setup: PairSetup, responses: list[DetectorResponse], plane: DetectorPlane, side_mm: float
) -> dict[DetectorResponse, Beam]:
    """Return what the object's materials scatter onto each detector, where the set-up asks for it."""
    if not setup.scatter.by_material:
        return {}
    # From the middle of what is in the way; on the screen, half of the object's own height is left.
    height_mm = float(np.mean(phantom.height_mm)) if phantom.height_mm else 0.0
    gap_mm = setup.geometry.source_detector_mm - setup.geometry.source_mm + height_mm
    found = scattered_beams(phantom, responses, plane, side_mm, gap_mm)
    return dict(zip(responses, found, strict=True))


def _on_plane(beam: Beam, plane: DetectorPlane, side_mm: float, scatter: Scatter, veil: Beam | None) -> Beam:
    """Return the beam on the cells of the detector plane, with scatter and glare."""
    beam = Beam(*(resample(part, plane, side_mm) for part in beam))
    if veil is not None:
        beam = Beam(beam.grey + veil.grey, beam.variance + veil.variance)
    return add_glare(add_scatter(beam, scatter, plane.cell_mm), scatter, plane.cell_mm)


def _shoot(
    setup: PairSetup,
    side: str,
    plane: DetectorPlane,
    response: DetectorResponse,
    beams: dict[DetectorResponse, Beam],
    sources: tuple[DetectorResponse, ...],
    draws: tuple[int, int, int | None],
    *,
    clean: bool,
) -> tuple[Shot, NDArray[np.float32] | None]:
    """Return one image of the beams that a detector and its sources of noise see, and the same without noise.

    ``draws`` holds the seed, the sample, and the sample on whose window it falls, if that is another.
    """
    seed, sample, place = draws

    def stage(name: str) -> np.random.Generator:
        return generator(seed, sample=sample, stage=f"{side}-{name}")

    frames = setup.hr_frames if side == "hr" else setup.lr_frames
    shift = (0.0, 0.0) if side == "hr" else setup.registration_px
    camera = imager(response, plane, setup.geometry, shift)
    kerma: NDArray[np.float32] | float = 1.0
    if setup.geometry.falloff or setup.geometry.heel_depth_mm:
        kerma = _kerma_map(setup.geometry, plane.shape, plane.pixel_mm, setup.spectrum)
    exposure = setup.acquisition.exposure(stage("exposure"), frames)
    spectrum = camera.light_spectrum(beams[response].grey)
    without = camera.image(spectrum.copy()) if clean else None
    # Averaging lagging frames leaves the noise of fewer independent ones.
    independent = 1.0 / response.sensor.frame_average(frames)
    quanta = stage("quantum")
    for source in sources:
        spectrum += imager(source, plane, setup.geometry, shift).noise_spectrum(
            beams[source], quanta, frames=independent, kerma=kerma * max(exposure, 1e-9)
        )
    light = camera.image(spectrum)
    if (direct := hit_source(response)) is not None:
        grey, variance = (part * (kerma * exposure) for part in camera.pixel_beam(beams[direct]))
        light += hit_noise(stage("hits"), response, (grey, variance), independent) / np.maximum(kerma * exposure, 1e-9)
    detector_seed = torch_seed(setup.detector_seed, stage=side)  # two sensors, each with its own fixed pattern
    pattern = fixed_pattern(response, setup.acquisition, plane.shape, detector_seed)
    shot = acquire(
        light,
        response,
        pattern.window(plane.shape, generator(seed, sample=sample if place is None else place, stage=f"{side}-window")),
        stage("pixel"),
        frames=frames,
        acquisition=setup.acquisition,
        exposure=exposure,
        kerma=kerma,
    )
    return shot, without


@lru_cache(maxsize=4)
def _kerma_map(geometry: Geometry, shape: tuple[int, int], pitch_mm: float, spectrum: Spectrum) -> NDArray[np.float32]:
    """Return the kerma across the field, the same for both shots and all pairs of a set-up."""
    kerma = geometry.kerma_map(shape, pitch_mm, spectrum).astype(np.float32)
    kerma.setflags(write=False)
    return kerma


def _labels(phantom: Phantom, plane: DetectorPlane, scale: float) -> list[dict[str, Any]]:
    """Return the defects in the images' pixels; the centres of phantom and image coincide."""
    return [
        {
            "kind": defect.kind,
            "y_px": (defect.y_px - phantom.shape[0] / 2) * scale + plane.shape[0] / 2,
            "x_px": (defect.x_px - phantom.shape[1] / 2) * scale + plane.shape[1] / 2,
            "size_mm": float(defect.size_mm),
            "value": float(defect.value),
        }
        for defect in phantom.defects
    ]
