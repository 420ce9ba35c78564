"""The imaging part of a recipe: tube, detectors, dose and geometry; numbers may be ranges."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationInfo, WithJsonSchema, model_validator

from xsim.detector.detector import Detector
from xsim.measure.calibration import read_calibration
from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BASE_FOLDER", "BROUGHT_BY_DETECTORS", "Filter", "Imaging", "MeasuredDetectors", "Range", "Strict"]

BASE_FOLDER = "folder"
"""Key of pydantic's validation context: the folder from which a recipe's relative paths are taken."""
BROUGHT_BY_DETECTORS = frozenset({"hr_mass_thickness_mg_cm2", "lr_mass_thickness_mg_cm2", "pitch_mm"})
"""Keys of `Imaging` that say what measured detectors say themselves."""


class Strict(BaseModel):
    """A part of a recipe: unknown keys, NaN and infinities are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Range(Strict):
    """Numbers from ``low`` to ``high``: uniform in the value, in its logarithm (``log``), or in steps from ``low``."""

    low: float
    high: float
    log: bool = False
    step: Annotated[float, Field(gt=0.0)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, not {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a log range has no steps: give log or step")
        return self

    def draw(self, rng: np.random.Generator) -> float:
        """Return one number of the range."""
        if self.step is not None:
            # A hair more than the quotient, so that 0.3 is a whole number of steps of 0.1.
            steps = int((self.high - self.low) / self.step * (1 + 1e-9))
            return min(self.low + self.step * int(rng.integers(steps + 1)), self.high)
        if self.log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))


def _number_kind(value: object) -> str:
    return "range" if isinstance(value, (dict, Range)) else "number"


# The tag names the one alternative that was meant, so that an error speaks about that one only.
Number = Annotated[
    Annotated[float, Tag("number")] | Annotated[Range, Tag("range")],
    Discriminator(_number_kind),
]


class Filter(Strict):
    """One sheet of filtration in the beam."""

    material: str
    """An element, a NIST compound or a material of boards."""
    thickness_mm: Number
    """Its thickness."""


class MeasuredDetectors(Strict):
    """Two measured detectors; a recipe file names the file of `xsim calibrate` that holds them.

    A recipe that was read holds the detectors themselves: a store says all of them, and nothing in it depends on a
    file that may change.
    """

    sha256: str
    hr: dict[str, Any]
    lr: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file of `xsim calibrate`.

        Raises
        ------
        MissingFileError, InputError
            If there is no such file, or it is no calibration.
        """
        hr, lr, _ = read_calibration(path)
        return cls(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), hr=hr.to_dict(), lr=lr.to_dict())

    def pair(self) -> tuple[Detector, Detector]:
        """Return the HR and the LR detector."""
        return Detector.from_dict(self.hr), Detector.from_dict(self.lr)


class Imaging(Strict):
    """The tube, the two screens, the sensor and the dose; any number may be a range.

    Measured detectors give blur and noise, and the nominal screens that they were calibrated with the grey levels
    behind a board; screens and pitch are not given beside them.
    """

    kvp: Number = 70.0
    """Tube voltage [kV]."""
    anode_angle_deg: Number = 12.0
    """Angle of the tungsten anode [deg]."""
    filters: tuple[Filter, ...] = (Filter(material="Al", thickness_mm=2.5),)
    """Sheets in the beam; 2.5 mm Al by default."""
    hr_mass_thickness_mg_cm2: Number = 33.91
    """Gd2O2S of the sharp screen."""
    lr_mass_thickness_mg_cm2: Number = 134.55
    """Gd2O2S of the dose-efficient screen."""
    pitch_mm: Number = 0.048
    """Pixel pitch of both images."""
    kerma_uGy: Number = 42.56
    """Air kerma of one frame at the detector, without object."""
    max_full_well_share: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Kerma is lowered until the open field fills at most this share of either sensor's full well; none leaves it."""
    magnification: Number = 1.0
    """Of the object, 1 for contact."""
    source_detector_mm: Number = 600.0
    """From the focal spot to the screen."""
    focal_spot_mm: Number = 0.0
    """Size of the focal spot."""
    scatter_ratio_per_depth: Number = 0.0
    """Scatter-to-primary ratio for each mean free path of the object."""
    glare: Number = 0.0
    """Share of the light that the detector spreads over millimetres."""
    hr_frames: Annotated[int, Field(ge=1)] = 20
    """Frames averaged in the HR image."""
    lr_frames: Annotated[int, Field(ge=1)] = 1
    """Frames averaged in the LR image."""
    setups: Annotated[int, Field(ge=1, le=4096)] = 1
    """How many set-ups are drawn from the ranges."""
    detectors: Annotated[
        MeasuredDetectors | None,
        WithJsonSchema({"type": "string", "description": "A file of xsim calibrate: two measured detectors."}),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _with_measured_detectors(cls, value: Any, info: ValidationInfo) -> Any:
        """Read the file of measured detectors, whose screens and pitch are then the recipe's."""
        named = value.get("detectors") if isinstance(value, dict) else None
        if not isinstance(named, str | Path):
            return value
        if given := BROUGHT_BY_DETECTORS & set(value):
            raise ValueError(f"measured detectors bring their own {min(given)}: leave it out")
        measured = MeasuredDetectors.read(Path((info.context or {}).get(BASE_FOLDER, "")) / named)
        hr, lr = measured.pair()
        return {
            **value,
            "detectors": measured,
            "hr_mass_thickness_mg_cm2": hr.screen.mass_thickness_mg_cm2,
            "lr_mass_thickness_mg_cm2": lr.screen.mass_thickness_mg_cm2,
            "pitch_mm": hr.sensor.pitch_mm,
        }

    @model_validator(mode="after")
    def _one_setup_needs_numbers(self) -> Self:
        if self.setups > 1 and not self.has_ranges:
            raise ValueError(f"setups = {self.setups} but nothing is a range: give ranges or setups = 1")
        return self

    @property
    def has_ranges(self) -> bool:
        """Whether any number is a range."""
        values = [getattr(self, name) for name in type(self).model_fields]
        return any(isinstance(value, Range) for value in [*values, *(item.thickness_mm for item in self.filters)])

    def drawn(self, seed: int, setup: int) -> Imaging:
        """Return set-up number ``setup`` of seed ``seed``, with every range replaced by a number."""
        # One generator a field: a range that is added later leaves the draws of the others alone.
        return self._with(lambda item, stage: item.draw(generator(seed, sample=setup, stage=f"setup-{stage}")))

    def corners(self) -> tuple[Imaging, Imaging]:
        """Return the set-ups with every range at its low and at its high end."""
        return self._with(lambda item, _: item.low), self._with(lambda item, _: item.high)

    def _with(self, choose: Callable[[Range, str], float]) -> Imaging:
        """Return the set-up whose ranges are replaced by what ``choose`` makes of each and of its field's name."""

        def number(value: Any, stage: str) -> Any:
            return choose(value, stage) if isinstance(value, Range) else value

        fields = {name: number(getattr(self, name), name) for name in type(self).model_fields}
        fields["filters"] = tuple(
            Filter(material=item.material, thickness_mm=number(item.thickness_mm, f"filter-{index}"))
            for index, item in enumerate(self.filters)
        )
        return Imaging(**{**fields, "setups": 1})
