"""B_1 as a linear operator on images, with its exact adjoint, and what goes with it: noise, prior, whitening.

It acts on images in LR grey, after the link (`xsim_zoo.process.link`), where the problem is linear: y = B_1 L(x) + n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from xsim.errors import InputError, UnknownNameError, check_shape
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.process import fft, ifft

__all__ = ["Blur", "Boundary", "PriorDenoiser"]

Boundary = Literal["reflect", "periodic"]
"""What lies beyond the image: its mirror image, as restorers take it, or the image itself again."""

_POWER_STEPS = 200
"""Steps of the power method: B_1 falls so evenly that the norm is exact to a part in 1e4 then."""


@dataclass(frozen=True)
class Blur:
    """y = A x with A = crop B_1 pad, on images (B, 1, H, W) of any size, odd ones too.

    Parameters
    ----------
    operator : Operator
        The maps on the padded grid.
    grid : PaddedGrid
        Where the image lies on it; of a periodic image the grid is the image.
    gain : (1, 1, H', W' // 2 + 1) tensor
        What each bin is multiplied by: B_1, or B_1 / sqrt(Sigma_1) where the noise is whitened.
    """

    operator: Operator
    grid: PaddedGrid
    gain: Tensor

    @classmethod
    def between(
        cls,
        physics: Physics,
        shape: tuple[int, int],
        *,
        boundary: Boundary = "reflect",
        whitened: bool = False,
        noise_level: float = 1.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Blur:
        """Evaluate the tables of two detectors on images of one shape.

        Parameters
        ----------
        physics : Physics
            What lies between the detectors, as of ``restorer.physics``.
        shape : (H, W)
            Shape of the images [px].
        boundary : str
            "reflect" or "periodic".
        whitened : bool
            Whether A stands for measurements whose noise was made white, of unit variance (`whiten`); periodic only.
        noise_level : float
            Noise power relative to the open field.
        device, dtype
            Of the maps.

        Raises
        ------
        InputError
            If a reflected operator is to be whitened, as its noise is not stationary at the borders, or there is no
            such shape.
        UnknownNameError
            If there is no such boundary.
        """
        if boundary not in {"reflect", "periodic"}:
            raise UnknownNameError("boundary", boundary, ["reflect", "periodic"])
        if whitened and boundary != "periodic":
            raise InputError("the noise of a reflected image is not stationary: whiten with boundary='periodic'")
        shape = check_shape(shape)
        grid = PaddedGrid.around(shape) if boundary == "reflect" else PaddedGrid(shape, shape)
        operator = Operator.between(
            physics.degradation, physics.spectrum, grid.padded, device=device, dtype=dtype
        ).at_noise_level(noise_level)
        B_1 = operator.process.B(1.0)
        sigma = operator.process.with_noise_everywhere().Sigma_1.sqrt()
        return cls(operator, grid, B_1 / sigma if whitened else B_1)

    def A(self, x: Tensor) -> Tensor:
        """Return the blurred images (B, 1, H, W)."""
        return self.grid.crop(self._filtered(self.grid.pad(x), self.gain))

    def A_adjoint(self, y: Tensor) -> Tensor:
        """Return the adjoint of `A` of images (B, 1, H, W): <A x, y> = <x, A_adjoint y>."""
        # B_1 is real and even, so its own adjoint. That of cropping puts zeros around, that of padding folds back.
        top, left = self.grid.offset if self.grid.padded != self.grid.shape else (0, 0)
        (height, width), (rows, columns) = self.grid.shape, self.grid.padded
        framed = torch.nn.functional.pad(y, (left, columns - left - width, top, rows - top - height))
        folded = self._filtered(framed, self.gain)
        for axis, size in ((-2, height), (-1, width)):
            start = -(top if axis == -2 else left)
            index = self.grid.sources(axis + 2, start, start + folded.shape[axis]).to(y.device)
            shape = [*folded.shape]
            shape[axis] = size
            folded = folded.new_zeros(shape).index_add(axis, index, folded)
        return folded

    def whiten(self, y: Tensor) -> Tensor:
        """Return measurements whose noise is white, of unit variance; for a whitened operator."""
        return self._filtered(y, self.operator.process.with_noise_everywhere().Sigma_1.rsqrt())

    def noise(self, generator: torch.Generator, count: int = 1) -> Tensor:
        """Draw the detector's noise (B, 1, H, W), of the power of the noise level."""
        shape = (count, 1, *self.grid.padded)
        white = torch.randn(shape, generator=generator, device=generator.device).to(self.gain)
        return self.grid.crop(self._filtered(white, self.operator.process.Sigma_1.sqrt()))

    def norm(self) -> float:
        """Return the largest factor by which `A` makes an image longer: the largest gain of periodic images."""
        if self.grid.padded == self.grid.shape:
            return float(self.gain.max())
        x = torch.ones((1, 1, *self.grid.shape), dtype=self.gain.dtype, device=self.gain.device)
        length = x.norm()
        for _ in range(_POWER_STEPS):
            x = self.A_adjoint(self.A(x / length))
            length = x.norm()
        return float(length.sqrt())

    def least_squares(self, z: Tensor, y: Tensor, gamma: float | Tensor) -> Tensor:
        """Return argmin_x gamma / 2 |A x - y|^2 + |x - z|^2 / 2 of periodic images, in closed form.

        Raises
        ------
        InputError
            If the images are not periodic.
        """
        if self.grid.padded != self.grid.shape:
            raise InputError("reflected images have no closed form: take boundary='periodic', or an iteration")
        X = (fft(z) + gamma * self.gain * fft(y)) / (1 + gamma * self.gain.square())
        return ifft(X, self.grid.shape)

    def _filtered(self, images: Tensor, gain: Tensor) -> Tensor:
        return ifft(gain * fft(images), self.grid.padded)


class PriorDenoiser(torch.nn.Module):
    """The best linear denoiser of images with the prior spectrum S(f): D(x, sigma) = S / (S + sigma^2) x.

    It is the posterior mean where images are Gaussian, and needs no weights; on periodic images.

    Parameters
    ----------
    blur : Blur
        Whose prior it is.
    """

    def __init__(self, blur: Blur) -> None:
        super().__init__()
        self.S, self.shape = blur.operator.S, blur.grid.padded

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the denoised images (B, 1, H, W) of noise ``sigma``, one for all or (B,)."""
        variance = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).square().reshape(-1, 1, 1, 1)
        S = self.S.to(x)
        return ifft(S / (S + variance) * fft(x), self.shape)
