"""B_1 as a `LinearPhysics`, and the link before it as a `Physics`, of deepinv (which is imported when it is asked for).

deepinv (Tachella et al., https://deepinv.github.io) brings samplers, plug-and-play and unrolled methods; it is no
dependency of xsim.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from xsim.errors import InputError
from xsim_zoo.operators.blur import Blur, Boundary
from xsim_zoo.process.physics import Physics

if TYPE_CHECKING:
    from deepinv.physics import LinearPhysics
    from deepinv.physics import Physics as DeepinvPhysics

__all__ = ["linear_physics", "linked_physics"]


def linear_physics(
    physics: Physics,
    shape: tuple[int, int],
    *,
    boundary: Boundary = "periodic",
    whitened: bool = False,
    noise_level: float = 1.0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> LinearPhysics:
    """Return deepinv's physics of y = B_1 x + n, for images (B, 1, H, W) in LR grey.

    Its noise has the detector's own spectrum. Methods that take white noise get it with ``whitened``, and are then
    given ``physics.blur.whiten(y)``. Pseudo-inverse and proximal operator are in closed form where images are periodic.

    Parameters
    ----------
    physics, shape, boundary, whitened, noise_level, device, dtype
        See `Blur.between`.

    Raises
    ------
    InputError
        If deepinv is not installed.
    """
    _check_installed()
    import deepinv  # noqa: PLC0415  (no dependency)

    blur = Blur.between(
        physics, shape, boundary=boundary, whitened=whitened, noise_level=noise_level, device=device, dtype=dtype
    )

    class BetweenDetectors(deepinv.physics.LinearPhysics):  # type: ignore[misc]
        """B_1 between two detectors."""

        def __init__(self) -> None:
            noise = deepinv.physics.GaussianNoise(1.0) if whitened else deepinv.physics.NoiseModel(_coloured(blur))
            super().__init__(img_size=(1, *shape), noise_model=noise)
            self.blur = blur

        def A(self, x: Tensor, **_: object) -> Tensor:
            return blur.A(x)

        def A_adjoint(self, y: Tensor, **_: object) -> Tensor:
            return blur.A_adjoint(y)

        def prox_l2(self, z: Tensor, y: Tensor, gamma: float | Tensor, **how: Any) -> Tensor:
            if boundary == "periodic":
                return blur.least_squares(z, y, gamma)
            answer: Tensor = super().prox_l2(z, y, gamma, **how)
            return answer

    return BetweenDetectors()


def linked_physics(
    physics: Physics,
    shape: tuple[int, int],
    *,
    noise_level: float = 1.0,
    device: torch.device | str = "cpu",
) -> DeepinvPhysics:
    """Return deepinv's physics of y = B_1 L(x) + n, for images (B, 1, H, W) in HR grey: not linear, differentiable.

    Parameters
    ----------
    physics, shape, noise_level, device
        See `Blur.between`.

    Raises
    ------
    InputError
        If deepinv is not installed.
    """
    _check_installed()
    import deepinv  # noqa: PLC0415

    blur = Blur.between(physics, shape, noise_level=noise_level, device=device)
    link = physics.link_on(blur.grid.padded, device)

    def forward(x: Tensor, **_: object) -> Tensor:
        return blur.A(blur.grid.crop(link.forward(blur.grid.pad(x))))

    noise = deepinv.physics.NoiseModel(_coloured(blur))
    found: DeepinvPhysics = deepinv.physics.Physics(A=forward, noise_model=noise)
    return found


class _coloured:  # noqa: N801  (what deepinv calls as a function)
    """Adds the detector's noise, another at each call."""

    def __init__(self, blur: Blur) -> None:
        self._blur, self._generator = blur, torch.Generator(blur.gain.device).manual_seed(0)

    def __call__(self, images: Tensor) -> Tensor:
        return images + self._blur.noise(self._generator, len(images)).to(images)


def _check_installed() -> None:
    if importlib.util.find_spec("deepinv") is None:
        raise InputError("deepinv is not installed: pip install deepinv")
