"""Set-ups of a pair of shots: beam, two detectors, dose, geometry and everything else that decides what comes out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypedDict, get_args

from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim.detector.detector import KERMA_RANGE_UGY, Detector, DetectorResponse
from xsim.errors import InputError, UnknownNameError, check_range
from xsim.imaging.acquisition import Acquisition
from xsim.imaging.geometry import Geometry
from xsim.imaging.noise import NoiseModel
from xsim.imaging.projection import Method
from xsim.imaging.scatter import Scatter
from xsim.seeds import check_seed
from xsim.spectrum import Spectrum

__all__ = ["PairChanges", "PairSetup"]

# What a pixel of a board shows beside its laminate, each as often as it is named: mostly copper. On random boards this
# link misses LR grey by .003 to .005, an even mixture of materials by .007.
_BOARD = ("FR-4", "FR-4-HF", "Cu", "Cu", "Cu", "Cu", "SAC305", "Alloy42", "Al2O3")

# Settings that came after the first stores, written where they say something: stores keep their bytes.
_LATER = frozenset({"by_material"})


class PairChanges(TypedDict, total=False):
    """Fields of `PairSetup` that differ from another's: what set-ups by name take as keywords."""

    spectrum: Spectrum
    hr: Detector
    lr: Detector
    kerma_uGy: float
    hr_frames: int
    lr_frames: int
    geometry: Geometry
    scatter: Scatter
    acquisition: Acquisition
    registration_px: tuple[float, float]
    method: Method
    noise: NoiseModel
    detector_seed: int


@dataclass(frozen=True, eq=False)
class PairSetup:
    """Everything that an HR/LR pair depends on, besides the object and the seed.

    Parameters
    ----------
    spectrum : Spectrum
        The beam, the same for both shots.
    hr, lr : Detector
        The thin and the thick screen on sensors of one pitch.
    kerma_uGy : float
        Air kerma of one frame at the detector [uGy].
    hr_frames, lr_frames : int
        Frames averaged into each image.
    geometry : Geometry
        Distances, focal spot, tilt, fall of the kerma. Screens that state no ``incidence_deg`` meet the rays at the
        tilt.
    scatter : Scatter
        Scatter of the object and glare of the detectors.
    acquisition : Acquisition
        How shots are taken and corrected.
    registration_px : (dy, dx)
        Displacement of the LR image against the HR image [pixels].
    method : {"exact", "fast"}
        Energy quadrature of the projection.
    noise : {"filtered", "layered", "white-then-blurred"}
        Quantum noise by the screen's spectrum, layer by layer, or by the usual shortcut (see
        ``xsim.imaging.noise``).
    detector_seed : int
        Which individual detectors: their gain, structure, flats and defects. A shot falls on a random window of them.

    Raises
    ------
    InputError
        If the two pitches differ.
    PhysicsRangeError, UnknownNameError
        If a value is out of range or a name is not known.
    """

    spectrum: Spectrum
    hr: Detector
    lr: Detector
    kerma_uGy: float = 42.56
    hr_frames: int = 20
    lr_frames: int = 1
    geometry: Geometry = field(default_factory=Geometry)
    scatter: Scatter = field(default_factory=Scatter)
    acquisition: Acquisition = field(default_factory=Acquisition)
    registration_px: tuple[float, float] = (0.0, 0.0)
    method: Method = "exact"
    noise: NoiseModel = "filtered"
    detector_seed: int = 0

    def __post_init__(self) -> None:
        if self.hr.sensor.pitch_mm != self.lr.sensor.pitch_mm:
            raise InputError(
                f"the detectors' pitches differ, {self.hr.sensor.pitch_mm:g} and {self.lr.sensor.pitch_mm:g} mm: "
                "a pair needs one pitch"
            )
        check_range("air kerma", self.kerma_uGy, *KERMA_RANGE_UGY, "uGy")
        for name, frames in (("HR", self.hr_frames), ("LR", self.lr_frames)):
            check_range(f"number of {name} frames", frames, 1, 1_000_000)
        for shift in self.registration_px:
            check_range("registration offset", shift, -16.0, 16.0, "pixels")
        if self.method not in get_args(Method):
            raise UnknownNameError("projection method", self.method, get_args(Method))
        if self.noise not in get_args(NoiseModel):
            raise UnknownNameError("noise model", self.noise, get_args(NoiseModel))
        check_seed(self.detector_seed)

    @property
    def pitch_mm(self) -> float:
        """Pixel pitch of both images [mm]."""
        return self.hr.sensor.pitch_mm

    @property
    def hr_response(self) -> DetectorResponse:
        """What the HR detector answers to one frame of the beam as it meets its screen."""
        return self._met(self.hr).response(self.spectrum, self.kerma_uGy)

    @property
    def lr_response(self) -> DetectorResponse:
        """What the LR detector answers to one frame of the beam as it meets its screen."""
        return self._met(self.lr).response(self.spectrum, self.kerma_uGy)

    def _met(self, detector: Detector) -> Detector:
        """Return a detector under the angle at which the central ray meets it, where it states none of its own.

        The detector stays parallel to the board, so a tilted view is tilted against the screen as well. Curves that
        were measured stay as they were measured.
        """
        if not self.geometry.tilt_deg or detector.screen.incidence_deg or detector.measured is not None:
            return detector
        return replace(detector, screen=replace(detector.screen, incidence_deg=self.geometry.tilt_deg))

    @cached_property
    def _degradation(self) -> Degradation:
        hr, lr = self.hr_response, self.lr_response
        link = GreyLink.from_physics(hr, lr, _BOARD)
        return Degradation.between(hr, lr, self.hr_frames, link, lr_frames=self.lr_frames)

    def degradation(self) -> Degradation:
        """Return what lies between the two images: grey-level link, blur and noise."""
        return self._degradation

    def to_dict(self) -> dict[str, Any]:
        """Return every setting as JSON types."""
        return {item.name: getattr(self, item.name) for item in fields(self)} | {
            "spectrum": self.spectrum.settings(),
            "hr": self.hr.to_dict(),
            "lr": self.lr.to_dict(),
            "geometry": asdict(self.geometry),
            "scatter": {name: value for name, value in asdict(self.scatter).items() if name not in _LATER or value},
            "acquisition": asdict(self.acquisition),
            "registration_px": list(self.registration_px),
        }
