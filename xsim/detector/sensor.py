"""The light sensor behind a screen: pixels, electrons, noise, its own silicon, and what is wrong with single pixels.

A noise effect of the detector is a parameter here, with its power or its map; its share of the noise spectrum in
`xsim.detector.response`, from which degradation and calibration take it; and its draw in `xsim.imaging.acquisition`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xsim.errors import PhysicsRangeError, UnknownNameError, check_range
from xsim.keywords import names_keywords
from xsim.materials import Material, material
from xsim.seeds import generator

__all__ = ["PLATE_GLASSES", "Sensor", "plate_glass"]

# Guards against wrong units and impossible parts, not limits of the model.
_RANGES: Final[dict[str, tuple[float, float, str]]] = {
    "pitch_mm": (1e-3, 2.0, "mm"),
    "fill_factor": (0.01, 1.0, ""),
    "quantum_efficiency": (1e-3, 1.0, ""),
    "read_noise_e": (0.0, 1e6, "electrons"),
    "full_well_e": (1e2, 1e12, "electrons"),  # or 0, see `_FULL_WELL_E`
    "adc_bits": (4, 32, "bits"),
    "lag": (0.0, 0.9, ""),
    "gain_sd": (0.0, 0.3, ""),
    "structure_sd": (0.0, 0.3, ""),
    "flat_frames": (0, 1_000_000, "frames"),
    "defect_fraction": (0.0, 0.1, ""),
    "active_silicon_mm": (0.0, 1.0, "mm"),
    "fibre_plate_mm": (0.0, 50.0, "mm"),
}


# Glasses of fibre-optic plates: a core of lanthanum and barium borate (refractive index 1.8), and the same with the
# quarter of the area that its borosilicate cladding takes. Makers state no compositions: these are of that class.
_CORE: Final = {"La2O3": 0.35, "BaO": 0.25, "B2O3": 0.20, "SiO2": 0.07, "ZrO2": 0.05, "ZnO": 0.05, "CaO": 0.03}
_CLADDING: Final = {"SiO2": 0.80, "B2O3": 0.13, "Na2O": 0.07}
# By mass: three quarters of the area at 4.4 g/cm3 and one at 2.4.
_CORE_SHARE: Final = 0.85
PLATE_GLASSES: Final[dict[str, Material]] = {
    glass.name: glass
    for glass in (
        Material.mixture("FOP-core", _CORE, 4.40),
        Material.mixture(
            "FOP-glass",
            {
                oxide: _CORE_SHARE * _CORE.get(oxide, 0.0) + (1.0 - _CORE_SHARE) * _CLADDING.get(oxide, 0.0)
                for oxide in (*_CORE, "Na2O")
            },
            3.90,
        ),
    )
}


def plate_glass(name: str) -> Material:
    """Return the material of a fibre-optic plate: one of `PLATE_GLASSES`, or any of `xsim.materials`.

    Raises
    ------
    UnknownNameError
        Naming the nearest names.
    """
    if name in PLATE_GLASSES:
        return PLATE_GLASSES[name]
    try:
        return material(name)
    except UnknownNameError:
        raise UnknownNameError("glass of a fibre-optic plate", name, PLATE_GLASSES) from None


# Full well of a usual CMOS pixel of this pitch. Its capacitance, and with it its full well, grows with its area: one
# number at all pitches would saturate every pixel of .139 mm at a dose that suits one of .048 mm.
_FULL_WELL_E: Final = 2.2e6
_FULL_WELL_PITCH_MM: Final = 0.048


@names_keywords
@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A CMOS sensor under a screen.

    Parameters
    ----------
    pitch_mm : float
        Pixel pitch [mm].
    fill_factor : float
        Share of the pixel that is photodiode, a square in its middle.
    quantum_efficiency : float
        Electrons per light photon that reaches the sensor.
    read_noise_e : float
        Read noise of a pixel and frame [electrons].
    full_well_e : float
        Charge at which a pixel saturates [electrons]; the ADC's range ends there. 0, the default, takes 2.2e6 at a
        pitch of 0.048 mm, and as much per area at any other.
    adc_bits : int
        Bits of the ADC.
    lag : float
        Correlation of the stochastic noise of successive frames; k frames apart it is ``lag**k``.
    gain_sd : float
        Relative spread of the pixels' gain, which flat-field correction removes.
    structure_sd : float
        Relative fixed pattern that flat-field correction leaves (screen structure), white.
    flat_frames : int
        Frames in the mean flat of the gain map, whose noise is printed onto every image; 0 for a perfect map.
    defect_fraction : float
        Share of pixels that give no usable signal.
    active_silicon_mm : float
        Depth of silicon whose charge a pixel collects [mm], in which X rays that pass the screen make direct hits; 0
        counts none, as behind a fibre-optic plate that absorbs them. CMOS photodiodes have some 0.002 to 0.010.
    fibre_plate_mm : float
        Thickness of a fibre-optic plate between screen and silicon [mm]. Its absorption of X rays counts, its loss and
        blur of light do not: they belong to the quantum efficiency and the optical constants.
    fibre_plate_glass : str
        Material of the plate: ``FOP-glass``, ``FOP-core`` (cladding not counted), or one of `xsim.materials`.

    Raises
    ------
    PhysicsRangeError
        If a parameter is out of range.
    UnknownNameError
        If the plate's material is unknown.
    """

    pitch_mm: float = 0.048
    fill_factor: float = 0.85
    quantum_efficiency: float = 0.5
    read_noise_e: float = 200.0
    full_well_e: float = 0.0
    adc_bits: int = 14
    lag: float = 0.0
    gain_sd: float = 0.01
    structure_sd: float = 0.0
    flat_frames: int = 64
    defect_fraction: float = 0.0
    # Off by default. Detectors are sold with and without a plate, and few papers tell which (the seed paper tells
    # neither). Without one, 5 um make ten times the noise at Nyquist: whose detector it is has to say so.
    active_silicon_mm: float = 0.0
    fibre_plate_mm: float = 0.0
    fibre_plate_glass: str = "FOP-glass"

    def __post_init__(self) -> None:
        plate_glass(self.fibre_plate_glass)
        if self.full_well_e == 0:
            check_range("sensor pitch_mm", self.pitch_mm, *_RANGES["pitch_mm"])
            object.__setattr__(self, "full_well_e", _FULL_WELL_E * (self.pitch_mm / _FULL_WELL_PITCH_MM) ** 2)
        for field in fields(self):
            if field.name not in _RANGES:
                continue
            low, high, unit = _RANGES[field.name]
            value = getattr(self, field.name)
            check_range(f"sensor {field.name}", value, low, high, unit)
            if field.name in {"adc_bits", "flat_frames"} and value != int(value):
                raise PhysicsRangeError(f"sensor {field.name} {value:g} is no whole number: give {low:g} to {high:g}")

    @property
    def aperture_mm(self) -> float:
        """Return the side of the photodiode [mm]."""
        return self.pitch_mm * float(np.sqrt(self.fill_factor))

    @property
    def electrons_per_count(self) -> float:
        """Return the charge of one ADC count [electrons]."""
        return self.full_well_e / 2.0**self.adc_bits

    @property
    def electronic_variance_e2(self) -> float:
        """Return the variance of reading and digitising one pixel [electrons^2]."""
        return self.read_noise_e**2 + self.electrons_per_count**2 / 12.0

    def frame_average(self, frames: int) -> float:
        """Return the factor on the stochastic noise power that averaging frames leaves: 1/n without lag.

        With lag: [1 + 2 sum over k of (1 - k/n) lag^k] / n.

        Raises
        ------
        PhysicsRangeError
            If ``frames`` is not 1 to 1e6.
        """
        check_range("number of frames", frames, 1, 1_000_000)
        apart = np.arange(1, frames)
        correlated = float(((1.0 - apart / frames) * self.lag**apart).sum())
        return (1.0 + 2.0 * correlated) / frames

    def gain_map(self, shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
        """Return the pixels' relative gains, (H, W): log-normal with mean 1, the same for the same seed."""
        spread = float(np.sqrt(np.log1p(self.gain_sd**2)))
        normal = generator(seed, stage="sensor-gain").standard_normal(shape)
        return np.exp(spread * normal - spread**2 / 2.0).astype(np.float32)

    def structure_map(self, shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
        """Return the factor of the fixed pattern that no flat corrects, (H, W): mean 1, the same for the same seed."""
        normal = generator(seed, stage="sensor-structure").standard_normal(shape)
        return (1.0 + self.structure_sd * normal).astype(np.float32)

    def defect_map(self, shape: tuple[int, int], seed: int) -> NDArray[np.bool_]:
        """Return which pixels are defective, (H, W) bool, the same for the same seed."""
        return generator(seed, stage="sensor-defects").random(shape) < self.defect_fraction
