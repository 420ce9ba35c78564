"""What lies between the two detectors on one padded grid: the process and the Wiener filter of its every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from xsim.degradation.degradation import Degradation
from xsim_zoo.process.conditions import detector_shape, link_shape
from xsim_zoo.process.prior import RadialSpectrum
from xsim_zoo.process.process import LEAST_RMS, MIN_B_1, Process, Rows, plane_mean, strips

__all__ = ["Operator"]


@dataclass(frozen=True)
class Operator:
    """The process on a grid together with the prior S of its sharp images.

    Parameters
    ----------
    process : Process
        The forward process; batches may hold one for each sample.
    S : (B or 1, 1, H, W // 2 + 1) tensor
        Prior power of every bin.
    detectors : (B or 1, 8) tensor
        What networks may be told of the detectors: `link_shape`, then `detector_shape`.
    """

    process: Process
    S: Tensor
    detectors: Tensor

    @classmethod
    def between(
        cls,
        degradation: Degradation,
        spectrum: RadialSpectrum,
        shape: tuple[int, int],
        *,
        pitch_mm: float | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Operator:
        """Evaluate the tables on a grid.

        Parameters
        ----------
        degradation : Degradation
            What lies between the detectors.
        spectrum : RadialSpectrum
            Prior power of sharp images; it is that of this HR detector where both MTFs are known.
        shape : (H, W)
            Shape of the padded image [px].
        pitch_mm : float, optional
            Pixel pitch [mm]; the degradation's own if not given.
        device, dtype
            Of the maps.
        """
        pitch = degradation.pitch_mm if pitch_mm is None else pitch_mm
        # The logarithm is taken in float64: in float32 -ln(1 - 1e-9) would be zero.
        maps = (
            -np.log(np.maximum(degradation.B_1_map(shape, pitch), MIN_B_1)),
            degradation.Sigma_1_map(shape, pitch),
            spectrum.behind(degradation).map(shape, pitch),
        )
        theta, Sigma_1, S = (torch.as_tensor(table, dtype=dtype, device=device)[None, None] for table in maps)
        told = np.concatenate([link_shape(degradation.link), detector_shape(degradation, pitch)])
        return cls(Process(theta, Sigma_1, shape), S, torch.as_tensor(told, dtype=dtype, device=device)[None])

    @classmethod
    def stack(cls, operators: Sequence[Operator]) -> Operator:
        """Join operators of one shape into one with a batch axis."""
        return cls(
            Process.stack([o.process for o in operators]),
            torch.cat([o.S for o in operators]),
            torch.cat([o.detectors for o in operators]),
        )

    def at_noise_level(self, level: float | Tensor) -> Operator:
        """Return the operator of images with another noise, see `Process.at_noise_level`."""
        return replace(self, process=self.process.at_noise_level(level))

    def rows(self, rows: Rows) -> Operator:
        """Return the operator of some rows of the bins, see `strips`; its shape stays that of the whole image."""
        return replace(self, process=self.process.rows(rows), S=self.S[rows])

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the padded image [px]."""
        return self.process.shape

    def wiener(self, t: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the Wiener gain W_t of every bin and the rms error c(t) that its estimate leaves.

        W_t = S B_t / (S B_t^2 + Sigma_t) is the posterior mean of x_0 given x_t for Gaussian images, and
        c(t)^2 the plane mean of the posterior variance S Sigma_t / (S B_t^2 + Sigma_t).

        Parameters
        ----------
        t : float or (B,) tensor
            Time in [0, 1].

        Returns
        -------
        W : (B or 1, 1, H, W // 2 + 1) tensor
        c : (B or 1, 1, 1, 1) tensor
        """
        B, Sigma = self.process.B(t), self.process.Sigma(t)
        total = self.S * B.square() + Sigma
        # At t = 0 where S = 0 both vanish: nothing is known and nothing is there.
        share = self.S / total.clamp_min(torch.finfo(total.dtype).tiny)
        return share * B, plane_mean(share * Sigma, self.shape).sqrt()

    def wiener_estimate(self, X_t: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectrum W_t X_t and the rms error c(t) that it leaves, see `wiener`, with little memory.

        Parameters
        ----------
        X_t : (B, 1, H, W // 2 + 1) complex tensor
            Spectra of the states.
        t : float or (B,) tensor
            Time in [0, 1].
        """
        estimate = torch.empty_like(X_t)
        variance = torch.zeros((), dtype=self.S.dtype, device=X_t.device)
        for rows in strips(self.S):
            W, c = self.rows(rows).wiener(t)
            estimate[rows] = W * X_t[rows]
            # The plane mean of some rows alone is their share of that of the whole plane.
            variance = variance + c.square()
        return estimate, variance.sqrt()

    def rms_change(self) -> Tensor:
        """Return the rms of x_0 - y that the physics expects, shape (B or 1, 1, 1, 1)."""
        change = self.S * (1 - self.process.B(1.0)).square() + self.process.Sigma_1
        return plane_mean(change, self.shape).sqrt()

    def conditions(self, t: float | Tensor, c: Tensor) -> Tensor:
        """Return what a network may be told, shape (B, 11): t, ln of the noise rms, ln of c(t), link, detectors.

        The noise rms stands for the dose; c(t) sums up blur and noise, so that one network can serve many
        detectors. Where the link bends tells how differently the two screens see a hardened beam, and so which
        materials it is wrong for, and by how much: no single curve of grey can say it (`GreyLink`). Where B_1 falls
        and the noise's colour tell what c(t) sums up: at one c(t) little blur in much noise, or the reverse.

        Parameters
        ----------
        t : float or (B,) tensor
            Time in [0, 1].
        c : (B or 1, 1, 1, 1) tensor
            rms error of the Wiener estimate, see `wiener`.
        """
        noise = plane_mean(self.process.Sigma_1, self.shape).sqrt()
        time = torch.as_tensor(t, dtype=c.dtype, device=c.device).reshape(-1)
        rms = [value.clamp_min(LEAST_RMS).reshape(-1).log() for value in (noise, c)]
        columns = [time, *rms, *self.detectors.to(c).unbind(1)]
        length = max(len(column) for column in columns)
        return torch.stack([column.expand(length) for column in columns], dim=1)
