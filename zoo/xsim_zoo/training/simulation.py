"""The imaging chain in torch: projection, blur and noise of batches, on a GPU where there is one.

It is the twin of ``xsim.simulate_pair`` for making training pairs as fast as training eats them: the same quadrature,
the same filters and the same laws of noise, so that noise-free images agree to float32 and noisy ones in their
statistics. It leaves out what does not pay there: scatter, glare, shading, exposure drift, offsets and defects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from xsim.errors import InputError
from xsim.imaging.acquisition import Acquisition, fixed_pattern
from xsim.imaging.exposure import imager, padded_shape
from xsim.imaging.projection import rule_for
from xsim.imaging.scatter import Scatter
from xsim.seeds import torch_seed
from xsim_zoo.weights.loading import resolve_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim.detector.response import DetectorResponse
    from xsim.imaging.exposure import Imager
    from xsim.imaging.setup import PairSetup

__all__ = ["BatchSimulator"]

# Transmissions held at once: what fits a CPU's cache, and what keeps a GPU busy.
_HELD = {"cpu": 2**17, "cuda": 2**26}
_FEW_QUANTA = 50.0


@dataclass(frozen=True, eq=False)
class _Camera:
    """One detector of a set-up as tensors."""

    side: str
    filters: Imager
    transfer: Tensor
    amplitude: Tensor
    residual: Tensor
    signal_electrons: float
    count_e: float
    full_well_e: float
    electronic_variance_e2: float
    frames: int
    average: float


class BatchSimulator:
    """Simulates HR/LR pairs of batches of phantoms that share materials, shape and set-up.

    Parameters
    ----------
    setup : PairSetup
        Beam, detectors, dose.
    materials : sequence of str
        Names of the M materials of every phantom.
    shape : (H, W)
        Shape of the thickness maps.
    pixel_mm : float
        Their pixel [mm]; the detector's pixel is a whole multiple of it (times the magnification).
    device : str or torch.device
        Where to compute; "auto" takes a GPU if there is one.

    Raises
    ------
    InputError
        If the set-up asks for what this twin leaves out, or the pixels do not fit the detector's.
    UnknownNameError
        If a material is not known.
    """

    def __init__(
        self,
        setup: PairSetup,
        materials: Sequence[str],
        shape: tuple[int, int],
        pixel_mm: float,
        *,
        device: str | torch.device = "auto",
    ) -> None:
        self.setup, self.materials, self.shape = setup, tuple(materials), shape
        self.device = resolve_device(device)
        self.plane = setup.geometry.plane(shape, pixel_mm, setup.pitch_mm)
        cells = tuple(side * self.plane.oversampling for side in self.plane.shape)
        self._check(cells, pixel_mm)
        rule = rule_for(self.materials, [setup.hr_response, setup.lr_response], setup.method)
        self._exponent = self._tensor(-rule.attenuation_per_mm)
        self._weights = self._tensor(rule.weights)
        self._cameras = [
            self._camera("hr", setup.hr_response, setup.hr_frames),
            self._camera("lr", setup.lr_response, setup.lr_frames),
        ]

    def __call__(self, thickness_mm: Tensor, seed: int, samples: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return noisy ``(hr, lr)``, each (B, 1, h, w), open field 1.

        Parameters
        ----------
        thickness_mm : (B, M, H, W) tensor
            Thickness maps [mm].
        seed : int
            Seed of the run.
        samples : sequence of B int
            Index of each pair in the run; a pair's noise depends on it alone, not on the batch.

        Raises
        ------
        InputError
            If the maps do not have the shape announced.
        """
        self._check_batch(thickness_mm, len(samples))
        beams = self._project(thickness_mm)
        images = []
        for index, camera in enumerate(self._cameras):
            grey, variance = beams[:, 2 * index], beams[:, 2 * index + 1]
            generators = [self._generator(seed, sample, camera.side) for sample in samples]
            spectrum = self._light(grey, camera) + self._quantum_noise(grey, variance, camera, generators)
            images.append(self._read(self._image(spectrum, camera), camera, generators))
        return images[0], images[1]

    def clean(self, thickness_mm: Tensor) -> tuple[Tensor, Tensor]:
        """Return noise-free ``(hr, lr)``, each (B, 1, h, w).

        Raises
        ------
        InputError
            If the maps do not have the shape announced.
        """
        self._check_batch(thickness_mm, len(thickness_mm))
        beams = self._project(thickness_mm)
        hr, lr = (
            self._image(self._light(beams[:, 2 * index], camera), camera)[:, None]
            for index, camera in enumerate(self._cameras)
        )
        return hr, lr

    def _check(self, cells: tuple[int, ...], pixel_mm: float) -> None:
        setup = self.setup
        left_out = {
            "scatter or glare": setup.scatter != Scatter(),
            "offsets or drift": setup.acquisition != Acquisition(),
            "shading": setup.geometry.falloff or setup.geometry.heel_depth_mm > 0,
            f"{setup.noise} noise": setup.noise != "filtered",
            "a focal spot": setup.geometry.focal_spot_mm * (setup.geometry.magnification - 1) > 0,
        }
        for what, wanted in left_out.items():
            if wanted:
                raise InputError(f"the torch simulator leaves out {what}: use xsim.simulate_pair")
        side_mm = pixel_mm * setup.geometry.magnification
        if abs(side_mm / self.plane.cell_mm - 1.0) > 1e-4 or cells != self.shape:
            raise InputError(
                f"maps of {self.shape} pixels of {side_mm:g} mm do not fill whole pixels of {setup.pitch_mm:g} mm: "
                "draw them on a whole fraction of the pitch"
            )
        if any(full > 3 * inner for full, inner in zip(padded_shape(self.plane.shape), self.plane.shape, strict=True)):
            raise InputError(f"images of {self.plane.shape} pixels are smaller than their own border: give 32 or more")

    def _check_batch(self, thickness_mm: Tensor, samples: int) -> None:
        expected = (samples, len(self.materials), *self.shape)
        if tuple(thickness_mm.shape) != expected:
            raise InputError(f"thickness maps of shape {tuple(thickness_mm.shape)}: give {expected}")

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), device=self.device)

    def _camera(self, side: str, response: DetectorResponse, frames: int) -> _Camera:
        sensor = response.sensor
        shift = (0.0, 0.0) if side == "hr" else self.setup.registration_px
        filters = imager(response, self.plane, self.setup.geometry, shift)
        detector_seed = torch_seed(self.setup.detector_seed, stage=side)
        pattern = fixed_pattern(response, self.setup.acquisition, self.plane.shape, detector_seed)
        return _Camera(
            side=side,
            filters=filters,
            transfer=self._tensor(filters.transfer),
            amplitude=self._tensor(filters.noise_amplitude),
            residual=self._tensor(pattern.residual),
            signal_electrons=response.signal_electrons,
            count_e=sensor.electrons_per_count,
            full_well_e=sensor.full_well_e,
            electronic_variance_e2=sensor.electronic_variance_e2,
            frames=frames,
            average=sensor.frame_average(frames),
        )

    def _generator(self, seed: int, sample: int, side: str) -> torch.Generator:
        generator = torch.Generator(self.device)
        return generator.manual_seed(torch_seed(seed, sample=sample, stage=f"{side}-torch"))

    def _project(self, thickness_mm: Tensor) -> Tensor:
        """Return grey and variance of both screens, (B, 4, H, W)."""
        maps = thickness_mm.to(self.device, torch.float32).flatten(2)
        held = _HELD.get(self.device.type, _HELD["cuda"])
        chunk = max(256, held // (len(self._exponent) * len(maps)))
        parts = [self._weights @ torch.exp_(self._exponent @ part) for part in torch.split(maps, chunk, dim=2)]
        return torch.cat(parts, dim=2).reshape(len(maps), -1, *self.shape)

    def _mirrored(self, images: Tensor, camera: _Camera, cells: int) -> Tensor:
        """Continue images beyond their borders, each border pixel doubled, as ``xsim.imaging.exposure`` does."""
        for axis, (full, inner) in enumerate(zip(camera.filters.padded, self.plane.shape, strict=True), start=1):
            before = (full - inner) // 2
            after = full - inner - before
            head = images.narrow(axis, 0, cells * before).flip(axis)
            tail = images.narrow(axis, cells * (inner - after), cells * after).flip(axis)
            images = torch.cat([head, images, tail], dim=axis)
        return images

    def _light(self, grey: Tensor, camera: _Camera) -> Tensor:
        s = self.plane.oversampling
        spectrum = torch.fft.rfft2(self._mirrored(grey, camera, s)) * camera.transfer
        return _fold(spectrum, camera.filters.padded, s)

    def _quantum_noise(
        self, grey: Tensor, variance: Tensor, camera: _Camera, generators: Sequence[torch.Generator]
    ) -> Tensor:
        g, v = (self._mirrored(self._pixel_means(part), camera, 1) for part in (grey, variance))
        v *= camera.average
        quanta = camera.filters.quanta_per_pixel * g**2 / v.clamp_min(torch.finfo(v.dtype).tiny)
        white = torch.stack(
            [_standard_quanta(part, generator) for part, generator in zip(quanta, generators, strict=True)]
        )
        spectrum: Tensor = torch.fft.rfft2(white * v.sqrt())
        return spectrum * camera.amplitude

    def _pixel_means(self, images: Tensor) -> Tensor:
        s = self.plane.oversampling
        if s == 1:
            return images
        height, width = self.plane.shape
        return images.reshape(-1, height, s, width, s).mean(dim=(2, 4))

    def _image(self, spectrum: Tensor, camera: _Camera) -> Tensor:
        padded = camera.filters.padded
        image: Tensor = torch.fft.irfft2(spectrum, s=padded)
        top, left = ((full - inner) // 2 for full, inner in zip(padded, self.plane.shape, strict=True))
        return image[:, top : top + self.plane.shape[0], left : left + self.plane.shape[1]]

    def _read(self, light: Tensor, camera: _Camera, generators: Sequence[torch.Generator]) -> Tensor:
        """Return the corrected read-out of light, (B, 1, h, w)."""
        electrons = light * camera.signal_electrons
        read_e2 = camera.electronic_variance_e2 * camera.average - camera.count_e**2 / (12 * camera.frames**2)
        sigma = (electrons.clamp_min(0.0) * camera.average + max(read_e2, 0.0)).sqrt()
        white = torch.stack([self._normal(light.shape[1:], generator) for generator in generators])
        step = camera.count_e / camera.frames
        counts = ((electrons + sigma * white).clamp_max(camera.full_well_e - camera.count_e) / step).round()
        residual = torch.stack([self._window(camera.residual, generator) for generator in generators])
        return (counts * (step / camera.signal_electrons) * residual)[:, None]

    def _normal(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=generator, device=self.device)

    def _window(self, pattern: Tensor, generator: torch.Generator) -> Tensor:
        """Return the part of a detector's pattern that a shot falls on."""
        for axis, size in enumerate(self.plane.shape):
            spare = pattern.shape[axis] - size
            first = torch.randint(spare + 1, (), generator=generator, device=self.device)
            pattern = pattern.narrow(axis, int(first), size)
        return pattern


def _standard_quanta(quanta: Tensor, generator: torch.Generator) -> Tensor:
    """Return fluctuations of mean 0 and variance 1, Poissonian where quanta are few."""
    white = torch.randn(quanta.shape, generator=generator, device=quanta.device)
    few = quanta < _FEW_QUANTA
    if few.any():
        expected = quanta[few].clamp_min(1e-12)
        white[few] = (torch.poisson(expected, generator=generator) - expected) / expected.sqrt()
    return white


def _fold(spectrum: Tensor, shape: tuple[int, int], oversampling: int) -> Tensor:
    """Return the ``rfft2`` of every s-th sample from the ``rfft2`` of all (see ``xsim.imaging.exposure.fold``)."""
    if oversampling == 1:
        return spectrum
    height, width = shape
    rows = spectrum.reshape(-1, oversampling, height, spectrum.shape[-1]).sum(dim=1)
    mirrored = rows.flip(-2).roll(1, -2).conj()
    # The whole width: the stored half, then the conjugates of the mirrored inner columns.
    inner = slice(1, oversampling * width - rows.shape[-1] + 1)
    full = torch.cat([rows, mirrored[..., inner].flip(-1)], dim=-1)
    folded: Tensor = full.reshape(-1, height, oversampling, width).sum(dim=2)
    return folded[..., : width // 2 + 1] / oversampling**2
