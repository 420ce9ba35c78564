"""Edges in closed form: the oracle of the slanted-edge measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import erf

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Blur:
    """A Gaussian of ``sigma`` pixels and a share ``tail`` of a two-sided exponential of ``length`` pixels."""

    sigma: float
    tail: float = 0.0
    length: float = 15.0

    def esf(self, s: NDArray[np.float64]) -> NDArray[np.float64]:
        core = 0.5 * (1 + erf(s / self.sigma / np.sqrt(2)))
        decay = 0.5 * np.exp(-np.abs(s) / self.length)
        return (1 - self.tail) * core + self.tail * np.where(s > 0, 1 - decay, decay)

    def mtf(self, f: NDArray[np.float64]) -> NDArray[np.float64]:
        core = np.exp(-2 * (np.pi * f * self.sigma) ** 2)
        return (1 - self.tail) * core + self.tail / (1 + (2 * np.pi * f * self.length) ** 2)


@dataclass(frozen=True)
class SlantedEdge:
    """An edge at ``angle_deg`` seen by square pixels of side 1, from 0.2 to 1.0."""

    blur: Blur
    angle_deg: float = 3.0
    shape: tuple[int, int] = (256, 256)
    offset: float = 0.3
    dark: float = 0.2

    def draw(self, nodes: int = 4) -> NDArray[np.float64]:
        angle = np.radians(self.angle_deg)
        places, weights = np.polynomial.legendre.leggauss(nodes)
        y, x = (grid - (side - 1) / 2 for grid, side in zip(np.indices(self.shape), self.shape, strict=True))
        s = (x - self.offset) * np.cos(angle) - y * np.sin(angle)
        image = np.zeros(self.shape)
        for dy, wy in zip(places / 2, weights / 2, strict=True):
            for dx, wx in zip(places / 2, weights / 2, strict=True):
                image += wx * wy * self.blur.esf(s + dx * np.cos(angle) - dy * np.sin(angle))
        return self.dark + (1 - self.dark) * image

    def mtf(self, f: NDArray[np.float64]) -> NDArray[np.float64]:
        angle = np.radians(self.angle_deg)
        return self.blur.mtf(f) * np.abs(np.sinc(f * np.cos(angle)) * np.sinc(f * np.sin(angle)))


@pytest.fixture(scope="session")
def slanted_edge() -> type[SlantedEdge]:
    return SlantedEdge


@pytest.fixture(scope="session")
def blur() -> type[Blur]:
    return Blur
