"""A picture of a phantom for people: minus the logarithm of what gets through, metal dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim.files.whole import whole_file
from xsim.materials import linear_attenuation_per_mm

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xsim.phantoms.phantom import Phantom

__all__ = ["attenuation", "picture", "write_preview"]

# One energy stands for the spectrum of a picture [keV].
PREVIEW_KEV = 40.0


def attenuation(phantom: Phantom, energy_keV: float = PREVIEW_KEV) -> NDArray[np.float32]:
    """Return -log(transmission) at one energy, shape (H, W)."""
    total = np.zeros(phantom.shape, np.float32)
    for material, path in zip(phantom.materials, phantom.thickness_mm, strict=True):
        mu = float(np.ravel(linear_attenuation_per_mm(material, np.array([energy_keV])))[0])
        total += np.float32(mu) * path
    return total


def picture(phantom: Phantom, *, energy_keV: float = PREVIEW_KEV, defects: bool = False) -> NDArray[np.uint8]:
    """Return the picture as grey levels, or colours where ``defects`` are outlined: (H, W) or (H, W, 3) uint8.

    Grey is linear in log(1 + a): thin tracks and thick balls can be seen in the same picture.
    """
    dark = np.log1p(2.0 * attenuation(phantom, energy_keV))
    low, high = np.percentile(dark, (0.1, 99.8))
    grey = np.clip((dark - low) / max(float(high - low), 1e-6), 0.0, 1.0)
    image: NDArray[np.uint8] = np.round(255.0 * (1.0 - grey)).astype(np.uint8)
    if not defects:
        return image
    coloured = np.repeat(image[:, :, None], 3, axis=2)
    for defect in phantom.defects:
        rim = _rim(np.pad(defect.mask, 2))
        row, column = defect.corner_px[0] - 2, defect.corner_px[1] - 2
        for v, u in zip(*np.nonzero(rim), strict=True):
            if 0 <= row + v < image.shape[0] and 0 <= column + u < image.shape[1]:
                coloured[row + v, column + u] = (230, 60, 30)
    return coloured


def _rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels just outside a padded mask."""
    grown = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            grown |= np.roll(mask, step, axis=axis)
    return grown & ~mask


def write_preview(phantom: Phantom, path: Path, *, defects: bool = False) -> Path:
    """Write the picture as PNG and return its path."""
    from PIL import Image  # noqa: PLC0415  only pictures need it

    with whole_file(path) as partial:
        Image.fromarray(picture(phantom, defects=defects)).save(partial, format="PNG")
    return path
