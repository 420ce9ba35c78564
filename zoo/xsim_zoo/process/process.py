"""The forward process between two detectors, exact and per spatial frequency.

Equations (1) and (2) of the paper are an Ornstein-Uhlenbeck process for each frequency of the image. With
theta = -ln B_1, and the noise given at its end point (Sigma_1) instead of its stationary spectrum q,

    B_t = exp(-theta t),    r_t = expm1(-2 theta t) / expm1(-2 theta),    Sigma_t = Sigma_1 r_t.

It is the paper's process where q is finite; it stays finite at f = 0 (r_t -> t) and where measured MTFs cross
(B_1 > 1), and float32 carries it to 1e-7 where 1 - B_t^2 cancels.

Spectra are ``rfft2(norm="ortho")`` of padded images: the variance of a bin is NNPS / pitch^2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import EllipsisType

import torch
from torch import Tensor

from xsim.grids import half_plane_weights

__all__ = ["LEAST_RMS", "MIN_B_1", "Process", "Rows", "fft", "ifft", "plane_mean", "strips"]

Rows = tuple[EllipsisType, slice, slice]
"""Index of some rows of maps (..., H, W // 2 + 1)."""

MIN_B_1 = 1e-4
"""Floor of B_1: where less than this passes, the data hold no information and theta would only grow."""

LEAST_RMS = 1e-6
"""Noise and errors below this rms, in grey, count as this much: float32 tells greys near 1 apart to about 1e-7."""

_STRIP_BINS = 2**20
"""Bins that are evaluated at a time: their maps take some 30 MiB, whatever the image takes."""

_STRIP_BINS_CUDA = 2**23
"""The same on a GPU, which waits for the launch of kernels on small strips: some 250 MiB."""


def fft(images: Tensor) -> Tensor:
    """Return the half-plane spectra (..., H, W // 2 + 1) of real images (..., H, W)."""
    spectra: Tensor = torch.fft.rfft2(images, norm="ortho")
    return spectra


def ifft(spectra: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the real images (..., H, W) of half-plane spectra; the shape tells odd from even widths."""
    images: Tensor = torch.fft.irfft2(spectra, s=shape, norm="ortho")
    return images


@lru_cache(maxsize=16)
def _plane_weights(shape: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Kept, as copying a row to a GPU costs more than the mean itself.
    with torch.inference_mode(mode=False):
        return torch.as_tensor(half_plane_weights(shape), dtype=dtype, device=device)


def plane_mean(maps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the mean of half-plane maps over the *full* plane, shape (..., 1, 1)."""
    return (maps * _plane_weights(shape, maps.dtype, maps.device)).sum(dim=(-2, -1), keepdim=True) / (
        shape[0] * shape[1]
    )


def strips(maps: Tensor) -> Iterator[Rows]:
    """Yield indices of a few rows each that together cover maps (..., H, W // 2 + 1).

    The maps of B_t, Sigma_t and W_t are as large as the image, and each formula needs several of them at once. All of
    them belong to single bins, so they can be evaluated on some rows of the half plane, used, and forgotten.
    """
    height = maps.shape[-2]
    bins = _STRIP_BINS_CUDA if maps.device.type == "cuda" else _STRIP_BINS
    rows = max(1, bins * height // maps.numel())
    for first in range(0, height, rows):
        yield ..., slice(first, first + rows), slice(None)


def _column(t: float | Tensor, like: Tensor) -> Tensor:
    """Return times as (1, 1, 1, 1) or (B, 1, 1, 1), to meet maps (B or 1, 1, H, W // 2 + 1)."""
    if isinstance(t, (int, float)):
        # Filled there: a number that is copied to a GPU makes it wait.
        return torch.full((1, 1, 1, 1), t, dtype=like.dtype, device=like.device)
    return torch.as_tensor(t, dtype=like.dtype, device=like.device).reshape(-1, 1, 1, 1)


@dataclass(frozen=True)
class Process:
    """The forward process on one padded grid; batches may hold a degradation for each sample.

    Parameters
    ----------
    theta : (B or 1, 1, H, W // 2 + 1) tensor
        -ln B_1 of every bin.
    Sigma_1 : (B or 1, 1, H, W // 2 + 1) tensor
        Noise variance of every bin at t = 1.
    shape : (H, W)
        Shape of the padded image [px].
    """

    theta: Tensor
    Sigma_1: Tensor
    shape: tuple[int, int]

    @classmethod
    def stack(cls, processes: Sequence[Process]) -> Process:
        """Join processes of one shape into one whose maps have a batch axis."""
        return cls(
            torch.cat([process.theta for process in processes]),
            torch.cat([process.Sigma_1 for process in processes]),
            processes[0].shape,
        )

    def rows(self, rows: Rows) -> Process:
        """Return the process of some rows of the bins, see `strips`; its shape stays that of the whole image."""
        return replace(self, theta=self.theta[rows], Sigma_1=self.Sigma_1[rows])

    def at_noise_level(self, level: float | Tensor) -> Process:
        """Return the process that ends in another noise.

        Parameters
        ----------
        level : float or (B,) tensor
            Noise power relative to this process's.
        """
        return replace(self, Sigma_1=self.Sigma_1 * _column(level, self.Sigma_1))

    def with_noise_everywhere(self) -> Process:
        """Return the process with noise in every bin, for what divides by it or takes its logarithm.

        A bin whose noise the model takes for zero (that of the mean, where q is the paper's) is as noisy as the least
        noisy one that has noise. A process that has noise everywhere is returned as it is.
        """
        noisy = self.Sigma_1 > 0
        if noisy.all():
            return self
        least = float(self.Sigma_1[noisy].min()) if noisy.any() else LEAST_RMS**2
        return replace(self, Sigma_1=torch.where(noisy, self.Sigma_1, least))

    def B(self, t: float | Tensor) -> Tensor:
        """Return B_t, what is left of the signal at time ``t`` (a number or one for each sample)."""
        return torch.exp(-self.theta * _column(t, self.theta))

    def r(self, t: float | Tensor) -> Tensor:
        """Return r_t = Sigma_t / Sigma_1, in [0, 1]; t itself where nothing blurs (theta = 0)."""
        time = _column(t, self.theta)
        still = self.theta == 0
        theta = torch.where(still, 1.0, self.theta)
        return torch.where(still, time, torch.expm1(-2 * theta * time) / torch.expm1(-2 * theta))

    def Sigma(self, t: float | Tensor) -> Tensor:
        """Return Sigma_t, the noise variance of every bin at time ``t``."""
        return self.Sigma_1 * self.r(t)

    def marginal(self, X_0: Tensor, t: float | Tensor, Z: Tensor) -> Tensor:
        """Draw X_t given X_0, equation (1) of the paper.

        Parameters
        ----------
        X_0 : (B, 1, H, W // 2 + 1) complex tensor
            Spectra of the sharp images, in LR grey.
        t : float or (B,) tensor
            Time in [0, 1], one for all or one for each sample.
        Z : (B, 1, H, W // 2 + 1) complex tensor
            Spectra of *real* white noise of unit variance.
        """
        return self.B(t) * X_0 + self.Sigma(t).sqrt() * Z

    def posterior(self, X_0: Tensor, X_t: Tensor, s: float | Tensor, t: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of X_s given X_t and X_0.

        Parameters
        ----------
        X_0, X_t : (B, 1, H, W // 2 + 1) complex tensors
            Spectra at both ends.
        s, t : float or (B,) tensor
            Times, 0 <= s < t.

        Returns
        -------
        mean : (B, 1, H, W // 2 + 1) complex tensor
        variance : (B or 1, 1, H, W // 2 + 1) tensor

        Notes
        -----
        mean = B_s X_0 + B_{t-s} (r_s / r_t) (X_t - B_t X_0), variance = Sigma_1 r_s r_{t-s} / r_t.
        """
        step = t - s
        ratio = self.r(s) / self.r(t)
        mean = self.B(s) * X_0 + self.B(step) * ratio * (X_t - self.B(t) * X_0)
        return mean, self.Sigma_1 * ratio * self.r(step)

    def bridge(self, X_0: Tensor, Y: Tensor, t: Tensor, Z: Tensor) -> Tensor:
        """Draw X_t given both ends, X_0 and X_1 = Y: the coupling that counts y's noise once.

        Parameters
        ----------
        X_0, Z
            See `marginal`.
        Y : (B, 1, H, W // 2 + 1) complex tensor
            Spectra of the measurements.
        t : (B,) tensor
            Times in [0, 1]; at 1 the state is ``Y`` itself.
        """
        mean, variance = self.posterior(X_0, Y, t, 1.0)
        return mean + variance.clamp_min(0).sqrt() * Z

    def between(self, X_0: Tensor, Y: Tensor, t: float | Tensor) -> Tensor:
        """Return the state at ``t`` whose noise is the pair's own, X_t = B_t X_0 + sqrt(r_t) (Y - B_1 X_0).

        It is where the deterministic sampler (eta = 0) passes on its way from ``Y`` to ``X_0``, whatever ``Y`` is.
        """
        return self.B(t) * X_0 + self.r(t).sqrt() * (Y - self.B(1.0) * X_0)

    def ddim(self, s: float, t: float, eta: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the coefficients (a, k, std) of one step t -> s: X_s = a X_0_hat + k X_t + std Z.

        Every eta in [0, 1] keeps the marginals; eta = 1 is the exact posterior, eta = 0 is deterministic and needs
        only the MTFs (Song et al. 2021, for each frequency).

        Parameters
        ----------
        s, t : float
            Times, 0 <= s < t.
        eta : float
            Share of the posterior's noise, 0 to 1.

        Returns
        -------
        a, k, std : (B or 1, 1, H, W // 2 + 1) tensors
        """
        r_s, r_t, r_step = self.r(s), self.r(t), self.r(t - s)
        # r_t = r_step + B_step^2 r_s turns r_s - eta^2 r_s r_step / r_t into a sum: nothing cancels.
        k = (r_s * ((1 - eta**2) * r_step + self.B(t - s) ** 2 * r_s)).sqrt() / r_t
        return self.B(s) - k * self.B(t), k, eta * (self.Sigma_1 * r_s * r_step / r_t).sqrt()
