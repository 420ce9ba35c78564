"""Learning and judging without any HR image: two looks at one LR image whose noises know nothing of each other.

Recorrupted-to-Recorrupted (Pang et al. 2021, CVPR, "Recorrupted-to-Recorrupted: Unsupervised Deep Learning for Image
Denoising"), here for coloured noise and through a blur. Of y = m + e, with m = B_1 L(x_0) the clean LR image and e
Gaussian of covariance C, and n drawn with the same covariance,

    y' = y + a n,    y'' = y - n / a,    cov(e + a n, e - n / a) = C - C = 0,

so the noise of y'' is independent of all that a restorer makes of y'. For any restorer and any linear K then

    E |K (B_1 L(x_0_hat(y')) - y'')|^2 = E |K (B_1 L(x_0_hat(y')) - m)|^2 + (1 + 1 / a^2) trace(K C K^T):

the left side, of which every part is known, is the risk against the clean image but for a constant. K whitens the noise
(frequency by frequency, in units of Sigma_1 at the image's grey), so that every frequency counts by what LR knows of
it. Restorers are told that the noise of y' is (1 + a^2) times as strong.

What counts is C, *all* of y's noise: white noise instead would leave the coloured part in both looks, and reward a
restorer that lets it pass. Sigma_1 is the noise of y less B_1^2 times that of an HR mean, which y does not hold. With
the paper's detectors this share s is 9 % of y's noise at f = 0 and below 4 % beyond 2 lp/mm (tested in
tests/zoo/training/test_recorruption.py), and it is not added: a calibration does not know it. Where LR shows little but
noise the best answer then lets s / (1 + a^2) of y pass instead of none, and nothing changes where it shows a signal.
Noise is stronger where the image is bright, so n is drawn so too. And n is drawn on the image itself, which is then
padded by reflection: on a padded image, the border would show the noise of its mirror image twice.

LR says nothing of frequencies that B_1 has taken away; nor does this risk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim.degradation.degradation import Degradation
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.physics import link_on
from xsim_zoo.process.preconditioning import Network
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer

__all__ = ["STRENGTH", "Looks", "LrModel"]

STRENGTH = 0.5
"""a: the restorer then works at 1.25 times the noise that it will meet, and is judged by a look with 5 times as much.
Pang et al. take .5 too."""

_MARGIN_PX = 16
"""What is left out of the risk at each side [px]: there the blur brings in what lies outside the image."""


@dataclass(frozen=True)
class Looks:
    """Two looks at LR images (B, H, W) with independent noises: what is restored, and what judges it.

    Parameters
    ----------
    restored, judge : (B, H, W) tensors
        y' and y'', or two frames of one object.
    level : (B,) tensor
        Noise power of y relative to the open field's.
    noise_restored, noise_judge : float
        Noise power of both looks, relative to y's.
    """

    restored: Tensor
    judge: Tensor
    level: Tensor
    noise_restored: float = 1.0
    noise_judge: float = 1.0


class LrModel:
    """What LR images of one shape are: blur, noise and link of their detectors on the images' grid.

    Parameters
    ----------
    degradation : Degradation
        What lies between the detectors.
    shape : (H, W)
        Shape of the images [px].
    first : bool
        Where the link acts, see `Physics.link_first`.
    device : torch device or str
        Where it computes.
    """

    def __init__(
        self,
        degradation: Degradation,
        shape: tuple[int, int],
        *,
        first: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        self.degradation, self.device = degradation, torch.device(device)
        self.grid = PaddedGrid.around(shape)
        self.link = link_on(degradation, self.grid.padded, device, first=first)
        self._margin = _MARGIN_PX if min(shape) > 3 * _MARGIN_PX else 0
        self._inner = (shape[0] - 2 * self._margin, shape[1] - 2 * self._margin)
        Sigma_1 = degradation.Sigma_1_map(self._inner)
        # Where the model knows no noise (f = 0 of the paper's), that of the least noisy bin.
        Sigma_1 = np.maximum(Sigma_1, Sigma_1[Sigma_1 > 0].min())
        self._B_1, self._colour, self._whitening = (
            torch.as_tensor(table, dtype=torch.float32, device=device)
            for table in (
                degradation.B_1_map(self.grid.padded),
                np.sqrt(degradation.Sigma_1_map(self.grid.padded)),
                1 / np.sqrt(Sigma_1),
            )
        )

    def rms_map(self, y: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the rms noise behind each pixel of LR images (..., H, W), in units of the open field's.

        It is that of y blurred once more: the noise of y itself must not decide how strong the other noise is.
        """
        smooth = self.blurred(self.grid.pad(torch.as_tensor(y, dtype=torch.float32, device=self.device)))
        return np.sqrt(self.degradation.local_noise_level(smooth.cpu().numpy())).astype(np.float32)

    def blurred(self, x_0: Tensor) -> Tensor:
        """Return B_1 of images in LR grey (..., H', W') on the padded grid, cropped to (..., H, W)."""
        return self.grid.crop(ifft(self._B_1 * fft(x_0), self.grid.padded))

    def looks(self, y: Tensor, rms: Tensor, white: Tensor, strength: float = STRENGTH) -> Looks:
        """Return y' and y'' of LR images.

        Parameters
        ----------
        y, rms : (B, H, W) tensors
            LR images, and `rms_map` of them.
        white : (B, H', W') tensor
            White noise of unit variance on the padded grid, on the CPU.
        strength : float
            a, above 0; of -a the two noises are the opposite ones.
        """
        n = rms * self.grid.crop(ifft(self._colour * fft(white.to(self.device)), self.grid.padded))
        return Looks(
            y + strength * n, y - n / strength, rms.square().mean(dim=(-2, -1)), 1 + strength**2, 1 + strength**-2
        )

    def distance(self, x_0: Tensor, looks: Looks) -> Tensor:
        """Return |K (B_1 x_0 - y'')|^2 a pixel, K whitening, shape (B,).

        Parameters
        ----------
        x_0 : (B, H', W') tensor
            L of the restored images, on the padded grid.
        looks : Looks
            Their looks; the second judges.
        """
        left = self.blurred(x_0) - looks.judge
        rows, columns = (slice(self._margin, self._margin + side) for side in self._inner)
        whitened = ifft(self._whitening * fft(left[..., rows, columns]), self._inner)
        return whitened.square().mean(dim=(-2, -1)) / looks.level

    def loss(self, restorer: LearnedRestorer, looks: Looks, steps: int, network: Network | None = None) -> Tensor:
        """Return the mean distance of a restorer's answers, with the gradient through all of its steps, a scalar."""
        level = torch.as_tensor(restorer.noise_level(looks.restored)) * looks.noise_restored
        operator = restorer.operator(self.grid.padded).at_noise_level(level)
        x_0 = restorer.unrolled(self.grid.pad(looks.restored)[:, None], operator, steps, network).float()
        if not restorer.uses_link:
            x_0 = self.link.forward(x_0)
        return self.distance(x_0[:, 0], looks).mean()

    @torch.no_grad()
    def risk(self, restorer: Restorer, looks: Looks) -> NDArray[np.float64]:
        """Return the risk of a restorer on each image (B,): its distance less the share of the judge's own noise.

        In units of the noise power of y a pixel: 0 is perfect, 1 what y itself would get. The restorer may stand
        between other detectors: its answer, in HR grey, is taken to LR by the detectors of this model.
        """
        found = []
        for place, y in enumerate(looks.restored):
            level = float(restorer.noise_level(y)) * looks.noise_restored
            hr = torch.as_tensor(restorer.restore_array(y, noise_level=level), device=self.device)
            one = replace(looks, judge=looks.judge[place : place + 1], level=looks.level[place : place + 1])
            found.append(float(self.distance(self.link.forward(self.grid.pad(hr[None])), one)))
        return np.array(found) - looks.noise_judge
