"""What a detector answers to a beam: the one object that projection, noise, degradation and restoration build on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.curves import RadialCurve
from xsim.detector.direct_hits import DirectHits, hit_moments
from xsim.detector.obliquity import ObliqueTransfer
from xsim.detector.screen import Screen
from xsim.detector.sensor import Sensor
from xsim.grids import frequency_axes, half_plane_weights, nyquist_lp_mm, radial_frequency
from xsim.spectrum import Spectrum

__all__ = ["DetectorResponse"]

# Directions of the azimuthal mean of the digital NNPS, within one octant of the square lattice.
_ANGLES: Final = 12
# Grid on which the NNPS is averaged to the variance of a pixel.
_VARIANCE_SHAPE: Final = (128, 128)


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectorResponse:
    """Signal, blur and noise of a detector in the open field of a beam, per pixel and frame.

    Images are in units of the open field. Presampled functions describe the image before it is sampled; digital ones
    the sampled image, with aliasing.

    Parameters
    ----------
    spectrum : Spectrum
        The beam.
    sensor : Sensor
        The pixels.
    screen : Screen
        The screen, which gives the energy response.
    kerma_uGy : float
        Air kerma of one frame at the detector [uGy].
    signal_electrons : float
        Mean open-field signal [electrons].
    screen_mtf : RadialCurve
        MTF of screen and gap, without the pixel; on the pedestal of the direct hits, which neither blurs.
    quantum_nnps : RadialCurve
        Presampled quantum NNPS of the light [mm2], without the pixel.
    alias_orders : int
        Orders of aliasing in digital noise; 0 if ``quantum_nnps`` comes from a digital NNPS that was measured.
    hits : DirectHits or None
        X rays that the silicon itself absorbs; None where they are not counted.
    oblique : ObliqueTransfer or None
        The screen's transfer function by direction, of which ``screen_mtf`` is the mean; None where rays are normal.
    """

    spectrum: Spectrum
    sensor: Sensor
    screen: Screen
    kerma_uGy: float
    signal_electrons: float
    screen_mtf: RadialCurve
    quantum_nnps: RadialCurve
    alias_orders: int
    hits: DirectHits | None = None
    oblique: ObliqueTransfer | None = None

    @property
    def pitch_mm(self) -> float:
        """Return the pixel pitch [mm]."""
        return self.sensor.pitch_mm

    def otf(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the presampled transfer function along a pixel axis: negative where the aperture inverts contrast.

        Of oblique rays it is the mean over all directions (see `mtf_by_direction`).
        """
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        return self.screen_mtf(frequency) * self.sensor.aperture_mtf(frequency)

    def mtf(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the presampled MTF along a pixel axis, aperture included."""
        return np.abs(self.otf(frequency_lp_mm))

    def mtf_by_direction(self, frequency_lp_mm: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the presampled MTFs along and across the tilt of oblique rays, aperture included."""
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        if self.oblique is None:
            return self.mtf(frequency), self.mtf(frequency)
        aperture = np.abs(self.sensor.aperture_mtf(frequency))
        along, across = (np.abs(self.oblique(frequency, u)) * aperture for u in (frequency, 0.0 * frequency))
        return along, across

    def mtf_map(self, shape: tuple[int, int], pixel_mm: float) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Return the presampled transfer function on the ``rfft2`` grid of an image, (H, W // 2 + 1).

        The image is (H, W) and its pixels [mm] may be finer than the pitch. The photodiode's square is included, with
        its sign: beyond 1/aperture it inverts contrast. It is complex where rays are oblique.
        """
        v, u = frequency_axes(shape, pixel_mm)
        aperture = self.sensor.aperture_mtf(v) * self.sensor.aperture_mtf(u)
        if self.oblique is not None:
            # Even in v: half of the rows are enough.
            rows = np.abs(v[: shape[0] // 2 + 1])
            half = self.oblique(np.hypot(rows, u), u)
            return np.concatenate((half, half[1 : shape[0] - len(rows) + 1][::-1])) * aperture
        return self.screen_mtf(radial_frequency(shape, pixel_mm)) * aperture

    @property
    def shot_nnps_mm2(self) -> float:
        """Return the white NNPS of the photo-electrons [mm2] in one frame."""
        return self.pitch_mm**2 / self.signal_electrons

    @property
    def read_nnps_mm2(self) -> float:
        """Return the white NNPS of reading and digitising [mm2] in one frame."""
        variance_e2 = float(self.sensor.electronic_variance_at(self.signal_electrons))
        return variance_e2 * self.pitch_mm**2 / self.signal_electrons**2

    @property
    def hit_nnps_mm2(self) -> float:
        """Return the white NNPS of the direct hits [mm2] in one frame; 0 where they are not counted.

        Each lies in one pixel, so that its noise is white after sampling, not only before.
        """
        return 0.0 if self.hits is None else self.hits.variance_e2 * self.pitch_mm**2 / self.signal_electrons**2

    @property
    def hit_share(self) -> float:
        """Return the share of the open-field signal that direct hits make."""
        return 0.0 if self.hits is None else self.hits.signal_e / self.signal_electrons

    @property
    def white_nnps_mm2(self) -> float:
        """Return the white NNPS of one frame [mm2]: photo-electrons, reading and digitising, direct hits."""
        return self.shot_nnps_mm2 + self.read_nnps_mm2 + self.hit_nnps_mm2

    def presampled_nnps(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the presampled quantum NNPS [mm2] of one frame, direct hits included, without the pixel."""
        return self.quantum_nnps(frequency_lp_mm) + self.hit_nnps_mm2 * (self.sensor.aperture_mm / self.pitch_mm) ** 2

    def frames_factors(self, frames: int) -> tuple[float, float]:
        """Return ``(scale, floor_mm2)``: NNPS of a mean of frames = scale * NNPS of one frame + floor.

        The scale holds the averaging (with lag) and the noise of the gain map's own flats, which averaging never
        removes; the floor is the fixed pattern that flats do not correct (screen structure), white or at f = 0 (see
        `mean_nnps`).
        """
        flat = self.sensor.frame_average(self.sensor.flat_frames) if self.sensor.flat_frames else 0.0
        floor = self.sensor.structure_sd**2 * self.pitch_mm**2
        if self.sensor.structure_mm:
            floor = float(self.sensor.structure_nnps_mm2(np.zeros(()), np.zeros(())))
        return self.sensor.frame_average(frames) + flat, floor

    def mean_nnps(self, frequency_lp_mm: ArrayLike, frames: int) -> NDArray[np.float64]:
        """Return the NNPS [mm2] of a corrected mean of frames at |f|, with gain map and structured fixed pattern."""
        scale, floor = self.frames_factors(frames)
        if not self.sensor.structure_mm:
            return scale * self.nnps(frequency_lp_mm) + floor
        fixed = self._over_directions(frequency_lp_mm, self.sensor.structure_nnps_mm2)
        return scale * self.nnps(frequency_lp_mm) + fixed

    def nnps_map(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the digital NNPS [mm2] of one corrected frame (H, W) on its ``rfft2`` grid, (H, W // 2 + 1).

        Quantum noise (aliased, through the aperture), photo-electron shot noise, read noise, direct hits. The noise
        of the gain map is not part of it (see `frames_factors`).
        """
        v, u = frequency_axes(shape, self.pitch_mm)
        # Power spectra are even in v: half of the rows are enough.
        rows = np.abs(v[: shape[0] // 2 + 1])
        quantum = self._aliased_quantum(rows, u)
        mirrored = np.concatenate((quantum, quantum[1 : shape[0] - len(rows) + 1][::-1]))
        return mirrored + self.white_nnps_mm2

    def nnps(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the digital NNPS [mm2] of one frame, averaged over all directions at each |f|.

        Beyond the Nyquist frequency only the directions inside the sampled square count; beyond its corner the
        corner's value is returned.
        """
        return np.asarray(self._over_directions(frequency_lp_mm, self._aliased_quantum) + self.white_nnps_mm2)

    def _over_directions(
        self,
        frequency_lp_mm: ArrayLike,
        power: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """Return the mean over directions at |f| of a digital power spectrum of (v, u)."""
        nyquist = nyquist_lp_mm(self.pitch_mm)
        frequency = np.atleast_1d(np.minimum(np.asarray(frequency_lp_mm, dtype=np.float64), np.sqrt(2.0) * nyquist))
        first: NDArray[np.float64] = np.arccos(np.minimum(1.0, nyquist / np.maximum(frequency, 1e-12)))
        middle = (np.arange(_ANGLES) + 0.5) / _ANGLES
        angle = first + (np.pi / 4 - first) * middle[:, None]
        u, v = frequency * np.cos(angle), frequency * np.sin(angle)
        return np.asarray(power(v, u).mean(axis=0))

    def _aliased_quantum(self, v: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the quantum NNPS [mm2] through the aperture, summed over the aliases of (u, v)."""
        aperture, sampling = self.sensor.aperture_mtf, 1.0 / self.pitch_mm
        orders = range(-self.alias_orders, self.alias_orders + 1)
        total = np.zeros(np.broadcast_shapes(v.shape, u.shape))
        across = [(np.square(u + k * sampling), np.square(aperture(u + k * sampling))) for k in orders]
        for order in orders:
            shifted = v + order * sampling
            down_2, down_T2 = np.square(shifted), np.square(aperture(shifted))
            for across_2, across_T2 in across:
                total += self.quantum_nnps(np.sqrt(down_2 + across_2)) * (down_T2 * across_T2)
        return total

    def dqe(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the DQE: MTF^2 / (photons per mm2 * NNPS), with the digital NNPS of one frame (IEC 62220-1)."""
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        photons_per_mm2 = self.spectrum.total_fluence_per_mm2_uGy * self.kerma_uGy * self.screen.incidence_cosine
        return np.square(self.mtf(frequency)) / (photons_per_mm2 * self.nnps(frequency))

    @cached_property
    def pixel_sigma(self) -> float:
        """Return the relative standard deviation of a pixel in one open-field frame."""
        nnps = self.nnps_map(_VARIANCE_SHAPE)
        weights = np.broadcast_to(half_plane_weights(_VARIANCE_SHAPE), nnps.shape)
        return float(np.sqrt(np.average(nnps, weights=weights))) / self.pitch_mm

    def energy_response(self, energy_keV: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights (n,) of signal and noise power of one photon of each energy (n,) [keV], in open-field units.

        With phi the open field's ``fluence_per_mm2_uGy`` and T(E) an object's transmission, the grey level is
        ``sum(phi * T * signal_weight)`` and the quantum NNPS ``quantum_nnps * sum(phi * T * variance_weight)``; both
        sums are 1 in the open field. Direct hits count in both: with their share of the signal, and of the variance of
        a pixel.
        """
        energy = np.atleast_1d(np.asarray(energy_keV, dtype=np.float64))
        signal, noise = self.screen.deposits(energy).per_photon()
        open_signal, open_noise = self._open_field
        if self.hits is None:
            return signal / open_signal, noise / open_noise
        hit_signal, hit_noise = self.hit_response(energy)
        share, noisy = self.hit_share, self._hit_share_of_variance
        return (
            (1.0 - share) * signal / open_signal + share * hit_signal,
            (1.0 - noisy) * noise / open_noise + noisy * hit_noise,
        )

    def hit_response(self, energy_keV: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the same weights, (n,) each, of the direct hits alone; their sums too are 1 in the open field."""
        (first, second), fluence = hit_moments(self.screen, self.sensor, energy_keV), self.spectrum.fluence_per_mm2_uGy
        open_first, open_second = hit_moments(self.screen, self.sensor, self.spectrum.energy_keV)
        return first / float(fluence @ open_first), second / float(fluence @ open_second)

    @cached_property
    def _hit_share_of_variance(self) -> float:
        """Return the share of the quantum variance of a pixel that direct hits make."""
        hits, other = self.hit_nnps_mm2, self.shot_nnps_mm2 + self.read_nnps_mm2
        return hits / ((self.pixel_sigma * self.pitch_mm) ** 2 - other)

    @cached_property
    def _open_field(self) -> tuple[float, float]:
        signal, noise = self.screen.deposits(self.spectrum.energy_keV).per_photon()
        fluence = self.spectrum.fluence_per_mm2_uGy
        return float(fluence @ signal), float(fluence @ noise)
