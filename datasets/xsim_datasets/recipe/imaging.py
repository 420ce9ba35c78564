"""The imaging part of a recipe, whose numbers may be ranges: tube, detectors, dose and geometry, and their set-up."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from xsim.detector.detector import Detector, Sensor
from xsim.detector.light_transport import Optics
from xsim.detector.named import resolve
from xsim.detector.phosphors import PHOSPHORS
from xsim.detector.screen import Screen
from xsim.errors import check_range
from xsim.imaging.acquisition import Acquisition
from xsim.imaging.geometry import Geometry
from xsim.imaging.noise import NoiseModel
from xsim.imaging.projection import Method
from xsim.imaging.scatter import Scatter
from xsim.imaging.setup import PairSetup
from xsim.keywords import names_keywords
from xsim.seeds import generator
from xsim.spectrum import bearable_spot_mm, tungsten_spectrum
from xsim_datasets.recipe.fitted import FittedConstants
from xsim_datasets.recipe.free_shape import FreeShape, free_detectors
from xsim_datasets.recipe.measured import MeasuredDetectors
from xsim_datasets.recipe.tables import (
    Choice,
    Frames,
    Number,
    Range,
    Strict,
    Table,
    Whole,
    drawn,
    parameter,
    table_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xsim.spectrum import Spectrum

__all__ = [
    "BASE_FOLDER",
    "BROUGHT_BY_DETECTORS",
    "ELSEWHERE",
    "TABLES",
    "Filter",
    "Imaging",
    "Side",
    "setup_of",
    "setup_record",
    "setup_tables",
]

# Points of the stored MTF and NNPS tables: a smooth curve, at steps of .1 lp/mm for the paper's pitch.
_TABLE_FREQUENCIES = 201

BASE_FOLDER = "folder"
"""Key of pydantic's validation context: the folder from which a recipe's relative paths are taken."""
BROUGHT_BY_DETECTORS = frozenset(
    {"hr_mass_thickness_mg_cm2", "lr_mass_thickness_mg_cm2", "pitch_mm", "sensor", "screen", "hr", "lr"}
    | {"free", "free_share", "optics_fit"}
)
"""Keys of `Imaging` that say what measured detectors say themselves."""
ELSEWHERE = {
    Sensor: {"pitch_mm": "pitch_mm"},
    Screen: {"mass_thickness_mg_cm2": "hr_mass_thickness_mg_cm2 or lr_mass_thickness_mg_cm2"},
    Geometry: {
        "source_detector_mm": "source_detector_mm",
        "source_object_mm": "magnification",
        "focal_spot_mm": "focal_spot_mm",
    },
    Scatter: {"ratio_per_depth": "scatter_ratio_per_depth", "glare": "glare"},
}
"""Parameters that stand in ``[imaging]`` itself rather than in the table of their dataclass: each has one place."""

if TYPE_CHECKING:
    OpticsTable = Table
    ScreenTable = Table
    SensorTable = Table
    GeometryTable = Table
    ScatterTable = Table
    AcquisitionTable = Table
else:
    OpticsTable = table_of(Optics, __name__)
    ScreenTable = table_of(Screen, __name__, leave=ELSEWHERE[Screen], tables={"optics": OpticsTable})
    SensorTable = table_of(Sensor, __name__, leave=ELSEWHERE[Sensor])
    GeometryTable = table_of(
        Geometry,
        __name__,
        leave=ELSEWHERE[Geometry],
        notes={"tilt_deg": "In a recipe it tilts the rays at the screens, not the boards, whose views are their own."},
    )
    ScatterTable = table_of(Scatter, __name__, leave=ELSEWHERE[Scatter])
    AcquisitionTable = table_of(Acquisition, __name__)


class Side(Table):
    """What is different in one of the two detectors; its keys win over `[imaging.sensor]` and `[imaging.screen]`."""

    sensor: SensorTable = SensorTable()
    """Sensor of this detector."""
    screen: ScreenTable = ScreenTable()
    """Screen of this detector."""


TABLES: dict[str, type[Table]] = {
    "sensor": SensorTable,
    "screen": ScreenTable,
    "optics": OpticsTable,
    "geometry": GeometryTable,
    "scatter": ScatterTable,
    "acquisition": AcquisitionTable,
    "hr": Side,
    "lr": Side,
}
"""Tables of the physics, by the key that they stand at."""


class Filter(Strict):
    """One sheet of filtration in the beam."""

    material: str
    """An element, a NIST compound or a material of boards."""
    thickness_mm: Number
    """Its thickness."""


class Imaging(Strict):
    """The tube, the two screens, the sensor and the dose; any number may be a range.

    Measured detectors give blur and noise, and the nominal screens that they were calibrated with the grey levels
    behind a board; screens, sensors and pitch are not given beside them.
    """

    kvp: Number = 70.0
    """Tube voltage [kV]."""
    anode_angle_deg: Number = 12.0
    """Angle of the anode [deg]."""
    target: str = "W"
    """What electrons hit: W, or Mo to 50 kV."""
    transmission_um: Number | None = None
    """Thickness of a target that the beam passes, as in tubes with a microfocus; none for an anode that reflects."""
    tube_power_W: Number = 0.0
    """Power of the tube: the focal spot is at least what the target bears at it; 0 leaves the spot as it is."""
    filters: tuple[Filter, ...] = (Filter(material="Al", thickness_mm=2.5),)
    """Sheets in the beam; 2.5 mm Al by default."""
    hr_mass_thickness_mg_cm2: Number = 33.91
    """Phosphor of the sharp screen."""
    lr_mass_thickness_mg_cm2: Number = 134.55
    """Phosphor of the dose-efficient screen."""
    pitch_mm: Number = parameter(Sensor, "pitch_mm")
    kerma_uGy: Number = parameter(PairSetup, "kerma_uGy")
    max_full_well_share: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Kerma is lowered until the open field fills at most this share of either sensor's full well; none leaves it."""
    magnification: Number = 1.0
    """Of the object, 1 for contact."""
    source_detector_mm: Number = parameter(Geometry, "source_detector_mm")
    focal_spot_mm: Number = parameter(Geometry, "focal_spot_mm")
    scatter_ratio_per_depth: Number = parameter(Scatter, "ratio_per_depth")
    glare: Number = parameter(Scatter, "glare")
    hr_frames: Frames = 20
    """Frames averaged in the HR image."""
    lr_frames: Frames = 1
    """Frames averaged in the LR image."""
    setups: Annotated[int, Field(ge=1, le=4096)] = 1
    """How many set-ups are drawn from the ranges."""
    detectors: Annotated[
        MeasuredDetectors | None,
        WithJsonSchema({"type": "string", "description": "A detector file or the name of one: HR and LR, or LR."}),
    ] = None
    optics_fit: Annotated[
        FittedConstants | None,
        WithJsonSchema({"type": "string", "description": "A file that `xsim detector --save-fit` wrote."}),
    ] = None
    """Fit of the optical constants: each set-up draws a set of them from it; keys of `[imaging.screen.optics]` win."""
    free_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Share of the set-ups whose detectors have curves of free shape, see `[imaging.free]`, in place of a model's."""
    free: FreeShape = FreeShape()
    """Curves of free shape."""
    registration_px: tuple[Number, Number] = parameter(PairSetup, "registration_px")
    method: Method = parameter(PairSetup, "method")
    noise: NoiseModel = parameter(PairSetup, "noise")
    detector_seed: Whole = parameter(PairSetup, "detector_seed")
    sensor: SensorTable = SensorTable()
    """Sensor of both detectors."""
    screen: ScreenTable = ScreenTable()
    """Screen of both detectors, beside its mass thickness."""
    hr: Side = Side()
    """What is different in the HR detector."""
    lr: Side = Side()
    """What is different in the LR detector."""
    geometry: GeometryTable = GeometryTable()
    """Focal spot, tilt, and the fall of the kerma across the field."""
    scatter: ScatterTable = ScatterTable()
    """Reach of scatter and glare."""
    acquisition: AcquisitionTable = AcquisitionTable()
    """How shots are taken and corrected."""

    @model_validator(mode="before")
    @classmethod
    def _with_measured_detectors(cls, value: Any, info: ValidationInfo) -> Any:
        """Read the file of a fit, and that of measured detectors, whose screens and pitch are then the recipe's."""
        named = value.get("detectors") if isinstance(value, dict) else None
        folder = Path((info.context or {}).get(BASE_FOLDER, ""))
        if isinstance(value, dict) and isinstance(value.get("optics_fit"), str | Path):
            value = {**value, "optics_fit": FittedConstants.read(folder / value["optics_fit"])}
        if not isinstance(named, str | Path):
            return value
        if given := BROUGHT_BY_DETECTORS & set(value):
            raise ValueError(f"measured detectors bring their own {min(given)}: leave it out")
        measured = MeasuredDetectors.read(resolve(named, folder))
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

    @model_serializer(mode="wrap")
    def _without_usual(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is as it was before there were keys for it: recipes keep their hash, stores their bytes."""
        content: dict[str, Any] = handler(self)
        for name in _LEFT_OUT_AT_DEFAULT & set(content):
            value = getattr(self, name)
            if isinstance(value, Table):
                # A side says what differs from both sides' tables, so that a default is something to say there.
                sides = isinstance(value, Side)
                content[name] = value.model_dump(mode="json", exclude_unset=sides, exclude_defaults=not sides)
                if name == "screen" and self._has_own_optics():
                    # The usual constants are then the phosphor's, so that a default is something to say here, too.
                    content[name] |= value.model_dump(mode="json", exclude_unset=True, include={"optics"})
                usual = not content[name]
            else:
                usual = value == type(self).model_fields[name].default
            if usual:
                del content[name]
        return content

    def _has_own_optics(self) -> bool:
        """Whether a screen may be of a phosphor whose layers have optical constants of their own."""
        tables: tuple[Any, ...] = (self.screen, self.hr.screen, self.lr.screen)
        words = {word for table in tables for word in getattr(table.phosphor, "choice", (table.phosphor,))}
        return any(word in PHOSPHORS and PHOSPHORS[word].optics != Optics() for word in words)

    @property
    def has_ranges(self) -> bool:
        """Whether any number is a range."""
        found: list[str] = []

        def note(item: Range | Choice, stage: str) -> Any:
            found.append(stage)
            return item.low

        self._with(note)
        return bool(found) or 0.0 < self.free_share < 1.0 or self.optics_fit is not None

    def drawn(self, seed: int, setup: int) -> Imaging:
        """Return set-up number ``setup`` of seed ``seed``, with every range replaced by a number."""

        def stage_of(stage: str) -> np.random.Generator:
            # One generator a field: a range that is added later leaves the draws of the others alone.
            return generator(seed, sample=setup, stage=f"setup-{stage}")

        values = self._with(lambda item, stage: item.draw(stage_of(stage)))
        is_free = stage_of("free_share").random() < self.free_share
        values = values.model_copy(update={"free_share": float(is_free)})
        if self.optics_fit is None:
            return values
        return values._with_optics(self.optics_fit.fit().draw(1, stage_of("optics_fit"))[0])

    def _with_optics(self, optics: Optics) -> Imaging:
        """Return the set-up with optical constants in place of the fit, but for those that the recipe gives."""
        own: Any = self.screen
        constants = OpticsTable(**{**asdict(optics), **own.optics.given()})
        screen = ScreenTable(**{**own.given(), "optics": constants})
        return self.model_copy(update={"screen": screen, "optics_fit": None})

    def corners(self) -> tuple[Imaging, Imaging]:
        """Return the set-ups with every range at its low and at its high end, the high one of free shape if any is."""
        low, high = self._with(lambda item, _: item.low), self._with(lambda item, _: item.high)
        if self.optics_fit is not None:
            low, high = (end._with_optics(self.optics_fit.fit().optics) for end in (low, high))
        return (
            low.model_copy(update={"free_share": float(self.free_share == 1.0)}),
            high.model_copy(update={"free_share": float(self.free_share > 0.0)}),
        )

    def _with(self, choose: Callable[[Range | Choice, str], Any]) -> Imaging:
        """Return the set-up whose ranges are replaced by what ``choose`` makes of each and of its place."""
        values = {name: drawn(getattr(self, name), name, choose) for name in type(self).model_fields}
        values["filters"] = tuple(
            Filter(material=item.material, thickness_mm=drawn(item.thickness_mm, f"filter-{index}", choose))
            for index, item in enumerate(self.filters)
        )
        return self.model_copy(update={**values, "setups": 1})


_LEFT_OUT_AT_DEFAULT = frozenset(
    {"registration_px", "method", "noise", "detector_seed", "free_share", "free", "optics_fit"}
    | {"target", "transmission_um", "tube_power_W"}
    | {key for key in Imaging.model_fields if key in TABLES}
)
"""Keys that a recipe's canonical JSON holds only where they change something: those that came after the first stores,
whose bytes and hashes hold all the others."""


@names_keywords
def setup_of(imaging: Imaging) -> PairSetup:
    """Return the set-up of a recipe whose ranges have been drawn.

    Raises
    ------
    PhysicsRangeError, UnknownNameError
        If a number lies outside the physics' range, or a filter's material is not known.
    """
    values: Any = imaging  # whose ranges are numbers by now
    assert not imaging.has_ranges, "ranges are drawn before a set-up is built"
    spectrum = tungsten_spectrum(
        kvp=values.kvp,
        filters=tuple((item.material, item.thickness_mm) for item in values.filters),
        anode_angle_deg=values.anode_angle_deg,
        target=values.target,
        transmission_um=values.transmission_um,
    )
    if values.detectors is not None:
        hr, lr = values.detectors.pair()
    else:
        hr = _detector(values, values.hr, values.hr_mass_thickness_mg_cm2)
        lr = _detector(values, values.lr, values.lr_mass_thickness_mg_cm2)
        if values.free_share:
            hr, lr = free_detectors(values.free, hr, lr, values.kerma_uGy, (values.hr_frames, values.lr_frames))
    distance = values.source_detector_mm
    magnification = check_range("magnification", values.magnification, 1.0, 100.0)
    return PairSetup(
        spectrum=spectrum,
        hr=hr,
        lr=lr,
        kerma_uGy=_kerma_uGy(values, spectrum, (hr, lr)),
        hr_frames=values.hr_frames,
        lr_frames=values.lr_frames,
        geometry=Geometry(
            source_detector_mm=distance,
            source_object_mm=distance / magnification if magnification > 1.0 else None,
            focal_spot_mm=max(values.focal_spot_mm, bearable_spot_mm(values.tube_power_W, values.target)),
            **values.geometry.given(),
        ),
        scatter=Scatter(ratio_per_depth=values.scatter_ratio_per_depth, glare=values.glare, **values.scatter.given()),
        acquisition=Acquisition(**values.acquisition.given()),
        registration_px=values.registration_px,
        method=values.method,
        noise=values.noise,
        detector_seed=values.detector_seed,
    )


def _detector(imaging: Any, side: Any, mass_thickness_mg_cm2: float) -> Detector:
    """Return the modelled detector of one side: the tables of both sides, and over them those of its own."""
    sensor = {**imaging.sensor.given(), **side.sensor.given()}
    screen = {**imaging.screen.given(), **side.screen.given()}
    optics = {**imaging.screen.optics.given(), **side.screen.optics.given()}
    layer = Screen(**{**screen, "mass_thickness_mg_cm2": mass_thickness_mg_cm2, "optics": None})
    return Detector(
        replace(layer, optics=replace(layer.optics, **optics)),
        Sensor(pitch_mm=imaging.pitch_mm, **sensor),
    )


def _kerma_uGy(imaging: Any, spectrum: Spectrum, detectors: tuple[Detector, Detector]) -> float:
    """Return the kerma of one frame; where the recipe says so, at most what leaves both open fields unsaturated.

    A wide range of screens and beams has pairs whose thick screen would fill the sensor at a kerma that suits others;
    nobody exposes like that, and a network that learns from clipped images learns to undo the clipping.
    """
    kerma_uGy: float = imaging.kerma_uGy
    share: float | None = imaging.max_full_well_share
    if share is None:
        return kerma_uGy
    responses = [detector.response(spectrum, kerma_uGy) for detector in detectors]
    fullest = max(response.signal_electrons / response.sensor.full_well_e for response in responses)
    return kerma_uGy * min(1.0, share / fullest)


def setup_record(setup: PairSetup) -> dict[str, Any]:
    """Return what a store says about a set-up: its settings, and what lies between its detectors; JSON types."""
    return {"settings": setup.to_dict(), "degradation": setup.degradation().to_dict()}


def setup_tables(setups: Sequence[PairSetup]) -> dict[str, NDArray[np.float64]]:
    """Return MTF and NNPS [mm2] of the detectors, (setups, F) each, on one axis up to the finest sampling frequency.

    ``nnps_*_mm2`` is the quantum noise of one frame as the pixels see it, before sampling folds it back.
    """
    pitch_mm = min(setup.pitch_mm for setup in setups)
    frequency = np.linspace(0.0, 1.0 / pitch_mm, _TABLE_FREQUENCIES)
    tables: dict[str, list[NDArray[np.float64]]] = {}
    for setup in setups:
        for name, response in (("hr", setup.hr_response), ("lr", setup.lr_response)):
            tables.setdefault(f"mtf_{name}", []).append(response.mtf(frequency))
            tables.setdefault(f"nnps_{name}_mm2", []).append(response.presampled_nnps(frequency))
    return {"frequency_lp_mm": frequency, **{name: np.stack(rows) for name, rows in tables.items()}}
