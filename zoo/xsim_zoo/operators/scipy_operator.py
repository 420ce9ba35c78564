"""B_1 as a `LinearOperator` of SciPy, for its solvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim_zoo.operators.blur import Blur, Boundary
from xsim_zoo.process.physics import Physics

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

__all__ = ["linear_operator"]


def linear_operator(
    physics: Physics, shape: tuple[int, int], *, boundary: Boundary = "reflect", whitened: bool = False
) -> LinearOperator:
    """Return B_1 on images (H, W) in LR grey as vectors of H W numbers, float64, with its exact adjoint.

    Parameters
    ----------
    physics, shape, boundary, whitened
        See `Blur.between`.
    """
    from scipy.sparse.linalg import LinearOperator  # noqa: PLC0415  (.2 s)

    blur = Blur.between(physics, shape, boundary=boundary, whitened=whitened, dtype=torch.float64)
    size = shape[0] * shape[1]

    def acting(act: Callable[[Tensor], Tensor]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        def on(vector: NDArray[np.float64]) -> NDArray[np.float64]:
            image = torch.as_tensor(np.asarray(vector, np.float64).reshape(1, 1, *shape))
            found: NDArray[np.float64] = act(image).numpy().ravel()
            return found

        return on

    return LinearOperator((size, size), matvec=acting(blur.A), rmatvec=acting(blur.A_adjoint), dtype=np.float64)
