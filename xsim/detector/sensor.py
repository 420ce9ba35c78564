"""The light sensor behind a screen: pixels, electrons, noise, its own silicon, and what is wrong with single pixels.

A noise effect of the detector is a parameter here, with its power or its map; its share of the noise spectrum in
`xsim.detector.response`, from which degradation and calibration take it; and its draw in `xsim.imaging.acquisition`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import PhysicsRangeError, UnknownNameError, check_range
from xsim.grids import frequency_axes
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
    "binning": (1, 16, ""),
    "high_gain_well_e": (0.0, 1e12, "electrons"),
    "high_gain_read_noise_e": (0.0, 1e6, "electrons"),
    "structure_mm": (0.0, 5.0, "mm"),
    "line_sd": (0.0, 0.3, ""),
}
# What a shot's lag brings along: the mean light of the frames before, in units of the open field.
_BEFORE: Final[dict[str, float | None]] = {"steady": None, "open": 1.0, "dark": 0.0}


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
        Pitch of the image's pixels [mm].
    fill_factor : float
        Share of the pixel that is photodiode, a square in its middle.
    quantum_efficiency : float
        Electrons per light photon that reaches the sensor.
    read_noise_e : float
        Read noise of a pixel and frame [electrons]; where pixels are binned, of each photodiode.
    full_well_e : float
        Charge at which a pixel saturates [electrons]; the ADC's range ends there. 0, the default, takes 2.2e6 at a
        pitch of 0.048 mm, and as much per area at any other.
    adc_bits : int
        Bits of the ADC.
    lag : float
        Share of a frame that is left in the next one, and so the correlation of their stochastic noise: ``lag**k`` for
        frames k apart. For the signal see ``lag_before``.
    gain_sd : float
        Relative spread of the pixels' gain, which flat-field correction removes.
    structure_sd : float
        Relative fixed pattern that flat-field correction leaves (screen structure); white unless ``structure_mm`` says
        otherwise.
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
    binning : int
        Photodiodes along the side of an image's pixel, read one by one and added: 2 makes pixels of four. Their fill
        factor counts, and so does the noise of reading and digitising each.
    high_gain_well_e : float
        Charge of a pixel up to which its signal is read with a second, higher gain [electrons], over which the ADC's
        range is then spread; 0 where there is one gain only.
    high_gain_read_noise_e : float
        Read noise with the higher gain [electrons].
    structure_mm : float
        Length over which the fixed pattern that flats leave is correlated [mm], with exp(-(r / length)^2 / 2); 0 for a
        white one. Grains are some 0.01, the coating of screens some 1 mm.
    line_sd : float
        Relative fixed pattern of whole rows, and another of whole columns, that flat-field correction leaves. It stands
        on the axes of the NNPS, which its radial mean leaves out.
    lag_before : str
        What the frames before a shot showed, of which lag leaves a ghost in it: ``steady`` (the same, so no ghost),
        ``open`` (the open field, as flats have it) or ``dark`` (nothing, so that the first frames are darker).

    Raises
    ------
    PhysicsRangeError
        If a parameter is out of range.
    UnknownNameError
        If the plate's material or what was before is unknown.
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
    binning: int = 1
    high_gain_well_e: float = 0.0
    # A fifth of the usual noise, as conversion gains of CMOS pixels with two differ by some 4 to 10.
    high_gain_read_noise_e: float = 40.0
    structure_mm: float = 0.0
    line_sd: float = 0.0
    lag_before: str = "steady"

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
            if field.name in {"adc_bits", "flat_frames", "binning"} and value != int(value):
                raise PhysicsRangeError(f"sensor {field.name} {value:g} is no whole number: give {low:g} to {high:g}")

        if self.lag_before not in _BEFORE:
            raise UnknownNameError("sensor lag_before", self.lag_before, _BEFORE)
        if self.high_gain_well_e:
            least = _RANGES["full_well_e"][0]
            check_range("sensor high_gain_well_e", self.high_gain_well_e, least, self.full_well_e, "electrons")

    @property
    def aperture_mm(self) -> float:
        """Return the side of the photodiode [mm]; of one as large as all those that are binned."""
        return self.pitch_mm * float(np.sqrt(self.fill_factor))

    def aperture_mtf(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the transfer function of a pixel along an axis: negative where it inverts contrast."""
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        if self.binning == 1:
            return np.asarray(np.sinc(self.aperture_mm * frequency))
        places = (np.arange(self.binning) - (self.binning - 1) / 2) * (self.pitch_mm / self.binning)
        comb = np.mean([np.cos(2.0 * np.pi * place * frequency) for place in places.tolist()], axis=0)
        return np.asarray(np.sinc(self.aperture_mm / self.binning * frequency) * comb)

    @property
    def electrons_per_count(self) -> float:
        """Return the charge of one ADC count [electrons]; where pixels are binned, of the ADC of a photodiode."""
        return self.full_well_e / 2.0**self.adc_bits / self.binning**2

    @property
    def electronic_variance_e2(self) -> float:
        """Return the variance of reading and digitising one pixel [electrons^2], with the lower gain of two."""
        return (self.read_noise_e**2 + self.electrons_per_count**2 / 12.0) * self.binning**2

    @property
    def high_gain_electrons_per_count(self) -> float:
        """Return the charge of one ADC count [electrons] with the higher gain; 0 where there is none."""
        return self.high_gain_well_e / 2.0**self.adc_bits / self.binning**2

    @property
    def high_gain_variance_e2(self) -> float:
        """Return the variance of reading and digitising one pixel [electrons^2] with the higher gain."""
        return (self.high_gain_read_noise_e**2 + self.high_gain_electrons_per_count**2 / 12.0) * self.binning**2

    def electronic_variance_at(self, signal_e: ArrayLike) -> NDArray[np.float64]:
        """Return the variance of reading and digitising pixels of a mean signal [electrons], of any shape."""
        quiet = np.asarray(signal_e) <= (self.high_gain_well_e or -np.inf)
        return np.where(quiet, self.high_gain_variance_e2, self.electronic_variance_e2)

    @property
    def dark_noise_e(self) -> float:
        """Return the read noise of a pixel without light [electrons]."""
        return self.binning * (self.high_gain_read_noise_e if self.high_gain_well_e else self.read_noise_e)

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

    def ghost_share(self, frames: int) -> float:
        """Return which share of a mean of frames lag fills with what was before: frame k holds ``lag**k`` of it."""
        return self.lag * (1.0 - self.lag**frames) / (frames * (1.0 - self.lag))

    def ghost(self, frames: int) -> tuple[float, float]:
        """Return that share, 0 where nothing changed, and what was before in units of the open field."""
        before = _BEFORE[self.lag_before]
        return (0.0, 0.0) if before is None else (self.ghost_share(frames), before)

    def gain_map(self, shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
        """Return the pixels' relative gains, (H, W): log-normal with mean 1, the same for the same seed."""
        spread = float(np.sqrt(np.log1p(self.gain_sd**2)))
        normal = generator(seed, stage="sensor-gain").standard_normal(shape)
        return np.exp(spread * normal - spread**2 / 2.0).astype(np.float32)

    def structure_map(self, shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
        """Return the factor of the fixed pattern that no flat corrects, (H, W): mean 1, the same for the same seed."""
        normal = generator(seed, stage="sensor-structure").standard_normal(shape)
        if self.structure_mm:
            down, across = (np.sqrt(self._correlated(f) / self.pitch_mm) for f in frequency_axes(shape, self.pitch_mm))
            normal = np.fft.irfft2(np.fft.rfft2(normal) * (down * across), s=shape)
        pattern = 1.0 + self.structure_sd * normal
        if self.line_sd:
            lines = generator(seed, stage="sensor-lines")
            pattern += self.line_sd * (lines.standard_normal((shape[0], 1)) + lines.standard_normal((1, shape[1])))
        return pattern.astype(np.float32)

    def structure_nnps_mm2(self, v: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the digital NNPS [mm2] of that pattern, lines left out, at frequencies down and across [lp/mm]."""
        return np.asarray(self.structure_sd**2 * self._correlated(v) * self._correlated(u))

    def _correlated(self, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the spectrum [mm] along one axis of unit noise that is correlated from pixel to pixel."""
        if not self.structure_mm:
            return np.full(frequency_lp_mm.shape, self.pitch_mm)
        # The Fourier series of the correlation at the pixels' distances, until that is below 1e-8.
        steps = np.arange(1, int(np.ceil(6.0 * self.structure_mm / self.pitch_mm)) + 1) * self.pitch_mm
        series = np.ones(frequency_lp_mm.shape)
        for step in steps.tolist():
            weight = 2.0 * np.exp(-((step / self.structure_mm) ** 2) / 2.0)
            series += weight * np.cos(2.0 * np.pi * step * frequency_lp_mm)
        return np.asarray(self.pitch_mm * np.maximum(series, 0.0))

    def defect_map(self, shape: tuple[int, int], seed: int) -> NDArray[np.bool_]:
        """Return which pixels are defective, (H, W) bool, the same for the same seed."""
        return generator(seed, stage="sensor-defects").random(shape) < self.defect_fraction
